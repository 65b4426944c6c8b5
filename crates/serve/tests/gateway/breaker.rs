//! A version that fails: others answer for it, the judge still sees it, and it comes back when it is well.

use crate::world::{INFER, World, candidate, pool_settings, route, stable};
use hyper::StatusCode;
use serde_json::json;
use std::time::Duration;
use tidegate_serve::{BreakerSettings, PoolSettings};

fn settings(open_ms: u64) -> PoolSettings {
    PoolSettings { breaker: BreakerSettings { open_ms, ..BreakerSettings::default() }, ..pool_settings() }
}

/// Live requests and errors of each version since the last call.
fn counts(world: &World) -> Vec<(String, u64, u64)> {
    let mut all: Vec<_> =
        world.gateway.take_counts("late-arrival").into_iter().map(|c| (c.target.version, c.live.requests, c.live.errors)).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_answer_for_a_version_that_fails_and_the_judge_sees_it() {
    let mut world = World::with(settings(60_000), |_| {}).await;
    world.load(&[stable(), candidate()]).await;
    world.apply(route(&[(stable(), 5_000), (candidate(), 5_000)], 0));
    let mut client = world.client();
    let mut failed = 0;
    for n in 0..200 {
        let got = client.post(INFER, &json!({ "x": n, "do": "fail@candidate" })).await;
        failed += u64::from(got.status == StatusCode::INTERNAL_SERVER_ERROR);
        assert!(got.status == StatusCode::INTERNAL_SERVER_ERROR || got.who() == "1/stable", "{got:?}");
    }
    // So many answers it takes, and nobody after them meets a failure.
    assert_eq!(failed, 20);
    assert_eq!(counts(&world), [("1".to_owned(), 100, 0), ("2".to_owned(), 100, 100)], "each as it was drawn");
    let page = String::from_utf8(client.get("/metrics").await.body.to_vec()).unwrap();
    for line in ["tidegate_breaker_open{service=\"late-arrival\",version=\"2\",role=\"candidate\"} 1", "role=\"candidate\"} 80"] {
        assert!(page.contains(line), "{line} in {page}");
    }
    // Who asks for the version gets it.
    let named = client.post("/v2/models/late/versions/2/infer", &json!({ "x": 1 })).await;
    assert_eq!((named.status, named.who()), (StatusCode::OK, "2/candidate".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_asked_again_and_comes_back() {
    let mut world = World::with(settings(50), |_| {}).await;
    world.load(&[stable(), candidate()]).await;
    world.apply(route(&[(stable(), 5_000), (candidate(), 5_000)], 0));
    let mut client = world.client();
    for n in 0..60 {
        client.post(INFER, &json!({ "x": n, "do": "fail@candidate" })).await;
    }
    tokio::time::sleep(Duration::from_millis(60)).await;
    // All are answered while it is tried out, and then half are its own again.
    let mut own = 0;
    for n in 0..400 {
        let got = client.post(INFER, &json!({ "x": n })).await;
        assert_eq!(got.status, StatusCode::OK);
        own = if got.who() == "2/candidate" { own + 1 } else { own };
    }
    assert!((150..=200).contains(&own), "{own}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_alone_is_asked_however_it_fails_and_callers_open_nothing() {
    let world = World::with_stable().await;
    let mut client = world.client();
    for n in 0..40 {
        assert_eq!(client.post(INFER, &json!({ "x": n, "do": "fail" })).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.status, StatusCode::OK);

    let mut world = World::new().await;
    world.load(&[stable(), candidate()]).await;
    world.apply(route(&[(stable(), 1_000), (candidate(), 9_000)], 0));
    let mut client = world.client();
    for n in 0..100 {
        client.post(INFER, &json!({ "x": n, "do": if n % 2 == 0 { "fault" } else { "refuse" } })).await;
    }
    let page = String::from_utf8(client.get("/metrics").await.body.to_vec()).unwrap();
    assert!(!page.contains("tidegate_breaker_opened_total{service=\"late-arrival\",version=\"2\",role=\"candidate\"} 1"), "{page}");
    let errors = counts(&world).last().map_or(0, |c| c.2);
    assert!(errors > 20, "its refusals are its errors all the same: {errors}");
}
