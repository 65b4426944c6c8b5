//! Reasons and batches: values sum to the prediction, whatever is sampled, and together is as alone.

use crate::support::{directory, records, right, runtime, version};
use serde_json::json;
use tidegate_runtime::{Golden, InferRequest, Method, Version};

/// The boosted model with some records as golden requests.
fn golden_version(n: usize) -> Version {
    let requests: Vec<_> = records().into_iter().take(n).map(|record| json!({ "id": record["id"], "record": record })).collect();
    let golden = Golden::parse(json!({ "requests": requests }).to_string().as_bytes()).unwrap();
    let recorded = version("boosted.onnx", Some(&right())).record_golden(&golden).unwrap();
    let directory = directory("boosted.onnx", Some(&right()), Some(&recorded.to_json().unwrap()));
    Version::open(directory.path()).unwrap()
}

/// `more` for so many calls.
fn times(n: usize) -> impl FnMut() -> bool {
    let mut left = n;
    move || {
        left = left.saturating_sub(1);
        left > 0
    }
}

#[test]
fn values_of_fields_and_what_is_expected_sum_to_the_score() {
    if !runtime() {
        return;
    }
    let version = golden_version(16);
    let request = version.request_of(&records()[20..23]).unwrap();
    let scores = version.infer(&request).unwrap().scores().unwrap().to_vec();
    // As many rounds as there are golden rows: every row was compared with each of them once.
    let explained = version.explain(&request, &mut times(3 * 16)).unwrap();
    let fields = explained.features.len();
    assert_eq!((explained.method, explained.outputs, explained.expected.len()), (Method::Sampled, 1, 3));
    assert!(explained.features.contains(&"dest_zone".to_owned()) && explained.features.contains(&"id".to_owned()));
    let typical = version.score_records(&records()[..16]).unwrap().into_iter().map(Result::unwrap).sum::<f64>() / 16.0;
    for (row, score) in scores.iter().enumerate() {
        let values = &explained.values[row * fields..(row + 1) * fields];
        let sum: f64 = values.iter().sum::<f64>() + explained.expected[row];
        assert!((sum - score).abs() < 1e-6, "row {row}: {sum} {score}");
        assert!((explained.expected[row] - typical).abs() < 1e-6, "row {row}: {} {typical}", explained.expected[row]);
        let of = |name: &str| values[explained.features.iter().position(|f| f == name).unwrap()];
        assert_eq!(of("id"), 0.0, "the model does not look at the id");
        assert!(values.iter().any(|value| value.abs() > 1e-3), "{values:?}");
    }
    assert!(explained.errors.iter().all(|error| error.is_finite()));
    // The same request and the same rounds give the same values.
    assert_eq!(version.explain(&request, &mut times(3 * 16)).unwrap(), explained);
}

#[test]
fn the_more_orders_are_sampled_the_surer_the_values() {
    if !runtime() {
        return;
    }
    let version = golden_version(16);
    let request = version.request_of(&records()[20..21]).unwrap();
    let widest = |rounds: usize| {
        let errors = version.explain(&request, &mut times(rounds)).unwrap().errors;
        errors.into_iter().fold(0.0, f64::max)
    };
    assert!(widest(256) < widest(16) / 2.0, "{} {}", widest(256), widest(16));
}

#[test]
fn what_cannot_be_explained_says_why() {
    if !runtime() {
        return;
    }
    let told = |version: &Version, request: &InferRequest, n: usize| version.explain(request, &mut times(n)).unwrap_err().to_string();
    let bare = version("boosted.onnx", Some(&right()));
    let request = bare.request_of(&records()[..2]).unwrap();
    assert_eq!(told(&bare, &request, 9), "explain: the version has no golden requests to compare with");
    let version = golden_version(4);
    assert_eq!(told(&version, &request, 1), "explain: 1 of 2 rows were explained in the time given: raise `explain_ms` or send fewer rows");
    let many: Vec<_> = records().into_iter().cycle().take(300).collect();
    let many = version.request_of(&many).unwrap();
    assert_eq!(told(&version, &many, 9), "explain: the request has 300 rows, at most 256 are explained: send fewer");
    let wrong = InferRequest { outputs: vec!["none".to_owned()], ..request.clone() };
    assert!(version.explain(&wrong, &mut times(9)).is_ok(), "which outputs are wanted is another matter");
    let missing = InferRequest { inputs: request.inputs[1..].to_vec(), ..request };
    assert!(told(&version, &missing, 9).starts_with("inference input"));
}

#[test]
fn requests_that_are_put_together_are_answered_as_alone() {
    if !runtime() {
        return;
    }
    let version = version("boosted.onnx", Some(&right()));
    assert!(version.takes_batches());
    let all = records();
    let mut requests: Vec<InferRequest> = (0..10).map(|n| version.request_of(&all[n..n + 1 + n % 3]).unwrap()).collect();
    requests[3].outputs = vec!["score".to_owned()];
    requests[4].id = Some("mine".to_owned());
    let ask = |requests: &[InferRequest]| version.infer_together(&requests.iter().collect::<Vec<_>>());
    let together = ask(&requests).unwrap();
    for (request, (response, observed)) in requests.iter().zip(&together) {
        let (alone, seen) = version.infer_observed(request);
        assert_eq!((response, observed), (&alone.unwrap(), &seen));
    }
    // One that is refused spoils no other: all are asked alone then.
    requests[5].inputs.remove(0);
    assert_eq!(ask(&requests), None);
    requests[5].inputs.clear();
    assert_eq!(ask(&requests), None);
    assert_eq!(version.infer_together(&[]), None);
}
