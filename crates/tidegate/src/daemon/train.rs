//! Trains: starts the releases of their services in order, sees how each ends, and undoes them in reverse. What is done next is said
//! by `core::train`; this carries it out and tells what it sees.

use super::access::{Principal, is_nameless};
use super::api::{Api, Failed};
use super::breaker;
use super::fitting;
use super::passage;
use super::steer::{self, Start};
use super::story::ended_words;
use super::train_order;
use crate::clock;
use crate::exit::{self, failure};
use crate::steps::register;
use anyhow::Result;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_core::access::{Held, Person, Role};
use tidegate_core::id::At;
use tidegate_core::machine::Machine as _;
use tidegate_core::model::Models;
use tidegate_core::risk::Risk;
use tidegate_core::rollout::{self, Phase as Of, Rollout};
use tidegate_core::train::{CarState, Command, Phase, Spec, State as Trained, Train, Trains, Want, wants};
use tidegate_engine::rollouts::{Input, RolloutId};
use tidegate_wire::config::NamedTrain;

/// How often a train that is under way is looked at.
const LOOK: Duration = Duration::from_millis(500);

pub fn stream(name: &str) -> String {
    format!("{}/{name}", Trains::KIND)
}

/// Who aborts and undoes in a train's name, and what its releases are marked with.
fn mark(name: &str, train: &Train) -> String {
    format!("train {name} {}", train.number)
}

/// Why the services of each train do not get on.
#[derive(Clone)]
pub struct Waits {
    all: Arc<Mutex<BTreeMap<String, BTreeMap<String, String>>>>,
    /// Since when somebody has been looking: what was before cannot be told.
    since: At,
}

impl Default for Waits {
    fn default() -> Waits {
        Waits { all: Arc::default(), since: clock::now() }
    }
}

impl Waits {
    fn set(&self, name: &str, service: &str, why: Option<String>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let of = all.entry(name.to_owned()).or_default();
        match why {
            Some(why) => of.insert(service.to_owned(), why),
            None => of.remove(service),
        };
    }

    fn clear(&self, name: &str) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn of(&self, name: &str) -> BTreeMap<String, String> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
    }
}

/// Carries out the trains of one name for as long as the workspace is up.
pub async fn conduct(api: Api, name: String) {
    let mut said = String::new();
    loop {
        let done = turn(&api, &name).await;
        let waits = api.trains.of(&name);
        let waits = waits.iter().map(|(service, why)| format!("{service}: {why}")).collect::<Vec<_>>().join("; ");
        let trouble = done.err().map(|error| format!("{error:#}")).or(Some(waits).filter(|text| !text.is_empty()));
        api.plane.trouble_once(&mut said, trouble.map(|why| format!("train {name}: {why}")));
        tokio::time::sleep(LOOK).await;
    }
}

