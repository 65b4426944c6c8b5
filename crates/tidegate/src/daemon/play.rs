//! Takes a workspace round the loop: act after act, each resumable, under replayed traffic where there is a scenario.

use super::events::{Bus, Happening};
use super::replay::{Front, Recorded, Replay};
use super::start::Running;
use crate::clock;
use crate::columns;
use crate::exit::{self, failure};
use crate::steps::{build, check, drift, gate, register, release};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidegate_build::Cancel;
use tidegate_core::gate::{GateReport, GateVerdict};
use tidegate_core::id::Digest;
use tidegate_core::model::{ModelVersion, Models};
use tidegate_core::rollout::{Cause, HoldWhy, Phase, Rollout, Waiting};
use tidegate_core::watch::{Command as WatchCommand, DriftFinding, DriftVerdict, Watch};
use tidegate_core::workspace::{Act as ActState, Command, Loop, Outcome};
use tidegate_engine::rollouts::RolloutId;
use tidegate_runtime::Version;
use tidegate_store::PredictionFilter;
use tidegate_wire::scenario::{Act, Deed, Scenario};

/// The stream of the loop.
pub const STREAM: &str = "workspace/loop";
/// How often the watch looks for drift.
const DRIFT_LOOK: Duration = Duration::from_secs(2);
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

/// What an act's change became.
struct Candidate {
    root: PathBuf,
    version: ModelVersion,
    report: GateReport,
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
            return Err(failure(exit::USAGE, format!("scenario.yaml: `replay.service: {}` is no service of tidegate.yaml", scenario.replay.service)));
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
    /// When a store fails. What goes wrong in an act is its outcome.
    pub async fn play(mut self) -> Result<Ending> {
        let acts = self.scenario.acts.clone();
        let names = acts.iter().map(|a| a.name.clone()).collect();
        self.tell(Command::Start { acts: names, scenario: self.digest.clone(), at: clock::now() }).await?;
        while let Some(index) = self.run.control.state::<Loop>(STREAM).await?.current() {
            let Some(act) = acts.get(index) else { break };
            self.tell(Command::StartAct { act: index, at: clock::now() }).await?;
            self.bus().done(format!("{} {}", crate::show::style::strong(&act.name), act.say));
            let (outcome, summary) = match self.act(index, act).await {
                Ok(ended) => ended,
                Err(error) => (Outcome::Failed, format!("{error:#}")),
            };
            let word = if outcome == act.expect { crate::show::style::good(outcome.words()) } else { crate::show::style::bad(outcome.words()) };
            self.bus().done(format!("  {word}: {summary}"));
            self.tell(Command::FinishAct { act: index, outcome, summary, at: clock::now() }).await?;
            if matches!(outcome, Outcome::Failed | Outcome::Refused) && outcome != act.expect {
                self.skip_the_rest(index + 1, &acts).await?;
            }
        }
        let state = self.run.control.state::<Loop>(STREAM).await?;
        let as_expected = state.acts.iter().zip(&acts).all(|(a, wanted)| a.finished.as_ref().is_some_and(|(_, outcome, _)| *outcome == wanted.expect));
        self.tell(Command::Finish { as_expected, at: clock::now() }).await?;
        let acts = state.acts.into_iter().map(|a| a.finished.map_or((a.name.clone(), None, String::new()), |(_, o, s)| (a.name.clone(), Some(o), s)));
        Ok(Ending { as_expected, acts: acts.collect(), first_prediction_ms: self.first_prediction_ms })
    }

    async fn skip_the_rest(&self, from: usize, acts: &[Act]) -> Result<()> {
        for index in from..acts.len() {
            self.tell(Command::StartAct { act: index, at: clock::now() }).await?;
            let summary = "not reached: an act before it failed".to_owned();
            self.tell(Command::FinishAct { act: index, outcome: Outcome::Failed, summary, at: clock::now() }).await?;
        }
        Ok(())
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
        let made = dest.clone();
        tokio::task::spawn_blocking(move || tidegate_build::snapshot(&root, Some(&over), &made)).await??;
        Ok(dest)
    }

