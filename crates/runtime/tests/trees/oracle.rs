//! Every form that is served, as the library wrote it, on ten thousand rows; the library's predictions are the truth.

use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;
use tidegate_runtime::{Model, Tensor, TensorData};

/// Models that the oracle makes.
const CASES: usize = 101;
/// Rows of which it tells contributions.
const EXPLAINED: usize = 50;

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

/// What the oracle wrote, once for all tests; none, and a word that says so, without its Python.
fn world() -> Option<&'static (TempDir, Vec<Json>)> {
    static WORLD: OnceLock<Option<(TempDir, Vec<Json>)>> = OnceLock::new();
    WORLD
        .get_or_init(|| {
            let python = python()?;
            let folder = tempfile::tempdir().unwrap();
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees/oracle.py");
            let made = Command::new(python).args(["-W", "ignore"]).arg(script).arg(folder.path()).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            let cases: Json = serde_json::from_slice(&std::fs::read(folder.path().join("cases.json")).unwrap()).unwrap();
            let cases = cases["cases"].as_array().unwrap().clone();
            assert_eq!(cases.len(), CASES);
            Some((folder, cases))
        })
        .as_ref()
}

#[test]
fn predictions_are_those_of_the_library_to_the_bit() {
    let Some((folder, cases)) = world() else { return };
    let mut wrong = Vec::new();
    for case in cases {
        let (largest, rows) = difference(folder.path(), case);
        if largest > 0 {
            wrong.push(format!("{}: {rows} values differ, by at most {largest} units in the last place", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The largest distance of a contribution from the library's, as a share of the largest contribution.
fn explained(folder: &Path, case: &Json) -> Option<(f64, Result<(), String>)> {
    let name = case["name"].as_str().unwrap();
    let truth = folder.join(format!("{name}.contributions"));
    let truth = truth.exists().then(|| floats64(&truth))?;
    let model = Model::load(&folder.join(case["model"].as_str().unwrap())).unwrap();
    let rows = folder.join(format!("{name}.rows"));
    let single = model.signature().inputs[0].datatype == tidegate_core::model::Datatype::Fp32;
    let rows: Vec<f64> = if single { floats32(&rows).into_iter().map(f64::from).collect() } else { floats64(&rows) };
    let features = usize::try_from(case["features"].as_u64().unwrap()).unwrap();
    let mut got = Vec::new();
    for row in rows.chunks_exact(features).take(EXPLAINED) {
        match model.contributions(row) {
            Ok(values) => got.extend(values),
            Err(error) => return Some((0.0, Err(error.to_string()))),
        }
    }
    assert_eq!(got.len(), truth.len(), "{name}");
    let largest = truth.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    Some((got.iter().zip(&truth).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs())) / largest, Ok(())))
}

#[test]
fn contributions_are_those_of_the_library() {
    let Some((folder, cases)) = world() else { return };
    let (mut wrong, mut refused, mut most) = (Vec::new(), Vec::new(), [0.0_f64; 2]);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        match explained(folder.path(), case) {
            None => {}
            Some((_, Err(_))) => refused.push(name),
            Some((far, Ok(()))) => {
                let (of, bound) = if name.starts_with("xgb") { (0, 2e-6) } else { (1, 1e-13) };
                most[of] = most[of].max(far);
                if far.is_nan() || far > bound {
                    wrong.push(format!("{name}: {far:e}"));
                }
            }
        }
    }
    println!("at most {:e} from XGBoost, {:e} from LightGBM", most[0], most[1]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(refused, ["lgb-forest", "lgb-forest-binary", "lgb-forest-classes"]);
}
