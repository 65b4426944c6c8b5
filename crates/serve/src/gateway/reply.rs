//! Answers in HTTP: JSON always, errors always as `{"error": ..}`.

use crate::frame::{Body, Form, Outcome};
use crate::gateway::coding::Coding;
use crate::gateway::content::Content;
use crate::limits::{PACK_AT_ONCE_BYTES_MAX, PACK_BYTES_MIN, RETRY_AFTER_S};
use crate::task;
use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use tidegate_core::scan::Findings;

/// The response's type throughout.
pub type Reply = Response<Content>;

/// The request's identifier.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The version that answered.
pub const X_VERSION: HeaderName = HeaderName::from_static("x-tidegate-version");
/// `hit` where an answer was given before.
pub const X_CACHE: HeaderName = HeaderName::from_static("x-tidegate-cache");

/// `version` or `declared` where nobody who should answer could.
pub const X_FALLBACK: HeaderName = HeaderName::from_static("x-tidegate-fallback");
/// How soon an answer is wanted: `interactive` or `batch`.
pub const X_PRIORITY: HeaderName = HeaderName::from_static("x-tidegate-priority");
/// What was found in the texts of an answer, as `card=1,email=2`.
pub const X_FINDINGS: HeaderName = HeaderName::from_static("x-tidegate-findings");

/// Length of a body's JSON where tensors follow as bytes; of an unpacked body, also when it is packed.
pub const X_JSON_BYTES: HeaderName = HeaderName::from_static("inference-header-content-length");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The status of a worker's answer.
pub fn status_of(outcome: Outcome) -> StatusCode {
    match outcome {
        Outcome::Answered => StatusCode::OK,
        Outcome::ClientFault => StatusCode::BAD_REQUEST,
        Outcome::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        Outcome::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A body that is JSON already.
pub fn json_bytes(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Content::from(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply
}

/// A worker's body as it is; packed, when the client takes that and it is worth it.
pub async fn answer(status: StatusCode, body: Body, coding: Option<Coding>) -> Reply {
    let plain = body.bytes;
    let packed = match coding.filter(|_| status == StatusCode::OK && plain.len() >= PACK_BYTES_MIN) {
        None => None,
        Some(coding) if plain.len() <= PACK_AT_ONCE_BYTES_MAX => coding.pack(&plain).map(|packed| (coding, packed)),
        Some(coding) => {
            let plain = plain.clone();
            // When the gateway is being stopped the answer goes as it is.
            task::aside(move || coding.pack(&plain)).await.ok().flatten().map(|packed| (coding, packed))
        }
    };
    let (coding, bytes) = packed.map_or((None, plain), |(coding, packed)| (Some(coding), packed.into()));
    let mut reply = json_bytes(status, bytes);
    let headers = reply.headers_mut();
    if let Some(coding) = coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if let Form::Mixed(json_bytes) = body.form {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(X_JSON_BYTES, HeaderValue::from(json_bytes));
    }
    reply
}

/// A JSON value.
pub fn json(status: StatusCode, value: &serde_json::Value) -> Reply {
    json_bytes(status, value.to_string().into())
}

/// The metrics page.
pub fn metrics(text: String, form: HeaderValue) -> Reply {
    let mut reply = Response::new(Content::from(Bytes::from(text)));
    reply.headers_mut().insert(CONTENT_TYPE, form);
    reply
}

/// An error, with what helps a client to go on.
pub fn error(status: StatusCode, message: &str) -> Reply {
    let mut reply = json(status, &serde_json::json!({ "error": message }));
    let headers = reply.headers_mut();
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}

/// An error after which it makes sense to wait for so long; 0: as errors say otherwise.
pub fn error_for(status: StatusCode, message: &str, wait_ms: u64) -> Reply {
    let mut reply = error(status, message);
    if wait_ms > 0 {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1_000)));
    }
    reply
}

/// What was found, for a header.
pub fn findings_words(found: &Findings) -> String {
    let each: Vec<String> = found.0.iter().map(|(kind, count)| format!("{}={count}", kind.as_str())).collect();
    each.join(",")
}

/// 405, with the method that is allowed.
pub fn wrong_method(allow: &'static str) -> Reply {
    let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, &format!("this path takes {allow}"));
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}

/// 404 in the words that clients of the protocol look for.
pub fn unknown(model: &str, version: Option<&str>) -> Reply {
    error(StatusCode::NOT_FOUND, &unknown_words(model, version))
}

/// Those words.
pub fn unknown_words(model: &str, version: Option<&str>) -> String {
    match version {
        None => format!("Request for unknown model: '{model}' is not found"),
        Some(version) => format!("Request for unknown model: '{model}' version {version} is not found"),
    }
}
