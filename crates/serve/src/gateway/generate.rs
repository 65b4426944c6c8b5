//! Triton's `generate` where a version of ours answers: members of the body are tensors by their names, and so are those of the answer.

use crate::frame::{Body, Form};
use crate::gateway::Shared;
use crate::gateway::infer::said;
use crate::gateway::language::Wish;
use crate::gateway::predict::{Place, Said, predict};
use crate::gateway::reply::{Reply, error};
use crate::language::{Task, of_answer};
use crate::pool::Priority;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::model::TensorSpec;

/// Answers with the outputs by their names; as the one event of a stream where that is wished for.
pub async fn by_tensors(
    shared: &Arc<Shared>,
    wish: Wish,
    (_place, priority): (Place, Priority),
    streams: bool,
    inputs: &[TensorSpec],
) -> Reply {
    let body = match request(&wish.bytes, inputs) {
        Ok(body) => Body { bytes: body.into(), form: Form::Json },
        Err(why) => return error(StatusCode::BAD_REQUEST, &why),
    };
    let deadline = Duration::from_millis(shared.settings.timings.answer_ms_max);
    let came = predict(shared, wish.asked(&body, priority, deadline, None)).await;
    let Said::Answer { status: StatusCode::OK, body, version, by, found } = came else { return said(came, &wish.headers).await };
    let answer = match flat(&body.bytes) {
        Ok(answer) => answer,
        Err(why) => return error(StatusCode::INTERNAL_SERVER_ERROR, &why),
    };
    let bytes: Bytes = if streams { of_answer(Task::Generate, &answer, false) } else { answer.to_string().into() };
    let answered = Said::Answer { status: StatusCode::OK, body: Body { bytes, form: Form::Json }, version, by, found };
    let mut reply = said(answered, &wish.headers).await;
    if streams {
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    }
    reply
}

/// The request as tensors: members that are no input of the model are parameters.
fn request(body: &[u8], inputs: &[TensorSpec]) -> Result<String, String> {
    let members: Map<String, Value> = serde_json::from_slice(body).map_err(|why| format!("the body is no request to generate: {why}"))?;
    let (mut tensors, mut parameters, mut id) = (Vec::new(), Map::new(), None);
    for (name, value) in members {
        match (inputs.iter().find(|spec| spec.name == name), name.as_str()) {
            (Some(spec), _) => tensors.push(tensor(spec, value)?),
            (None, "id") => id = Some(value),
            (None, "parameters") => match value {
                Value::Object(all) => parameters.extend(all),
                Value::Null => {}
                _ => return Err("`parameters` must be an object".to_owned()),
            },
            (None, _) => {
                parameters.insert(name, value);
            }
        }
    }
    let mut request = json!({ "inputs": tensors, "parameters": parameters });
    if let (Some(id), Some(request)) = (id, request.as_object_mut()) {
        request.insert("id".to_owned(), id);
    }
    Ok(request.to_string())
}

/// A value as a tensor of that input: one, or a list of them, nested or not.
fn tensor(spec: &TensorSpec, value: Value) -> Result<Value, String> {
    let mut values = Vec::new();
    flattened(value, &mut values);
    let fixed: i64 = spec.shape.iter().filter(|n| **n >= 0).product::<i64>().max(1);
    let count = i64::try_from(values.len()).unwrap_or(i64::MAX);
    if count % fixed != 0 {
        return Err(format!("input `{}` takes {fixed} values, or a multiple of it: {count} were sent", spec.name));
    }
    // The first dimension of any length takes what the others leave; further ones are 1.
    let mut any = count / fixed;
    let dimension = |n: &i64| if *n >= 0 { *n } else { std::mem::replace(&mut any, 1) };
    let shape: Vec<i64> = spec.shape.iter().map(dimension).collect();
    Ok(json!({ "name": spec.name, "datatype": spec.datatype.as_str(), "shape": shape, "data": values }))
}

fn flattened(value: Value, into: &mut Vec<Value>) {
    match value {
        Value::Array(all) => all.into_iter().for_each(|one| flattened(one, into)),
        value => into.push(value),
    }
}

/// An answer with its outputs by their names: one value as itself, several as a list.
fn flat(body: &[u8]) -> Result<Value, String> {
    let mut answer: Map<String, Value> =
        serde_json::from_slice(body).map_err(|why| format!("the version's answer cannot be read: {why}"))?;
    let outputs = match answer.remove("outputs") {
        Some(Value::Array(outputs)) => outputs,
        _ => Vec::new(),
    };
    for mut output in outputs {
        let name = output.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let value = match output.get_mut("data").map(Value::take).unwrap_or_default() {
            Value::Array(mut all) if all.len() == 1 => all.pop().unwrap_or(Value::Null),
            data => data,
        };
        answer.insert(name, value);
    }
    Ok(Value::Object(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::model::Datatype;

    #[test]
    fn members_are_tensors_by_their_names() {
        let spec = |name: &str, shape: &[i64]| TensorSpec { name: name.to_owned(), datatype: Datatype::Fp32, shape: shape.to_vec() };
        let inputs = [spec("x", &[-1]), spec("y", &[-1, 2])];
        let body = json!({ "id": "7", "x": 1.5, "y": [[1, 2], [3, 4]], "stream": false, "parameters": { "a": 1 } }).to_string();
        let got: Value = serde_json::from_str(&request(body.as_bytes(), &inputs).unwrap()).unwrap();
        let expected = json!({ "id": "7", "parameters": { "a": 1, "stream": false }, "inputs": [
            { "name": "x", "datatype": "FP32", "shape": [1], "data": [1.5] },
            { "name": "y", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4] },
        ] });
        assert_eq!(got, expected);
        assert_eq!(request(br#"{"y": [1, 2, 3]}"#, &inputs), Err("input `y` takes 2 values, or a multiple of it: 3 were sent".to_owned()));
        assert!(request(b"[]", &inputs).is_err() && request(br#"{"parameters": 1}"#, &inputs).is_err());
    }

    #[test]
    fn outputs_are_members_by_their_names() {
        let body = json!({ "model_name": "m", "outputs": [{ "name": "p", "datatype": "FP32", "shape": [1], "data": [0.5] }, { "name": "q", "data": [1, 2] }] });
        assert_eq!(flat(body.to_string().as_bytes()), Ok(json!({ "model_name": "m", "p": 0.5, "q": [1, 2] })));
        assert_eq!(flat(br#"{"outputs":[1]}"#), Ok(json!({ "": null })));
        assert!(flat(b"no").is_err());
    }
}
