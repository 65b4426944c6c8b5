//! `grpc.health.v1.Health/Watch`: said at once, and again when it changes; how many may watch, and how that ends.

use crate::grpc::Caller;
use crate::remote::{quick, spec_of};
use crate::upstream::Upstream;
use crate::world::{World, route, stable};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use prost::Message;
use std::time::Duration;
use tidegate_runtime::oip::grpc::messages::{HealthCheckRequest, HealthCheckResponse};
use tidegate_serve::TargetState;
use tidegate_serve::limits::WATCHERS_MAX;

/// What a watcher is told, one after the other; at the end, the status of gRPC.
struct Watcher {
    body: Incoming,
    buffer: BytesMut,
    refused: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Status(i32),
    End(String),
}

impl Watcher {
    async fn new(caller: &mut Caller, service: &str) -> Watcher {
        let message = HealthCheckRequest { service: service.to_owned() }.encode_to_vec();
        let mut frame = vec![0, 0, 0, 0, message.len() as u8];
        frame.extend(message);
        let request =
            Request::post("http://test/grpc.health.v1.Health/Watch").header("content-type", "application/grpc").header("te", "trailers");
        caller.0.ready().await.unwrap();
        let answer = caller.0.send_request(request.body(Full::new(Bytes::from(frame))).unwrap()).await.unwrap();
        let refused = answer.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
        Watcher { body: answer.into_body(), buffer: BytesMut::new(), refused }
    }

    async fn next(&mut self) -> Told {
        loop {
            if let Some(length) =
                self.buffer.first_chunk::<5>().map(|head| u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize)
                && self.buffer.len() >= 5 + length
            {
                let message = self.buffer.split_to(5 + length).split_off(5);
                return Told::Status(HealthCheckResponse::decode(message).unwrap().status);
            }
            let frame = tokio::time::timeout(Duration::from_secs(60), self.body.frame()).await.unwrap().unwrap().unwrap();
            match frame.into_data() {
                Ok(data) => self.buffer.extend_from_slice(&data),
                Err(frame) => return Told::End(frame.into_trailers().unwrap()["grpc-status"].to_str().unwrap().to_owned()),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_is_told_at_once_and_whenever_it_changes() {
    let mut world = World::new().await;
    let mut caller = Caller::new(world.gateway.address()).await;
    let mut watcher = Watcher::new(&mut caller, "").await;
    let mut unknown = Watcher::new(&mut caller, "late").await;
    assert_eq!((watcher.next().await, unknown.next().await), (Told::Status(2), Told::Status(3)));
    let (mut server, dir) = (Upstream::start().await, tempfile::tempdir().unwrap());
    world.pool.ensure(spec_of(dir.path(), quick(&[&server]))).unwrap();
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    world.apply(route(&[(stable(), 10_000)], 0));
    assert_eq!(watcher.next().await, Told::Status(1));
    let mut second = Watcher::new(&mut caller, "inference.GRPCInferenceService").await;
    assert_eq!(second.next().await, Told::Status(1));
    // Who answers is gone for a time.
    server.kill().await;
    assert_eq!((watcher.next().await, second.next().await), (Told::Status(2), Told::Status(2)));
    server.revive().await;
    assert_eq!((watcher.next().await, second.next().await), (Told::Status(1), Told::Status(1)));
    // The end is told, and does not wait for who watches.
    let report = world.gateway.shutdown().await;
    assert_eq!(report.cut, 0);
    assert_eq!([watcher.next().await, watcher.next().await], [Told::Status(2), Told::End("14".to_owned())]);
    assert_eq!(unknown.next().await, Told::End("14".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_watch_and_a_place_is_given_back() {
    let world = World::new().await;
    let mut callers = Vec::new();
    let mut watchers = Vec::new();
    while watchers.len() < WATCHERS_MAX {
        // Fewer than a connection takes.
        let mut caller = Caller::new(world.gateway.address()).await;
        for _ in 0..128 {
            let mut watcher = Watcher::new(&mut caller, "").await;
            assert_eq!(watcher.next().await, Told::Status(2));
            watchers.push(watcher);
        }
        callers.push(caller);
    }
    let mut caller = Caller::new(world.gateway.address()).await;
    assert_eq!(Watcher::new(&mut caller, "").await.refused.as_deref(), Some("8"), "no more room");
    drop(watchers.pop());
    let mut again = Watcher::new(&mut caller, "").await;
    while again.refused.is_some() {
        again = Watcher::new(&mut caller, "").await;
    }
    assert_eq!(again.next().await, Told::Status(2));
}
