//! Files of several versions of both libraries, and what the library of that version predicted with them.

use crate::fixture;
use expect_test::expect;
use serde_json::Value as Json;
use tidegate_core::model::Datatype;
use tidegate_runtime::{InputFault, Model, RuntimeError, Tensor, TensorData};

const MADE_BY: [&str; 5] = ["xgboost-1.7.6", "xgboost-2.1.4", "xgboost-3.2.0", "lightgbm-3.3.5", "lightgbm-4.7.0"];

/// Rows as a request would bring them, what is null among them missing.
pub fn tensor(model: &Model, rows: &Json) -> Tensor {
    let input = &model.signature().inputs[0];
    let values: Vec<Option<f64>> = rows.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap()).map(Json::as_f64).collect();
    let missing = values.iter().map(Option::is_none).collect();
    let numbers = values.iter().map(|value| value.unwrap_or(0.0));
    let data = match input.datatype {
        Datatype::Fp32 => TensorData::Fp32(numbers.map(|x| x as f32).collect()),
        _ => TensorData::Fp64(numbers.collect()),
    };
    let count = rows.as_array().unwrap().len() as i64;
    Tensor { name: input.name.clone(), shape: vec![count, values.len() as i64 / count], data, missing }
}

pub fn expected(made_by: &str) -> Json {
    serde_json::from_slice(&std::fs::read(fixture(&format!("{made_by}.expected.json"))).unwrap()).unwrap()
}

#[test]
fn files_of_older_versions_are_answered_as_those_did() {
    let mut seen = 0;
    for made_by in MADE_BY {
        let expected = expected(made_by);
        for of in expected["expected"].as_array().unwrap() {
            let name = of["model"].as_str().unwrap();
            let model = Model::load(&fixture(name)).unwrap();
            let output = model.run(&[tensor(&model, &expected["rows"])]).unwrap().remove(0);
            let got: Vec<f64> = (0..output.data.len()).map(|at| output.data.number(at).unwrap()).collect();
            let wanted: Vec<f64> = of["predictions"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
            assert_eq!(got, wanted, "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 24);
}

#[test]
fn a_signature_says_datatype_features_and_classes() {
    let said: String =
        ["xgboost-3.2.0-binary.json", "xgboost-3.2.0-classes.ubj", "lightgbm-4.7.0-binary.txt", "lightgbm-4.7.0-classes.txt"]
            .map(|name| {
                let model = Model::load(&fixture(name)).unwrap();
                let (input, output) = (&model.signature().inputs[0], &model.signature().outputs[0]);
                let [input, output] = [input, output].map(|s| format!("{} {} {:?}", s.name, s.datatype, s.shape));
                format!("{}: {input} -> {output}\n", model.format().platform())
            })
            .concat();
    expect![[r#"
        xgboost_json: input__0 FP32 [-1, 4] -> output__0 FP32 [-1]
        xgboost_ubjson: input__0 FP32 [-1, 4] -> output__0 FP32 [-1, 3]
        lightgbm_text: input__0 FP64 [-1, 4] -> output__0 FP64 [-1]
        lightgbm_text: input__0 FP64 [-1, 4] -> output__0 FP64 [-1, 3]
    "#]]
    .assert_eq(&said);
}

#[test]
fn a_missing_value_is_not_a_number_and_other_faults_are_the_senders() {
    let model = Model::load(&fixture("xgboost-3.2.0-binary.json")).unwrap();
    let none = Tensor { missing: vec![true; 4], ..Tensor::new("input__0", vec![1, 4], TensorData::Fp32(vec![0.0; 4])) };
    let nan = Tensor::new("input__0", vec![1, 4], TensorData::Fp32(vec![f32::NAN; 4]));
    let zero = Tensor::new("input__0", vec![1, 4], TensorData::Fp32(vec![0.0; 4]));
    let [none, nan, zero] = [none, nan, zero].map(|input| model.run(&[input]).unwrap().remove(0).data);
    assert_eq!(none, nan);
    assert_ne!(none, zero);
    let empty = model.run(&[Tensor::new("input__0", vec![0, 4], TensorData::Fp32(Vec::new()))]).unwrap().remove(0);
    assert_eq!(empty, Tensor::new("output__0", vec![0], TensorData::Fp32(Vec::new())));
    let told: String = [
        Tensor::new("input__0", vec![1, 4], TensorData::Fp64(vec![0.0; 4])),
        Tensor::new("input__0", vec![2, 3], TensorData::Fp32(vec![0.0; 6])),
        Tensor::new("input__0", vec![1, 4], TensorData::Fp32(vec![0.0; 5])),
        Tensor::new("X", vec![1, 4], TensorData::Fp32(vec![0.0; 4])),
    ]
    .map(|input| match model.run(&[input]).unwrap_err() {
        RuntimeError::Input(fault) => format!("{fault}\n"),
        other => panic!("{other:?}"),
    })
    .concat();
    expect![[r#"
        inference input 'input__0' must have datatype FP32, got FP64
        inference input 'input__0' must have shape [-1, 4] (-1 is any), got [2, 3]
        inference input 'input__0' has shape [1, 4], which is 4 values, got 5
        unexpected inference input 'X': the inputs are input__0
    "#]]
    .assert_eq(&told);
    assert!(matches!(model.run(&[]), Err(RuntimeError::Input(InputFault::Missing { .. }))));
}
