//! Starts a release by a strategy, and waits for its end.

use super::{gate, offline};
use crate::clock;
use crate::daemon::events::Bus;
use crate::daemon::plane::Plane;
use crate::daemon::ticks::Ticks;
use crate::exit::{self, failure};
use crate::workspace::Opened;
use anyhow::{Context as _, Result};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidegate_core::judge::{GuardrailKind, JudgeSettings, Mode, OneSample};
use tidegate_core::model::{ModelVersion, Models};
use tidegate_core::risk::{self, Risk};
use tidegate_core::rollout::{Cause, Command, Deadlines, Phase, Promotion, Rollout, Spec, SpecDraft, State, Step, Until};
use tidegate_core::workspace::Outcome;
use tidegate_engine::rollouts::{Input, RolloutId};
use tidegate_runtime::Version;
use tidegate_wire::config::{Driver, Strategy, Workspace, without_what_is_not_counted};

/// How often a waiting release is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What is to be released.
pub struct Wish<'a> {
    /// Service.
    pub service: &'a str,
    /// Version.
    pub version: &'a ModelVersion,
    /// Strategy's name.
    pub strategy: &'a str,
    /// The change, in words.
    pub change: &'a str,
    /// Decisions that differed offline, from the gate.
    pub disagreement: Option<(u64, u64)>,
    /// The change's risk, where it was told.
    pub risk: Option<&'a Risk>,
}

/// The strategy that a release takes for which `named` was meant, by the change's risk.
pub fn by_risk(config: &Workspace, named: String, told: Option<&Risk>) -> String {
    let bands = config.releases.get(&named).map(|strategy| strategy.by_risk.as_slice()).unwrap_or_default();
    risk::strategy(&named, bands, told).to_owned()
}

