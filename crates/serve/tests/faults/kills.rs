//! A worker that is killed again and again under load: each request has an answer, or is told when to come again.

use crate::open_loop::Load;
use crate::world::{World, candidate, pool_settings, route, stable, until};
use crate::{alone, asking};
use rustix::process::Signal;
use tidegate_core::route::TargetId;
use tidegate_serve::{PoolSettings, TargetState};

const KILLS: u64 = 100;

/// Starts again at once, however often it dies.
fn stubborn() -> PoolSettings {
    PoolSettings { crashes_max: usize::MAX, restart_ms_min: 0, ..pool_settings() }
}

/// Kills the worker of a target as often, each time once it is ready again and was asked something.
async fn kill(world: &World, target: &TargetId, load: &Load) {
    for n in 1..=KILLS {
        let settled = load.settled();
        until("it was asked", || load.settled() > settled + 2).await;
        world.signal(target, Signal::KILL);
        until("it is ready again", || world.pool.restarts(target) == n && world.pool.state(target) == Some(TargetState::Ready)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_another_version_answers_a_hundred_deaths_cost_nobody_an_answer() {
    let _alone = alone().await;
    let mut world = World::with(stubborn(), |_| {}).await;
    world.load(&[stable(), candidate()]).await;
    world.apply(route(&[(stable(), 5_000), (candidate(), 5_000)], 0));
    let load = Load::start(asking(world.gateway.address(), 300.0, u64::MAX), Default::default());
    kill(&world, &candidate(), &load).await;
    let ledger = load.stop().await;
    ledger.is_clean();
    let totals = world.gateway.totals("late-arrival");
    let of = |target: TargetId| totals.iter().find(|t| t.0 == target).unwrap().1;
    // What another one answered counts as the error of the one that was drawn.
    let again = of(stable()).retries;
    assert!(again > 0 && again == of(candidate()).errors, "{again} were asked again");
    assert_eq!(of(stable()).requests + of(candidate()).requests, ledger.sent + again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_else_answers_a_hundred_deaths_are_told_clearly() {
    let _alone = alone().await;
    let mut world = World::with(stubborn(), |_| {}).await;
    world.load(&[stable()]).await;
    world.apply(route(&[(stable(), 10_000)], 0));
    let load = Load::start(asking(world.gateway.address(), 300.0, u64::MAX), Default::default());
    kill(&world, &stable(), &load).await;
    let ledger = load.stop().await;
    ledger.adds_up();
    assert_eq!((ledger.failed, ledger.timed_out), (0, 0), "{ledger}: {:?}", ledger.whys);
    assert!(ledger.statuses.keys().all(|status| *status == 503) && ledger.right > 0, "{ledger}: {:?}", ledger.statuses);
    let totals = world.gateway.totals("late-arrival").remove(0).1;
    assert_eq!((totals.requests, totals.errors), (ledger.sent, ledger.rejected));
}
