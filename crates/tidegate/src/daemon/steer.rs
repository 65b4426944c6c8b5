//! Releases started and steered by people: each command is recorded with who gave it and why.

use super::access::Principal;
use super::api::{Api, Failed};
use super::offer::{Judge, Offered};
use super::watchman::Block;
use super::{duty, gating, passage, people, train};
use crate::clock;
use crate::exit::{self, failure};
use crate::steps::build::Record as _;
use crate::steps::{reactivate, register, release};
use anyhow::{Context as _, Result};
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tidegate_core::access::{Action, Leave, Person};
use tidegate_core::duty::Disagreement;
use tidegate_core::gating::Choice;
use tidegate_core::judge::Assessment;
use tidegate_core::model::Models;
use tidegate_core::risk::Risk;
use tidegate_core::rollout::{Command, Rollout};
use tidegate_engine::rollouts::{Input, RolloutId};

/// A release that somebody wants.
#[derive(Deserialize, Default)]
pub struct Start {
    pub service: String,
    pub version: String,
    #[serde(default)]
    pub strategy: Option<String>,
    #[serde(default)]
    pub change: Option<String>,
    /// Why an old version that today's data do not fit is released all the same.
    #[serde(default)]
    pub despite: Option<String>,
    /// The one environment that it is released in, of a service that runs in several.
    #[serde(default)]
    pub environment: Option<String>,
    /// The change's risk.
    #[serde(default)]
    pub risk: Option<Risk>,
}

/// Why a person steers.
#[derive(Deserialize, Default)]
pub struct Why {
    #[serde(default)]
    reason: Option<String>,
}

fn refused(error: anyhow::Error) -> anyhow::Error {
    // What a machine refuses is the caller's to mend, with the machine's own sentence.
    let text = format!("{error:#}");
    if error.chain().any(|c| c.downcast_ref::<exit::Exit>().is_some()) { error } else { failure(exit::REFUSED, text) }
}

/// Sees a release to its end.
pub fn follow(api: &Api) -> release::Follow {
    release::Follow { plane: api.plane.clone(), ticks: api.ticks.clone(), opened: api.opened.clone(), bus: api.bus.clone() }
}

/// Starts a release of a registered version whose gates passed.
pub async fn start(
    State(api): State<Api>,
    Extension(Principal(person)): Extension<Principal>,
    axum::Json(wanted): axum::Json<Start>,
) -> Result<Response, Failed> {
    if let Some(way) = api.opened.config.passages.get(&wanted.service) {
        passage::start(&api, &person, &wanted, way).await?;
        return Ok(axum::Json(train::shown(&api, &wanted.service).await?).into_response());
    }
    passage::not_past(&api.opened.config, &wanted)?;
    let id = begin(&api, &person, wanted).await?;
    Ok(axum::Json(serde_json::json!({ "service": id.service, "number": id.number })).into_response())
}

/// How a release goes: by which strategy, of which path, and by which risk that was chosen.
struct Way {
    strategy: String,
    path: Option<Choice>,
    risk: Option<Risk>,
}

async fn way(api: &Api, wanted: &Start) -> Result<Way> {
    let config = &api.opened.config;
    let (named, path) = match &wanted.strategy {
        Some(strategy) => (strategy.clone(), None),
        None => gating::next(&api.plane, config, &wanted.service).await?,
    };
    let risk = wanted.risk.as_ref().map(|told| Risk::new(told.score, &told.by)).transpose();
    let risk = risk.map_err(|why| failure(exit::USAGE, format!("start a release of version {}: {why}", wanted.version)))?;
    Ok(Way { strategy: release::by_risk(config, named, risk.as_ref()), path, risk })
}

