//! Requests at fixed times, whatever comes of those before: `send ADDRESS PATH BODY_FILE EXPECTED RATE SECONDS [HEADER..]`.
//!
//! Request n is meant for n / RATE seconds after the start, and its time runs from then on, so that a server which stalls is charged for
//! all that waited (no coordinated omission). `CONNECTIONS` of them can be under way; RATE 0 sends on each as soon as it is
//! answered. An answer is right when it is 200 and holds EXPECTED. What came of it is told as one line of JSON, times in microseconds.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Connections, each with a thread.
const CONNECTIONS: usize = 32;
/// Longest that one answer is waited for.
const ANSWER_S_MAX: u64 = 10;

struct Plan {
    address: String,
    request: Vec<u8>,
    expected: Vec<u8>,
    rate: f64,
    span: Duration,
    start: Instant,
    next: AtomicU64,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    times_us: Vec<u32>,
    wrong: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, path, body, expected, rate, seconds, headers @ ..] = arguments.as_slice() else {
        panic!("send ADDRESS PATH BODY_FILE EXPECTED RATE SECONDS [HEADER..]");
    };
    // Threads take over how late a sleep may end, which is 50 us otherwise; where it cannot be set it stays so.
    let _ = std::fs::write("/proc/self/timerslack_ns", "1000");
    let body = std::fs::read(body).unwrap();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    let plan = Arc::new(Plan {
        address: address.clone(),
        request: [head.into_bytes(), body].concat(),
        expected: expected.clone().into_bytes(),
        rate: rate.parse().unwrap(),
        span: Duration::from_secs_f64(seconds.parse().unwrap()),
        // Connections are made before the first request is due.
        start: Instant::now() + Duration::from_millis(100),
        next: AtomicU64::new(0),
    });
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            std::thread::spawn({
                let plan = Arc::clone(&plan);
                move || one(&plan)
            })
        })
        .collect();
    let seen: Vec<Seen> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let took = plan.start.elapsed().as_secs_f64();
    let mut times: Vec<u32> = seen.iter().flat_map(|seen| seen.times_us.iter().copied()).collect();
    times.sort_unstable();
    let at = |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1))).copied().unwrap_or(0);
    let wrong: u64 = seen.iter().map(|seen| seen.wrong).sum();
    // How many were meant for the time; those that were never sent are those that are missing.
    let meant = if plan.rate > 0.0 { (plan.rate * plan.span.as_secs_f64()) as u64 } else { times.len() as u64 };
    println!(
        "{{\"meant\":{meant},\"answered\":{},\"wrong\":{wrong},\"seconds\":{took:.3},\"p50\":{},\"p90\":{},\"p99\":{},\"p999\":{},\"max\":{}}}",
        times.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

fn one(plan: &Plan) -> Seen {
    let mut stream = TcpStream::connect(&plan.address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(ANSWER_S_MAX))).unwrap();
    let (mut seen, mut buffer) = (Seen::default(), Vec::new());
    std::thread::sleep(plan.start.saturating_duration_since(Instant::now()));
    loop {
        let due = if plan.rate > 0.0 {
            let number = plan.next.fetch_add(1, Ordering::Relaxed);
            let after = Duration::from_secs_f64(number as f64 / plan.rate);
            if after >= plan.span {
                return seen;
            }
            let due = plan.start + after;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due
        } else {
            Instant::now()
        };
        // Who is behind by now stops at the end all the same.
        if plan.start.elapsed() >= plan.span {
            return seen;
        }
        let right = stream.write_all(&plan.request).is_ok() && answered(&mut stream, &mut buffer, &plan.expected) == Some(true);
        seen.times_us.push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX));
        if !right {
            seen.wrong += 1;
            stream = TcpStream::connect(&plan.address).unwrap();
            stream.set_nodelay(true).unwrap();
        }
    }
}

/// Reads one answer: whether it is 200 and holds what is expected; none when it cannot be read.
fn answered(stream: &mut TcpStream, buffer: &mut Vec<u8>, expected: &[u8]) -> Option<bool> {
    buffer.clear();
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = std::str::from_utf8(buffer.get(..head)?).ok()?;
            let length = text.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            })?;
            let (good, whole) = (text.starts_with("HTTP/1.1 200"), head + 4 + length);
            while buffer.len() < whole {
                let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
                buffer.extend_from_slice(chunk.get(..read)?);
            }
            return Some(good && buffer.windows(expected.len()).any(|window| window == expected));
        }
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        buffer.extend_from_slice(chunk.get(..read)?);
    }
}
