//! Workers that die, hang, start badly, or are taken away.

use crate::world::{INFER, World, candidate, pool_settings, route, stable, target, until};
use hyper::StatusCode;
use rustix::process::Signal;
use serde_json::json;
use tidegate_core::route::Role;
use tidegate_serve::{EnsureError, PoolEvent, TargetState, UnloadError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_under_load_costs_no_answer_but_a_clear_503() {
    let mut world = World::with_stable().await;
    let loads: Vec<_> = (0..8)
        .map(|_| {
            let mut client = world.client();
            tokio::spawn(async move {
                let mut statuses = Vec::new();
                for n in 0..300 {
                    let got = client.post(INFER, &json!({ "x": n })).await;
                    assert!(got.status == StatusCode::OK || got.header("retry-after") == "1", "{got:?}");
                    statuses.push(got.status.as_u16());
                    if got.status != StatusCode::OK {
                        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    }
                }
                statuses
            })
        })
        .collect();
    for _ in 0..3 {
        world.signal(&stable(), Signal::KILL);
        let restarts = world.pool.restarts(&stable());
        until("it was started again", || {
            world.pool.restarts(&stable()) > restarts && world.pool.state(&stable()) == Some(TargetState::Ready)
        })
        .await;
    }
    let mut asked = 0;
    for load in loads {
        for status in load.await.unwrap() {
            assert!(status == 200 || status == 503, "{status}");
            asked += 1;
        }
    }
    assert_eq!(asked, 2_400);
    let totals = world.gateway.totals("late-arrival").remove(0).1;
    assert_eq!(totals.requests, 2_400);
    assert_eq!(world.client().post(INFER, &json!({ "x": 1 })).await.status, StatusCode::OK);
    assert_eq!(world.events.recv().await, Some(PoolEvent::Ready { target: stable() }));
    let died = world.events.recv().await.unwrap();
    assert!(matches!(&died, PoolEvent::Died { why, .. } if why.contains("signal 9")), "{died:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_a_dead_worker_is_answered_elsewhere_once_and_not_counted_there() {
    let mut world = World::new().await;
    world.load(&[stable(), candidate()]).await;
    world.apply(route(&[(stable(), 5_000), (candidate(), 5_000)], 0));
    let mut client = world.client();
    for _ in 0..40 {
        let got = client.post(INFER, &json!({ "x": 1, "do": "die@2" })).await;
        assert_eq!((got.status, got.who()), (StatusCode::OK, "1/stable".to_owned()));
    }
    let counts = world.gateway.take_counts("late-arrival");
    let of = |t| counts.iter().find(|c| c.target == t).map(|c| (c.live.requests, c.live.errors)).unwrap();
    assert_eq!((of(stable()), of(candidate())), ((20, 0), (20, 20)));
    let totals = world.gateway.totals("late-arrival");
    assert_eq!(totals.iter().find(|t| t.0 == stable()).unwrap().1.retries, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_starts_are_told_and_never_ready() {
    let mut settings = pool_settings();
    settings.crashes_max = 3;
    settings.start_ms_max = 1_000;
    let mut world = World::with(settings, |_| {}).await;
    for (version, mode, says) in
        [("3", "wrong", "golden"), ("4", "crash", "the moon is in the wrong house"), ("5", "mute", "not ready within 1000 ms")]
    {
        let target = target(version, Role::Candidate);
        world.pool.ensure(world.spec(&target, mode)).unwrap();
        let state = world.pool.settled(&target).await.unwrap();
        assert!(matches!(&state, TargetState::Failed { why } if why.contains(says)), "{mode}: {state:?}");
        world.pool.ensure(world.spec(&target, mode)).unwrap();
        assert!(matches!(world.pool.state(&target), Some(TargetState::Failed { .. })), "a failed target is not started again by itself");
        world.pool.unload(&target).await.unwrap();
        assert_eq!(world.pool.state(&target), None);
    }
    let mut deaths = 0;
    while let Ok(event) = world.events.try_recv() {
        assert!(!matches!(event, PoolEvent::Ready { .. }), "{event:?}");
        deaths += usize::from(matches!(event, PoolEvent::Died { .. }));
    }
    assert_eq!(deaths, 3, "it crashed until the limit and no further");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_routed_target_is_not_unloaded_and_unloading_finishes_what_is_in_flight() {
    let mut world = World::with_stable().await;
    assert_eq!(world.pool.unload(&stable()).await, Err(UnloadError::Routed { target: stable() }));
    world.load(&[candidate()]).await;
    let slow: Vec<_> = (0..3)
        .map(|_| {
            let mut client = world.client();
            tokio::spawn(async move { client.post(INFER, &json!({ "x": 1, "do": "sleep" })).await })
        })
        .collect();
    let totals = |world: &World| world.gateway.totals("late-arrival").iter().map(|t| t.1.requests).sum::<u64>();
    let metrics_path = "/metrics";
    let mut client = world.client();
    loop {
        let page = String::from_utf8(client.get(metrics_path).await.body.to_vec()).unwrap();
        if page.lines().any(|l| l.starts_with("tidegate_worker_in_flight{service=\"late-arrival\",version=\"1\"") && l.ends_with(" 3")) {
            break;
        }
        assert_eq!(totals(&world), 0, "the slow requests ended before they were seen in flight");
    }
    world.apply(route(&[(candidate(), 10_000)], 0));
    world.pool.unload(&stable()).await.unwrap();
    for request in slow {
        let got = request.await.unwrap();
        assert_eq!((got.status, got.who()), (StatusCode::OK, "1/stable".to_owned()));
    }
    assert_eq!(world.pool.state(&stable()), None);
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.who(), "2/candidate");
    let mut other = world.spec(&candidate(), "");
    other.dir = "elsewhere".into();
    assert_eq!(world.pool.ensure(other), Err(EnsureError::Other { target: candidate() }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_hangs_is_late_then_killed_and_started_again() {
    let mut settings = pool_settings();
    settings.stall_ms_max = 500;
    let mut world = World::with(settings, |s| s.timings.answer_ms_max = 50).await;
    world.load(&[stable()]).await;
    world.apply(route(&[(stable(), 10_000)], 0));
    world.signal(&stable(), Signal::STOP);
    // One request, long given up when the worker is found to hang: sparse traffic must not hide it.
    assert_eq!(world.client().post(INFER, &json!({ "x": 1 })).await.status, StatusCode::GATEWAY_TIMEOUT);
    until("it answers again", || world.pool.restarts(&stable()) == 1 && world.pool.state(&stable()) == Some(TargetState::Ready)).await;
    let mut client = world.client();
    while client.post(INFER, &json!({ "x": 1 })).await.status != StatusCode::OK {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_is_a_504_and_an_error_of_its_version() {
    let mut world = World::with(pool_settings(), |s| s.timings.answer_ms_max = 50).await;
    world.load(&[stable()]).await;
    world.apply(route(&[(stable(), 10_000)], 0));
    let got = world.client().post(INFER, &json!({ "x": 1, "do": "sleep" })).await;
    assert_eq!((got.status, got.error().as_str()), (StatusCode::GATEWAY_TIMEOUT, "model 'late' gave no answer within 50 ms"));
    let taken = world.gateway.take_counts("late-arrival").remove(0).live;
    assert_eq!((taken.requests, taken.errors), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_end_with_the_pool() {
    let world = World::with_stable().await;
    let process = world.pool.process(&stable()).unwrap();
    world.gateway.shutdown().await;
    world.pool.shutdown().await;
    assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
}
