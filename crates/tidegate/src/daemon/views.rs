//! What pages and clients see: folds of the journal beside what runs now, as plain values.

use super::plane::Plane;
use crate::steps::build::words;
use crate::workspace::Opened;
use anyhow::Result;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_console::view::{
    ActRow, DatasetRow, DatasetView, JournalHead, JournalRow, JournalView, Overview, ReleaseRow, RunRow, RunView, ServiceRow, StageRow,
    TargetRow, TrainingRow, VersionRow, VersionView,
};
use tidegate_core::contract::{CheckReport, Dataset};
use tidegate_core::machine::Machine;
use tidegate_core::model::Models;
use tidegate_core::retrain::{Phase as TrainingPhase, Retraining};
use tidegate_core::rollout::{Rollout, State as RolloutState, waiting};
use tidegate_core::run::{Phase as RunPhase, Runs, StagePhase};
use tidegate_core::watch::Watch;
use tidegate_core::workspace::Loop;
use tidegate_engine::rollouts::RolloutId;
use tidegate_port::{Blobs as _, Journal as _};
use tidegate_store::{FsBlobs, LogDir};

/// Records on one page of the journal.
const PAGE: u64 = 100;

/// What views are made from.
#[derive(Clone)]
pub struct Views {
    pub opened: Arc<Opened>,
    pub plane: Plane,
    pub blobs: FsBlobs,
    pub sealed: Arc<AtomicU64>,
}

impl Views {
    async fn streams(&self, kind: &'static str) -> Result<Vec<String>> {
        let prefix = format!("{kind}/");
        Ok(self.plane.control().call(move |driver| driver.engine().journal().streams(&prefix)).await??)
    }

    async fn state<M>(&self, stream: &str) -> Result<M::State>
    where
        M: Machine + 'static,
        M::State: Send + 'static,
    {
        self.plane.control().state::<M>(stream.to_owned()).await
    }

    /// The first page.
    pub async fn overview(&self) -> Result<Overview> {
        let state = self.state::<Loop>(super::play::STREAM).await?;
        let acts = state.acts.into_iter().map(|act| {
            let (outcome, summary) = act.finished.map_or((None, String::new()), |(_, outcome, summary)| (Some(outcome), summary));
            ActRow { name: act.name, started: act.started, outcome, summary }
        });
        Ok(Overview {
            workspace: self.opened.config.name.clone(),
            acts: acts.collect(),
            services: self.services().await?,
            trainings: self.trainings().await?,
            releases: self.releases().await?,
            versions: self.versions().await?,
            datasets: self.datasets().await?,
            runs: self.runs().await?,
            journal: self.head().await?,
        })
    }

    /// All services.
    pub async fn services(&self) -> Result<Vec<ServiceRow>> {
        let mut rows = vec![];
        for (name, service) in &self.opened.config.services {
            let gateway = self.plane.gateway();
            let table = gateway.table();
            let totals: BTreeMap<_, _> = gateway.totals(name).into_iter().collect();
            let states: BTreeMap<_, _> = gateway.pool().states().into_iter().filter(|(t, _)| t.service == *name).collect();
            let weight = |target: &tidegate_core::route::TargetId| {
                let route = table.routes.get(name);
                route.and_then(|r| r.targets.iter().find(|t| t.target == *target)).map_or(0, |t| t.weight_bp)
            };
            let targets = states.iter().map(|(target, state)| {
                let live = totals.get(target).copied().unwrap_or_default();
                TargetRow {
                    version: target.version.clone(),
                    role: target.role.to_string(),
                    weight_bp: weight(target),
                    state: state_words(state),
                    requests: live.requests,
                    errors: live.errors,
                    p99_ms: None,
                }
            });
            let watch = self.state::<Watch>(&format!("{}/{name}", Watch::KIND)).await?;
            rows.push(ServiceRow {
                name: name.clone(),
                model: service.model.clone(),
                endpoint: service.endpoint.clone(),
                targets: targets.collect(),
                requests: totals.values().map(|t| t.requests).sum(),
                errors: totals.values().map(|t| t.errors).sum(),
                drift: watch.drift.map(|(finding, _)| finding.sentence()),
            });
        }
        Ok(rows)
    }

    async fn trainings(&self) -> Result<Vec<TrainingRow>> {
        let mut rows = vec![];
        for stream in self.streams(Retraining::KIND).await? {
            let state = self.state::<Retraining>(&stream).await?;
            let model = stream.split_once('/').map_or("", |(_, model)| model);
            rows.extend(state.trainings.into_iter().map(|t| TrainingRow {
                model: model.to_owned(),
                number: t.number,
                triggers: t.triggers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
                phase: t.phase.words().to_owned(),
                summary: if let TrainingPhase::Ended { summary, .. } = t.phase { summary } else { String::new() },
                at: t.at,
            }));
        }
        rows.sort_by_key(|r| std::cmp::Reverse(r.at));
        Ok(rows)
    }