/// The same, for whoever starts one.
///
/// # Errors
/// When it is refused, or does not fit together.
pub async fn begin(api: &Api, person: &Person, wanted: Start) -> Result<RolloutId> {
    let config = &api.opened.config;
    let service = config.services.get(&wanted.service).ok_or_else(|| {
        let plain = config.services.keys().filter(|name| config.passage_of(name).is_none());
        let known: Vec<&str> = plain.chain(config.passages.keys()).map(String::as_str).collect();
        failure(exit::NOT_FOUND, format!("start a release of service `{}`: there is none; known are {}", wanted.service, known.join(", ")))
    })?;
    let state = api.plane.control().state::<Models>(register::stream(&service.model)).await?;
    let version = state.versions.get(&wanted.version).cloned().ok_or_else(|| {
        let known: Vec<&str> = state.versions.keys().map(String::as_str).collect();
        failure(
            exit::NOT_FOUND,
            format!(
                "start a release of version {}: model {} has no such version; known are {}",
                wanted.version,
                service.model,
                known.join(", ")
            ),
        )
    })?;
    let report = state.gates.get(&version.version);
    if !report.is_some_and(tidegate_core::gate::GateReport::passed) {
        let why = format!("start a release of version {}: its gates have not passed: `tidegate model show` says why", version.version);
        return Err(failure(exit::REFUSED, why));
    }
    let Way { strategy, path, risk } = way(api, &wanted).await?;
    let subject = people::subject(config, &wanted.service, &version, &strategy)?;
    let leave = people::leave(&api.plane, config, &wanted.service, &subject, person).await?;
    if !person.may(Action::Release) {
        let why = format!("start a release of version {}: {} may not {}", version.version, person.name, Action::Release.words());
        return Err(failure(exit::REFUSED, why));
    }
    let mut change = wanted.change.unwrap_or_else(|| version.lineage.change.clone());
    if let Leave::Approved { by } = &leave {
        change.push_str(&format!(" (approved by {})", by.join(", ")));
    }
    if config.people.contains_key(&person.name) {
        change.push_str(&format!(" (started by {})", person.name));
    }
    match wanted.despite.filter(|r| !r.trim().is_empty()) {
        Some(reason) => change.push_str(&format!(" (whatever today's data say: {reason})")),
        None => reactivate::check(&api.opened, &api.plane, &version).await?,
    }
    let blocked = |block: Block| failure(exit::REFUSED, format!("start a release of version {}: {}", version.version, block.why));
    if let Some(block) = api.watchman.block(&wanted.service, &service.model, &version.version, &strategy).await? {
        return Err(blocked(block));
    }
    let wish = release::Wish {
        service: &wanted.service,
        version: &version,
        strategy: &strategy,
        change: &change,
        disagreement: report.and_then(|r| r.disagreement),
        risk: risk.as_ref(),
    };
    let root = &api.opened.places.root;
    if release::measures_skew(config, &strategy) {
        release::prepare_offline(&api.plane, &api.ticks, config, root, &wanted.service, &version.model, &version.version).await?;
    }
    // That may have taken long.
    if let Some(block) = api.watchman.freeze(&wanted.service).await? {
        return Err(blocked(block));
    }
    if let Leave::Glass { .. } = people::leave(&api.plane, config, &wanted.service, &subject, person).await? {
        people::used(&api.plane, &wanted.service, format!("a release of version {}", version.version), &person.name).await?;
    }
    let id = release::start(&api.plane, config, &wish, None).await.map_err(refused)?;
    gating::take(&api.plane, &id, path).await?;
    crate::task::spawn(follow(api).until_the_end(id.clone()));
    Ok(id)
}

/// A run that a client begins.
#[derive(Deserialize)]
pub struct Begin {
    change: String,
    start: Box<tidegate_core::run::Start>,
}

/// Records the begin of a run that a client makes.
pub async fn begin_run(State(api): State<Api>, axum::Json(begin): axum::Json<Begin>) -> Result<Response, Failed> {
    let control = api.plane.control().clone();
    let id = tokio::task::spawn_blocking(move || control.begin(&begin.change, begin.start)).await??;
    Ok(axum::Json(serde_json::json!({ "id": id })).into_response())
}

/// Records facts of a run that a client makes.
pub async fn record_run(
    State(api): State<Api>,
    Path(id): Path<String>,
    axum::Json(facts): axum::Json<Vec<tidegate_core::run::Event>>,
) -> Result<Response, Failed> {
    let control = api.plane.control().clone();
    let count = facts.len();
    tokio::task::spawn_blocking(move || control.facts(&id, facts)).await?.map_err(refused)?;
    Ok(axum::Json(serde_json::json!({ "recorded": count })).into_response())
}

