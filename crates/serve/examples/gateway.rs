//! A gateway over given version directories, for clients and load from outside: `scripts/serve` starts it beside peers.
//!
//! `gateway LIBRARY ADDRESS [--name NAME] [--threads N] [--in-process] [--lenient] MODEL=DIR..` serves each model's first directory as version 1, further ones
//! of the same model as 2, 3, .. with equal shares, and says where and in which processes. The token is `token`. It ends when
//! standard input does. With `--lenient` a version that does not become ready is told and left out, where otherwise nothing is served.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::Read;
use tidegate_core::route::{Role, Route, RouteTable, TargetId, WEIGHT_TOTAL_BP, WeightedTarget};
use tidegate_serve::{Conduct, Gateway, GatewaySettings, PoolSettings, TargetSpec, TargetState, WorkerPool, worker};

struct Wanted {
    library: String,
    address: String,
    name: String,
    threads: usize,
    in_process: bool,
    lenient: bool,
    /// Model and directory.
    versions: Vec<(String, String)>,
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == "worker").is_some() {
        worker::main(arguments).unwrap();
        return;
    }
    let wanted = wanted(arguments);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(wanted.threads).enable_all().build().unwrap();
    runtime.block_on(serve(wanted));
}

fn wanted(mut arguments: impl Iterator<Item = String>) -> Wanted {
    let mut next = || arguments.next();
    let (library, address) = (next().unwrap(), next().unwrap());
    let mut wanted =
        Wanted { library, address, name: "tidegate".to_owned(), threads: 2, in_process: false, lenient: false, versions: Vec::new() };
    while let Some(word) = next() {
        match word.as_str() {
            "--name" => wanted.name = next().unwrap(),
            "--in-process" => wanted.in_process = true,
            "--lenient" => wanted.lenient = true,
            "--threads" => wanted.threads = next().unwrap().parse().unwrap(),
            _ => match word.split_once('=') {
                Some((model, dir)) => wanted.versions.push((model.to_owned(), dir.to_owned())),
                None => panic!("{word} is no MODEL=DIR"),
            },
        }
    }
    wanted
}

async fn serve(wanted: Wanted) {
    let program = std::env::current_exe().unwrap();
    let (pool, _events) = WorkerPool::new(PoolSettings::new(program, vec!["worker".into()], wanted.library.into()));
    let mut models: BTreeMap<String, Vec<TargetId>> = BTreeMap::new();
    for (model, dir) in &wanted.versions {
        let targets = models.entry(model.clone()).or_default();
        let target = TargetId::new(model, (targets.len() + 1).to_string(), Role::Stable);
        let conduct = Conduct { in_process: wanted.in_process, ..Conduct::default() };
        pool.ensure(TargetSpec { conduct, ..TargetSpec::new(target.clone(), model.clone(), dir) }).unwrap();
        targets.push(target);
    }
    let mut processes = Vec::new();
    for target in models.values().flatten() {
        match pool.settled(target).await {
            Some(TargetState::Ready) => processes.extend(pool.process(target)),
            Some(TargetState::Failed { why }) if wanted.lenient => println!("not ready: {}: {}", target.service, why.replace('\n', " ")),
            state => panic!("{target}: {state:?}"),
        }
    }
    models.retain(|_, targets| {
        targets.retain(|target| pool.state(target) == Some(TargetState::Ready));
        !targets.is_empty()
    });
    let routes: Vec<Route> = models.iter().map(|(model, targets)| route(model, targets)).collect();
    let mut settings = GatewaySettings::new(wanted.address.parse().unwrap(), vec!["token".to_owned()], 1);
    settings.server_name = wanted.name;
    let (gateway, mut outputs) = Gateway::start(settings, pool.clone()).await.unwrap();
    gateway.apply(RouteTable::new(1, routes)).unwrap();
    tokio::spawn(async move { while outputs.records.recv().await.is_some() {} });
    println!("listening on {}; gateway {}; workers {processes:?}", gateway.address(), std::process::id());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    gateway.shutdown().await;
    pool.shutdown().await;
}

/// All of a model's versions, with shares that differ by no more than a basis point.
fn route(model: &str, targets: &[TargetId]) -> Route {
    let count = u32::try_from(targets.len()).unwrap();
    let share = |index: u32| WEIGHT_TOTAL_BP / count + u32::from(index < WEIGHT_TOTAL_BP % count);
    let targets = (0..).zip(targets).map(|(index, target)| WeightedTarget { target: target.clone(), weight_bp: share(index) });
    Route { service: model.to_owned(), targets: targets.collect(), ..Route::all_to(model, TargetId::new(model, "1", Role::Stable)) }
}
