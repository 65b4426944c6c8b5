//! Takes a workspace round the loop: act after act, each resumable, under replayed traffic where there is a scenario.

mod rollout;
mod traffic;
mod watch;

use super::events::Bus;
use super::start::Running;
use crate::clock;
use crate::exit::{self, failure};
use crate::steps::candidate::{Candidate, Change, failed_gates};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidegate_build::Cancel;
use tidegate_core::id::Digest;
use tidegate_core::workspace::{Act as ActState, Command, Loop, Outcome};
use tidegate_wire::scenario::{Act, Deed, Scenario};

/// The stream of the loop.
pub const STREAM: &str = "workspace/loop";
/// How often a wait looks whether traffic was answered.
const LOOK: Duration = Duration::from_millis(100);

/// How the loop ended.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Ending {
    /// Whether each act ended as its scenario expects.
    pub as_expected: bool,
    /// Each act: name, outcome, sentence.
    pub acts: Vec<(String, Option<Outcome>, String)>,
    /// Milliseconds from the start of this process to the first prediction served.
    pub first_prediction_ms: Option<u64>,
}

/// Plays the loop of a running workspace.
pub struct Player<'a> {
    run: &'a Running,
    scenario: Scenario,
    digest: Digest,
    first_prediction_ms: Option<u64>,
    pass: u64,
}

