//! Versions on raw records: the same inputs and scores as Python's, and who is at fault when there is none.

use crate::support::{expected, flights, numbers, records, right, runtime, version};
use expect_test::expect;
use serde_json::{Map, Value as Json, json};
use tidegate_runtime::{InferError, InferRequest, Tensor, TensorData};

/// Far below what a wrong feature would change, above the rounding of FP32 trees.
const NEAR: f64 = 1e-5;

fn all_near(got: &[f64], wanted: &[f64]) {
    assert_eq!(got.len(), wanted.len());
    for (index, (a, b)) in got.iter().zip(wanted).enumerate() {
        assert!((a - b).abs() < NEAR, "{index}: {a} {b}");
    }
}

#[test]
fn inputs_are_those_that_python_computes() {
    if !runtime() {
        return;
    }
    let version = version("boosted.onnx", Some(&right()));
    let transform = version.transform().unwrap();
    let records = records();
    let batch = transform.apply_batch(records.iter().map(|r| transform.record_from_json(r).unwrap())).unwrap();
    let wanted = expected()["inputs"].as_array().unwrap().iter().map(numbers).collect::<Vec<_>>();
    for (row, wanted) in wanted.iter().enumerate() {
        // Python rounded to FP32.
        let got: Vec<f64> = batch.row(row).iter().map(|x| f64::from(*x as f32)).collect();
        assert_eq!(&got, wanted, "record {row}");
    }
}

#[test]
fn scores_are_those_of_scikit_learn_one_by_one_and_in_batches() {
    if !runtime() {
        return;
    }
    for model in ["boosted", "logistic"] {
        let version = version(&format!("{model}.onnx"), Some(&right()));
        let wanted = numbers(&expected()[model]["score"]);
        let batch = version.infer(&version.request_of(&records()).unwrap()).unwrap();
        all_near(batch.scores().unwrap(), &wanted);
        let single: Vec<f64> = records()
            .iter()
            .map(|record| version.infer(&version.request_of(std::slice::from_ref(record)).unwrap()).unwrap().scores().unwrap()[0])
            .collect();
        all_near(&single, &wanted);
        let scored: Vec<f64> = version.score_records(&records()).unwrap().into_iter().map(Result::unwrap).collect();
        // ONNX Runtime sums a batch in another order than a single row, which moves the last bit of FP32.
        assert_eq!(scored, batch.scores().unwrap(), "the same batch gives the same bits");
        let inputs: Vec<f32> = expected()["inputs"].as_array().unwrap().iter().flat_map(numbers).map(|x| x as f32).collect();
        assert_eq!(version.score_inputs(&inputs, 6).unwrap(), scored, "online and offline alike");
        assert!(version.score_inputs(&inputs, 5).is_err());
    }
}

#[test]
fn a_slipped_time_zone_changes_the_scores_and_nothing_else_shows_it() {
    if !runtime() {
        return;
    }
    let slipped = version("boosted.onnx", Some(&flights(json!({ "named": "America/New_York" }), json!({ "value": 10.35702 }))));
    let transform = slipped.transform().unwrap();
    let records = records();
    let rows = transform.apply_batch(records.iter().map(|r| transform.record_from_json(r).unwrap())).unwrap();
    let minutes: Vec<f64> = (0..rows.rows()).map(|row| rows.row(row)[4]).collect();
    assert_eq!(minutes, numbers(&expected()["slipped_minutes"]));
    let right = version("boosted.onnx", Some(&right())).score_records(&records).unwrap();
    let wrong = slipped.score_records(&records).unwrap();
    assert!(right.iter().zip(&wrong).any(|(a, b)| (a.as_ref().unwrap() - b.as_ref().unwrap()).abs() > 0.01));
}

#[test]
fn a_version_that_refuses_a_record_is_at_fault_and_names_it() {
    if !runtime() {
        return;
    }
    let strict = version("boosted.onnx", Some(&flights(json!({ "column": "dest_zone" }), json!("refuse"))));
    let records = records();
    let calm = records.iter().position(|r| r["wind_speed"].is_null()).unwrap();
    let error = strict.infer(&strict.request_of(&records).unwrap()).unwrap_err();
    assert_eq!((error.status(), error.is_version_fault()), (422, true));
    assert_eq!(
        error.to_string(),
        format!(
            "refused by this version: record {calm} (id `flight-{calm}`): step `wind`: field `wind_speed` is missing and the step refuses a missing value"
        )
    );
    let outcomes = strict.score_records(&records).unwrap();
    let wanted = numbers(&expected()["boosted"]["score"]);
    for (index, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(score) => assert!((score - wanted[index]).abs() < NEAR, "{index}"),
            Err(InferError::Refused(refusal)) => assert_eq!(refusal.record, index),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(outcome.is_err(), records[index]["wind_speed"].is_null());
    }
}

