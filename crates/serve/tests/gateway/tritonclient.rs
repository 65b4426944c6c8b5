//! The client library of Triton against the gateway: what its users' programs do, done by its own code.

use crate::onnx::{real, same, version};
use crate::world::{TOKEN, route};
use serde_json::json;
use std::process::Command;
use tidegate_core::route::{Role, Route, RouteTable, TargetId};
use tidegate_serve::{TargetSpec, TargetState};

/// Element type of texts in ONNX.
const STRING: u8 = 8;

/// Runs a script of the client's flows against a gateway with two real models.
async fn flows(script: &str, expected: &[&str]) {
    let Some(python) = std::env::var_os("TIDEGATE_TEST_TRITONCLIENT") else {
        eprintln!("skipped: TIDEGATE_TEST_TRITONCLIENT names no Python with the packages of scripts/tritonclient-requirements.lock");
        return;
    };
    let Some(world) = real().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let golden = json!({ "datatype": "BYTES", "data": ["é"] });
    let mut routes = Vec::new();
    for (model, dir) in [("simple", version(&dir.path().join("simple"), 3)), ("texts", same(&dir.path().join("texts"), STRING, golden))] {
        let target = TargetId::new(model, "1", Role::Stable);
        world.pool.ensure(TargetSpec { target: target.clone(), model: model.to_owned(), dir, upstream: None }).unwrap();
        assert_eq!(world.pool.settled(&target).await, Some(TargetState::Ready), "{model}");
        routes.push(Route { service: model.to_owned(), model: model.to_owned(), ..route(&[(target, 10_000)], 0) });
    }
    world.gateway.apply(RouteTable::new(1, routes)).unwrap();
    let script = format!("{}/tests/tritonclient/{script}", env!("CARGO_MANIFEST_DIR"));
    let address = world.gateway.address().to_string();
    let mut command = Command::new(python);
    command.arg(script).args([&address, TOKEN]).env("PYTHONDONTWRITEBYTECODE", "1");
    let said = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{out}\n{err}");
    assert_eq!(out.lines().collect::<Vec<_>>(), expected.iter().map(|flow| format!("ok {flow}")).collect::<Vec<_>>(), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triton_clients_flows_over_http() {
    flows("flows.py", &["health_and_metadata", "infer", "compression", "raw", "several_at_once", "aio", "texts", "repository", "errors"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triton_clients_flows_over_grpc() {
    flows(
        "grpc_flows.py",
        &["health_and_metadata", "infer", "explicit_contents", "several_at_once", "stream", "aio", "texts", "repository", "errors"],
    )
    .await;
}
