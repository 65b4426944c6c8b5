//! A gateway over workers that take as long as a request says, and the questions that all parts ask.

use crate::open_loop::Plan;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tidegate_core::route::{Role, Route, RouteTable, TargetId, WeightedTarget};
use tidegate_serve::worker::{self, Answerer, WorkerArguments};
use tidegate_serve::{Answer, Body, Gateway, GatewaySettings, Hello, Outcome, PoolSettings, TargetSpec, TargetState, Work, WorkerPool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const TOKEN: &str = "token";
const SERVICE: &str = "late";

pub struct Setting {
    pub gateway: Gateway,
    pub pool: WorkerPool,
    generation: u64,
}

pub fn version(number: u64) -> TargetId {
    TargetId::new(SERVICE, number.to_string(), Role::Stable)
}

impl Setting {
    /// Workers are started again at once, however often they die, so that deaths and not waits are measured.
    pub async fn new() -> Setting {
        let settings = PoolSettings::new(std::env::current_exe().unwrap(), vec!["worker".into()], "none".into());
        let (pool, mut events) = WorkerPool::new(PoolSettings { crashes_max: usize::MAX, restart_ms_min: 0, ..settings });
        let settings = GatewaySettings::new("127.0.0.1:0".parse().unwrap(), vec![TOKEN.to_owned()], 1);
        let (gateway, mut outputs) = Gateway::start(settings, pool.clone()).await.unwrap();
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        tokio::spawn(async move { while outputs.records.recv().await.is_some() {} });
        Setting { gateway, pool, generation: 0 }
    }

    pub async fn load(&self, target: &TargetId) {
        let dir = PathBuf::from("none");
        self.pool.ensure(TargetSpec::new(target.clone(), SERVICE, dir)).unwrap();
        assert_eq!(self.pool.settled(target).await, Some(TargetState::Ready));
    }

    pub fn apply(&mut self, weights: &[(TargetId, u32)]) {
        self.generation += 1;
        let targets = weights.iter().map(|(target, weight_bp)| WeightedTarget { target: target.clone(), weight_bp: *weight_bp });
        let route = Route { targets: targets.collect(), ..Route::all_to(SERVICE, version(1)) };
        self.gateway.apply(RouteTable::new(self.generation, [route])).unwrap();
    }

    /// One version with everything.
    pub async fn with_one() -> Setting {
        let mut setting = Setting::new().await;
        setting.load(&version(1)).await;
        setting.apply(&[(version(1), 10_000)]);
        setting
    }

    pub async fn end(self) {
        self.gateway.shutdown().await;
        self.pool.shutdown().await;
    }
}

/// So many requests to a version that answers at once.
pub fn asking(address: SocketAddr, rate: f64, requests: u64) -> Plan {
    Plan {
        address,
        path: format!("/v2/models/{SERVICE}/infer"),
        token: TOKEN.to_owned(),
        rate,
        requests,
        connections: 64,
        patience: Duration::from_secs(15),
        body: |n| format!(r#"{{"id": "{n}", "x": {n}}}"#),
        right: |n, value| value["x"].as_u64() == Some(n),
    }
}

/// What the gateway's page of metrics says under a name, of a line that holds a word.
pub async fn told(address: SocketAddr, name: &str, word: &str) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: faults\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    let line = page.lines().find(|line| line.starts_with(name) && line.contains(word));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

struct Echo;

impl Answerer for Echo {
    fn hello(&self) -> Hello {
        Hello { ready: true, platform: "echo".to_owned(), ..Hello::default() }
    }

    fn answer(&self, body: &Body) -> Answer {
        let Ok(request) = serde_json::from_slice::<serde_json::Value>(&body.bytes) else {
            return Answer::error(Outcome::ClientFault, "not JSON");
        };
        if let Some(ms) = request["ms"].as_u64() {
            std::thread::sleep(Duration::from_millis(ms));
        }
        let pad = "z".repeat(request["pad"].as_u64().unwrap_or(0) as usize);
        let body = Body::json(serde_json::json!({ "x": request["x"], "pad": pad }).to_string());
        Answer { work: Work { rows: 1, input_ns: 0, infer_ns: 1, output_ns: 0 }, body, ..Answer::empty() }
    }
}

/// Runs a worker of these versions.
pub fn worker(arguments: impl Iterator<Item = String>) {
    WorkerArguments::parse(arguments).unwrap();
    let connection = worker::connection_of_parent().unwrap();
    worker::end_with_parent();
    // When its gateway ends, so does it.
    let _ = worker::serve(&connection, &Echo);
}
