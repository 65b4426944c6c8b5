//! Golden requests: recorded, checked, and every way in which an answer can be wrong is seen.

use crate::support::{directory, expected, flights, numbers, records, right, runtime, version};
use serde_json::json;
use tidegate_runtime::{Golden, Tensor, TensorData, Version};

fn authored(n: usize) -> Golden {
    let requests: Vec<_> = records().into_iter().take(n).map(|record| json!({ "id": record["id"], "record": record })).collect();
    Golden::parse(json!({ "requests": requests }).to_string().as_bytes()).unwrap()
}

#[test]
fn recorded_answers_are_given_again_by_the_same_version_only() {
    if !runtime() {
        return;
    }
    let recorded = version("boosted.onnx", Some(&right())).record_golden(&authored(20)).unwrap();
    let json = recorded.to_json().unwrap();
    assert_eq!(Golden::parse(json.as_bytes()).unwrap().to_json().unwrap(), json);

    let same = Version::open(directory("boosted.onnx", Some(&right()), Some(&json)).path()).unwrap();
    let report = same.check_golden();
    assert!(report.is_right() && report.asked == 20, "{report:?}");

    let slipped = flights(json!({ "named": "America/New_York" }), json!({ "value": 10.35702 }));
    let other = Version::open(directory("boosted.onnx", Some(&slipped), Some(&json)).path()).unwrap();
    let report = other.check_golden();
    assert!(!report.is_right() && report.misses.iter().all(|miss| miss.why.contains("known is")), "{report:?}");

    let refusing = flights(json!({ "column": "dest_zone" }), json!("refuse"));
    let report = Version::open(directory("boosted.onnx", Some(&refusing), Some(&json)).path()).unwrap().check_golden();
    assert!(report.misses.iter().any(|miss| miss.why.starts_with("refused by this version")), "{report:?}");
}

#[test]
fn no_golden_request_and_no_recorded_answer_prove_nothing() {
    if !runtime() {
        return;
    }
    let version = version("boosted.onnx", Some(&right()));
    assert!(!version.check_golden().is_right());
    let report = version.check_golden_of(&authored(1));
    assert_eq!(report.misses[0].why, "its answer was never recorded");
}

#[test]
fn an_authors_own_score_is_checked_when_answers_are_recorded() {
    if !runtime() {
        return;
    }
    let version = version("boosted.onnx", Some(&right()));
    let mut golden = authored(1);
    golden.requests[0].expect.score = Some(numbers(&expected()["boosted"]["score"])[0]);
    assert!(version.check_golden_of(&version.record_golden(&golden).unwrap()).is_right());
    golden.requests[0].expect.score = Some(0.123);
    let error = version.record_golden(&golden).unwrap_err().to_string();
    assert!(error.contains("record golden request `flight-0`: score is") && error.ends_with("known is 0.123"), "{error}");
}

#[test]
fn every_kind_of_wrong_answer_is_seen() {
    if !runtime() {
        return;
    }
    let version = version("boosted.onnx", Some(&right()));
    let recorded = version.record_golden(&authored(1)).unwrap();
    let miss = |change: fn(&mut Vec<Tensor>)| {
        let mut golden = recorded.clone();
        change(&mut golden.requests[0].expect.outputs);
        let report = version.check_golden_of(&golden);
        assert_eq!(report.misses.len(), 1);
        report.misses[0].why.clone()
    };
    assert!(miss(|o| o[0].data = TensorData::Int64(vec![7])).starts_with("output `label` differs"));
    assert!(miss(|o| o[0].name = "class".into()).starts_with("output `class` is missing"));
    assert!(miss(|o| o[1].shape = vec![2, 1]).starts_with("output `probabilities` has shape [1, 2]"));
    assert!(miss(|o| o[0].data = TensorData::Int32(vec![0])).starts_with("output `label` is INT64"));
    assert!(miss(|o| o[1].missing = vec![true, false]).contains("known is not finite"));
    assert!(
        miss(|o| {
            let TensorData::Fp32(p) = &mut o[1].data else { panic!() };
            p.reverse();
        })
        .starts_with("output `probabilities` at index 0")
    );
    assert!(
        miss(|o| {
            let TensorData::Fp64(score) = &mut o[2].data else { panic!() };
            score[0] += 2e-4;
        })
        .starts_with("output `score` at index 0")
    );
    assert!(
        miss(|o| {
            o[1].shape = vec![0, 2];
            o[1].data = TensorData::Fp32(vec![]);
        })
        .starts_with("output `probabilities` has shape")
    );
}

#[test]
fn files_that_are_no_golden_requests_say_why() {
    let parse = |json: serde_json::Value| Golden::parse(json.to_string().as_bytes()).unwrap_err();
    assert_eq!(parse(json!({ "requests": [] })), "golden requests: 1 to 1024 are needed, got 0");
    assert_eq!(parse(json!({ "v": 2, "requests": [] })), "golden requests: form 2 is newer than this program's 1: upgrade it");
    let twice = json!({ "id": "a", "record": {} });
    assert_eq!(parse(json!({ "requests": [twice, twice] })), "golden request `a` is there twice");
    assert_eq!(parse(json!({ "requests": [{ "id": "a" }] })), "golden request `a` needs either `record` or `inputs`");
    assert!(parse(json!({ "requests": [{ "id": "a", "records": {} }] })).contains("unknown field `records`"));
}
