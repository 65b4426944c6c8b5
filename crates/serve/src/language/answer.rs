//! An answer that came whole: its tokens, its texts, and what may be given out of it. And the same question and answer as tensors.

use super::meter::{Generated, Usage};
use super::{OpenAi, Task, TokenCounts};
use crate::frame::{Answer, Body, Outcome};
use crate::scan::blocked;
use serde::Deserialize;
use serde_json::Value;
use tidegate_core::model::{Datatype, Signature, TensorSpec};
use tidegate_core::scan::{Action, Findings, Rules};
use tidegate_runtime::{InferRequest, Tensor, TensorData};

/// The input that holds a request, as JSON.
const REQUEST: &str = "request";
/// The output of texts, one for each choice.
const TEXT: &str = "text";
/// The output of embeddings, one a row.
const EMBEDDING: &str = "embedding";
/// Characters of a server's error that are passed on.
const ERROR_CHARS_MAX: usize = 1_000;

/// What a good answer took.
#[must_use]
pub fn generated(body: &[u8]) -> Generated {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        usage: Option<Usage>,
    }
    let usage = serde_json::from_slice::<Head>(body).ok().and_then(|head| head.usage);
    Generated { tokens: usage.map(TokenCounts::from).unwrap_or_default(), told: usage.is_some(), ..Generated::default() }
}

/// What an error says: `{"message": ..}`, or a text.
#[must_use]
pub fn error_words(error: &Value) -> String {
    let said = error.as_str().or_else(|| error.get("message").and_then(Value::as_str));
    said.map_or_else(|| error.to_string(), str::to_owned).chars().take(ERROR_CHARS_MAX).collect()
}

/// A whole answer as it may be given out, under the rules of the service.
pub fn scanned(answer: Answer, rules: &Rules) -> Answer {
    let keeps = rules.0.values().any(|action| *action != Action::Flag);
    let Ok(mut said) = serde_json::from_slice::<Value>(&answer.body.bytes) else {
        if !keeps {
            return answer;
        }
        let why = "the upstream's answer is not given out: it is no JSON, and `scan` of this service asks for it to be looked through";
        return Answer { outcome: Outcome::Failed, body: Answer::error(Outcome::Failed, why).body, ..answer };
    };
    let mut found = Findings::default();
    let masked = look_through(&mut said, rules, &mut found) | (keeps && without_tokens(&mut said));
    if let Some(kind) = found.blocked(rules) {
        let refused = blocked(kind);
        return Answer { found, body: refused.body, outcome: refused.outcome, ..answer };
    }
    let body = if masked { Body { bytes: said.to_string().into(), form: answer.body.form } } else { answer.body };
    Answer { found, body, ..answer }
}

/// Members that spell the answer once more, token by token: what is cut up is not found.
const SPELT: [&str; 6] = ["logprobs", "top_logprobs", "prompt_logprobs", "token_ids", "prompt_token_ids", "tokens"];

/// Does something with each value, whatever came of the one before; whether anything came of any.
fn each<'v>(values: impl Iterator<Item = &'v mut Value>, mut act: impl FnMut(&mut Value) -> bool) -> bool {
    let mut any = false;
    for value in values {
        any |= act(value);
    }
    any
}

/// Takes them out, wherever they stand; whether any was there.
fn without_tokens(value: &mut Value) -> bool {
    match value {
        Value::Array(all) => each(all.iter_mut(), without_tokens),
        Value::Object(members) => {
            let before = members.len();
            members.retain(|name, _| !SPELT.contains(&name.as_str()));
            let found = members.len() < before;
            each(members.values_mut(), without_tokens) || found
        }
        _ => false,
    }
}

