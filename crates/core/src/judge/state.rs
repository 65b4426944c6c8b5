//! The fold of ticks: one state per attempt and mode.
//!
//! The same ticks give the same bits. A tick of another mode or attempt, or one that was folded before, changes
//! nothing. Not here: what a verdict says in words (`assess`).

use super::evidence::{Mode, Tick};
use super::guardrails::{Evidence, Offline};
use super::settings::{Guardrail, GuardrailKind, JudgeSettings};
use crate::id::At;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tidegate_stats::special::log_sum_exp;

/// Ticks that the present rate of requests is taken from.
const RATE_TICKS_MAX: usize = 30;
/// An arm is silent for a reason when the other arm's requests led one to expect this many from it.
const SILENCE_EXPECTED_MIN: f64 = 10.0;

/// The share of alpha that an attempt may spend: retries of the same change share one budget.
#[must_use]
pub fn alpha_of_attempt(alpha: f64, attempt: u32) -> f64 {
    if attempt <= 1 {
        return 0.9 * alpha;
    }
    let earlier = f64::from(attempt - 1);
    let pi = core::f64::consts::PI;
    0.1 * alpha * 6.0 / (pi * pi * earlier * earlier)
}

/// Evidence folded so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeState {
    pub(super) settings: JudgeSettings,
    pub(super) attempt: u32,
    pub(super) mode: Mode,
    /// In the order of the settings.
    pub(super) evidence: Vec<Evidence>,
    pub(super) first_at: Option<At>,
    pub(super) last_at: Option<At>,
    pub(super) last_seq: Option<u64>,
    pub(super) ticks: u64,
    pub(super) warm_up_ticks: u64,
    /// Whether the last tick fell into the warm-up.
    pub(super) warming: bool,
    pub(super) candidate_requests: u64,
    pub(super) control_requests: u64,
    /// Candidate requests in judged ticks.
    pub(super) judged_requests: u64,
    pub(super) step: u32,
    pub(super) step_candidate_requests: u64,
    /// Ticks in a row without any request.
    pub(super) silent_ticks: u64,
    candidate_silence: Silence,
    control_silence: Silence,
    recent: VecDeque<u64>,
    /// Highest logarithm that the averaged rollback e-value ever had.
    pub(super) log_rollback_max: f64,
}

/// How long an arm has been silent, and how many requests were expected of it meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Silence {
    ticks: u64,
    expected: f64,
}

impl Silence {
    fn observe(&mut self, own: u64, other: u64, own_share: f64) {
        if own > 0 {
            *self = Silence::default();
        } else if other > 0 {
            self.ticks += 1;
            self.expected += other as f64 * own_share / (1.0 - own_share).max(1e-4);
        }
    }

    fn stale(self, stale_ticks: u32) -> bool {
        self.ticks >= u64::from(stale_ticks.max(1)) && self.expected >= SILENCE_EXPECTED_MIN
    }
}

impl JudgeState {
    /// Nothing folded.
    #[must_use]
    pub fn new(settings: &JudgeSettings, attempt: u32, mode: Mode, offline: &Offline) -> JudgeState {
        let corrected = settings.dispersion_correction;
        let evidence = settings.guardrails.values().map(|g| Evidence::new(g, mode, *offline, corrected)).collect();
        JudgeState {
            settings: settings.clone(),
            attempt,
            mode,
            evidence,
            first_at: None,
            last_at: None,
            last_seq: None,
            ticks: 0,
            warm_up_ticks: 0,
            warming: false,
            candidate_requests: 0,
            control_requests: 0,
            judged_requests: 0,
            step: 0,
            step_candidate_requests: 0,
            silent_ticks: 0,
            candidate_silence: Silence::default(),
            control_silence: Silence::default(),
            recent: VecDeque::new(),
            log_rollback_max: 0.0,
        }
    }

