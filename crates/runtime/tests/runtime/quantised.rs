//! A smaller model: matrix products of whole numbers, and how near its answers stay.

use crate::support::{directory, fixture, runtime};
use serde_json::Value as Json;
use tidegate_runtime::quantise::quantise;
use tidegate_runtime::{InferRequest, Tensor, TensorData, Version};

/// Rows of the network, and the digits that they show.
fn rows() -> (Vec<InferRequest>, Vec<i64>) {
    let rows: Vec<Json> = serde_json::from_slice(&std::fs::read(fixture("dense.json")).unwrap()).unwrap();
    let request = |row: &Json| {
        let pixels = row["pixels"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
        InferRequest { inputs: vec![Tensor::new("pixels", vec![1, 64], TensorData::Fp32(pixels))], ..InferRequest::default() }
    };
    (rows.iter().map(request).collect(), rows.iter().map(|row| row["digit"].as_i64().unwrap()).collect())
}

fn version(model: &[u8]) -> Version {
    let directory = directory("dense.onnx", None, None);
    std::fs::write(directory.path().join("model.onnx"), model).unwrap();
    Version::open(directory.path()).unwrap()
}

#[test]
fn a_network_of_eight_bits_is_smaller_and_decides_as_before() {
    if !runtime() {
        return;
    }
    let whole = std::fs::read(fixture("dense.onnx")).unwrap();
    let made = quantise(&whole).unwrap();
    assert_eq!((made.taken, made.left), (2, 1), "the product of two results is left");
    assert!(made.model.len() * 2 < whole.len(), "{} of {}", made.model.len(), whole.len());
    let (before, after) = (version(&whole), version(&made.model));
    let (requests, digits) = rows();
    let compared = before.compare(&after, &requests).unwrap();
    assert_eq!((compared.rows, compared.numbers), (100, 1_100));
    assert!(compared.mean > 0.0 && compared.mean < 0.05 && compared.changed <= 2, "{compared:?}");
    let right = |version: &Version| {
        let hit = |(request, digit): &(&InferRequest, &i64)| {
            let answer = version.infer(request).unwrap();
            let of = |at: i64| answer.output("probabilities").unwrap().data.number(at as usize).unwrap();
            (0..10).all(|other| of(other) <= of(**digit))
        };
        requests.iter().zip(&digits).filter(hit).count()
    };
    assert!(right(&before) > 90 && right(&after) + 2 >= right(&before), "{} {}", right(&before), right(&after));
    assert_eq!(before.compare(&before, &requests).unwrap().largest, 0.0);
    // Once is enough: what was taken is no product of fractions any more.
    assert!(quantise(&made.model).unwrap_err().contains("none of its 1 matrix products"));
}

#[test]
fn what_cannot_be_made_smaller_says_why() {
    let told = |name: &str| quantise(&std::fs::read(fixture(name)).unwrap()).unwrap_err();
    assert!(told("simple.onnx").contains("there is nothing to be made smaller"), "{}", told("simple.onnx"));
    assert_eq!(told("expected.json"), "it is no ONNX model");
    assert_eq!(quantise(b"").unwrap_err(), "it names no opset");
    let whole = std::fs::read(fixture("dense.onnx")).unwrap();
    for cut in 0..whole.len().min(400) {
        // Cut anywhere it is refused with a sentence, or is a model that still has products.
        let _ = quantise(&whole[..cut]);
        let _ = quantise(&whole[cut..]);
    }
}