    /// All releases, newest first.
    pub async fn releases(&self) -> Result<Vec<ReleaseRow>> {
        let ids = self.plane.control().call(|driver| driver.rollouts()).await??;
        let mut rows = vec![];
        for id in ids.into_iter().rev() {
            let state = self.plane.state(&id).await?;
            rows.extend(state.rollout().map(|open| release_row(&id, open, &state)));
        }
        Ok(rows)
    }

    async fn versions(&self) -> Result<Vec<VersionRow>> {
        let mut rows = vec![];
        for stream in self.streams(Models::KIND).await? {
            let state = self.state::<Models>(&stream).await?;
            for version in state.versions.values().rev() {
                rows.push(VersionRow {
                    model: version.model.clone(),
                    version: version.version.clone(),
                    aliases: aliases(&state, &version.version),
                    gates: state.gates.get(&version.version).map(tidegate_core::gate::GateReport::passed),
                    change: version.lineage.change.clone(),
                });
            }
        }
        Ok(rows)
    }

    async fn datasets(&self) -> Result<Vec<DatasetRow>> {
        let mut rows = vec![];
        for name in self.opened.config.data.keys() {
            let state = self.state::<Dataset>(&format!("{}/{name}", Dataset::KIND)).await?;
            let check = state.check;
            rows.push(DatasetRow {
                name: name.clone(),
                success: check.as_ref().map(|(c, _)| c.success),
                rows: check.as_ref().map_or(0, |(c, _)| c.rows),
                at: check.map(|(_, at)| at),
            });
        }
        Ok(rows)
    }

    async fn runs(&self) -> Result<Vec<RunRow>> {
        let mut rows = vec![];
        for stream in self.streams(Runs::KIND).await? {
            let state = self.state::<Runs>(&stream).await?;
            rows.push(run_row(stream.split_once('/').map_or("", |(_, id)| id), &state));
        }
        rows.sort_by_key(|r| std::cmp::Reverse(r.at));
        Ok(rows)
    }

    /// One run; none when it is unknown.
    pub async fn run(&self, id: &str) -> Result<Option<RunView>> {
        let state = self.state::<Runs>(&format!("{}/{id}", Runs::KIND)).await?;
        if state.phase == RunPhase::Absent {
            return Ok(None);
        }
        let fact = |name: &str, value: String| (name.to_owned(), value);
        let facts = vec![
            fact("Change", state.start.change.clone()),
            fact("Code", state.start.code.clone()),
            fact("Environment", state.start.environment.as_ref().map_or("the caller's".to_owned(), ToString::to_string)),
            fact("Hardware", state.start.hardware.clone()),
        ];
        let stages = state.stages.iter().map(|(name, phase)| stage_row(name, phase, &state)).collect();
        Ok(Some(RunView { row: run_row(id, &state), facts, params: state.start.params.clone(), stages }))
    }

    /// One dataset; none when it is unknown.
    pub async fn dataset(&self, name: &str) -> Result<Option<DatasetView>> {
        let Some(config) = self.opened.config.data.get(name) else { return Ok(None) };
        let row = self.datasets().await?.into_iter().find(|r| r.name == name);
        let state = self.state::<Dataset>(&format!("{}/{name}", Dataset::KIND)).await?;
        let report: Option<CheckReport> = match &state.check {
            Some((summary, _)) => Some(serde_json::from_slice(&self.blobs.get(&summary.report)?)?),
            None => None,
        };
        let mut facts = vec![("Path".to_owned(), config.path.clone()), ("Classification".to_owned(), config.classification.clone())];
        facts.extend(config.owner.clone().map(|o| ("Owner".to_owned(), o)));
        facts.extend(state.check.map(|(c, _)| ("Digest".to_owned(), c.data.to_string())));
        Ok(row.map(|row| DatasetView { row, facts, report }))
    }

    /// One version; none when it is unknown.
    pub async fn version(&self, model: &str, version: &str) -> Result<Option<VersionView>> {
        let state = self.state::<Models>(&format!("{}/{model}", Models::KIND)).await?;
        let Some(found) = state.versions.get(version).cloned() else { return Ok(None) };
        let releases =
            self.releases().await?.into_iter().filter(|r| r.candidate == version || r.stable.as_deref() == Some(version)).collect();
        Ok(Some(VersionView { aliases: aliases(&state, version), gates: state.gates.get(version).cloned(), version: found, releases }))
    }

