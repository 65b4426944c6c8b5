//! One request: who asks, what for, and the headers that every answer carries.

use crate::gateway::access::Key;
use crate::gateway::coding::{self, Fault};
use crate::gateway::endpoints::{Endpoint, Found, find};
use crate::gateway::reply::{Reply, X_REQUEST_ID, error, wrong_method};
use crate::gateway::traced::Traced;
use crate::gateway::{Shared, about, feedback, infer, language, metrics, reply, repository, statistics};
use crate::limits::{BODY_READ_MS_MAX, REQUEST_ID_CHARS_MAX, UNPACK_AT_ONCE_BYTES_MAX};
use crate::task;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HeaderValue};
use hyper::{HeaderMap, Request, StatusCode, Version};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a request is about.
pub struct Named {
    pub model: String,
    pub version: Option<String>,
}

/// What a handler is told.
pub struct Call {
    pub named: Named,
    pub headers: HeaderMap,
    pub body: Incoming,
    pub request_id: Arc<str>,
    /// Who asks; none only where everybody may.
    pub key: Option<Arc<Key>>,
}

/// Answers one request.
pub async fn handle(shared: &Arc<Shared>, request: Request<Incoming>) -> Reply {
    let (parts, body) = request.into_parts();
    let request_id = request_id(shared, &parts.headers);
    let key = shared.settings.tokens.admit(&parts.headers).map(Arc::clone);
    let mut answer = match find(&parts.method, parts.uri.path()) {
        Found::Row { row, .. } if !row.public && key.is_none() => unauthorised(),
        Found::Row { row, model, version } => {
            let traced = Traced::over_http(shared, row, &parts, &request_id);
            let named = Named { model, version };
            let call = Call { named, headers: parts.headers, body, request_id: Arc::clone(&request_id), key };
            let reply = traced.within(run(shared, row.endpoint, call)).await;
            traced.replied(reply)
        }
        // Whoever has no token learns nothing about what exists.
        Found::Method { .. } | Found::Nothing if key.is_none() => unauthorised(),
        Found::Method { allow } => wrong_method(allow),
        Found::Nothing => error(StatusCode::NOT_FOUND, &format!("nothing is at {}", parts.uri.path())),
    };
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        answer.headers_mut().insert(X_REQUEST_ID, id);
    }
    // Over HTTP/2 the connection itself says that it is being closed.
    if shared.closing.load(Ordering::Relaxed) && parts.version < Version::HTTP_2 {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

async fn run(shared: &Arc<Shared>, endpoint: Endpoint, call: Call) -> Reply {
    match endpoint {
        Endpoint::Server => about::server(shared),
        Endpoint::Live => reply::json(StatusCode::OK, &serde_json::json!({ "live": true })),
        Endpoint::Ready => about::ready(shared),
        Endpoint::Model => about::model(shared, &call.named),
        Endpoint::ModelReady => about::model_ready(shared, &call.named),
        // Held apart: a connection that waits for its next request has no use for the room that one takes.
        Endpoint::Infer => Box::pin(infer::infer(shared, call)).await,
        Endpoint::Language(task) => Box::pin(language::openai(shared, task, call)).await,
        Endpoint::LanguageModels => language::models(shared),
        Endpoint::Generate => Box::pin(language::generate(shared, false, call)).await,
        Endpoint::GenerateStream => Box::pin(language::generate(shared, true, call)).await,
        Endpoint::Configuration => about::configuration(shared, &call.named),
        Endpoint::Statistics => statistics::of_model(shared, &call.named),
        Endpoint::AllStatistics => statistics::of_all(shared),
        Endpoint::Index => repository::index(shared, call).await,
        Endpoint::Load => repository::load(shared, call).await,
        Endpoint::Unload => repository::unload(shared, &call.named.model),
        Endpoint::Feedback => feedback::feedback(shared, call).await,
        Endpoint::Metrics => metrics::answer(shared, &call.headers).await,
    }
}

pub fn unauthorised() -> Reply {
    error(StatusCode::UNAUTHORIZED, "a token is needed: send `authorization: Bearer <token>`")
}

/// The client's identifier where it is usable, else a new one.
pub fn request_id(shared: &Shared, headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(X_REQUEST_ID).and_then(|v| v.to_str().ok());
    match given.filter(|id| !id.is_empty() && id.len() <= REQUEST_ID_CHARS_MAX && id.bytes().all(|b| b.is_ascii_graphic())) {
        Some(id) => id.into(),
        None => format!("{:x}-{:x}", shared.started_us, shared.requests.fetch_add(1, Ordering::Relaxed)).into(),
    }
}

/// The whole body, unpacked, or the answer to its sender.
pub async fn read_body(shared: &Shared, headers: &HeaderMap, body: Incoming) -> Result<Bytes, Reply> {
    let coding = coding::of_body(headers).map_err(|given| {
        let message = format!("content-encoding `{given}` is not understood: send {}, or plain", coding::ACCEPTED);
        let mut reply = error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &message);
        reply.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(coding::ACCEPTED));
        reply
    })?;
    let packed = read_packed(shared, headers, body).await?;
    let Some(coding) = coding else { return Ok(packed) };
    let most = shared.settings.unpacked_bytes_max;
    let unpacked = if packed.len() <= UNPACK_AT_ONCE_BYTES_MAX {
        Ok(coding.unpack(&packed, most))
    } else {
        task::aside(move || coding.unpack(&packed, most)).await
    };
    match unpacked {
        Ok(Ok(plain)) => Ok(plain.into()),
        Ok(Err(Fault::Long)) => {
            Err(error(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body is longer than {most} bytes when it is unpacked")))
        }
        Ok(Err(Fault::Broken(why))) => Err(error(StatusCode::BAD_REQUEST, &format!("the body is no {}: {why}", coding.as_str()))),
        Err(_) => Err(error(StatusCode::INTERNAL_SERVER_ERROR, "the body could not be unpacked: the gateway is being stopped")),
    }
}

/// The whole body as it was sent.
async fn read_packed(shared: &Shared, headers: &HeaderMap, body: Incoming) -> Result<Bytes, Reply> {
    let most = shared.settings.body_bytes_max;
    let long = || error(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body is longer than {most} bytes"));
    let said: Option<usize> = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    if said.is_some_and(|bytes| bytes > most) {
        return Err(long());
    }
    match tokio::time::timeout(Duration::from_millis(BODY_READ_MS_MAX), Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(failure)) if failure.is::<LengthLimitError>() => Err(long()),
        Ok(Err(failure)) => Err(error(StatusCode::BAD_REQUEST, &format!("the body could not be read: {failure}"))),
        Err(_) => Err(error(StatusCode::REQUEST_TIMEOUT, &format!("the body did not arrive within {BODY_READ_MS_MAX} ms"))),
    }
}
