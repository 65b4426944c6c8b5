//! Versions whose model is one of trees: directory, transform, score and golden requests are as ever.

use crate::files::{expected, tensor};
use crate::fixture;
use serde_json::json;
use std::path::Path;
use tidegate_core::transform::Transform;
use tidegate_runtime::{Format, Golden, Method, Version};

const MODELS: [(&str, &str, Format); 3] = [
    ("xgboost-3.2.0-binary.json", "xgboost-3.2.0", Format::XgboostJson),
    ("xgboost-3.2.0-binary.ubj", "xgboost-3.2.0", Format::XgboostUbjson),
    ("lightgbm-4.7.0-binary.txt", "lightgbm-4.7.0", Format::LightgbmText),
];

/// From records with the fields a to d, all of them optional.
fn transform(datatype: &str) -> String {
    let fields: Vec<_> = ["a", "b", "c", "d"].iter().map(|name| json!({ "name": name, "datatype": "FP64", "optional": true })).collect();
    let input = json!({ "tensor": "input__0", "datatype": datatype, "columns": ["a", "b", "c", "d"], "nan": "allow" });
    let record = [vec![json!({ "name": "id", "datatype": "BYTES" })], fields].concat();
    let transform = json!({ "record": record, "id": "id", "steps": [], "inputs": [input], "score": { "output": "output__0" } });
    serde_json::from_value::<Transform>(transform).unwrap().to_json().unwrap()
}

fn lay_out(directory: &Path, model: &str, name: &str, datatype: &str) {
    std::fs::copy(fixture(model), directory.join(name)).unwrap();
    std::fs::write(directory.join("transform.json"), transform(datatype)).unwrap();
}

#[test]
fn records_become_rows_and_predictions_scores() {
    for (model, made_by, format) in MODELS {
        let directory = tempfile::tempdir().unwrap();
        let datatype = if format == Format::LightgbmText { "FP64" } else { "FP32" };
        lay_out(directory.path(), model, format.file_name(), datatype);
        let version = Version::open(directory.path()).unwrap();
        assert_eq!((version.format(), Version::needs_library(directory.path()).unwrap()), (format, false));
        let expected = expected(made_by);
        let rows = expected["rows"].as_array().unwrap();
        let record = |(i, row): (usize, &serde_json::Value)| {
            let record = json!({ "id": format!("r{i}"), "a": row[0], "b": row[1], "c": row[2], "d": row[3] });
            record.as_object().unwrap().clone()
        };
        let records: Vec<_> = rows.iter().enumerate().map(record).collect();
        let scores: Vec<f64> = version.score_records(&records).unwrap().into_iter().map(Result::unwrap).collect();
        let wanted = expected["expected"].as_array().unwrap().iter().find(|of| of["model"] == json!(model)).unwrap();
        let wanted: Vec<f64> = wanted["predictions"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        assert_eq!(scores, wanted, "{model}");

        let authored: Vec<_> = records.iter().map(|record| json!({ "id": record["id"], "record": record })).collect();
        let authored = Golden::parse(json!({ "requests": authored }).to_string().as_bytes()).unwrap();
        let recorded = version.record_golden(&authored).unwrap();
        assert!(version.check_golden_of(&recorded).is_right());
        let other = fixture(&model.replace("binary", if format == Format::LightgbmText { "linear" } else { "dart" }));
        std::fs::copy(other, directory.path().join(format.file_name())).unwrap();
        let report = Version::open(directory.path()).unwrap().check_golden_of(&recorded);
        assert!(!report.is_right(), "{model}: another model answers otherwise");
    }
}

#[test]
fn the_kind_is_told_by_the_bytes_and_one_model_is_in_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let said = || Version::open(path).unwrap_err().to_string().replace(&*path.to_string_lossy(), "DIR");
    assert_eq!(said(), "open version `DIR`: it holds no model: none of model.onnx, model.json, model.ubj, model.txt, risk.json");
    lay_out(path, "xgboost-3.2.0-binary.ubj", "model.onnx", "FP32");
    assert_eq!(Version::open(path).unwrap().format(), Format::XgboostUbjson);
    std::fs::copy(fixture("xgboost-3.2.0-binary.json"), path.join("model.json")).unwrap();
    assert_eq!(said(), "open version `DIR`: it holds two models, DIR/model.onnx and DIR/model.json");
}

#[test]
fn one_model_answers_several_threads() {
    let expected = expected("lightgbm-4.7.0");
    let model = tidegate_runtime::Model::load(&fixture("lightgbm-4.7.0-classes.txt")).unwrap();
    let wanted = model.run(&[tensor(&model, &expected["rows"])]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| assert_eq!(model.run(&[tensor(&model, &expected["rows"])]).unwrap(), wanted)));
        }
    });
}

#[test]
fn reasons_of_trees_sum_to_what_the_link_is_given() {
    for (model, made_by, format) in MODELS {
        let directory = tempfile::tempdir().unwrap();
        let datatype = if format == Format::LightgbmText { "FP64" } else { "FP32" };
        lay_out(directory.path(), model, format.file_name(), datatype);
        let version = Version::open(directory.path()).unwrap();
        let rows = expected(made_by)["rows"].as_array().unwrap().clone();
        let record =
            |row: &serde_json::Value| json!({ "id": "r", "a": row[0], "b": row[1], "c": row[2], "d": row[3] }).as_object().unwrap().clone();
        let request = version.request_of(&rows.iter().map(record).collect::<Vec<_>>()).unwrap();
        let scores = version.infer(&request).unwrap().scores().unwrap().to_vec();
        let explained = version.explain(&request, &mut || true).unwrap();
        assert_eq!((explained.method, explained.features.as_slice()), (Method::Trees, ["a", "b", "c", "d"].map(str::to_owned).as_slice()));
        for (row, score) in scores.iter().enumerate() {
            let margin = explained.values[row * 4..(row + 1) * 4].iter().sum::<f64>() + explained.expected[row];
            assert!((1.0 / (1.0 + (-margin).exp()) - score).abs() < 1e-6, "{model}, row {row}: {margin} {score}");
        }
        let told = version.explain(&request, &mut || false).unwrap_err().to_string();
        assert_eq!(told, "explain: 1 of 12 rows were explained in the time given: raise `explain_ms` or send fewer rows");
    }
}
