//! Requests and answers of the protocol over gRPC: the bodies alone. Values come in the list that fits their datatype or as bytes; answers
//! carry bytes always, which every client reads. Not here: HTTP/2, status codes, who answers.

pub mod messages;

#[cfg(test)]
mod tests;

use crate::oip::data::wanted;
use crate::oip::read::repeated;
use crate::oip::{Answering, BODY_BYTES_MAX, OipError, TENSORS_MAX, binary};
use crate::{InferRequest, InferResponse, Tensor, TensorData};
use messages::{Contents, InferParameter, ModelInferRequest, ModelInferResponse, ParameterChoice};
use prost::Message;
use serde_json::Value;
use tidegate_core::model::Datatype;

/// Parameters of an output that ask for something other than its values.
const UNSERVED: [&str; 2] = ["classification", "shared_memory_region"];

/// Reads a request.
///
/// # Errors
/// When it is no such message, is beyond a limit, or values do not fit their datatype or shape.
pub fn read_request(bytes: &[u8]) -> Result<InferRequest, OipError> {
    if bytes.len() > BODY_BYTES_MAX {
        return Err(OipError::new(format!("the request has {} bytes, at most {BODY_BYTES_MAX} are read", bytes.len())));
    }
    let request = ModelInferRequest::decode(bytes).map_err(|why| OipError::new(format!("failed to parse the request: {why}")))?;
    let ModelInferRequest { model_name, id, parameters, inputs, outputs, raw_input_contents: raw, .. } = request;
    if inputs.len() > TENSORS_MAX || outputs.len() > TENSORS_MAX {
        return Err(OipError::new(format!("the request has more than {TENSORS_MAX} inputs or outputs")));
    }
    let is_both = |input: &&messages::Tensor| input.contents.as_ref().is_some_and(|contents| *contents != Contents::default());
    if let Some(both) = inputs.iter().find(is_both).filter(|_| !raw.is_empty()) {
        // Triton's words, which its clients look for.
        let what = "contents field must not be specified when using raw_input_contents";
        return Err(OipError::new(format!("{what} for '{}' for model '{model_name}'", both.name)));
    }
    if !raw.is_empty() && raw.len() != inputs.len() {
        let message = format!("expected raw_input_contents for all {} inputs or for none, got {}", inputs.len(), raw.len());
        return Err(OipError::new(message));
    }
    if let Some(twice) = repeated(inputs.iter().map(|tensor| tensor.name.as_str())) {
        return Err(OipError::new(format!("inference input '{twice}' is given twice")));
    }
    if let Some(twice) = repeated(outputs.iter().map(|wanted| wanted.name.as_str())) {
        return Err(OipError::new(format!("inference output '{twice}' is asked for twice")));
    }
    for wanted in &outputs {
        if let Some(name) = UNSERVED.iter().find(|name| wanted.parameters.contains_key(**name)) {
            return Err(OipError::new(format!("inference output '{}': parameter `{name}` is not served here", wanted.name)));
        }
    }
    let mut raw = raw.into_iter();
    let inputs = inputs.into_iter().map(|input| tensor(input, raw.next())).collect::<Result<Vec<_>, _>>()?;
    Ok(InferRequest {
        id: Some(id).filter(|id| !id.is_empty()),
        parameters: parameters.into_iter().filter_map(|(name, value)| Some((name, parameter(value)?))).collect(),
        inputs,
        outputs: outputs.into_iter().map(|wanted| wanted.name).collect(),
    })
}

/// A parameter as JSON has it; none where it has no value, or one that JSON has not.
fn parameter(parameter: InferParameter) -> Option<Value> {
    match parameter.choice? {
        ParameterChoice::Bool(b) => Some(Value::Bool(b)),
        ParameterChoice::Int64(n) => Some(n.into()),
        ParameterChoice::Uint64(n) => Some(n.into()),
        ParameterChoice::Text(text) => Some(text.into()),
        ParameterChoice::Double(x) => serde_json::Number::from_f64(x).map(Value::Number),
    }
}

