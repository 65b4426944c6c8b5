//! A gateway in a process of its own, asked for a long time by clients of every kind, with versions that come and go: what it holds must not
//! grow.

use crate::open_loop::{Load, Plan};
use crate::setting::{Setting, TOKEN, asking, version};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

/// How often the gateway swaps its version.
const SWAP_EVERY: Duration = Duration::from_secs(3);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Good requests a second.
const RATE: f64 = 200.0;
/// Bytes of a big body, which is answered with as many.
const BIG_BYTES: usize = 2 << 20;

/// Serves, and swaps its version, until standard input ends.
pub async fn gateway() {
    let mut setting = Setting::with_one().await;
    println!("{}", setting.gateway.address());
    let ended = tokio::task::spawn_blocking(|| std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new()));
    let mut number = 1;
    while !ended.is_finished() {
        tokio::time::sleep(SWAP_EVERY).await;
        setting.load(&version(number + 1)).await;
        setting.apply(&[(version(number), 5_000), (version(number + 1), 5_000)]);
        setting.apply(&[(version(number + 1), 10_000)]);
        setting.pool.unload(&version(number)).await.unwrap();
        number += 1;
    }
    setting.end().await;
}

/// What a process holds.
struct Held {
    rss_kib: u64,
    descriptors: usize,
    threads: usize,
}

fn held(process: u32) -> Held {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    };
    let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    Held { rss_kib: of("VmRSS:"), descriptors, threads: of("Threads:") as usize }
}

/// Asks in a way that is no request, `rate` times a second, and counts what is not answered as it should be.
fn nuisance(address: SocketAddr, rate: u64, ask: fn(SocketAddr, u64) -> Asking, other: Arc<AtomicU64>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / rate));
        for n in 0.. {
            ticks.tick().await;
            let other = Arc::clone(&other);
            tokio::spawn(async move {
                if !ask(address, n).await {
                    other.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    })
}

type Asking = std::pin::Pin<Box<dyn Future<Output = bool> + Send>>;

async fn status(address: SocketAddr, request: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    // Whoever is refused may find the connection closed before all is written.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

fn head(length: usize, more: &str) -> Vec<u8> {
    format!(
        "POST /v2/models/late/infer HTTP/1.1\r\nhost: soak\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n{more}content-length: {length}\r\n\r\n"
    )
    .into_bytes()
}

/// Bodies and heads that are none: each is 400.
fn malformed(address: SocketAddr, n: u64) -> Asking {
    Box::pin(async move {
        let request = match n % 4 {
            0 => [head(9, ""), b"{\"x\": [1,".to_vec()].concat(),
            1 => [head(4, "content-encoding: gzip\r\n"), b"\x1f\x8b\x08\x00".to_vec()].concat(),
            2 => [head(2, "inference-header-content-length: 99\r\n"), b"{}".to_vec()].concat(),
            _ => b"POST /v2 HTTP/9.9\r\n\r\n".to_vec(),
        };
        status(address, &request).await == Some(400)
    })
}

/// Bodies that are announced and not sent, connections that are dropped at any place.
fn aborted(address: SocketAddr, n: u64) -> Asking {
    Box::pin(async move {
        let Ok(mut stream) = TcpStream::connect(address).await else { return false };
        let request = [head(10_000, ""), vec![b' '; 5_000]].concat();
        let cut = (n as usize * 977) % request.len();
        let _ = stream.write_all(request.get(..cut).unwrap_or_default()).await;
        tokio::time::sleep(Duration::from_millis(n % 20)).await;
        true
    })
}

/// Bodies longer than are read: each is 413.
fn too_long(address: SocketAddr, _: u64) -> Asking {
    Box::pin(async move { status(address, &head(20 << 20, "")).await == Some(413) })
}

fn big_body(n: u64) -> String {
    format!(r#"{{"x": {n}, "pad": {BIG_BYTES}, "filler": "{}"}}"#, "y".repeat(BIG_BYTES))
}

pub async fn soak(seconds: u64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.arg("gateway").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address: SocketAddr = lines.next_line().await.unwrap().unwrap().parse().unwrap();
    let process = child.id().unwrap();
    let start = Instant::now();
    let good = Load::start(asking(address, RATE, u64::MAX), Default::default());
    let big = Load::start(Plan { connections: 4, body: big_body, ..asking(address, 2.0, u64::MAX) }, Default::default());
    let other = Arc::<AtomicU64>::default();
    let nuisances: Vec<_> = [(50, malformed as fn(SocketAddr, u64) -> Asking), (50, aborted), (2, too_long)]
        .into_iter()
        .map(|(rate, ask)| nuisance(address, rate, ask, Arc::clone(&other)))
        .collect();
    let mut seen = Vec::new();
    println!("soak: {seconds} s; second, RSS in KiB, descriptors, threads");
    while start.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = held(process);
        if seen.len() % 6 == 0 {
            println!("  {:4} {:7} {:4} {:3}", start.elapsed().as_secs(), now.rss_kib, now.descriptors, now.threads);
        }
        seen.push((start.elapsed().as_secs_f64() / 60.0, now));
    }
    for task in nuisances {
        task.abort();
    }
    let (good, big) = (good.stop().await, big.stop().await);
    good.adds_up();
    big.adds_up();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let rest = held(process);
    println!("  good: {good}; big: {big}; {} others answered otherwise; {:?}{:?}", other.load(Ordering::Relaxed), good.whys, big.whys);
    println!("  at rest afterwards: {} KiB, {} descriptors, {} threads", rest.rss_kib, rest.descriptors, rest.threads);
    let later: Vec<_> = seen.iter().skip(seen.len() / 3).collect();
    let rss: Vec<_> = later.iter().map(|(at, held)| (*at, held.rss_kib as f64)).collect();
    let descriptors: Vec<_> = later.iter().map(|(at, held)| (*at, held.descriptors as f64)).collect();
    println!("  growth over the last two thirds: {:.1} KiB a minute, {:.2} descriptors a minute", slope(&rss), slope(&descriptors));
    drop(child.stdin.take());
    child.wait().await.unwrap();
}

/// Least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let (xy, xx) = points.iter().fold((0.0, 0.0), |(xy, xx), (x, y)| (xy + (x - mx) * (y - my), xx + (x - mx) * (x - mx)));
    xy / xx
}
