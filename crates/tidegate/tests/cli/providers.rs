//! Who carries models out: a setting of the service, refused where the library lacks it, and told by the gateway.

use crate::bundle::fixture;
use crate::up::{post, tensors, up};
use crate::world::{World, has_runtime, wait_for};
use serde_json::json;

fn config(providers: &str) -> String {
    format!(
        "version: 1\nworkspace: w\nmodels:\n  m: {{ artifact: m.onnx, golden: golden.json, gates: {{ speed: {{ latency_p99_ms: 60000 }} }} }}\n\
         services:\n  s: {{ model: m, serving: {{ providers: {providers}, threads: 2, memory_mib: 4096 }} }}\n"
    )
}

#[test]
fn a_provider_that_the_library_lacks_is_refused_and_one_that_stands_in_is_told() {
    if !has_runtime() {
        return;
    }
    let golden = json!({ "requests": [{ "id": "one", "inputs": tensors() }] }).to_string();
    let world = World::with(&[("tidegate.yaml", &config("cuda")), ("golden.json", &golden)]);
    std::fs::write(world.path("m.onnx"), fixture("simple.onnx")).unwrap();
    world.run(&["gate"]).fails(2, &["cuda is not in ONNX Runtime 1.", "which has cpu", "add `cpu` to `serving.providers`"]);
    world.write("tidegate.yaml", &config("gpu"));
    world.run(&["config", "check"]).fails(2, &["`gpu` is not one of `cpu`, `cuda`", "services.s.serving.providers"]);
    world.write("tidegate.yaml", &config("[cuda, cpu]"));
    world.run(&["gate"]).well();
    let _daemon = up(&world);
    world.run(&["release", "start", "s", "1"]).well();
    wait_for("the release", || world.run(&["release", "status", "s/1"]).out.contains("watching").then_some(()));
    let answer = post(&world, "/v2/models/s/infer", "", &json!({ "inputs": tensors() }));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
