//! What OpenTelemetry's own library reads and takes, for tests.

use super::context::{Context, SpanId, TRACEPARENT, TRACESTATE, TraceId, read};
use super::sample::Ratio;
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::fmt::Write as _;

#[path = "../../tests/support/otel.rs"]
mod otel;

use otel::others;

#[test]
fn parents_are_read_as_opentelemetrys_library_reads_them() {
    const COUNT: usize = 5_000;
    // Right ones, and ones that are nearly so.
    let version = prop_oneof![4 => Just("00".to_owned()), 1 => "[0-9a-f]{2}", 1 => Just("ff".to_owned()), 1 => "[0-9A-F]{1,3}"];
    let trace = prop_oneof![6 => "[0-9a-f]{32}", 1 => "0{32}", 1 => "[0-9a-fA-Fx]{31,33}"];
    let span = prop_oneof![6 => "[0-9a-f]{16}", 1 => "0{16}", 1 => "[0-9a-g]{15,17}"];
    let flags = prop_oneof![6 => "0[01]", 1 => "[0-9a-f]{2}", 1 => "[0-9a-f]{1,3}"];
    let rest = prop_oneof![6 => Just(String::new()), 1 => "-[a-z0-9]{0,4}", 1 => "[.a-z]{1,3}"];
    let parents = (version, trace, span, flags, rest).prop_map(|(v, t, s, f, rest)| format!("{v}-{t}-{s}-{f}{rest}"));
    let mut runner = TestRunner::deterministic();
    let parents: Vec<String> = (0..COUNT).map(|_| parents.new_tree(&mut runner).unwrap().current()).collect();
    let input = parents.iter().fold(String::new(), |mut out, parent| {
        writeln!(out, "{}", serde_json::json!([parent, null])).unwrap();
        out
    });
    let Some(said) = others("context", input.as_bytes()) else { return };
    let mut right = 0;
    for (parent, said) in parents.iter().zip(said.lines()) {
        let ours = Context::parse(parent.as_bytes());
        let ours = ours.map(|c| serde_json::json!([c.trace.to_string(), c.span.to_string(), c.sampled()]));
        assert_eq!(serde_json::to_value(&ours).unwrap(), serde_json::from_str::<serde_json::Value>(said).unwrap(), "{parent}");
        right += usize::from(ours.is_some());
    }
    assert!(right > COUNT / 10 && right < COUNT - COUNT / 10 && said.lines().count() == COUNT, "{right}");
}

#[test]
fn a_share_is_taken_as_opentelemetrys_library_takes_it() {
    let mut runner = TestRunner::deterministic();
    let cases = (prop_oneof![Just(0.0), Just(1.0), Just(0.01), Just(0.5), 0.0..1.0_f64], any::<[u8; 16]>());
    let cases: Vec<(f64, TraceId)> =
        (0..5_000).map(|_| cases.new_tree(&mut runner).unwrap().current()).map(|(share, id)| (share, TraceId(id))).collect();
    let input = cases.iter().fold(String::new(), |mut out, (share, id)| {
        writeln!(out, "{share} {id}").unwrap();
        out
    });
    let Some(said) = others("sample", input.as_bytes()) else { return };
    let ours: Vec<String> = cases.iter().map(|(share, id)| Ratio::new(*share).takes(*id).to_string()).collect();
    assert_eq!(said.lines().collect::<Vec<_>>(), ours);
}

proptest! {
    #[test]
    fn no_headers_stop_the_reader_and_what_is_passed_on_is_read_alike(parent in "[0-9a-f-]{50,60}", state in "[ -~]{0,60}", two in any::<bool>()) {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_str(&parent).unwrap());
        let good = Context::new(TraceId([1; 16]), SpanId([2; 8]), true).to_string();
        if two {
            headers.insert(TRACEPARENT, HeaderValue::from_str(&good).unwrap());
        }
        headers.insert(TRACESTATE, HeaderValue::from_str(&state).unwrap());
        if let Some(said) = read(&headers) {
            let mut again = HeaderMap::new();
            again.insert(TRACEPARENT, HeaderValue::from_str(&said.context.to_string()).unwrap());
            again.extend(said.state.clone().map(|state| (TRACESTATE, state)));
            prop_assert_eq!(read(&again), Some(said));
        }
    }
}
