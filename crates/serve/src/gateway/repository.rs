//! The model repository as the protocol's extension asks for it. What is served is decided by releases and not by whoever
//! has a token to ask for predictions: the index tells, loading what is served does nothing, unloading is refused.

use crate::gateway::Shared;
use crate::gateway::handle::{Call, read_body};
use crate::gateway::reply::{Reply, error, json, unknown};
use crate::plan::PlanRoute;
use crate::pool::TargetState;
use bytes::Bytes;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Default, Deserialize)]
struct Index {
    #[serde(default)]
    ready: bool,
}

#[derive(Default, Deserialize)]
struct Load {
    #[serde(default)]
    parameters: serde_json::Map<String, Value>,
}

/// Answers `POST /v2/repository/index`: every version with weight.
pub async fn index(shared: &Shared, call: Call) -> Reply {
    match body(shared, call).await {
        Ok(Index { ready }) => json(StatusCode::OK, &Value::Array(listed(shared, ready))),
        Err(reply) => reply,
    }
}

/// Every version with weight; of those that answer only where `ready`.
pub fn listed(shared: &Shared, ready: bool) -> Vec<Value> {
    let plan = shared.plan.load();
    let mut routes: Vec<_> = plan.by_model.values().collect();
    routes.sort_by(|a, b| a.model.cmp(&b.model));
    routes.into_iter().flat_map(|route| lines(route, ready)).collect()
}

fn lines(route: &PlanRoute, ready_only: bool) -> Vec<Value> {
    let mut lines = Vec::new();
    for version in route.versions() {
        let ready = route.targets.iter().any(|t| t.id.version == version && t.slot.ready());
        if ready || !ready_only {
            let state = if ready { "READY" } else { "UNAVAILABLE" };
            let reason = if ready { String::new() } else { reason(route, version) };
            lines.push(json!({ "name": &*route.model, "version": version, "state": state, "reason": reason }));
        }
    }
    lines
}

/// Why a version does not answer now.
fn reason(route: &PlanRoute, version: &str) -> String {
    let state = route.of_version(version).map(|target| target.slot.state.borrow().clone());
    match state {
        Some(TargetState::Restarting { why, .. } | TargetState::Away { why } | TargetState::Failed { why }) => why,
        Some(TargetState::Draining | TargetState::Unloaded) => "it is being unloaded".to_owned(),
        Some(TargetState::Starting | TargetState::Ready) | None => "its worker is being started".to_owned(),
    }
}

/// Answers `POST /v2/repository/models/{model}/load`: nothing is done, and 200 says that the model is served.
pub async fn load(shared: &Shared, call: Call) -> Reply {
    let model = call.named.model.clone();
    match body(shared, call).await {
        Ok(Load { parameters }) => loaded(shared, &model, parameters.keys().next().map(String::as_str)),
        Err(reply) => reply,
    }
}

/// Whether a model is served that somebody wants loaded, perhaps with parameters, one of which is `parameter`.
pub fn loaded(shared: &Shared, model: &str, parameter: Option<&str>) -> Reply {
    let plan = shared.plan.load();
    let Some(route) = plan.by_model.get(model) else { return unknown(model, None) };
    if let Some(name) = parameter {
        let message = format!(
            "load model '{model}': parameter `{name}` is not taken: configuration and files come with a version, and `tidegate release` serves it"
        );
        return error(StatusCode::BAD_REQUEST, &message);
    }
    if route.targets.iter().any(|t| t.slot.ready()) {
        json(StatusCode::OK, &json!({}))
    } else {
        error(StatusCode::SERVICE_UNAVAILABLE, &format!("model '{model}' has no ready worker"))
    }
}

/// Answers `POST /v2/repository/models/{model}/unload`.
pub fn unload(shared: &Shared, model: &str) -> Reply {
    if !shared.plan.load().by_model.contains_key(model) {
        return unknown(model, None);
    }
    let message = format!(
        "unload model '{model}': releases decide what is served, not clients: `tidegate release start` brings another version, \
         `tidegate release undo` the one before"
    );
    error(StatusCode::CONFLICT, &message)
}

/// The body, or what it is when there is none.
async fn body<T: Default + serde::de::DeserializeOwned>(shared: &Shared, call: Call) -> Result<T, Reply> {
    let bytes: Bytes = read_body(shared, &call.headers, call.body).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(&bytes).map_err(|why| error(StatusCode::BAD_REQUEST, &format!("failed to parse the request JSON: {why}")))
}
