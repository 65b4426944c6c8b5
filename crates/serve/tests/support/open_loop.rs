//! Requests at fixed times, whatever becomes of those before them, and an exact ledger: each request that was sent is answered right,
//! rejected, failed or timed out, and is in one of these columns alone.
//!
//! Request n is meant for n / rate seconds after the start, and its time runs from then on, so that a server which stalls is charged for all
//! that waited. An answer is right when it is 200, carries the number of its request, and holds the value that belongs to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Reasons that a ledger keeps.
const WHYS_MAX: usize = 8;

/// What is asked, how often, and what is right.
#[derive(Clone)]
pub struct Plan {
    pub address: SocketAddr,
    pub path: String,
    pub token: String,
    /// Requests a second; 0 asks on each connection as soon as it is answered.
    pub rate: f64,
    /// Requests in all; fewer where it is stopped.
    pub requests: u64,
    /// Requests that can be under way.
    pub connections: usize,
    /// How long an answer is waited for.
    pub patience: Duration,
    pub body: fn(u64) -> String,
    pub right: fn(u64, &serde_json::Value) -> bool,
}

/// What the world said while requests were under way: a table with a number is about to be applied, and was.
#[derive(Default)]
pub struct Marks {
    pub begun: AtomicU64,
    pub done: AtomicU64,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Became {
    Right,
    /// 429, or 503 that says when to come again.
    Rejected(u16),
    Failed(String),
    TimedOut,
    /// Nobody accepted a connection: nothing was sent.
    NotSent,
}

/// A right answer.
#[derive(Clone, Debug)]
pub struct Answered {
    pub version: String,
    /// Tables that stood between its sending and its answer: from the last that was in place before to the last that was begun after.
    pub tables: (u64, u64),
    /// From the time it was meant for.
    pub latency_us: u64,
    /// When it was meant for, from the start.
    pub meant_us: u64,
}

/// Every request.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub sent: u64,
    pub right: u64,
    pub rejected: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub not_sent: u64,
    /// Of rejected ones.
    pub statuses: BTreeMap<u16, u64>,
    pub whys: Vec<String>,
    pub answers: Vec<Answered>,
    /// From the first request to the last answer.
    pub took: Duration,
}

impl Ledger {
    /// Holds the columns against what was sent.
    pub fn adds_up(&self) {
        assert_eq!(self.sent, self.right + self.rejected + self.failed + self.timed_out, "{self}");
        assert_eq!(self.right, self.answers.len() as u64);
    }

    /// All was answered right.
    pub fn is_clean(&self) {
        self.adds_up();
        assert_eq!((self.right, self.not_sent), (self.sent, 0), "{self}: {:?}", self.whys);
    }

    /// The latency that this share of right answers has at most, in microseconds.
    pub fn latency_us(&self, share: f64) -> u64 {
        let mut all: Vec<u64> = self.answers.iter().map(|a| a.latency_us).collect();
        all.sort_unstable();
        let at = ((all.len() as f64 * share) as usize).min(all.len().saturating_sub(1));
        all.get(at).copied().unwrap_or(0)
    }

    fn add(&mut self, other: Ledger) {
        self.sent += other.sent;
        self.right += other.right;
        self.rejected += other.rejected;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
        self.not_sent += other.not_sent;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.whys.extend(other.whys);
        self.whys.truncate(WHYS_MAX);
        self.answers.extend(other.answers);
    }

    fn count(&mut self, became: Became) {
        self.sent += u64::from(became != Became::NotSent);
        match became {
            Became::Right => self.right += 1,
            Became::Rejected(status) => {
                self.rejected += 1;
                *self.statuses.entry(status).or_default() += 1;
            }
            Became::Failed(why) => {
                self.failed += 1;
                self.whys.push(why);
                self.whys.truncate(WHYS_MAX);
            }
            Became::TimedOut => self.timed_out += 1,
            Became::NotSent => self.not_sent += 1,
        }
    }
}

impl std::fmt::Display for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ledger { sent, right, rejected, failed, timed_out, .. } = self;
        write!(f, "{sent} sent = {right} right + {rejected} rejected + {failed} failed + {timed_out} timed out")
    }
}

/// Requests that go on beside what happens.
pub struct Load {
    inner: Arc<Inner>,
    lanes: Vec<tokio::task::JoinHandle<Ledger>>,
}

