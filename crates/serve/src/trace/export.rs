//! Spans on their way to a receiver of OTLP over HTTP: a bounded queue, and one task that sends what waits in it.

use super::context::{Context, SpanId};
use super::ids::Ids;
use super::limits::{ANSWER_BYTES_MAX, SPANS_AT_ONCE_MAX, SPANS_ATTEMPTS_MAX, SPANS_LAST_MS_MAX, SPANS_MAX, SPANS_WAIT_MS};
use super::otlp::{self, Rejected, Resource};
use super::retry::{later, wait_ms};
use super::sample::Ratio;
use super::settings::TraceSettings;
use super::span::Ended;
use crate::limits::CONNECT_MS_MAX;
use crate::remote::{Upstream, connector};
use crate::task;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// What became of spans, since the gateway's start.
#[derive(Debug, Default)]
pub struct SpanTotals {
    pub sent: AtomicU64,
    /// Dropped at a full queue.
    pub unqueued: AtomicU64,
    /// Not taken by the receiver.
    pub refused: AtomicU64,
    /// Given up, because the receiver could not be reached or had no room.
    pub unsent: AtomicU64,
}

/// Begins traces, and takes spans that have ended.
#[derive(Debug)]
pub struct Tracer {
    ratio: Ratio,
    ids: Ids,
    queue: mpsc::Sender<Ended>,
    pub totals: Arc<SpanTotals>,
    stop: watch::Sender<bool>,
    exporter: Mutex<Option<JoinHandle<()>>>,
}

impl Tracer {
    /// Starts the task that sends spans, on the runtime that it is called on.
    ///
    /// # Errors
    /// A sentence, when the receiver cannot be spoken to as it is configured.
    pub fn start(settings: TraceSettings) -> Result<Arc<Tracer>, String> {
        let (queue, spans) = mpsc::channel(SPANS_MAX);
        let (stop, stopped) = watch::channel(false);
        let (ratio, ids, totals) = (Ratio::new(settings.ratio), Ids::default(), Arc::<SpanTotals>::default());
        let resource = Resource { service: settings.service_name.clone(), instance: ids.trace().to_string() };
        let exporter =
            Exporter { way: Way::new(settings)?, resource, totals: Arc::clone(&totals), chances: Ids::default(), stopped, failing: false };
        let exporter = Mutex::new(Some(task::spawn(exporter.run(spans))));
        Ok(Arc::new(Tracer { ratio, ids, queue, totals, stop, exporter }))
    }

    /// A new trace, with a span of which nothing is told where it is not recorded.
    pub fn begin(&self) -> Context {
        let trace = self.ids.trace();
        Context::new(trace, self.ids.span(), self.ratio.takes(trace))
    }

    pub fn span_id(&self) -> SpanId {
        self.ids.span()
    }

    /// Takes a span, or drops it; never waits.
    pub fn offer(&self, span: Ended) {
        if self.queue.try_send(span).is_err() {
            self.totals.unqueued.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends what waits, as far as there is time, and ends.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let exporter = self.exporter.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut exporter) = exporter
            && timeout(Duration::from_millis(SPANS_LAST_MS_MAX), &mut exporter).await.is_err()
        {
            exporter.abort();
        }
    }
}

/// Why spans were not taken.
#[derive(Debug)]
enum Fault {
    /// They may be later, and when where that was said.
    Later {
        why: String,
        after: Option<String>,
    },
    Never {
        why: String,
    },
}

struct Exporter {
    way: Way,
    resource: Resource,
    totals: Arc<SpanTotals>,
    chances: Ids,
    stopped: watch::Receiver<bool>,
    /// Whether the last attempt failed: what goes on is not said again and again.
    failing: bool,
}

impl Exporter {
    async fn run(mut self, mut queue: mpsc::Receiver<Ended>) {
        let mut spans = Vec::with_capacity(SPANS_AT_ONCE_MAX);
        while self.gather(&mut queue, &mut spans).await {
            self.send(&spans).await;
            spans.clear();
        }
    }

