//! Guardrails beside requests, by releases with real requests: scores that shift, labels that come later, and a value that a real
//! InfluxDB keeps.

use crate::retrain::{second_waits, trained};
use crate::sources::{curl, influxdb};
use crate::up::{post, up};
use crate::world::{Started, World, has_runtime, in_order, wait_for};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const TRANSFORM: &str = "version: 1\nrecord: { delay: FP64, distance: FP64, minute: FP64, carrier: FP64, minutes: FP64, wind: FP64 }\n\
    inputs: { X: [delay, distance, minute, carrier, minutes, wind] }\nscore: { output: probabilities, column: 1 }\n";

/// A flight that left so many minutes late; the later, the higher its score.
fn flight(delay: u32) -> Value {
    let values = [("delay", delay), ("distance", 1_000), ("minute", 600), ("carrier", 1), ("minutes", 120), ("wind", 10)];
    values.iter().map(|(name, value)| json!({ "name": name, "datatype": "FP64", "shape": [1], "data": [value] })).collect()
}

/// Asks about a flight; the version that answered.
#[track_caller]
fn ask(world: &World, headers: &str, delay: u32) -> String {
    let text = post(world, "/v2/models/s/infer", headers, &json!({ "inputs": flight(delay) }));
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    text.lines().find_map(|line| line.strip_prefix("x-tidegate-version: ").map(str::to_owned)).unwrap()
}

/// Version 1 serves; version 2 is registered, and its release is judged by these guardrails.
fn judged_by(guardrails: &str, service: &str, sections: &str) -> (World, Started) {
    let world = trained("on: data, cool_down: 0ms", sections);
    world.set("SHOP_LOGIN", "ada:secret");
    // A model that gives scores.
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/tests/fixtures/logistic.onnx");
    std::fs::copy(fixture, world.path("base.onnx")).unwrap();
    world.write("transform.yaml", TRANSFORM);
    world.write("golden.json", &json!({ "requests": [{ "id": "one", "inputs": flight(20) }] }).to_string());
    let rails = format!("guardrails: {{ latency_p50: none, latency_p95: none, latency_p99: none, {guardrails} }} }}");
    let config = world.read("tidegate.yaml");
    let config = config
        .replace("weights: [5], min_time: 1h", "weights: [50], min_time: 0ms")
        .replace("tick: 1s, warm_up: 0s }", &format!("tick: 200ms, warm_up: 0s, min_requests: 20, stale_ticks: 3, {rails}"))
        .replace("artifact: model.onnx,", "artifact: model.onnx, transform: transform.yaml,")
        .replace("s: { model: m }", service);
    world.write("tidegate.yaml", &config);
    let up = up(&world);
    second_waits(&world);
    world.run(&["release", "start", "s", "2"]).well();
    (world, up)
}

fn status(world: &World) -> String {
    world.run(&["release", "status", "s/2"]).out
}

/// What was found of a guardrail.
fn found(world: &World, guardrail: &str) -> Value {
    let json = world.run(&["release", "status", "s/2", "--json"]).well().json();
    let all = json["assessment"]["guardrails"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|g| g["name"] == guardrail).unwrap_or_default()
}

/// Asks, and goes on until the release stands as it should.
#[track_caller]
fn until(world: &World, words: &str, mut ask: impl FnMut(u32)) {
    let mut round = 0;
    wait_for(words, || {
        round += 1;
        ask(round);
        status(world).contains(words).then_some(())
    });
}

/// The journal says what was found, and an auditor finds the same.
fn audited(world: &World, words: &[&str]) {
    in_order(&world.run(&["journal", "-n", "1000", "--json"]).well().out, words);
    world.run(&["audit", "recompute", "s/2"]).well();
    world.run(&["audit", "verify"]).well();
}

