//! Answers in HTTP: JSON always, errors always as `{"error": ..}`.

use crate::frame::Outcome;
use crate::limits::RETRY_AFTER_S;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

/// The response's type throughout.
pub type Reply = Response<Full<Bytes>>;

/// The request's identifier.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The version that answered.
pub const X_VERSION: HeaderName = HeaderName::from_static("x-tidegate-version");

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
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply
}

/// A JSON value.
pub fn json(status: StatusCode, value: &serde_json::Value) -> Reply {
    json_bytes(status, value.to_string().into())
}

/// Text in the exposition format of Prometheus.
pub fn metrics(text: String) -> Reply {
    let mut reply = Response::new(Full::new(text.into()));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
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

/// 405, with the method that is allowed.
pub fn wrong_method(allow: &'static str) -> Reply {
    let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, &format!("this path takes {allow}"));
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}

/// 404 in the words that clients of the protocol look for.
pub fn unknown(model: &str, version: Option<&str>) -> Reply {
    let message = match version {
        None => format!("Request for unknown model: '{model}' is not found"),
        Some(version) => format!("Request for unknown model: '{model}' version {version} is not found"),
    };
    error(StatusCode::NOT_FOUND, &message)
}
