//! The control plane dies: nobody reads what the gateway tells, nobody applies a table. It goes on with its last one.

use crate::open_loop::Load;
use crate::world::{World, candidate, control, route, stable, until};
use crate::{alone, asking};
use rustix::process::Signal;
use tidegate_serve::TargetState;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_control_plane_nothing_fails_and_workers_are_still_started_again() {
    let _alone = alone().await;
    let mut world = World::new().await;
    world.load(&[stable(), candidate(), control()]).await;
    world.apply(route(&[(stable(), 5_000), (candidate(), 5_000)], 5_000));
    let (address, table) = (world.gateway.address(), world.gateway.table());
    let load = Load::start(asking(address, 400.0, 1_200), Default::default());
    until("the load runs", || load.settled() > 200).await;
    // Everything that a control plane holds.
    let World { gateway, pool, events, outputs, .. } = world;
    drop((events, outputs));
    let settled = load.settled();
    until("requests go on", || load.settled() > settled + 200).await;
    let process = pool.process(&candidate()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(process.cast_signed()).unwrap(), Signal::KILL).unwrap();
    until("it was started again", || pool.restarts(&candidate()) == 1 && pool.state(&candidate()) == Some(TargetState::Ready)).await;
    let ledger = load.end().await;
    ledger.is_clean();
    assert_eq!((ledger.sent, gateway.table()), (1_200, table));
}
