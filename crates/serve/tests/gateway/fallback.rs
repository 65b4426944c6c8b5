//! Where nobody who should answer can: an older version that is warm, then a declared answer, each with its flag.

use crate::remote::{asking, quick, spec_of};
use crate::upstream::{Mode, Upstream};
use crate::world::{INFER, World, patient, route, stable, target, until};
use hyper::StatusCode;
use serde_json::json;
use tidegate_core::route::Role;
use tidegate_serve::{Conduct, Fallback, TargetSpec, TargetState};

const DECLARED: &str = r#"{"model_name":"","outputs":[{"name":"y","datatype":"FP64","shape":[1],"data":[-7.0]}]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_version_answers_and_then_what_was_declared() {
    let (now, before) = (Upstream::start().await, Upstream::start().await);
    let mut world = World::new().await;
    let older = target("0", Role::Stable);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let conduct =
        || Conduct { fallback: Some(Fallback { older_version: true, cached_ms: None, answer: Some(DECLARED.to_owned()) }), ..patient() };
    for (target, upstream, dir) in [(stable(), &now, &dirs[0]), (older.clone(), &before, &dirs[1])] {
        let spec = spec_of(dir.path(), quick(&[upstream]));
        world.pool.ensure(TargetSpec { target: target.clone(), conduct: conduct(), ..spec }).unwrap();
        assert_eq!(world.pool.settled(&target).await, Some(TargetState::Ready));
    }
    world.apply(route(&[(stable(), 10_000)], 0));
    let got = world.client().post(INFER, &asking(4.0)).await;
    assert_eq!((got.status, got.header("x-tidegate-fallback"), got.header("x-tidegate-version")), (StatusCode::OK, "", "1"));

    now.kill().await;
    let got = world.client().post(INFER, &asking(4.0)).await;
    assert_eq!((got.header("x-tidegate-fallback"), got.header("x-tidegate-version")), ("version", "0"));
    assert_eq!(got.json()["outputs"][0]["data"], json!([8.0]));

    before.kill().await;
    until("nobody answers", || world.pool.state(&older) != Some(TargetState::Ready)).await;
    let got = world.client().post(INFER, &asking(4.0)).await;
    assert_eq!((got.status, got.header("x-tidegate-fallback"), got.header("x-tidegate-version")), (StatusCode::OK, "declared", "none"));
    assert_eq!((&got.json()["id"], &got.json()["outputs"][0]["data"]), (&json!("u"), &json!([-7.0])));
    // Who names a version is told the truth, and what is no request is refused as ever.
    let named = INFER.replace("/infer", "/versions/1/infer");
    assert_eq!(world.client().post(&named, &asking(4.0)).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.client().post(INFER, &json!({ "inputs": 7 })).await.status, StatusCode::SERVICE_UNAVAILABLE);
    // Each failed for the judge all the same.
    let live = world.gateway.take_counts("late-arrival").into_iter().find(|c| c.target == stable()).unwrap().live;
    assert_eq!((live.requests - live.errors, live.errors), (1, 3));
    now.become_(Mode::Right);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_same_request_was_answered_stands_in_until_the_route_changes() {
    let (server, other) = (Upstream::start().await, Upstream::start().await);
    let mut world = World::new().await;
    let fallback = Fallback { older_version: false, cached_ms: Some(3_600_000), answer: Some(DECLARED.to_owned()) };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (target, upstream, dir) in [(stable(), &server, &dirs[0]), (target("0", Role::Stable), &other, &dirs[1])] {
        let conduct = Conduct { fallback: Some(fallback.clone()), ..patient() };
        world.pool.ensure(TargetSpec { target: target.clone(), conduct, ..spec_of(dir.path(), quick(&[upstream])) }).unwrap();
        assert_eq!(world.pool.settled(&target).await, Some(TargetState::Ready));
    }
    world.apply(route(&[(stable(), 10_000)], 0));
    let ask = async |world: &World, x: f64, id: &str| {
        let mut asked = asking(x);
        asked["id"] = json!(id);
        let got = world.client().post(INFER, &asked).await;
        assert_eq!((got.status, &got.json()["id"]), (StatusCode::OK, &json!(id)));
        (
            got.header("x-tidegate-fallback").to_owned(),
            got.header("x-tidegate-version").to_owned(),
            got.json()["outputs"][0]["data"][0].clone(),
        )
    };
    let of = |by: &str, version: &str, y: f64| (by.to_owned(), version.to_owned(), json!(y));
    assert_eq!(ask(&world, 4.0, "a").await, of("", "1", 8.0));
    server.become_(Mode::Failing);
    assert_eq!(ask(&world, 4.0, "b").await, of("cached", "1", 8.0));
    assert_eq!(ask(&world, 5.0, "c").await, of("declared", "none", -7.0));
    // Moved away from and back: what was said before is not said again.
    world.apply(route(&[(target("0", Role::Stable), 10_000)], 0));
    world.apply(route(&[(stable(), 10_000)], 0));
    assert_eq!(ask(&world, 4.0, "d").await, of("declared", "none", -7.0));
}
