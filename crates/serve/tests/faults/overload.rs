//! More than can be answered: what is too much is told so at once, and what is waited for stays bounded.

use crate::open_loop::{Load, Plan};
use crate::world::World;
use crate::{alone, asking};
use tidegate_serve::limits::WORKER_QUEUE_MAX;

/// Requests that are waiting in the only worker.
async fn waiting(world: &World) -> usize {
    let page = String::from_utf8(world.client().get("/metrics").await.body.to_vec()).unwrap();
    let line = page.lines().find(|line| line.starts_with("tidegate_worker_in_flight{")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_times_too_much_is_refused_with_a_time_to_come_again() {
    let _alone = alone().await;
    let world = World::with_stable().await;
    // A worker that takes 10 ms a request, and five times as many requests as it can answer, for three seconds.
    let plan = Plan {
        connections: 2 * WORKER_QUEUE_MAX,
        body: |n| format!(r#"{{"id": "{n}", "x": {n}, "ms": 10}}"#),
        ..asking(world.gateway.address(), 500.0, 1_500)
    };
    let load = Load::start(plan, Default::default());
    let mut most = 0;
    while load.settled() < 1_000 {
        most = most.max(waiting(&world).await);
    }
    let ledger = load.end().await;
    ledger.adds_up();
    assert_eq!((ledger.sent, ledger.failed, ledger.timed_out), (1_500, 0, 0), "{ledger}: {:?}", ledger.whys);
    assert!(ledger.rejected > 0 && ledger.right > WORKER_QUEUE_MAX as u64, "{ledger}");
    // Who is being refused at that moment is counted too: one on each of the runtime's threads.
    assert!(most <= WORKER_QUEUE_MAX + 2, "{most} waited");
    assert_eq!(waiting(&world).await, 0, "nothing is left over");
    // And the next one is answered as if nothing had been.
    Load::start(asking(world.gateway.address(), 100.0, 20), Default::default()).end().await.is_clean();
}
