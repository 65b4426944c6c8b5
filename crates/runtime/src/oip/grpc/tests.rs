//! Bodies over gRPC: what is read, what is refused, and that any bytes are one or the other.

use super::messages::{
    Contents, InferParameter, ModelConfig, ModelInferRequest, ModelInferResponse, ParameterChoice, Tensor as Message, WantedOutput,
};
use super::{read_request, write_response};
use crate::oip::Answering;
use crate::{InferRequest, InferResponse, Tensor, TensorData};
use half::{bf16, f16};
use proptest::prelude::*;
use prost::Message as _;

fn message(name: &str, datatype: &str, shape: &[i64], contents: Option<Contents>) -> Message {
    Message { name: name.to_owned(), datatype: datatype.to_owned(), shape: shape.to_vec(), contents, ..Message::default() }
}

fn read(inputs: Vec<Message>, raw: Vec<Vec<u8>>) -> Result<InferRequest, String> {
    let request = ModelInferRequest { inputs, raw_input_contents: raw, ..ModelInferRequest::default() };
    read_request(&request.encode_to_vec()).map_err(|error| error.message)
}

#[test]
fn typed_and_raw_contents_say_the_same() {
    let contents = Contents { ints: vec![1, -2], ..Contents::default() };
    let typed = read(vec![message("a", "INT32", &[2], Some(contents))], vec![]).unwrap();
    let raw = read(vec![message("a", "INT32", &[2], None)], vec![[1_i32.to_le_bytes(), (-2_i32).to_le_bytes()].concat()]).unwrap();
    assert_eq!(typed, raw);
    assert_eq!(typed.inputs, [Tensor::new("a".to_owned(), vec![2], TensorData::Int32(vec![1, -2]))]);
    let half = read(vec![message("h", "FP16", &[1], None)], vec![f16::from_f32(1.5).to_le_bytes().to_vec()]).unwrap();
    assert_eq!(half.inputs[0].data, TensorData::Fp16(vec![f16::from_f32(1.5)]));
    // No values are a shape with a 0 in it, however they are sent.
    assert_eq!(read(vec![message("e", "FP32", &[0, 4], None)], vec![]).unwrap().inputs[0].data, TensorData::Fp32(vec![]));
}

#[test]
fn what_a_request_says_beside_its_tensors() {
    let parameter = |choice| InferParameter { choice: Some(choice) };
    let request = ModelInferRequest {
        id: "f1".to_owned(),
        outputs: ["b", "a"].map(|name| WantedOutput { name: name.to_owned(), ..WantedOutput::default() }).to_vec(),
        parameters: [
            ("priority".to_owned(), parameter(ParameterChoice::Uint64(u64::MAX))),
            ("x".to_owned(), parameter(ParameterChoice::Double(f64::NAN))),
            ("y".to_owned(), InferParameter { choice: None }),
        ]
        .into(),
        ..ModelInferRequest::default()
    };
    let read = read_request(&request.encode_to_vec()).unwrap();
    assert_eq!((read.id.as_deref(), read.outputs), (Some("f1"), vec!["b".to_owned(), "a".to_owned()]));
    assert_eq!(serde_json::Value::Object(read.parameters), serde_json::json!({ "priority": u64::MAX }));
}

