//! What people ask about tests, and say to them.

use super::{BY, open_on, state, stream, tell};
use crate::clock;
use crate::daemon::access::Principal;
use crate::daemon::api::{Api, Failed};
use crate::daemon::people;
use crate::daemon::steer::{self, Start};
use crate::exit::{self, failure};
use crate::steps::{register, release};
use anyhow::Result;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_core::ab::{CONTROL, Command, Phase, Spec, State as Of, Tests, adoptable};
use tidegate_core::access::{Action, Leave, Person};
use tidegate_core::gate::GateReport;
use tidegate_core::model::Models;
use tidegate_wire::config::AbTest;

/// What a person says to a test.
#[derive(Deserialize, Default)]
pub struct Said {
    #[serde(default)]
    reason: String,
    /// Versions by variant, to start.
    #[serde(default)]
    versions: BTreeMap<String, String>,
    /// The variant that is adopted.
    #[serde(default)]
    variant: String,
}

fn view(api: &Api, name: &str, state: &Of) -> serde_json::Value {
    let known = api.ab_tests.with(name, |known| known.clone());
    let test = state.test.as_ref();
    let running = test.filter(|t| matches!(t.phase, Phase::Running { .. })).map(|t| t.id());
    let newest = known.found.filter(|(of, _)| Some(of) == running.as_ref()).map(|(_, found)| found);
    let found = test.and_then(|t| t.result.clone()).or(newest);
    // After a start of the process the draw stands again once every worker answers.
    let drawn = test.is_some_and(|t| api.plane.drawn(&t.spec.service) == Some(t.id()));
    serde_json::json!({ "test": test, "drawn": drawn, "findings": found, "waits": known.waits })
}

/// Every test, with the newest of its name.
pub async fn all(State(api): State<Api>) -> Result<Response, Failed> {
    let mut found = serde_json::Map::new();
    for name in api.opened.config.ab_tests.keys() {
        found.insert(name.clone(), view(&api, name, &state(&api, name).await?));
    }
    Ok(axum::Json(found).into_response())
}

fn configured<'a>(api: &'a Api, name: &str, word: &str) -> Result<&'a AbTest> {
    let known = &api.opened.config.ab_tests;
    known.get(name).ok_or_else(|| exit::unknown(&format!("{word} an A/B test"), name, known.keys()))
}

/// One test, as its clients were counted last.
pub async fn one(State(api): State<Api>, Path(name): Path<String>) -> Result<Response, Failed> {
    configured(&api, &name, "show")?;
    Ok(axum::Json(view(&api, &name, &state(&api, &name).await?)).into_response())
}

/// Carries out what a person says.
pub async fn command(
    State(api): State<Api>,
    Extension(Principal(person)): Extension<Principal>,
    Path((name, word)): Path<(String, String)>,
    body: Option<axum::Json<Said>>,
) -> Result<Response, Failed> {
    let configured = configured(&api, &name, &word)?;
    let said = body.map(|axum::Json(said)| said).unwrap_or_default();
    let (by, at) = (person.name.clone(), clock::now());
    let refused = |error: anyhow::Error| {
        if error.chain().any(|c| c.is::<exit::Exit>()) { error } else { failure(exit::REFUSED, format!("{error:#}")) }
    };
    match word.as_str() {
        "start" => {
            if said.reason.trim().is_empty() {
                return Err(failure(exit::USAGE, "start an A/B test: say why with --reason: it is recorded").into());
            }
            let _alone = api.ab_tests.starting.lock().await;
            let spec = register_test(&api, &name, configured, &said.versions, &person).await?;
            let command = Command::Start { spec: Box::new(spec), by, reason: said.reason, at };
            api.plane.control().execute::<Tests>(stream(&name), None, command).await.map_err(refused)?;
        }
        "stop" => tell(&api, &name, Command::Stop { by, reason: said.reason, at }).await.map_err(refused)?,
        "adopt" => adopt(&api, &name, &said, &person).await?,
        _ => return Err(failure(exit::NOT_FOUND, format!("`{word}` is no word of an A/B test: known are start, stop, adopt")).into()),
    }
    Ok(axum::Json(view(&api, &name, &state(&api, &name).await?)).into_response())
}