impl<'a> Player<'a> {
    /// A player of the workspace's scenario; without one, of a single act for its only service.
    ///
    /// # Errors
    /// When there is neither a scenario nor exactly one service.
    pub fn new(run: &'a Running) -> Result<Player<'a>> {
        let (scenario, text) = match &run.opened.scenario {
            Some((scenario, text)) => (scenario.clone(), text.clone()),
            None => return Err(failure(exit::USAGE, "play the loop: there is no scenario.yaml")),
        };
        if !run.opened.config.services.contains_key(&scenario.replay.service) {
            return Err(failure(
                exit::USAGE,
                format!("scenario.yaml: `replay.service: {}` is no service of tidegate.yaml", scenario.replay.service),
            ));
        }
        let pass = u64::try_from(clock::now().0).unwrap_or(0) % 1_000_000_000;
        Ok(Player { run, scenario, digest: Digest::of(text.as_bytes()), first_prediction_ms: None, pass })
    }

    fn bus(&self) -> &Bus {
        &self.run.bus
    }

    async fn tell(&self, command: Command) -> Result<()> {
        self.run.control.execute::<Loop>(STREAM.to_owned(), None, command).await?;
        Ok(())
    }

    async fn act_state(&self, index: usize) -> Result<ActState> {
        let state = self.run.control.state::<Loop>(STREAM).await?;
        state.acts.get(index).cloned().with_context(|| format!("act {index} is not in the journal"))
    }

    async fn note(&self, act: usize, about: &str, value: serde_json::Value) -> Result<()> {
        self.tell(Command::Note { act, about: about.to_owned(), value, at: clock::now() }).await
    }

    /// Plays every act that has not ended.
    ///
    /// # Errors
    /// When something outside fails: the act stays open, and the next start goes on with it.
    pub async fn play(mut self) -> Result<Ending> {
        let acts = self.scenario.acts.clone();
        let names = acts.iter().map(|a| a.name.clone()).collect();
        self.tell(Command::Start { acts: names, scenario: self.digest.clone(), at: clock::now() }).await?;
        while let Some(index) = self.run.control.state::<Loop>(STREAM).await?.current() {
            let Some(act) = acts.get(index) else { break };
            self.tell(Command::StartAct { act: index, at: clock::now() }).await?;
            if self.broken_before(index, &acts).await? {
                let summary = "not reached: an act before it failed".to_owned();
                self.tell(Command::FinishAct { act: index, outcome: Outcome::Failed, summary, at: clock::now() }).await?;
                continue;
            }
            self.bus().done(format!("{} {}", crate::show::style::strong(&act.name), act.say));
            // What fails here is outside the act: it stays open, and the next start goes on with it.
            let (outcome, summary) = self.act(index, act).await.with_context(|| format!("act `{}`", act.name))?;
            let word =
                if outcome == act.expect { crate::show::style::good(outcome.words()) } else { crate::show::style::bad(outcome.words()) };
            self.bus().done(format!("  {word}: {summary}"));
            self.tell(Command::FinishAct { act: index, outcome, summary, at: clock::now() }).await?;
        }
        let state = self.run.control.state::<Loop>(STREAM).await?;
        let as_expected =
            state.acts.iter().zip(&acts).all(|(a, wanted)| a.finished.as_ref().is_some_and(|(_, outcome, _)| *outcome == wanted.expect));
        self.tell(Command::Finish { as_expected, at: clock::now() }).await?;
        let acts = state
            .acts
            .into_iter()
            .map(|a| a.finished.map_or((a.name.clone(), None, String::new()), |(_, o, s)| (a.name.clone(), Some(o), s)));
        Ok(Ending { as_expected, acts: acts.collect(), first_prediction_ms: self.first_prediction_ms })
    }

    /// Whether an earlier act failed where it should not: what builds on it cannot be played.
    async fn broken_before(&self, index: usize, acts: &[Act]) -> Result<bool> {
        let state = self.run.control.state::<Loop>(STREAM).await?;
        let ended = state.acts.iter().zip(acts).take(index).filter_map(|(a, wanted)| Some((a.finished.as_ref()?.1, wanted.expect)));
        Ok(ended.into_iter().any(|(outcome, wanted)| matches!(outcome, Outcome::Failed | Outcome::Refused) && outcome != wanted))
    }

    async fn act(&mut self, index: usize, act: &Act) -> Result<(Outcome, String)> {
        match &act.deed {
            Deed::Change { overlay, release } => {
                let root = self.work_tree(index, overlay.as_deref()).await?;
                let change = if overlay.is_none() { "workspace".to_owned() } else { act.name.clone() };
                self.change(index, act, root, &change, release, vec![]).await
            }
            Deed::WatchDrift => self.watch(index, act).await,
            Deed::Retrain { release } => {
                let (name, _) = self.model_of(&self.scenario.replay.service)?;
                if self.run.opened.config.retrain.get(&name).is_some_and(|r| r.rule.approve) {
                    let why = format!("`retrain.{name}.approve` asks for a person, and a rehearsal has nobody to ask");
                    return Ok((Outcome::Held, why));
                }
                let finding = self.newest_drift(index).await?;
                let overrides = self.retrain_overrides(&finding)?;
                let root = self.work_tree(index, self.champion_overlay().await?.as_deref()).await?;
                self.change(index, act, root, &act.name, release, overrides).await
            }
        }
    }

    /// The work tree of a change: the workspace itself, or a copy with the overlay's files.
    async fn work_tree(&self, index: usize, overlay: Option<&str>) -> Result<PathBuf> {
        let places = &self.run.opened.places;
        let Some(overlay) = overlay else { return Ok(places.root.clone()) };
        let (root, over, dest) = (places.root.clone(), places.root.join(overlay), places.changes().join(index.to_string()));
        if dest.is_dir() && self.act_state(index).await?.note("version").is_some() {
            // Built before a crash: a fresh copy would lack what its stages wrote.
            return Ok(dest);
        }
        let made = dest.clone();
        let pipeline = crate::steps::build::pipeline_file(&self.run.opened.config)?.map(str::to_owned);
        tokio::task::spawn_blocking(move || tidegate_build::snapshot(&root, pipeline.as_deref(), Some(&over), &made)).await??;
        Ok(dest)
    }

    /// A retraining starts from the change that the champion came from.
    async fn champion_overlay(&self) -> Result<Option<String>> {
        let state = self.run.control.state::<Loop>(STREAM).await?;
        let promoted = self
            .scenario
            .acts
            .iter()
            .zip(&state.acts)
            .filter(|(_, a)| matches!(a.finished, Some((_, Outcome::Live | Outcome::Promoted, _))));
        Ok(promoted
            .rev()
            .find_map(|(act, _)| if let Deed::Change { overlay, .. } = &act.deed { Some(overlay.clone()) } else { None })
            .flatten())
    }

    async fn change(
        &mut self,
        index: usize,
        act: &Act,
        root: PathBuf,
        change: &str,
        strategy: &str,
        overrides: Vec<String>,
    ) -> Result<(Outcome, String)> {
        let noted = self.act_state(index).await?;
        let candidate = match self.candidate(&noted, &root, change, overrides).await? {
            Ok(candidate) => candidate,
            Err(refused) => return Ok((Outcome::Refused, refused)),
        };
        self.note(index, "version", serde_json::json!(candidate.version.version)).await?;
        if !candidate.report.passed() {
            return Ok((Outcome::Refused, format!("version {}: {}", candidate.version.version, failed_gates(&candidate.report))));
        }
        self.release(index, act, &noted, &candidate, strategy).await
    }

    /// The act's candidate; one that was gated before a crash is not made again.
    async fn candidate(&self, noted: &ActState, root: &Path, change: &str, overrides: Vec<String>) -> Result<Result<Candidate, String>> {
        let shop = self.run.workshop();
        let (model, _) = self.model_of(&self.scenario.replay.service)?;
        if let Some(version) = noted.note("version").and_then(|v| v.as_str())
            && let Some(done) = shop.known(&model, version, root).await?
        {
            return Ok(Ok(done));
        }
        shop.candidate(&Change { model: &model, root, name: change, overrides, cancel: Cancel::default() }).await
    }

    fn model_of(&self, service: &str) -> Result<(String, tidegate_wire::config::Model)> {
        let config = &self.run.opened.config;
        let name = &config.services.get(service).with_context(|| format!("service {service} is not configured"))?.model;
        let model = config.models.get(name).with_context(|| format!("model {name} is not configured"))?;
        Ok((name.clone(), model.clone()))
    }
}
