//! Services that somebody else serves: their drivers, made from the configuration, and what carries effects out through them.
//!
//! It decides nothing: it asks for the end state that the rollout wants until it is there, one change of a service after the
//! other. Not here: how a driver speaks to what serves (`adapters`), and where counts come from (`telemetry`).

mod made;
mod telemetry;
mod watch;

pub use telemetry::Asked;
pub use watch::watch;

use super::plane::Plane;
use crate::clock;
use crate::surroundings::secret;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidegate_adapters::traffic::{Release, Standing, Traffic};
use tidegate_core::rollout::{Command, Effect, Phase, Rollout, effects};
use tidegate_engine::rollouts::RolloutId;
use tidegate_port::FailureKind;
use tidegate_wire::config::Workspace;
use tokio::sync::Mutex;

/// Longest word of a verdict that a driver is told, in characters.
const WORDS_CHARS_MAX: usize = 300;

/// The driver of a service. Cloning gives another handle.
#[derive(Clone)]
pub struct Driven {
    traffic: Arc<dyn Traffic>,
    /// Whoever changes something has it: what was asked for first is done before what was asked for next.
    turn: Arc<Mutex<()>>,
}

/// The drivers of all services that have one.
#[derive(Clone, Default)]
pub struct Drivers(BTreeMap<String, Driven>);

impl Drivers {
    /// Those of a workspace.
    pub fn new(config: &Workspace, root: &Path, work: &Path) -> Drivers {
        let made = |(name, driver)| (name, Driven { traffic: driver, turn: Arc::default() });
        let driven = config
            .services
            .iter()
            .filter_map(|(name, s)| Some((name.clone(), made::traffic((&config.name, name), s.driver.as_ref()?, root, work))));
        Drivers(driven.map(made).collect())
    }

    /// That of a service, where it has one.
    pub fn of(&self, service: &str) -> Option<Driven> {
        self.0.get(service).cloned()
    }
}

/// A release as a driver has to know it.
fn release_of(open: &Rollout) -> Release {
    let (spec, phase, at) = (&open.spec, open.phase.name(), clock::now());
    let verdict = open.judged.as_ref().map(|judged| {
        let summary: String = judged.assessment.summary.chars().take(WORDS_CHARS_MAX).collect();
        format!("; verdict {}: {summary}", super::story::verdict(&judged.assessment.verdict))
    });
    let step = match open.forward() {
        Some(tidegate_core::rollout::Forward::Step { index }) => format!(", step {}", index + 1),
        _ => String::new(),
    };
    Release {
        service: spec.service.clone(),
        number: spec.number,
        model: spec.model.clone(),
        stable: spec.stable.clone(),
        candidate: spec.candidate.clone(),
        moved: open.traffic.is_some(),
        stands: spec.stable.is_some() && spec.preview().is_some(),
        back: matches!(open.phase, Phase::RollingBack { .. } | Phase::RolledBack { .. } | Phase::Aborted { .. }),
        words: format!("{phase}{step}{}", verdict.unwrap_or_default()),
        since: open.traffic.map_or(at, |wanted| wanted.since),
        at,
    }
}

fn done(traffic: &dyn Traffic, release: &Release, effect: &Effect) -> Result<Standing, tidegate_port::Failure> {
    match effect {
        Effect::Load { role, .. } => traffic.load(release, *role),
        Effect::Unload { role, .. } => traffic.unload(release, *role),
        // The control is stable: what goes to either goes there.
        Effect::SetTraffic { traffic: wanted, .. } => traffic.split(release, wanted.candidate_bp),
        Effect::CollectEvidence { .. } | Effect::Page { .. } => Ok(Standing::There),
    }
}

/// The answer to an effect that will not be; none where it is asked for again.
fn no(effect: &Effect, why: &str) -> Option<Command> {
    match effect {
        Effect::Load { role, generation, .. } => {
            Some(Command::WorkerFailed { role: *role, generation: *generation, reason: why.to_owned(), at: clock::now() })
        }
        Effect::Unload { .. } | Effect::SetTraffic { .. } | Effect::CollectEvidence { .. } | Effect::Page { .. } => None,
    }
}

impl Driven {
    /// Carries out what a rollout wants of the outside; none when it is no longer wanted. What does not work this time is told
    /// once and tried again.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn carry_out(&self, plane: &Plane, rollout: &RolloutId, effect: &Effect) -> Result<Option<Command>> {
        let (mut told, mut said) = (String::new(), String::new());
        loop {
            let turn = self.turn.clone().lock_owned().await;
            let state = plane.state(rollout).await?;
            // Looked at in turn: what was overtaken while it waited is not done any more.
            let Some(open) = state.rollout().filter(|_| effects(&state).contains(effect)) else { return Ok(None) };
            let (traffic, release, wanted) = (self.traffic.clone(), release_of(open), effect.clone());
            let found = tokio::task::spawn_blocking(move || {
                // Kept until it is done, even where nobody waits for it any more.
                let _turn = turn;
                done(traffic.as_ref(), &release, &wanted)
            });
            let (why, for_good) = match found.await? {
                Ok(Standing::There) => return Ok(effect.carried_out(clock::now())),
                Ok(Standing::Enough(why)) => {
                    plane.trouble(&format!("{rollout}: {why}"));
                    return Ok(effect.carried_out(clock::now()));
                }
                Ok(Standing::Coming(why)) => {
                    plane.done_once(&mut told, format!("  {rollout}: waits: {why}"));
                    (None, false)
                }
                Ok(Standing::Failed(why)) => (Some(why), true),
                // A token that has run out says nothing about the version.
                Err(failure) => (Some(failure.to_string()), matches!(failure.kind, FailureKind::Refused | FailureKind::Gone)),
            };
            if let Some(command) = why.as_deref().filter(|_| for_good).and_then(|why| no(effect, why)) {
                return Ok(Some(command));
            }
            plane.trouble_once(&mut said, why.map(|why| format!("{rollout}: {why}")));
            tokio::time::sleep(Duration::from_millis(self.traffic.pace().ask_ms)).await;
        }
    }
}

/// What is in an environment variable that the configuration names.
fn named_secret(variable: Option<&String>) -> Result<Option<String>, String> {
    variable.map(|variable| secret(variable)).transpose()
}
