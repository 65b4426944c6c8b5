//! Whether a version may be released now, for whoever asks: the facts are gathered here, `core::deployment::may` says what they
//! come to. Nothing is started, and nobody is asked.

use super::api::{Api, Failed};
use super::watchman::Block;
use super::{gating, people};
use crate::clock;
use crate::exit::{self, failure};
use crate::steps::register;
use anyhow::Result;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_core::access::{self, Access, Leave, Subject, Withheld};
use tidegate_core::deployment::may::{all, approvals, gates};
use tidegate_core::deployment::{Answer, Condition};
use tidegate_core::id::At;
use tidegate_core::model::{ModelVersion, Models, State as Registry};

/// When whoever waits may ask again, in seconds.
const AGAIN_S: &str = "15";

/// The registry of a service's model.
///
/// # Errors
/// When there is no such service; the journal's failures.
pub async fn registry(api: &Api, service: &str) -> Result<Registry> {
    let all = &api.opened.config.services;
    let of = all.get(service).ok_or_else(|| exit::unknown("tell what may be released", service, all.keys()))?;
    api.plane.control().state::<Models>(register::stream(&of.model)).await
}

/// Every condition of a release of a version by a strategy, for a person who would start it.
///
/// # Errors
/// When the journal cannot be read.
pub async fn conditions(api: &Api, service: &str, version: &ModelVersion, strategy: &str) -> Result<Vec<Condition>> {
    let registry = registry(api, service).await?;
    let mut found = vec![gates(&version.version, registry.gates.get(&version.version))];
    found.push(
        of_people(api, service, version, strategy, |state, subject, of, counts, at| access::leave(state, subject, of, counts, at)).await?,
    );
    found.push(of_blocks(api.watchman.block(service, &version.model, &version.version, strategy).await));
    found.push(under_way(api, service).await?);
    Ok(found)
}

/// The same for what another tool starts by itself: a broken glass is waited out, and the approval of whoever wants it does not count.
/// What halts a release is looked at last, and only where nothing else keeps it back: drift is much to read.
///
/// # Errors
/// When the journal cannot be read.
pub async fn conditions_by_itself(
    api: &Api,
    service: &str,
    version: &ModelVersion,
    strategy: &str,
    wanted_by: Option<&str>,
) -> Result<Vec<Condition>> {
    let registry = registry(api, service).await?;
    let mut found = vec![gates(&version.version, registry.gates.get(&version.version))];
    let leave = |state: &access::State, subject: &Subject, of, counts: &dyn Fn(&str) -> bool, at| {
        access::leave_by_itself(state, subject, of, |name| counts(name) && Some(name) != wanted_by, at)
    };
    found.push(of_people(api, service, version, strategy, leave).await?);
    found.push(under_way(api, service).await?);
    if found.iter().all(|condition| condition.answer == Answer::Yes) {
        found.push(of_blocks(api.watchman.block_by_itself(service, &version.model, &version.version, strategy).await));
    }
    Ok(found)
}

fn of_blocks(blocked: Result<Option<Block>>) -> Condition {
    match blocked {
        Ok(Some(block)) => Condition::new(block.kind, Answer::Waits, block.why),
        Ok(None) => Condition::new("freeze", Answer::Yes, "nothing halts it"),
        // What cannot be told blocks too.
        Err(error) => Condition::new("freeze", Answer::Waits, format!("{error:#}")),
    }
}

async fn under_way(api: &Api, service: &str) -> Result<Condition> {
    let newest = api.plane.newest(service).await?;
    let open = newest.filter(|(_, state)| state.rollout().is_some_and(|open| !open.phase.is_terminal()));
    Ok(match open {
        Some((id, _)) => Condition::new("under_way", Answer::Waits, format!("{id} is under way: its end comes first")),
        None => Condition::new("under_way", Answer::Yes, "no other release is"),
    })
}

async fn of_people(
    api: &Api,
    service: &str,
    version: &ModelVersion,
    strategy: &str,
    leave: impl Fn(&access::State, &Subject, u32, &dyn Fn(&str) -> bool, At) -> Result<Leave, Withheld>,
) -> Result<Condition> {
    let config = &api.opened.config;
    let subject = match people::subject(config, service, version, strategy) {
        Ok(subject) => subject,
        Err(error) => return Ok(Condition::new("strategy", Answer::No, format!("{error:#}"))),
    };
    let of = config.services.get(service).map_or(0, |s| s.approvals);
    let state = api.plane.control().state::<Access>(people::stream(service)).await?;
    let counts = |name: &str| config.approves(name, service);
    Ok(approvals(&leave(&state, &subject, of, &counts, clock::now())))
}

/// By which strategy.
#[derive(Deserialize, Default)]
pub struct By {
    #[serde(default)]
    strategy: Option<String>,
}

async fn told(api: &Api, service: &str, version: &str, by: By, by_itself: bool) -> Result<Value> {
    let registry = registry(api, service).await?;
    let found = registry.versions.get(version).ok_or_else(|| {
        let known = registry.versions.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        failure(exit::NOT_FOUND, format!("tell whether version {version} of {service} may be released: there is none; known are {known}"))
    })?;
    let strategy = match by.strategy {
        Some(strategy) => strategy,
        None => gating::next(&api.plane, &api.opened.config, service).await?.0,
    };
    let conditions = if by_itself {
        conditions_by_itself(api, service, found, &strategy, None).await?
    } else {
        conditions(api, service, found, &strategy).await?
    };
    let finding = all(&conditions);
    Ok(json!({
        "service": service, "version": version, "strategy": strategy,
        "answer": finding.answer, "why": finding.why, "conditions": conditions,
    }))
}

/// For clients of the API: always 200, what is found stands in the body.
pub async fn may(
    State(api): State<Api>,
    Path((service, version)): Path<(String, String)>,
    Query(by): Query<By>,
) -> Result<Response, Failed> {
    Ok(axum::Json(told(&api, &service, &version, by, false).await?).into_response())
}

/// For jobs that look at the status alone: 200 is yes, 403 no, and 503 what may come, so that `curl --retry` waits for it.
pub async fn hook(
    State(api): State<Api>,
    Path((_, service, version)): Path<(String, String, String)>,
    Query(by): Query<By>,
) -> Result<Response, Failed> {
    let value = told(&api, &service, &version, by, true).await?;
    let status = match value["answer"].as_str() {
        Some("yes") => StatusCode::OK,
        Some("no") => StatusCode::FORBIDDEN,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = (status, axum::Json(value)).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(AGAIN_S));
    }
    Ok(response)
}
