//! Whether a webhook proves to know its secret, in the way of its tool; and what a stranger is told.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tidegate_adapters::signed::{by_github, by_hex, by_pagerduty, by_token};
use tidegate_wire::delivery::Tool;

/// A header's text; empty where there is none.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether a message proves to know the secret.
pub fn proves(tool: Tool, secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name| header(headers, name);
    match tool {
        Tool::Github => by_github(secret, body, header("x-hub-signature-256")),
        // Webhooks of projects carry the secret, external status checks are signed by it.
        Tool::Gitlab if !header("x-gitlab-signature").is_empty() => by_hex(secret, body, header("x-gitlab-signature")),
        Tool::Gitlab => by_token(secret, header("x-gitlab-token")),
        Tool::Pagerduty => by_pagerduty(secret, body, header("x-pagerduty-signature")),
        Tool::Jenkins | Tool::Argo | Tool::Spinnaker | Tool::Cdevents => {
            header("authorization").strip_prefix("Bearer ").is_some_and(|token| by_token(secret, token))
        }
    }
}

/// A stranger is told no more than that, whatever is configured.
pub fn stranger() -> Response {
    (StatusCode::UNAUTHORIZED, axum::Json(json!({ "answer": "this message proves no secret that is known here" }))).into_response()
}
