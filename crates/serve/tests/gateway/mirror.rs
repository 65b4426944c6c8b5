//! Shadow: both arms answer, nobody waits for them, nobody sees them.

use crate::world::{INFER, World, candidate, control, route, stable, until};
use hyper::StatusCode;
use rustix::process::Signal;
use serde_json::json;
use tidegate_serve::limits::{MIRROR_ACTIVE_MAX, MIRROR_QUEUE_MAX};

async fn shadowed() -> World {
    let mut world = World::new().await;
    world.load(&[stable(), candidate(), control()]).await;
    world.apply(route(&[(stable(), 10_000)], 10_000));
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_copy_makes_a_pair_and_the_candidates_errors_stay_in_it() {
    let mut world = shadowed().await;
    let mut client = world.client();
    for (id, todo) in [("a", ""), ("b", "refuse@2"), ("c", "die@2"), ("d", "fault@2"), ("e", "fault")] {
        let got = client.post(INFER, &json!({ "id": id, "x": 0.5, "do": todo })).await;
        let expected = if id == "e" { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        assert_eq!(got.status, expected, "{id}");
        if got.status == StatusCode::OK {
            assert_eq!(got.who(), "1/stable");
            let pair = world.outputs.pairs.recv().await.unwrap();
            assert_eq!((pair.record_id.as_str(), pair.live.ok, pair.control.ok, pair.candidate.ok), (id, true, true, id == "a"));
            assert_eq!((&*pair.candidate.version, &*pair.control.version, pair.control.score), ("2", "1", Some(0.5)));
        }
        until("the candidate answers again", || world.pool.state(&candidate()) == Some(tidegate_serve::TargetState::Ready)).await;
    }
    assert!(world.outputs.pairs.try_recv().is_err(), "the caller's fault makes no pair");
    let counts = world.gateway.take_counts("late-arrival");
    let of = |t| counts.iter().find(|c| c.target == t).map(|c| (c.mirrored.requests, c.mirrored.errors, c.live.requests)).unwrap();
    assert_eq!((of(candidate()), of(control()), of(stable())), ((4, 3, 0), (4, 0, 0), (0, 0, 4)));
    assert_eq!(world.gateway.totals("late-arrival").iter().find(|t| t.0 == candidate()).unwrap().1.requests, 0, "no user saw it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_candidate_holds_up_nobody_and_copies_are_dropped_and_counted() {
    let mut world = shadowed().await;
    let before = world.pool.process(&candidate());
    world.signal(&candidate(), Signal::STOP);
    let asked = MIRROR_QUEUE_MAX + MIRROR_ACTIVE_MAX + 100;
    let mut client = world.client();
    for n in 0..asked {
        assert_eq!(client.post(INFER, &json!({ "x": n })).await.who(), "1/stable");
    }
    // Every live request was answered while the candidate stood still: it is the same process, and no pair came.
    assert_eq!(world.pool.process(&candidate()), before);
    assert!(world.outputs.pairs.try_recv().is_err());
    let page = String::from_utf8(client.get("/metrics").await.body.to_vec()).unwrap();
    let dropped: usize = page.lines().find_map(|l| l.strip_prefix("tidegate_mirror_dropped_total ")).unwrap().parse().unwrap();
    assert!((1..=100).contains(&dropped), "{dropped}");
    world.signal(&candidate(), Signal::CONT);
    for _ in 0..asked - dropped {
        assert!(world.outputs.pairs.recv().await.unwrap().control.ok);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mirrors_share_is_exact() {
    let mut world = World::new().await;
    world.load(&[stable(), candidate(), control()]).await;
    world.apply(route(&[(stable(), 10_000)], 2_500));
    world.ask(4, 50).await;
    for _ in 0..50 {
        assert!(world.outputs.pairs.recv().await.unwrap().candidate.ok);
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(world.outputs.pairs.try_recv().is_err());
}
