//! Reads request and response bodies. `data` is skipped on the first pass and read once the datatype is known,
//! because an object's members may come in any order.

use crate::oip::object::Object;
use crate::oip::{Answering, BODY_BYTES_MAX, Body, OipError, TENSORS_MAX, Wanted, binary, data, raw};
use crate::{InferRequest, InferResponse, Tensor};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;
use tidegate_core::model::{Datatype, TensorSpec};

#[derive(Deserialize)]
struct Request<'b> {
    #[serde(default, borrow)]
    id: Option<Cow<'b, str>>,
    #[serde(default)]
    parameters: serde_json::Map<String, serde_json::Value>,
    #[serde(borrow)]
    inputs: Vec<Object<WireTensor<'b>>>,
    #[serde(default, borrow)]
    outputs: Option<Vec<Object<Asked<'b>>>>,
}

#[derive(Deserialize)]
struct Asked<'b> {
    #[serde(borrow)]
    name: Cow<'b, str>,
    #[serde(default)]
    parameters: Option<Object<AskedParameters>>,
}

#[derive(Deserialize)]
struct AskedParameters {
    binary_data: Option<bool>,
    classification: Option<IgnoredAny>,
    shared_memory_region: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Response<'b> {
    #[serde(default)]
    model_name: String,
    #[serde(default)]
    model_version: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow)]
    outputs: Vec<Object<WireTensor<'b>>>,
}

#[derive(Deserialize)]
struct WireTensor<'b> {
    #[serde(borrow)]
    name: Cow<'b, str>,
    shape: Vec<i64>,
    #[serde(borrow)]
    datatype: Cow<'b, str>,
    #[serde(default, borrow)]
    data: Option<&'b RawValue>,
    #[serde(default)]
    parameters: Option<Object<TensorParameters>>,
}

#[derive(Deserialize)]
struct TensorParameters {
    binary_data_size: Option<u64>,
    shared_memory_region: Option<IgnoredAny>,
}

/// Reads the body of an inference request that is JSON alone. `null` in `data` is a missing value.
///
/// # Errors
/// When it is no JSON of that form, is beyond a limit, or values do not fit their datatype or shape.
pub fn parse_infer_request(body: &[u8]) -> Result<InferRequest, OipError> {
    read_infer_request(Body::json(body), &[]).map(|(request, _)| request)
}

/// Reads the body of an inference request, and which outputs it wants as bytes. `inputs` is what the model takes: the
/// shape of a body without JSON follows from it.
///
/// # Errors
/// As [`parse_infer_request`], and when bytes are not as many as they should be.
pub fn read_infer_request(body: Body<'_>, inputs: &[TensorSpec]) -> Result<(InferRequest, Wanted), OipError> {
    let (json, mut rest) = parts(body, "request")?;
    if body.json_bytes == Some(0) {
        return raw::request(rest, inputs);
    }
    let request: Request<'_> = parse(json, "request")?;
    let inputs = tensors(request.inputs, "input", &mut rest)?;
    let asked = request.outputs.unwrap_or_default();
    if asked.len() > TENSORS_MAX {
        return Err(OipError::new(format!("the request asks for more than {TENSORS_MAX} outputs")));
    }
    if let Some(twice) = repeated(asked.iter().map(|asked| &*asked.0.name)) {
        return Err(OipError::new(format!("inference output '{twice}' is asked for twice")));
    }
    let wanted = Wanted {
        all: match request.parameters.get("binary_data_output") {
            None => false,
            Some(serde_json::Value::Bool(all)) => *all,
            Some(_) => return Err(OipError::new("parameter `binary_data_output` must be true or false")),
        },
        each: asked.iter().map(|asked| wanted(&asked.0)).collect::<Result<_, _>>()?,
    };
    let outputs = asked.into_iter().map(|asked| asked.0.name.into_owned()).collect();
    Ok((InferRequest { id: request.id.map(Cow::into_owned), parameters: request.parameters, inputs, outputs }, wanted))
}

/// Whether an output is asked for as bytes, where the request says it.
fn wanted(asked: &Asked<'_>) -> Result<Option<bool>, OipError> {
    let Some(Object(parameters)) = &asked.parameters else { return Ok(None) };
    let unserved = [("classification", &parameters.classification), ("shared_memory_region", &parameters.shared_memory_region)];
    match unserved.iter().find(|(_, given)| given.is_some()) {
        Some((name, _)) => Err(OipError::new(format!("inference output '{}': parameter `{name}` is not served here", asked.name))),
        None => Ok(parameters.binary_data),
    }
}

/// Reads the body of an inference response that is JSON alone.
///
/// # Errors
/// When it is no JSON of that form, is beyond a limit, or values do not fit their datatype or shape.
pub fn parse_infer_response(body: &[u8]) -> Result<(Answering, InferResponse), OipError> {
    read_infer_response(Body::json(body))
}

