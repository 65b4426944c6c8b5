//! A smaller model, written where its answers stay near enough and not where they do not.

use crate::world::{World, has_runtime};
use serde_json::{Value, json};

const CONFIG: &str = "version: 1\nworkspace: digits\nmodels:\n  m: { artifact: dense.onnx, golden: golden.json, gates: { speed: { latency_p99_ms: 60000 } } }\nservices:\n  s: { model: m }\n";

/// The network of the fixtures as version 1, with some of its rows as golden requests and all of them in a file.
fn world() -> World {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/tests/fixtures");
    let rows: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(format!("{fixtures}/dense.json")).unwrap()).unwrap();
    let inputs = |row: &Value| json!([{ "name": "pixels", "datatype": "FP32", "shape": [1, 64], "data": row["pixels"] }]);
    let golden: Vec<Value> =
        rows.iter().take(8).enumerate().map(|(n, row)| json!({ "id": n.to_string(), "inputs": inputs(row) })).collect();
    let lines: Vec<String> = rows.iter().map(|row| json!({ "inputs": inputs(row) }).to_string()).collect();
    let world = World::with(&[
        ("tidegate.yaml", CONFIG),
        ("golden.json", &json!({ "requests": golden }).to_string()),
        ("rows.jsonl", &lines.join("\n")),
    ]);
    std::fs::copy(format!("{fixtures}/dense.onnx"), world.path("dense.onnx")).unwrap();
    world.run(&["gate"]).well();
    world
}

#[test]
fn a_smaller_model_passes_its_gate_or_is_not_written() {
    if !has_runtime() {
        return;
    }
    let world = world();
    let small = ["model", "quantise", "m", "1", "--output", "small.onnx", "--requests", "rows.jsonl"];
    // Not near enough: said with what was found, and nothing is written.
    let strict = world.run(&[&small[..], &["--max-difference", "0.000001"]].concat()).fails(1, &[]);
    assert!(strict.out.contains("refused") && strict.out.contains("nothing was written") && !world.exists("small.onnx"), "{}", strict.out);
    let wide = [&small[..], &["--max-difference", "2", "--max-changed", "5", "--json"]].concat();
    let told = world.run(&wide).well().json();
    assert_eq!(
        (&told["near"], &told["taken"], &told["left"], &told["compared"]["rows"]),
        (&json!(true), &json!(2), &json!(1), &json!(108)),
        "{told}"
    );
    let (before, after) = (told["before"]["bytes"].as_u64().unwrap(), told["after"]["bytes"].as_u64().unwrap());
    assert_eq!(after, std::fs::metadata(world.path("small.onnx")).unwrap().len());
    assert!(after * 2 < before && told["after"]["p50_us"].as_f64().unwrap() > 0.0, "{told}");
    world.is_clean();
    // It is a model like any other, and a change of the artefact goes through the gates.
    world.write("tidegate.yaml", &CONFIG.replace("dense.onnx", "small.onnx"));
    std::fs::remove_file(world.path("golden.json")).unwrap();
    let rows = world.read("rows.jsonl");
    let first: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    world.write("golden.json", &json!({ "requests": [{ "id": "first", "inputs": first["inputs"] }] }).to_string());
    assert_eq!(world.run(&["gate", "--json"]).well().json()["version"], json!("2"));
}

#[test]
fn what_cannot_be_made_smaller_is_refused_by_name() {
    if !has_runtime() {
        return;
    }
    let world = world();
    world.run(&["model", "quantise", "m", "9", "--output", "o"]).fails(4, &["quantise m version 9", "tidegate model list"]);
    world.write("rows.jsonl", "{\"inputs\": [");
    world.run(&["model", "quantise", "m", "1", "--output", "o", "--requests", "rows.jsonl"]).fails(2, &["rows.jsonl line 1"]);
    assert!(!world.exists("o"));
}
