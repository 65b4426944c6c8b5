//! The client library of Triton against the gateway: what its users' programs do, done by its own code.

use crate::onnx::{real, same, version};
use crate::world::{TOKEN, World, route};
use serde_json::json;
use std::path::PathBuf;
use std::process::Command;
use tidegate_core::route::{Role, Route, RouteTable, TargetId};
use tidegate_serve::remote::{Address, Secret, Upstream};
use tidegate_serve::{TargetSpec, TargetState};

/// Element type of texts in ONNX.
const STRING: u8 = 8;

/// Who answers the client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Workers of the gateway.
    Workers,
    /// Another gateway, through which the first one is asked.
    Through,
}

/// A gateway that answers for the models of another one.
async fn before(behind: &World, dirs: &[(&str, PathBuf)]) -> (World, Vec<tempfile::TempDir>) {
    let front = World::new().await;
    let server = Address::parse(&format!("http://{}", behind.gateway.address())).unwrap();
    let upstream = Upstream { token: Some(Secret(TOKEN.to_owned())), ..Upstream::new("behind", vec![server]) };
    let mut kept = Vec::new();
    for (model, dir) in dirs {
        let own = tempfile::tempdir().unwrap();
        std::fs::copy(dir.join("golden.json"), own.path().join("golden.json")).unwrap();
        std::fs::write(own.path().join("remote.json"), json!({ "upstream": "behind", "model": model }).to_string()).unwrap();
        load(&front, model, own.path().to_owned(), Some(upstream.clone())).await;
        kept.push(own);
    }
    (front, kept)
}

async fn load(world: &World, model: &str, dir: PathBuf, upstream: Option<Upstream>) {
    let target = TargetId::new(model, "1", Role::Stable);
    world.pool.ensure(TargetSpec { upstream, ..TargetSpec::new(target.clone(), model, dir) }).unwrap();
    assert_eq!(world.pool.settled(&target).await, Some(TargetState::Ready), "{model}");
}

fn routes() -> RouteTable {
    let one = |model: &str| {
        let target = TargetId::new(model, "1", Role::Stable);
        Route { service: model.to_owned(), model: model.to_owned(), ..route(&[(target, 10_000)], 0) }
    };
    RouteTable::new(1, ["simple", "texts"].map(one))
}

/// Runs a script of the client's flows against a gateway with two real models.
async fn flows(who: Who, script: &str, expected: &[&str]) {
    let Some(python) = std::env::var_os("TIDEGATE_TEST_TRITONCLIENT") else {
        eprintln!("skipped: TIDEGATE_TEST_TRITONCLIENT names no Python with the packages of scripts/tritonclient-requirements.lock");
        return;
    };
    let Some(world) = real().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let golden = json!({ "datatype": "BYTES", "data": ["é"] });
    let dirs = [("simple", version(&dir.path().join("simple"), 3)), ("texts", same(&dir.path().join("texts"), STRING, golden))];
    for (model, dir) in &dirs {
        load(&world, model, dir.clone(), None).await;
    }
    world.gateway.apply(routes()).unwrap();
    let (front, _kept) = match who {
        Who::Workers => (None, vec![]),
        Who::Through => {
            let (front, kept) = before(&world, &dirs).await;
            front.gateway.apply(routes()).unwrap();
            (Some(front), kept)
        }
    };
    let script = format!("{}/tests/tritonclient/{script}", env!("CARGO_MANIFEST_DIR"));
    let address = front.as_ref().unwrap_or(&world).gateway.address().to_string();
    let mut command = Command::new(python);
    command.arg(script).args([&address, TOKEN]).env("PYTHONDONTWRITEBYTECODE", "1");
    let said = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{out}\n{err}");
    assert_eq!(out.lines().collect::<Vec<_>>(), expected.iter().map(|flow| format!("ok {flow}")).collect::<Vec<_>>(), "{err}");
}

const OVER_HTTP: [&str; 9] =
    ["health_and_metadata", "infer", "compression", "raw", "several_at_once", "aio", "texts", "repository", "errors"];
const OVER_GRPC: [&str; 9] =
    ["health_and_metadata", "infer", "explicit_contents", "several_at_once", "stream", "aio", "texts", "repository", "errors"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triton_clients_flows_over_http() {
    flows(Who::Workers, "flows.py", &OVER_HTTP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triton_clients_flows_over_grpc() {
    flows(Who::Workers, "grpc_flows.py", &OVER_GRPC).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triton_clients_flows_through_to_an_upstream() {
    flows(Who::Through, "flows.py", &OVER_HTTP).await;
    flows(Who::Through, "grpc_flows.py", &OVER_GRPC).await;
}