#[test]
fn mistakes_are_named() {
    let two = Contents { fp32s: vec![1.0, 2.0], ..Contents::default() };
    let large = Contents { ints: vec![300], ..Contents::default() };
    let text = Contents { texts: vec![vec![0xff]], ..Contents::default() };
    for (found, says) in [
        (read(vec![message("a", "FP32", &[3], Some(two.clone()))], vec![]), "shape [3] is 3 values, got 2"),
        (read(vec![message("a", "FP64", &[2], Some(two.clone()))], vec![]), "contents of another datatype than FP64"),
        (read(vec![message("a", "FP64", &[0], Some(two.clone()))], vec![]), "contents of another datatype than FP64"),
        (
            read(vec![message("a", "FP32", &[2], Some(Contents { ints: vec![1], ..two.clone() }))], vec![]),
            "contents of another datatype than FP32",
        ),
        (read(vec![message("a", "FP32", &[-1], Some(two.clone()))], vec![]), "inference input 'a': shape [-1]"),
        (read(vec![message("a", "FP32", &[i64::MAX, i64::MAX], None)], vec![]), "inference input 'a': shape"),
        (read(vec![message("a", "FP32", &[2], Some(two.clone()))], vec![vec![0; 8]]), "when using raw_input_contents for 'a' for model ''"),
        (read(vec![message("a", "FP32", &[2], None)], vec![vec![0; 7]]), "got 7 bytes"),
        (
            read(vec![message("a", "FP32", &[0], None), message("b", "FP32", &[0], None)], vec![vec![]]),
            "for all 2 inputs or for none, got 1",
        ),
        (read(vec![message("a", "FP32", &[0], None), message("a", "FP32", &[0], None)], vec![]), "'a' is given twice"),
        (read(vec![message("a", "INT8", &[1], Some(large))], vec![]), "300 at index 0 is not INT8"),
        (read(vec![message("a", "BYTES", &[1], Some(text))], vec![]), "the text at index 0 is not UTF-8"),
        (read(vec![message("a", "BF16", &[1], None)], vec![]), "BF16 has no typed contents: send raw_input_contents"),
        (read(vec![message("a", "FLOAT", &[1], None)], vec![]), "there is no datatype `FLOAT`"),
        (read_request(&[0xff; 9]).map_err(|error| error.message), "failed to parse the request"),
    ] {
        let found = found.unwrap_err();
        assert!(found.contains(says), "{says}: {found}");
    }
}

#[test]
fn an_output_that_is_wanted_otherwise_than_as_its_values_is_refused() {
    for name in ["classification", "shared_memory_region"] {
        let parameters = [(name.to_owned(), InferParameter { choice: Some(ParameterChoice::Int64(1)) })].into();
        let outputs = vec![WantedOutput { name: "y".to_owned(), parameters }];
        let refused = read_request(&ModelInferRequest { outputs, ..ModelInferRequest::default() }.encode_to_vec()).unwrap_err();
        assert_eq!(refused.message, format!("inference output 'y': parameter `{name}` is not served here"));
    }
}

#[test]
fn answers_carry_bytes_in_the_order_of_their_outputs() {
    let texts = TensorData::Bytes(vec!["é".to_owned(), String::new()]);
    let outputs = vec![
        Tensor::new("t".to_owned(), vec![2], texts),
        Tensor::new("b".to_owned(), vec![1, 1], TensorData::Bf16(vec![bf16::from_f32(2.0)])),
    ];
    let answering = Answering { model_name: "m".to_owned(), model_version: Some("v1".to_owned()) };
    let written = write_response(&answering, &InferResponse { id: Some("f1".to_owned()), outputs });
    let answer = ModelInferResponse::decode(written.as_slice()).unwrap();
    assert_eq!((answer.model_name.as_str(), answer.model_version.as_str(), answer.id.as_str()), ("m", "v1", "f1"));
    assert_eq!(answer.raw_output_contents, [b"\x02\0\0\0\xc3\xa9\0\0\0\0".to_vec(), vec![0x00, 0x40]]);
    let head: Vec<_> =
        answer.outputs.iter().map(|o| (o.name.as_str(), o.datatype.as_str(), o.shape.clone(), o.contents.is_none())).collect();
    assert_eq!(head, [("t", "BYTES", vec![2], true), ("b", "BF16", vec![1, 1], true)]);
}

#[test]
fn a_configuration_is_read_from_its_json() {
    let json = serde_json::json!({
        "name": "m", "platform": "onnxruntime_onnx", "backend": "onnxruntime", "max_batch_size": 0,
        "input": [{ "name": "a", "data_type": "TYPE_FP32", "dims": [-1, 4] }],
        "output": [{ "name": "t", "data_type": "TYPE_STRING", "dims": [-1] }],
    });
    let config: ModelConfig = serde_json::from_value(json).unwrap();
    assert_eq!((config.input[0].data_type, config.output[0].data_type, config.input[0].dims.clone()), (11, 13, vec![-1, 4]));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_request(&bytes);
    }

    #[test]
    fn any_message_is_read_or_refused(
        datatype in "FP32|INT8|BYTES|BF16|X", shape in prop::collection::vec(-2..5_i64, 0..4), raw in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        ints in prop::collection::vec(any::<i32>(), 0..9),
    ) {
        let contents = Contents { ints, ..Contents::default() };
        let _ = read(vec![message("a", &datatype, &shape, Some(contents))], raw.into_iter().collect());
    }
}
