//! A server of the protocol that misbehaves when it is told to: the model `double` gives `y = 2 x`.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_serve::remote::Address;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Right,
    /// Answers 200 with wrong numbers.
    Wrong,
    /// Answers 200 with tensors without values.
    Empty,
    /// Answers 500 to everything that is asked of the model; says that it is ready.
    Failing,
    /// Half of what users ask fails.
    Half,
    Busy,
    /// Golden requests find no room among those of users.
    Crowded,
    /// Golden requests are never answered.
    Pondering,
    NotReady,
    /// Takes connections and says nothing.
    Silent,
    /// As it should, after a time.
    Slow(u64),
}

#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    inner: Arc<Inner>,
    server: Arc<Mutex<Option<JoinHandle<()>>>>,
}

struct Inner {
    mode: Mutex<Mode>,
    /// Requests of users: golden ones are named `g...`.
    users: AtomicU64,
    golden: AtomicU64,
    /// Golden requests that had come when the last request of a user came.
    golden_before_user: AtomicU64,
    /// How often it was asked whether it is ready.
    looks: AtomicU64,
    token: Mutex<Option<String>>,
    /// Headers and body of the last request of a user.
    last: Mutex<Option<(hyper::HeaderMap, Bytes)>>,
}

impl Upstream {
    pub async fn start() -> Upstream {
        Upstream::at("127.0.0.1:0".parse().unwrap()).await
    }

    async fn at(address: SocketAddr) -> Upstream {
        let inner = Inner {
            mode: Mutex::new(Mode::Right),
            users: AtomicU64::new(0),
            golden: AtomicU64::new(0),
            golden_before_user: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            token: Mutex::default(),
            last: Mutex::default(),
        };
        let mut upstream = Upstream { address, inner: Arc::new(inner), server: Arc::default() };
        upstream.listen().await;
        upstream
    }

    async fn listen(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let inner = Arc::clone(&self.inner);
        let server = tokio::spawn(async move {
            // Dropped with the listener: connections end with it.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let inner = Arc::clone(&inner);
                let service = service_fn(move |request| answer(Arc::clone(&inner), request));
                connections.spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        *self.server.lock().unwrap() = Some(server);
    }

    pub fn become_(&self, mode: Mode) {
        *self.inner.mode.lock().unwrap() = mode;
    }

    /// Ends it and all its connections, as a crash does.
    pub async fn kill(&self) {
        let server = self.server.lock().unwrap().take().unwrap();
        server.abort();
        let _ = server.await;
    }

    /// Starts it again where it was.
    pub async fn revive(&mut self) {
        self.listen().await;
    }

    pub fn users(&self) -> u64 {
        self.inner.users.load(Ordering::SeqCst)
    }

    pub fn golden(&self) -> u64 {
        self.inner.golden.load(Ordering::SeqCst)
    }

    /// Golden requests that had come when the last request of a user came.
    #[allow(dead_code, reason = "asked by the tests of faults")]
    pub fn golden_before_user(&self) -> u64 {
        self.inner.golden_before_user.load(Ordering::SeqCst)
    }

    /// How often it was asked whether it is ready.
    pub fn looks(&self) -> u64 {
        self.inner.looks.load(Ordering::SeqCst)
    }

    /// From now on it lets nobody in without this token.
    pub fn wants(&self, token: &str) {
        *self.inner.token.lock().unwrap() = Some(format!("Bearer {token}"));
    }

    pub fn last(&self) -> (hyper::HeaderMap, Bytes) {
        self.inner.last.lock().unwrap().clone().unwrap()
    }

    pub fn told(&self) -> Address {
        Address::parse(&format!("http://{}", self.address)).unwrap()
    }
}

fn reply(status: StatusCode, body: Json) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::builder().status(status).body(Full::new(body.to_string().into())).unwrap())
}