/// Masks what is to be masked in every text of a value, names excepted; whether anything was.
fn look_through(value: &mut Value, rules: &Rules, found: &mut Findings) -> bool {
    match value {
        Value::String(text) => match rules.scan(text, found) {
            Some(masked) => {
                *text = masked;
                true
            }
            None => false,
        },
        Value::Array(all) => each(all.iter_mut(), |one| look_through(one, rules, found)),
        Value::Object(members) => each(members.values_mut(), |one| look_through(one, rules, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Inputs and outputs of a version whose servers speak OpenAI's API, for clients of the Open Inference Protocol.
#[must_use]
pub fn signature(openai: &OpenAi) -> Signature {
    let spec = |name: &str, datatype, shape: &[i64]| TensorSpec { name: name.to_owned(), datatype, shape: shape.to_vec() };
    let output = match openai.task {
        Task::Embedding => spec(EMBEDDING, Datatype::Fp64, &[-1, -1]),
        Task::Chat | Task::Completion | Task::Generate => spec(TEXT, Datatype::Bytes, &[-1]),
    };
    Signature { inputs: vec![spec(REQUEST, Datatype::Bytes, &[1])], outputs: vec![output] }
}

/// The request that stands in a tensor.
///
/// # Errors
/// A sentence, when none does.
pub fn request_of(asked: &InferRequest) -> Result<String, String> {
    match asked.inputs.as_slice() {
        [Tensor { name, data: TensorData::Bytes(texts), .. }] if name == REQUEST && texts.len() == 1 => Ok(texts.concat()),
        _ => Err(format!("the model takes one input, `{REQUEST}`, BYTES [1]: the JSON of a request to OpenAI's API, without `model`")),
    }
}

/// An answer as tensors.
///
/// # Errors
/// A sentence, when it is no answer to `task`.
pub fn tensors(task: Task, body: &[u8]) -> Result<Vec<Tensor>, String> {
    let said: Value = serde_json::from_slice(body).map_err(|why| format!("the upstream's answer cannot be read: {why}"))?;
    let without = |what: &str| format!("the upstream's answer has no {what}");
    if task == Task::Embedding {
        let all = said.get("data").and_then(Value::as_array).ok_or_else(|| without("`data`"))?;
        let row = |one: &Value| one.get("embedding")?.as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>();
        let rows: Vec<Vec<f64>> = all.iter().map(row).collect::<Option<_>>().ok_or_else(|| without("numbers as `embedding`"))?;
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|row| row.len() != width) {
            return Err("the upstream's embeddings are of different lengths".to_owned());
        }
        return Ok(vec![Tensor::new(EMBEDDING, vec![rows.len() as i64, width as i64], TensorData::Fp64(rows.concat()))]);
    }
    let choices = said.get("choices").and_then(Value::as_array).ok_or_else(|| without("`choices`"))?;
    let text = |choice: &Value| {
        let said = if task == Task::Chat { choice.get("message")?.get("content") } else { choice.get("text") };
        // A message that calls tools says nothing.
        said.map(|text| text.as_str().unwrap_or_default().to_owned())
    };
    let texts: Vec<String> = choices.iter().map(text).collect::<Option<_>>().ok_or_else(|| without("text in its choices"))?;
    Ok(vec![Tensor::new(TEXT, vec![texts.len() as i64], TensorData::Bytes(texts))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;
    use tidegate_core::scan::Kind;

    fn chat(content: &str) -> Answer {
        let body = json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "content": content } }], "usage": { "prompt_tokens": 5, "completion_tokens": 2 } });
        Answer { body: Body::json(body.to_string()), ..Answer::empty() }
    }

    fn ruled(action: Action, content: &str) -> Answer {
        scanned(chat(content), &Rules(BTreeMap::from([(Kind::Card, action)])))
    }

    #[test]
    fn a_planted_card_number_in_a_message_is_kept_back() {
        let masked = ruled(Action::Mask, "pay with 4111111111111111 now");
        assert_eq!(
            tensors(Task::Chat, &masked.body.bytes).unwrap()[0].data,
            TensorData::Bytes(vec!["pay with ************1111 now".into()])
        );
        let refused = ruled(Action::Block, "4111111111111111");
        assert_eq!((refused.outcome, refused.told().contains("4111")), (Outcome::Refused, false));
        let flagged = ruled(Action::Flag, "4111111111111111");
        assert_eq!((flagged.body, flagged.found.0), (chat("4111111111111111").body, BTreeMap::from([(Kind::Card, 1)])));
        let spelt = json!({ "choices": [{ "message": { "content": "4111111111111111" }, "logprobs": { "content": [{ "token": "41111111" }, { "token": "11111111" }] } }] });
        let spelt = Answer { body: Body::json(spelt.to_string()), ..Answer::empty() };
        let spelt = scanned(spelt, &Rules(BTreeMap::from([(Kind::Card, Action::Mask)])));
        assert!(!String::from_utf8_lossy(&spelt.body.bytes).contains("1111111"), "{spelt:?}");
        let unread = Answer { body: Body::json("4111111111111111 is no"), ..Answer::empty() };
        let unread = scanned(unread, &Rules(BTreeMap::from([(Kind::Card, Action::Mask)])));
        assert_eq!((unread.outcome, unread.told().contains("4111")), (Outcome::Failed, false));
    }

    #[test]
    fn questions_and_answers_are_tensors_too() {
        let ask = |tensor: Tensor| request_of(&InferRequest { inputs: vec![tensor], ..InferRequest::default() });
        assert_eq!(ask(Tensor::new("request", vec![1], TensorData::Bytes(vec!["{}".into()]))), Ok("{}".to_owned()));
        assert!(ask(Tensor::new("x", vec![1], TensorData::Bytes(vec!["{}".into()]))).is_err());
        let two = json!({ "data": [{ "embedding": [1.0, 2.5] }, { "embedding": [0.0, -1.0] }] }).to_string();
        let found = tensors(Task::Embedding, two.as_bytes()).unwrap();
        assert_eq!((found[0].shape.as_slice(), &found[0].data), (&[2, 2][..], &TensorData::Fp64(vec![1.0, 2.5, 0.0, -1.0])));
        for bad in ["{}", "[]", r#"{"data":[{"embedding":[1]},{"embedding":[]}]}"#, r#"{"data":[{"embedding":"x"}]}"#] {
            assert!(tensors(Task::Embedding, bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(generated(&chat("a").body.bytes).tokens, TokenCounts { input: 5, output: 2 });
        assert_eq!(error_words(&json!({ "message": "no such model", "code": 404 })), "no such model");
    }
}
