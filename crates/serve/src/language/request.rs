//! A request as the gateway reads it, and as it goes to the model's servers.

use super::{OpenAi, Task};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What the gateway reads of a request to OpenAI's API.
#[derive(Debug, Deserialize, PartialEq)]
pub struct Asked<'b> {
    /// Who is to answer.
    #[serde(borrow)]
    pub model: Cow<'b, str>,
    /// Whether the answer is wanted while it comes.
    #[serde(default)]
    pub stream: Option<bool>,
}

/// What the gateway reads of a request to OpenAI's API.
///
/// # Errors
/// A sentence, when it is no such request.
pub fn asked(body: &[u8]) -> Result<Asked<'_>, String> {
    serde_json::from_slice(body).map_err(|why| format!("the body is no request to a language model: {why}"))
}

/// A request as a server takes it.
#[derive(Debug, PartialEq)]
pub struct Prepared {
    /// Its body.
    pub body: Vec<u8>,
    /// Whether the client itself asked to be told of tokens at the end of a stream.
    pub usage_wanted: bool,
}

/// The request as the servers of `model` take it: their name of the model, the version's prompt and parameters, and a stream where one is
/// `wanted`, which tells of its tokens at the end.
///
/// # Errors
/// A sentence, when the request does not fit.
pub fn prepared(body: &[u8], task: Task, model: &str, openai: &OpenAi, wanted: bool) -> Result<Prepared, String> {
    let mut request: Map<String, Value> =
        serde_json::from_slice(body).map_err(|why| format!("the body is no request to a language model: {why}"))?;
    request.insert("model".to_owned(), model.into());
    prompt(&mut request, task, openai)?;
    for (name, value) in &openai.parameters {
        request.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let options = request.remove("stream_options");
    let usage_wanted = options.as_ref().and_then(|o| o.get("include_usage")) == Some(&Value::Bool(true));
    request.remove("stream");
    if wanted {
        let mut options = match options {
            Some(Value::Object(options)) => options,
            _ => Map::new(),
        };
        options.insert("include_usage".to_owned(), true.into());
        request.insert("stream".to_owned(), true.into());
        request.insert("stream_options".to_owned(), options.into());
    }
    Ok(Prepared { body: Value::Object(request).to_string().into_bytes(), usage_wanted })
}

/// Adds what the version says to the model.
fn prompt(request: &mut Map<String, Value>, task: Task, openai: &OpenAi) -> Result<(), String> {
    let Some(prompt) = openai.prompt.as_ref() else { return Ok(()) };
    let said = match (&prompt.template, request.remove("variables")) {
        (Some(template), Some(Value::Object(variables))) => Some(filled(template, &variables)?),
        (None, Some(_)) => return Err("`variables` are for a version whose prompt has a template: this one has none".to_owned()),
        (Some(_), Some(_)) => return Err("`variables` must be an object: a value for each name of the prompt".to_owned()),
        (_, None) => None,
    };
    match task {
        Task::Chat => {
            let mut messages = match request.remove("messages") {
                Some(Value::Array(messages)) => messages,
                None if said.is_some() => Vec::new(),
                None if prompt.template.is_some() => {
                    return Err("the request needs `messages`, or `variables` for the version's prompt".to_owned());
                }
                None => return Err("the request needs `messages`".to_owned()),
                Some(_) => return Err("`messages` must be a list".to_owned()),
            };
            if let Some(system) = &prompt.system {
                messages.insert(0, json!({ "role": "system", "content": system }));
            }
            messages.extend(said.map(|text| json!({ "role": "user", "content": text })));
            request.insert("messages".to_owned(), messages.into());
        }
        Task::Completion => {
            let before = prompt.system.as_deref().map_or_else(String::new, |system| format!("{system}\n\n"));
            let text = match (said, request.remove("prompt")) {
                (Some(_), Some(_)) => return Err("the request has `prompt` and `variables`: send one of them".to_owned()),
                (Some(said), None) => said,
                (None, Some(Value::String(text))) => text,
                (None, Some(_)) => return Err("`prompt` must be one text: this version adds its own to it".to_owned()),
                (None, None) => return Err("the request needs `prompt`, or `variables` for the version's own".to_owned()),
            };
            request.insert("prompt".to_owned(), format!("{before}{text}").into());
        }
        Task::Embedding | Task::Generate => {}
    }
    Ok(())
}

/// The parts of a template: text, and the name behind it.
fn parts(template: &str) -> Result<Vec<(&str, Option<&str>)>, String> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or("a `{{` has no `}}`")?;
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!("`{{{{{name}}}}}` is no name: letters, digits and `_`"));
        }
        parts.push((text, Some(name)));
        rest = after;
    }
    parts.push((rest, None));
    Ok(parts)
}

/// The names in a template.
///
/// # Errors
/// A sentence, when it is none.
pub fn names(template: &str) -> Result<Vec<&str>, String> {
    Ok(parts(template)?.into_iter().filter_map(|(_, name)| name).collect())
}

