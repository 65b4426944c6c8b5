//! A/B tests: starts the workers of their variants, draws clients, counts, and tells the test what it sees. What is done next is said
//! by `core::ab`.

mod guard;
mod look;
mod said;

pub use said::{all, command, one};

use super::api::Api;
use super::plane::Plane;
use crate::clock;
use anyhow::Result;
use guard::Guard;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidegate_core::ab::{Command, Findings, Phase, State, Stop, Test, Tests, Want, lot_of, wants};
use tidegate_core::machine::Machine as _;
use tidegate_core::route::TargetId;
use tidegate_port::Blobs as _;
use tidegate_serve::TargetState;
use tidegate_wire::config::Workspace;
use tokio::task::JoinHandle;

/// How often a test that is under way is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often its clients are counted at most; where counting takes long, less often.
const COUNT: Duration = Duration::from_secs(2);
/// Counting takes no more than this part of the time.
const COUNT_PART: u32 = 20;
/// Who stops a test that a release overtakes.
const BY: &str = "ab";

fn stream(name: &str) -> String {
    format!("{}/{name}", Tests::KIND)
}

/// What is known of tests beside the journal: why one waits, and what was found last.
#[derive(Clone, Default)]
pub struct Board {
    known: Arc<Mutex<BTreeMap<String, Known>>>,
    /// Tests start one after the other: whether another one of the service is under way is looked at before.
    starting: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Default)]
struct Known {
    waits: Option<String>,
    found: Option<(String, Findings)>,
}

impl Board {
    fn with<T>(&self, name: &str, what: impl FnOnce(&mut Known) -> T) -> T {
        what(self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default())
    }

    fn waits(&self, name: &str, why: Option<String>) {
        self.with(name, |known| known.waits = why);
    }
}

/// The test of a service that has not ended, as `ranking/3`.
///
/// # Errors
/// When the journal cannot be read.
pub async fn open_on(plane: &Plane, config: &Workspace, service: &str) -> Result<Option<String>> {
    for (name, _) in config.ab_tests.iter().filter(|(_, test)| test.service == service) {
        let state = plane.control().state::<Tests>(stream(name)).await?;
        if let Some(test) = state.test.filter(|test| test.is_open() && test.spec.service == service) {
            return Ok(Some(test.id()));
        }
    }
    Ok(None)
}

/// What one conductor remembers from turn to turn; all of it can be had again.
#[derive(Default)]
struct Memory {
    guard: Option<Guard>,
    /// When clients were counted, and how long that took.
    counted: Option<(Instant, Duration)>,
    counting: Option<JoinHandle<Result<Duration>>>,
    /// Whether clients were counted, or could not be, since this process began.
    looked: bool,
    /// The test whose end was seen to.
    ended: Option<String>,
}

/// Carries out the tests of one name for as long as the workspace is up.
pub async fn conduct(api: Api, name: String) {
    let (mut said, mut memory) = (String::new(), Memory::default());
    loop {
        let done = turn(&api, &name, &mut memory).await;
        let waits = api.ab_tests.with(&name, |known| known.waits.clone());
        let trouble = done.err().map(|error| format!("{error:#}")).or(waits);
        api.plane.trouble_once(&mut said, trouble.map(|why| format!("A/B test {name}: {why}")));
        tokio::time::sleep(LOOK).await;
    }
}

async fn state(api: &Api, name: &str) -> Result<State> {
    api.plane.control().state::<Tests>(stream(name)).await
}

async fn tell(api: &Api, name: &str, command: Command) -> Result<()> {
    api.plane.control().execute::<Tests>(stream(name), None, command).await.map(drop)
}

async fn turn(api: &Api, name: &str, memory: &mut Memory) -> Result<()> {
    let Some(test) = state(api, name).await?.test else { return Ok(()) };
    if !test.is_open() {
        return clear(api, &test, memory).await;
    }
    // After a time in which nobody was here, what a test came to is looked at before it is said that it took too long.
    if memory.looked || test.phase == Phase::Preparing {
        tell(api, name, Command::Tick { at: clock::now() }).await?;
    }
    let service = &test.spec.service;
    // Going back is never refused: a release that is undone or was begun in the same moment ends the test.
    if let Some((id, _)) = api.plane.newest(service).await?.filter(|(_, state)| state.rollout().is_some_and(|r| !r.phase.is_terminal())) {
        let (by, reason) = (BY.to_owned(), format!("release {} of {service} is under way", id.number));
        tell(api, name, Command::Stop { by, reason, at: clock::now() }).await?;
    }
    let state = state(api, name).await?;
    for want in wants(&state) {
        carry_out(api, name, &state, &want).await?;
    }
    let Some(test) = state.test.filter(|test| matches!(test.phase, Phase::Running { .. })) else { return Ok(()) };
    // Guardrails do not wait for clients to be counted, and what keeps them from judging does not keep clients from being counted.
    let guarded = guard(api, name, &test, memory).await;
    match memory.counting.take() {
        Some(task) if !task.is_finished() => memory.counting = Some(task),
        Some(task) => {
            memory.looked = true;
            memory.counted = Some((clock::instant(), task.await??));
        }
        None if memory.counted.is_none_or(|(at, took)| at.elapsed() >= COUNT.max(took * COUNT_PART)) => {
            memory.counting = Some(crate::task::spawn(count(api.clone(), name.to_owned(), test)));
        }
        None => {}
    }
    guarded
}

