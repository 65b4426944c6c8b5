//! Writes request, response and error bodies straight into bytes.

use crate::oip::Answering;
use crate::tensor::each_type;
use crate::{InferRequest, InferResponse, Tensor};
use serde::Serialize;

/// The body of an inference response.
#[must_use]
pub fn write_infer_response(answering: &Answering, response: &InferResponse) -> Vec<u8> {
    let values: usize = response.outputs.iter().map(|tensor| tensor.data.len()).sum();
    let mut out = Vec::with_capacity(160 + 80 * response.outputs.len() + 12 * values);
    out.extend_from_slice(b"{\"model_name\":");
    json(&mut out, &answering.model_name);
    if let Some(version) = &answering.model_version {
        out.extend_from_slice(b",\"model_version\":");
        json(&mut out, version);
    }
    if let Some(id) = &response.id {
        out.extend_from_slice(b",\"id\":");
        json(&mut out, id);
    }
    out.extend_from_slice(b",\"outputs\":");
    tensors(&mut out, &response.outputs);
    out.push(b'}');
    out
}

/// The body of an inference request.
#[must_use]
pub fn write_infer_request(request: &InferRequest) -> Vec<u8> {
    let mut out = Vec::with_capacity(160 + 80 * request.inputs.len());
    out.push(b'{');
    if let Some(id) = &request.id {
        out.extend_from_slice(b"\"id\":");
        json(&mut out, id);
        out.push(b',');
    }
    if !request.parameters.is_empty() {
        out.extend_from_slice(b"\"parameters\":");
        json(&mut out, &request.parameters);
        out.push(b',');
    }
    out.extend_from_slice(b"\"inputs\":");
    tensors(&mut out, &request.inputs);
    if !request.outputs.is_empty() {
        out.extend_from_slice(b",\"outputs\":");
        separated(&mut out, &request.outputs, |out, name| {
            out.extend_from_slice(b"{\"name\":");
            json(out, name);
            out.push(b'}');
        });
    }
    out.push(b'}');
    out
}

/// The body of an error.
#[must_use]
pub fn write_error(message: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + message.len());
    out.extend_from_slice(b"{\"error\":");
    json(&mut out, message);
    out.push(b'}');
    out
}

fn tensors(out: &mut Vec<u8>, tensors: &[Tensor]) {
    separated(out, tensors, tensor);
}

/// One tensor object; `data` is flat, a missing value and a number that JSON does not have are `null`.
pub(super) fn tensor(out: &mut Vec<u8>, tensor: &Tensor) {
    out.extend_from_slice(b"{\"name\":");
    json(out, &tensor.name);
    out.extend_from_slice(b",\"shape\":");
    json(out, &tensor.shape);
    out.extend_from_slice(b",\"datatype\":\"");
    out.extend_from_slice(tensor.datatype().as_str().as_bytes());
    out.extend_from_slice(b"\",\"data\":");
    each_type!(&tensor.data, values => {
        if tensor.missing.iter().any(|missing| *missing) {
            let present: Vec<_> = values.iter().enumerate().map(|(i, value)| (!tensor.is_missing(i)).then_some(value)).collect();
            json(out, &present);
        } else {
            json(out, values);
        }
    });
    out.push(b'}');
}

fn separated<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Appends a value as JSON. Writing into memory does not fail, and our values have only text keys.
fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let whole = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(whole);
        out.extend_from_slice(b"null");
    }
}