async fn answer(inner: Arc<Inner>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mode = *inner.mode.lock().unwrap();
    if mode == Mode::Silent {
        std::future::pending::<()>().await;
    }
    let token = inner.token.lock().unwrap().clone();
    if token.is_some_and(|t| request.headers().get("authorization").is_none_or(|given| given != t.as_str())) {
        return reply(StatusCode::UNAUTHORIZED, json!({ "error": "who are you" }));
    }
    inner.looks.fetch_add(u64::from(request.uri().path().ends_with("/ready")), Ordering::SeqCst);
    let spec = |name: &str| json!([{ "name": name, "datatype": "FP64", "shape": [-1] }]);
    match request.uri().path() {
        "/v2" => reply(StatusCode::OK, json!({ "name": "other", "version": "1", "extensions": [] })),
        "/v2/models/double/versions/7/ready" if mode == Mode::NotReady => reply(StatusCode::BAD_REQUEST, json!({ "error": "no" })),
        "/v2/models/double/versions/7/ready" | "/v2/models/sum/versions/7/ready" => reply(StatusCode::OK, json!({})),
        "/v2/models/double/versions/7" => {
            reply(StatusCode::OK, json!({ "name": "double", "platform": "other", "inputs": spec("x"), "outputs": spec("y") }))
        }
        "/v2/models/sum/versions/7" => {
            let inputs = json!([spec("x")[0], spec("s")[0]]);
            reply(StatusCode::OK, json!({ "name": "sum", "platform": "other", "inputs": inputs, "outputs": spec("y") }))
        }
        "/v2/models/double/versions/7/infer" | "/v2/models/sum/versions/7/infer" => infer(&inner, mode, request).await,
        path => reply(StatusCode::NOT_FOUND, json!({ "error": format!("Request for unknown model: {path}") })),
    }
}

async fn infer(inner: &Inner, mode: Mode, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return reply(StatusCode::BAD_REQUEST, json!({})) };
    let body = body.to_bytes();
    // As Triton does with what it cannot read.
    let Ok(asked) = serde_json::from_slice::<Json>(&body) else {
        return reply(StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": "failed to parse the request JSON buffer" }));
    };
    let id = asked["id"].as_str().unwrap_or_default().to_owned();
    let golden = id.starts_with('g');
    let counter = if golden { &inner.golden } else { &inner.users };
    let number = counter.fetch_add(1, Ordering::SeqCst);
    if !golden {
        inner.golden_before_user.store(inner.golden.load(Ordering::SeqCst), Ordering::SeqCst);
        *inner.last.lock().unwrap() = Some((head.headers, body));
    }
    match mode {
        Mode::Failing => return reply(StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": "out of memory" })),
        Mode::Half if !golden && number.is_multiple_of(2) => {
            return reply(StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": "sometimes" }));
        }
        Mode::Crowded if golden => return reply(StatusCode::SERVICE_UNAVAILABLE, json!({ "error": "crowded" })),
        Mode::Pondering if golden => std::future::pending().await,
        Mode::Busy if !golden => return reply(StatusCode::TOO_MANY_REQUESTS, json!({ "error": "busy" })),
        Mode::Slow(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        _ => {}
    }
    let Some(xs) = asked["inputs"][0]["data"].as_array() else {
        return reply(StatusCode::BAD_REQUEST, json!({ "error": "input 'x' is missing" }));
    };
    let off = if mode == Mode::Wrong { 1.0 } else { 0.0 };
    // `sum` has a second input.
    let second = asked["inputs"][1]["data"][0].as_f64();
    let ys: Vec<f64> = xs.iter().filter_map(Json::as_f64).map(|x| second.map_or(2.0 * x, |s| x + s) + off).collect();
    let ys = if mode == Mode::Empty { vec![] } else { ys };
    let output = json!({ "name": "y", "datatype": "FP64", "shape": [ys.len()], "data": ys });
    reply(StatusCode::OK, json!({ "model_name": "double", "model_version": "7", "id": id, "outputs": [output] }))
}
