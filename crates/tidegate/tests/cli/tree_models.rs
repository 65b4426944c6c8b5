//! Models that XGBoost and LightGBM saved, from a stage's output to answers, where there is no ONNX Runtime.

use crate::up::{post, up};
use crate::world::{World, wait_for};
use serde_json::{Value, json};

/// The file's name says nothing of its kind.
const CONFIG: &str = "version: 1\nworkspace: trees\npipeline: dvc.yaml\n\
    models:\n  m: { artifact: model.bin, golden: golden.json, gates: { speed: { latency_p99_ms: 60000 } } }\n\
    services:\n  s: { model: m }\n";
const PIPELINE: &str = "stages:\n  train: {cmd: cat in > model.bin, deps: [in], outs: [model.bin]}\n";

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../runtime/tests/fixtures/trees/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Rows, and what the library predicts for them with its binary model.
fn truth(made_by: &str) -> (Value, Vec<f64>) {
    let expected: Value = serde_json::from_slice(&fixture(&format!("{made_by}.expected.json"))).unwrap();
    let of = expected["expected"].as_array().unwrap().iter().find(|of| of["model"].as_str().unwrap().contains("-binary.")).unwrap();
    (expected["rows"].clone(), of["predictions"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect())
}

fn inputs(datatype: &str, rows: &Value) -> Value {
    json!([{ "name": "input__0", "datatype": datatype, "shape": [rows.as_array().unwrap().len(), 4], "data": rows }])
}

/// Registers, releases and asks a model; the answers.
fn answers(model: &str, datatype: &str, rows: &Value) -> Vec<f64> {
    let world = World::with(&[
        ("tidegate.yaml", CONFIG),
        ("dvc.yaml", PIPELINE),
        ("golden.json", &json!({ "requests": [{ "id": "all", "inputs": inputs(datatype, rows) }] }).to_string()),
    ]);
    world.set("TIDEGATE_ONNXRUNTIME", "none");
    std::fs::write(world.path("in"), fixture(model)).unwrap();
    let _process = up(&world);
    world.run(&["gate"]).well();
    let listed = world.run(&["model", "show", "m", "1", "--json"]).well().out;
    assert!(listed.contains("input__0") && listed.contains(datatype), "{listed}");
    world.run(&["release", "start", "s", "1"]).well();
    let body = json!({ "inputs": inputs(datatype, rows) });
    let answer = wait_for("an answer", || {
        let text = post(&world, "/v2/models/s/infer", "", &body);
        text.starts_with("HTTP/1.1 200").then(|| text.split_once("\r\n\r\n").unwrap().1.to_owned())
    });
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["outputs"][0]["data"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn a_file_of_xgboost_is_gated_released_and_asked_without_onnx_runtime() {
    let (rows, wanted) = truth("xgboost-3.2.0");
    let got = answers("xgboost-3.2.0-binary.ubj", "FP32", &rows);
    assert!(got.len() == 12 && got.iter().zip(&wanted).all(|(got, wanted)| *got as f32 == *wanted as f32), "{got:?} {wanted:?}");
}

#[test]
fn a_file_of_lightgbm_is_gated_released_and_asked_without_onnx_runtime() {
    let (rows, wanted) = truth("lightgbm-4.7.0");
    assert_eq!(answers("lightgbm-4.7.0-binary.txt", "FP64", &rows), wanted);
}

#[test]
fn what_is_not_served_is_refused_by_name_when_it_is_registered() {
    let world = World::with(&[("tidegate.yaml", CONFIG), ("dvc.yaml", PIPELINE), ("golden.json", "{\"requests\": []}")]);
    world.set("TIDEGATE_ONNXRUNTIME", "none");
    for (bytes, says) in [
        (b"\x80\x04\x95".to_vec(), "it is a Python pickle"),
        (String::from_utf8(fixture("xgboost-3.2.0-binary.json")).unwrap().replace("binary:logistic", "reg:mystery").into(), "reg:mystery"),
        (fixture("../simple.onnx"), "it is an ONNX model, and ONNX Runtime is not loaded"),
    ] {
        std::fs::write(world.path("in"), bytes).unwrap();
        world.run(&["gate"]).fails(2, &["register", "model.bin", says]);
    }
    assert_eq!(world.run(&["model", "list", "--json"]).well().json(), json!([]));
}
