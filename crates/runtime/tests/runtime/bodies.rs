//! Bodies of the protocol, through a real model and back.

use crate::support::{records, right, runtime, version};
use expect_test::expect;
use tidegate_runtime::oip::{
    Answering, parse_infer_request, parse_infer_response, read_infer_request, write_infer_request, write_infer_request_as_bytes,
    write_infer_response,
};
use tidegate_runtime::{InferError, InferRequest, TensorData, Version};

#[test]
fn the_simple_model_answers_the_protocols_example() {
    if !runtime() {
        return;
    }
    let sixteen: Vec<String> = (0..16).map(|n| n.to_string()).collect();
    let data = sixteen.join(",");
    let body = format!(
        r#"{{"id":"42","inputs":[{{"name":"INPUT0","data":[[{data}]],"shape":[1,16],"datatype":"INT32"}},{{"data":[{data}],"datatype":"INT32","name":"INPUT1","shape":[1,16]}}],"outputs":[{{"name":"OUTPUT0"}}]}}"#
    );
    let request = parse_infer_request(body.as_bytes()).unwrap();
    let response = version("simple.onnx", None).infer(&request).unwrap();
    let answering = Answering { model_name: "simple".into(), model_version: Some("1".into()) };
    let written = write_infer_response(&answering, &response);
    expect![[r#"{"model_name":"simple","model_version":"1","id":"42","outputs":[{"name":"OUTPUT0","shape":[1,16],"datatype":"INT32","data":[0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30]}]}"#]]
        .assert_eq(std::str::from_utf8(&written).unwrap());
    assert_eq!(parse_infer_response(&written).unwrap(), (answering, response));
}

#[test]
fn records_travel_as_tensors_with_nulls() {
    if !runtime() {
        return;
    }
    let version = version("boosted.onnx", Some(&right()));
    let request = version.request_of(&records()).unwrap();
    let body = write_infer_request(&request);
    assert!(std::str::from_utf8(&body).unwrap().contains("null"), "some records have no wind");
    let again = parse_infer_request(&body).unwrap();
    assert_eq!(again, request);
    assert_eq!(version.infer(&again).unwrap(), version.infer(&request).unwrap());
}

#[test]
fn records_travel_as_bytes_and_a_not_a_number_is_a_missing_value() {
    if !runtime() {
        return;
    }
    let version = version("boosted.onnx", Some(&right()));
    let request = version.request_of(&records()).unwrap();
    let written = write_infer_request_as_bytes(&request);
    let (again, _) = read_infer_request(written.body(), version.inputs_metadata()).unwrap();
    assert_eq!(again, request);

    let with = |field: &str, to: f64| {
        let mut odd = version.request_of(&records()[..2]).unwrap();
        let tensor = odd.inputs.iter_mut().find(|tensor| tensor.name == field).unwrap();
        let TensorData::Fp64(values) = &mut tensor.data else { panic!("{field} is {:?}", tensor.data) };
        values[1] = to;
        tensor.missing.clear();
        let written = write_infer_request_as_bytes(&odd);
        read_infer_request(written.body(), version.inputs_metadata()).unwrap().0
    };
    let told = |request: &InferRequest| match version.infer(request) {
        Err(error @ InferError::Request(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    expect!["inference input 'distance' is null at index 1: it is required"].assert_eq(&told(&with("distance", f64::NAN)));
    expect!["inference input 'wind_speed' must hold FP64, got inf at index 1"].assert_eq(&told(&with("wind_speed", f64::INFINITY)));
    assert_eq!(answered(&version, &with("wind_speed", f64::NAN)), {
        let mut missing = version.request_of(&records()[..2]).unwrap();
        let tensor = missing.inputs.iter_mut().find(|tensor| tensor.name == "wind_speed").unwrap();
        tensor.missing = vec![false, true];
        answered(&version, &missing)
    });
}

fn answered(version: &Version, request: &InferRequest) -> Vec<f64> {
    version.infer(request).unwrap().scores().unwrap().to_vec()
}