/// What is registered, once it is known that all of it can be carried out.
async fn register_test(api: &Api, name: &str, configured: &AbTest, named: &BTreeMap<String, String>, person: &Person) -> Result<Spec> {
    let what = format!("start A/B test {name}");
    let refuse = |why: String| Err(failure(exit::REFUSED, format!("{what}: {why}")));
    let (config, service) = (&api.opened.config, &configured.service);
    if let Some(other) = named.keys().find(|variant| !configured.variants.contains_key(*variant)) {
        let known: Vec<&str> = configured.variants.keys().map(String::as_str).collect();
        return Err(failure(exit::NOT_FOUND, format!("{what}: `{other}` is no variant of it; its variants are {}", known.join(", "))));
    }
    if !person.may(Action::Release) {
        return refuse(format!("{} may not {}", person.name, Action::Release.words()));
    }
    let newest = api.plane.newest(service).await?;
    let Some(open) = newest.as_ref().and_then(|(_, state)| state.rollout()) else {
        return refuse(format!("no version of {service} is released: release one first"));
    };
    if !open.phase.is_terminal() {
        return refuse(format!("release {} of {service} is under way: wait for its end, or abort it", open.spec.number));
    }
    let Some(stable) = release::serving(open) else {
        return refuse(format!("no version of {service} is released: release one first"));
    };
    if let Some(other) = open_on(&api.plane, config, service).await?.filter(|id| id.split('/').next() != Some(name)) {
        return refuse(format!("clients of {service} are in A/B test {other} already: one at a time"));
    }
    if let Some(block) = api.watchman.stands_still(service).await? {
        return refuse(block.why);
    }
    let version = |variant: &str| {
        let default = if variant == CONTROL { stable.clone() } else { String::new() };
        named.get(variant).cloned().unwrap_or(default)
    };
    if let Some(missing) = configured.variants.keys().find(|v| version(v).is_empty()) {
        return Err(failure(exit::USAGE, format!("{what}: name the version of `{missing}`, as {missing}=VERSION")));
    }
    let Some(draft) = configured.draft(name, config, version) else {
        return Err(failure(exit::USAGE, format!("{what}: nothing says what a client is: give it a `unit`")));
    };
    let spec = Spec::build(draft).map_err(|problem| failure(exit::USAGE, format!("{what}: {problem}")))?;
    for variant in spec.variants.iter().filter(|v| v.version != stable) {
        may_be_shown(api, &what, &spec, &variant.version, person).await?;
    }
    Ok(spec)
}

/// Whether clients may meet a version: its gates passed, and people let it, as for a release of it.
async fn may_be_shown(api: &Api, what: &str, spec: &Spec, version: &str, person: &Person) -> Result<()> {
    let (config, service) = (&api.opened.config, &spec.service);
    let models = api.plane.control().state::<Models>(register::stream(&spec.model)).await?;
    let Some(found) = models.versions.get(version) else {
        return Err(failure(exit::NOT_FOUND, format!("{what}: model {} has no version {version}", spec.model)));
    };
    let passed = models.gates.get(version).is_some_and(GateReport::passed);
    let why = if !passed {
        "its gates have not passed: `tidegate model show` says why"
    } else if found.golden.is_none() {
        "it was registered without golden requests, and without right answers no worker is ever ready"
    } else {
        ""
    };
    if !why.is_empty() {
        return Err(failure(exit::REFUSED, format!("{what}: version {version}: {why}")));
    }
    let strategy = config.services.get(service).map(|s| s.release.clone()).unwrap_or_default();
    let subject = people::subject(config, service, found, &strategy)?;
    if let Leave::Glass { .. } = people::leave(&api.plane, config, service, &subject, person).await? {
        people::used(&api.plane, service, format!("A/B test {} of version {version}", spec.name), &person.name).await?;
    }
    Ok(())
}

/// Starts an ordinary release of a variant's version.
async fn adopt(api: &Api, name: &str, said: &Said, person: &Person) -> Result<()> {
    let state = state(api, name).await?;
    let refuse = |why: String| failure(exit::REFUSED, why);
    let variant = adoptable(&state, &said.variant).map_err(|error| refuse(error.to_string()))?;
    let Some(test) = &state.test else { return Ok(()) };
    let (service, version) = (test.spec.service.clone(), variant.version.clone());
    let newest = api.plane.newest(&service).await?;
    if newest.and_then(|(_, state)| state.rollout().and_then(release::serving)).as_ref() == Some(&version) {
        return Err(refuse(format!("adopt `{}`: version {version} carries {service} already", said.variant)));
    }
    let mut change = format!("variant {} of A/B test {}", said.variant, test.id());
    if !said.reason.trim().is_empty() {
        change.push_str(&format!(": {}", said.reason.trim()));
    }
    let id = steer::begin(api, person, Start { service, version, change: Some(change), ..Start::default() }).await?;
    let (by, at) = (person.name.clone(), clock::now());
    let command = Command::Adopt { test: test.number, variant: said.variant.clone(), release: id.number, by, at };
    tell(api, name, command).await.map_err(|error| refuse(format!("{BY}: {error:#}")))
}
