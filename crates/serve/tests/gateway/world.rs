//! A gateway with its pool and a directory, for one test.

use crate::client::Client;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tidegate_core::route::{Mirror, Role, Route, RouteTable, TargetId, WeightedTarget};
use tidegate_serve::{Conduct, Gateway, GatewaySettings, Outputs, PoolEvent, PoolSettings, TargetSpec, TargetState, WorkerPool};
use tokio::sync::mpsc::Receiver;

pub const TOKEN: &str = "let-me-in";
pub const INFER: &str = "/v2/models/late/infer";

pub struct World {
    pub gateway: Gateway,
    pub pool: WorkerPool,
    pub events: Receiver<PoolEvent>,
    pub outputs: Outputs,
    dir: TempDir,
    generation: u64,
}

pub fn target(version: &str, role: Role) -> TargetId {
    TargetId::new("late-arrival", version, role)
}

pub fn stable() -> TargetId {
    target("1", Role::Stable)
}

pub fn candidate() -> TargetId {
    target("2", Role::Candidate)
}

pub fn control() -> TargetId {
    target("1", Role::Control)
}

pub fn route(weights: &[(TargetId, u32)], mirror_bp: u32) -> Route {
    Route {
        service: "late-arrival".to_owned(),
        model: "late".to_owned(),
        targets: weights.iter().map(|(target, weight_bp)| WeightedTarget { target: target.clone(), weight_bp: *weight_bp }).collect(),
        mirror: (mirror_bp > 0).then(|| Mirror { percent_bp: mirror_bp, candidate: candidate(), control: control() }),
        preview: None,
        sticky: None,
        lot: None,
        cache_ms: None,
    }
}

pub fn pool_settings() -> PoolSettings {
    let mut settings = PoolSettings::new(env!("CARGO_BIN_EXE_tidegate-test-worker").into(), vec!["fake".into()], "none".into());
    settings.restart_ms_min = 10;
    settings
}

/// As versions are served, but that nobody who waits for a turn on a busy machine is sent away.
pub fn patient() -> Conduct {
    Conduct { queue_ms_max: 60_000, ..Conduct::default() }
}

impl World {
    pub async fn new() -> World {
        World::with(pool_settings(), |_| {}).await
    }

    pub async fn with(pool: PoolSettings, change: impl FnOnce(&mut GatewaySettings)) -> World {
        let (pool, events) = WorkerPool::new(pool);
        let mut settings = GatewaySettings::new("127.0.0.1:0".parse().unwrap(), vec![TOKEN.to_owned()], 42);
        settings.timings.announce_ms = 50;
        settings.timings.linger_ms = 200;
        change(&mut settings);
        let (gateway, outputs) = Gateway::start(settings, pool.clone()).await.unwrap();
        World { gateway, pool, events, outputs, dir: TempDir::new().unwrap(), generation: 0 }
    }

    /// Where versions are laid out.
    pub fn folder(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// A directory whose worker starts in `mode`.
    pub fn mode(&self, target: &TargetId, mode: &str) -> PathBuf {
        let dir = self.dir.path().join(format!("{}-{}", target.version, target.role));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("mode"), mode).unwrap();
        dir
    }

    pub fn spec(&self, target: &TargetId, mode: &str) -> TargetSpec {
        TargetSpec { conduct: patient(), ..TargetSpec::new(target.clone(), "late", self.mode(target, mode)) }
    }

    /// Loads targets and waits until they are ready.
    pub async fn load(&self, targets: &[TargetId]) {
        for target in targets {
            self.pool.ensure(self.spec(target, "")).unwrap();
        }
        for target in targets {
            assert_eq!(self.pool.settled(target).await, Some(TargetState::Ready), "{target}");
        }
    }

    pub fn apply(&mut self, route: Route) {
        self.generation += 1;
        self.gateway.apply(RouteTable::new(self.generation, [route])).unwrap();
    }

    /// Stable alone, loaded and routed.
    pub async fn with_stable() -> World {
        let mut world = World::new().await;
        world.load(&[stable()]).await;
        world.apply(route(&[(stable(), 10_000)], 0));
        world
    }

    pub fn client(&self) -> Client {
        Client::new(self.gateway.address())
    }

    /// `each` requests from each of `clients` connections; answers by version and role.
    pub async fn ask(&self, clients: usize, each: usize) -> BTreeMap<String, u64> {
        let tasks: Vec<_> = (0..clients)
            .map(|_| {
                let mut client = self.client();
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    for n in 0..each {
                        seen.push(client.post(INFER, &serde_json::json!({ "x": n })).await.who());
                    }
                    seen
                })
            })
            .collect();
        let mut counts = BTreeMap::new();
        for task in tasks {
            for who in task.await.unwrap() {
                *counts.entry(who).or_default() += 1;
            }
        }
        counts
    }

    pub fn signal(&self, target: &TargetId, signal: rustix::process::Signal) {
        let process = self.pool.process(target).unwrap();
        let process = rustix::process::Pid::from_raw(process.cast_signed()).unwrap();
        rustix::process::kill_process(process, signal).unwrap();
    }
}

/// Waits until something is so; a test that waits in vain fails with its sentence.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    const PATIENCE_MS: u64 = 60_000;
    for _ in 0..PATIENCE_MS / 5 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain until {what}");
}
