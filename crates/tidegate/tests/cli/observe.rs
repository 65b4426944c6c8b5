//! `gateway.traces` and `gateway.log`: what is configured is done, and what cannot be is said at the start.

use crate::stand_in::StandIn;
use crate::up::{post, up};
use crate::world::{World, wait_for};
use serde_json::json;

const PARENT: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";

fn config(gateway: &str) -> String {
    format!("version: 1\nworkspace: observed\ngateway: {{ {gateway} }}\n")
}

#[test]
fn requests_are_told_as_the_configuration_says() {
    let receiver = StandIn::start(|_, _| (200, "{}".to_owned()));
    let traces = format!(
        "traces: {{ endpoint: '{}/otlp', ratio: 0, service_name: front, token: OTLP_TOKEN, headers: OTLP_HEADERS }}",
        receiver.url()
    );
    let world = World::with(&[("tidegate.yaml", &config(&format!("{traces}, log: {{ file: predictions.log }}")))]);
    world.set("OTLP_TOKEN", "hunter2");
    world.set("OTLP_HEADERS", "x-scope-orgid=tenant%201");
    let mut process = up(&world);
    assert!(post(&world, "/v2/models/none/infer", PARENT, &json!({ "inputs": [] })).starts_with("HTTP/1.1 404"));
    let taken = wait_for("the span", || receiver.taken().into_iter().next());
    for line in
        ["POST /otlp/v1/traces HTTP/1.1", "authorization: Bearer hunter2", "x-scope-orgid: tenant 1", "content-type: application/json"]
    {
        assert!(taken.text().lines().any(|found| found == line), "{line} in {taken:?}");
    }
    let resource = &taken.body["resourceSpans"][0];
    assert_eq!(resource["resource"]["attributes"][0], json!({ "key": "service.name", "value": { "stringValue": "front" } }));
    let span = &resource["scopeSpans"][0]["spans"][0];
    assert_eq!((&span["traceId"], &span["parentSpanId"]), (&json!("0af7651916cd43dd8448eb211c80319c"), &json!("b7ad6b7169203331")));
    assert_eq!(world.read("predictions.log"), "", "no version was asked");
    let (out, err) = process.so_far();
    assert!(!format!("{out}{err}").contains("hunter2"));
    process.kill();
}

#[test]
fn what_cannot_be_told_is_said_at_the_start() {
    let refused = |gateway: &str, code: i32, words: &[&str]| {
        let world = World::with(&[("tidegate.yaml", &config(gateway))]);
        world.set("OTLP_HEADERS", "authorization=hunter2,nonsense");
        world.set("OTLP_TOKEN", "hunter3");
        world.set("OTLP_AUTHORIZATION", "authorization=hunter2");
        let said = world.run(&["up", "--any-port"]);
        assert!(!format!("{}{}", said.out, said.err).contains("hunter"), "{said:?}");
        said.fails(code, words);
    };
    let traces = |more: &str| format!("traces: {{ endpoint: 'http://127.0.0.1:4318', {more} }}");
    refused(&traces("token: NOT_SET_ANYWHERE"), 2, &["gateway.traces.token", "NOT_SET_ANYWHERE is not set"]);
    refused(&traces("headers: OTLP_HEADERS"), 2, &["gateway.traces.headers", "OTLP_HEADERS: header 2 is no `name=value`"]);
    refused(&traces("headers: OTLP_AUTHORIZATION, token: OTLP_TOKEN"), 2, &["gateway.traces.token", "take one of them out"]);
    refused("log: { file: no/such/folder/p.log }", 3, &["start the gateway with `gateway.log`: write", "no/such/folder/p.log"]);
}