/// The newest run of a change that succeeded.
pub async fn newest_run(State(api): State<Api>, Path(change): Path<String>) -> Result<Response, Failed> {
    let control = api.plane.control().clone();
    let id = tokio::task::spawn_blocking(move || control.newest(&change)).await??;
    Ok(axum::Json(serde_json::json!({ "id": id })).into_response())
}

/// Registers and judges the candidate that a client's run wrote.
pub async fn candidate(
    State(api): State<Api>,
    Path(model): Path<String>,
    axum::Json(offered): axum::Json<Offered>,
) -> Result<Response, Failed> {
    let judge = Judge { opened: &api.opened, control: api.plane.control(), blobs: &api.views.blobs };
    Ok(axum::Json(judge.offer(&model, offered).await?).into_response())
}

/// What the judge says of a release at this moment.
async fn judged_now(api: &Api, id: &RolloutId, open: &Rollout) -> Result<Option<Assessment>> {
    let asked = id.clone();
    let running = api.plane.control().call(move |driver| driver.assessments(&asked)).await??;
    let recorded = || open.failed.as_ref().or(open.judged.as_ref()).map(|judged| judged.assessment.clone());
    Ok(running.into_iter().last().map(|judged| judged.assessment).or_else(recorded))
}

/// Carries out a person's command on a release.
pub async fn command(
    State(api): State<Api>,
    Extension(Principal(person)): Extension<Principal>,
    Path((service, number, word)): Path<(String, u64, String)>,
    body: Option<axum::Json<Why>>,
) -> Result<Response, Failed> {
    let reason = body.and_then(|axum::Json(why)| why.reason).filter(|r| !r.trim().is_empty());
    let needs = || {
        reason
            .clone()
            .ok_or_else(|| failure(exit::USAGE, format!("{word} release {service}/{number}: say why with --reason: it is recorded")))
    };
    let (at, by) = (clock::now(), person.name.clone());
    let command = match word.as_str() {
        "pause" => Command::Pause { by, reason: needs()?, at },
        "resume" => Command::Resume { by, at },
        "promote" => Command::Promote { by, reason: needs()?, at },
        "abort" => Command::Abort { by, reason: needs()?, at },
        "retry" => Command::Retry { by, reason: needs()?, at },
        "undo" => Command::Undo { by, reason: needs()?, at },
        _ => {
            return Err(failure(
                exit::NOT_FOUND,
                format!("`{word}` is no command of a release: known are pause, resume, promote, abort, retry, undo"),
            )
            .into());
        }
    };
    let id = RolloutId { service: service.clone(), number };
    let state = api.plane.state(&id).await?;
    let Some(open) = state.rollout() else {
        let why = format!("{word} release {service}/{number}: there is none: `tidegate release list` shows those that are");
        return Err(failure(exit::NOT_FOUND, why).into());
    };
    if word == "retry" {
        people::leave_to_retry(&api.plane, &api.opened.config, &open.spec, &person).await?;
    }
    if word == "retry"
        && let Some(block) = api.watchman.freeze(&service).await?
    {
        return Err(failure(exit::REFUSED, format!("retry release {service}/{number}: {}", block.why)).into());
    }
    if matches!(word.as_str(), "resume" | "promote") {
        passage::may_move(&api, &word, &id).await?;
        // What has just begun counts before the next look at the calendar.
        api.watchman.freezer().tell(&service).await?;
    }
    if matches!(word.as_str(), "retry" | "resume" | "promote") {
        people::note_use(&api.plane, &service, format!("{word} release {service}/{number}"), &person.name).await?;
    }
    let judged = judged_now(&api, &id, open).await?.filter(|assessment| duty::disagrees(&word, assessment));
    api.plane.drive(Input::Command { rollout: id.clone(), key: None, command }).await.map_err(refused)?;
    if let (Some(assessment), Some(reason)) = (judged, reason) {
        let (by, assessment) = (person.name.clone(), Box::new(assessment));
        duty::disagreed(&api, &id, Disagreement { by, wanted: word.clone(), reason, assessment }).await?;
    }
    if matches!(word.as_str(), "retry" | "undo") {
        // An ended release was woken: somebody must see it to its new end.
        crate::task::spawn(follow(&api).until_the_end(id.clone()));
    }
    let state = api.plane.state(&id).await?;
    let open = state.rollout().context("the release is gone")?;
    Ok(axum::Json(super::views::release_row(&id, open, &state)).into_response())
}
