//! Labels that come later, by request identifier: one, or a list; all of a request or none.

use crate::clock;
use crate::gateway::Shared;
use crate::gateway::handle::{Call, read_body};
use crate::gateway::reply::{Reply, error, json, unknown};
use crate::limits::{FEEDBACK_CHARS_MAX, FEEDBACK_ITEMS_MAX};
use crate::record::FeedbackRecord;
use hyper::StatusCode;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Item {
    request_id: String,
    label: serde_json::Value,
}

/// Answers `POST .../feedback`: 202 once every label is on its way to the lake.
pub async fn feedback(shared: &Arc<Shared>, call: Call) -> Reply {
    let plan = shared.plan.load_full();
    let Some(route) = plan.by_model.get(&call.named.model) else { return unknown(&call.named.model, None) };
    let body = match read_body(shared, &call.headers, call.body).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    let items = match items(&body) {
        Ok(items) => items,
        Err(message) => return error(StatusCode::BAD_REQUEST, &message),
    };
    let count = items.len();
    let Ok(places) = shared.feedback.try_reserve_many(count) else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "labels are not being taken up at present: send them again later");
    };
    let at_ms = clock::wall_ms();
    for (place, Item { request_id, label }) in places.zip(items) {
        place.send(FeedbackRecord { at_ms, service: Arc::clone(&route.service), model: Arc::clone(&route.model), request_id, label });
    }
    json(StatusCode::ACCEPTED, &serde_json::json!({ "accepted": count }))
}

/// The labels in a body, or what is wrong with it.
pub(crate) fn items(body: &[u8]) -> Result<Vec<Item>, String> {
    let form = "feedback is {\"request_id\": .., \"label\": ..} or a list of them";
    let first = body.iter().find(|b| !b.is_ascii_whitespace());
    let items: Vec<Item> = match first {
        Some(b'[') => serde_json::from_slice(body),
        _ => serde_json::from_slice(body).map(|item| vec![item]),
    }
    .map_err(|e| format!("{form}: {e}"))?;
    if items.len() > FEEDBACK_ITEMS_MAX {
        return Err(format!("{} labels, at most {FEEDBACK_ITEMS_MAX} in one request", items.len()));
    }
    for (index, item) in items.iter().enumerate() {
        check(item).map_err(|why| format!("label {index}: {why}"))?;
    }
    Ok(items)
}

fn check(item: &Item) -> Result<(), String> {
    if item.request_id.is_empty() || item.request_id.len() > FEEDBACK_CHARS_MAX {
        return Err(format!("`request_id` must have 1 to {FEEDBACK_CHARS_MAX} characters"));
    }
    match &item.label {
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) => Ok(()),
        serde_json::Value::String(text) if text.len() <= FEEDBACK_CHARS_MAX => Ok(()),
        serde_json::Value::String(_) => Err(format!("`label` must have at most {FEEDBACK_CHARS_MAX} characters")),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            Err("`label` must be a number, text, true or false".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(body: &str) -> String {
        match items(body.as_bytes()) {
            Ok(items) => items.iter().map(|i| format!("{}={} ", i.request_id, i.label)).collect(),
            Err(message) => message,
        }
    }

    #[test]
    fn one_or_a_list_or_what_is_wrong() {
        assert_eq!(says(r#"{"request_id":"a","label":1}"#), "a=1 ");
        assert_eq!(says(r#" [{"request_id":"a","label":true},{"request_id":"b","label":"late"}]"#), "a=true b=\"late\" ");
        assert_eq!(says(r#"[{"request_id":"a","label":null}]"#), "label 0: `label` must be a number, text, true or false");
        assert_eq!(says(r#"{"request_id":"","label":1}"#), "label 0: `request_id` must have 1 to 1024 characters");
        assert!(says("[1]").starts_with("feedback is "));
        assert!(says("").starts_with("feedback is "));
    }
}
