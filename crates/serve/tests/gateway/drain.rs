//! Stopping under load: what was sent is answered.

use crate::client::Lost;
use crate::world::{INFER, World};
use bytes::Bytes;
use hyper::StatusCode;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_under_load_loses_nothing() {
    let world = World::with_stable().await;
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..16)
        .map(|n| {
            let (mut client, answered) = (world.client(), Arc::clone(&answered));
            tokio::spawn(async move {
                // One of them asks slowly, so that requests are in flight in every phase.
                let body = Bytes::from(json!({ "x": 1, "do": if n == 0 { "sleep" } else { "" } }).to_string());
                let mut told = false;
                loop {
                    match client.ask("POST", INFER, body.clone()).await {
                        Ok(got) => {
                            assert_eq!(got.status, StatusCode::OK);
                            told |= got.header("connection") == "close";
                            answered.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(Lost::NotConnected) => return told,
                        Err(Lost::Broken) => panic!("a request was sent and got no answer"),
                    }
                }
            })
        })
        .collect();
    crate::world::until("the load runs", || answered.load(Ordering::SeqCst) > 200).await;
    let report = world.gateway.shutdown().await;
    assert_eq!(report.cut, 0);
    for client in clients {
        assert!(client.await.unwrap(), "a client was never told that the connection closes");
    }
    assert!(answered.load(Ordering::SeqCst) > 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_ready_as_soon_as_it_drains() {
    let world = World::with(crate::world::pool_settings(), |s| s.timings.announce_ms = 400).await;
    world.load(&[crate::world::stable()]).await;
    let mut world = world;
    world.apply(crate::world::route(&[(crate::world::stable(), 10_000)], 0));
    let mut client = world.client();
    assert_eq!(client.get("/v2/health/ready").await.status, StatusCode::OK);
    let mut other = world.client();
    let gateway = world.gateway;
    let drain = tokio::spawn(async move { gateway.shutdown().await });
    let seen = loop {
        match client.ask("GET", "/v2/health/ready", Bytes::new()).await {
            Ok(got) if got.status == StatusCode::OK => {}
            Ok(got) => break got,
            Err(lost) => panic!("{lost:?} before it said that it is not ready"),
        }
    };
    assert_eq!((seen.status, seen.header("connection")), (StatusCode::SERVICE_UNAVAILABLE, "close"));
    assert_eq!(other.get("/v2/health/live").await.status, StatusCode::OK);
    assert_eq!(other.post(INFER, &json!({ "x": 1 })).await.status, StatusCode::OK);
    drain.await.unwrap();
}
