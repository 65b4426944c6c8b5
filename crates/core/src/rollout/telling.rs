//! Events and effects in words, for people.

use super::effects::Effect;
use super::event::{Cause, Event, Promoter};
use super::spec::Stage;
use super::state::Traffic;
use crate::judge::{HoldReason, Mode, Verdict};
use std::fmt::{Display, Formatter, Result};

struct Percent(u32);

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} %", f64::from(self.0) / 100.0)
    }
}

impl Display for Traffic {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (stable, candidate, control) = (Percent(self.stable_bp), Percent(self.candidate_bp), Percent(self.control_bp));
        write!(f, "stable {stable}, candidate {candidate}, control {control}")?;
        if self.mirror_bp > 0 {
            write!(f, ", {} mirrored", Percent(self.mirror_bp))?;
        }
        f.write_str(if self.preview { ", the candidate for who asks for it" } else { "" })
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Stage::Preview => f.write_str("preview"),
            Stage::Shadow => f.write_str("shadow"),
            Stage::Step { index } => write!(f, "canary step {}", u64::from(*index) + 1),
            Stage::Promote => f.write_str("promotion"),
        }
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Shadow => "shadow",
        Mode::Canary => "canary",
        Mode::Watch => "watch",
    }
}

fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Promote => "promote",
        Verdict::Continue => "continue",
        Verdict::Hold { why: HoldReason::Suspicion } => "hold, for suspicion",
        Verdict::Hold { why: HoldReason::SampleRatioMismatch } => "hold, for a sample-ratio mismatch",
        Verdict::Hold { why: HoldReason::StaleTelemetry } => "hold, for stale telemetry",
        Verdict::Hold { why: HoldReason::MissingValues } => "hold, for values of a metric that are missing",
        Verdict::Rollback => "roll back",
        Verdict::InsufficientEvidence { .. } => "insufficient evidence",
        Verdict::NoTelemetry => "no telemetry",
    }
}

impl Display for Cause {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Cause::Verdict { mode: m, step } if *m == Mode::Canary => write!(f, "harm shown in canary step {}", u64::from(*step) + 1),
            Cause::Verdict { mode: m, .. } => write!(f, "harm shown in {}", mode(*m)),
            Cause::Exposed { requests } => write!(f, "{requests} requests of users met it without evidence to promote it: as many as may"),
            Cause::CandidateFailed { reason } => write!(f, "the candidate failed: {reason}"),
            Cause::Aborted { by, reason } => write!(f, "aborted by {by}: {reason}"),
            Cause::Undone { by, reason } => write!(f, "undone by {by}: {reason}"),
        }
    }
}

impl Display for Promoter {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Promoter::Evidence => f.write_str("on evidence"),
            Promoter::Policy { reason } => write!(f, "by policy: {reason}"),
            Promoter::Person { by, reason } => write!(f, "by {by}, whatever the evidence: {reason}"),
        }
    }
}

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Event::Started { spec, .. } => {
                let from = spec.stable.as_deref().map_or("nothing".to_owned(), |stable| format!("version {stable}"));
                write!(f, "started: {} from {from} to version {}", spec.service, spec.candidate)
            }
            Event::LoadWanted { role, version, .. } => write!(f, "{role} wanted with version {version}"),
            Event::WorkerBecameReady { role, .. } => write!(f, "{role} is ready"),
            Event::WorkerFailed { role, reason, .. } => write!(f, "{role} failed: {reason}"),
            Event::UnloadWanted { role, .. } => write!(f, "{role} no longer wanted"),
            Event::WorkerUnloaded { role, .. } => write!(f, "{role} is gone"),
            Event::TrafficWanted { generation, traffic, .. } => write!(f, "split {generation} wanted: {traffic}"),
            Event::TrafficApplied { generation, .. } => write!(f, "split {generation} is in force"),
            Event::StageEntered { stage, .. } => write!(f, "entered {stage}"),
            Event::VerdictReached { mode: m, assessment: a, through, .. } => write!(
                f,
                "verdict in {}: {} (for harm {:.3} of {:.1}, against it {:.3} of {:.1}, through tick {through})",
                mode(*m),
                verdict(&a.verdict),
                a.e_rollback,
                a.needs_rollback,
                a.e_promote,
                a.needs_promote
            ),
            Event::PromotionBegan { by, .. } => write!(f, "promotion began {by}"),
            Event::WatchBegan { until, .. } => write!(f, "watch began, until {until} or later"),
            Event::WatchEnded { .. } => f.write_str("watch ended well"),
            Event::Completed { .. } => f.write_str("released"),
            Event::HoldBegan { why, .. } => write!(f, "held: {why}"),
            Event::Paged { number, reason, .. } => write!(f, "page {number}: {reason}"),
            Event::PageDelivered { number, .. } => write!(f, "page {number} reached somebody"),
            Event::Paused { by, reason, .. } => write!(f, "paused by {by}: {reason}"),
            Event::Resumed { by, to, .. } => write!(f, "resumed by {by}, to {}", to.name()),
            Event::FreezeBegan { name, until, .. } => write!(f, "frozen by {name} until {until}"),
            Event::FreezeEnded { .. } => f.write_str("the freeze is over"),
            Event::RollbackBegan { cause, .. } => write!(f, "rollback began: {cause}"),
            Event::RollbackCompleted { .. } => f.write_str("rolled back"),
            Event::AttemptOpened { attempt, by, reason, .. } => write!(f, "attempt {attempt} opened by {by}: {reason}"),
        }
    }
}

impl Display for Effect {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Effect::Load { role, version, generation } => write!(f, "load {role} with version {version} (generation {generation})"),
            Effect::Unload { role, generation } => write!(f, "unload {role} (generation {generation})"),
            Effect::SetTraffic { generation, traffic } => write!(f, "split: {traffic} (generation {generation})"),
            Effect::CollectEvidence { mode: m, attempt, .. } => write!(f, "count ticks of {} in attempt {attempt}", mode(*m)),
            Effect::Page { number, reason } => write!(f, "page {number}: {reason}"),
        }
    }
}
