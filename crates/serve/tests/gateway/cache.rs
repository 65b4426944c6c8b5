//! Answers that are given again: to whom, for how long, and never over a promotion, a rollback or a comparison.

use crate::world::{INFER, World, candidate, control, route, stable};
use hyper::StatusCode;
use serde_json::{Value as Json, json};
use std::time::Duration;
use tidegate_core::route::Route;

fn kept(weights: &[(tidegate_core::route::TargetId, u32)], ms: u64) -> Route {
    Route { cache_ms: Some(ms), ..route(weights, 0) }
}

async fn world(ms: u64) -> World {
    let mut world = World::new().await;
    world.load(&[stable(), candidate(), control()]).await;
    world.apply(kept(&[(stable(), 10_000)], ms));
    world
}

/// Requests that versions were asked since the last call.
fn asked(world: &World) -> u64 {
    world.gateway.take_counts("late-arrival").iter().map(|c| c.live.requests + c.client_faults).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_question_is_asked_once_and_each_gets_its_own_identifier() {
    let world = world(60_000).await;
    let mut client = world.client();
    let first = client.post(INFER, &json!({ "id": "a", "x": 1 })).await;
    let again = client.post(INFER, &json!({ "id": "b", "x": 1 })).await;
    let plain = client.post(INFER, &json!({ "x": 1 })).await;
    assert_eq!([&first, &again, &plain].map(|got| got.header("x-tidegate-cache").to_owned()), ["", "hit", "hit"]);
    let of = |got: &crate::client::Got| (got.json()["x"].clone(), got.json()["id"].clone());
    assert_eq!([of(&first), of(&again), of(&plain)], [(json!(1.0), json!("a")), (json!(1.0), json!("b")), (json!(1.0), Json::Null)]);
    assert_eq!(again.header("x-tidegate-version"), "1");
    assert_eq!(asked(&world), 1);
    // Anything else is another question: values, parameters, outputs, the form.
    for other in [json!({ "x": 2 }), json!({ "x": 1, "parameters": { "a": 1 } }), json!({ "x": 1, "outputs": [] })] {
        assert_eq!(client.post(INFER, &other).await.header("x-tidegate-cache"), "", "{other}");
    }
    client.headers.push(("inference-header-content-length", "7".to_owned()));
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.header("x-tidegate-cache"), "");
    assert_eq!(asked(&world), 4);
    // Who names the version gets it.
    client.headers.clear();
    client.post("/v2/models/late/versions/1/infer", &json!({ "x": 1 })).await;
    let page = String::from_utf8(client.get("/metrics").await.body.to_vec()).unwrap();
    for line in ["tidegate_cache_hits_total{service=\"late-arrival\"} 2", "tidegate_cache_misses_total{service=\"late-arrival\"} 5"] {
        assert!(page.contains(line), "{line} in {page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_given_again_is_recorded_as_its_own() {
    let mut world = world(60_000).await;
    let mut client = world.client();
    for id in ["a", "b"] {
        client.headers = vec![("x-request-id", format!("r-{id}"))];
        client.post(INFER, &json!({ "id": id, "x": 5, "at": 77 })).await;
    }
    for id in ["a", "b"] {
        let record = world.outputs.records.recv().await.unwrap();
        assert_eq!((&*record.request_id, record.record_id.as_str()), (format!("r-{id}").as_str(), id));
        assert_eq!((record.score, record.event_time_ms, record.inputs.as_slice()), (Some(5.0), Some(77), [5.0].as_slice()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_ask_the_same_at_once_are_one_request() {
    let world = world(60_000).await;
    let all: Vec<_> = (0..1_000)
        .map(|n| {
            let mut client = world.client();
            tokio::spawn(async move { client.post(INFER, &json!({ "id": n.to_string(), "x": 3, "do": "sleep" })).await })
        })
        .collect();
    for (n, one) in all.into_iter().enumerate() {
        let got = one.await.unwrap();
        assert_eq!((got.status, got.json()["id"].clone()), (StatusCode::OK, json!(n.to_string())));
    }
    assert_eq!(asked(&world), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_told_to_all_who_wait_and_are_not_kept() {
    let world = world(60_000).await;
    let mut client = world.client();
    for (what, status) in [("fail", 500), ("refuse", 422), ("fault", 400)] {
        for _ in 0..2 {
            let got = client.post(INFER, &json!({ "x": 1, "do": what })).await;
            assert_eq!((got.status.as_u16(), got.header("x-tidegate-cache")), (status, ""), "{what}");
        }
    }
    assert_eq!(asked(&world), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stale_is_given_across_promotion_and_rollback_and_nothing_at_all_while_versions_are_compared() {
    let mut world = world(60_000).await;
    let mut client = world.client();
    let ask = json!({ "x": 9 });
    let mut who = Vec::new();
    let (old, new) = (vec![(stable(), 10_000)], vec![(candidate(), 10_000)]);
    // Version 1, a canary, promoted, rolled back: after each change the version that has weight is asked anew.
    for weights in [&old, &vec![(stable(), 9_000), (candidate(), 1_000)], &new, &old] {
        world.apply(kept(weights, 60_000));
        for _ in 0..20 {
            let got = client.post(INFER, &ask).await;
            who.push((got.who(), got.header("x-tidegate-cache").to_owned()));
        }
        asked(&world);
    }
    let hits: Vec<usize> = who.chunks(20).map(|part| part.iter().filter(|(_, cache)| cache == "hit").count()).collect();
    assert_eq!(hits, [19, 0, 19, 19], "nothing is given again in a canary, and the first answer after a change is a new one");
    assert!(who[..20].iter().chain(&who[60..]).all(|(who, _)| who == "1/stable"));
    assert!(who[40..60].iter().all(|(who, _)| who == "2/candidate"), "not one answer of the version before");
    assert!(who[20..40].iter().filter(|(who, _)| who == "2/candidate").count() >= 1);
    // A shadow compares too: each request is carried out, and copied.
    world.apply(Route { cache_ms: Some(60_000), ..route(&[(stable(), 10_000)], 10_000) });
    for _ in 0..3 {
        assert_eq!(client.post(INFER, &ask).await.header("x-tidegate-cache"), "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_lasts_as_long_as_it_may() {
    let world = world(300).await;
    let mut client = world.client();
    let ask = json!({ "x": 1 });
    client.post(INFER, &ask).await;
    assert_eq!(client.post(INFER, &ask).await.header("x-tidegate-cache"), "hit");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(client.post(INFER, &ask).await.header("x-tidegate-cache"), "");
    // Without a word of the service nothing is kept.
    let plain = World::with_stable().await;
    let mut client = plain.client();
    for _ in 0..2 {
        assert_eq!(client.post(INFER, &ask).await.header("x-tidegate-cache"), "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_too_long_to_keep_is_nobody_elses() {
    let world = world(60_000).await;
    let all: Vec<_> = (0..3)
        .map(|n| {
            let mut client = world.client();
            tokio::spawn(async move { client.post(INFER, &json!({ "id": n.to_string(), "x": 3, "do": "sleep", "pad": 2_000_000 })).await })
        })
        .collect();
    for (n, one) in all.into_iter().enumerate() {
        let got = one.await.unwrap();
        // The worker of these tests says no identifier: whoever gets one was given another's.
        assert_eq!((got.status, got.json()["id"].clone()), (StatusCode::OK, Json::Null), "{n}");
    }
    assert_eq!(asked(&world), 3, "each is carried out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_leaves_the_answer_to_those_who_wait() {
    let world = world(60_000).await;
    let ask = json!({ "x": 4, "do": "sleep" });
    let (mut first, body) = (world.client(), ask.clone());
    let hung_up = tokio::spawn(async move { first.post(INFER, &body).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut second = world.client();
    let body = ask.clone();
    let waits = tokio::spawn(async move { second.post(INFER, &body).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    hung_up.abort();
    assert_eq!(waits.await.unwrap().status, StatusCode::OK);
    assert_eq!(asked(&world), 1);
}
