//! Counts of two arms that were gathered elsewhere: one comparison, judged by itself.

use super::beside::Beside;
use super::evidence::{ArmCounts, Mode, Tick};
use super::guardrails::Offline;
use super::history::{History, history};
use super::settings::{Guardrail, GuardrailKind, JudgeSettings, Modes};
use super::state::{JudgeState, alpha_of_attempt};
use super::verdict::{Assessment, Verdict};
use crate::id::At;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Most points that a picture is drawn of.
const POINTS_MAX: usize = 400;

/// Requests and failures of both arms in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Of the candidate.
    pub candidate: (u64, u64),
    /// Of the control.
    pub control: (u64, u64),
}

/// All that was counted of both arms in one interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arms {
    /// Of the candidate.
    pub candidate: ArmCounts,
    /// Of the control.
    pub control: ArmCounts,
}

/// What a comparison of counts comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountsAssessment {
    /// The verdict after the last interval, or the rollback that was reached.
    pub assessment: Assessment,
    /// The interval, from 1, after which a bar was first reached.
    pub decided_at: Option<u64>,
    /// The evidence over time.
    pub history: History,
}

/// Settings for errors alone, and for the split where `share` says what it was meant to be.
#[must_use]
pub fn for_counts(errors: Guardrail, share: Option<f64>) -> JudgeSettings {
    let preset = JudgeSettings::preset();
    let split = preset.guardrails.get("sample_ratio").filter(|_| share.is_some()).map(|g| ("sample_ratio".to_owned(), g.clone()));
    let guardrails: IndexMap<String, Guardrail> = std::iter::once(("errors".to_owned(), errors)).chain(split).collect();
    JudgeSettings { guardrails, warm_up_ms: 0, min_requests: 0, deadline_ms: u64::MAX, ..preset }
}

/// Settings for latencies at the preset's quantiles, and for errors where failures are known.
#[must_use]
pub fn for_latencies(errors: bool) -> JudgeSettings {
    let preset = JudgeSettings::preset();
    let wanted = |kind: &GuardrailKind| matches!(kind, GuardrailKind::Latency { .. }) || (errors && *kind == GuardrailKind::Errors);
    let guardrails = preset.guardrails.iter().filter(|(_, g)| wanted(&g.kind)).map(|(name, g)| (name.clone(), g.clone())).collect();
    JudgeSettings { guardrails, warm_up_ms: 0, min_requests: 0, deadline_ms: u64::MAX, ..preset }
}

/// The same settings with all of alpha for one comparison: there are no other attempts and modes that it would have to be
/// shared with.
#[must_use]
pub fn alone(settings: JudgeSettings) -> JudgeSettings {
    let modes = Modes { shadow: false, canary: true, watch: false };
    JudgeSettings { alpha: settings.alpha / alpha_of_attempt(1.0, 1), modes, ..settings }
}

/// The tick of an interval, of a comparison that is judged by itself; `share` is the candidate's as it was configured.
#[must_use]
pub fn tick_of(settings: &JudgeSettings, seq: u64, share: f64, interval: Interval) -> Tick {
    let arm = |(requests, errors): (u64, u64)| ArmCounts { requests, errors, ..ArmCounts::default() };
    tick(settings, seq, share, Arms { candidate: arm(interval.candidate), control: arm(interval.control) })
}

fn tick(settings: &JudgeSettings, seq: u64, share: f64, arms: Arms) -> Tick {
    Tick {
        seq,
        at: At(0).plus_ms(settings.tick_ms.saturating_mul(seq + 1)),
        mode: Mode::Canary,
        step: 0,
        attempt: 1,
        candidate_share_bp: libm::round(share.clamp(0.0, 1.0) * 10_000.0) as u32,
        candidate: arms.candidate,
        control: arms.control,
        pairs: None,
        beside: Beside::default(),
    }
}

/// Judges intervals in the order of time, with all of alpha for this one comparison.
#[must_use]
pub fn judge_counts(settings: &JudgeSettings, intervals: &[Interval], share: Option<f64>) -> CountsAssessment {
    let settings = alone(settings.clone());
    let share = share.unwrap_or(0.5);
    let ticks: Vec<Tick> = (0..).zip(intervals).map(|(seq, interval)| tick_of(&settings, seq, share, *interval)).collect();
    judge_ticks(&settings, &ticks)
}

