//! What an assessment does to a rollout: nothing, a recorded change of verdict, progress, or the way back.

use super::command::Judged;
use super::decide::Facts;
use super::event::{Cause, Event, HoldWhy, Promoter};
use super::spec::{Stage, Until};
use super::state::{Forward, Judgement, Phase, Rollout};
use crate::judge::{Assessment, Mode, Verdict};

/// A limit of exposure is recorded each time that one of so many parts of it is used up.
const EXPOSURE_PARTS: u64 = 20;

pub(super) fn judged(facts: &mut Facts, judged: &Judged) {
    let r = &facts.r;
    // evidence of another attempt says nothing about this one, and a failed attempt stays failed
    // and without a version to go back to nothing was compared
    if judged.attempt != r.attempt || r.failed.is_some() || !r.has_control() {
        return;
    }
    let Some(forward) = r.forward() else { return };
    if judged.assessment.verdict == Verdict::Rollback {
        record(facts, judged);
        facts.roll_back(Cause::Verdict { mode: judged.mode, step: judged.step });
        return;
    }
    if r.evidence() != Some((judged.mode, judged.step)) {
        return;
    }
    if let Some(requests) = over_exposed(r, judged) {
        record(facts, judged);
        facts.roll_back(Cause::Exposed { requests });
        return;
    }
    let held = matches!(r.phase, Phase::Held { .. });
    let next = if held || r.stands_still() { None } else { progress(r, forward, judged) };
    if next.is_some() || changed(r.judged.as_ref(), judged) || more_exposed(r, judged) {
        record(facts, judged);
    }
    match next {
        None => {}
        Some(Progress::To(Stage::Promote)) => facts.promote(Promoter::Evidence),
        Some(Progress::To(stage)) => super::settle::enter(facts, stage),
        Some(Progress::Ask) => facts.hold(HoldWhy::Asked),
        Some(Progress::WatchEnds) => facts.push(Event::WatchEnded { at: facts.at }),
    }
}

/// Requests of users that have seen the candidate, when they are as many as may without evidence to promote it.
fn over_exposed(r: &Rollout, judged: &Judged) -> Option<u64> {
    let requests = r.exposed_before.saturating_add(judged.assessment.candidate_requests);
    let over = judged.mode == Mode::Canary && r.spec.exposure_max.is_some_and(|max| requests >= max);
    (over && judged.assessment.verdict != Verdict::Promote).then_some(requests)
}

/// Whether another part of what users may meet was used up since it was last recorded: other attempts must know of it.
fn more_exposed(r: &Rollout, judged: &Judged) -> bool {
    let part = r.spec.exposure_max.map(|max| (max / EXPOSURE_PARTS).max(1));
    judged.mode == Mode::Canary && part.is_some_and(|part| judged.assessment.candidate_requests >= r.exposed_now.saturating_add(part))
}

enum Progress {
    To(Stage),
    /// It would go on, and the strategy asks a person first.
    Ask,
    WatchEnds,
}

fn progress(r: &Rollout, forward: Forward, judged: &Judged) -> Option<Progress> {
    if !calm(&judged.assessment, r.spec.judge.hold_above) {
        return None;
    }
    let promote = judged.assessment.verdict == Verdict::Promote;
    let enough = judged.assessment.step_candidate_requests >= r.spec.judge.min_requests;
    let pauses = r.spec.pauses(forward.stage());
    let passed = |min_time_ms: u64| judged.step_ticks.saturating_mul(r.spec.judge.tick_ms) >= min_time_ms.saturating_add(pauses.for_ms);
    let let_on = !pauses.person || r.let_on.as_ref().is_some_and(|on| on.stage == forward.stage());
    let to = |next: Stage| if let_on { Progress::To(next) } else { Progress::Ask };
    match forward {
        Forward::Pending { .. } | Forward::Preview | Forward::Promoting => None,
        Forward::Shadow => {
            let (_, until) = r.spec.shadow()?;
            let next = r.spec.next_stage(Some(Stage::Shadow));
            let ends = match until {
                Until::Evidence => promote && passed(0),
                // a shadow by time alone gathers no word for promotion: a release without a canary still needs the evidence
                Until::Time { min_time_ms } => enough && passed(min_time_ms) && (promote || next != Stage::Promote),
            };
            ends.then(|| to(next))
        }
        Forward::Step { index } => {
            let (_, min_time_ms) = r.spec.weight(index)?;
            let next = r.spec.next_stage(Some(Stage::Step { index }));
            let ends = enough && passed(min_time_ms) && (promote || next != Stage::Promote);
            ends.then(|| to(next))
        }
        Forward::Watching { .. } => passed(r.spec.promote.watch_ms).then_some(Progress::WatchEnds),
    }
}

/// Whether nothing speaks against going on.
fn calm(assessment: &Assessment, hold_above: f64) -> bool {
    // written so that a number that is none is not calm
    let quiet = !assessment.suspicion && assessment.guardrails.iter().filter(|g| g.judged).all(|g| g.e_rollback <= hold_above);
    // A metric that has said nothing yet is waited for: what nobody looked at is not quiet.
    let quiet = quiet && assessment.guardrails.iter().all(|g| g.values.is_none_or(|values| values.pairs > 0));
    match assessment.verdict {
        Verdict::Promote | Verdict::Continue | Verdict::InsufficientEvidence { .. } => quiet,
        Verdict::Hold { .. } | Verdict::Rollback | Verdict::NoTelemetry => false,
    }
}

/// Whether the verdict is another one than the newest recorded. Its numbers move with every tick and are not news.
fn changed(recorded: Option<&Judgement>, judged: &Judged) -> bool {
    let Some(recorded) = recorded else { return true };
    let same_evidence = recorded.mode == judged.mode && recorded.step == judged.step;
    !same_evidence || kind(&recorded.assessment.verdict) != kind(&judged.assessment.verdict)
}

fn kind(verdict: &Verdict) -> Verdict {
    match verdict {
        Verdict::InsufficientEvidence { .. } => Verdict::InsufficientEvidence { eta_ms: None },
        Verdict::Promote | Verdict::Continue | Verdict::Hold { .. } | Verdict::Rollback | Verdict::NoTelemetry => verdict.clone(),
    }
}

fn record(facts: &mut Facts, judged: &Judged) {
    let event = Event::VerdictReached {
        attempt: judged.attempt,
        mode: judged.mode,
        step: judged.step,
        assessment: Box::new(judged.assessment.clone()),
        evidence: judged.evidence.clone(),
        through: judged.through,
        at: facts.at,
    };
    facts.push(event);
}