/// Reads the body of an inference response.
///
/// # Errors
/// As [`parse_infer_response`], and when bytes are not as many as they should be.
pub fn read_infer_response(body: Body<'_>) -> Result<(Answering, InferResponse), OipError> {
    let (json, mut rest) = parts(body, "response")?;
    let response: Response<'_> = parse(json, "response")?;
    let outputs = tensors(response.outputs, "output", &mut rest)?;
    let answering = Answering { model_name: response.model_name, model_version: response.model_version };
    Ok((answering, InferResponse { id: response.id, outputs }))
}

/// Reads one tensor object of our own files, which hold half precision as numbers too.
pub(super) fn one_tensor(json: &str) -> Result<Tensor, OipError> {
    let (json, _) = parts(Body::json(json.as_bytes()), "tensor")?;
    tensor(parse(json, "tensor")?, "tensor", true, &mut [].as_slice())
}

/// The JSON of a body and what follows it.
fn parts<'b>(body: Body<'b>, what: &str) -> Result<(&'b [u8], &'b [u8]), OipError> {
    let bytes = body.bytes;
    if bytes.len() > BODY_BYTES_MAX {
        return Err(OipError::new(format!("the {what} body has {} bytes, at most {BODY_BYTES_MAX} are read", bytes.len())));
    }
    let Some(json_bytes) = body.json_bytes else { return Ok((bytes, &[])) };
    let wrong = || OipError::new(format!("inference header size should be in range (0, {}), got: {json_bytes}", bytes.len()));
    bytes.split_at_checked(json_bytes).ok_or_else(wrong)
}

fn parse<'b, T: Deserialize<'b>>(json: &'b [u8], what: &str) -> Result<T, OipError> {
    serde_json::from_slice(json)
        .map(|Object(value)| value)
        .map_err(|error| OipError::new(format!("failed to parse the {what} JSON: {error}")))
}

/// The tensors; those that are bytes take theirs off the front of `rest`, and nothing may be left.
fn tensors(wire: Vec<Object<WireTensor<'_>>>, what: &str, rest: &mut &[u8]) -> Result<Vec<Tensor>, OipError> {
    if wire.len() > TENSORS_MAX {
        return Err(OipError::new(format!("there are {} {what}s, at most {TENSORS_MAX} are read", wire.len())));
    }
    if let Some(twice) = repeated(wire.iter().map(|tensor| &*tensor.0.name)) {
        return Err(OipError::new(format!("inference {what} '{twice}' is given twice")));
    }
    let tensors = wire.into_iter().map(|Object(wire)| tensor(wire, what, false, rest)).collect::<Result<_, _>>()?;
    match rest.len() {
        0 => Ok(tensors),
        more => Err(OipError::new(format!("unexpected additional {what} data: {more} bytes behind the last tensor"))),
    }
}

pub(super) fn repeated<'n>(names: impl ExactSizeIterator<Item = &'n str> + Clone) -> Option<&'n str> {
    const FEW: usize = 16;
    if names.len() <= FEW {
        return names.clone().enumerate().find(|(i, name)| names.clone().take(*i).any(|other| other == *name)).map(|(_, name)| name);
    }
    let mut seen = std::collections::HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

fn tensor(wire: WireTensor<'_>, what: &str, halves: bool, rest: &mut &[u8]) -> Result<Tensor, OipError> {
    let name = wire.name;
    let wrong = |why: String| OipError::new(format!("inference {what} '{name}': {why}"));
    let datatype = Datatype::parse(&wire.datatype).ok_or_else(|| {
        let all: Vec<_> = Datatype::ALL.iter().map(|d| d.as_str()).collect();
        wrong(format!("there is no datatype `{}`: there are {}", wire.datatype, all.join(", ")))
    })?;
    let size = wire.parameters.as_ref().and_then(|parameters| parameters.0.binary_data_size);
    if wire.parameters.is_some_and(|parameters| parameters.0.shared_memory_region.is_some()) {
        return Err(wrong("parameter `shared_memory_region` is not served here: send the data alone".to_owned()));
    }
    let (data, missing) = match (wire.data, size) {
        (Some(_), Some(_)) => return Err(wrong("it has both `data` and `binary_data_size`".to_owned())),
        (None, None) => return Err(wrong("it has no `data`".to_owned())),
        (Some(_), None) if !halves && matches!(datatype, Datatype::Fp16 | Datatype::Bf16) => {
            return Err(wrong(format!("receiving {datatype} data via JSON is not supported. Please use the binary data format")));
        }
        (Some(json), None) => data::read(json.get(), datatype, &wire.shape).map_err(wrong)?,
        (None, Some(size)) => {
            let taken = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size));
            let Some((bytes, after)) = taken else {
                return Err(wrong(format!("`binary_data_size` is {size}, {} bytes are left of the body", rest.len())));
            };
            *rest = after;
            (binary::read(bytes, datatype, &wire.shape).map_err(wrong)?, Vec::new())
        }
    };
    Ok(Tensor { name: name.into_owned(), shape: wire.shape, data, missing })
}
