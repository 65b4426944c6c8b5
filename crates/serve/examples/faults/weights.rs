//! Weights that change under connections that stay open: how long the old ones are followed.

use crate::setting::{Setting, version};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidegate_core::route::TargetId;

const CONNECTIONS: usize = 32;
const CHANGES: u64 = 50;

/// When a request was sent and when it was answered, and by whom.
type Seen = (Instant, Instant, u8);

pub async fn weights() {
    let mut setting = Setting::with_one().await;
    setting.load(&version(2)).await;
    let address = setting.gateway.address();
    let (stop, seen) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<Seen>>>::default());
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            std::thread::spawn(move || ask(address, &stop, &seen))
        })
        .collect();
    let mut changes = Vec::new();
    for n in 0..CHANGES {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let to: [TargetId; 2] = if n % 2 == 0 { [version(2), version(1)] } else { [version(1), version(2)] };
        let begun = Instant::now();
        setting.apply(&[(to[0].clone(), 10_000), (to[1].clone(), 0)]);
        changes.push((begun, Instant::now(), if n % 2 == 0 { b'2' } else { b'1' }));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.store(true, Ordering::SeqCst);
    let asked: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(asked, seen.len(), "no request is lost");
    // Of requests that were sent after a change and answered before the next: the last one that the old version answered.
    let mut late: Vec<Duration> = Vec::new();
    for (at, (_, changed, to)) in changes.iter().enumerate() {
        let until = changes.get(at + 1).map_or(*changed + Duration::from_millis(100), |next| next.0);
        let old =
            seen.iter().filter(|(sent, answered, who)| sent > changed && *answered < until && who != to).map(|(sent, ..)| *sent - *changed);
        late.extend(old.max());
    }
    println!(
        "weights: {CHANGES} changes of all traffic under {CONNECTIONS} connections that stay open: {asked} asked, {} answered, 0 lost; \
         the old version was asked after {} of them, the last time {:.2} ms later",
        seen.len(),
        late.len(),
        late.iter().max().map_or(0.0, |late| late.as_secs_f64() * 1e3),
    );
    setting.end().await;
}

/// Asks on one connection until it is told to stop; how often.
fn ask(address: SocketAddr, stop: &AtomicBool, seen: &Mutex<Vec<Seen>>) -> usize {
    let body = r#"{"x": 1}"#;
    let token = crate::setting::TOKEN;
    let request = format!(
        "POST /v2/models/late/infer HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).unwrap();
    let (mut count, mut answer) = (0, [0; 4_096]);
    while !stop.load(Ordering::SeqCst) {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).unwrap();
        count += 1;
        let read = stream.read(&mut answer).unwrap();
        let text = std::str::from_utf8(&answer[..read]).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        let who = text.split("x-tidegate-version: ").nth(1).and_then(|rest| rest.bytes().next()).unwrap();
        seen.lock().unwrap().push((sent, Instant::now(), who));
        std::thread::sleep(Duration::from_millis(5));
    }
    count
}
