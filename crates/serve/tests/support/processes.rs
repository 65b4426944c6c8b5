//! A gateway and a server of the protocol as processes of their own: what a signal does to them is seen from outside.

use crate::upstream::Upstream;
use std::io::{Read, Write};
use std::path::PathBuf;
use tidegate_core::route::{Role, Route, RouteTable, TargetId};
use tidegate_serve::{Gateway, GatewaySettings, PoolSettings, TargetSpec, TargetState, WorkerPool};
use tokio::signal::unix::{SignalKind, signal};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// First line: where it listens.
fn say(word: impl std::fmt::Display) {
    println!("{word}");
    std::io::stdout().flush().unwrap();
}

/// Serves one fake version under the token `let-me-in` until SIGTERM, then drains and says how many connections were cut.
pub fn gateway(dir: PathBuf) {
    runtime().block_on(async {
        let mut terminate = signal(SignalKind::terminate()).unwrap();
        let (pool, _events) = WorkerPool::new(PoolSettings::new(std::env::current_exe().unwrap(), vec!["fake".into()], "none".into()));
        let target = TargetId::new("late-arrival", "1", Role::Stable);
        pool.ensure(TargetSpec::new(target.clone(), "late", dir)).unwrap();
        assert_eq!(pool.settled(&target).await, Some(TargetState::Ready));
        let settings = GatewaySettings::new("127.0.0.1:0".parse().unwrap(), vec!["let-me-in".to_owned()], 42);
        let (gateway, _outputs) = Gateway::start(settings, pool.clone()).await.unwrap();
        gateway.apply(RouteTable::new(1, [Route { model: "late".to_owned(), ..Route::all_to("late-arrival", target) }])).unwrap();
        say(gateway.address());
        terminate.recv().await;
        let report = gateway.shutdown().await;
        pool.shutdown().await;
        say(report.cut);
    });
}

/// Answers the model `double` until standard input ends.
pub fn upstream() {
    runtime().block_on(async {
        let upstream = Upstream::start().await;
        say(upstream.address);
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    });
}
