//! A prediction over HTTP: the body in JSON, or with tensors as bytes.

use crate::frame::{Body, Form};
use crate::gateway::Shared;
use crate::gateway::coding;
use crate::gateway::handle::{Call, read_body, unauthorised};
use crate::gateway::predict::{Asked, By, Place, Said, predict};
use crate::gateway::reply::{self, Reply, X_CACHE, X_FALLBACK, X_FINDINGS, X_JSON_BYTES, X_VERSION, error};
use hyper::header::HeaderValue;
use hyper::{HeaderMap, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// Answers `POST .../infer`.
pub async fn infer(shared: &Arc<Shared>, call: Call) -> Reply {
    // Nobody comes here without a key: the endpoint is not public.
    let Some(key) = &call.key else { return unauthorised() };
    let (_place, priority) = match Place::take(shared, key, &call.headers) {
        Ok(place) => place,
        Err(shed) => return said(shed, &call.headers).await,
    };
    let Call { named, headers, body, request_id, .. } = call;
    let body = match read_body(shared, &headers, body).await {
        Ok(bytes) => match form(&headers, bytes.len()) {
            Ok(form) => Body { bytes, form },
            Err(message) => return error(StatusCode::BAD_REQUEST, &message),
        },
        Err(reply) => return reply,
    };
    let deadline = Duration::from_millis(shared.settings.timings.answer_ms_max);
    let (model, version) = (&named.model, named.version.as_deref());
    let asked = Asked {
        model,
        version,
        caller: key.name(),
        headers: &headers,
        request_id: &request_id,
        body: &body,
        priority,
        deadline,
        outlet: None,
        pinned: None,
    };
    said(predict(shared, asked).await, &headers).await
}

/// An answer as HTTP says it.
pub async fn said(said: Said, headers: &HeaderMap) -> Reply {
    match said {
        Said::Answer { status, body, version, by, found } => {
            let mut reply = reply::answer(status, body, coding::of_answer(headers)).await;
            reply.headers_mut().insert(X_VERSION, version);
            if by == By::Cache {
                reply.headers_mut().insert(X_CACHE, HeaderValue::from_static("hit"));
            }
            if let Some(by) = by.stands_in() {
                reply.headers_mut().insert(X_FALLBACK, HeaderValue::from_static(by));
            }
            if let Some(found) = (!found.is_empty()).then(|| HeaderValue::try_from(reply::findings_words(&found)).ok()).flatten() {
                reply.headers_mut().insert(X_FINDINGS, found);
            }
            reply
        }
        Said::Error { status, message, wait_ms } => reply::error_for(status, &message, wait_ms),
    }
}

/// What a body of so many bytes is made of: JSON alone, unless the client says how much of it is.
fn form(headers: &HeaderMap, bytes: usize) -> Result<Form, String> {
    form_said(headers.get(X_JSON_BYTES).map(HeaderValue::as_bytes), bytes)
}

/// The same, by what the header says.
pub fn form_said(said: Option<&[u8]>, bytes: usize) -> Result<Form, String> {
    let Some(value) = said else { return Ok(Form::Json) };
    let text = String::from_utf8_lossy(value);
    let said: i128 = text.trim().parse().map_err(|_| format!("unable to parse Inference-Header-Content-Length, got: {text}"))?;
    match u32::try_from(said) {
        Ok(said) if said as usize <= bytes => Ok(Form::Mixed(said)),
        _ => Err(format!("inference header size should be in range (0, {bytes}), got: {said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn the_length_of_the_json_is_within_the_body() {
        let of = |text: &str| form(&HeaderMap::from_iter([(X_JSON_BYTES, HeaderValue::from_str(text).unwrap())]), 10);
        assert_eq!(form(&HeaderMap::new(), 10), Ok(Form::Json));
        assert_eq!((of("0"), of("10"), of(" 7 ")), (Ok(Form::Mixed(0)), Ok(Form::Mixed(10)), Ok(Form::Mixed(7))));
        for said in ["11", "-1", "4294967295", "4294967296", "9223372036854775807", "18446744073709551616"] {
            assert_eq!(of(said), Err(format!("inference header size should be in range (0, 10), got: {said}")));
        }
        for said in ["", "x", "1.5", "0x1", "99999999999999999999999999999999999999999"] {
            assert!(of(said).unwrap_err().starts_with("unable to parse Inference-Header-Content-Length"), "{said}");
        }
    }
}