/// An ended test draws nobody, and its workers end.
async fn clear(api: &Api, test: &Test, memory: &mut Memory) -> Result<()> {
    if memory.ended.as_ref() == Some(&test.id()) {
        return Ok(());
    }
    api.ab_tests.waits(&test.spec.name, None);
    let state = State { test: Some(test.clone()) };
    for want in wants(&state) {
        carry_out(api, &test.spec.name, &state, &want).await?;
    }
    *memory = Memory { ended: Some(test.id()), ..Memory::default() };
    Ok(())
}

async fn carry_out(api: &Api, name: &str, state: &State, want: &Want) -> Result<()> {
    let Some(test) = &state.test else { return Ok(()) };
    let target = |variant: &str, version: &str| TargetId::of_variant(&test.spec.service, version, variant);
    match want {
        Want::Load { variant, version } => {
            if load(api, test, &target(variant, version)).await? {
                tell(api, name, Command::Ready { test: test.number, variant: variant.clone(), at: clock::now() }).await?;
            }
        }
        Want::Begin => {
            let block = api.watchman.stands_still(&test.spec.service).await?;
            api.ab_tests.waits(name, block.as_ref().map(|b| b.why.clone()));
            if block.is_none() {
                tell(api, name, Command::Begin { test: test.number, at: clock::now() }).await?;
            }
        }
        Want::Draw => {
            let Some(lot) = lot_of(test) else { return Ok(()) };
            for stretch in &lot.stretches {
                match api.plane.gateway().pool().state(&stretch.target) {
                    // A worker that died is started again by the pool; meanwhile stable answers for it.
                    Some(TargetState::Ready | TargetState::Restarting { .. }) => {}
                    Some(TargetState::Failed { why }) => return stop(api, test, &stretch.target, Stop::Worker { why }).await,
                    // After a start of this process.
                    _ => {
                        load(api, test, &stretch.target).await?;
                    }
                }
            }
            // What was stopped meanwhile is looked at anew in the next turn.
            if self::state(api, name).await? == *state {
                api.plane.draw(&test.spec.service, Some(lot))?;
            }
        }
        Want::Unload { variant, version } => {
            if !test.is_open() && api.plane.drawn(&test.spec.service) == Some(test.id()) {
                api.plane.draw(&test.spec.service, None)?;
            }
            let target = target(variant, version);
            if api.plane.gateway().pool().state(&target).is_some() {
                api.plane.gateway().pool().unload(&target).await?;
            }
        }
    }
    Ok(())
}

async fn stop(api: &Api, test: &Test, target: &TargetId, why: Stop) -> Result<()> {
    let variant = target.variant.clone().unwrap_or_default();
    tell(api, &test.spec.name, Command::StopVariant { test: test.number, variant, why, at: clock::now() }).await
}

/// Whether a variant's worker answers; one that cannot stops its variant.
async fn load(api: &Api, test: &Test, target: &TargetId) -> Result<bool> {
    match api.plane.load_variant(&test.spec.model, target).await {
        Ok(ready) => Ok(ready),
        Err(error) => stop(api, test, target, Stop::Worker { why: format!("{error:#}") }).await.map(|()| false),
    }
}

/// Counts answers, and stops what a guardrail speaks against.
async fn guard(api: &Api, name: &str, test: &Test, memory: &mut Memory) -> Result<()> {
    // One that could not keep a tick is opened anew: what it holds is what is on the disk.
    let mut guard = match memory.guard.take() {
        Some(guard) if guard.of == test.id() => guard,
        _ => {
            let (dir, of) = (api.opened.places.evidence(), test.clone());
            tokio::task::spawn_blocking(move || Guard::open(&dir, &of)).await??
        }
    };
    let counts = || api.plane.gateway().take_counts(&test.spec.service);
    let harmful = tokio::task::block_in_place(|| guard.beat(test, clock::now(), counts))?;
    memory.guard = Some(guard);
    for (variant, found) in harmful {
        let why = Stop::Harm { found };
        tell(api, name, Command::StopVariant { test: test.number, variant, why, at: clock::now() }).await?;
    }
    Ok(())
}

/// Counts clients, and tells the test what is found; how long that took.
async fn count(api: Api, name: String, test: Test) -> Result<Duration> {
    let begun = clock::instant();
    let taken = look::clients(api.watchman.lake.clone(), &test).await?;
    let found = look::findings(test.clone(), taken.clone()).await?;
    api.ab_tests.with(&name, |known| known.found = Some((test.id(), found.clone())));
    let state = state(&api, &name).await?;
    let command = |evidence| Command::Look { test: test.number, result: Box::new(found.clone()), evidence, at: found.at };
    if Tests::decide(&state, &command(None)).is_ok_and(|events| !events.is_empty()) {
        let blobs = api.plane.blobs().clone();
        let sealed = tokio::task::spawn_blocking(move || blobs.put(&look::sealed(&taken))).await??;
        tell(&api, &name, command(Some(sealed))).await?;
    }
    Ok(begun.elapsed())
}
