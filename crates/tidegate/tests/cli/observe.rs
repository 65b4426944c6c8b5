//! `gateway.traces` and `gateway.log`: what is configured is done, and what cannot be is said at the start.

use crate::up::{post, up};
use crate::world::{World, wait_for};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const PARENT: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";

fn config(gateway: &str) -> String {
    format!("version: 1\nworkspace: observed\ngateway: {{ {gateway} }}\n")
}

/// A receiver that keeps what it is sent, head and body, and takes it.
fn receiver() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, came) = (listener.local_addr().unwrap().to_string(), Arc::<Mutex<String>>::default());
    let kept = Arc::clone(&came);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut bytes = [0; 4_096];
            while let Ok(read @ 1..) = stream.read(&mut bytes) {
                let mut came = kept.lock().unwrap();
                came.push_str(&String::from_utf8_lossy(&bytes[..read]));
                if came.ends_with("}]}]}") {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
                }
            }
        }
    });
    (address, came)
}

#[test]
fn requests_are_told_as_the_configuration_says() {
    let (address, came) = receiver();
    let traces =
        format!("traces: {{ endpoint: 'http://{address}/otlp', ratio: 0, service_name: front, token: OTLP_TOKEN, headers: OTLP_HEADERS }}");
    let world = World::with(&[("tidegate.yaml", &config(&format!("{traces}, log: {{ file: predictions.log }}")))]);
    world.set("OTLP_TOKEN", "hunter2");
    world.set("OTLP_HEADERS", "x-scope-orgid=tenant%201");
    let mut process = up(&world);
    assert!(post(&world, "/v2/models/none/infer", PARENT, &json!({ "inputs": [] })).starts_with("HTTP/1.1 404"));
    wait_for("the span", || came.lock().unwrap().ends_with("}]}]}").then_some(()));
    let text = came.lock().unwrap().clone();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    for line in
        ["POST /otlp/v1/traces HTTP/1.1", "authorization: Bearer hunter2", "x-scope-orgid: tenant 1", "content-type: application/json"]
    {
        assert!(head.lines().any(|found| found == line), "{line} in {head}");
    }
    let sent: Value = serde_json::from_str(body).unwrap();
    let resource = &sent["resourceSpans"][0];
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