    /// A retraining starts from the change that the champion came from.
    async fn champion_overlay(&self) -> Result<Option<String>> {
        let state = self.run.control.state::<Loop>(STREAM).await?;
        let promoted = self.scenario.acts.iter().zip(&state.acts).filter(|(_, a)| matches!(a.finished, Some((_, Outcome::Live | Outcome::Promoted, _))));
        Ok(promoted.filter_map(|(act, _)| if let Deed::Change { overlay, .. } = &act.deed { Some(overlay.clone()) } else { None }).last().flatten())
    }

    async fn change(&mut self, index: usize, act: &Act, root: PathBuf, change: &str, strategy: &str, overrides: Vec<String>) -> Result<(Outcome, String)> {
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

    /// Builds, checks, registers and gates. The inner error is a sentence: a contract or a stage refused it.
    async fn candidate(&self, noted: &ActState, root: &Path, change: &str, overrides: Vec<String>) -> Result<Result<Candidate, String>> {
        let service = &self.scenario.replay.service;
        let (name, model) = self.model_of(service)?;
        if let Some(done) = self.known(noted, root, &name).await? {
            return Ok(Ok(done));
        }
        for (dataset, config) in &self.run.opened.config.data {
            let built = self.build(root, change, vec![config.path.clone()], overrides.clone(), false).await?;
            if let Some(error) = built.report.failure() {
                return Ok(Err(format!("the pipeline failed: {error}")));
            }
            if let Some(file) = &config.contract {
                let report = check::check(root, config, file, false).await?;
                check::record(&self.run.control, &self.run.blobs, dataset, root, config, file, &report).await?;
                if !report.success {
                    return Ok(Err(format!("contract of {dataset} failed: {}", report.summary())));
                }
                self.bus().done(format!("  contract of {dataset} passed: {} expectations on {} rows", report.outcomes.len(), report.table.rows));
            }
        }
        let built = self.build(root, change, vec![], overrides, true).await?;
        if let Some(error) = built.report.failure() {
            return Ok(Err(format!("the pipeline failed: {error}")));
        }
        let version = self.register(root, &name, change, &built).await?;
        let gating = gate::Gating { root, model: &model, version: &version, versions: &self.run.opened.places.versions(), blobs: &self.run.blobs, control: &self.run.control };
        let report = gate::gate(&gating).await?;
        for outcome in &report.outcomes {
            let word = match outcome.verdict {
                GateVerdict::Pass => crate::show::style::good("pass"),
                GateVerdict::Fail => crate::show::style::bad("fail"),
                GateVerdict::CannotTell => crate::show::style::warn("cannot tell"),
            };
            self.bus().done(format!("  gate {}: {word}: {}", outcome.name, outcome.why));
        }
        Ok(Ok(Candidate { root: root.to_owned(), version, report }))
    }

    /// The candidate of an act that a crash interrupted after its gates.
    async fn known(&self, noted: &ActState, root: &Path, model: &str) -> Result<Option<Candidate>> {
        let Some(version) = noted.note("version").and_then(|v| v.as_str()) else { return Ok(None) };
        let state = self.run.control.state::<Models>(register::stream(model)).await?;
        let found = state.versions.get(version).cloned().zip(state.gates.get(version).cloned());
        Ok(found.map(|(version, report)| Candidate { root: root.to_owned(), version, report }))
    }

    async fn build(&self, root: &Path, change: &str, targets: Vec<String>, overrides: Vec<String>, must_record: bool) -> Result<build::Built> {
        let (root, change) = (root.to_owned(), change.to_owned());
        let (config, env, control, bus) = (self.run.opened.config.clone(), self.run.env.clone(), self.run.control.clone(), self.bus().clone());
        let cache = tidegate_build::load(&self.run.opened.places.root, None, None).map(|w| w.cache)?;
        tokio::task::spawn_blocking(move || {
            let wanted = build::Wanted { root: &root, change: &change, targets, overrides, force: false, jobs: None, cache: Some(&cache) };
            build::build(&wanted, &config, env.as_ref(), &control, &bus, &Cancel::default(), must_record)
        })
        .await?
    }

    async fn register(&self, root: &Path, name: &str, change: &str, built: &build::Built) -> Result<ModelVersion> {
        let (_, model) = self.model_of(&self.scenario.replay.service)?;
        let (root, name) = (root.to_owned(), name.to_owned());
        let (lineage, metrics) = (built.lineage(change), built.metrics());
        let (control, blobs, bus) = (self.run.control.clone(), self.run.blobs.clone(), self.bus().clone());
        tokio::task::spawn_blocking(move || {
            let offer = register::Offer { root: &root, name: &name, model: &model, lineage, metrics };
            let version = register::register(&offer, &control, &blobs)?;
            bus.done(format!("  registered version {}: {}", version.version, version.artifact.short()));
            Ok(version)
        })
        .await?
    }

    fn model_of(&self, service: &str) -> Result<(String, tidegate_wire::config::Model)> {
        let config = &self.run.opened.config;
        let name = &config.services.get(service).with_context(|| format!("service {service} is not configured"))?.model;
        let model = config.models.get(name).with_context(|| format!("model {name} is not configured"))?;
        Ok((name.clone(), model.clone()))
    }

    async fn release(&mut self, index: usize, act: &Act, noted: &ActState, candidate: &Candidate, strategy: &str) -> Result<(Outcome, String)> {
        let service = self.scenario.replay.service.clone();
        let wish = release::Wish { service: &service, version: &candidate.version, strategy, change: &act.name, disagreement: candidate.report.disagreement };
        let plane = &self.run.plane;
        let number = match noted.note("rollout").and_then(serde_json::Value::as_u64) {
            Some(number) => number,
            None => {
                // Noted first: a crash between the two starts the same number again, not another.
                let number = plane.newest(&service).await?.map_or(1, |(id, _)| id.number + 1);
                self.note(index, "rollout", serde_json::json!(number)).await?;
                number
            }
        };
        let id = release::start(plane, &self.run.opened.config, &wish, Some(number)).await?;
        release::prepare_offline(plane, &self.run.ticks, &self.run.opened.config, &candidate.root, &id).await?;
        let traffic = self.traffic(index, act, &candidate.root).await?;
        let mut last = String::new();
        let bus = self.bus().clone();
        let waited = release::wait(plane, &id, |state| {
            if let Some(open) = state.rollout() {
                let text = format!("release {}: {}{}", id.number, open.phase.name(), open.waiting.as_ref().map_or(String::new(), |w| format!(", {}", waiting_words(w))));
                if text != last {
                    bus.progress(text.clone());
                    last = text;
                }
            }
        });
        let outcome = self.with_first_prediction(&traffic, waited).await?;
        let outcome = if outcome == Outcome::Held { self.give_up(&id).await? } else { outcome };
        let tally = traffic.stop().await;
        release::move_aliases(plane, &candidate.version, outcome, &id).await?;
        let summary = self.sentence(&id, candidate, outcome, &tally).await?;
        Ok((outcome, summary))
    }

    /// Waits, and tells when the first prediction of this process was served.
    async fn with_first_prediction<T>(&mut self, traffic: &Replay, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(LOOK), if self.first_prediction_ms.is_none() => {
                    if traffic.tally().with_status(200..201) > 0 {
                        let ms = u64::try_from(self.run.started.elapsed().as_millis()).unwrap_or(u64::MAX);
                        self.first_prediction_ms = Some(ms);
                        self.run.bus.done(format!("  first prediction served {:.1} s after the start", ms as f64 / 1000.0));
                    }
                }
            }
        }
    }

    /// A rehearsal has nobody to ask: what waits for a person is taken back, and the act says that it was held.
    async fn give_up(&self, id: &RolloutId) -> Result<Outcome> {
        let command = tidegate_core::rollout::Command::Abort { by: "scenario".to_owned(), reason: "held, and a rehearsal has nobody to ask".to_owned(), at: clock::now() };
        self.run.plane.drive(tidegate_engine::rollouts::Input::Command { rollout: id.clone(), key: None, command }).await?;
        release::wait(&self.run.plane, id, |_| {}).await?;
        Ok(Outcome::Held)
    }

    async fn sentence(&self, id: &RolloutId, candidate: &Candidate, outcome: Outcome, tally: &super::replay::Tally) -> Result<String> {
        let version = &candidate.version.version;
        let saw = self.users_who_saw(id, version, tally).await?;
        let state = self.run.plane.state(id).await?;
        let why = state.rollout().and_then(|r| r.failed.as_ref().or(r.judged.as_ref())).map(|j| j.assessment.summary.clone());
        Ok(match outcome {
            Outcome::Live => format!("version {version} live, {} requests answered", tally.with_status(200..201)),
            Outcome::Promoted => format!("version {version} promoted; {}", why.unwrap_or_default()),
            Outcome::StoppedInShadow => format!("version {version} stopped in shadow, {saw} users saw it; {}", why.unwrap_or_default()),
            Outcome::RolledBack => format!("version {version} rolled back in canary, {saw} requests saw it; {}", why.unwrap_or_default()),
            Outcome::Held => format!("version {version} was held: {}", state.rollout().map_or(String::new(), ended_words)),
            _ => format!("version {version}: {}", state.rollout().map_or(String::new(), ended_words)),
        })
    }

    /// Live requests that a candidate answered in a release, over crashes: what its evidence counted, and what this process knows.
    async fn users_who_saw(&self, id: &RolloutId, version: &str, tally: &super::replay::Tally) -> Result<u64> {
        let (dir, of) = (self.run.opened.places.evidence(), id.clone());
        let ticks = tokio::task::spawn_blocking(move || super::evidence::read(&dir, &of, 0)).await??;
        let counted: u64 = ticks.iter().filter(|t| t.mode != tidegate_core::judge::Mode::Shadow).map(|t| t.candidate.requests).sum();
        let (lake, filter) = (self.run.lake.clone(), PredictionFilter { service: Some(id.service.clone()), version: Some(version.to_owned()), role: Some("candidate".to_owned()), without_inputs: true, ..PredictionFilter::default() });
        let kept = tokio::task::spawn_blocking(move || -> Result<u64> { Ok(lake.read_predictions(&filter)?.filter(Result::is_ok).count() as u64) }).await??;
        Ok(counted.max(kept).max(tally.of_version(version)))
    }

    // ---- traffic ----

    /// Replays the act's part of the recording, from where a crash left it.
    async fn traffic(&mut self, index: usize, act: &Act, root: &Path) -> Result<Replay> {
        let replay = self.scenario.replay.clone();
        let records = Arc::new(recording(&root.join(&replay.records), &replay, act).await?);
        if records.is_empty() {
            return Err(failure(exit::USAGE, format!("replay {}: no record lies from {} until {}", replay.records, act.traffic_from, act.traffic_until)));
        }
        self.pass += 1;
        let _ = index;
        let front = Front { address: self.run.plane.gateway().address(), token: self.run.gateway_token.clone(), model: self.run.endpoint_model(&replay.service) };
        Ok(Replay::start(front, records, replay.per_second, self.pass))
    }

    // ---- watch ----

    async fn watch(&mut self, index: usize, act: &Act) -> Result<(Outcome, String)> {
        let service = self.scenario.replay.service.clone();
        let (name, model) = self.model_of(&service)?;
        let rule = model.drift.clone().ok_or_else(|| failure(exit::USAGE, format!("watch for drift: `models.{name}.drift` is not configured")))?;
        let state = self.run.control.state::<Models>(register::stream(&name)).await?;
        let champion = state.aliases.get("champion").and_then(|v| state.versions.get(v)).cloned().context("watch for drift: no version is champion")?;
        let reference = Arc::new(self.reference(&champion, &rule).await?);
        let traffic = self.traffic(index, act, &self.run.opened.places.root.clone()).await?;
        let outcome = loop {
            tokio::time::sleep(DRIFT_LOOK).await;
            let over = traffic.is_over();
            let finding = drift::judge(self.run.lake.clone(), &service, &champion.version, reference.clone()).await?;
            if let Some(finding) = finding {
                self.bus().progress(format!("watching: {}", finding.sentence()));
                if finding.verdict != DriftVerdict::CannotTell {
                    let command = WatchCommand::JudgeDrift { finding: finding.clone(), at: clock::now() };
                    self.run.control.execute::<Watch>(format!("service/{service}"), None, command).await?;
                }
                if finding.verdict == DriftVerdict::Drift {
                    self.note(index, "drift", serde_json::to_value(&finding)?).await?;
                    break (Outcome::DriftFound, finding.sentence());
                }
                if over {
                    break (Outcome::NoDrift, finding.sentence());
                }
            } else if over {
                break (Outcome::NoDrift, "no live row was recorded".to_owned());
            }
        };
        traffic.stop().await;
        Ok(outcome)
    }

    async fn reference(&self, champion: &ModelVersion, rule: &tidegate_wire::config::Drift) -> Result<drift::Reference> {
        let digest = champion.profile.as_ref().context("watch for drift: the version was registered without reference rows")?;
        // The blob has no name with an ending, and the columnar engine goes by it.
        let file = self.run.opened.places.versions().join(&champion.model).join(format!("{}.reference.parquet", champion.version));
        if !file.exists() {
            let bytes = tidegate_port::Blobs::get(&self.run.blobs, digest)?;
            tidegate_store::disk::replace_file(&file, &bytes)?;
        }
        let dir = self.run.plane.directory(&champion.model, &champion.version).await?;
        let version = tokio::task::spawn_blocking(move || Version::open(&dir)).await??;
        drift::reference(&version, rule, &file).await
    }

    async fn newest_drift(&self, before: usize) -> Result<DriftFinding> {
        let state = self.run.control.state::<Loop>(STREAM).await?;
        let noted = state.acts.iter().take(before).rev().find_map(|a| a.note("drift"));
        let value = noted.context("retrain: no drift was found before")?;
        Ok(serde_json::from_value(value.clone())?)
    }

    /// Parameters of a retraining; `${window.start - 30d}` and the like stand for days around the drift's window.
    fn retrain_overrides(&self, finding: &DriftFinding) -> Result<Vec<String>> {
        let (name, _) = self.model_of(&self.scenario.replay.service)?;
        let Some(retrain) = self.run.opened.config.retrain.get(&name) else { return Ok(vec![]) };
        retrain
            .set
            .iter()
            .map(|(key, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                // Quoted, so that a day stays text as it is in the parameter file.
                Ok(format!("{key}='{}'", super::window::fill(&text, finding.window_from, finding.window_until).map_err(|e| failure(exit::USAGE, format!("retrain.{name}.set.{key}: {e}")))?))
            })
            .collect()
    }
}

