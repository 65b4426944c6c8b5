//! Servers elsewhere that stop or lie, under load.

use crate::open_loop::{Load, Plan};
use crate::process::Process;
use crate::upstream::{Mode, Upstream};
use crate::world::{World, route, stable, until};
use crate::{alone, asking};
use rustix::process::Signal;
use serde_json::json;
use std::net::SocketAddr;
use tidegate_serve::remote::{self, Address};
use tidegate_serve::{TargetSpec, TargetState};

struct Setting {
    world: World,
    _dir: tempfile::TempDir,
}

/// A gateway before servers of the model `double`, with the limits that it has when nothing is said.
async fn before(servers: &[SocketAddr], change: impl FnOnce(&mut remote::Upstream)) -> Setting {
    let addresses = servers.iter().map(|server| Address::parse(&format!("http://{server}")).unwrap());
    let mut upstream = remote::Upstream::new("others", addresses.collect());
    change(&mut upstream);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("remote.json"), r#"{"upstream": "others", "model": "double", "version": "7"}"#).unwrap();
    let tensor = |name: &str, x: f64| json!({ "name": name, "datatype": "FP64", "shape": [1], "data": [x] });
    let golden = |id: &str, x: f64| json!({ "id": id, "inputs": [tensor("x", x)], "expect": { "outputs": [tensor("y", 2.0 * x)] } });
    std::fs::write(dir.path().join("golden.json"), json!({ "requests": [golden("g1", 2.0), golden("g2", -0.5)] }).to_string()).unwrap();
    let mut world = World::new().await;
    let spec = TargetSpec { upstream: Some(upstream), ..TargetSpec::new(stable(), "late", dir.path()) };
    world.pool.ensure(spec).unwrap();
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    world.apply(route(&[(stable(), 10_000)], 0));
    let setting = Setting { world, _dir: dir };
    for server in servers {
        setting.until_told("tidegate_server_well", *server, 1).await;
    }
    setting
}

impl Setting {
    async fn told(&self, name: &str, server: SocketAddr) -> u64 {
        let page = String::from_utf8(self.world.client().get("/metrics").await.body.to_vec()).unwrap();
        let line = page.lines().find(|line| line.starts_with(name) && line.contains(&format!("http://{server}\"")));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    async fn until_told(&self, name: &str, server: SocketAddr, value: u64) {
        while self.told(name, server).await != value {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

fn doubling(address: SocketAddr, rate: f64, requests: u64) -> Plan {
    Plan {
        connections: 128,
        body: |n| format!(r#"{{"id": "u{n}", "inputs": [{{"name": "x", "datatype": "FP64", "shape": [1], "data": [{n}]}}]}}"#),
        right: |n, value| value["outputs"][0]["data"] == json!([2.0 * n as f64]) && value["id"] == format!("u{n}"),
        ..asking(address, rate, requests)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_is_left_out_and_comes_back() {
    let _alone = alone().await;
    let (stopped, other) = (Process::start(&["upstream"]).await, Process::start(&["upstream"]).await);
    let setting = before(&[stopped.address, other.address], |_| {}).await;
    let load = Load::start(doubling(setting.world.gateway.address(), 200.0, u64::MAX), Default::default());
    until("the load runs", || load.settled() > 200).await;
    stopped.signal(Signal::STOP);
    setting.until_told("tidegate_server_well", stopped.address, 0).await;
    let before = setting.told("tidegate_server_answered_total", other.address).await;
    stopped.signal(Signal::CONT);
    setting.until_told("tidegate_server_well", stopped.address, 1).await;
    let ledger = load.stop().await;
    ledger.adds_up();
    assert_eq!((ledger.failed, ledger.timed_out), (0, 0), "{ledger}: {:?}", ledger.whys);
    assert_eq!(setting.told("tidegate_server_ejected_total", stopped.address).await, 1);
    assert!(before > 0 && ledger.right > 200, "{ledger}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_wrong_is_left_out_within_two_golden_answers() {
    let _alone = alone().await;
    let (liar, other) = (Upstream::start().await, Upstream::start().await);
    // It is looked at as often as it answers a golden request, so that those are counted by periods.
    let periods = |upstream: &mut remote::Upstream| (upstream.probe_every_ms, upstream.golden_every_ms) = (300, 300);
    let setting = before(&[liar.address, other.address], periods).await;
    let load = Load::start(doubling(setting.world.gateway.address(), 300.0, u64::MAX), Default::default());
    until("the load runs", || load.settled() > 200).await;
    let golden = liar.golden();
    liar.become_(Mode::Wrong);
    setting.until_told("tidegate_server_wrong", liar.address, 1).await;
    let settled = load.settled();
    until("requests go on", || load.settled() > settled + 200).await;
    let ledger = load.stop().await;
    ledger.adds_up();
    assert_eq!((ledger.rejected, ledger.timed_out), (0, 0), "{ledger}");
    assert!(ledger.failed > 0 && ledger.whys.iter().all(|why| why.contains("answered wrong")), "{ledger}: {:?}", ledger.whys);
    let periods = liar.golden_before_user() - golden;
    assert!(periods <= 2, "users were asked of it for {periods} golden answers more");
}
