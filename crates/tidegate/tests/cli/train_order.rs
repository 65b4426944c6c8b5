//! The order of a train from traces and manifests: shown, proposed by one, accepted by another, and used from then on.

use crate::retrain::trained;
use crate::up::up;
use crate::world::{World, has_runtime, in_order};

const SECTIONS: &str = "trains:\n  net: { order: inferred, services: { s: {}, t: {}, u: {} } }\n\
                        people:\n  ada: { roles: [release_manager, approver] }\n  grace: { roles: [approver] }\n";

/// A span as OpenTelemetry's exporters write it, one a line.
fn span(service: &str, id: &str, parent: &str, kind: u8) -> String {
    format!(
        "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\"value\":{{\"stringValue\":\"{service}\"}}}}]}},\
         \"scopeSpans\":[{{\"spans\":[{{\"traceId\":\"a1\",\"spanId\":\"{id}\",\"parentSpanId\":\"{parent}\",\"kind\":{kind}}}]}}]}}]}}\n"
    )
}

fn world() -> World {
    let world = trained("on: data, cool_down: 0ms", SECTIONS);
    let config = world.read("tidegate.yaml").replace("  s: { model: m }\n", "  s: { model: m }\n  t: { model: m }\n  u: { model: m }\n");
    world.write("tidegate.yaml", &config);
    world.write("spans.jsonl", &[span("t", "1", "", 3), span("s", "2", "1", 2), span("db", "3", "2", 2)].concat());
    world.write("compose.yaml", "services:\n  u:\n    depends_on: [t]\n  t: {}\n");
    world
}

#[test]
fn an_order_is_shown_with_its_evidence() {
    let world = world();
    let out = world.run(&["train", "infer", "net", "--traces", "spans.jsonl", "--manifests", "compose.yaml"]).well().out;
    in_order(
        &out,
        &[
            "s: comes after nothing",
            "t after s: 1 call, the first in spans.jsonl line 2",
            "u after t: depends_on in compose.yaml line 3",
            "left out of account: 1 pairs of spans of two services",
            "trains:\n  net:\n    services:\n      s: {}\n      t: { after: [s] }\n      u: { after: [t] }",
        ],
    );
    let json = world.run(&["train", "infer", "--traces", "spans.jsonl", "--json"]).well().json();
    assert_eq!((json["edges"][0]["service"].as_str(), json["edges"][0]["after"].as_str()), (Some("t"), Some("s")));
    world.run(&["train", "infer"]).fails(2, &["give `--traces FILE` or `--manifests FILE`"]);
    world.run(&["train", "infer", "x", "--traces", "spans.jsonl"]).fails(4, &["there is no `x`; known are net"]);
    world.write("bad.json", "{\"a\":1}\n{\"b\":2}\n");
    world
        .run(&["train", "infer", "--traces", "bad.json", "--manifests", "compose.yaml"])
        .fails(2, &["bad.json:1: this is no trace", "bad.json:2:"]);
}

#[test]
fn an_order_is_used_once_somebody_else_accepted_it() {
    if !has_runtime() {
        return;
    }
    let world = world();
    let _up = up(&world);
    let token = |person: &str| world.run(&["token", "create", "--label", "laptop", "--person", person]).well().out.trim().to_owned();
    let (ada, grace) = (token("ada"), token("grace"));
    let depart = ["train", "depart", "net", "s=1", "--reason", "summer"];
    world.run_as(&ada, &depart).fails(5, &["its order is inferred, and none was accepted"]);
    in_order(&world.run(&["train", "order", "net"]).well().out, &["net: no order was proposed"]);
    let propose = ["train", "propose", "net", "--traces", "spans.jsonl", "--manifests", "compose.yaml", "--reason", "a day of traces"];
    world.run_as(&grace, &propose).fails(5, &["grace may not"]);
    in_order(
        &world.run_as(&ada, &propose).well().out,
        &["net: proposed by ada", "a day of traces", "u after t", "tidegate train accept net --digest blake3:"],
    );
    let accept = ["train", "accept", "net", "--reason", "so it is"];
    world.run_as(&ada, &accept).fails(5, &["ada proposed it: somebody else accepts it"]);
    world.run(&accept).fails(5, &["owner may not approve"]);
    world.run_as(&ada, &depart).fails(5, &["none was accepted"]);
    let other = format!("blake3:{}", "0".repeat(64));
    world.run_as(&grace, &["train", "accept", "net", "--digest", &other, "--reason", "x"]).fails(5, &["is not the one that is proposed"]);
    in_order(&world.run_as(&grace, &accept).well().out, &["net: accepted by grace", "so it is", "proposed by ada", "u after t"]);
    world.run_as(&ada, &depart).fails(4, &["s: model m has no version 1"]);
    let facts = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    in_order(&facts, &["\"proposed\"", "\"accepted\""]);
    let order = world.run(&["train", "order", "net", "--json"]).well().json();
    assert_eq!(order["accepted"]["by"], "grace");
}
