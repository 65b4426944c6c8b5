//! A receiver of OTLP over HTTP that does as it is told, and what OpenTelemetry's own packages say of what it got.

use crate::otel::others;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tidegate_serve::{TraceEndpoint, TraceSettings};
use tokio::net::TcpListener;

/// How one request is answered: status, `retry-after`, body.
pub type Answer = (u16, Option<&'static str>, &'static str);

#[derive(Clone)]
pub struct Collector {
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// How the next requests are answered; then all are taken.
    next: Mutex<VecDeque<Answer>>,
    /// Requests that came: path, headers, body.
    came: Mutex<Vec<(String, HeaderMap, Bytes)>>,
    taken: Mutex<Vec<Bytes>>,
}

impl Collector {
    pub async fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Collector::at(listener.local_addr().unwrap());
        let inner = Arc::clone(&collector.inner);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let inner = Arc::clone(&inner);
                let service = service_fn(move |request| answer(Arc::clone(&inner), request));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        collector
    }

    /// One that somebody else plays.
    pub fn at(address: SocketAddr) -> Collector {
        Collector { address, inner: Arc::default() }
    }

    pub fn settings(&self, ratio: f64) -> TraceSettings {
        TraceSettings {
            endpoint: TraceEndpoint::parse(&format!("http://{}", self.address)).unwrap(),
            ratio,
            service_name: "gate".to_owned(),
            headers: vec![],
            ca: None,
            timeout_ms: 5_000,
        }
    }

    /// From now on it answers like this, each once.
    pub fn answers(&self, answers: &[Answer]) {
        self.inner.next.lock().unwrap().extend(answers);
    }

    /// Requests that came.
    pub fn came(&self) -> Vec<(String, HeaderMap, Bytes)> {
        self.inner.came.lock().unwrap().clone()
    }

    /// Spans that were taken.
    pub fn spans(&self) -> Vec<Span> {
        let of = |body: &Bytes| {
            let whole: Json = serde_json::from_slice(body).unwrap();
            whole["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().iter().cloned().map(Span).collect::<Vec<_>>()
        };
        self.inner.taken.lock().unwrap().iter().flat_map(of).collect()
    }

    /// What OpenTelemetry's packages read of what was taken: as many spans as are here, or none where there are no packages.
    pub fn read_by_others(&self) -> Option<usize> {
        let lines: Vec<u8> = self.inner.taken.lock().unwrap().iter().flat_map(|body| [body.as_ref(), b"\n"].concat()).collect();
        Some(others("export", &lines)?.lines().count())
    }
}

#[derive(Clone, Debug)]
pub struct Span(pub Json);

impl Span {
    pub fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// An attribute, as text.
    pub fn of(&self, key: &str) -> String {
        let found = self.0["attributes"].as_array().unwrap().iter().find(|a| a["key"] == key);
        match found.map(|a| a["value"].as_object().unwrap().values().next().unwrap()) {
            None => String::new(),
            Some(Json::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    pub fn failed(&self) -> bool {
        self.0["status"]["code"] == 2
    }

    pub fn times(&self) -> (u64, u64) {
        (self.text("startTimeUnixNano").parse().unwrap(), self.text("endTimeUnixNano").parse().unwrap())
    }
}

async fn answer(inner: Arc<Inner>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(Response::new(Full::default())) };
    let body = body.to_bytes();
    inner.came.lock().unwrap().push((head.uri.path().to_owned(), head.headers, body.clone()));
    let (status, after, said) = inner.next.lock().unwrap().pop_front().unwrap_or((200, None, "{}"));
    if status == 200 {
        inner.taken.lock().unwrap().push(body);
    }
    let mut answer = Response::builder().status(status).header("content-type", "application/json");
    if let Some(after) = after {
        answer = answer.header("retry-after", after);
    }
    if status == 307 {
        answer = answer.header("location", "http://127.0.0.1:1/v1/traces");
    }
    Ok(answer.body(Full::new(Bytes::from_static(said.as_bytes()))).unwrap())
}
