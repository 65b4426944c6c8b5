//! The verdict over time, for pictures: one compact point per tick, or per few ticks.

use super::evidence::{Mode, Tick};
use super::guardrails::{Evidence, Offline};
use super::settings::JudgeSettings;
use super::state::JudgeState;
use crate::id::At;
use serde::{Deserialize, Serialize};
use tidegate_stats::confidence::Band;
use tidegate_stats::eprocess::e_value;

/// The course of one mode of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The bar of rollback.
    pub needs_rollback: f64,
    /// The bar of promotion.
    pub needs_promote: f64,
    /// In the order of time.
    pub points: Vec<HistoryPoint>,
}

/// The state after one tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryPoint {
    /// The tick.
    pub seq: u64,
    /// Its end.
    pub at: At,
    /// What the rollout was doing.
    pub mode: Mode,
    /// Canary step.
    pub step: u32,
    /// Logged and not judged.
    pub warm_up: bool,
    /// Weighted average of rollback e-values.
    pub e_rollback: f64,
    /// Smallest promotion e-value.
    pub e_promote: f64,
    /// Configured share of the candidate among candidate and control, in basis points.
    pub configured_bp: u32,
    /// Its realised share in this tick; none without requests.
    pub realised_bp: Option<u32>,
    /// Candidate requests of this tick.
    pub candidate_requests: u64,
    /// Control requests of this tick.
    pub control_requests: u64,
    /// Each judged guardrail.
    pub guardrails: Vec<GuardrailPoint>,
}

/// One guardrail after one tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardrailPoint {
    /// Its name in the settings.
    pub name: String,
    /// Rollback e-value.
    pub e_rollback: f64,
    /// Promotion e-value.
    pub e_promote: f64,
    /// Two arms: ratio of rates. One sample: the rate. A metric: candidate against control in the middle pair.
    pub estimate: Option<f64>,
    /// Lower end of its sequential interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// Folds `ticks` and keeps at most `points_max` points, evenly spread, the last one always.
#[must_use]
pub fn history(settings: &JudgeSettings, attempt: u32, mode: Mode, offline: &Offline, ticks: &[Tick], points_max: usize) -> History {
    let mut state = JudgeState::new(settings, attempt, mode, offline);
    let mine: Vec<&Tick> = ticks.iter().filter(|t| t.mode == mode && t.attempt == attempt).collect();
    let stride = mine.len().div_ceil(points_max.max(1)).max(1);
    let mut points = Vec::new();
    for (i, tick) in mine.iter().enumerate() {
        state.observe(tick);
        if (mine.len() - 1 - i).is_multiple_of(stride) {
            points.push(state.point(tick));
        }
    }
    History { needs_rollback: state.needs_rollback(), needs_promote: state.needs_promote(), points }
}

impl JudgeState {
    /// The point after `tick`, which was folded last.
    #[must_use]
    pub fn point(&self, tick: &Tick) -> HistoryPoint {
        let (candidate, control) = (tick.candidate.requests, tick.control.requests);
        let total = candidate.saturating_add(control);
        HistoryPoint {
            seq: tick.seq,
            at: tick.at,
            mode: tick.mode,
            step: tick.step,
            warm_up: self.warming,
            e_rollback: e_value(self.log_rollback()),
            e_promote: e_value(self.log_promote()),
            configured_bp: tick.candidate_share_bp,
            realised_bp: if total > 0 { Some(libm::rint(10_000.0 * candidate as f64 / total as f64) as u32) } else { None },
            candidate_requests: candidate,
            control_requests: control,
            guardrails: self.each().filter_map(|(name, _, evidence)| guardrail_point(name, evidence)).collect(),
        }
    }
}

fn guardrail_point(name: &str, evidence: &Evidence) -> Option<GuardrailPoint> {
    let (rollback, promote) = (evidence.log_rollback()?, evidence.log_promote()?);
    let (band, seen) = match evidence {
        Evidence::Arms(arms) => (arms.band(), arms.seen.s1.max(arms.seen.s0)),
        Evidence::Rate(rate) => (rate.band(), rate.seen.trials),
        Evidence::Labels(labels) => (labels.arms.band(), labels.arms.seen.s1.max(labels.arms.seen.s0)),
        Evidence::Shift(shift) => shift.loudest().map(|(side, _)| (side.band(), side.seen.s1.max(side.seen.s0)))?,
        // Its interval takes long, and one at the end is enough.
        Evidence::Values(values) => (Band { estimate: values.report(false).middle, low: 0.0, high: None }, 0),
        Evidence::Split(_) | Evidence::NotJudged(_) => return None,
    };
    Some(GuardrailPoint {
        name: name.to_owned(),
        e_rollback: e_value(rollback),
        e_promote: e_value(promote),
        estimate: band.estimate,
        low: if seen > 0 { Some(band.low) } else { None },
        high: band.high,
    })
}
