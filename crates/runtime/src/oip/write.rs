//! Writes request, response and error bodies straight into bytes.

use crate::oip::{Answering, OipError, Wanted, Written, binary};
use crate::{InferRequest, InferResponse, Tensor, TensorData};
use serde::Serialize;

/// The body of an inference response in JSON. Half precision is written as numbers, which readers of requests refuse:
/// [`answer`] is what clients are sent.
#[must_use]
pub fn write_infer_response(answering: &Answering, response: &InferResponse) -> Vec<u8> {
    response_with(answering, response, &Wanted::default()).bytes
}

/// The body of an inference response, each output as it is wanted.
///
/// # Errors
/// When half precision is wanted in JSON.
pub fn answer(answering: &Answering, response: &InferResponse, wanted: &Wanted) -> Result<Written, OipError> {
    let halved = |tensor: &Tensor| matches!(tensor.data, TensorData::Fp16(_) | TensorData::Bf16(_));
    match response.outputs.iter().enumerate().find(|(index, tensor)| halved(tensor) && !wanted.is_binary(*index)) {
        None => Ok(response_with(answering, response, wanted)),
        Some((_, Tensor { name, data, .. })) => Err(OipError::new(format!(
            "inference output '{name}': sending {} data via JSON is not supported. Please use the binary data format",
            data.datatype()
        ))),
    }
}

fn response_with(answering: &Answering, response: &InferResponse, wanted: &Wanted) -> Written {
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
    tensors(&mut out, &response.outputs, |index| wanted.is_binary(index));
    out.push(b'}');
    followed(out, &response.outputs, |index| wanted.is_binary(index))
}

/// The body of an inference request in JSON.
#[must_use]
pub fn write_infer_request(request: &InferRequest) -> Vec<u8> {
    request_with(request, |_| false).bytes
}

/// The body of an inference request whose inputs are bytes, but for those that lack values: only JSON can say that.
#[must_use]
pub fn write_infer_request_as_bytes(request: &InferRequest) -> Written {
    request_with(request, |index| request.inputs.get(index).is_some_and(|tensor| !tensor.missing.contains(&true)))
}

fn request_with(request: &InferRequest, is_binary: impl Fn(usize) -> bool) -> Written {
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
    tensors(&mut out, &request.inputs, &is_binary);
    if !request.outputs.is_empty() {
        out.extend_from_slice(b",\"outputs\":");
        separated(&mut out, &request.outputs, |out, _, name| {
            out.extend_from_slice(b"{\"name\":");
            json(out, name);
            out.push(b'}');
        });
    }
    out.push(b'}');
    followed(out, &request.inputs, is_binary)
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

fn tensors(out: &mut Vec<u8>, tensors: &[Tensor], is_binary: impl Fn(usize) -> bool) {
    separated(out, tensors, |out, index, tensor| if is_binary(index) { announce(out, tensor) } else { self::tensor(out, tensor) });
}

/// The JSON that was written, and behind it the tensors that are bytes.
fn followed(json: Vec<u8>, tensors: &[Tensor], is_binary: impl Fn(usize) -> bool) -> Written {
    let mut written = Written { json_bytes: None, bytes: json };
    for (_, tensor) in tensors.iter().enumerate().filter(|(index, _)| is_binary(*index)) {
        written.json_bytes.get_or_insert(written.bytes.len());
        written.bytes.reserve(binary::size(&tensor.data));
        binary::write(&mut written.bytes, &tensor.data);
    }
    written
}

/// One tensor object whose values follow the JSON.
fn announce(out: &mut Vec<u8>, tensor: &Tensor) {
    head(out, tensor);
    out.extend_from_slice(b"\"parameters\":{\"binary_data_size\":");
    json(out, &binary::size(&tensor.data));
    out.extend_from_slice(b"}}");
}

/// One tensor object; `data` is flat, a missing value and a number that JSON does not have are `null`.
pub(super) fn tensor(out: &mut Vec<u8>, tensor: &Tensor) {
    head(out, tensor);
    out.extend_from_slice(b"\"data\":");
    match &tensor.data {
        TensorData::Fp16(values) => data(out, tensor, &values.iter().map(|x| x.to_f32()).collect::<Vec<_>>()),
        TensorData::Bf16(values) => data(out, tensor, &values.iter().map(|x| x.to_f32()).collect::<Vec<_>>()),
        TensorData::Bool(values) => data(out, tensor, values),
        TensorData::Uint8(values) => data(out, tensor, values),
        TensorData::Uint16(values) => data(out, tensor, values),
        TensorData::Uint32(values) => data(out, tensor, values),
        TensorData::Uint64(values) => data(out, tensor, values),
        TensorData::Int8(values) => data(out, tensor, values),
        TensorData::Int16(values) => data(out, tensor, values),
        TensorData::Int32(values) => data(out, tensor, values),
        TensorData::Int64(values) => data(out, tensor, values),
        TensorData::Fp32(values) => data(out, tensor, values),
        TensorData::Fp64(values) => data(out, tensor, values),
        TensorData::Bytes(values) => data(out, tensor, values),
    }
    out.push(b'}');
}

fn data<T: Serialize>(out: &mut Vec<u8>, tensor: &Tensor, values: &[T]) {
    if tensor.missing.contains(&true) {
        let present: Vec<_> = values.iter().enumerate().map(|(i, value)| (!tensor.is_missing(i)).then_some(value)).collect();
        json(out, &present);
    } else {
        json(out, values);
    }
}

/// A tensor object up to its values.
fn head(out: &mut Vec<u8>, tensor: &Tensor) {
    out.extend_from_slice(b"{\"name\":");
    json(out, &tensor.name);
    out.extend_from_slice(b",\"shape\":");
    json(out, &tensor.shape);
    out.extend_from_slice(b",\"datatype\":\"");
    out.extend_from_slice(tensor.datatype().as_str().as_bytes());
    out.extend_from_slice(b"\",");
}

fn separated<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, usize, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, index, item);
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