/// The recorded requests of an act.
async fn recording(file: &Path, replay: &tidegate_wire::scenario::Replay, act: &Act) -> Result<Vec<Recorded>> {
    let table = columns::read(file, &[]).await?;
    let (from, until) = (act.traffic_from.clone(), act.traffic_until.clone());
    let (id, time, label) = (replay.id.clone(), replay.time.clone(), replay.label.clone());
    tokio::task::spawn_blocking(move || {
        let column = |name: &str| table.columns.get(name).map(|c| c.json.as_slice()).ok_or_else(|| failure(exit::USAGE, format!("replay: the recording has no column `{name}`")));
        let (ids, times, labels) = (column(&id)?, column(&time)?, column(&label)?);
        let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let within = |t: &str| t >= from.as_str() && t < until.as_str();
        let rows = (0..table.rows).filter(|row| within(&text(&times[*row])));
        rows.map(|row| {
            let record: Vec<(&String, &serde_json::Value)> = table.columns.iter().filter(|(n, _)| **n != label).map(|(n, c)| (n, &c.json[row])).collect();
            Ok(Recorded { id: text(&ids[row]), label: labels[row].as_f64(), body: super::replay::body(&text(&ids[row]), &record) })
        })
        .collect()
    })
    .await?
}

fn failed_gates(report: &GateReport) -> String {
    let bad: Vec<String> = report.outcomes.iter().filter(|o| o.verdict != GateVerdict::Pass).map(|o| format!("gate {} did not pass: {}", o.name, o.why)).collect();
    if bad.is_empty() { "no gate is configured, and none is not a pass".to_owned() } else { bad.join("; ") }
}

