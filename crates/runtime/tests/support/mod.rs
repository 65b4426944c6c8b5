//! What the tests share: the library, the fixtures, versions made of them.

use serde_json::{Map, Value as Json};
use std::path::{Path, PathBuf};
use tidegate_core::transform::Transform;
use tidegate_runtime::{Version, find_library, init};

/// Loads ONNX Runtime from `TIDEGATE_ONNXRUNTIME` or from `~/.cache/tidegate/test-env`; without one the test
/// says that it is skipped.
pub fn runtime() -> bool {
    let given = std::env::var_os("TIDEGATE_ONNXRUNTIME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/tidegate/test-env"));
    match find_library(&given.into_iter().chain(home).collect::<Vec<_>>()) {
        Ok(library) => {
            init(&library).unwrap();
            true
        }
        Err(error) => {
            eprintln!("skipped: {error}");
            false
        }
    }
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn expected() -> Json {
    serde_json::from_slice(&std::fs::read(fixture("expected.json")).unwrap()).unwrap()
}

pub fn records() -> Vec<Map<String, Json>> {
    expected()["records"].as_array().unwrap().iter().map(|record| record.as_object().unwrap().clone()).collect()
}

pub fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// The transform of the flights, six inputs from raw records, with two changes: `zone` is where arrivals are
/// read, and `wind` says what happens without weather.
pub fn flights(zone: Json, wind: Json) -> Json {
    let mut transform = right();
    transform["steps"][2]["operation"]["time_difference"]["to_zone"] = zone;
    transform["steps"][3]["on_missing"] = wind;
    transform
}

/// The transform as it should be.
pub fn right() -> Json {
    let stored: Json = serde_json::from_slice(&std::fs::read(fixture("flights.transform.json")).unwrap()).unwrap();
    stored["transform"].clone()
}

/// A version's directory.
pub fn directory(model: &str, transform: Option<&Json>, golden: Option<&str>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(fixture(model), directory.path().join("model.onnx")).unwrap();
    if let Some(transform) = transform {
        let transform: Transform = serde_json::from_value(transform.clone()).unwrap();
        std::fs::write(directory.path().join("transform.json"), transform.to_json().unwrap()).unwrap();
    }
    if let Some(golden) = golden {
        std::fs::write(directory.path().join("golden.json"), golden).unwrap();
    }
    directory
}

pub fn version(model: &str, transform: Option<&Json>) -> Version {
    Version::open(directory(model, transform, None).path()).unwrap()
}
