//! Bodies of the inference protocol: what is read is written, and read again the same.

use prost::Message;
use tidegate_core::model::{Datatype, TensorSpec};
use tidegate_runtime::oip::grpc::messages as m;
use tidegate_runtime::oip::{self, Body};
use tidegate_runtime::{Golden, InferRequest};
use tidegate_serve::Form;

/// Longest message of gRPC.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What a model takes, of every datatype that is read in a way of its own.
fn specs() -> Vec<TensorSpec> {
    let spec = |name: &str, datatype, shape| TensorSpec { name: name.to_owned(), datatype, shape };
    vec![
        spec("x", Datatype::Fp32, vec![-1, 4]),
        spec("y", Datatype::Fp64, vec![-1]),
        spec("t", Datatype::Bytes, vec![-1]),
        spec("b", Datatype::Bool, vec![-1]),
        spec("n", Datatype::Int64, vec![-1, -1]),
        spec("u", Datatype::Uint8, vec![2]),
        spec("h", Datatype::Fp16, vec![-1]),
        spec("f", Datatype::Bf16, vec![-1]),
    ]
}

/// A request that was read can be written, and is then read the same.
fn survives(request: &InferRequest) {
    // Numbers of half precision are not read from JSON.
    if request.inputs.iter().all(|tensor| !matches!(tensor.datatype(), Datatype::Fp16 | Datatype::Bf16)) {
        let written = oip::write_infer_request(request);
        let again = oip::parse_infer_request(&written).expect("what is written can be read");
        assert_eq!(oip::write_infer_request(&again), written, "a request is read as it was written");
    }
    // What is missing has no bytes; everything else is the same in either form.
    if request.inputs.iter().all(|tensor| tensor.missing.is_empty()) {
        let written = oip::write_infer_request_as_bytes(request);
        let (again, _) = oip::read_infer_request(written.body(), &[]).expect("what is written can be read");
        assert_eq!(oip::write_infer_request_as_bytes(&again), written, "a request is read as it was written");
    }
}

pub fn json(bytes: &[u8]) {
    if let Ok(request) = oip::parse_infer_request(bytes) {
        survives(&request);
    }
    let _ = oip::read_infer_request(Body::json(bytes), &specs());
    if let Ok((answering, response)) = oip::parse_infer_response(bytes) {
        let written = oip::write_infer_response(&answering, &response);
        let (answering, again) = oip::parse_infer_response(&written).expect("what is written can be read");
        assert_eq!(oip::write_infer_response(&answering, &again), written, "an answer is read as it was written");
        let _ = oip::grpc::write_response(&answering, &response);
    }
    if let Ok(golden) = Golden::parse(bytes) {
        let written = golden.to_json().expect("what was read can be written");
        Golden::parse(written.as_bytes()).expect("what is written can be read");
    }
    tidegate_serve::fuzz::identity(bytes, Form::Json);
}

pub fn binary(bytes: &[u8]) {
    let Some((length, body)) = bytes.split_first_chunk() else { return };
    let json_bytes = usize::from(u16::from_le_bytes(*length));
    let whole = Body { bytes: body, json_bytes: Some(json_bytes) };
    for inputs in [specs().as_slice(), &[], specs().get(..1).unwrap_or_default()] {
        if let Ok((request, wanted)) = oip::read_infer_request(whole, inputs) {
            let _ = wanted.is_binary(json_bytes);
            survives(&request);
        }
    }
    if let Ok((answering, response)) = oip::read_infer_response(whole) {
        let _ = oip::write_infer_response(&answering, &response);
        for wanted in [true, false] {
            let _ = oip::answer(&answering, &response, &oip::Wanted::binary(wanted));
        }
    }
    if json_bytes <= body.len() {
        tidegate_serve::fuzz::identity(body, Form::Mixed(u32::from(u16::from_le_bytes(*length))));
    }
}

pub fn grpc(bytes: &[u8]) {
    let Some((framed, message)) = bytes.split_first() else { return };
    match framed % 4 {
        0 => return tidegate_serve::fuzz::grpc_frames(message, None, MESSAGE_BYTES_MAX),
        1 => return tidegate_serve::fuzz::grpc_frames(message, Some(framed & 4 == 0), MESSAGE_BYTES_MAX),
        _ => {}
    }
    if let Ok(request) = oip::grpc::read_request(message) {
        survives(&request);
    }
    tidegate_serve::fuzz::identity(message, Form::Grpc);
    // Messages that the gateway reads itself, and those that it answers.
    let _ = m::Addressed::decode(message);
    let _ = m::NamedModel::decode(message);
    let _ = m::RepositoryIndexRequest::decode(message);
    let _ = m::RepositoryModelLoad::decode(message);
    let _ = m::HealthCheckRequest::decode(message);
    let _ = m::ModelInferResponse::decode(message);
}
