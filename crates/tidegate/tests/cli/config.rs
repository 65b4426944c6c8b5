//! tidegate.yaml: every mistake at once, what is in force, the schema, and the one that `init` writes.

use crate::world::{COPY, World, in_order};

const MISTAKES: &str = "version: 1\nworkspace: bad\ndatta:\n  x: { path: x.csv }\nmodels:\n  m: { artefact: model.onnx }\n\
    services:\n  s: { model: q }\n";
const MISTAKE_WORDS: [&str; 12] = [
    "unknown key `datta`",
    "tidegate.yaml:3:1",
    "did you mean `data`?",
    "`artifact` is missing",
    "tidegate.yaml:6:3",
    "unknown key `artefact`",
    "tidegate.yaml:6:8",
    "did you mean `artifact`?",
    "`q` is not under `models`",
    "tidegate.yaml:8:15",
    "did you mean `m`?",
    "4 problems",
];

#[test]
fn every_mistake_is_shown_at_once_with_its_place_and_a_suggestion() {
    let world = World::with(&[("tidegate.yaml", MISTAKES), ("dvc.yaml", COPY), ("in", "x")]);
    world.run(&["config", "check"]).fails(2, &MISTAKE_WORDS);
    // Nothing is begun by a command that must not trust its configuration.
    for command in [&["run"][..], &["check"], &["gate"], &["up", "--any-port"]] {
        world.run(command).fails(2, &MISTAKE_WORDS);
        assert!(!world.exists(".tidegate") && !world.exists("dvc.lock") && !world.exists("one"), "{command:?}");
    }
    world.is_clean();
}

#[test]
fn a_mistake_is_announced_once() {
    let world = World::with(&[("tidegate.yaml", MISTAKES)]);
    let said = world.run(&["config", "check"]).fails(2, &MISTAKE_WORDS);
    assert!(!said.err.contains("error: error:"), "the word `error` stands twice:\n{}", said.err);
}

#[test]
fn mistakes_as_json_carry_the_exit_code() {
    let world = World::with(&[("tidegate.yaml", MISTAKES)]);
    let said = world.run(&["config", "check", "--json"]).fails(2, &[]);
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["exit_code"], 2);
    in_order(error["error"].as_str().unwrap(), &MISTAKE_WORDS);
    assert_eq!(said.out, "", "results and errors do not mix");
}

#[test]
fn text_that_is_no_yaml_is_placed_too() {
    let world = World::with(&[("tidegate.yaml", "version: 1\nworkspace: 'open\n")]);
    world.run(&["config", "check"]).fails(2, &["tidegate.yaml:2:12"]);
}

#[test]
fn what_is_in_force_is_explained_with_its_origin() {
    let world = World::with(&[("tidegate.yaml", "version: 1\nworkspace: plain\n")]);
    world.run(&["config", "check"]).well();
    let all = world.run(&["config", "explain"]).well();
    in_order(&all.out, &["workspace", "plain", "tidegate.yaml:2:12", "releases.default.judge.alpha", "preset default"]);
    let some = world.run(&["config", "explain", "releases.default.judge"]).well();
    assert!(some.out.contains("releases.default.judge.alpha") && !some.out.contains("workspace"), "{some:?}");
    let json = world.run(&["config", "explain", "--json"]).well().json();
    assert!(json["explained"].as_array().unwrap().len() > 2, "{json}");
}

#[test]
fn the_schema_is_one_json_document_and_needs_no_workspace() {
    let schema = World::new().run(&["config", "schema"]).well().json();
    assert_eq!(schema["title"], "tidegate.yaml");
    assert!(schema["properties"]["models"].is_object(), "{schema}");
}

#[test]
fn init_writes_what_check_accepts_and_never_overwrites() {
    let world = World::with(&[("dvc.yaml", COPY), ("in", "x")]);
    let printed = world.run(&["init", "--print"]).well();
    assert!(!world.exists("tidegate.yaml"), "--print writes nothing");
    in_order(&world.run(&["init"]).well().out, &["wrote", "tidegate.yaml", "1 stages found", "next:", "config check"]);
    let written = world.read("tidegate.yaml");
    assert_eq!(printed.out.trim_end(), written.trim_end());
    assert!(written.contains("pipeline: dvc.yaml"), "{written}");
    world.run(&["config", "check"]).well();
    world.run(&["run"]).well();
    world.run(&["init"]).fails(5, &["write", "tidegate.yaml", "it exists", "--print"]);
    assert_eq!(world.read("tidegate.yaml"), written);
    world.is_clean();
}
