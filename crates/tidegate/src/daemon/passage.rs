//! One version through the environments of a service: a train whose cars are the service in each of them. Starts it, says whether one
//! environment may be gone to alone, and lets all switch where they do so together. How it goes on is the train's.

use super::api::Api;
use super::people;
use super::steer::Start;
use super::train;
use crate::clock;
use crate::exit::{self, failure};
use anyhow::Result;
use tidegate_core::access::{Action, Person};
use tidegate_core::risk::Risk;
use tidegate_core::rollout::{self, Forward, HoldWhy, Phase as Of, Rollout};
use tidegate_core::train::{Car, CarState, Command, Phase, Spec, Train, Trains};
use tidegate_engine::rollouts::{Input, RolloutId};
use tidegate_wire::config::{Passage, Workspace};

/// What is moved like a train: trains, and services with environments.
pub fn names(config: &Workspace) -> Vec<String> {
    config.trains.keys().chain(config.passages.keys()).cloned().collect()
}

/// Whether it goes to one environment alone, as a person said.
pub fn is_of_one(config: &Workspace, name: &str, train: &Train) -> bool {
    config.passages.contains_key(name) && train.spec.cars().len() == 1
}

/// Whether a release could switch, or has nothing to switch from.
pub fn is_ready(open: &Rollout) -> bool {
    let goes = matches!(open.phase, Of::Forward { forward } if !matches!(forward, Forward::Pending { .. }));
    may_switch(open) || (open.spec.stable.is_none() && goes)
}

/// Whether a release has come to where all could see it, and stands there for a word and nothing else.
pub fn may_switch(open: &Rollout) -> bool {
    let stands = matches!(open.phase, Of::Held { forward: Forward::Preview, why: HoldWhy::Asked });
    stands && open.paused.is_none() && open.frozen.is_none() && open.traffic.is_some_and(|wanted| wanted.applied.is_some())
}

/// Lets a release switch that stands at its preview.
///
/// # Errors
/// When it cannot be told.
pub async fn go(api: &Api, by: String, id: RolloutId) -> Result<Option<Command>> {
    let state = api.plane.state(&id).await?;
    if state.rollout().is_some_and(may_switch) {
        let command = rollout::Command::Resume { by, at: clock::now() };
        api.plane.drive(Input::Command { rollout: id, key: None, command }).await?;
    }
    Ok(None)
}

/// Whether a person's word counts as an approval of a part of a train.
///
/// # Errors
/// When it does not.
pub fn may_approve(person: &Person, service: &str) -> Result<()> {
    person.allowed_in(Action::Approve, service).map_err(|why| failure(exit::REFUSED, format!("approve a part of a train: {why}")))
}

/// Whether a person may move a release on by hand: not where all switch at once, before all are ready.
///
/// # Errors
/// When they may not.
pub async fn may_move(api: &Api, word: &str, id: &RolloutId) -> Result<()> {
    let Some((name, _)) = api.opened.config.passage_of(&id.service) else { return Ok(()) };
    let state = api.plane.control().state::<Trains>(train::stream(name)).await?;
    let waits = state.train.filter(|train| train.together && !train.switched && train.phase == Phase::Forward);
    let car = waits.and_then(|train| train.cars.get(&id.service).cloned());
    match car {
        Some(CarState::Runs { release } | CarState::Ready { release }) if release == id.number => {
            let why = format!(
                "{word} release {id}: all environments of {name} switch at once, when each is ready: `tidegate train list` shows how they stand"
            );
            Err(failure(exit::REFUSED, why))
        }
        _ => Ok(()),
    }
}

/// Refuses to begin a release past the order of environments.
///
/// # Errors
/// When it would.
pub fn not_past(config: &Workspace, wanted: &Start) -> Result<()> {
    if let Some((name, _)) = config.passage_of(&wanted.service) {
        let environment = wanted.service.rsplit(tidegate_wire::config::AT).next().unwrap_or_default();
        let why = format!(
            "start a release of {}: environments have an order: `tidegate release start {name} {} --environment {environment}` releases in that one alone, where it may",
            wanted.service, wanted.version
        );
        return Err(failure(exit::REFUSED, why));
    }
    match &wanted.environment {
        Some(_) if config.services.contains_key(&wanted.service) => {
            Err(failure(exit::USAGE, format!("start a release of {}: it has no `environments`", wanted.service)))
        }
        _ => Ok(()),
    }
}

