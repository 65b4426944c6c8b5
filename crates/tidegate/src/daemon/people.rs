//! Approvals and broken glasses over HTTP, and whether people let a release start.

use super::access::{Principal, is_nameless};
use super::api::{Api, Failed};
use super::plane::Plane;
use crate::clock;
use crate::exit::{self, failure};
use crate::steps::register;
use crate::steps::release::{self, Wish};
use anyhow::Result;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tidegate_core::access::{self, Access, Command, Event, Leave, Person, Subject, Withheld};
use tidegate_core::id::Digest;
use tidegate_core::machine::Machine as _;
use tidegate_core::model::{ModelVersion, Models};
use tidegate_core::rollout::Spec;
use tidegate_wire::config::Workspace;

/// The stream of what people allow for a service.
pub fn stream(service: &str) -> String {
    format!("{}/{service}", Access::KIND)
}

/// What people are shown of a release: a change of any of it is another change.
///
/// # Errors
/// When there is no such strategy, or it does not hold together.
pub fn subject(config: &Workspace, service: &str, version: &ModelVersion, strategy: &str) -> Result<Subject> {
    let wish = Wish { service, version, strategy, change: "any", disagreement: None, risk: None };
    let spec = release::spec(config, &wish, 1, None)?;
    let blocked = config.releases.get(strategy).map(|s| s.blocked_by).unwrap_or_default();
    let shown = serde_json::json!({
        "service": service,
        "model": version.model,
        "version": version.version,
        "artifact": version.artifact,
        "transform": version.transform,
        "golden": version.golden,
        "strategy": strategy,
        "carried_out": carried_out(&spec),
        "blocked_by": { "drift": blocked.drift, "data": blocked.data },
    });
    Ok(Subject { version: version.version.clone(), strategy: strategy.to_owned(), digest: Digest::of(shown.to_string().as_bytes()) })
}

/// What of a specification says how it is released.
fn carried_out(spec: &Spec) -> serde_json::Value {
    serde_json::json!({ "steps": spec.steps, "promote": spec.promote, "max_exposure": spec.exposure_max, "judge": spec.judge })
}

/// Whether people let an ended release be tried again: what is tried is what was released then.
///
/// # Errors
/// Why not; the journal's failures.
pub async fn leave_to_retry(plane: &Plane, config: &Workspace, spec: &Spec, by: &Person) -> Result<Leave> {
    let models = plane.control().state::<Models>(register::stream(&spec.model)).await?;
    let version = models.versions.get(&spec.candidate).ok_or_else(|| {
        failure(
            exit::NOT_FOUND,
            format!("retry a release of version {}: model {} has no such version any more", spec.candidate, spec.model),
        )
    })?;
    let needed = config.services.get(&spec.service).is_some_and(|s| s.approvals > 0);
    let subject = match subject(config, &spec.service, version, &spec.strategy) {
        Ok(subject) => subject,
        // Where nobody need approve it, a strategy that is no longer configured can be tried again.
        Err(_) if !needed => Subject { version: spec.candidate.clone(), strategy: spec.strategy.clone(), digest: Digest::of(b"") },
        Err(why) => return Err(why),
    };
    let leave = leave(plane, config, &spec.service, &subject, by).await?;
    let wish = Wish { service: &spec.service, version, strategy: &spec.strategy, change: "any", disagreement: None, risk: None };
    if matches!(leave, Leave::Approved { .. }) && carried_out(&release::spec(config, &wish, 1, None)?) != carried_out(spec) {
        let why = format!("retry a release of version {}: its strategy changed since: start a new release", spec.candidate);
        return Err(failure(exit::REFUSED, why));
    }
    Ok(leave)
}

/// Whether people let a release start; where others must approve it first, they are asked.
///
/// # Errors
/// Why it may not start; the journal's failures.
pub async fn leave(plane: &Plane, config: &Workspace, service: &str, subject: &Subject, by: &Person) -> Result<Leave> {
    let (of, lasts_ms) = config.services.get(service).map_or((0, 0), |s| (s.approvals, s.approvals_last_ms));
    let state = plane.control().state::<Access>(stream(service)).await?;
    let counts = |name: &str| config.approves(name, service);
    let withheld = match access::leave(&state, subject, of, counts, clock::now()) {
        Ok(leave) => return Ok(leave),
        Err(withheld) => withheld,
    };
    let why = |text: &str| failure(exit::REFUSED, format!("start a release of version {}: {text}", subject.version));
    if of == 0 || matches!(withheld, Withheld::ReviewOwed { .. } | Withheld::Vetoed { .. }) {
        return Err(why(&withheld.to_string()));
    }
    if is_nameless(&by.name) {
        let advice = "it is asked for in somebody's name: set TIDEGATE_TOKEN to a token of `tidegate token create --person NAME`";
        return Err(why(&format!("{withheld}: {advice}")));
    }
    let ask = Command::Ask { subject: subject.clone(), of, lasts_ms, by: by.clone(), at: clock::now() };
    let asked = plane.control().execute::<Access>(stream(service), None, ask).await.map_err(|e| why(&format!("{e:#}")))?;
    if asked.is_empty() {
        return Err(why(&withheld.to_string()));
    }
    Err(why(&format!(
        "asked for, in the name of {}: {of} others must approve it, with `tidegate release approve {service} {} --reason ...`; then start it again",
        by.name, subject.version
    )))
}