fn tensor(input: messages::Tensor, raw: Option<Vec<u8>>) -> Result<Tensor, OipError> {
    let messages::Tensor { name, datatype, shape, contents, parameters } = input;
    let wrong = |why: String| OipError::new(format!("inference input '{name}': {why}"));
    if parameters.contains_key("shared_memory_region") {
        return Err(wrong("shared memory is not spoken: send the values".to_owned()));
    }
    let datatype = Datatype::parse(&datatype).ok_or_else(|| {
        let all: Vec<_> = Datatype::ALL.iter().map(|d| d.as_str()).collect();
        wrong(format!("there is no datatype `{datatype}`: there are {}", all.join(", ")))
    })?;
    let data = match raw {
        Some(raw) => binary::read(&raw, datatype, &shape),
        None => listed(contents.unwrap_or_default(), datatype, &shape),
    };
    Ok(Tensor::new(name.clone(), shape, data.map_err(wrong)?))
}

/// Values from the list of their datatype.
fn listed(contents: Contents, datatype: Datatype, shape: &[i64]) -> Result<TensorData, String> {
    let Contents { bools, ints, int64s, uints, uint64s, fp32s, fp64s, texts } = contents;
    let wanted = wanted(shape)?;
    let lists = [bools.len(), ints.len(), int64s.len(), uints.len(), uint64s.len(), fp32s.len(), fp64s.len(), texts.len()];
    let given: usize = lists.iter().sum();
    // A macro because each branch narrows to another type.
    macro_rules! narrow {
        ($values:expr, $kind:ty) => {
            $values
                .into_iter()
                .enumerate()
                .map(|(index, value)| <$kind>::try_from(value).map_err(|_| format!("{value} at index {index} is not {datatype}")))
                .collect::<Result<Vec<$kind>, String>>()?
        };
    }
    let data = match datatype {
        Datatype::Bool => TensorData::Bool(bools),
        Datatype::Int8 => TensorData::Int8(narrow!(ints, i8)),
        Datatype::Int16 => TensorData::Int16(narrow!(ints, i16)),
        Datatype::Int32 => TensorData::Int32(ints),
        Datatype::Int64 => TensorData::Int64(int64s),
        Datatype::Uint8 => TensorData::Uint8(narrow!(uints, u8)),
        Datatype::Uint16 => TensorData::Uint16(narrow!(uints, u16)),
        Datatype::Uint32 => TensorData::Uint32(uints),
        Datatype::Uint64 => TensorData::Uint64(uint64s),
        Datatype::Fp32 => TensorData::Fp32(fp32s),
        Datatype::Fp64 => TensorData::Fp64(fp64s),
        Datatype::Bytes => TensorData::Bytes(
            texts
                .into_iter()
                .enumerate()
                .map(|(index, text)| {
                    String::from_utf8(text).map_err(|_| format!("the text at index {index} is not UTF-8, and models take only such"))
                })
                .collect::<Result<_, _>>()?,
        ),
        Datatype::Fp16 | Datatype::Bf16 => return Err(format!("{datatype} has no typed contents: send raw_input_contents")),
    };
    match data.len() {
        own if own != given => Err(format!("it has contents of another datatype than {datatype}")),
        own if own != wanted => Err(format!("shape {shape:?} is {wanted} values, got {own}")),
        _ => Ok(data),
    }
}

/// Writes an answer.
#[must_use]
pub fn write_response(answering: &Answering, response: &InferResponse) -> Vec<u8> {
    let output = |tensor: &Tensor| messages::Tensor {
        name: tensor.name.clone(),
        datatype: tensor.data.datatype().as_str().to_owned(),
        shape: tensor.shape.clone(),
        ..messages::Tensor::default()
    };
    let bytes = |tensor: &Tensor| {
        let mut out = Vec::with_capacity(binary::size(&tensor.data));
        binary::write(&mut out, &tensor.data);
        out
    };
    ModelInferResponse {
        model_name: answering.model_name.clone(),
        model_version: answering.model_version.clone().unwrap_or_default(),
        id: response.id.clone().unwrap_or_default(),
        outputs: response.outputs.iter().map(output).collect(),
        raw_output_contents: response.outputs.iter().map(bytes).collect(),
        ..ModelInferResponse::default()
    }
    .encode_to_vec()
}
