//! `tidegate reproduce`: a recorded run once more, in the code and data that it had.

use crate::world::{World, in_order};
use serde_json::json;

const PIPELINE: &str = "stages:
  data: {cmd: mkdir parts && cp in parts/a && cp in parts/b, deps: [in], outs: [parts]}
  train:
    cmd: cat parts/a > model && echo ${lr} >> model
    deps: [parts]
    params: [lr]
    outs: [model]
";

fn git(world: &World, words: &[&str]) {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@b"];
    let done = std::process::Command::new("git").args(identity).args(words).current_dir(world.root()).status().unwrap();
    assert!(done.success(), "git {words:?}");
}

fn commit(world: &World, message: &str) {
    git(world, &["add", "-A"]);
    git(world, &["commit", "-q", "-m", message]);
}

/// A repository whose pipeline is this.
fn world(pipeline: &str) -> World {
    let ignore = "/model\n/parts\n/dvc.lock\n/.dvc\n";
    let world = World::with(&[("dvc.yaml", pipeline), ("params.yaml", "lr: 0.5\n"), ("in", "one\ntwo\n"), (".gitignore", ignore)]);
    git(&world, &["init", "-q"]);
    commit(&world, "first");
    world
}

#[test]
fn a_run_is_reproduced_after_code_data_and_parameters_have_moved_on() {
    let world = world(PIPELINE);
    world.run(&["run"]).well();
    world.write("in", "other\n");
    world.write("params.yaml", "lr: 0.9\n");
    world.write("dvc.yaml", &PIPELINE.replace("echo", "echo now"));
    commit(&world, "second");
    world.run(&["run"]).well();
    let said = world.run(&["reproduce", "workspace-1", "--json"]).well().json();
    assert_eq!((&said["reproduced"], &said["compared"], &said["otherwise"]), (&json!(true), &json!(2), &json!([])));
    assert_eq!(said["by"], "reproduce-workspace-1-1");
    assert_eq!((world.read("model"), world.read("in")), ("other\nnow 0.9\n".into(), "other\n".into()), "the workspace is as it was");
    assert!(!world.exists(".tidegate/reproductions/workspace-1"));
    world.run(&["audit", "verify"]).well();
}

#[test]
fn an_experiment_is_reproduced_with_its_parameters() {
    let world = world(PIPELINE);
    world.run(&["run", "-n", "one", "-S", "lr=0.25"]).well();
    in_order(&world.run(&["reproduce", "experiment-one-1"]).well().out, &["experiment-one-1: 2 outputs, the same bytes"]);
}

#[test]
fn bytes_that_differ_are_named() {
    // Its second file and the end of the model depend on a file that no stage declares.
    let sloppy = PIPELINE.replace("cp in parts/b", "cat in ../count > parts/b").replace("echo ${lr}", "cat ../count");
    let world = world(&sloppy);
    std::fs::write(world.beside("count"), "1\n").unwrap();
    std::fs::create_dir_all(world.path(".tidegate/reproductions")).unwrap();
    for folder in [".tidegate/count", ".tidegate/reproductions/count"] {
        std::fs::write(world.path(folder), "2\n").unwrap();
    }
    world.run(&["run"]).well();
    let said = world.run(&["reproduce", "workspace-1"]);
    assert_eq!(said.code, 1, "{said:?}");
    in_order(&said.out, &["differs: parts:", "parts/b from byte 8, line 3", "differs: model:", "model from byte 8, line 3"]);
    in_order(&said.err, &["environment was not pinned", ".tidegate/reproductions/workspace-1"]);
    assert_eq!(world.read(".tidegate/reproductions/workspace-1/model"), "one\ntwo\n2\n");
}

#[test]
fn what_is_gone_is_named() {
    // No output has the bytes of an input, so the cache cannot have them.
    let world = world(&PIPELINE.replace("cp in parts/a && cp in parts/b", "cat in in > parts/a"));
    world.run(&["reproduce", "workspace-1"]).fails(4, &["reproduce workspace-1", "no run was recorded here yet"]);
    world.write("in", "uncommitted\n");
    world.run(&["run"]).well();
    world.run(&["reproduce", "workspace-7"]).fails(4, &["reproduce workspace-7", "no such run", "tidegate journal"]);
    world.write("in", "and changed again\n");
    world.run(&["reproduce", "workspace-1"]).fails(4, &["reproduce workspace-1: in:", "neither the code nor the cache"]);
    // Back as it was, it can be done, and says what stood in for what.
    world.write("in", "uncommitted\n");
    world.run(&["reproduce", "workspace-1"]).well();
    world.write("dvc.yaml", "stages:\n  bad: {cmd: 'false', outs: [x]}\n");
    assert_eq!(world.run(&["run"]).code, 1);
    world.run(&["reproduce", "workspace-2"]).fails(5, &["reproduce workspace-2", "did not succeed"]);
}