/// The same for intervals with latencies.
#[must_use]
pub fn judge_arms(settings: &JudgeSettings, intervals: Vec<Arms>, share: Option<f64>) -> CountsAssessment {
    let settings = alone(settings.clone());
    let ticks: Vec<Tick> = (0..).zip(intervals).map(|(seq, arms)| tick(&settings, seq, share.unwrap_or(0.5), arms)).collect();
    judge_ticks(&settings, &ticks)
}

fn judge_ticks(settings: &JudgeSettings, ticks: &[Tick]) -> CountsAssessment {
    let offline = Offline::default();
    let mut state = JudgeState::new(settings, 1, Mode::Canary, &offline);
    let mut decided_at = None;
    for (number, tick) in ticks.iter().enumerate() {
        state.observe(tick);
        if decided_at.is_none() && (state.rolled_back() || state.promotable()) {
            decided_at = Some(number as u64 + 1);
        }
    }
    let mut assessment = state.assess();
    if ticks.is_empty() {
        assessment.verdict = Verdict::NoTelemetry;
    }
    CountsAssessment { assessment, decided_at, history: history(settings, 1, Mode::Canary, &offline, ticks, POINTS_MAX) }
}

#[cfg(test)]
mod tests {
    use super::super::errors_of_preset;
    use super::*;

    #[test]
    fn all_of_alpha_is_spent_on_one_comparison() {
        let settings = for_counts(errors_of_preset(), None);
        let judge = |(candidate, control), times| judge_counts(&settings, &vec![Interval { candidate, control }; times], None);
        let bad = judge(((100, 2), (900, 6)), 60);
        assert_eq!(bad.assessment.verdict, Verdict::Rollback);
        assert!((bad.assessment.needs_rollback - 100.0).abs() < 1e-9, "{}", bad.assessment.needs_rollback);
        assert!(bad.decided_at.is_some_and(|at| at > 1 && at < 60), "{:?}", bad.decided_at);
        let clean = judge(((1000, 0), (1000, 0)), 40);
        assert_eq!(clean.assessment.verdict, Verdict::Promote);
        assert_eq!(clean.history.points.len(), 40);
        let little = judge(((10, 0), (10, 0)), 3);
        assert!(
            matches!(little.assessment.verdict, Verdict::Continue | Verdict::InsufficientEvidence { .. }),
            "{:?}",
            little.assessment.verdict
        );
        assert_eq!(judge(((0, 0), (0, 0)), 0).assessment.verdict, Verdict::NoTelemetry);
        assert_eq!(judge(((0, 0), (0, 0)), 9).assessment.verdict, Verdict::NoTelemetry);
    }

    #[test]
    fn counts_that_do_not_fit_the_split_hold() {
        let settings = for_counts(errors_of_preset(), Some(0.1));
        let off = judge_counts(&settings, &[Interval { candidate: (60, 0), control: (940, 0) }; 60], Some(0.1));
        assert_eq!(off.assessment.verdict, Verdict::Hold { why: super::super::HoldReason::SampleRatioMismatch });
    }

    #[test]
    fn latencies_are_judged_at_each_quantile() {
        let arms = |factor: f64| {
            let arm = |factor: f64, salt: u64| {
                let mut arm = ArmCounts { requests: 400, ..ArmCounts::default() };
                // A spread of one to three, the same for both arms, in another order.
                (0..400_u64).for_each(|i| arm.latency.record(factor * 1_000.0 * (1.0 + ((i * 7 + salt) % 400) as f64 / 200.0)));
                arm
            };
            (0..60).map(|i| Arms { candidate: arm(factor, i), control: arm(1.0, 3 * i) }).collect::<Vec<_>>()
        };
        let settings = for_latencies(false);
        let slow = judge_arms(&settings, arms(1.6), None);
        assert_eq!(slow.assessment.verdict, Verdict::Rollback);
        let same = judge_arms(&settings, arms(1.0), None);
        assert_eq!(same.assessment.verdict, Verdict::Promote);
        let names: Vec<&str> = same.assessment.guardrails.iter().map(|g| g.name.as_str()).collect();
        assert_eq!(names, ["latency_p50", "latency_p95", "latency_p99"]);
        assert!(for_latencies(true).guardrails.contains_key("errors"));
        assert_eq!(judge_arms(&settings, vec![], None).assessment.verdict, Verdict::NoTelemetry);
    }
}