/// Notes what is done behind a broken glass, where it is broken.
///
/// # Errors
/// When the journal cannot be read or refuses.
pub async fn note_use(plane: &Plane, service: &str, what: String, by: &str) -> Result<()> {
    let state = plane.control().state::<Access>(stream(service)).await?;
    if state.open_glass(clock::now()).is_some() { used(plane, service, what, by).await } else { Ok(()) }
}

/// Notes that a release starts behind a broken glass.
///
/// # Errors
/// When the journal refuses.
pub async fn used(plane: &Plane, service: &str, what: String, by: &str) -> Result<()> {
    let command = Command::UseGlass { what, by: by.to_owned(), at: clock::now() };
    plane.control().execute::<Access>(stream(service), None, command).await.map(drop)
}

/// What a person says with a command.
#[derive(Deserialize, Default)]
pub struct Said {
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    for_ms: Option<u64>,
}

/// What people allow for each service.
pub async fn all(State(api): State<Api>) -> Result<Response, Failed> {
    let mut found = serde_json::Map::new();
    for service in api.opened.config.services.keys() {
        let state = api.plane.control().state::<Access>(stream(service)).await?;
        found.insert(service.clone(), serde_json::to_value(state)?);
    }
    Ok(axum::Json(found).into_response())
}

fn known<'a>(api: &'a Api, what: &str, service: &str) -> Result<&'a tidegate_wire::config::Service> {
    let all = &api.opened.config.services;
    all.get(service).ok_or_else(|| {
        let known: Vec<&str> = all.keys().map(String::as_str).collect();
        failure(exit::NOT_FOUND, format!("{what}: there is no service `{service}`; known are {}", known.join(", ")))
    })
}

/// Approves or vetoes what somebody asked for.
pub async fn decide(
    State(api): State<Api>,
    Extension(Principal(by)): Extension<Principal>,
    Path((service, version, word)): Path<(String, String, String)>,
    body: Option<axum::Json<Said>>,
) -> Result<Response, Failed> {
    let reason = body.and_then(|axum::Json(said)| said.reason).unwrap_or_default();
    let model = &known(&api, &format!("{word} a release"), &service)?.model;
    let state = api.plane.control().state::<Access>(stream(&service)).await?;
    let models = api.plane.control().state::<Models>(register::stream(model)).await?;
    let asked = state.asked_of(&version).zip(models.versions.get(&version));
    let Some((asked, registered)) = asked else {
        let why = format!("{word} version {version} of {service}: nobody asked for it: `tidegate release start {service} {version}` does");
        return Err(failure(exit::NOT_FOUND, why).into());
    };
    // As it is now: what changed since it was asked for is not what the person looked at.
    let subject = subject(&api.opened.config, &service, registered, &asked.subject.strategy)?;
    let at = clock::now();
    let command = match word.as_str() {
        "approve" => Command::Approve { service: service.clone(), subject, by, reason, at },
        "veto" => Command::Veto { service: service.clone(), subject, by, reason, at },
        _ => return Err(failure(exit::NOT_FOUND, format!("`{word}` is no word of approvers: known are approve, veto")).into()),
    };
    tell(&api, &service, command).await
}

/// Breaks the glass of a service.
pub async fn break_glass(
    State(api): State<Api>,
    Extension(Principal(by)): Extension<Principal>,
    Path(service): Path<String>,
    axum::Json(said): axum::Json<Said>,
) -> Result<Response, Failed> {
    known(&api, "break the glass", &service)?;
    let (reason, lasts_ms) = (said.reason.unwrap_or_default(), said.for_ms.unwrap_or_default());
    let command = Command::BreakGlass { by, reason, lasts_ms, at: clock::now() };
    let answer = tell(&api, &service, command).await?;
    // A freeze that holds a release does so no longer.
    api.watchman.freezer().tell(&service).await?;
    Ok(answer)
}

/// Answers for a broken glass.
pub async fn review(
    State(api): State<Api>,
    Extension(Principal(by)): Extension<Principal>,
    Path(service): Path<String>,
    axum::Json(said): axum::Json<Said>,
) -> Result<Response, Failed> {
    known(&api, "review the broken glass", &service)?;
    let command = Command::Review { service: service.clone(), by, finding: said.reason.unwrap_or_default(), at: clock::now() };
    tell(&api, &service, command).await
}

async fn tell(api: &Api, service: &str, command: Command) -> Result<Response, Failed> {
    let refused = |error: anyhow::Error| failure(exit::REFUSED, format!("{error:#}"));
    let events = api.plane.control().execute::<Access>(stream(service), None, command).await.map_err(refused)?;
    for event in &events {
        if let Event::GlassBroken { by, reason, until, .. } = event {
            // Loud: everybody who looks must see it.
            api.plane.trouble(&format!("{by} broke the glass of {service} until {until}: {reason}"));
        }
    }
    let state = api.plane.control().state::<Access>(stream(service)).await?;
    Ok(axum::Json(state).into_response())
}
