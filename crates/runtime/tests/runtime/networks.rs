//! Networks of PyTorch, small: what `forward` said of some rows, and what is answered. `scripts/model-kinds.sh` does so with every kind and on
//! ten thousand rows; the files are of its `kinds_torch.py`.

use crate::support::{fixture, runtime};
use serde_json::Value as Json;
use tidegate_runtime::{Model, Tensor, TensorData};

/// Sums in another order differ in the last bits of single precision.
const FAR: f64 = 1e-5;

fn tensor(json: &Json) -> Tensor {
    let (shape, data) = (json["shape"].as_array().unwrap(), json["data"].as_array().unwrap());
    let data = match json["datatype"].as_str().unwrap() {
        "INT64" => TensorData::Int64(data.iter().map(|n| n.as_i64().unwrap()).collect()),
        _ => TensorData::Fp32(data.iter().map(|n| n.as_f64().unwrap() as f32).collect()),
    };
    Tensor::new(json["name"].as_str().unwrap(), shape.iter().map(|n| n.as_i64().unwrap()).collect(), data)
}

#[test]
fn networks_answer_as_forward_does() {
    if !runtime() {
        return;
    }
    let expected: Json = serde_json::from_slice(&std::fs::read(fixture("torch/expected.json")).unwrap()).unwrap();
    let cases = expected["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let name = case["file"].as_str().unwrap();
        let model = Model::load(&fixture("torch").join(name)).unwrap();
        let inputs: Vec<Tensor> = case["inputs"].as_array().unwrap().iter().map(tensor).collect();
        let output = model.run(&inputs).unwrap().remove(0);
        let said: Vec<f64> = case["said"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
        assert_eq!(output.data.len(), said.len(), "{name}");
        for (at, wanted) in said.iter().enumerate() {
            let got = output.data.number(at).unwrap();
            assert!((got - wanted).abs() <= FAR * wanted.abs().max(1.0), "{name}: value {at} is {got}, `forward` says {wanted}");
        }
    }
}