/// The specification of a wish.
///
/// # Errors
/// When the strategy or the service is unknown, or the specification does not hold together.
pub fn spec(config: &Workspace, wish: &Wish<'_>, number: u64, stable: Option<String>) -> Result<Spec> {
    let strategy = config.releases.get(wish.strategy).ok_or_else(|| {
        let known: Vec<&str> = config.releases.keys().map(String::as_str).collect();
        failure(exit::USAGE, format!("release by strategy `{}`: there is none; known are {}", wish.strategy, known.join(", ")))
    })?;
    let driver = config.services.get(wish.service).and_then(|s| s.driver.as_ref());
    // Where somebody else serves, that one says when a version is ready.
    if driver.is_none() && wish.version.golden.is_none() {
        let model = &wish.version.model;
        let why = format!(
            "release version {} of {model}: it was registered without golden requests, and without right answers no worker is ever ready: name some as `models.{model}.golden`, then run and gate again",
            wish.version.version
        );
        return Err(failure(exit::USAGE, why));
    }
    let mut judge = strategy.judge.clone();
    if config.models.get(&wish.version.model).is_none_or(|m| m.reference.is_none()) {
        // Without reference inputs there is nothing to measure skew against, and it would wait for ever.
        judge.guardrails.retain(|_, g| g.kind != GuardrailKind::Skew);
    }
    if let Some(driver) = driver {
        let together = config.passage_of(wish.service).is_some_and(|(_, passage)| passage.together);
        let cannot = driver.cannot(strategy, together);
        if !cannot.is_empty() {
            let why = cannot.join("; ");
            return Err(failure(exit::USAGE, format!("release {} by strategy `{}`: {why}", wish.service, wish.strategy)));
        }
        let latency = config.services.get(wish.service).and_then(|s| s.telemetry.as_ref()).is_some_and(|t| t.latency.is_some());
        without_what_is_not_counted(&mut judge, latency);
    }
    let delay_ms = config.services.get(wish.service).map_or(0, |s| s.delay_ms);
    let mut deadlines = driver.map_or_else(Deadlines::default, Driver::deadlines);
    deadlines.apply_ms = deadlines.apply_ms.saturating_add(delay_ms);
    deadlines.finish_ms = deadlines.finish_ms.saturating_add(delay_ms);
    let (steps, promote) = later(strategy, &mut judge, delay_ms);
    let affinity = config.services.get(wish.service).and_then(|s| s.affinity.as_ref());
    if affinity.is_some() {
        // A client's requests come together: their counts say nothing of whether clients are split as they should be.
        judge.guardrails.retain(|_, g| g.kind != GuardrailKind::SampleRatio);
    }
    let draft = SpecDraft {
        service: wish.service.to_owned(),
        number,
        model: wish.version.model.clone(),
        candidate: wish.version.version.clone(),
        stable,
        change: wish.change.to_owned(),
        strategy: wish.strategy.to_owned(),
        steps,
        promote,
        exposure_max: strategy.exposure_max,
        affinity: affinity.cloned(),
        judge,
        offline_disagreement: wish.disagreement.map(|(hits, trials)| OneSample { trials, hits }),
        risk: wish.risk.cloned(),
        deadlines,
    };
    Spec::build(draft).map_err(|problems| failure(exit::USAGE, problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

/// A strategy where each split takes its time to arrive: what is not judged meanwhile is taken from no step.
fn later(strategy: &Strategy, judge: &mut JudgeSettings, delay_ms: u64) -> (Vec<Step>, Promotion) {
    let (mut steps, mut promote) = (strategy.steps.clone(), strategy.promote);
    if delay_ms == 0 {
        return (steps, promote);
    }
    let mut splits = 1_u64;
    for step in &mut steps {
        match step {
            Step::Canary { weights_bp, min_time_ms, .. } => {
                *min_time_ms = min_time_ms.saturating_add(delay_ms);
                splits = splits.saturating_add(u64::try_from(weights_bp.len()).unwrap_or(u64::MAX));
            }
            Step::Shadow { until: Until::Time { min_time_ms }, .. } => {
                *min_time_ms = min_time_ms.saturating_add(delay_ms);
                splits = splits.saturating_add(1);
            }
            Step::Shadow { .. } | Step::Preview { .. } | Step::Pause { .. } => splits = splits.saturating_add(1),
        }
    }
    if promote.watch_ms > 0 {
        promote.watch_ms = promote.watch_ms.saturating_add(delay_ms);
    }
    judge.deadline_ms = judge.deadline_ms.saturating_add(delay_ms.saturating_mul(splits));
    (steps, promote)
}

/// Starts a release; the same number twice is the same release.
///
/// # Errors
/// When it is refused.
pub async fn start(plane: &Plane, config: &Workspace, wish: &Wish<'_>, number: Option<u64>) -> Result<RolloutId> {
    let newest = plane.newest(wish.service).await?;
    let number = number.unwrap_or_else(|| newest.as_ref().map_or(1, |(id, _)| id.number + 1));
    let id = RolloutId { service: wish.service.to_owned(), number };
    if let Some(open) = plane.state(&id).await?.rollout() {
        if open.spec.candidate != wish.version.version {
            let why = format!("{id} is under way with version {}: wait for its end, or abort it", open.spec.candidate);
            return Err(failure(exit::REFUSED, format!("release version {}: {why}", wish.version.version)));
        }
        return Ok(id);
    }
    let stable = newest.and_then(|(_, state)| state.rollout().and_then(serving)).filter(|v| *v != wish.version.version);
    let spec = spec(config, wish, number, stable)?;
    let command = Command::Start { spec: Box::new(spec), at: clock::now() };
    plane.drive(Input::Command { rollout: id.clone(), key: Some(format!("start-{number}-{}", wish.version.version)), command }).await?;
    Ok(id)
}

/// The version that serves after a rollout has ended.
pub fn serving(open: &Rollout) -> Option<String> {
    match &open.phase {
        Phase::Done => Some(open.spec.candidate.clone()),
        Phase::RolledBack { .. }
        | Phase::Aborted { .. }
        | Phase::Forward { .. }
        | Phase::Held { .. }
        | Phase::Finishing
        | Phase::RollingBack { .. } => open.spec.stable.clone(),
    }
}

/// Whether releases by a strategy measure skew: it is measured on copies.
pub fn measures_skew(config: &Workspace, strategy: &str) -> bool {
    let steps = config.releases.get(strategy).map(|s| s.steps.as_slice()).unwrap_or_default();
    steps.iter().any(|step| matches!(step, tidegate_core::rollout::Step::Shadow { .. }))
}

/// Gives the ticks a version's offline scores, where its model names reference inputs. To be done before its release
/// starts, so that no answer is compared with nothing.
///
/// # Errors
/// When they cannot be computed.
pub async fn prepare_offline(
    plane: &Plane,
    ticks: &Ticks,
    config: &Workspace,
    root: &Path,
    service: &str,
    model: &str,
    version: &str,
) -> Result<()> {
    let configured = config.models.get(model);
    let Some((configured, reference)) = configured.and_then(|m| Some((m, m.reference.as_ref()?))) else { return Ok(()) };
    let Some(file) = offline::reference_file(root, configured)? else { return Ok(()) };
    let dir = plane.directory(model, version).await?;
    let opened = tokio::task::spawn_blocking(move || Version::open(&dir)).await??;
    let scores = offline::scores(Arc::new(opened), &root.join(file), &reference.id)
        .await
        .context("score the reference inputs, against which skew is measured")?;
    ticks.set_offline(service, version, scores);
    Ok(())
}

/// The threshold of a service's model.
pub fn threshold(config: &Workspace, service: &str) -> f64 {
    let model = config.services.get(service).and_then(|s| config.models.get(&s.model));
    model.and_then(|m| m.threshold).unwrap_or(gate::THRESHOLD)
}

/// Waits until a release has ended or waits for a person; `look` hears its state meanwhile.
///
/// # Errors
/// When the journal cannot be read.
pub async fn wait(plane: &Plane, id: &RolloutId, mut look: impl FnMut(&State)) -> Result<Outcome> {
    loop {
        let state = plane.state(id).await?;
        look(&state);
        if let Some(open) = state.rollout()
            && let Some(outcome) = outcome(open)
        {
            return Ok(outcome);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// How a release ended, in the loop's terms; none while it moves by itself.
pub fn outcome(open: &Rollout) -> Option<Outcome> {
    match &open.phase {
        Phase::Done if open.spec.stable.is_none() => Some(Outcome::Live),
        Phase::Done => Some(Outcome::Promoted),
        Phase::Held { .. } => Some(Outcome::Held),
        Phase::RolledBack { cause: Cause::Verdict { mode: Mode::Shadow, .. } } => Some(Outcome::StoppedInShadow),
        Phase::RolledBack { cause: Cause::Verdict { .. } | Cause::Exposed { .. } | Cause::Undone { .. } } => Some(Outcome::RolledBack),
        Phase::RolledBack { cause: Cause::CandidateFailed { .. } } => Some(Outcome::Failed),
        Phase::RolledBack { cause: Cause::Aborted { .. } } | Phase::Aborted { .. } => Some(Outcome::RolledBack),
        Phase::Forward { .. } | Phase::Finishing | Phase::RollingBack { .. } => None,
    }
}

/// Points `champion` at the version that serves after a release has ended, however it ended.
///
/// # Errors
/// When the journal fails.
pub async fn move_aliases(plane: &Plane, id: &RolloutId) -> Result<()> {
    // Who is champion is said where nothing comes after.
    if plane.config().is_passed_through(&id.service) {
        return Ok(());
    }
    let state = plane.state(id).await?;
    let Some(open) = state.rollout().filter(|r| r.phase.is_terminal()) else { return Ok(()) };
    let Some(version) = serving(open) else { return Ok(()) };
    let stream = super::register::stream(&open.spec.model);
    let why = format!("{id} ended: {}", open.phase.name());
    let command = tidegate_core::model::Command::MoveAlias { alias: "champion".to_owned(), version: Some(version), why, at: clock::now() };
    plane.control().execute::<Models>(stream, None, command).await?;
    Ok(())
}

/// What sees a release to its end.
pub struct Follow {
    pub plane: Plane,
    pub ticks: Ticks,
    pub opened: Arc<Opened>,
    pub bus: Bus,
}

impl Follow {
    /// Offline scores before, aliases after.
    pub async fn until_the_end(self, id: RolloutId) {
        let ended = async {
            let state = self.plane.state(&id).await?;
            if let Some(open) = state.rollout().filter(|r| !r.phase.is_terminal() && r.spec.shadow().is_some()) {
                let (config, places) = (&self.opened.config, &self.opened.places);
                // A training has a work tree of its own, by the name of the change that made the version: the release's own words may
                // say more, as who approved it.
                let registry = self.plane.control().state::<Models>(super::register::stream(&open.spec.model)).await?;
                let made_by = registry.versions.get(&open.spec.candidate).map_or(&open.spec.change, |version| &version.lineage.change);
                let own = places.changes().join(super::build::slug(made_by));
                let root = if own.is_dir() { &own } else { &places.root };
                prepare_offline(&self.plane, &self.ticks, config, root, &id.service, &open.spec.model, &open.spec.candidate).await?;
            }
            loop {
                // A hold is no end: a person takes it from there.
                if wait(&self.plane, &id, |_| {}).await? != Outcome::Held {
                    return move_aliases(&self.plane, &id).await;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        if let Err(error) = ended.await {
            self.bus.trouble(&format!("{id}: {error:#}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::rollout::Baseline;
    use tidegate_wire::config::BlockedBy;

    #[test]
    fn what_arrives_late_takes_no_time_from_a_step() {
        let steps = vec![
            Step::Shadow { mirror_bp: 10_000, until: Until::Evidence },
            Step::Canary { weights_bp: vec![500, 5_000], min_time_ms: 60_000, baseline: Baseline::Fresh },
        ];
        let promote = Promotion { watch_ms: 600_000, hold_back_bp: 500 };
        let judge = JudgeSettings { deadline_ms: 1_000_000, ..JudgeSettings::preset() };
        let strategy =
            Strategy { steps, promote, exposure_max: None, judge: judge.clone(), blocked_by: BlockedBy::default(), by_risk: vec![] };
        let mut same = judge.clone();
        assert_eq!((later(&strategy, &mut same, 0), same), ((strategy.steps.clone(), promote), judge.clone()));
        let mut longer = judge;
        let (steps, promote) = later(&strategy, &mut longer, 2_000);
        assert!(matches!(steps.as_slice(), [Step::Shadow { .. }, Step::Canary { min_time_ms: 62_000, .. }]), "{steps:?}");
        // A shadow, two weights and the promotion.
        assert_eq!((promote.watch_ms, longer.deadline_ms), (602_000, 1_008_000));
    }
}
