//! What blocks a release: a freeze, live inputs that drifted from the rows that the candidate was trained on, or a failed check of data.
//!
//! Asked before a release starts; while one is on its way to all traffic it is looked at again, and the release paused.

use super::ab;
use super::breaker;
use super::freezer::Freezer;
use super::plane::Plane;
use crate::clock;
use crate::exit::{self, failure};
use crate::steps::freeze::Calendar;
use crate::steps::{check, drift, register, release};
use crate::workspace::Opened;
use anyhow::{Context as _, Result};
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::contract::Dataset as Datasets;
use tidegate_core::model::Models;
use tidegate_core::rollout::{Command, Forward, Phase, Rollout};
use tidegate_core::watch::DriftVerdict;
use tidegate_engine::rollouts::{Input, RolloutId};
use tidegate_store::Lake;
use tidegate_wire::config::{BlockedBy, Strategy};

/// How often a release on its way is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// Who pauses.
const BY: &str = "watch";

/// What is looked at.
#[derive(Clone)]
pub struct Watchman {
    pub opened: Arc<Opened>,
    pub plane: Plane,
    pub lake: Arc<Lake>,
    pub calendar: Calendar,
}

/// Why a release is blocked.
pub struct Block {
    /// Of which kind: `freeze`, `breaker`, `ab`, `drift` or `data`.
    pub kind: &'static str,
    /// In a sentence.
    pub why: String,
}

impl Watchman {
    /// What blocks the release of a version by a strategy now; none where nothing does.
    ///
    /// # Errors
    /// When it cannot be told: that blocks too.
    pub async fn block(&self, service: &str, model: &str, version: &str, strategy: &str) -> Result<Option<Block>> {
        if let Some(block) = self.freeze(service).await? {
            return Ok(Some(block));
        }
        self.unfit(service, model, version, strategy).await
    }

    /// The same whatever the glass, for what starts by itself.
    ///
    /// # Errors
    /// When it cannot be told: that blocks too.
    pub async fn block_by_itself(&self, service: &str, model: &str, version: &str, strategy: &str) -> Result<Option<Block>> {
        if let Some(block) = self.in_test(service).await? {
            return Ok(Some(block));
        }
        if let Some(block) = self.stands_still(service).await? {
            return Ok(Some(block));
        }
        self.unfit(service, model, version, strategy).await
    }

    /// The freeze or the A/B test that a service is in; no freeze counts where somebody broke the glass.
    ///
    /// # Errors
    /// When it cannot be told: that blocks too.
    pub async fn freeze(&self, service: &str) -> Result<Option<Block>> {
        if let Some(block) = self.in_test(service).await? {
            return Ok(Some(block));
        }
        if self.freezer().glass_is_broken(service).await? {
            return Ok(None);
        }
        self.stands_still(service).await
    }

    /// The A/B test that a service's clients are in: it ends before a release begins, or is stopped.
    ///
    /// # Errors
    /// When the journal cannot be read: that blocks too.
    pub async fn in_test(&self, service: &str) -> Result<Option<Block>> {
        let open = ab::open_on(&self.plane, &self.opened.config, service).await?;
        Ok(open.map(|id| {
            let name = id.split('/').next().unwrap_or_default();
            let why = format!("clients of {service} are in A/B test {id}: wait for its end, or `tidegate ab stop {name} --reason ...`");
            Block { kind: "ab", why }
        }))
    }

    /// The same whatever the glass: for what starts by itself.
    ///
    /// # Errors
    /// When it cannot be told: that blocks too.
    pub async fn stands_still(&self, service: &str) -> Result<Option<Block>> {
        let at = clock::now();
        if let Some(halted) = breaker::halted(&self.plane, &self.opened.config, service, at).await? {
            let why = format!("{service} is halted by {}: `tidegate breaker list` says more", halted.name);
            return Ok(Some(Block { kind: "breaker", why }));
        }
        let looked = self.calendar.look(service, at);
        if let Some(why) = looked.troubles.first() {
            return Err(failure(exit::USAGE, format!("tell whether {service} is frozen: {why}")));
        }
        Ok(looked
            .frozen
            .map(|f| Block { kind: "freeze", why: format!("{service} is frozen by `{}` until {}: wait for its end", f.name, f.until) }))
    }