    /// Waits for a span, and for further ones until there are many or time is up; whether there are any: none are when all is over.
    async fn gather(&mut self, queue: &mut mpsc::Receiver<Ended>, spans: &mut Vec<Ended>) -> bool {
        let stopped = &mut self.stopped;
        tokio::select! {
            got = queue.recv_many(spans, SPANS_AT_ONCE_MAX) => if got == 0 { return false },
            // An error means that nobody can stop it any more.
            _ = stopped.wait_for(|stop| *stop) => {}
        }
        let up = tokio::time::sleep(Duration::from_millis(SPANS_WAIT_MS));
        tokio::pin!(up);
        while spans.len() < SPANS_AT_ONCE_MAX && !*stopped.borrow() {
            let left = SPANS_AT_ONCE_MAX - spans.len();
            tokio::select! {
                got = queue.recv_many(spans, left) => if got == 0 { break },
                () = &mut up => break,
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        }
        while spans.len() < SPANS_AT_ONCE_MAX
            && let Ok(span) = queue.try_recv()
        {
            spans.push(span);
        }
        !spans.is_empty()
    }

    /// Sends spans, again where that may help; what is not taken in the end is counted.
    async fn send(&mut self, spans: &[Ended]) {
        let (body, count) = (Bytes::from(otlp::write(&self.resource, spans)), spans.len() as u64);
        let mut attempts = 0;
        let (counter, why) = loop {
            attempts += 1;
            match self.way.post(body.clone()).await {
                Ok(Rejected { spans, why }) => {
                    let refused = spans.min(count);
                    self.totals.sent.fetch_add(count - refused, Ordering::Relaxed);
                    self.totals.refused.fetch_add(refused, Ordering::Relaxed);
                    if refused > 0 || !why.is_empty() {
                        tracing::warn!(refused, %why, "the receiver of traces says that not all is well");
                    }
                    if std::mem::take(&mut self.failing) {
                        tracing::info!("the receiver of traces takes spans again");
                    }
                    return;
                }
                Err(Fault::Never { why }) => break (&self.totals.refused, why),
                Err(Fault::Later { why, .. }) if attempts >= SPANS_ATTEMPTS_MAX || *self.stopped.borrow() => {
                    break (&self.totals.unsent, why);
                }
                Err(Fault::Later { after, .. }) => {
                    let wait = Duration::from_millis(wait_ms(attempts, after.as_deref(), self.chances.number()));
                    // Who is told to end does not wait: one more attempt is made.
                    let _ = timeout(wait, self.stopped.wait_for(|stop| *stop)).await;
                }
            }
        };
        counter.fetch_add(count, Ordering::Relaxed);
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(%why, "spans were lost: see `tidegate_spans_dropped_total`, and whether `gateway.traces.endpoint` is right");
        }
    }
}

/// The way to the receiver: one connection, made again when it is gone.
struct Way {
    settings: TraceSettings,
    headers: HeaderMap,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Way {
    fn new(settings: TraceSettings) -> Result<Way, String> {
        let address = settings.endpoint.address.clone();
        let known = Upstream { ca: settings.ca.clone(), ..Upstream::new("gateway.traces", vec![address.clone()]) };
        let tls = match connector(&known)? {
            None => None,
            Some(tls) => Some((tls, ServerName::try_from(address.host.clone()).map_err(|e| format!("{address}: {e}"))?)),
        };
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::try_from(address.authority()).map_err(|e| format!("{address}: {e}"))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION"))));
        for (name, secret) in &settings.headers {
            let mut value = HeaderValue::try_from(&secret.0).map_err(|_| format!("header {name} holds characters that none can"))?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        Ok(Way { settings, headers, tls, open: None })
    }

    /// Sends one request, and reads what came of it.
    async fn post(&mut self, body: Bytes) -> Result<Rejected, Fault> {
        let within = Duration::from_millis(self.settings.timeout_ms);
        match timeout(within, self.posted(body)).await {
            Ok(result) => result,
            Err(_) => {
                // What comes on it later would be taken for the next answer.
                self.open = None;
                Err(Fault::Later { why: format!("{}: no answer within {} ms", self.to(), within.as_millis()), after: None })
            }
        }
    }

    fn to(&self) -> String {
        format!("{}{}", self.settings.endpoint.address, self.settings.endpoint.path)
    }

    async fn posted(&mut self, body: Bytes) -> Result<Rejected, Fault> {
        let lost = |why: String| Fault::Later { why, after: None };
        let request = self.request(body).map_err(|why| Fault::Never { why })?;
        let mut kept = self.open.take();
        if let Some(open) = &mut kept
            && open.ready().await.is_err()
        {
            kept = None;
        }
        let mut open = match kept {
            Some(open) => open,
            None => self.connect().await.map_err(|why| lost(format!("{}: {why}", self.to())))?,
        };
        let answer = open.send_request(request).await.map_err(|e| lost(format!("{}: {e}", self.to())))?;
        let status = answer.status();
        let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map(|whole| whole.to_bytes());
        // A connection with half an answer on it is not used again.
        self.open = body.is_ok().then_some(open);
        match status {
            StatusCode::OK => Ok(otlp::rejected(&body.unwrap_or_default())),
            status if status.is_success() => Ok(Rejected::default()),
            status if later(status) => Err(Fault::Later { why: format!("{} answered {status}", self.to()), after }),
            status => Err(Fault::Never { why: format!("{} answered {status}", self.to()) }),
        }
    }

    fn request(&self, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
        let endpoint = &self.settings.endpoint;
        let mut request = Request::post(endpoint.path.as_str()).body(Full::new(body)).map_err(|e| format!("{}: {e}", self.to()))?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let address = &self.settings.endpoint.address;
        let connected = async {
            let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(|e| e.to_string())?;
            match &self.tls {
                None => serve(stream).await,
                Some((connector, name)) => serve(connector.connect(name.clone(), stream).await.map_err(|e| e.to_string())?).await,
            }
        };
        let within = Duration::from_millis(CONNECT_MS_MAX);
        timeout(within, connected).await.unwrap_or_else(|_| Err(format!("no connection within {CONNECT_MS_MAX} ms")))
    }
}

/// Speaks HTTP/1.1 on a connection.
async fn serve(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
) -> Result<SendRequest<Full<Bytes>>, String> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    task::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the receiver of traces ended");
        }
    });
    Ok(sender)
}