/// What a rollout waits for, in words.
pub fn waiting_words(waiting: &Waiting) -> String {
    let roles = |roles: &[tidegate_core::rollout::Role]| roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match waiting {
        Waiting::Ready { roles: r, .. } => format!("waits for workers: {}", roles(r)),
        Waiting::Traffic { .. } => "waits for the split to be in force".to_owned(),
        Waiting::Evidence { have, need, eta_ms, .. } => {
            let eta = eta_ms.map_or(String::new(), |ms| format!(", about {:.0} s left", ms as f64 / 1000.0));
            format!("waits for evidence: {:.2} of {need:.0} for promotion{eta}", have.unwrap_or(0.0))
        }
        Waiting::Judge { hold, .. } => format!("the judge holds: {hold:?}"),
        Waiting::Telemetry { .. } => "waits for telemetry".to_owned(),
        Waiting::Watch { until } => format!("watched until {until}"),
        Waiting::Unload { roles: r, .. } => format!("waits for old workers to end: {}", roles(r)),
        Waiting::Pause { by, reason, .. } => format!("paused by {by}: {reason}"),
        Waiting::Person { hold, .. } => format!("waits for a person: {hold}"),
    }
}

/// How a rollout ended, in words.
pub fn ended_words(open: &Rollout) -> String {
    let cause = |cause: &Cause| match cause {
        Cause::Verdict { mode, .. } => format!("the judge found harm in {mode:?}").to_lowercase(),
        Cause::CandidateFailed { reason } => format!("the candidate failed: {reason}"),
        Cause::Aborted { by, reason } => format!("aborted by {by}: {reason}"),
        Cause::Undone { by, reason } => format!("undone by {by}: {reason}"),
    };
    let held = |why: &HoldWhy| format!("held: {why}");
    match &open.phase {
        Phase::Done => "released".to_owned(),
        Phase::RolledBack { cause: c } | Phase::RollingBack { cause: c } => cause(c),
        Phase::Aborted { by, reason } => format!("aborted by {by}: {reason}"),
        Phase::Held { why, .. } => held(why),
        Phase::Forward { .. } | Phase::Finishing => open.phase.name().to_owned(),
    }
}

/// What a happening says on a terminal; none for what is only for machines.
pub fn line_of(happening: &Happening) -> Option<String> {
    match happening {
        Happening::Rollout { rollout, events } => super::story::lines(rollout, events),
        Happening::Page { rollout, text } => Some(format!("  {} {rollout}: {text}", crate::show::style::warn("page:"))),
        Happening::Trouble(text) => Some(format!("  {} {text}", crate::show::style::warn("trouble:"))),
        Happening::Done(text) => Some(text.clone()),
        Happening::Progress(_) => None,
    }
}