    /// Folds one tick.
    pub fn observe(&mut self, tick: &Tick) {
        if tick.mode != self.mode || tick.attempt != self.attempt || self.last_seq.is_some_and(|last| tick.seq <= last) {
            return;
        }
        self.count(tick);
        let first = *self.first_at.get_or_insert(tick.at);
        // The first tick ends one tick after the mode began.
        let elapsed = tick.at.since_ms(first).saturating_add(self.settings.tick_ms);
        self.warming = elapsed <= self.settings.warm_up_ms;
        if self.warming {
            self.warm_up_ticks += 1;
            // Labels come when they come, once, and are of answers that may be long past.
            self.fold(tick, |kind| *kind == GuardrailKind::Labels);
            return;
        }
        self.judged_requests = self.judged_requests.saturating_add(tick.candidate.requests);
        self.step_candidate_requests = self.step_candidate_requests.saturating_add(tick.candidate.requests);
        self.fold(tick, |_| true);
        self.log_rollback_max = self.log_rollback_max.max(self.log_rollback());
    }

    fn fold(&mut self, tick: &Tick, which: impl Fn(&GuardrailKind) -> bool) {
        let each = self.evidence.iter_mut().zip(&self.settings.guardrails);
        for (evidence, (name, guardrail)) in each.filter(|(_, (_, guardrail))| which(&guardrail.kind)) {
            evidence.observe((name, &guardrail.kind), tick);
        }
    }

    /// Counts that do not depend on judging.
    fn count(&mut self, tick: &Tick) {
        self.last_seq = Some(tick.seq);
        self.last_at = Some(tick.at);
        self.ticks += 1;
        if tick.step != self.step {
            self.step = tick.step;
            self.step_candidate_requests = 0;
        }
        let (candidate, control) = (tick.candidate.requests, tick.control.requests);
        self.candidate_requests = self.candidate_requests.saturating_add(candidate);
        self.control_requests = self.control_requests.saturating_add(control);
        self.silent_ticks = if candidate == 0 && control == 0 { self.silent_ticks + 1 } else { 0 };
        let share = f64::from(tick.candidate_share_bp.min(10_000)) / 10_000.0;
        self.candidate_silence.observe(candidate, control, share);
        self.control_silence.observe(control, candidate, 1.0 - share);
        if self.recent.len() == RATE_TICKS_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(candidate);
    }

    /// Guardrails with their names and evidence, in the order of the settings.
    pub(super) fn each(&self) -> impl Iterator<Item = (&str, &Guardrail, &Evidence)> {
        let named = self.settings.guardrails.iter().zip(&self.evidence);
        named.map(|((name, guardrail), evidence)| (name.as_str(), guardrail, evidence))
    }

    /// The bar of rollback: 1 over the share of alpha that this attempt may spend in this mode.
    #[must_use]
    pub fn needs_rollback(&self) -> f64 {
        let share = alpha_of_attempt(self.settings.alpha, self.attempt) * self.settings.modes.part(self.mode);
        1.0 / share.clamp(1e-300, 1.0)
    }

    /// The bar of promotion, for each guardrail.
    #[must_use]
    pub fn needs_promote(&self) -> f64 {
        1.0 / self.settings.beta.clamp(1e-300, 1.0)
    }

    /// Sum of the weights in the average of rollback e-values.
    pub(super) fn weights(&self) -> f64 {
        self.each().filter(|(_, _, e)| e.judged()).map(|(_, g, _)| weight(g)).sum()
    }

    /// Logarithm of the weighted average of rollback e-values, now.
    pub(super) fn log_rollback(&self) -> f64 {
        let total = self.weights();
        if total <= 0.0 {
            return 0.0;
        }
        let part = |(_, g, e): (&str, &Guardrail, &Evidence)| {
            if weight(g) > 0.0 { Some(libm::log(weight(g) / total) + e.log_rollback()?) } else { None }
        };
        let parts: Vec<f64> = self.each().filter_map(part).collect();
        log_sum_exp(parts.iter().copied())
    }

    /// Logarithm of the smallest promotion e-value; 0 when nothing is judged, for nothing is then shown.
    pub(super) fn log_promote(&self) -> f64 {
        self.each().filter_map(|(_, _, e)| e.log_promote()).reduce(f64::min).unwrap_or(0.0)
    }