    /// What tells releases of it.
    pub fn freezer(&self) -> Freezer {
        Freezer { calendar: self.calendar.clone(), plane: self.plane.clone() }
    }

    async fn unfit(&self, service: &str, model: &str, version: &str, strategy: &str) -> Result<Option<Block>> {
        let by = self.opened.config.releases.get(strategy).map(|s| s.blocked_by).unwrap_or_default();
        if by.data
            && let Some(why) = self.failed_check().await?
        {
            return Ok(Some(Block { kind: "data", why }));
        }
        if by.drift
            && let Some(why) = self.drifted(service, model, version).await.context("tell whether live inputs drifted")?
        {
            return Ok(Some(Block { kind: "drift", why }));
        }
        Ok(None)
    }

    async fn failed_check(&self) -> Result<Option<String>> {
        for name in self.opened.config.data.keys() {
            let state = self.plane.control().state::<Datasets>(check::stream(name)).await?;
            if let Some((found, at)) = state.check.filter(|(c, _)| !c.success) {
                let first = found.failures.first().map_or(String::new(), |f| format!(": {f}"));
                return Ok(Some(format!("the newest check of `{name}`, at {at}, failed{first}")));
            }
        }
        Ok(None)
    }

    async fn drifted(&self, service: &str, model: &str, version: &str) -> Result<Option<String>> {
        let Some(rule) = self.opened.config.models.get(model).and_then(|m| m.drift.as_ref()) else {
            let why = format!("`blocked_by` names drift, and `models.{model}.drift` is not configured");
            return Err(failure(exit::USAGE, why));
        };
        // While a release is under way it is the version before that answers.
        let Some(serving) = self.plane.newest(service).await?.and_then(|(_, s)| s.rollout().and_then(release::serving)) else {
            return Ok(None);
        };
        let state = self.plane.control().state::<Models>(register::stream(model)).await?;
        let candidate = state.versions.get(version).with_context(|| format!("version {version} is not registered"))?;
        let reference = Arc::new(drift::reference_for(&self.plane, candidate, &serving, rule).await?);
        let found = drift::judge(self.lake.clone(), service, &serving, reference).await?;
        let drifted = found.filter(|f| f.verdict == DriftVerdict::Drift);
        Ok(drifted.map(|f| format!("live inputs are not like the rows that version {version} was trained on: {}", f.sentence())))
    }

    /// Pauses releases of a service that are blocked before they carry all traffic, for as long as the workspace is up.
    pub async fn run(self, service: String) {
        let blocks = |s: &Strategy| s.blocked_by != BlockedBy::default();
        if !self.opened.config.releases.values().any(blocks) {
            return;
        }
        let mut said = String::new();
        loop {
            let looked = self.look(&service).await;
            self.plane.trouble_once(&mut said, looked.err().map(|error| format!("watch the release of {service}: {error:#}")));
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look(&self, service: &str) -> Result<()> {
        let Some((id, state)) = self.plane.newest(service).await? else { return Ok(()) };
        let Some(open) = state.rollout().filter(|r| may_be_paused(r)) else { return Ok(()) };
        let spec = &open.spec;
        // What cannot be told is no reason to stop what was let go.
        let Some(block) = self.unfit(service, &spec.model, &spec.candidate, &spec.strategy).await? else { return Ok(()) };
        self.pause(id, block).await
    }

    async fn pause(&self, id: RolloutId, block: Block) -> Result<()> {
        let reason = format!("{}; resume it to go on all the same", block.why);
        let command = Command::Pause { by: BY.to_owned(), reason, at: clock::now() };
        // Once for each kind: a person who resumes has seen it.
        let key = Some(format!("blocked-by-{}", block.kind));
        self.plane.drive(Input::Command { rollout: id, key, command }).await
    }
}

fn may_be_paused(open: &Rollout) -> bool {
    let on_its_way = |forward: &Forward| !matches!(forward, Forward::Promoting | Forward::Watching { .. });
    open.paused.is_none() && open.spec.stable.is_some() && matches!(&open.phase, Phase::Forward { forward } if on_its_way(forward))
}