/// A template with its names replaced. What is put in is not looked at for names again.
fn filled(template: &str, variables: &Map<String, Value>) -> Result<String, String> {
    let parts = parts(template)?;
    let known: BTreeMap<&str, ()> = parts.iter().filter_map(|(_, name)| Some(((*name)?, ()))).collect();
    if let Some(unknown) = variables.keys().find(|name| !known.contains_key(name.as_str())) {
        return Err(format!("the version's prompt has no `{unknown}`"));
    }
    let mut text = String::new();
    for (before, name) in parts {
        text.push_str(before);
        let Some(name) = name else { continue };
        match variables.get(name) {
            Some(Value::String(value)) => text.push_str(value),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => text.push_str(&value.to_string()),
            Some(_) => return Err(format!("`{name}` of the version's prompt must be a text or a number")),
            None => return Err(format!("`{name}` of the version's prompt is missing in `variables`")),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::Prompt;
    use super::*;

    fn openai(system: Option<&str>, template: Option<&str>) -> OpenAi {
        let prompt = Prompt { system: system.map(str::to_owned), template: template.map(str::to_owned) };
        OpenAi { prompt: Some(prompt), parameters: json!({ "temperature": 0.5 }).as_object().unwrap().clone(), ..OpenAi::default() }
    }

    fn of(body: Value, task: Task, openai: &OpenAi, wanted: bool) -> Result<Value, String> {
        prepared(body.to_string().as_bytes(), task, "there", openai, wanted).map(|p| serde_json::from_slice(&p.body).unwrap())
    }

    #[test]
    fn the_versions_prompt_stands_around_what_is_asked() {
        let version = openai(Some("be brief"), Some("Translate {{ text }} to {{lang}}."));
        let body = json!({ "model": "ours", "variables": { "text": "{{lang}}", "lang": "German" }, "temperature": 0 });
        let expected = json!({
            "model": "there", "temperature": 0,
            "messages": [{ "role": "system", "content": "be brief" }, { "role": "user", "content": "Translate {{lang}} to German." }]
        });
        assert_eq!(of(body.clone(), Task::Chat, &version, false), Ok(expected));
        let completed = of(json!({ "model": "ours", "prompt": "Once" }), Task::Completion, &version, false).unwrap();
        assert_eq!((&completed["prompt"], &completed["temperature"]), (&json!("be brief\n\nOnce"), &json!(0.5)));
        for (body, why) in [
            (json!({ "variables": { "text": "a" } }), "`lang` of the version's prompt is missing in `variables`"),
            (json!({ "variables": { "text": "a", "lang": "b", "x": 1 } }), "the version's prompt has no `x`"),
            (json!({ "variables": { "text": "a", "lang": [] } }), "`lang` of the version's prompt must be a text or a number"),
            (json!({}), "the request needs `messages`, or `variables` for the version's prompt"),
        ] {
            assert_eq!(of(body, Task::Chat, &version, false), Err(why.to_owned()));
        }
        for bad in ["{{", "{{ }}", "{{a b}}", "{{a.b}}"] {
            assert!(names(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_stream_tells_of_its_tokens_and_anything_else_is_none() {
        let plain = OpenAi::default();
        let body = json!({ "model": "ours", "stream": true, "messages": [], "stream_options": { "x": 1 } });
        let got = of(body.clone(), Task::Chat, &plain, true).unwrap();
        assert_eq!((&got["stream"], &got["stream_options"]), (&json!(true), &json!({ "x": 1, "include_usage": true })));
        let got = of(body, Task::Chat, &plain, false).unwrap();
        assert_eq!(got, json!({ "model": "there", "messages": [] }));
        let wanted = br#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
        assert!(prepared(wanted, Task::Chat, "m", &plain, true).unwrap().usage_wanted);
        assert_eq!(asked(wanted), Ok(Asked { model: "m".into(), stream: Some(true) }));
        assert!(asked(b"{}").is_err() && asked(b"[1]").is_err() && prepared(b"7", Task::Chat, "m", &plain, true).is_err());
    }

    #[test]
    fn what_a_version_cannot_be_is_said_when_it_is_read() {
        let fits = |text: &str| serde_json::from_str::<OpenAi>(text).map_err(|e| e.to_string()).and_then(|o| o.check());
        assert_eq!(fits("{}"), Ok(()));
        assert_eq!(fits(r#"{"base": "/openai/v1", "price": {"input": 0.15, "output": 0.6}, "prompt": {"template": "{{a}}"}}"#), Ok(()));
        for bad in [
            r#"{"base": "v1"}"#,
            r#"{"base": "/v1/"}"#,
            r#"{"base": "/v1\r\nx: y"}"#,
            r#"{"price": {"input": -1, "output": 0}}"#,
            r#"{"parameters": {"stream": true}}"#,
            r#"{"prompt": {"template": "{{"}}"#,
            r#"{"task": "embedding", "prompt": {"system": "x"}}"#,
            r#"{"task": "generate"}"#,
        ] {
            assert!(fits(bad).is_err(), "{bad}");
        }
    }
}
