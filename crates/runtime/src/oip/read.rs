//! Reads request and response bodies. `data` is skipped on the first pass and read once the datatype is known,
//! because an object's members may come in any order.

use crate::oip::{Answering, BODY_BYTES_MAX, OipError, TENSORS_MAX, data};
use crate::{InferRequest, InferResponse, Tensor};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use tidegate_core::model::Datatype;

#[derive(Deserialize)]
struct Request<'b> {
    #[serde(default, borrow)]
    id: Option<Cow<'b, str>>,
    #[serde(default)]
    parameters: serde_json::Map<String, serde_json::Value>,
    #[serde(borrow)]
    inputs: Vec<WireTensor<'b>>,
    #[serde(default, borrow)]
    outputs: Option<Vec<Wanted<'b>>>,
}

#[derive(Deserialize)]
struct Wanted<'b> {
    #[serde(borrow)]
    name: Cow<'b, str>,
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
    outputs: Vec<WireTensor<'b>>,
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
}

/// Reads the body of an inference request. `null` in `data` is a missing value.
///
/// # Errors
/// When it is no JSON of that form, is beyond a limit, or values do not fit their datatype or shape.
pub fn parse_infer_request(body: &[u8]) -> Result<InferRequest, OipError> {
    let request: Request<'_> = parse(body, "request")?;
    let inputs = tensors(request.inputs, "input")?;
    let outputs = request.outputs.unwrap_or_default();
    if outputs.len() > TENSORS_MAX {
        return Err(OipError::new(format!("the request asks for more than {TENSORS_MAX} outputs")));
    }
    let outputs: Vec<String> = outputs.into_iter().map(|wanted| wanted.name.into_owned()).collect();
    if let Some(twice) = repeated(outputs.iter().map(String::as_str)) {
        return Err(OipError::new(format!("inference output '{twice}' is asked for twice")));
    }
    Ok(InferRequest { id: request.id.map(Cow::into_owned), parameters: request.parameters, inputs, outputs })
}

/// Reads the body of an inference response.
///
/// # Errors
/// When it is no JSON of that form, is beyond a limit, or values do not fit their datatype or shape.
pub fn parse_infer_response(body: &[u8]) -> Result<(Answering, InferResponse), OipError> {
    let response: Response<'_> = parse(body, "response")?;
    let outputs = tensors(response.outputs, "output")?;
    let answering = Answering { model_name: response.model_name, model_version: response.model_version };
    Ok((answering, InferResponse { id: response.id, outputs }))
}

/// Reads one tensor object.
pub(super) fn one_tensor(json: &str) -> Result<Tensor, OipError> {
    let wire: WireTensor<'_> = parse(json.as_bytes(), "tensor")?;
    tensor(wire, "tensor")
}

fn parse<'b, T: Deserialize<'b>>(body: &'b [u8], what: &str) -> Result<T, OipError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(OipError::new(format!("the {what} body has {} bytes, at most {BODY_BYTES_MAX} are read", body.len())));
    }
    serde_json::from_slice(body).map_err(|error| OipError::new(format!("failed to parse the {what} JSON: {error}")))
}

fn tensors(wire: Vec<WireTensor<'_>>, what: &str) -> Result<Vec<Tensor>, OipError> {
    if wire.len() > TENSORS_MAX {
        return Err(OipError::new(format!("there are {} {what}s, at most {TENSORS_MAX} are read", wire.len())));
    }
    if let Some(twice) = repeated(wire.iter().map(|tensor| &*tensor.name)) {
        return Err(OipError::new(format!("inference {what} '{twice}' is given twice")));
    }
    wire.into_iter().map(|wire| tensor(wire, what)).collect()
}

fn repeated<'n>(names: impl ExactSizeIterator<Item = &'n str> + Clone) -> Option<&'n str> {
    const FEW: usize = 16;
    if names.len() <= FEW {
        return names.clone().enumerate().find(|(i, name)| names.clone().take(*i).any(|other| other == *name)).map(|(_, name)| name);
    }
    let mut seen = std::collections::HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

fn tensor(wire: WireTensor<'_>, what: &str) -> Result<Tensor, OipError> {
    let name = wire.name;
    let wrong = |why: String| OipError::new(format!("inference {what} '{name}': {why}"));
    let datatype = Datatype::parse(&wire.datatype).ok_or_else(|| {
        let all: Vec<_> = Datatype::ALL.iter().map(|d| d.as_str()).collect();
        wrong(format!("there is no datatype `{}`: there are {}", wire.datatype, all.join(", ")))
    })?;
    let raw = wire.data.ok_or_else(|| wrong("it has no `data`".to_owned()))?;
    let (data, missing) = data::read(raw.get(), datatype, &wire.shape).map_err(wrong)?;
    Ok(Tensor { name: name.into_owned(), shape: wire.shape, data, missing })
}
