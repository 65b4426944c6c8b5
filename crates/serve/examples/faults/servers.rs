//! A server elsewhere that is stopped while it is asked.

use crate::open_loop::{Load, Plan};
use crate::setting::{Setting, asking, told, version};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tidegate_serve::remote::{Address, Upstream};
use tidegate_serve::{TargetSpec, TargetState};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const ROUNDS: usize = 5;
const RATE: f64 = 200.0;

async fn server() -> (Child, SocketAddr) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.arg("upstream").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.next_line().await.unwrap().unwrap().parse().unwrap();
    (child, address)
}

fn files(dir: &std::path::Path) {
    std::fs::write(dir.join("remote.json"), r#"{"upstream": "others", "model": "double", "version": "7"}"#).unwrap();
    let tensor = |name: &str, x: f64| json!({ "name": name, "datatype": "FP64", "shape": [1], "data": [x] });
    let golden = json!({ "id": "g1", "inputs": [tensor("x", 2.0)], "expect": { "outputs": [tensor("y", 4.0)] } });
    std::fs::write(dir.join("golden.json"), json!({ "requests": [golden] }).to_string()).unwrap();
}

/// Two servers, of which one is stopped for as long as it takes to be left out and some seconds more.
pub async fn stopped() {
    for round in 1..=ROUNDS {
        let ((child, address), (_other, other)) = (server().await, server().await);
        let mut setting = Setting::new().await;
        let dir = std::env::temp_dir().join(format!("tidegate-faults-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        files(&dir);
        let servers = [address, other].map(|server| Address::parse(&format!("http://{server}")).unwrap());
        let upstream = Some(Upstream::new("others", servers.to_vec()));
        setting.pool.ensure(TargetSpec { upstream, ..TargetSpec::new(version(1), "late", dir.clone()) }).unwrap();
        assert_eq!(setting.pool.settled(&version(1)).await, Some(TargetState::Ready));
        setting.apply(&[(version(1), 10_000)]);
        let gateway = setting.gateway.address();
        let plan = Plan {
            connections: 512,
            body: |n| format!(r#"{{"id": "u{n}", "inputs": [{{"name": "x", "datatype": "FP64", "shape": [1], "data": [{n}]}}]}}"#),
            right: |n, value| value["outputs"][0]["data"] == json!([2.0 * n as f64]) && value["id"] == format!("u{n}"),
            ..asking(gateway, RATE, 20 * RATE as u64)
        };
        let load = Load::start(plan, Default::default());
        tokio::time::sleep(Duration::from_secs(5)).await;
        kill_process(Pid::from_raw(child.id().unwrap().cast_signed()).unwrap(), Signal::STOP).unwrap();
        let start = Instant::now();
        while told(gateway, "tidegate_server_well", &address.to_string()).await != 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let noticed = start.elapsed();
        let retried = told(gateway, "tidegate_server_retried_total", &other.to_string()).await;
        let ledger = load.end().await;
        ledger.adds_up();
        println!(
            "stopped, round {round}: left out after {:.2} s; {ledger} = {:.3} % not answered; {retried} asked again elsewhere; p99 {:.0} ms, longest {:.0} ms; {:?}",
            noticed.as_secs_f64(),
            100.0 * (ledger.sent - ledger.right) as f64 / ledger.sent as f64,
            ledger.latency_us(0.99) as f64 / 1e3,
            ledger.latency_us(1.0) as f64 / 1e3,
            ledger.statuses,
        );
        setting.end().await;
        let _ = std::fs::remove_dir_all(dir);
    }
}
