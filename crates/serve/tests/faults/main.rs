//! Faults under open-loop load: what became of each request that was sent, counted by those who sent it.
//!
//! Counts and orders are asserted, and no times: how long it takes is measured by the example `faults` and stands in docs/benchmarks.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

#[allow(dead_code, reason = "shared with the tests of the gateway")]
#[path = "../gateway/client.rs"]
mod client;
mod control;
mod kills;
#[allow(dead_code, reason = "shared with the example `faults`")]
#[path = "../support/open_loop.rs"]
mod open_loop;
mod overload;
mod process;
mod servers;
mod swaps;
mod terminate;
#[allow(dead_code, reason = "shared with the tests of the gateway")]
#[path = "../gateway/upstream.rs"]
mod upstream;
#[allow(dead_code, reason = "shared with the tests of the gateway")]
#[path = "../gateway/world.rs"]
mod world;

use open_loop::Plan;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// One fault at a time: loads beside each other would be each other's overload.
pub async fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::const_new(());
    ONE.lock().await
}

/// So many requests to the fake version, each with a value of its own.
pub fn asking(address: SocketAddr, rate: f64, requests: u64) -> Plan {
    Plan {
        address,
        path: world::INFER.to_owned(),
        token: world::TOKEN.to_owned(),
        rate,
        requests,
        connections: 32,
        patience: Duration::from_secs(60),
        body: |n| format!(r#"{{"id": "{n}", "x": {n}}}"#),
        right: |n, value| value["x"].as_f64() == Some(n as f64),
    }
}
