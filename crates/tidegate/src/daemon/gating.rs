//! Which path a release takes where it names no strategy, the way out of the one on trial, and both side by side. What is chosen is
//! said by `core::gating`.

use super::access::Principal;
use super::api::{Api, Failed};
use super::listing;
use super::plane::Plane;
use crate::clock;
use crate::exit::{self, failure};
use anyhow::Result;
use axum::extract::{Extension, Path as At, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tidegate_core::gating::{Choice, Command, Gating, Path, choose};
use tidegate_core::machine::Machine as _;
use tidegate_core::rollout::{Phase, Rollouts};
use tidegate_engine::rollouts::RolloutId;
use tidegate_wire::config::Workspace;
use tokio::sync::Mutex;

fn stream(service: &str) -> String {
    format!("{}/{service}", Gating::KIND)
}

/// The path of a release that names no strategy; none where the service has no paths.
///
/// # Errors
/// When the journal cannot be read.
pub async fn path(plane: &Plane, config: &Workspace, service: &str, number: u64) -> Result<Option<Choice>> {
    let Some(paths) = config.services.get(service).and_then(|s| s.paths.as_ref()) else { return Ok(None) };
    let state = plane.control().state::<Gating>(stream(service)).await?;
    Ok(Some(choose(paths, &state, &config.name, service, number, clock::now())))
}

/// The strategy of a service's next release, where it names none, with the path that it is of.
///
/// # Errors
/// When the journal cannot be read.
pub async fn next(plane: &Plane, config: &Workspace, service: &str) -> Result<(String, Option<Choice>)> {
    let number = plane.newest(service).await?.map_or(1, |(id, _)| id.number + 1);
    let choice = path(plane, config, service, number).await?;
    let own = || config.services.get(service).map(|s| s.release.clone()).unwrap_or_default();
    Ok((choice.as_ref().map_or_else(own, |choice| choice.strategy.clone()), choice))
}

/// Keeps the path that a release took.
///
/// # Errors
/// When the journal fails.
pub async fn take(plane: &Plane, id: &RolloutId, choice: Option<Choice>) -> Result<()> {
    let Some(choice) = choice else { return Ok(()) };
    let command = Command::Take { release: id.number, choice, at: clock::now() };
    plane.control().execute::<Gating>(stream(&id.service), None, command).await.map(drop)
}

/// Most releases of which it is kept what became of them.
const KEPT_MAX: usize = 20_000;

/// How a release ended, or that it did not yet.
#[derive(Clone, Copy, Debug)]
enum Ended {
    Released,
    RolledBack,
    Aborted,
    UnderWay,
}

/// What became of releases, with the requests that each exposed: as it was when they were looked at last.
#[derive(Clone, Default)]
pub struct Looked(Arc<Mutex<LookedAt>>);

#[derive(Default)]
struct LookedAt {
    /// Position of the first record that was not looked at.
    next: Option<u64>,
    of: HashMap<RolloutId, (Ended, u64)>,
}

impl LookedAt {
    /// Forgets those to which something happened since.
    async fn on(&mut self, plane: &Plane) -> Result<()> {
        let (changed, next) = listing::news(plane, format!("{}/", Rollouts::KIND), self.next).await?;
        if self.of.len() > KEPT_MAX {
            self.of.clear();
        }
        for id in changed.iter().filter_map(|stream| RolloutId::of_stream(stream)) {
            self.of.remove(&id);
        }
        self.next = Some(next);
        Ok(())
    }

    /// One release; none where nothing is recorded of it.
    async fn became(&mut self, plane: &Plane, id: RolloutId) -> Result<Option<(Ended, u64)>> {
        if let Some(known) = self.of.get(&id) {
            return Ok(Some(*known));
        }
        let found = plane.state(&id).await?;
        let Some(open) = found.rollout() else { return Ok(None) };
        let ended = match &open.phase {
            Phase::Done => Ended::Released,
            Phase::RolledBack { .. } => Ended::RolledBack,
            Phase::Aborted { .. } => Ended::Aborted,
            Phase::Forward { .. } | Phase::Held { .. } | Phase::Finishing | Phase::RollingBack { .. } => Ended::UnderWay,
        };
        let became = (ended, open.exposed_before + open.exposed_now);
        self.of.insert(id, became);
        Ok(Some(became))
    }
}

/// What became of the releases of a path.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Became {
    releases: u64,
    released: u64,
    rolled_back: u64,
    aborted: u64,
    under_way: u64,
    /// Requests of users that candidates answered before they were promoted, as recorded verdicts tell.
    exposed: u64,
}

async fn standing(api: &Api, service: &str) -> Result<serde_json::Value> {
    let state = api.plane.control().state::<Gating>(stream(service)).await?;
    let mut became: BTreeMap<Path, Became> = [(Path::Learned, Became::default()), (Path::Standard, Became::default())].into();
    let mut looked = api.paths.0.lock().await;
    looked.on(&api.plane).await?;
    for taken in &state.taken {
        let id = RolloutId { service: service.to_owned(), number: taken.release };
        let Some((ended, exposed)) = looked.became(&api.plane, id).await? else { continue };
        let of = became.entry(taken.choice.path).or_default();
        of.releases += 1;
        of.exposed += exposed;
        match ended {
            Ended::Released => of.released += 1,
            Ended::RolledBack => of.rolled_back += 1,
            Ended::Aborted => of.aborted += 1,
            Ended::UnderWay => of.under_way += 1,
        }
    }
    drop(looked);
    let named: BTreeMap<&str, Became> = became.into_iter().map(|(path, became)| (path.word(), became)).collect();
    let next = next(&api.plane, &api.opened.config, service).await?.1;
    Ok(serde_json::json!({ "out": state.out, "is_out": state.out_at(clock::now()).is_some(), "next": next, "became": named }))
}

/// Every service that has paths.
pub async fn all(State(api): State<Api>) -> Result<Response, Failed> {
    let mut found = serde_json::Map::new();
    for (service, _) in api.opened.config.services.iter().filter(|(_, s)| s.paths.is_some()) {
        found.insert(service.clone(), standing(&api, service).await?);
    }
    Ok(axum::Json(found).into_response())
}

/// What a person says.
#[derive(Deserialize, Default)]
pub struct Said {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    for_ms: u64,
}

/// Opts a service out, or in again.
pub async fn command(
    State(api): State<Api>,
    Extension(Principal(person)): Extension<Principal>,
    At((service, word)): At<(String, String)>,
    axum::Json(said): axum::Json<Said>,
) -> Result<Response, Failed> {
    let known: Vec<&String> = api.opened.config.services.iter().filter(|(_, s)| s.paths.is_some()).map(|(name, _)| name).collect();
    if !known.contains(&&service) {
        return Err(exit::unknown(&format!("{word} of the path on trial: service with `paths`"), &service, known).into());
    }
    let (by, reason, at) = (person.name, said.reason, clock::now());
    let command = match word.as_str() {
        "opt-out" => Command::OptOut { by, reason, lasts_ms: said.for_ms, at },
        "opt-in" => Command::OptIn { by, reason, at },
        _ => return Err(failure(exit::NOT_FOUND, format!("`{word}` is no word of paths: known are opt-out, opt-in")).into()),
    };
    let refused = |error: anyhow::Error| failure(exit::REFUSED, format!("{error:#}"));
    api.plane.control().execute::<Gating>(stream(&service), None, command).await.map_err(refused)?;
    Ok(axum::Json(serde_json::json!({ service.clone(): standing(&api, &service).await? })).into_response())
}