/// Begins to take a version through the environments of a service, or to one of them.
///
/// # Errors
/// When it is refused.
pub async fn start(api: &Api, person: &Person, wanted: &Start, passage: &Passage) -> Result<()> {
    let (name, version) = (&wanted.service, &wanted.version);
    let refused = |code: u8, why: String| failure(code, format!("start a release of version {version} of {name}: {why}"));
    if !person.may(Action::Release) {
        return Err(refused(exit::REFUSED, format!("{} may not {}", person.name, Action::Release.words())));
    }
    if wanted.strategy.is_some() || wanted.despite.is_some() {
        let why = "each environment names its own strategy, and today's data are looked at in each";
        return Err(refused(exit::USAGE, why.to_owned()));
    }
    let risk = wanted.risk.as_ref().map(|told| Risk::new(told.score, &told.by)).transpose();
    let risk = risk.map_err(|why| refused(exit::USAGE, why.to_string()))?;
    let one = match &wanted.environment {
        Some(environment) => Some(only(passage, name, environment).map_err(|why| refused(exit::NOT_FOUND, why))?),
        None => None,
    };
    let takes = |place: &str| one.is_none_or(|car| car.service == place).then(|| version.clone());
    let spec = Spec::of_those(&passage.cars, takes).map_err(|problem| refused(exit::USAGE, problem.to_string()))?;
    let spec = spec.with_risks(|_| risk.clone());
    for car in spec.cars() {
        train::is_there(api, name, &car.service, version).await?;
    }
    // What is left out of the order is looked up instead.
    let mut past = None;
    if let Some(car) = one
        && let Some(missing) = not_passed(api, name, car, version).await?
    {
        if !api.watchman.freezer().glass_is_broken(&car.service).await? {
            let why = format!("{missing}; in an emergency break the glass: `tidegate break-glass {} --reason ... --for 1h`", car.service);
            return Err(refused(exit::REFUSED, why));
        }
        past = Some((&car.service, format!("a release of version {version} past {}", car.after.join(", "))));
    }
    let together = passage.together && one.is_none();
    let reason = wanted.change.clone().filter(|text| !text.trim().is_empty()).unwrap_or_else(|| format!("version {version}"));
    let command = Command::Depart { spec, together, fit: None, by: person.name.clone(), reason, at: clock::now() };
    train::execute(api, name, command).await?;
    match past {
        Some((place, what)) => people::used(&api.plane, place, what, &person.name).await,
        None => Ok(()),
    }
}

fn only<'a>(passage: &'a Passage, name: &str, environment: &str) -> Result<&'a Car, String> {
    let own = |car: &Car| car.service.strip_prefix(name).and_then(|rest| rest.strip_prefix(tidegate_wire::config::AT)).map(str::to_owned);
    let found = passage.cars.iter().find(|car| own(car).as_deref() == Some(environment));
    let known = || passage.cars.iter().filter_map(own).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("it does not run in `{environment}`; known are {}", known()))
}

/// Why an environment may not be gone to: a version has not passed one before it, or no longer stands there.
async fn not_passed(api: &Api, name: &str, car: &Car, version: &str) -> Result<Option<String>> {
    let state = api.plane.control().state::<Trains>(train::stream(name)).await?;
    for before in &car.after {
        let passed = state.passed.get(before).is_some_and(|all| all.iter().any(|known| known == version));
        let newest = api.plane.newest(before).await?;
        let taken_back = newest.as_ref().and_then(|(_, state)| state.rollout()).is_some_and(|open| {
            open.spec.candidate == version && matches!(open.phase, Of::RolledBack { .. } | Of::Aborted { .. } | Of::RollingBack { .. })
        });
        if !passed || taken_back {
            return Ok(Some(format!("{} comes after {before}, where this version was not released and verified", car.service)));
        }
    }
    Ok(None)
}
