//! `tidegate run`: what it does, what it says when a stage or the pipeline is wrong, and what it leaves behind.

use crate::world::{COPY, World, in_order};
use serde_json::json;

const TWO: &str =
    "stages:\n  one: {cmd: cat in > one, deps: [in], outs: [one]}\n  two: {cmd: cat one one > two, deps: [one], outs: [two]}\n";

#[test]
fn a_run_is_recorded_and_sealed_and_the_second_does_nothing() {
    let world = World::with(&[("dvc.yaml", TWO), ("in", "x")]);
    in_order(&world.run(&["run"]).well().out, &["2 stages ran", "run workspace-1"]);
    assert_eq!(world.read("two"), "xx");
    let recorded = world.events();
    let event = |name: &str| format!("run/workspace-1 {name}");
    assert_eq!(recorded, ["started", "stage_started", "stage_finished", "stage_started", "stage_finished", "finished"].map(event));
    assert!(world.run(&["run"]).well().out.contains("everything is up to date (2 stages)"));
    assert_eq!(world.events(), recorded, "nothing happened, so nothing is recorded");
    in_order(&world.run(&["audit", "verify"]).well().out, &["verified", "6 entries", "and 0 that are not sealed yet"]);
    world.is_clean();
}

#[test]
fn the_answer_as_json_says_what_each_stage_did_and_why() {
    let world = World::with(&[("dvc.yaml", TWO), ("in", "x")]);
    let first = world.run(&["run", "--json"]).well().json();
    assert_eq!((&first["run"], &first["up_to_date"]), (&json!("workspace-1"), &json!(false)));
    let again = world.run(&["run", "--json"]).well().json();
    assert_eq!((&again["run"], &again["up_to_date"]), (&json!(null), &json!(true)));
    world.write("in", "y");
    let changed = world.run(&["run", "--json"]).well().json();
    let stages = json!([
        { "stage": "one", "outcome": "ran", "why": "dependency in changed" },
        { "stage": "two", "outcome": "ran", "why": "dependency one changed" },
    ]);
    assert_eq!((&changed["run"], &changed["stages"]), (&json!("workspace-2"), &stages));
    world.write("in", "x");
    let back = world.run(&["run", "--json"]).well().json();
    assert_eq!((&back["stages"][0]["outcome"], &back["stages"][1]["outcome"]), (&json!("restored"), &json!("restored")));
    assert_eq!(world.read("two"), "xx");
}

#[test]
fn a_cycle_is_refused_before_anything_runs() {
    let world =
        World::with(&[("dvc.yaml", "stages:\n  a: {cmd: touch ran, deps: [c], outs: [a]}\n  c: {cmd: touch ran, deps: [a], outs: [c]}\n")]);
    world.run(&["run"]).fails(2, &["dvc.yaml", "cycle", "`a` needs `c`", "break it"]);
    assert!(!world.exists("ran") && !world.exists("dvc.lock") && !world.exists(".tidegate/journal.sqlite"));
    world.is_clean();
}

#[test]
fn a_pipeline_that_is_no_yaml_is_refused_with_its_place() {
    let world = World::with(&[("dvc.yaml", "stages:\n  a: {cmd: 'true, outs: [a]}\n")]);
    let said = world.run(&["run"]).fails(2, &["dvc.yaml:2:"]);
    assert_eq!(said.err.matches("dvc.yaml:2:").count(), 1, "said twice: {}", said.err);
    assert!(!world.exists(".tidegate"));
}

#[test]
fn an_unknown_target_is_refused_with_those_that_are_there() {
    let world = World::with(&[("dvc.yaml", TWO), ("in", "x")]);
    let said = world.run(&["run", "nowhere"]).fails(4, &["target `nowhere`", "there are: one, two"]);
    assert_eq!(said.err.matches("`nowhere`").count(), 1, "said twice: {}", said.err);
    assert!(!world.exists("one") && !world.exists("dvc.lock"));
    in_order(&world.run(&["run", "one"]).well().out, &["1 stages ran"]);
    assert!(!world.exists("two"), "only what the target needs is run");
}

/// Runs a pipeline whose stage `bad` fails after a stage `good`, and looks at what is left.
#[track_caller]
fn fails(bad: &str, words: &[&str]) {
    let pipeline = format!(
        "stages:\n  good: {{cmd: echo 1 > one, outs: [one]}}\n  bad: {bad}\n  after: {{cmd: cat two > three, deps: [two], outs: [three]}}\n"
    );
    let world = World::with(&[("dvc.yaml", &pipeline)]);
    world.run(&["run"]).fails(1, words);
    let lock = world.read("dvc.lock");
    assert!(lock.contains("good:") && !lock.contains("bad:") && !lock.contains("after:"), "{lock}");
    assert!(!world.exists("three"), "nothing runs on what a failed stage left");
    let recorded = world.events();
    assert_eq!(recorded.last().unwrap(), "run/workspace-1 finished");
    assert!(recorded.contains(&"run/workspace-1 stage_failed".to_owned()), "{recorded:?}");
    let again = world.run(&["run", "--json"]);
    assert_eq!(again.code, 1, "{again:?}");
    let json = again.json();
    let outcomes: Vec<&str> = json["stages"].as_array().unwrap().iter().map(|s| s["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["up_to_date", "failed", "not_reached"]);
    world.run(&["audit", "verify"]).well();
    world.is_clean();
}

#[test]
fn a_stage_that_fails_is_shown_with_its_last_words() {
    fails(
        "{cmd: 'echo half > two; echo why >&2; exit 3', deps: [one], outs: [two]}",
        &["stage `bad` failed", "exit 3`", "ended with exit code 3", "| why"],
    );
}

#[test]
fn a_stage_that_is_killed_names_the_signal() {
    fails("{cmd: 'kill -9 $$', deps: [one], outs: [two]}", &["stage `bad` was killed", "signal 9", "out of memory"]);
}

#[test]
fn a_stage_that_writes_no_output_is_a_failure() {
    fails(
        "{cmd: 'true', deps: [one], outs: [two]}",
        &["stage `bad` ended well but did not write its output `two`", "take it out of `outs`"],
    );
}

#[test]
fn a_missing_dependency_is_named_before_anything_runs() {
    let world = World::with(&[("dvc.yaml", COPY)]);
    world.run(&["run"]).fails(1, &["stage `one` needs `in`", "does not exist", "create it"]);
    assert!(!world.exists("one") && !world.exists("dvc.lock"));
}

#[test]
fn results_go_to_standard_output_and_everything_else_beside_it() {
    let world = World::with(&[("dvc.yaml", COPY), ("in", "x")]);
    let said = world.run(&["run", "--json"]).well();
    assert_eq!(said.err, "", "a program that reads JSON hears nothing else");
    world.write("dvc.yaml", "stages: {one: {cmd: 'false', outs: [one]}}\n");
    let failed = world.run(&["run", "--json"]);
    assert_eq!((failed.code, failed.json()["stages"][0]["outcome"].as_str()), (1, Some("failed")), "{failed:?}");
}
