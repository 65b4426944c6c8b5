//! SIGTERM to a gateway that is at work.

use crate::open_loop::{Load, Plan};
use crate::process::Process;
use crate::world::until;
use crate::{alone, asking};
use rustix::process::Signal;
use std::time::Duration;

/// Connections that are kept and asked on.
const KEPT: usize = 24;
/// Connections of which each has a slow request in flight.
const SLOW: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_loses_nothing_on_32_connections_with_8_requests_in_flight() {
    let _alone = alone().await;
    let dir = tempfile::tempdir().unwrap();
    let gateway = Process::start(&["gateway", dir.path().to_str().unwrap()]).await;
    let kept = Load::start(Plan { connections: KEPT, ..asking(gateway.address, 400.0, u64::MAX) }, Default::default());
    until("the load runs", || kept.settled() > 200).await;
    let slow = Plan {
        connections: SLOW,
        body: |n| format!(r#"{{"id": "{n}", "x": {n}, "ms": 100}}"#),
        ..asking(gateway.address, 0.0, SLOW as u64)
    };
    let slow = Load::start(slow, Default::default());
    // The worker answers one after the other: when the first is back, the others are in flight.
    until("they are in flight", || slow.settled() >= 1).await;
    let before = kept.settled();
    gateway.signal(Signal::TERM);
    until("it goes on while it drains", || kept.settled() > before + 20).await;
    let slow = slow.end().await;
    slow.is_clean();
    assert_eq!(slow.sent, SLOW as u64);
    // Each connection goes on until it is refused: then nothing was sent on it.
    let kept = kept.end().await;
    kept.adds_up();
    assert_eq!((kept.right, kept.not_sent), (kept.sent, KEPT as u64), "{kept}: {:?}", kept.whys);
    let ended = tokio::time::timeout(Duration::from_secs(60), gateway.end()).await.unwrap();
    assert_eq!(ended, ("0".to_owned(), true), "no connection was cut, and it ended by itself");
}
