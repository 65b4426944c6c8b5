//! From evidence to a verdict that explains itself.

use super::evidence::{Mode, Tick};
use super::explain;
use super::guardrails::{Evidence, Offline};
use super::settings::{Guardrail, JudgeSettings};
use super::state::{JudgeState, weight};
use super::verdict::{Assessment, GuardrailAssessment, HoldReason, Verdict};
use tidegate_stats::confidence::Band;
use tidegate_stats::eprocess::{Counts, e_value};

/// Version of the judge's rules; raised with any change of a formula, a grid or a bar.
pub const JUDGE_VERSION: u32 = 4;

/// The assessment of one mode of one attempt, from its ticks: what an auditor runs.
#[must_use]
pub fn recompute(settings: &JudgeSettings, attempt: u32, mode: Mode, offline: &Offline, ticks: &[Tick]) -> Assessment {
    let mut state = JudgeState::new(settings, attempt, mode, offline);
    ticks.iter().for_each(|tick| state.observe(tick));
    state.assess()
}

/// Time to a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Eta {
    pub(super) rollback_ms: Option<u64>,
    pub(super) promote_ms: Option<u64>,
}

impl Eta {
    pub(super) fn nearer(self) -> Option<u64> {
        match (self.rollback_ms, self.promote_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

impl JudgeState {
    /// What follows from the evidence so far.
    #[must_use]
    pub fn assess(&self) -> Assessment {
        self.assessment(true)
    }

    /// As [`JudgeState::assess`], without what only people read: no interval, no outlook, no words. Thousands of rollouts are
    /// judged at every tick, and few of those ticks are told to anybody.
    #[must_use]
    pub fn gauge(&self) -> Assessment {
        self.assessment(false)
    }

    fn assessment(&self, told: bool) -> Assessment {
        let etas: Vec<Eta> = self.each().map(|(_, guardrail, evidence)| self.eta_of(guardrail, evidence)).collect();
        let eta = self.eta(&etas);
        let verdict = self.verdict(eta);
        let guardrail = |((name, guardrail, evidence), eta): ((&str, &Guardrail, &Evidence), &Eta)| {
            let counted = counted(name, evidence);
            if told { self.explained(counted, guardrail, evidence, *eta) } else { counted }
        };
        let guardrails: Vec<GuardrailAssessment> = self.each().zip(&etas).map(guardrail).collect();
        let summary = if told { explain::summary(self, &verdict, &guardrails, eta) } else { String::new() };
        Assessment {
            verdict,
            e_rollback: e_value(self.log_rollback()),
            needs_rollback: self.needs_rollback(),
            e_promote: e_value(self.log_promote()),
            needs_promote: self.needs_promote(),
            guardrails,
            ticks: self.ticks,
            candidate_requests: self.candidate_requests,
            control_requests: self.control_requests,
            summary,
            judge_version: JUDGE_VERSION,
            suspicion: self.suspicious() || self.split_doubtful(),
            warm_up_ticks: self.warm_up_ticks,
            step: self.step,
            step_candidate_requests: self.step_candidate_requests,
        }
    }

    /// The first that applies. A rollback once reached stays; a hold is checked before a promotion.
    fn verdict(&self, eta: Eta) -> Verdict {
        if self.rolled_back() {
            return Verdict::Rollback;
        }
        if self.silent() {
            return Verdict::NoTelemetry;
        }
        if self.split_mismatch() {
            return Verdict::Hold { why: HoldReason::SampleRatioMismatch };
        }
        if self.one_arm_silent() {
            return Verdict::Hold { why: HoldReason::StaleTelemetry };
        }
        if self.without_values().is_some() {
            return Verdict::Hold { why: HoldReason::MissingValues };
        }
        if self.promotable() {
            // The step would end here, and must not while a rollback e-value stands high.
            return match () {
                () if self.suspicious() => Verdict::Hold { why: HoldReason::Suspicion },
                () if self.split_doubtful() => Verdict::Hold { why: HoldReason::SampleRatioMismatch },
                () => Verdict::Promote,
            };
        }
        let eta_ms = eta.nearer();
        let left_ms = self.settings.deadline_ms.saturating_sub(self.elapsed_ms());
        if self.step_candidate_requests >= self.settings.min_requests && eta_ms.is_some_and(|ms| ms <= left_ms) {
            Verdict::Continue
        } else {
            Verdict::InsufficientEvidence { eta_ms }
        }
    }

    /// Milliseconds of this mode that were counted.
    pub(super) fn elapsed_ms(&self) -> u64 {
        match (self.first_at, self.last_at) {
            (Some(first), Some(last)) => last.since_ms(first).saturating_add(self.settings.tick_ms),
            _ => 0,
        }
    }

    /// Time until this guardrail alone reaches a bar.
    fn eta_of(&self, guardrail: &Guardrail, evidence: &Evidence) -> Eta {
        let (rollback, promote) = evidence.more(self.log_bar_of(guardrail), libm::log(self.needs_promote()));
        let time = |more: Option<f64>| more.and_then(|m| self.time_for(m));
        Eta { rollback_ms: if weight(guardrail) > 0.0 { time(rollback) } else { None }, promote_ms: time(promote) }
    }

    /// Logarithm of what this guardrail's rollback e-value must reach to carry the average over its bar alone.
    pub(super) fn log_bar_of(&self, guardrail: &Guardrail) -> f64 {
        libm::log(self.needs_rollback()) + libm::log(self.weights().max(1e-300)) - libm::log(weight(guardrail).max(1e-300))
    }

    /// Rollback by the first guardrail that gets there, promotion with the last.
    fn eta(&self, etas: &[Eta]) -> Eta {
        let mut all = Eta { rollback_ms: None, promote_ms: Some(0) };
        let mut judged = 0;
        for ((_, _, evidence), eta) in self.each().zip(etas) {
            if !evidence.judged() {
                continue;
            }
            judged += 1;
            all.rollback_ms = Eta { rollback_ms: all.rollback_ms, promote_ms: eta.rollback_ms }.nearer();
            all.promote_ms = all.promote_ms.zip(eta.promote_ms).map(|(a, b)| a.max(b));
        }
        if judged == 0 { Eta::default() } else { all }
    }

    /// Adds intervals, outlook and words.
    fn explained(&self, counted: GuardrailAssessment, guardrail: &Guardrail, evidence: &Evidence, eta: Eta) -> GuardrailAssessment {
        let mut report = GuardrailAssessment { eta_ms: eta.nearer(), flips: explain::flips(self, guardrail, evidence, eta), ..counted };
        match evidence {
            Evidence::Arms(arms) => report.with_ratio(&arms.band(), arms.seen),
            Evidence::Labels(labels) => report.with_ratio(&labels.arms.band(), labels.arms.seen),
            Evidence::Shift(shift) => {
                if let Some((side, _)) = shift.loudest() {
                    report.with_ratio(&side.band(), side.seen);
                }
            }
            Evidence::Values(values) => report.values = Some(values.report(true)),
            Evidence::Rate(rate) => {
                let band = rate.band();
                report.rate = band.estimate.map(|r| (r, band.low, band.high.unwrap_or(1.0)));
            }
            Evidence::Split(split) => {
                report.ratio = if split.expected > 0.0 { Some(split.candidate as f64 / split.expected) } else { None };
            }
            Evidence::NotJudged(_) => {}
        }
        report
    }
}

impl GuardrailAssessment {
    /// Adds the ratio of two arms in its interval.
    fn with_ratio(&mut self, band: &Band, seen: Counts) {
        self.ratio = band.estimate;
        self.ratio_low = if seen.s1 > 0 || seen.s0 > 0 { Some(band.low) } else { None };
        self.ratio_high = band.high;
    }
}

/// What a guardrail counted and what its evidence weighs.
fn counted(name: &str, evidence: &Evidence) -> GuardrailAssessment {
    let mut report = GuardrailAssessment {
        name: name.to_owned(),
        e_rollback: 1.0,
        e_promote: 1.0,
        dispersion: 1.0,
        judged: true,
        ..GuardrailAssessment::default()
    };
    if let (Some(rollback), Some(promote)) = (evidence.log_rollback(), evidence.log_promote()) {
        report.e_rollback = e_value(rollback);
        report.e_promote = e_value(promote);
    }
    let mut of_arms = |seen: Counts, dispersion: f64| {
        (report.candidate, report.control, report.dispersion) = ((seen.n1, seen.s1), (seen.n0, seen.s0), dispersion);
    };
    match evidence {
        Evidence::Arms(arms) => of_arms(arms.seen, arms.divisor()),
        Evidence::Labels(labels) => of_arms(labels.arms.seen, labels.arms.divisor()),
        Evidence::Shift(shift) => {
            if let Some((side, _)) = shift.loudest() {
                of_arms(side.seen, side.divisor());
            }
        }
        Evidence::Values(values) => report.values = Some(values.report(false)),
        Evidence::Rate(rate) => report.candidate = (rate.seen.trials, rate.seen.hits),
        Evidence::Split(split) => {
            report.candidate = (split.candidate.saturating_add(split.control), split.candidate);
            report.e_rollback = split.mismatch.e();
            report.dispersion = split.dispersion.value();
        }
        Evidence::NotJudged(_) => report.judged = false,
    }
    report
}