struct Inner {
    plan: Plan,
    marks: Arc<Marks>,
    start: Instant,
    next: AtomicU64,
    settled: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// Starts now.
    pub fn start(plan: Plan, marks: Arc<Marks>) -> Load {
        let connections = plan.connections;
        let (next, settled, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let inner = Arc::new(Inner { plan, marks, start: Instant::now(), next, settled, stop });
        let lanes = (0..connections).map(|_| tokio::spawn(lane(Arc::clone(&inner)))).collect();
        Load { inner, lanes }
    }

    /// Requests whose end is known.
    pub fn settled(&self) -> u64 {
        self.inner.settled.load(Ordering::SeqCst)
    }

    /// Nothing more is begun; what is under way is waited for.
    pub async fn stop(self) -> Ledger {
        self.inner.stop.store(true, Ordering::SeqCst);
        self.end().await
    }

    /// Waits for all of it.
    pub async fn end(self) -> Ledger {
        let mut ledger = Ledger::default();
        for lane in self.lanes {
            ledger.add(lane.await.expect("a lane ends"));
        }
        ledger.took = self.inner.start.elapsed();
        ledger
    }
}

/// One connection, which takes the next request whenever it is free.
async fn lane(inner: Arc<Inner>) -> Ledger {
    let (mut ledger, mut connection) = (Ledger::default(), None);
    let plan = &inner.plan;
    while !inner.stop.load(Ordering::SeqCst) {
        let number = inner.next.fetch_add(1, Ordering::SeqCst);
        if number >= plan.requests {
            break;
        }
        let due = if plan.rate > 0.0 { Duration::from_secs_f64(number as f64 / plan.rate) } else { inner.start.elapsed() };
        tokio::time::sleep_until((inner.start + due).into()).await;
        if inner.stop.load(Ordering::SeqCst) {
            break;
        }
        let from = inner.marks.done.load(Ordering::SeqCst);
        let (became, version) = ask(plan, number, &mut connection).await;
        if became == Became::Right {
            let tables = (from, inner.marks.begun.load(Ordering::SeqCst));
            let latency_us = (inner.start.elapsed().saturating_sub(due)).as_micros() as u64;
            ledger.answers.push(Answered { version, tables, latency_us, meant_us: due.as_micros() as u64 });
        } else {
            connection = connection.filter(|_| matches!(became, Became::Rejected(_)));
        }
        let gone = became == Became::NotSent;
        ledger.count(became);
        inner.settled.fetch_add(1, Ordering::SeqCst);
        if gone {
            break;
        }
    }
    ledger
}

/// One request, and the version that answered.
async fn ask(plan: &Plan, number: u64, connection: &mut Option<TcpStream>) -> (Became, String) {
    let mut stream = match connection.take() {
        Some(stream) => stream,
        None => match TcpStream::connect(plan.address).await.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
            Ok(stream) => stream,
            Err(_) => return (Became::NotSent, String::new()),
        },
    };
    let body = (plan.body)(number);
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: load\r\nauthorization: Bearer {}\r\nx-request-id: {number}\r\ncontent-length: {}\r\n\r\n{body}",
        plan.path,
        plan.token,
        body.len()
    );
    let failed = |why: String| (Became::Failed(format!("request {number}: {why}")), String::new());
    if let Err(error) = stream.write_all(request.as_bytes()).await {
        return failed(format!("it could not be written: {error}"));
    }
    let answer = match tokio::time::timeout(plan.patience, read(&mut stream)).await {
        Err(_) => return (Became::TimedOut, String::new()),
        Ok(Err(error)) => return failed(format!("it was sent and got no answer: {error}")),
        Ok(Ok(answer)) => answer,
    };
    let version = answer.header("x-tidegate-version").to_owned();
    if !answer.header("connection").eq_ignore_ascii_case("close") {
        *connection = Some(stream);
    }
    let value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let became = match answer.status {
        200 if answer.header("x-request-id") != number.to_string() => Became::Failed(format!("request {number}: answered as another one")),
        200 if !(plan.right)(number, &value) => Became::Failed(format!("request {number}: answered wrong: {value}")),
        200 => Became::Right,
        429 | 503 if !answer.header("retry-after").is_empty() => Became::Rejected(answer.status),
        504 => Became::TimedOut,
        status => Became::Failed(format!("request {number}: {status} {value}")),
    };
    (became, version)
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Reads one answer of known length.
async fn read(stream: &mut TcpStream) -> std::io::Result<Answer> {
    let wrong = |why: &str| std::io::Error::other(why.to_owned());
    let mut buffer = Vec::with_capacity(1_024);
    let head = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(wrong("the connection ended"));
        }
    };
    let mut rest = buffer.split_off(head + 4);
    let text = String::from_utf8_lossy(&buffer);
    let mut lines = text.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or_else(|| wrong("no status"))?;
    let named = lines.filter_map(|line| line.split_once(':'));
    let headers: Vec<_> = named.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    let length: usize = answer.header("content-length").parse().map_err(|_| wrong("no length"))?;
    while rest.len() < length {
        if stream.read_buf(&mut rest).await? == 0 {
            return Err(wrong("the connection ended within an answer"));
        }
    }
    if rest.len() > length {
        return Err(wrong("more than one answer came"));
    }
    answer.body = rest;
    Ok(answer)
}
