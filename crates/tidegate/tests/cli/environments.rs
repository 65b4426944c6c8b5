//! A version goes through environments: to production when staging is verified, back in both when it does harm in production, and to
//! all at once when it is ready in each; by real requests, across a crash.

use crate::retrain::{looked, stands, trained};
use crate::up::{owner, up};
use crate::world::{Started, World, has_runtime, in_order, wait_for};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const CANARY: &str = "canary: { weights: [5], min_time: 1h } }, { promote: { watch: 0ms } }";
const PEOPLE: &str =
    "people:\n  ada: { roles: [approver] }\n  kim: { roles: [{ approver: [us] }] }\n  mary: { roles: [operator, release_manager] }\n";
/// Five hours at one percent, but for changes of low risk.
const CAREFUL: &str = "  careful:\n    by_risk: [{ below: 0.1, release: default }]\n    \
    steps: [{ canary: { weights: [1], min_time: 5h } }, { promote: { watch: 0ms } }]\n";
/// One word makes a model that looks up one input at the places that the other names.
const TRAIN: &str = "word=$(tail -n 1 words.csv)\nbase=base.onnx\n[ $word != harms ] || base=harm.onnx\n\
    cat $base > model.onnx\nprintf '2\\005%s' $word >> model.onnx\n";

/// The model that adds and subtracts, but its second output is the second input at the places that the first input names: one that
/// names a place that is not there fails.
fn harmful(simple: &[u8]) -> Vec<u8> {
    let node = |op: &[u8], first: &[u8], second: &[u8], more: &[u8]| {
        let parts: [&[u8]; 9] =
            [b"\n\x06", first, b"\n\x06", second, b"\x12\x07OUTPUT1\"", &[u8::try_from(op.len()).unwrap()], op, more, b""];
        let body = parts.concat();
        [&[0x0a, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
    };
    let old = node(b"Sub", b"INPUT0", b"INPUT1", b"");
    let new = node(b"GatherElements", b"INPUT1", b"INPUT0", b"*\x0b\n\x04axis\x18\x01\xa0\x01\x02");
    let at = simple.windows(old.len()).position(|bytes| bytes == old).unwrap();
    let mut made = [&simple[..at], &new, &simple[at + old.len()..]].concat();
    // The graph is longer by so much; its length is the varint behind its tag.
    let graph = made.iter().position(|byte| *byte == 0x3a).unwrap() + 1;
    let length = usize::from(made[graph] & 0x7f) + (usize::from(made[graph + 1]) << 7) + new.len() - old.len();
    made[graph] = u8::try_from(length & 0x7f).unwrap() | 0x80;
    made[graph + 1] = u8::try_from(length >> 7).unwrap();
    made
}

/// One request to a service in an environment: its status, and the version that answered.
#[track_caller]
fn ask(world: &World, place: &str, headers: &str, first: i32) -> (u16, String) {
    let address = owner(world)["gateway"].as_str().unwrap().to_owned();
    let tensor = |name: &str, value: i32| json!({ "name": name, "datatype": "INT32", "shape": [1, 16], "data": vec![value; 16] });
    let body = json!({ "inputs": [tensor("INPUT0", first), tensor("INPUT1", 2)] }).to_string();
    let token = world.read(".tidegate/keys/gateway.token");
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(
        stream,
        "POST /v2/models/{place}/infer HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n{headers}connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        token.trim(),
        body.len()
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status: {text}"));
    let version = text.lines().find_map(|line| line.strip_prefix("x-tidegate-version: ")).unwrap_or_default().to_owned();
    (status, version)
}

/// Version 1 and a second one are registered, and nothing is released.
#[track_caller]
fn registered(steps: &str, service: &str, environments: &str, second: &str) -> (World, Started) {
    let world = trained("on: data, cool_down: 0ms, approve: auto", &format!("{CAREFUL}{PEOPLE}environments:\n{environments}"));
    let config = world.read("tidegate.yaml");
    assert!(config.contains(CANARY), "{config}");
    world.write("tidegate.yaml", &config.replace(CANARY, steps).replace("s: { model: m }", service));
    let simple = std::fs::read(world.path("base.onnx")).unwrap();
    std::fs::write(world.path("harm.onnx"), harmful(&simple)).unwrap();
    world.write("train.sh", TRAIN);
    let up = up(&world);
    looked(&world);
    for (number, word) in [(1, "other"), (2, second)] {
        world.write("words.csv", &format!("word\n{word}\n"));
        let ended = stands(&world, number, "not_served");
        in_order(ended["phase"]["summary"].as_str().unwrap(), &["s runs in environments", "tidegate release start s"]);
    }
    (world, up)
}

fn token(world: &World, person: &str) -> String {
    world.run(&["token", "create", "--label", "laptop", "--person", person]).well().out.trim().to_owned()
}

fn list(world: &World) -> String {
    world.run(&["train", "list"]).well().out
}

#[track_caller]
fn waits_until(world: &World, words: &str) {
    wait_for(words, || list(world).contains(words).then_some(()));
}

#[track_caller]
fn approve(world: &World, ada: &str, place: &str) {
    wait_for("somebody's word", || list(world).contains(&format!("0 of 1 approve it: tidegate train approve s {place}")).then_some(()));
    world.run_as(ada, &["train", "approve", "s", place, "--reason", "seen it"]).well();
}

#[test]
fn a_version_goes_to_production_when_staging_is_verified_and_back_in_both_when_it_does_harm_there() {
    if !has_runtime() {
        return;
    }
    let (world, mut first) = registered(
        "canary: { weights: [50], min_time: 1s } }, { promote: { watch: 0ms } }",
        "s: { model: m, environments: { staging: {}, production: { release: careful } } }",
        "  staging: { verify: { for: 1s, approvals: 1 } }\n  production: { after: staging, delay: 1s }\n  us: { after: production }\n",
        "harms",
    );
    in_order(&list(&world), &["s: none has departed"]);
    world.run(&["release", "start", "s@production", "1"]).fails(5, &["environments have an order", "--environment production"]);
    let alone = ["release", "start", "s", "1", "--environment", "production"];
    world.run(&alone).fails(5, &["s@production comes after s@staging, where this version was not released and verified", "break-glass"]);
    world
        .run(&["release", "start", "s", "1", "--environment", "moon"])
        .fails(4, &["does not run in `moon`; known are staging, production"]);
    world.run(&["release", "start", "s", "9"]).fails(4, &["s@staging: model m has no version 9"]);

    let started = world.run(&["release", "start", "s", "1", "--change", "the first"]).well().out;
    in_order(&started, &["s 1: under way", "s@staging version 1", "s@production version 1 (after s@staging): waits"]);
    waits_until(&world, "nothing has halted it since");
    world.run(&["train", "approve", "s", "s@staging", "--reason", "mine"]).fails(5, &["owner may not approve"]);
    assert_eq!(ask(&world, "s@staging", "", 1), (200, "1".to_owned()));
    assert_eq!(ask(&world, "s@production", "", 1).0, 404, "nothing is there before staging is verified");
    let (ada, kim) = (token(&world, "ada"), token(&world, "kim"));
    let elsewhere = ["train", "approve", "s", "s@staging", "--reason", "seen it"];
    world.run_as(&kim, &elsewhere).fails(5, &["approve a part of a train: kim may not", "of s@staging: they may in us"]);
    approve(&world, &ada, "s@staging");
    waits_until(&world, "s 1: arrived");
    assert_eq!(ask(&world, "s@production", "", 100), (200, "1".to_owned()));

    let start = ["release", "start", "s", "2", "--risk-by", "model 12", "--risk"];
    world.run(&[&start[..], &["1.5"]].concat()).fails(2, &["a risk is a chance: give a number from 0 to 1"]);
    let started = world.run(&[&start[..], &["0.03"]].concat()).well().out;
    in_order(&started, &["s@production version 2 (after s@staging), risk 0.03 by model 12: waits"]);
    wait_for("the canary", || world.run(&["release", "status", "s@staging/2"]).out.contains("canary").then_some(()));
    wait_for("the promotion", || (world.run(&["release", "promote", "s@staging/2", "--reason", "good"]).code == 0).then_some(()));
    waits_until(&world, "nothing has halted it since");
    // A crash while it is verified.
    first.kill();
    let _second = up(&world);
    assert_eq!(ask(&world, "s@staging", "", 1), (200, "2".to_owned()), "it is harmless here");
    in_order(&list(&world), &["s 2: under way", "s@production version 2 (after s@staging), risk 0.03 by model 12: waits"]);
    approve(&world, &ada, "s@staging");
    wait_for("the canary", || world.run(&["release", "status", "s@production/2"]).out.contains("canary").then_some(()));
    let record = world.run(&["release", "record", "s@production/2"]).well().out;
    in_order(&record, &["By the strategy `default`, with a risk of 0.03 by model 12:"]);
    let answers = wait_for("the way back", || {
        let answers: Vec<(u16, String)> = (0..40).map(|_| ask(&world, "s@production", "", 100)).collect();
        list(&world).contains("s 2: went back").then_some(answers)
    });
    assert!(answers.iter().all(|(status, version)| *status == 500 || version == "1"), "{answers:?}");
    for place in ["s@staging", "s@production"] {
        assert_eq!(ask(&world, place, "", 100), (200, "1".to_owned()));
    }
    let told = ["s@staging version 2, risk 0.03 by model 12: undone", "(after s@staging), risk 0.03 by model 12: went back: its release 2"];
    in_order(&list(&world), &told);
    in_order(&world.run(&["release", "status", "s@staging/2"]).well().out, &["undone by train s 2: the train goes back"]);
    let rows = world.run(&["release", "list", "--json"]).well().json();
    assert!(rows.as_array().unwrap().iter().any(|row| row["environment"] == "production" && row["phase"] == "rolled back"), "{rows}");
    let alone = ["release", "start", "s", "2", "--environment", "production"];
    world.run(&alone).fails(5, &["was not released and verified"]);
    let facts = world.run(&["journal", "-n", "2000", "--json"]).well().out;
    in_order(
        &facts,
        &["\"departed\"", "\"approved\"", "\"verified\"", "\"departed\"", "\"verified\"", "\"turned_back\"", "\"undone\"", "\"ended\""],
    );
    world.run(&["audit", "verify"]).well();
}

#[test]
fn together_all_switch_when_each_is_ready_and_all_go_back() {
    if !has_runtime() {
        return;
    }
    let (world, mut first) = registered(
        "preview: {} }, { promote: { watch: 0ms, hold_back: 0 } }",
        "s: { model: m, passage: together, environments: { eu: {}, us: { approvals: 1 } } }",
        "  eu: {}\n  us: { after: eu, delay: 1s }\n",
        "third",
    );
    let (kim, mary) = (token(&world, "kim"), token(&world, "mary"));
    let to_us = |version: &str| {
        wait_for("the question", || world.run(&["release", "approvals"]).out.contains(&format!("s@us version {version}")).then_some(()));
        world.run_as(&kim, &["release", "approve", "s@us", version, "--reason", "seen it"]).well();
    };
    world.run_as(&mary, &["release", "start", "s", "1"]).well();
    to_us("1");
    waits_until(&world, "s 1: arrived");
    first.kill();
    world.write("tidegate.yaml", &world.read("tidegate.yaml").replace("watch: 0ms", "watch: 1h"));
    let _second = up(&world);

    world.run_as(&mary, &["release", "start", "s", "2"]).well();
    waits_until(&world, "s@eu version 2: release 2 is ready, and waits for the others");
    let asked = "x-tidegate-preview: me\r\n";
    assert_eq!((ask(&world, "s@eu", "", 1).1, ask(&world, "s@eu", asked, 1).1), ("1".to_owned(), "2".to_owned()));
    world.run(&["release", "resume", "s@eu/2"]).fails(5, &["all environments of s switch at once, when each is ready"]);
    world.run(&["release", "promote", "s@eu/2", "--reason", "now"]).fails(5, &["switch at once"]);
    assert_eq!(ask(&world, "s@eu", "", 1).1, "1", "it stands until the other is ready");
    to_us("2");
    for place in ["s@eu", "s@us"] {
        wait_for("the move", || (ask(&world, place, "", 1).1 == "2").then_some(()));
    }
    world.run(&["release", "abort", "s@us/2", "--reason", "the pages are slow"]).well();
    waits_until(&world, "s 2: went back");
    for place in ["s@eu", "s@us"] {
        assert_eq!(ask(&world, place, "", 1).1, "1");
    }
    in_order(&list(&world), &["s@eu version 2: went back: its release 2: aborted by train s 2", "s@us version 2 (after s@eu): went back"]);
    past_the_order(&world, &mary);
    let facts = world.run(&["journal", "-n", "2000", "--json"]).well().out;
    let facts = facts.split("\"departed\"").nth(2).unwrap();
    in_order(facts, &["\"ready\"", "\"ready\"", "\"switched\"", "\"resumed\"", "\"turned_back\"", "\"ended\""]);
    world.run(&["audit", "verify"]).well();
}

/// In an emergency one environment is gone to alone, whatever the order.
#[track_caller]
fn past_the_order(world: &World, mary: &str) {
    let alone = ["release", "start", "s", "2", "--environment", "us"];
    world.run_as(mary, &alone).fails(5, &["s@us comes after s@eu", "tidegate break-glass s@us"]);
    world.run_as(mary, &["break-glass", "s@us", "--reason", "no answers at all", "--for", "1h"]).well();
    world.run_as(mary, &alone).well();
    waits_until(world, "s@us version 2: release 3 is under way");
    wait_for("the preview", || world.run(&["release", "status", "s@us/3"]).out.contains("the strategy asks a person").then_some(()));
    world.run_as(mary, &["release", "resume", "s@us/3"]).well();
    wait_for("the move", || (ask(world, "s@us", "", 1).1 == "2").then_some(()));
    assert_eq!(ask(world, "s@eu", "", 1).1, "1");
    in_order(&world.run(&["release", "approvals"]).well().out, &["s@us", "a release of version 2 past s@eu, by mary"]);
}
