//! Memory of versions: told, held to a limit before the first request, and given back without a request lost.

use crate::world::{INFER, World, patient, pool_settings, route, stable, until};
use hyper::StatusCode;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tidegate_serve::{Conduct, PoolEvent, PoolSettings, TargetSpec, TargetState};

const MIB: u64 = 1024 * 1024;

async fn limited(bytes: u64) -> (World, Option<TargetState>) {
    let world = World::with(PoolSettings { memory_look_ms: 20, ..pool_settings() }, |_| {}).await;
    let conduct = Conduct { memory_bytes_max: Some(bytes), ..patient() };
    world.pool.ensure(TargetSpec { conduct, ..world.spec(&stable(), "") }).unwrap();
    let state = world.pool.settled(&stable()).await;
    (world, state)
}

/// What the page of metrics says of the one target.
async fn told(world: &World, name: &str) -> u64 {
    let page = String::from_utf8(world.client().get("/metrics").await.body.to_vec()).unwrap();
    let line = page.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap_or_else(|| panic!("{name} in {page}")).to_owned();
    assert!(line.contains("version=\"1\",role=\"stable\""), "{line}");
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_takes_more_than_it_may_gets_no_request() {
    let (world, state) = limited(MIB / 2).await;
    let Some(TargetState::Failed { why }) = state else { panic!("{state:?}") };
    assert!(why.starts_with("once loaded it takes ") && why.ends_with("raise it, or serve a smaller model"), "{why}");
    assert!(why.contains("bytes of memory, and `serving.memory_mib` allows 524288"), "{why}");
    world.pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_grows_is_replaced_and_no_request_is_lost() {
    let (mut world, state) = limited(200 * MIB).await;
    assert_eq!(state, Some(TargetState::Ready));
    world.apply(route(&[(stable(), 10_000)], 0));
    let first = world.pool.process(&stable()).unwrap();
    let before = told(&world, "tidegate_memory_bytes").await;
    assert!((100_000..200 * MIB).contains(&before), "{before}");
    let (stop, sent, well) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, sent, well, mut client) = (Arc::clone(&stop), Arc::clone(&sent), Arc::clone(&well), world.client());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    sent.fetch_add(1, Ordering::SeqCst);
                    let got = client.post(INFER, &json!({ "x": 1, "ms": 2 })).await;
                    well.fetch_add(u64::from(got.status == StatusCode::OK), Ordering::SeqCst);
                }
            })
        })
        .collect();
    until("requests go on", || sent.load(Ordering::SeqCst) > 50).await;
    let grown = world.client().post(INFER, &json!({ "x": 1, "hold": 300 * MIB })).await;
    assert_eq!(grown.status, StatusCode::OK);
    until("another one has taken its place", || world.pool.process(&stable()).is_some_and(|process| process != first)).await;
    let more = sent.load(Ordering::SeqCst) + 100;
    until("requests go on", || sent.load(Ordering::SeqCst) > more).await;
    until("the one before has ended", || !std::path::Path::new(&format!("/proc/{first}")).exists()).await;
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(sent.load(Ordering::SeqCst), well.load(Ordering::SeqCst), "each request was answered");
    assert_eq!(world.pool.restarts(&stable()), 1);
    assert!(told(&world, "tidegate_memory_bytes").await < 200 * MIB);
    assert!(matches!(world.events.recv().await, Some(PoolEvent::Ready { .. })));
    let Some(PoolEvent::Replaced { why, .. }) = world.events.recv().await else { panic!("nothing was told") };
    assert!(why.ends_with("bytes of memory, and `serving.memory_mib` allows 209715200"), "{why}");
    world.pool.shutdown().await;
}
