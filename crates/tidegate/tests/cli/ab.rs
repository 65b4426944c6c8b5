//! An A/B test of two variants by real requests: clients stay with what they were drawn for, also after a crash in between, labels
//! come for their requests, the better variant is found and released; and how it ends without one.

use crate::retrain::{second_waits, trained};
use crate::up::{infer, post, up};
use crate::world::{Started, World, has_runtime, in_order, wait_for};
use serde_json::{Value, json};

const TESTS: &str = "ab_tests:\n  rank:\n    service: s\n    variants: { control: {}, a: {} }\n    unit: { header: x-user }\n    \
     metric: { kind: rate, better: higher, window: 8s }\n    min_effect: 0.05\n    horizon: 1h\n";

fn asked(user: u32, request: &str) -> String {
    format!("x-user: user-{user}\r\nx-request-id: {request}-{user}\r\n")
}

/// What each of these users meets.
fn meet(world: &World, users: std::ops::Range<u32>, request: &str) -> Vec<String> {
    users.map(|user| infer(world, &asked(user, request))).collect()
}

/// Labels of requests: what version 2 answered was right.
fn label(world: &World, first: u32, versions: &[String], request: &str) {
    let items =
        versions.iter().zip(first..).map(|(version, user)| json!({ "request_id": format!("{request}-{user}"), "label": version == "2" }));
    let text = post(world, "/v2/models/s/feedback", "", &Value::Array(items.collect()));
    assert!(text.starts_with("HTTP/1.1 202"), "{text}");
}

fn show(world: &World) -> String {
    world.run(&["ab", "show", "rank"]).well().out
}

#[track_caller]
fn shows(world: &World, words: &str) {
    wait_for(words, || show(world).contains(words).then_some(()));
}

/// Version 1 serves, version 2 is registered.
fn two_versions() -> (World, Started) {
    let world = trained("on: data, cool_down: 0ms", TESTS);
    let up = up(&world);
    second_waits(&world);
    (world, up)
}

#[test]
fn clients_stay_the_better_variant_is_found_and_released() {
    if !has_runtime() {
        return;
    }
    let (world, mut first) = two_versions();
    in_order(&world.run(&["ab", "list"]).well().out, &["rank: none was started"]);
    let start = ["ab", "start", "rank", "a=2", "--reason", "does the second rank better"];
    world.run(&["ab", "start", "rank", "b=2", "--reason", "x"]).fails(4, &["`b` is no variant of it; its variants are control, a"]);
    world.run(&["ab", "start", "rank", "a=9", "--reason", "x"]).fails(4, &["model m has no version 9"]);
    world.run(&["ab", "start", "rank", "a", "--reason", "x"]).fails(2, &["`a` is not VARIANT=VERSION"]);
    world.run(&["ab", "adopt", "rank", "a"]).fails(5, &["the test has no such variant"]);
    world.run(&["ab", "stop", "rank", "--reason", "x"]).fails(5, &["none is under way"]);
    in_order(&world.run(&start).well().out, &["rank 1", "started by owner: does the second rank better"]);
    world.run(&["ab", "start", "rank", "a=1", "--reason", "x"]).fails(5, &["number 1 is under way", "cannot change"]);
    shows(&world, "clients are drawn since");
    world.run(&["release", "start", "s", "2"]).fails(5, &["clients of s are in A/B test rank/1", "tidegate ab stop rank"]);
    world.run(&["ab", "adopt", "rank", "a"]).fails(5, &["the test is under way"]);

    // Eight clients are too few to know, whatever they say.
    let before = meet(&world, 0..8, "early");
    label(&world, 0, &before, "early");
    assert_eq!(infer(&world, ""), "1", "a client without a key is not in the test");
    let entered = |world: &World| {
        let sides = world.run(&["ab", "show", "rank", "--json"]).well().json()["findings"]["sides"].clone();
        sides.as_array().into_iter().flatten().filter_map(|side| side["entered"].as_u64()).sum::<u64>()
    };
    wait_for("eight clients", || (entered(&world) == 8).then_some(()));
    first.kill();
    let _second = up(&world);
    shows(&world, "clients are drawn since");
    wait_for("the draw as before", || (meet(&world, 0..8, "again") == before).then_some(()));

    let after = meet(&world, 8..80, "late");
    label(&world, 8, &after, "late");
    let all: Vec<String> = before.iter().chain(&after).cloned().collect();
    assert!(all.iter().filter(|version| *version == "2").count() > 20, "{all:?}");
    shows(&world, "concluded");
    in_order(
        &show(&world),
        &[
            "rank 1: concluded",
            "registered: rate of label (header x-user), higher is better",
            "control version 1, 50%",
            "a version 2, 50%",
            "better",
        ],
    );
    let found = world.run(&["ab", "show", "rank", "--json"]).well().json();
    assert_eq!((&found["findings"]["comparisons"][0]["verdict"], entered(&world)), (&json!("better"), 80), "{found}");
    wait_for("everybody with stable", || (meet(&world, 0..20, "after").iter().all(|v| v == "1")).then_some(()));

    world.run(&["ab", "adopt", "rank", "control"]).fails(5, &["version 1 carries s already"]);
    in_order(&world.run(&["ab", "adopt", "rank", "a", "--reason", "it ranks better"]).well().out, &["a adopted by release 2"]);
    in_order(&world.run(&["release", "status", "s/2", "--json"]).well().out, &["variant a of A/B test rank/1: it ranks better"]);
    world.run(&start).fails(5, &["release 2 of s is under way"]);
    let facts = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    in_order(&facts, &["\"min_effect\"", "\"variant_ready\"", "\"running\"", "\"concluded\"", "\"adopted\""]);
    world.run(&["audit", "verify"]).well();
}

#[test]
fn a_test_ends_at_a_word_and_its_name_can_be_used_again() {
    if !has_runtime() {
        return;
    }
    let (world, _up) = two_versions();
    world.run(&["ab", "start", "rank", "a=2", "--reason", "first"]).well();
    shows(&world, "clients are drawn since");
    wait_for("both versions", || (meet(&world, 0..40, "one").iter().any(|v| v == "2")).then_some(()));
    in_order(&world.run(&["ab", "stop", "rank", "--reason", "wrong label"]).well().out, &["rank 1: stopped by owner: wrong label"]);
    wait_for("everybody with stable", || (meet(&world, 0..40, "two").iter().all(|v| v == "1")).then_some(()));
    world.run(&["ab", "start", "rank", "a=2", "--reason", "second"]).well();
    shows(&world, "rank 2: clients are drawn since");
    world.run(&["ab", "show", "none"]).fails(4, &["none", "rank"]);
}
