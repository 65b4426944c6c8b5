//! Recorded traffic sent again: raw records through the gateway's front door, at a steady rate, labels later.
//!
//! It is a client like any other: it knows the gateway's address and a token, nothing of versions or rollouts.

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Connections that the replay keeps open.
const CONNECTIONS: usize = 8;
/// Requests that may wait for a connection; the replay slows down behind them.
const WAITING_MAX: usize = 256;
/// Labels sent in one request.
const LABELS_PER_REQUEST: usize = 500;
/// How often the replay sends a batch.
const BEAT: Duration = Duration::from_millis(10);
/// Wait after a refused connection or an unready gateway.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// One recorded request.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Record id, unique within the recording.
    pub id: String,
    /// The label that comes later.
    pub label: Option<f64>,
    /// The request's body.
    pub body: Bytes,
}

/// Where the requests go.
#[derive(Clone, Debug)]
pub struct Front {
    /// Address of the gateway.
    pub address: SocketAddr,
    /// Bearer token.
    pub token: String,
    /// Model name in the path.
    pub model: String,
}

/// What came back so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Answers by version and status.
    pub by_version: BTreeMap<(String, u16), u64>,
    /// Requests that got no answer at all.
    pub unanswered: u64,
}

impl Tally {
    /// Answers of one version, whatever their status.
    pub fn of_version(&self, version: &str) -> u64 {
        self.by_version.iter().filter(|((v, _), _)| v == version).map(|(_, n)| n).sum()
    }

    /// All answers with a status in `range`.
    pub fn with_status(&self, range: std::ops::Range<u16>) -> u64 {
        self.by_version.iter().filter(|((_, s), _)| range.contains(s)).map(|(_, n)| n).sum()
    }
}

/// A running replay. Dropping it does not stop it; [`Replay::stop`] does.
pub struct Replay {
    stopped: Arc<AtomicBool>,
    position: Arc<AtomicUsize>,
    tally: Arc<Mutex<Tally>>,
    task: tokio::task::JoinHandle<()>,
}

impl Replay {
    /// Starts sending `records` from `start` on, `per_second` of them; in a `circle` again from the first, without end.
    pub fn start(front: Front, records: Arc<Vec<Recorded>>, start: usize, circle: bool, per_second: u32, pass: u64) -> Replay {
        let position = Arc::new(AtomicUsize::new(start));
        let stopped = Arc::new(AtomicBool::new(false));
        let tally = Arc::new(Mutex::new(Tally::default()));
        let sender =
            Sender { front, records, pass, stopped: stopped.clone(), position: position.clone(), circle, per_second, tally: tally.clone() };
        let task = crate::task::spawn(sender.run());
        Replay { stopped, position, tally, task }
    }

    /// Index of the next record, for who keeps it over a crash.
    pub fn position(&self) -> Arc<AtomicUsize> {
        self.position.clone()
    }

    /// Whether every record was sent.
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// What came back so far.
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops sending, waits for what is under way and the labels of what was answered.
    pub async fn stop(self) -> Tally {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = self.task.await;
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Sender {
    front: Front,
    records: Arc<Vec<Recorded>>,
    pass: u64,
    stopped: Arc<AtomicBool>,
    position: Arc<AtomicUsize>,
    circle: bool,
    per_second: u32,
    tally: Arc<Mutex<Tally>>,
}

impl Sender {
    async fn run(self) {
        let (work, receiver) = async_queue();
        let (answered, labels) = mpsc::channel::<(String, f64)>(LABELS_PER_REQUEST * 4);
        let labeller = crate::task::spawn(send_labels(self.front.clone(), labels));
        let mut clients = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let client = Client { front: self.front.clone(), records: self.records.clone(), pass: self.pass, tally: self.tally.clone() };
            clients.push(crate::task::spawn(client.run(receiver.clone(), answered.clone())));
        }
        drop(answered);
        self.pace(work).await;
        for client in clients {
            let _ = client.await;
        }
        let _ = labeller.await;
    }

    /// Hands out indices at the wanted rate; a full queue slows it down, so that a stalled gateway is not flooded.
    async fn pace(&self, work: mpsc::Sender<usize>) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut owed = 0.0;
        while !self.stopped.load(Ordering::Relaxed) {
            beat.tick().await;
            owed += f64::from(self.per_second) * BEAT.as_secs_f64();
            while owed >= 1.0 {
                owed -= 1.0;
                let mut index = self.position.load(Ordering::Relaxed);
                if index >= self.records.len() {
                    if !self.circle || self.records.is_empty() {
                        return;
                    }
                    index = 0;
                }
                self.position.store(index + 1, Ordering::Relaxed);
                if self.stopped.load(Ordering::Relaxed) || work.send(index).await.is_err() {
                    return;
                }
            }
        }
    }
}

