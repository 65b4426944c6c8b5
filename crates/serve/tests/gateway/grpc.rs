//! gRPC beside HTTP on one port: who may ask, statuses, drain, and connections that begin oddly.

use crate::world::{INFER, TOKEN, World};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tidegate_runtime::oip::grpc::messages::{ModelInferRequest, ModelStreamInferResponse, NamedModel, ReadyResponse};
use tidegate_serve::{METHODS, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SERVICE: &str = "/inference.GRPCInferenceService";

/// A connection, and the token that it shows.
pub struct Caller(pub SendRequest<Full<Bytes>>, pub Option<&'static str>);

/// What came back: status, its words, and messages.
#[derive(Debug, PartialEq)]
pub struct Came(pub u32, pub String, pub Vec<Bytes>);

impl Caller {
    pub async fn new(address: SocketAddr) -> Caller {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Caller(sender, Some(TOKEN))
    }

    /// None when the connection takes no request any more.
    pub async fn call(&mut self, path: &str, headers: &[(&str, &str)], messages: &[Bytes]) -> Option<Came> {
        let mut body = BytesMut::new();
        for message in messages {
            body.put_u8(0);
            body.put_u32(message.len() as u32);
            body.extend_from_slice(message);
        }
        let mut request = Request::post(format!("http://test{path}")).header("content-type", "application/grpc").header("te", "trailers");
        if let Some(token) = self.1 {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.0.ready().await.ok()?;
        let (head, body) = match self.0.send_request(request.body(Full::new(body.freeze())).unwrap()).await {
            Ok(answer) => answer.into_parts(),
            // The connection was closed before the request was sent on it.
            Err(error) if error.is_canceled() => return None,
            Err(error) => panic!("a request was sent and got no answer: {error:?}"),
        };
        assert_eq!(head.status, 200, "{head:?}");
        let whole = body.collect().await.unwrap();
        let trailers = whole.trailers().cloned().unwrap_or_default();
        let of = |headers: &HeaderMap, name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
        let said = |name: &str| of(&trailers, name).or_else(|| of(&head.headers, name));
        let (mut bytes, mut found) = (whole.to_bytes(), Vec::new());
        while !bytes.is_empty() {
            let length = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
            found.push(bytes.split_to(5 + length).slice(5..));
        }
        Some(Came(said("grpc-status").unwrap().parse().unwrap(), said("grpc-message").unwrap_or_default(), found))
    }

    pub async fn infer(&mut self, id: &str, headers: &[(&str, &str)]) -> Option<Came> {
        self.call(&format!("{SERVICE}/ModelInfer"), headers, &[request("late", id)]).await
    }
}

pub fn request(model: &str, id: &str) -> Bytes {
    ModelInferRequest { model_name: model.to_owned(), id: id.to_owned(), ..ModelInferRequest::default() }.encode_to_vec().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_but_the_public_ones_needs_a_token() {
    let world = World::with_stable().await;
    let public: Vec<Method> = METHODS.iter().filter(|row| row.public).map(|row| row.method).collect();
    assert_eq!(public, [Method::ServerLive, Method::ServerReady, Method::ServerMetadata, Method::Check, Method::Watch]);
    let named: Bytes = NamedModel { name: "late".to_owned(), version: String::new() }.encode_to_vec().into();
    let mut caller = Caller::new(world.gateway.address()).await;
    for token in [None, Some("wrong"), Some(""), Some(TOKEN)] {
        caller.1 = token;
        // One that watches is answered without end.
        for row in METHODS.iter().filter(|row| row.method != Method::Watch) {
            let message = if row.public { Bytes::new() } else { named.clone() };
            let Came(status, words, _) = caller.call(row.path, &[], &[message]).await.unwrap();
            let expected = match row.method {
                _ if !row.public && token != Some(TOKEN) => 16,
                // A name stands where these have the repository's: the model is none.
                Method::RepositoryModelLoad | Method::RepositoryModelUnload => 5,
                _ => 0,
            };
            assert_eq!(status, expected, "{row:?} {token:?} {words}");
        }
        let unknown = caller.call(&format!("{SERVICE}/Nothing"), &[], &[Bytes::new()]).await.unwrap();
        assert_eq!(unknown.0, if token == Some(TOKEN) { 12 } else { 16 }, "{unknown:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_say_what_http_says() {
    let world = World::with(crate::world::pool_settings(), |s| s.body_bytes_max = 1_000).await;
    world.load(&[crate::world::stable()]).await;
    let mut world = world;
    world.apply(crate::world::route(&[(crate::world::stable(), 10_000)], 0));
    let mut caller = Caller::new(world.gateway.address()).await;
    assert_eq!(caller.infer("", &[]).await, Some(Came(0, String::new(), vec![Bytes::new()])));
    let refused = caller.infer("refuse", &[]).await.unwrap();
    assert_eq!((refused.0, refused.1.replace("%20", " ").as_str()), (9, "refused by this version: no weather"));
    let late = caller.infer("sleep", &[("grpc-timeout", "20m")]).await.unwrap();
    assert_eq!(late.0, 4, "{late:?}");
    let infer = format!("{SERVICE}/ModelInfer");
    for (path, message, status) in [
        (infer.clone(), request("nope", ""), 5),
        (infer.clone(), Bytes::from_static(&[0xff; 9]), 3),
        (infer, request("late", &"x".repeat(2_000)), 11),
        (format!("{SERVICE}/ModelMetadata"), NamedModel { name: "nope".to_owned(), version: String::new() }.encode_to_vec().into(), 5),
        (format!("{SERVICE}/SystemSharedMemoryStatus"), Bytes::new(), 12),
    ] {
        let came = caller.call(&path, &[], &[message]).await.unwrap();
        assert_eq!(came.0, status, "{path} {came:?}");
    }
    let ready = caller
        .call(
            &format!("{SERVICE}/ModelReady"),
            &[],
            &[NamedModel { name: "late".to_owned(), version: "1".to_owned() }.encode_to_vec().into()],
        )
        .await;
    assert_eq!(ReadyResponse::decode(ready.unwrap().2[0].as_ref()).unwrap(), ReadyResponse { ready: true });
    // A stream answers each request in its turn, and goes on after one that fails.
    let asked = [request("late", ""), request("nope", ""), request("late", "")];
    let Came(status, _, answers) = caller.call(&format!("{SERVICE}/ModelStreamInfer"), &[], &asked).await.unwrap();
    let answers: Vec<_> = answers.iter().map(|answer| ModelStreamInferResponse::decode(answer.as_ref()).unwrap()).collect();
    let said: Vec<_> = answers.iter().map(|answer| (answer.infer_response.is_some(), answer.error_message.as_str())).collect();
    assert_eq!((status, said), (0, vec![(true, ""), (false, "Request for unknown model: 'nope' is not found"), (true, "")]));
    // JSON goes over HTTP/2 too.
    let counts = world.gateway.take_counts("late-arrival");
    assert_eq!(counts.iter().map(|c| (c.live.requests, c.live.errors)).collect::<Vec<_>>(), [(5, 2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_under_grpc_load_loses_nothing() {
    let world = World::with_stable().await;
    let answered = Arc::new(AtomicUsize::new(0));
    let address = world.gateway.address();
    let callers: Vec<_> = (0..16)
        .map(|n| {
            let answered = Arc::clone(&answered);
            tokio::spawn(async move {
                let mut caller = Caller::new(address).await;
                // One of them asks slowly, so that calls are under way in every phase.
                while let Some(came) = caller.infer(if n == 0 { "sleep" } else { "" }, &[]).await {
                    assert_eq!(came.0, 0, "{came:?}");
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    crate::world::until("the load runs", || answered.load(Ordering::SeqCst) > 200).await;
    assert_eq!(world.gateway.shutdown().await.cut, 0);
    for caller in callers {
        caller.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_may_begin_byte_by_byte() {
    let world = World::with_stable().await;
    let mut stream = TcpStream::connect(world.gateway.address()).await.unwrap();
    // Begins as the preface of HTTP/2 does, and is a request of HTTP/1.1.
    let text = format!(
        "POST {INFER} HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\ncontent-length: 7\r\n\r\n{{\"x\":1}}"
    );
    for byte in text.as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    // One that ends at once, and one that is neither.
    drop(TcpStream::connect(world.gateway.address()).await.unwrap());
    let mut stream = TcpStream::connect(world.gateway.address()).await.unwrap();
    stream.write_all(b"PRIVATE\r\n\r\n").await.unwrap();
    let mut end = Vec::new();
    // Closed or reset: it is no request either way.
    let _ = stream.read_to_end(&mut end).await;
    assert_eq!(world.client().get("/v2/health/live").await.status, 200);
}