async fn turn(api: &Api, name: &str) -> Result<()> {
    let state = api.plane.control().state::<Trains>(stream(name)).await?;
    let Some(train) = state.train.as_ref().filter(|train| !matches!(train.phase, Phase::Ended { .. })) else {
        api.trains.clear(name);
        return Ok(());
    };
    // What goes wrong with one keeps nobody from the others.
    let mut wrong = vec![];
    for (service, car) in &train.cars {
        match seen(api, name, train, service, car).await {
            Ok(command) => tell(api, name, command).await?,
            Err(error) => wrong.push(format!("{service}: {error:#}")),
        }
    }
    let state = api.plane.control().state::<Trains>(stream(name)).await?;
    for want in wants(&state, clock::now()) {
        // What was just found of one may keep the others where they are.
        let state = api.plane.control().state::<Trains>(stream(name)).await?;
        if !wants(&state, clock::now()).contains(&want) {
            continue;
        }
        match carry_out(api, name, &state, &want).await {
            Ok(command) => tell(api, name, command).await?,
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(anyhow::anyhow!(wrong.join("; "))) }
}

/// Tells the train what was seen. A release that began while its train ended is nobody's: it is ended too.
async fn tell(api: &Api, name: &str, command: Option<Command>) -> Result<()> {
    let Some(command) = command else { return Ok(()) };
    let events = api.plane.control().execute::<Trains>(stream(name), None, command.clone()).await?;
    if let (Command::Started { service, release, at }, true) = (command, events.is_empty()) {
        let (by, reason) = (format!("train {name}"), "the train ended before it began".to_owned());
        let command = rollout::Command::Abort { by, reason, at };
        api.plane.drive(Input::Command { rollout: RolloutId { service, number: release }, key: None, command }).await?;
    }
    Ok(())
}

/// The release of a car that was started before a crash, or while the train turned: it bears the train's mark.
async fn marked(api: &Api, name: &str, train: &Train, service: &str) -> Result<Option<u64>> {
    let (mark, version) = (mark(name, train), train.spec.car(service).map(|car| car.version.clone()).unwrap_or_default());
    let newest = api.plane.newest(service).await?;
    let ours = newest.as_ref().and_then(|(id, state)| Some((id, state.rollout()?)));
    Ok(ours.filter(|(_, open)| open.spec.change.starts_with(&mark) && open.spec.candidate == version).map(|(id, _)| id.number))
}

async fn open(api: &Api, service: &str, number: u64) -> Result<Option<Box<Rollout>>> {
    let state = api.plane.state(&RolloutId { service: service.to_owned(), number }).await?;
    Ok(if let rollout::State::Started(open) = state { Some(open) } else { None })
}

fn release_of(car: &CarState) -> Option<u64> {
    match car {
        CarState::Runs { release }
        | CarState::Ready { release }
        | CarState::Verifies { release, .. }
        | CarState::Arrived { release }
        | CarState::Asks { release, .. } => Some(*release),
        CarState::Waits | CarState::Back { .. } | CarState::Undone | CarState::Left { .. } => None,
    }
}

/// What has become of a car's release.
async fn seen(api: &Api, name: &str, train: &Train, service: &str, car: &CarState) -> Result<Option<Command>> {
    if *car == CarState::Waits {
        let found = marked(api, name, train, service).await?;
        return Ok(found.map(|release| Command::Started { service: service.to_owned(), release, at: clock::now() }));
    }
    let Some(release) = release_of(car) else { return Ok(None) };
    let Some(open) = open(api, service, release).await? else { return Ok(None) };
    let (service, at) = (service.to_owned(), clock::now());
    Ok(match (&open.phase, car, &train.phase) {
        (Of::Done, CarState::Runs { .. } | CarState::Ready { .. }, _) => Some(Command::Arrived { service, at }),
        (_, CarState::Runs { .. }, Phase::Forward) if train.together && passage::is_ready(&open) => Some(Command::Ready { service, at }),
        (Of::Done, CarState::Verifies { .. }, Phase::Forward) => {
            let halted = breaker::halted(&api.plane, &api.opened.config, &service, at).await?.map(|by| by.name);
            Some(Command::Look { service, halted, watched_since: api.trains.since, at })
        }
        (
            Of::RolledBack { .. } | Of::Aborted { .. },
            CarState::Arrived { .. } | CarState::Verifies { .. } | CarState::Asks { .. },
            Phase::Back { .. },
        ) => Some(Command::Undone { service, at }),
        (Of::RolledBack { .. } | Of::Aborted { .. }, _, _) => {
            Some(Command::WentBack { service, why: format!("its release {release}: {}", ended_words(&open)), at })
        }
        _ => None,
    })
}

async fn carry_out(api: &Api, name: &str, state: &Trained, want: &Want) -> Result<Option<Command>> {
    let Some(train) = &state.train else { return Ok(None) };
    let by = mark(name, train);
    match want {
        Want::Check { service } => {
            let fit = fitting::of_step(api, name, train, service).await?;
            api.trains.set(name, service, (!fit.allows()).then(|| fit.words()));
            Ok(Some(Command::Checked { service: service.clone(), fit, at: clock::now() }))
        }
        Want::Start { service, version } => start(api, name, train, service, version).await,
        Want::Go { service, release } => passage::go(api, by, RolloutId { service: service.clone(), number: *release }).await,
        Want::Abort { service, release } => {
            let reason = "the train goes back".to_owned();
            let command = rollout::Command::Abort { by, reason, at: clock::now() };
            let goes = open(api, service, *release).await?.is_some_and(|open| open.forward().is_some());
            // On its last moves it comes to its end, and is undone then.
            if goes {
                api.plane
                    .drive(Input::Command { rollout: RolloutId { service: service.clone(), number: *release }, key: None, command })
                    .await?;
            }
            Ok(None)
        }
        Want::Undo { service, release } => undo(api, name, train, service, *release).await,
    }
}

/// Starts a car's release.
async fn start(api: &Api, name: &str, train: &Train, service: &str, version: &str) -> Result<Option<Command>> {
    let (change, at) = (mark(name, train), clock::now());
    // A glass that somebody broke is not for what starts by itself; in one environment alone nothing does.
    let alone = passage::is_of_one(&api.opened.config, name, train);
    let blocked = if alone { api.watchman.freeze(service).await? } else { api.watchman.stands_still(service).await? };
    if let Some(block) = blocked {
        api.trains.set(name, service, Some(block.why));
        return Ok(None);
    }
    if !alone && api.watchman.freezer().glass_is_broken(service).await? {
        api.trains.set(name, service, Some("somebody broke the glass of it: nothing starts by itself until that ends".to_owned()));
        return Ok(None);
    }
    let newest = api.plane.newest(service).await?;
    if newest.is_some_and(|(_, state)| state.rollout().is_some_and(|open| !open.phase.is_terminal())) {
        api.trains.set(name, service, Some("another release of it is under way: its end comes first".to_owned()));
        return Ok(None);
    }
    if train.fit.is_some() {
        // Somebody may have released another version since it was looked at.
        let fit = fitting::of_step(api, name, train, service).await?;
        if train.fits.get(service) != Some(&fit) {
            return Ok(Some(Command::Checked { service: service.to_owned(), fit, at }));
        }
    }
    let people = &api.opened.config.people;
    let all = people.is_empty() || is_nameless(&train.by);
    let unnamed = || [Role::Developer, Role::ReleaseManager].map(Held::everywhere).to_vec();
    let roles = if all { unnamed() } else { people.get(&train.by).cloned().unwrap_or_default() };
    let person = Person { name: train.by.clone(), roles };
    let risk = train.spec.car(service).and_then(|car| car.risk.clone());
    let wanted = Start { service: service.to_owned(), version: version.to_owned(), change: Some(change), risk, ..Start::default() };
    match steer::begin(api, &person, wanted).await {
        Ok(id) => {
            api.trains.set(name, service, None);
            Ok(Some(Command::Started { service: service.to_owned(), release: id.number, at }))
        }
        Err(error) if exit::code_of(&error) == exit::NOT_FOUND => {
            Ok(Some(Command::WentBack { service: service.to_owned(), why: format!("{error:#}"), at }))
        }
        // A freeze ends, approvals come, a file is whole again: it is tried again.
        Err(error) => {
            api.trains.set(name, service, Some(format!("{error:#}")));
            Ok(None)
        }
    }
}

async fn undo(api: &Api, name: &str, train: &Train, service: &str, release: u64) -> Result<Option<Command>> {
    let (by, id, at) = (mark(name, train), RolloutId { service: service.to_owned(), number: release }, clock::now());
    let cannot = |why: String| Ok(Some(Command::CannotUndo { service: service.to_owned(), why, at }));
    if let Some((newest, _)) = api.plane.newest(service).await?.filter(|(newest, _)| *newest != id) {
        return cannot(format!("its release {release} is not the newest: {newest} came after it"));
    }
    if open(api, service, release).await?.is_none_or(|open| open.phase != Of::Done) {
        return Ok(None);
    }
    // What cannot be read is a person's too: going back does not wait for a file to be whole again.
    if let Some(why) = fitting::of_return(api, name, train, service).await.unwrap_or_else(|error| Some(format!("{error:#}"))) {
        return cannot(why);
    }
    let command = rollout::Command::Undo { by, reason: "the train goes back".to_owned(), at };
    match api.plane.drive(Input::Command { rollout: id.clone(), key: None, command }).await {
        Ok(()) => {
            crate::task::spawn(steer::follow(api).until_the_end(id));
            Ok(None)
        }
        Err(error) => cannot(format!("{error:#}")),
    }
}

/// Whether a version can be released at all: found out before anything moves.
pub async fn is_there(api: &Api, name: &str, service: &str, version: &str) -> Result<()> {
    let model = api.opened.config.services.get(service).map_or("", |s| s.model.as_str());
    let state = api.plane.control().state::<Models>(register::stream(model)).await?;
    let why = match state.gates.get(version) {
        _ if !state.versions.contains_key(version) => (exit::NOT_FOUND, format!("model {model} has no version {version}")),
        Some(report) if report.passed() => return Ok(()),
        _ => (exit::REFUSED, format!("the gates of version {version} have not passed: `tidegate model show` says why")),
    };
    Err(failure(why.0, format!("let train {name} depart: {service}: {}", why.1)))
}

/// What a person says to a train.
#[derive(Deserialize, Default)]
pub struct Said {
    #[serde(default)]
    reason: String,
    /// Versions by service, to depart.
    #[serde(default)]
    versions: BTreeMap<String, String>,
    /// Risks of their changes by service, to depart.
    #[serde(default)]
    risks: BTreeMap<String, Risk>,
    /// The service that is left as it is.
    #[serde(default)]
    service: String,
}

/// Every train, and every service that goes through environments, with what keeps them from getting on.
pub async fn all(State(api): State<Api>) -> Result<Response, Failed> {
    let mut found = serde_json::Map::new();
    for name in passage::names(&api.opened.config) {
        found.insert(name.clone(), shown(&api, &name).await?);
    }
    Ok(axum::Json(found).into_response())
}

/// One as it stands.
///
/// # Errors
/// When the journal cannot be read.
pub async fn shown(api: &Api, name: &str) -> Result<serde_json::Value> {
    let state = api.plane.control().state::<Trains>(stream(name)).await?;
    Ok(serde_json::json!({ "train": state.train, "waits": api.trains.of(name) }))
}

/// Carries out what a person says.
pub async fn command(
    State(api): State<Api>,
    Extension(Principal(person)): Extension<Principal>,
    Path((name, word)): Path<(String, String)>,
    body: Option<axum::Json<Said>>,
) -> Result<Response, Failed> {
    let known = passage::names(&api.opened.config);
    if !known.contains(&name) {
        return Err(exit::unknown(&format!("{word} a train"), &name, known.iter()).into());
    }
    let Said { reason, versions, risks, service } = body.map(|axum::Json(said)| said).unwrap_or_default();
    let (by, at) = (person.name.clone(), clock::now());
    let command = match word.as_str() {
        "depart" => depart(&api, &name, (&versions, &risks), (by, reason)).await?,
        "back" => Command::TurnBack { by, reason, at },
        "leave" => Command::Leave { service, by, reason, at },
        "approve" => {
            passage::may_approve(&person, &service)?;
            Command::Approve { service, by, reason, at }
        }
        _ => return Err(failure(exit::NOT_FOUND, format!("`{word}` is no word of a train: known are depart, back, leave, approve")).into()),
    };
    execute(&api, &name, command).await?;
    Ok(axum::Json(shown(&api, &name).await?).into_response())
}

/// Tells a train what a person says.
///
/// # Errors
/// What the machine refuses.
pub async fn execute(api: &Api, name: &str, command: Command) -> Result<()> {
    let refused = |error: anyhow::Error| failure(exit::REFUSED, error.to_string());
    api.plane.control().execute::<Trains>(stream(name), None, command).await.map_err(refused).map(drop)
}

/// Versions and risks of changes, by service.
type Changes<'a> = (&'a BTreeMap<String, String>, &'a BTreeMap<String, Risk>);

/// The risks, each a chance and somebody's, and of a service that goes with the train.
fn told(name: &str, (versions, risks): Changes<'_>) -> Result<BTreeMap<String, Risk>> {
    let of = |(service, told): (&String, &Risk)| {
        let why = |why: String| failure(exit::USAGE, format!("let train {name} depart: the risk of `{service}`: {why}"));
        if !versions.contains_key(service) {
            return Err(why("no version of it is named: it is left out".to_owned()));
        }
        let risk = Risk::new(told.score, &told.by).map_err(|no| why(no.to_string()))?;
        Ok((service.clone(), risk))
    };
    risks.iter().map(of).collect()
}

async fn depart(api: &Api, name: &str, (versions, risks): Changes<'_>, (by, reason): (String, String)) -> Result<Command> {
    let Some(NamedTrain { cars, inferred }) = api.opened.config.trains.get(name) else {
        let why = format!(
            "let train {name} depart: it is a service with environments: `tidegate release start {name} VERSION` takes it through them"
        );
        return Err(failure(exit::USAGE, why));
    };
    if let Some(other) = versions.keys().find(|service| !cars.iter().any(|car| car.service == **service)) {
        let names: Vec<&str> = cars.iter().map(|car| car.service.as_str()).collect();
        let why = format!("let train {name} depart: `{other}` is not in it; its services are {}", names.join(", "));
        return Err(failure(exit::NOT_FOUND, why));
    }
    let risks = told(name, (versions, risks))?;
    let ordered = if *inferred { train_order::ordered(api, name, cars).await? } else { cars.clone() };
    for (service, version) in versions {
        is_there(api, name, service, version).await?;
    }
    let spec = Spec::of_those(&ordered, |service| versions.get(service).cloned());
    let spec = spec.map_err(|problem| failure(exit::USAGE, format!("let train {name} depart: {problem}: name them as SERVICE=VERSION")))?;
    let spec = spec.with_risks(|service| risks.get(service).cloned());
    let fit = Some(fitting::of_departure(api, name, &spec).await?);
    Ok(Command::Depart { spec, together: false, fit, by, reason, at: clock::now() })
}