type Work = Arc<tokio::sync::Mutex<mpsc::Receiver<usize>>>;

fn async_queue() -> (mpsc::Sender<usize>, Work) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (sender, Arc::new(tokio::sync::Mutex::new(receiver)))
}

struct Client {
    front: Front,
    records: Arc<Vec<Recorded>>,
    pass: u64,
    tally: Arc<Mutex<Tally>>,
}

impl Client {
    async fn run(self, work: Work, answered: mpsc::Sender<(String, f64)>) {
        let mut connection: Option<SendRequest<Full<Bytes>>> = None;
        loop {
            let next = work.lock().await.recv().await;
            let Some(record) = next.and_then(|index| self.records.get(index)) else { return };
            let request_id = format!("{}-{}", record.id, self.pass);
            match self.send(&mut connection, record, &request_id).await {
                Ok((version, status)) => {
                    *self.tally.lock().unwrap_or_else(PoisonError::into_inner).by_version.entry((version, status)).or_default() += 1;
                    if let Some(label) = record.label
                        && status == 200
                    {
                        let _ = answered.send((request_id, label)).await;
                    }
                }
                Err(_) => {
                    connection = None;
                    self.tally.lock().unwrap_or_else(PoisonError::into_inner).unanswered += 1;
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    async fn send(&self, connection: &mut Option<SendRequest<Full<Bytes>>>, record: &Recorded, request_id: &str) -> Result<(String, u16)> {
        let path = format!("/v2/models/{}/infer", self.front.model);
        let request = post(&self.front, &path, Some(request_id), record.body.clone())?;
        let sender = open(&self.front, connection).await?;
        let response = sender.send_request(request).await.context("send a record")?;
        let status = response.status().as_u16();
        let version = response.headers().get("x-tidegate-version").and_then(|v| v.to_str().ok()).unwrap_or("none").to_owned();
        response.into_body().collect().await.context("read an answer")?;
        Ok((version, status))
    }
}

async fn open<'a>(front: &Front, connection: &'a mut Option<SendRequest<Full<Bytes>>>) -> Result<&'a mut SendRequest<Full<Bytes>>> {
    let usable = match connection {
        Some(sender) => sender.ready().await.is_ok(),
        None => false,
    };
    if !usable {
        let stream =
            tokio::net::TcpStream::connect(front.address).await.with_context(|| format!("connect to the gateway at {}", front.address))?;
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        let (sender, driver) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.context("HTTP handshake with the gateway")?;
        crate::task::spawn(driver);
        *connection = Some(sender);
    }
    connection.as_mut().context("no connection to the gateway")
}

fn post(front: &Front, path: &str, request_id: Option<&str>, body: Bytes) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("host", front.address.to_string())
        .header("authorization", format!("Bearer {}", front.token))
        .header("content-type", "application/json");
    if let Some(id) = request_id {
        request = request.header("x-request-id", id);
    }
    request.body(Full::new(body)).context("build a request")
}

/// Labels come back in batches, after the answers that they belong to.
async fn send_labels(front: Front, mut labels: mpsc::Receiver<(String, f64)>) {
    let path = format!("/v2/models/{}/feedback", front.model);
    let mut connection = None;
    let mut batch = Vec::with_capacity(LABELS_PER_REQUEST);
    while labels.recv_many(&mut batch, LABELS_PER_REQUEST).await > 0 {
        let items: Vec<_> = batch.drain(..).map(|(id, label)| serde_json::json!({ "request_id": id, "label": label })).collect();
        let body = Bytes::from(serde_json::Value::Array(items).to_string());
        let Ok(request) = post(&front, &path, None, body) else { continue };
        // A lost label is a missing label: the lake counts what arrived, nothing is invented.
        let sent = match open(&front, &mut connection).await {
            Ok(sender) => sender.send_request(request).await,
            Err(_) => continue,
        };
        match sent {
            Ok(response) => drop(response.into_body().collect().await),
            Err(_) => connection = None,
        }
        tokio::time::sleep(BEAT).await;
    }
}

/// A raw record as an inference request of one row; what is missing is left out.
pub fn body(id: &str, record: &[(&String, &serde_json::Value)]) -> Bytes {
    let inputs: Vec<serde_json::Value> = record
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            let datatype = match value {
                serde_json::Value::Bool(_) => "BOOL",
                serde_json::Value::Number(n) if n.is_i64() => "INT64",
                serde_json::Value::Number(_) => "FP64",
                _ => "BYTES",
            };
            serde_json::json!({ "name": name, "datatype": datatype, "shape": [1], "data": [value] })
        })
        .collect();
    Bytes::from(serde_json::json!({ "id": id, "inputs": inputs }).to_string())
}
