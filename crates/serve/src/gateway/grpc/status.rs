//! Statuses of gRPC, from those of HTTP; how long a caller waits.

use crate::gateway::predict::Said;
use crate::gateway::reply::Reply;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{HeaderMap, StatusCode};
use std::time::Duration;
use tonic::{Code, Status};

fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::NOT_FOUND => Code::NotFound,
        // What the version refuses, and what releases alone decide: asking again will not help.
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT => Code::FailedPrecondition,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => Code::DeadlineExceeded,
        _ => Code::Internal,
    }
}

/// What came of a prediction that was not answered.
pub fn of_said(said: Said) -> Status {
    match said {
        Said::Answer { status, body, .. } => Status::new(code(status), words(&body.bytes)),
        Said::Error { status, message, wait_ms } => {
            let mut said = Status::new(code(status), message);
            if wait_ms > 0
                && let Ok(wait) = wait_ms.div_ceil(1_000).to_string().parse()
            {
                said.metadata_mut().insert("retry-after", wait);
            }
            said
        }
    }
}

/// An answer of HTTP that is an error.
pub async fn told(reply: Reply) -> Status {
    let status = reply.status();
    Status::new(code(status), words(&body(reply).await))
}

/// The body of an answer, which is there already.
pub async fn body(reply: Reply) -> Bytes {
    match reply.into_body().collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(never) => match never {},
    }
}

/// The sentence of `{"error": ..}`.
pub fn words(body: &[u8]) -> String {
    let said = serde_json::from_slice::<serde_json::Value>(body).ok();
    let sentence = said.as_ref().and_then(|said| said["error"].as_str()).map(str::to_owned);
    sentence.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
}

/// How long a caller waits, from `grpc-timeout`: up to eight digits and a unit. What cannot be read says nothing.
pub fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok().filter(|_| digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_digit()))?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn how_long_a_caller_waits() {
        let of = |text: &str| timeout(&HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), HeaderValue::from_str(text).unwrap())]));
        assert_eq!(
            (of("3S"), of("250m"), of("99999999H")),
            (Some(Duration::from_secs(3)), Some(Duration::from_millis(250)), Some(Duration::from_secs(99_999_999 * 3_600)))
        );
        for wrong in ["", "S", "3", "3s", "-3S", "+3S", "1.5S", "100000000m", "3 S"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }

    #[test]
    fn errors_keep_their_words() {
        let said = of_said(Said::Error { status: StatusCode::TOO_MANY_REQUESTS, message: "full".to_owned(), wait_ms: 0 });
        assert_eq!((said.code(), said.message()), (Code::ResourceExhausted, "full"));
        assert_eq!((words(br#"{"error":"no"}"#), words(b"no")), ("no".to_owned(), "no".to_owned()));
    }
}