/// What a request with one change is answered.
fn told(change: impl FnOnce(&mut Vec<Tensor>, &mut Vec<String>)) -> String {
    let version = version("boosted.onnx", Some(&right()));
    let mut request = version.request_of(&records()[..2]).unwrap();
    change(&mut request.inputs, &mut request.outputs);
    match version.infer(&request) {
        Ok(response) => {
            response.outputs.iter().map(|t| format!("{} {} {:?}", t.name, t.datatype(), t.shape)).collect::<Vec<_>>().join(", ")
        }
        Err(error) => {
            assert!(!error.is_version_fault() && error.status() == 400, "{error}");
            error.to_string()
        }
    }
}

#[test]
fn wrong_requests_are_the_senders_fault_and_say_what_is_wrong() {
    if !runtime() {
        return;
    }
    let at = |inputs: &[Tensor], name: &str| inputs.iter().position(|t| t.name == name).unwrap();
    let lines = [
        told(|_, _| ()),
        told(|_, outputs| *outputs = vec!["score".into(), "label".into()]),
        told(|_, outputs| outputs.push("ZZ".into())),
        told(|inputs, _| {
            let i = at(inputs, "distance");
            inputs[i].name = "distanc".into();
        }),
        told(|inputs, _| {
            let i = at(inputs, "distance");
            inputs[i].data = TensorData::Int64(vec![1, 2]);
        }),
        told(|inputs, _| {
            let i = at(inputs, "distance");
            inputs[i].shape = vec![1, 2];
        }),
        told(|inputs, _| {
            let i = at(inputs, "distance");
            inputs[i].shape = vec![2, 1];
        }),
        told(|inputs, _| {
            let i = at(inputs, "distance");
            inputs[i] = Tensor::new("distance", vec![1], TensorData::Fp64(vec![1.0]));
        }),
        told(|inputs, _| {
            let i = at(inputs, "distance");
            inputs[i].shape = vec![3];
        }),
        told(|inputs, _| {
            let i = at(inputs, "distance");
            inputs[i].missing = vec![false, true];
        }),
        told(|inputs, _| inputs.clear()),
        told(|inputs, _| inputs.reverse()),
        told(|inputs, _| inputs.push(Tensor::new("tail_number", vec![2], TensorData::Bytes(vec!["a".into(), "b".into()])))),
    ];
    expect![[r#"
        label INT64 [2], probabilities FP32 [2, 2], score FP64 [2]
        score FP64 [2], label INT64 [2]
        unexpected inference output 'ZZ': the outputs are label, probabilities, score
        inference input 'distance' (FP64) is missing: got id, sched_dep, sched_arr, dest_zone, carrier, distanc, dep_delay, wind_speed
        inference input 'distance' must have datatype FP64, got INT64
        inference input 'distance' must have shape [-1] (-1 is any), got [1, 2]
        label INT64 [2], probabilities FP32 [2, 2], score FP64 [2]
        inference input 'distance' has 1 rows, others have 2
        inference input 'distance' has shape [3], which is 3 values, got 2
        inference input 'distance' is null at index 1: it is required
        inference input 'id' (BYTES) is missing: got none
        label INT64 [2], probabilities FP32 [2, 2], score FP64 [2]
        label INT64 [2], probabilities FP32 [2, 2], score FP64 [2]"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn records_with_a_wrong_type_are_refused_before_they_are_sent() {
    if !runtime() {
        return;
    }
    let version = version("boosted.onnx", Some(&right()));
    let mut record: Map<String, Json> = records()[0].clone();
    record.insert("distance".into(), json!("far"));
    let error = version.request_of(&[record.clone()]).unwrap_err();
    assert_eq!(error.to_string(), "inference input 'distance' must hold FP64, got \"far\" at index 0");
    let scored = version.score_records(&[record, Map::new()]).unwrap();
    let told: Vec<_> = scored.iter().map(|s| s.as_ref().unwrap_err().to_string()).collect();
    assert_eq!(told[1], "inference input 'id' (BYTES) is missing: got none");
    assert_eq!(told[0], "inference input 'distance' must hold FP64, got \"far\" at index 0");
}

#[test]
fn latency_is_measured_by_the_clock_that_is_given() {
    if !runtime() {
        return;
    }
    let version = version("boosted.onnx", Some(&right()));
    let request = version.request_of(&records()[..1]).unwrap();
    let mut clock = 0.0;
    let mut tick = || {
        clock += 1.5;
        clock
    };
    assert_eq!(version.measure_latency(&[request], 4, &mut tick).unwrap(), vec![1.5; 4]);
    assert!(version.measure_latency(&[] as &[InferRequest], 4, &mut tick).is_err());
}
