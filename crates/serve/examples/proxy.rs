//! A gateway in front of one server of the protocol, for load from outside: `scripts/serve/bench_serve.py` starts it beside nginx and Envoy.
//!
//! `proxy --remote http://ADDRESS --listen ADDRESS` serves the server's model `m` under the token `token`, with split, breaker, probes and
//! metrics on. Its golden answer is what the server says to a request without inputs when it starts.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

use std::io::Read;
use tidegate_core::route::{Role, Route, RouteTable, TargetId};
use tidegate_runtime::Golden;
use tidegate_serve::remote::{Address, RemoteModel, Upstream, describe};
use tidegate_serve::{Conduct, Gateway, GatewaySettings, PoolSettings, TargetSpec, TargetState, WorkerPool};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let (Some(server), Some(listen)) = (after("--remote"), after("--listen")) else { panic!("proxy --remote URL --listen ADDRESS") };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(serve(&server, &listen));
}

async fn serve(server: &str, listen: &str) {
    let upstream = Upstream::new("origin", vec![Address::parse(server).unwrap()]);
    let model = RemoteModel::parse(br#"{"upstream": "origin", "model": "m"}"#).unwrap();
    let golden = br#"{"requests": [{"id": "one", "inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [0]}]}]}"#;
    let golden = Golden::parse(golden).unwrap();
    let (_, recorded) = describe(upstream.clone(), model.clone(), Some(&golden)).await.unwrap();
    let dir = std::env::temp_dir().join(format!("tidegate-proxy-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("remote.json"), model.to_json()).unwrap();
    std::fs::write(dir.join("golden.json"), recorded.unwrap().to_json().unwrap()).unwrap();
    let (pool, _events) = WorkerPool::new(PoolSettings::new("none".into(), vec![], "none".into()));
    let target = TargetId::new("m", "1", Role::Stable);
    pool.ensure(TargetSpec {
        target: target.clone(),
        model: "m".to_owned(),
        dir: dir.clone(),
        upstream: Some(upstream),
        conduct: Conduct::default(),
    })
    .unwrap();
    assert_eq!(pool.settled(&target).await, Some(TargetState::Ready));
    let settings = GatewaySettings::new(listen.parse().unwrap(), vec!["token".to_owned()], 1);
    let (gateway, mut outputs) = Gateway::start(settings, pool.clone()).await.unwrap();
    gateway.apply(RouteTable::new(1, [Route::all_to("m", target)])).unwrap();
    tokio::spawn(async move { while outputs.records.recv().await.is_some() {} });
    println!("listening on {}; gateway {}", gateway.address(), std::process::id());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    gateway.shutdown().await;
    pool.shutdown().await;
    let _ = std::fs::remove_dir_all(dir);
}