#[test]
fn scores_that_shift_bring_a_version_back() {
    if !has_runtime() {
        return;
    }
    let service = "s: { model: m, affinity: { header: x-user } }";
    let (world, _up) = judged_by("score_shift: { slack: 5%, harm_slack: 20% }", service, "");
    // Whoever meets the candidate asks about flights that are later.
    let send = |user: u32, delay: u32| ask(&world, &format!("x-user: {user}\r\n"), delay);
    let mut meets: Vec<String> = vec![];
    until(&world, "rolled back", |round| {
        meets = (0..40)
            .map(|user| send(user, if meets.get(user as usize).is_some_and(|v| v == "2") { 60 } else { 10 + (user + round) % 20 }))
            .collect();
    });
    audited(&world, &["verdict_reached", "score_shift", "Most apart above the control's past"]);
}

#[test]
fn labels_that_say_so_bring_a_version_back_and_none_is_no_pass() {
    if !has_runtime() {
        return;
    }
    let (world, _up) = judged_by("labels: { slack: 1%, harm_slack: 10% }", "s: { model: m }", "");
    let meet = |round: u32| -> Vec<(String, String)> {
        (0..40).map(|n| (format!("{round}-{n}"), ask(&world, &format!("x-request-id: {round}-{n}\r\n"), 100))).collect()
    };
    let mut asked = vec![];
    wait_for("requests without a label", || {
        asked.extend(meet(asked.len() as u32));
        let labels = found(&world, "labels");
        labels["flips"].as_str().unwrap_or_default().starts_with("No labels of both arms yet, which is no pass. ").then_some(())
    });
    assert!(!status(&world).contains("rolled back"));
    // What version 2 decided was wrong, what version 1 did was right; each comes twice.
    let label = |asked: &[(String, String)]| {
        let items: Vec<Value> = asked.iter().map(|(id, version)| json!({ "request_id": id, "label": version == "1" })).collect();
        let text = post(&world, "/v2/models/s/feedback", "", &json!([items.clone(), items].concat()));
        assert!(text.starts_with("HTTP/1.1 202"), "{text}");
    };
    label(&asked);
    until(&world, "rolled back", |round| label(&meet(100_000 + round)));
    audited(&world, &["\"labels\"", "came for requests that had one (0 of them said something else); the first counts"]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "servers keep their points by the real time")]
fn a_value_of_a_source_brings_a_version_back_and_silence_holds() {
    if !has_runtime() {
        return;
    }
    let shop = World::new();
    let Some(server) = influxdb(&shop) else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // From now on version 2 sells half as much, whatever the time of day does to both.
    let lines: String =
        (now..now + 900).map(|s| format!("sales,version=1 eur={}i {s}\nsales,version=2 eur={}i {s}\n", 100 + s % 7, 50 + s % 3)).collect();
    let write = format!("{}/write?db=shop&precision=s", server.url());
    curl(&["--user", "ada:secret", "--data-binary", &lines, &write]);
    let query = |field: &str, version: &str| {
        format!("\"SELECT mean(eur) FROM {field} WHERE version = '{{{{{version}}}}}' AND $timeFilter GROUP BY time($__interval)\"")
    };
    let metric = |name: &str, field: &str| {
        let (candidate, control) = (query(field, "candidate"), query(field, "control"));
        format!(
            "{name}: {{ source: shop, candidate: {candidate}, control: {control}, every: 1s, worse: lower, by: ratio, tolerance: 1.02, harm: 1.1 }}"
        )
    };
    let sources = format!("sources:\n  shop: {{ influxdb: '{}', database: shop, login: SHOP_LOGIN }}\n", server.url());
    let rails = format!("{}, {}", metric("revenue", "sales"), metric("visits", "nothing"));
    let (world, up) = judged_by(&rails, "s: { model: m }", &sources);
    until(&world, "verdict hold", |_| {
        ask(&world, "", 20);
    });
    until(&world, "rolled back", |_| {
        ask(&world, "", 20);
    });
    audited(&world, &["missing_values", "verdict_reached", "Most of it is revenue: candidate / control 0."]);
    in_order(&up.so_far().1, &["s: no value of `visits`: ", "finds 0 series: one is needed"]);
}
