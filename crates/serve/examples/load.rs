//! What one request costs: a gateway and one worker with a real model, asked by connections that keep alive.
//!
//! `cargo run --release -p tidegate-serve --example load -- VERSION_DIR LIBRARY BODY_FILE [CONNECTIONS [REQUESTS]]`
//! prints requests a second and CPU microseconds a request of gateway (with the client in it) and worker.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use std::time::Instant;
use tidegate_core::route::{Role, Route, RouteTable, TargetId};
use tidegate_serve::{Gateway, GatewaySettings, PoolSettings, TargetSpec, WorkerPool, worker};
use tokio::net::TcpStream;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().map(String::as_str) == Some("worker") {
        worker::main(arguments.into_iter().skip(1)).unwrap();
        return;
    }
    let number = |at: usize, default: usize| arguments.get(at).map_or(default, |n| n.parse().unwrap());
    let (connections, requests) = (number(3, 32), number(4, 100_000));
    let body = Bytes::from(std::fs::read(&arguments[2]).unwrap());
    let program = std::env::current_exe().unwrap();
    let (pool, _events) = WorkerPool::new(PoolSettings::new(program, vec!["worker".into()], arguments[1].clone().into()));
    let target = TargetId::new("load", "1", Role::Stable);
    pool.ensure(TargetSpec::new(target.clone(), "load", arguments[0].clone())).unwrap();
    println!("worker: {:?}", pool.settled(&target).await);
    let settings = GatewaySettings::new("127.0.0.1:0".parse().unwrap(), vec!["token".to_owned()], 1);
    let (gateway, mut outputs) = Gateway::start(settings, pool.clone()).await.unwrap();
    gateway.apply(RouteTable::new(1, [Route::all_to("load", target.clone())])).unwrap();
    tokio::spawn(async move { while outputs.records.recv().await.is_some() {} });
    let process = pool.process(&target).unwrap();
    println!("listening on {} for `wrk`, token `token`; process {}", gateway.address(), std::process::id());
    for round in 1..=3 {
        let (own, workers, start) = (cpu_us(std::process::id()), cpu_us(process), Instant::now());
        let clients: Vec<_> =
            (0..connections).map(|_| tokio::spawn(ask(gateway.address(), body.clone(), requests / connections))).collect();
        for client in clients {
            client.await.unwrap();
        }
        let (n, s) = ((requests / connections * connections) as f64, start.elapsed().as_secs_f64());
        let (own, workers) = ((cpu_us(std::process::id()) - own) / n, (cpu_us(process) - workers) / n);
        println!("round {round}: {:.0} requests a second; CPU us a request: gateway and client {own:.1}, worker {workers:.1}", n / s);
    }
    // What the clients say that they got is what the gateway says that it gave.
    let answered = gateway.totals("load").first().map(|t| t.1.answered);
    assert_eq!(answered, Some((3 * (requests / connections) * connections) as u64));
    if std::env::var_os("STAY").is_some() {
        std::future::pending::<()>().await;
    }
    gateway.shutdown().await;
    pool.shutdown().await;
}

async fn ask(address: std::net::SocketAddr, body: Bytes, requests: usize) {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..requests {
        let request = Request::post("/v2/models/load/infer").header("host", "load").header("authorization", "Bearer token");
        sender.ready().await.unwrap();
        let answer = sender.send_request(request.body(Full::new(body.clone())).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.unwrap();
    }
}

/// Time that the scheduler gave a process's threads, to the nanosecond (`stat` counts ticks of 10 ms).
fn cpu_us(process: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let texts = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok());
    texts.filter_map(|text| text.split_whitespace().next()?.parse::<f64>().ok()).sum::<f64>() / 1e3
}