    /// Whether the averaged rollback e-value ever reached its bar.
    #[must_use]
    pub fn rolled_back(&self) -> bool {
        self.log_rollback_max >= libm::log(self.needs_rollback())
    }

    /// Whether every judged guardrail stands at the bar of promotion.
    #[must_use]
    pub fn promotable(&self) -> bool {
        self.weights_judged() > 0 && self.log_promote() >= libm::log(self.needs_promote())
    }

    fn weights_judged(&self) -> usize {
        self.each().filter(|(_, _, e)| e.judged()).count()
    }

    /// Whether a rollback e-value, of one guardrail or of all together, stands above `hold_above` now.
    #[must_use]
    pub fn suspicious(&self) -> bool {
        let bar = libm::log(self.settings.hold_above.max(1.0));
        self.log_rollback() > bar || self.each().filter_map(|(_, _, e)| e.log_rollback()).any(|rollback| rollback > bar)
    }

    /// Whether request counts stand against the configured split.
    #[must_use]
    pub fn split_mismatch(&self) -> bool {
        self.split_is_off(libm::log(self.needs_rollback()))
    }

    /// Whether they stand against it above `hold_above`: not enough to say so, enough to keep a step from ending. A version
    /// that loses its failing requests looks clean, and would be promoted before the counts can tell.
    #[must_use]
    pub fn split_doubtful(&self) -> bool {
        self.split_is_off(libm::log(self.settings.hold_above.max(1.0)))
    }

    fn split_is_off(&self, bar: f64) -> bool {
        let off = |(_, g, e): (&str, &Guardrail, &Evidence)| match e {
            Evidence::Split(split) => g.kind == GuardrailKind::SampleRatio && split.mismatch.log_e() >= bar,
            Evidence::Arms(_)
            | Evidence::Rate(_)
            | Evidence::Shift(_)
            | Evidence::Labels(_)
            | Evidence::Values(_)
            | Evidence::NotJudged(_) => false,
        };
        self.each().any(off)
    }

    /// The metric whose source has given no pair of values for `stale_ticks` askings in a row.
    pub(super) fn without_values(&self) -> Option<&str> {
        let long = u64::from(self.settings.stale_ticks.max(1));
        self.each().find_map(|(name, _, e)| matches!(e, Evidence::Values(v) if v.missing_in_a_row >= long).then_some(name))
    }

    /// Whether no request at all was counted for `stale_ticks`.
    #[must_use]
    pub fn silent(&self) -> bool {
        self.silent_ticks >= u64::from(self.settings.stale_ticks.max(1))
    }

    /// Whether one arm alone stopped reporting.
    #[must_use]
    pub fn one_arm_silent(&self) -> bool {
        let stale = self.settings.stale_ticks;
        self.candidate_silence.stale(stale) || self.control_silence.stale(stale)
    }

    /// Milliseconds for `multiple` times the judged candidate requests, at the present rate.
    pub(super) fn time_for(&self, multiple: f64) -> Option<u64> {
        let recent: f64 = self.recent.iter().map(|&r| r as f64).sum();
        if recent <= 0.0 || self.judged_requests == 0 {
            return None;
        }
        let per_tick = recent / self.recent.len() as f64;
        let ticks = libm::ceil(multiple * self.judged_requests as f64 / per_tick);
        let ms = ticks * self.settings.tick_ms as f64;
        if ms.is_finite() && ms <= ETA_MS_MAX { Some(ms as u64) } else { None }
    }
}

/// Longer than this is as good as never: 30 days.
const ETA_MS_MAX: f64 = 30.0 * 86_400_000.0;

/// A guardrail's weight; one that is not a positive number counts nothing.
pub(super) fn weight(guardrail: &Guardrail) -> f64 {
    if guardrail.weight.is_finite() && guardrail.weight > 0.0 { guardrail.weight } else { 0.0 }
}
