//! `tidegate gate` on what is no model: nothing is registered.

use crate::up::served;
use crate::world::{World, has_runtime, in_order, list};
use serde_json::json;

fn with_stage(stage: &str) -> World {
    let world = served();
    world.write("dvc.yaml", &format!("stages:\n  train: {stage}\n"));
    world
}

#[test]
fn a_file_that_is_no_onnx_model_is_not_registered() {
    if !has_runtime() {
        return;
    }
    let world = with_stage("{cmd: echo garbage > model.onnx, outs: [model.onnx]}");
    for attempt in 1..=2 {
        world.run(&["gate"]).fails(2, &["register", "model.onnx", "not an ONNX model"]);
        assert_eq!(world.run(&["model", "list", "--json"]).well().json(), json!([]), "attempt {attempt}");
        let recorded = world.events();
        assert!(recorded.iter().all(|event| event.starts_with("run/")), "{recorded:?}");
        world.is_clean();
        // What was recorded is sealed when the command has ended, also when it ended badly.
        in_order(&world.run(&["audit", "verify"]).well().out, &["verified", "and 0 that are not sealed yet"]);
    }
}

/// ONNX Runtime can keep a diary of what is done with it, and send it to its makers; ours must not.
#[test]
fn onnx_runtime_keeps_no_telemetry() {
    if !has_runtime() {
        return;
    }
    let world = with_stage("{cmd: echo garbage > model.onnx, outs: [model.onnx]}");
    world.run(&["gate"]).fails(2, &["not an ONNX model"]);
    let mut written = vec![];
    for place in ["home", "cache", "tmp"] {
        list(&world.beside(place), &mut written);
    }
    assert_eq!(written, Vec::<std::path::PathBuf>::new(), "files outside the workspace");
}

#[test]
fn a_model_file_that_nobody_writes_is_named() {
    let world = with_stage("{cmd: echo garbage > other.onnx, outs: [other.onnx]}");
    world.run(&["gate"]).fails(2, &["no file `model.onnx`, and no stage writes it", "tidegate.yaml:5:18", "models.m.artifact"]);
    assert!(!world.exists("other.onnx") && !world.exists(".tidegate"), "nothing was begun");
}

#[test]
fn a_refused_model_is_named_by_the_file_that_is_still_there() {
    if !has_runtime() {
        return;
    }
    let world = with_stage("{cmd: echo garbage > model.onnx, outs: [model.onnx]}");
    let said = world.run(&["gate"]).fails(2, &["register", world.path("model.onnx").to_str().unwrap()]);
    assert!(!said.err.contains(world.beside("tmp").to_str().unwrap()), "it names a copy that is gone: {}", said.err);
}

#[test]
fn a_pipeline_that_fails_gates_nothing() {
    if !has_runtime() {
        return;
    }
    let world = with_stage("{cmd: exit 7, outs: [model.onnx]}");
    world.run(&["gate"]).fails(1, &["gate model `m`", "stage `train` failed", "exit code 7"]);
    assert_eq!(world.run(&["model", "list", "--json"]).well().json(), json!([]));
}

#[test]
fn a_model_that_is_not_configured_is_named() {
    let world = served();
    world.run(&["gate", "nope"]).fails(4, &["gate model `nope`", "no such model"]);
    world.write("tidegate.yaml", "version: 1\nworkspace: bare\n");
    world.run(&["gate"]).fails(2, &["gate", "`models`"]);
    assert!(!world.exists(".tidegate"));
}