    /// The journal's head.
    pub async fn head(&self) -> Result<JournalHead> {
        let records = self.plane.control().call(|driver| driver.engine().journal().size()).await??;
        let log = LogDir::new(&self.opened.places.log());
        let note = log.checkpoint_bytes().ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&note).into_owned();
        let mut lines = text.lines().map(str::to_owned);
        let (origin, _, root) = (lines.next().unwrap_or_default(), lines.next(), lines.next().unwrap_or_default());
        Ok(JournalHead { records, sealed_to: self.sealed.load(Ordering::SeqCst), root, origin })
    }

    /// A page of the journal that ends before `before`.
    pub async fn journal(&self, before: Option<u64>) -> Result<JournalView> {
        let head = self.head().await?;
        let end = before.unwrap_or(head.records).min(head.records);
        let start = end.saturating_sub(PAGE);
        let count = usize::try_from(end - start).unwrap_or(0);
        let records = self.plane.control().call(move |driver| driver.engine().journal().read_all(start, count)).await??;
        let rows = records.into_iter().rev().map(|r| JournalRow {
            position: r.position,
            at: r.at,
            stream: r.stream,
            event: r.body.get("event").and_then(|e| e.as_str()).unwrap_or("event").replace('_', " "),
            body: r.body,
        });
        Ok(JournalView { head, records: rows.collect(), older: (start > 0).then_some(start) })
    }
}

fn aliases(state: &tidegate_core::model::State, version: &str) -> Vec<String> {
    state.aliases.iter().filter(|(_, v)| *v == version).map(|(alias, _)| alias.clone()).collect()
}

fn state_words(state: &tidegate_serve::TargetState) -> String {
    use tidegate_serve::TargetState as S;
    match state {
        S::Starting => "starting".to_owned(),
        S::Ready => "ready".to_owned(),
        S::Restarting { why, .. } => format!("starting again: {why}"),
        S::Away { why } => format!("nobody answers for it: {why}"),
        S::Failed { why } => format!("failed: {why}"),
        S::Draining => "draining".to_owned(),
        S::Unloaded => "gone".to_owned(),
    }
}

/// A release in a list.
pub fn release_row(id: &RolloutId, open: &Rollout, state: &RolloutState) -> ReleaseRow {
    let note = match waiting(state) {
        Some(waiting) => super::story::waiting_words(&waiting),
        None => super::story::ended_words(open),
    };
    ReleaseRow {
        service: id.service.clone(),
        environment: id.service.split_once(tidegate_wire::config::AT).map(|(_, environment)| environment.to_owned()),
        number: id.number,
        candidate: open.spec.candidate.clone(),
        stable: open.spec.stable.clone(),
        phase: open.phase.name().to_owned(),
        note,
    }
}

fn run_row(id: &str, state: &tidegate_core::run::State) -> RunRow {
    let outcome = match &state.phase {
        RunPhase::Absent => "unknown".to_owned(),
        RunPhase::Running => "running".to_owned(),
        RunPhase::Finished(tidegate_core::run::Outcome::Succeeded) => "succeeded".to_owned(),
        RunPhase::Finished(tidegate_core::run::Outcome::Failed { stage }) => format!("failed in stage {stage}"),
        RunPhase::Finished(tidegate_core::run::Outcome::Cancelled) => "stopped".to_owned(),
        RunPhase::Interrupted => "interrupted".to_owned(),
    };
    let count = |wanted: fn(&StagePhase) -> bool| state.stages.values().filter(|s| wanted(s)).count();
    RunRow {
        id: id.to_owned(),
        outcome,
        at: Some(state.started),
        ran: count(|s| matches!(s, StagePhase::Ran { .. })),
        skipped: count(|s| matches!(s, StagePhase::Skipped(_) | StagePhase::Restored(_))),
    }
}

fn stage_row(name: &str, phase: &StagePhase, state: &tidegate_core::run::State) -> StageRow {
    let (outcome, duration_ms) = match phase {
        StagePhase::Running { .. } => ("running".to_owned(), None),
        StagePhase::Skipped(_) => ("nothing to do".to_owned(), None),
        StagePhase::Restored(_) => ("restored from the cache".to_owned(), None),
        StagePhase::Ran { duration_ms } => ("ran".to_owned(), Some(*duration_ms)),
        StagePhase::Failed { message } => (format!("failed: {message}"), None),
    };
    StageRow { name: name.to_owned(), outcome, why: state.reasons.get(name).map_or(String::new(), |r| words(r)), duration_ms, outs: vec![] }
}
