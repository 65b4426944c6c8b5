//! Spans as OTLP writes them in JSON: `ExportTraceServiceRequest`, with identifiers in hexadecimal, numbers of 64 bits as texts and enums
//! as numbers. And what is read of the answer.

use super::span::{Attribute, Ended, Side, Value};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// Of `Span.SpanKind`.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// Of `Status.StatusCode`.
const ERROR: u8 = 2;
/// Of `SpanFlags`: whether it is said that the parent is a caller's, and that it is.
const REMOTE_SAID: u32 = 0x100;
const REMOTE: u32 = 0x200;
/// Who made the spans.
const SCOPE: &str = "tidegate.gateway";

/// What the spans of a process have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub service: String,
    /// Tells this process from others of the service.
    pub instance: String,
}

/// One request to a receiver.
pub fn write(resource: &Resource, spans: &[Ended]) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let named = [
        ("service.name", resource.service.as_str()),
        ("service.version", version),
        ("service.instance.id", resource.instance.as_str()),
        ("telemetry.sdk.name", "tidegate"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", version),
    ];
    let attributes = named.map(|(key, text)| json!({ "key": key, "value": { "stringValue": text } }));
    let whole = json!({ "resourceSpans": [{
        "resource": { "attributes": attributes },
        "scopeSpans": [{
            "scope": { "name": SCOPE, "version": version },
            "spans": spans.iter().map(span).collect::<Vec<_>>(),
        }],
    }] });
    whole.to_string().into_bytes()
}

fn span(span: &Ended) -> Json {
    let kind = match span.side {
        Side::Internal => INTERNAL,
        Side::Server => SERVER,
        Side::Client => CLIENT,
    };
    let remote = if span.remote { REMOTE } else { 0 };
    let mut written = json!({
        "traceId": span.context.trace.to_string(),
        "spanId": span.context.span.to_string(),
        "flags": u32::from(span.context.flags()) | REMOTE_SAID | remote,
        "name": span.name,
        "kind": kind,
        "startTimeUnixNano": span.began_ns.to_string(),
        "endTimeUnixNano": span.ended_ns.to_string(),
        "attributes": span.attributes.iter().map(attribute).collect::<Vec<_>>(),
    });
    if let Some(parent) = span.parent {
        written["parentSpanId"] = parent.to_string().into();
    }
    if let Some(state) = span.state.as_ref().and_then(|state| state.to_str().ok()) {
        written["traceState"] = state.into();
    }
    if span.failed {
        written["status"] = json!({ "code": ERROR });
    }
    written
}

fn attribute((key, value): &Attribute) -> Json {
    let value = match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Name(text) => json!({ "stringValue": text }),
        Value::Whole(number) => json!({ "intValue": number.to_string() }),
        Value::True => json!({ "boolValue": true }),
    };
    json!({ "key": key, "value": value })
}

/// Spans that a receiver answers not to have taken, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    pub spans: u64,
    pub why: String,
}

/// Reads the body of an answer of 200; one that cannot be read says nothing.
pub fn rejected(body: &[u8]) -> Rejected {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        partial_success: Option<Partial>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Partial {
        rejected_spans: Json,
        error_message: String,
    }
    let said = serde_json::from_slice::<Answer>(body).ok().and_then(|answer| answer.partial_success).unwrap_or_default();
    let spans = said.rejected_spans.as_str().map_or_else(|| said.rejected_spans.as_u64(), |text| text.parse().ok());
    Rejected { spans: spans.unwrap_or(0), why: said.error_message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::context::{Context, SpanId, TraceId};
    use expect_test::expect;
    use hyper::header::HeaderValue;

    #[test]
    fn a_span_is_written_as_the_mapping_says() {
        let ended = Ended {
            context: Context::new(TraceId([0xa1; 16]), SpanId([2; 8]), true),
            parent: Some(SpanId([3; 8])),
            remote: true,
            state: Some(HeaderValue::from_static("a=\"1")),
            name: "POST /v2/models/{model}/infer".into(),
            side: Side::Server,
            began_ns: 1_700_000_000_000_000_001,
            ended_ns: 1_700_000_000_000_000_002,
            attributes: vec![
                ("http.response.status_code", Value::from(503)),
                ("tidegate.version", Value::Name("1\u{7}".into())),
                ("tidegate.mirrored", Value::True),
            ],
            failed: true,
        };
        let resource = Resource { service: "gate".to_owned(), instance: "i".to_owned() };
        let written: Json = serde_json::from_slice(&write(&resource, &[ended])).unwrap();
        let expected = expect![[r#"
            {
              "traceId": "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
              "spanId": "0202020202020202",
              "flags": 771,
              "name": "POST /v2/models/{model}/infer",
              "kind": 2,
              "startTimeUnixNano": "1700000000000000001",
              "endTimeUnixNano": "1700000000000000002",
              "attributes": [
                {
                  "key": "http.response.status_code",
                  "value": {
                    "intValue": "503"
                  }
                },
                {
                  "key": "tidegate.version",
                  "value": {
                    "stringValue": "1\u0007"
                  }
                },
                {
                  "key": "tidegate.mirrored",
                  "value": {
                    "boolValue": true
                  }
                }
              ],
              "parentSpanId": "0303030303030303",
              "traceState": "a=\"1",
              "status": {
                "code": 2
              }
            }"#]];
        expected.assert_eq(&serde_json::to_string_pretty(&written["resourceSpans"][0]["scopeSpans"][0]["spans"][0]).unwrap());
        assert_eq!(written["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "gate");
    }

    #[test]
    fn what_a_receiver_did_not_take_is_read() {
        let of = |text: &str| rejected(text.as_bytes());
        let three = |why: &str| Rejected { spans: 3, why: why.to_owned() };
        assert_eq!(of(r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#), three("too old"));
        assert_eq!(of(r#"{"partialSuccess":{"rejectedSpans":3}}"#), three(""));
        for nothing in [
            "",
            "{}",
            "null",
            r#"{"partialSuccess":{}}"#,
            r#"{"partialSuccess":null}"#,
            "\u{8}\n",
            r#"{"partialSuccess":{"rejectedSpans":"-1"}}"#,
        ] {
            assert_eq!(of(nothing), Rejected::default(), "{nothing}");
        }
    }
}
