//! A server of OpenAI's API that says what it is told to, token after token, and misbehaves when it should.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tidegate_serve::remote::Address;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    Right,
    /// Closes the connection after so many tokens.
    Cut(usize),
    /// Says in its stream, after so many tokens, that it has failed.
    Fails(usize),
    /// Answers 503 to users.
    Away,
    /// Takes requests of users and says nothing.
    Silent,
    /// Answers whole, whatever is asked.
    Whole,
}

#[derive(Clone)]
pub struct Speaker {
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    mode: Mutex<Mode>,
    words: Mutex<Vec<String>>,
    /// Tokens that may be said; each takes one.
    gate: Semaphore,
    users: AtomicU64,
    golden: AtomicU64,
    /// Streams that their reader has left.
    left: AtomicU64,
    last: Mutex<Json>,
}

impl Speaker {
    /// Says `Berlin is it` freely.
    pub async fn start() -> Speaker {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            mode: Mutex::new(Mode::Right),
            words: Mutex::new(["Berlin", " is", " it"].map(str::to_owned).to_vec()),
            gate: Semaphore::new(1_000),
            users: AtomicU64::new(0),
            golden: AtomicU64::new(0),
            left: AtomicU64::new(0),
            last: Mutex::default(),
        });
        let speaker = Speaker { address, inner: Arc::clone(&inner) };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let inner = Arc::clone(&inner);
                let service = service_fn(move |request| answer(Arc::clone(&inner), request));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        speaker
    }

    pub fn told(&self) -> Address {
        Address::parse(&format!("http://{}", self.address)).unwrap()
    }

    pub fn become_(&self, mode: Mode) {
        *self.inner.mode.lock().unwrap() = mode;
    }

    pub fn says(&self, words: &[&str]) {
        *self.inner.words.lock().unwrap() = words.iter().map(|w| (*w).to_owned()).collect();
    }

    /// Takes all tokens away: none is said before `let_say`.
    pub fn hold(&self) {
        self.inner.gate.forget_permits(1_000_000);
    }

    pub fn let_say(&self, tokens: usize) {
        self.inner.gate.add_permits(tokens);
    }

    pub fn users(&self) -> u64 {
        self.inner.users.load(Ordering::SeqCst)
    }

    /// Golden requests that it was asked.
    pub fn golden(&self) -> u64 {
        self.inner.golden.load(Ordering::SeqCst)
    }

    pub fn left(&self) -> u64 {
        self.inner.left.load(Ordering::SeqCst)
    }

    pub fn last(&self) -> Json {
        self.inner.last.lock().unwrap().clone()
    }
}

type Said = Response<http_body_util::combinators::BoxBody<Bytes, std::io::Error>>;

fn whole(status: StatusCode, body: &Json) -> Said {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).map_err(|never: Infallible| match never {}).boxed());
    *response.status_mut() = status;
    response
}

async fn answer(inner: Arc<Inner>, request: Request<Incoming>) -> Result<Said, Infallible> {
    let path = request.uri().path().to_owned();
    if path == "/v1/models" {
        return Ok(whole(StatusCode::OK, &json!({ "object": "list", "data": [{ "id": "small" }, { "id": "large" }] })));
    }
    let asked: Json = serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let golden = asked["user"] == "golden";
    let mode = if golden { Mode::Right } else { inner.mode.lock().unwrap().clone() };
    if golden {
        inner.golden.fetch_add(1, Ordering::SeqCst);
    } else {
        inner.users.fetch_add(1, Ordering::SeqCst);
        *inner.last.lock().unwrap() = asked.clone();
    }
    match mode {
        Mode::Away => return Ok(whole(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": { "message": "no room" } }))),
        Mode::Silent => std::future::pending().await,
        _ => {}
    }
    if asked["max_tokens"] == 0 {
        return Ok(whole(StatusCode::BAD_REQUEST, &json!({ "error": { "message": "max_tokens must be at least 1", "type": "bad" } })));
    }
    let words = if golden { vec!["Berlin".to_owned()] } else { inner.words.lock().unwrap().clone() };
    if path == "/v1/embeddings" {
        return Ok(whole(StatusCode::OK, &json!({ "data": [{ "embedding": [0.5, -1.0] }], "usage": { "prompt_tokens": 2 } })));
    }
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": words.len() });
    if asked["stream"] != true || mode == Mode::Whole {
        let message = json!({ "role": "assistant", "content": words.concat() });
        let choices = json!([{ "index": 0, "message": message, "text": words.concat(), "finish_reason": "stop" }]);
        return Ok(whole(StatusCode::OK, &json!({ "id": "c", "model": asked["model"], "choices": choices, "usage": usage })));
    }
    let (events, rest) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    tokio::spawn(speak(Arc::clone(&inner), mode, words, asked["stream_options"]["include_usage"] == true, usage, events));
    let body = StreamBody::new(futures::stream::unfold(rest, |mut rest| async {
        let next = rest.recv().await?;
        Some((next.map(Frame::data), rest))
    }));
    let mut response = Response::new(BodyExt::boxed(body));
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    Ok(response)
}

async fn speak(
    inner: Arc<Inner>,
    mode: Mode,
    words: Vec<String>,
    tells: bool,
    usage: Json,
    events: mpsc::Sender<Result<Bytes, std::io::Error>>,
) {
    let say = |event: String| events.send(Ok(Bytes::from(format!("data: {event}\n\n"))));
    let chunk =
        |delta: Json, finish: Option<&str>| json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] }).to_string();
    let _ = say(chunk(json!({ "role": "assistant", "content": "" }), None)).await;
    for (n, word) in words.iter().enumerate() {
        tokio::select! {
            permit = inner.gate.acquire() => permit.unwrap().forget(),
            () = events.closed() => {
                inner.left.fetch_add(1, Ordering::SeqCst);
                return;
            }
        }
        match mode {
            Mode::Cut(after) if n == after => {
                let _ = events.send(Err(std::io::ErrorKind::ConnectionReset.into())).await;
                return;
            }
            Mode::Fails(after) if n == after => {
                let _ = say(json!({ "error": { "message": "out of memory" } }).to_string()).await;
                return;
            }
            _ => {}
        }
        if say(chunk(json!({ "content": word }), None)).await.is_err() {
            inner.left.fetch_add(1, Ordering::SeqCst);
            return;
        }
    }
    let _ = say(chunk(json!({}), Some("stop"))).await;
    if tells {
        let _ = say(json!({ "choices": [], "usage": usage }).to_string()).await;
    }
    let _ = say("[DONE]".to_owned()).await;
}
