//! Every form that is served, as the library wrote it, on ten thousand rows; the library's predictions are the truth.

use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Command;
use tidegate_runtime::{Model, Tensor, TensorData};

/// The Python with both libraries; without one a test says that it is skipped.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("TIDEGATE_TEST_TREES").map(PathBuf::from);
    if python.is_none() {
        eprintln!("skipped: no Python with xgboost and lightgbm: set TIDEGATE_TEST_TREES");
    }
    python
}

/// Units in the last place between two numbers of 32 bits.
fn ulps32(a: f32, b: f32) -> u64 {
    let key = |x: f32| i64::from(if x.is_sign_negative() { i32::MIN.wrapping_sub(x.to_bits() as i32) } else { x.to_bits() as i32 });
    if a.is_nan() && b.is_nan() { 0 } else { key(a).abs_diff(key(b)) }
}

/// Units in the last place between two numbers of 64 bits.
fn ulps64(a: f64, b: f64) -> u64 {
    let key = |x: f64| i128::from(if x.is_sign_negative() { i64::MIN.wrapping_sub(x.to_bits() as i64) } else { x.to_bits() as i64 });
    if a.is_nan() && b.is_nan() { 0 } else { u64::try_from(key(a).abs_diff(key(b))).unwrap_or(u64::MAX) }
}

fn floats32(path: &Path) -> Vec<f32> {
    std::fs::read(path).unwrap().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn floats64(path: &Path) -> Vec<f64> {
    std::fs::read(path).unwrap().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
}

/// The largest difference of a case, in units in the last place, and how many rows differ.
fn difference(folder: &Path, case: &Json) -> (u64, usize) {
    let name = case["name"].as_str().unwrap();
    let model = Model::load(&folder.join(case["model"].as_str().unwrap())).unwrap();
    let input = &model.signature().inputs[0];
    let (rows, truth) = (folder.join(format!("{name}.rows")), folder.join(format!("{name}.predictions")));
    let features = case["features"].as_i64().unwrap();
    let single = input.datatype == tidegate_core::model::Datatype::Fp32;
    let data = if single { TensorData::Fp32(floats32(&rows)) } else { TensorData::Fp64(floats64(&rows)) };
    let count = i64::try_from(data.len()).unwrap() / features;
    let output = model.run(&[Tensor::new(input.name.clone(), vec![count, features], data)]).unwrap().remove(0);
    let shape: Vec<i64> = case["shape"].as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect();
    assert_eq!(output.shape, shape, "{name}");
    let each: Vec<u64> = match &output.data {
        TensorData::Fp32(got) => got.iter().zip(floats32(&truth)).map(|(a, b)| ulps32(*a, b)).collect(),
        TensorData::Fp64(got) => got.iter().zip(floats64(&truth)).map(|(a, b)| ulps64(*a, b)).collect(),
        other => panic!("{name}: {other:?}"),
    };
    (each.iter().copied().max().unwrap(), each.iter().filter(|n| **n > 0).count())
}

#[test]
fn predictions_are_those_of_the_library_to_the_bit() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees/oracle.py");
    let made = Command::new(python).args(["-W", "ignore"]).arg(script).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let cases: Json = serde_json::from_slice(&std::fs::read(folder.path().join("cases.json")).unwrap()).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        let (largest, rows) = difference(folder.path(), case);
        if largest > 0 {
            wrong.push(format!("{}: {rows} values differ, by at most {largest} units in the last place", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
