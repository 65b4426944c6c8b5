//! What the gateway tells of requests.

use super::super::{GatewayLog, GatewayTraces, load_in};
use super::mistakes::said;
use std::path::PathBuf;

const HEAD: &str = "version: 1\nworkspace: shop\n";

#[test]
fn traces_and_lines_of_predictions() {
    let load = |gateway: &str| load_in(&format!("{HEAD}gateway: {{ {gateway} }}\n"), "tidegate.yaml", None).unwrap();
    let none = load("");
    assert_eq!((none.gateway_traces, none.gateway_log), (None, None));
    let traces = GatewayTraces {
        endpoint: "http://127.0.0.1:4318".to_owned(),
        ratio: 0.01,
        service_name: "tidegate".to_owned(),
        headers: None,
        token: None,
        ca: None,
        timeout_ms: 10_000,
    };
    assert_eq!(load("traces: { endpoint: 'http://127.0.0.1:4318' }").gateway_traces, Some(traces.clone()));
    let all = load(
        "traces: { endpoint: 'https://otlp.example.org/v2', ratio: 1, service_name: ranker, headers: OTLP_HEADERS, token: OTLP_TOKEN, ca: ca.pem, timeout: 2s }",
    );
    let told = GatewayTraces {
        endpoint: "https://otlp.example.org/v2".to_owned(),
        ratio: 1.0,
        service_name: "ranker".to_owned(),
        headers: Some("OTLP_HEADERS".to_owned()),
        token: Some("OTLP_TOKEN".to_owned()),
        ca: Some(PathBuf::from("ca.pem")),
        timeout_ms: 2_000,
    };
    assert_eq!(all.gateway_traces, Some(told));
    assert_eq!(load("log: {}").gateway_log, Some(GatewayLog { file: None, ratio: 1.0, inputs: vec![] }));
    let file = GatewayLog { file: Some(PathBuf::from("p.log")), ratio: 0.5, inputs: vec!["age".to_owned(), "country".to_owned()] };
    assert_eq!(load("log: { file: p.log, ratio: 0.5, inputs: [age, country] }").gateway_log, Some(file));
}

#[test]
fn what_is_no_receiver_and_no_share() {
    let wrong = |gateway: &str| said(&format!("{HEAD}gateway: {{ {gateway} }}\n"), None);
    for (gateway, words) in [
        ("traces: {}", "`endpoint` is missing"),
        ("traces: { endpoint: 'grpc://h:4317' }", "is not the address of a server"),
        ("traces: { endpoint: 'http://u:hunter2@h' }", "a password does not belong in this file"),
        ("traces: { endpoint: 'http://h:4318', ratio: 1.5 }", "gateway.traces.ratio"),
        ("traces: { endpoint: 'http://h:4318', token: 'hunter2 ' }", "gateway.traces.token"),
        ("log: { ratio: -1 }", "gateway.log.ratio"),
    ] {
        let found = wrong(gateway);
        assert!(found.contains(words) && !found.contains("hunter2"), "{gateway}: {found}");
    }
}
