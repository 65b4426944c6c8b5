//! One guardrail's evidence: which counts of a tick it reads, and the e-processes it feeds with them.
//!
//! Not here: how guardrails are combined, and what follows.

use super::evidence::{ArmCounts, BUCKETS, BUCKETS_PER_OCTAVE, LatencyHistogram, Mode, OneSample, Tick};
use super::labels::Labelled;
use super::settings::{Guardrail, GuardrailKind, Measure};
use super::shift::Shift;
use super::values::Values;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tidegate_stats::confidence::{Band, RatioTable, clopper_pearson_upper, rate_band};
use tidegate_stats::dispersion::Dispersion;
use tidegate_stats::eprocess::{CountProcess, Counts, Null, RateProcess, Side, Sides};

/// Confidence of the intervals in an assessment.
pub(super) const BAND_CONFIDENCE: f64 = 0.95;
/// Confidence of the upper bound of the offline disagreement.
const OFFLINE_CONFIDENCE: f64 = 0.95;
/// Ticks of the control that latency thresholds are learnt from: five minutes at the default tick.
const LATENCY_TICKS_MAX: usize = 30;
/// Answers of the control that a threshold needs.
const LATENCY_ANSWERS_MIN: u64 = 20;

/// What the gate measured offline, before any traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offline {
    /// Evaluation rows that the two versions decide differently, of the rows compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<OneSample>,
}

/// Whether a guardrail is judged at all while the rollout does this.
#[must_use]
pub fn applies(kind: &GuardrailKind, mode: Mode) -> bool {
    match kind {
        GuardrailKind::Skew | GuardrailKind::Disagreement => mode == Mode::Shadow,
        // What no user sees moves no metric.
        GuardrailKind::Metric(_) => mode != Mode::Shadow,
        GuardrailKind::Errors
        | GuardrailKind::Latency { .. }
        | GuardrailKind::Generation { .. }
        | GuardrailKind::SampleRatio
        | GuardrailKind::ScoreShift
        | GuardrailKind::Labels => true,
    }
}

/// The evidence of one guardrail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Evidence {
    /// Candidate against control.
    Arms(Box<Arms>),
    /// Candidate against a stated rate.
    Rate(Rate),
    /// Request counts against the configured split.
    Split(Split),
    /// Scores of candidate against control.
    Shift(Box<Shift>),
    /// Candidate against control by labels that come later.
    Labels(Box<Labelled>),
    /// Pairs of a metric.
    Values(Box<Values>),
    /// Listed, and without a part in the verdict.
    NotJudged(String),
}

/// Two arms: the two e-values, the band of the ratio, the dispersion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Arms {
    pub(super) rollback: CountProcess,
    pub(super) promote: CountProcess,
    pub(super) dispersion: Dispersion,
    pub(super) table: RatioTable,
    /// Trials and hits at the same threshold for both arms: what is reported.
    pub(super) seen: Counts,
    latency: Option<Threshold>,
    corrected: bool,
}

/// One sample: the two e-values and the totals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rate {
    pub(super) rollback: RateProcess,
    pub(super) promote: RateProcess,
    pub(super) seen: OneSample,
}

/// The split: one two-sided process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Split {
    pub(super) mismatch: RateProcess,
    pub(super) dispersion: Dispersion,
    pub(super) candidate: u64,
    pub(super) control: u64,
    /// Candidate requests that the configured weights lead one to expect.
    pub(super) expected: f64,
    corrected: bool,
}

impl Evidence {
    /// No evidence yet.
    pub(super) fn new(guardrail: &Guardrail, mode: Mode, offline: Offline, corrected: bool) -> Evidence {
        if !applies(&guardrail.kind, mode) {
            let where_it_is =
                if mode == Mode::Shadow { "Judged where users are answered, not in shadow." } else { "Judged in shadow only." };
            return Evidence::NotJudged(where_it_is.to_owned());
        }
        match &guardrail.kind {
            GuardrailKind::Errors => Evidence::Arms(Box::new(Arms::new(guardrail, None, mode, corrected))),
            GuardrailKind::Latency { q } => Evidence::Arms(Box::new(Arms::new(guardrail, Some(Threshold::new(*q, None, guardrail)), mode, corrected))),
            GuardrailKind::Generation { of, q } => {
                Evidence::Arms(Box::new(Arms::new(guardrail, Some(Threshold::new(*q, Some(*of), guardrail)), mode, corrected)))
            }
            GuardrailKind::Skew => Evidence::Rate(Rate::new(guardrail.slack, guardrail.harm_slack)),
            GuardrailKind::Disagreement => match offline.disagreement.filter(|d| d.trials > 0) {
                Some(sample) => {
                    let rate = clopper_pearson_upper(sample.trials, sample.hits, OFFLINE_CONFIDENCE);
                    let null = |ratio: f64, slack: f64| ratio * rate + slack;
                    Evidence::Rate(Rate::new(null(guardrail.tolerance, guardrail.slack), null(guardrail.harm, guardrail.harm_slack)))
                }
                None => Evidence::NotJudged(
                    "Not judged: the gate measured no offline disagreement between these two versions, so there is no rate to hold it against."
                        .to_owned(),
                ),
            },
            GuardrailKind::SampleRatio => Evidence::Split(Split {
                mismatch: RateProcess::new(0.5, Sides::Both),
                dispersion: Dispersion::new(),
                candidate: 0,
                control: 0,
                expected: 0.0,
                corrected,
            }),
            GuardrailKind::ScoreShift => Evidence::Shift(Box::new(Shift::new(guardrail, mode, corrected))),
            GuardrailKind::Labels => Evidence::Labels(Box::new(Labelled::new(guardrail, mode, corrected))),
            GuardrailKind::Metric(metric) => Evidence::Values(Box::new(Values::new(metric, guardrail, mode))),
        }
    }

    /// Folds a judged tick.
    pub(super) fn observe(&mut self, (name, kind): (&str, &GuardrailKind), tick: &Tick) {
        match self {
            Evidence::Arms(arms) => arms.observe(tick),
            Evidence::Rate(rate) => {
                let pairs = tick.pairs.unwrap_or_default();
                rate.observe(if *kind == GuardrailKind::Skew { pairs.skew } else { pairs.disagreement });
            }
            Evidence::Split(split) => split.observe(tick),
            Evidence::Shift(shift) => shift.observe(tick),
            Evidence::Labels(labels) => labels.observe(tick),
            Evidence::Values(values) => values.observe(name, tick),
            Evidence::NotJudged(_) => {}
        }
    }

    /// Whether it has e-values for rollback and for promotion; the split has neither, it can only hold.
    pub(super) fn judged(&self) -> bool {
        match self {
            Evidence::Arms(_) | Evidence::Rate(_) | Evidence::Shift(_) | Evidence::Labels(_) | Evidence::Values(_) => true,
            Evidence::Split(_) | Evidence::NotJudged(_) => false,
        }
    }

    /// Logarithm of the e-value for rollback.
    pub(super) fn log_rollback(&self) -> Option<f64> {
        match self {
            Evidence::Arms(arms) => Some(arms.rollback.log_e()),
            Evidence::Rate(rate) => Some(rate.rollback.log_e()),
            Evidence::Shift(shift) => Some(shift.log_rollback()),
            Evidence::Labels(labels) => Some(labels.arms.rollback.log_e()),
            Evidence::Values(values) => Some(values.rollback.log_e()),
            Evidence::Split(_) | Evidence::NotJudged(_) => None,
        }
    }

    /// Logarithm of the e-value for promotion.
    pub(super) fn log_promote(&self) -> Option<f64> {
        match self {
            Evidence::Arms(arms) => Some(arms.promote.log_e()),
            Evidence::Rate(rate) => Some(rate.promote.log_e()),
            Evidence::Shift(shift) => Some(shift.log_promote()),
            Evidence::Labels(labels) => Some(labels.arms.promote.log_e()),
            Evidence::Values(values) => Some(values.promote.log_e()),
            Evidence::Split(_) | Evidence::NotJudged(_) => None,
        }
    }

    /// How much more of the same until a bar, as multiples of what was seen: (rollback, promotion).
    pub(super) fn more(&self, log_rollback: f64, log_promote: f64) -> (Option<f64>, Option<f64>) {
        let of_arms = |a: &Arms| (a.rollback.more_of_the_same(log_rollback), a.promote.more_of_the_same(log_promote));
        match self {
            Evidence::Arms(a) => of_arms(a),
            Evidence::Labels(labels) => of_arms(&labels.arms),
            Evidence::Shift(shift) => shift.more(log_rollback, log_promote),
            Evidence::Values(v) => (v.rollback.more_of_the_same(log_rollback), v.promote.more_of_the_same(log_promote)),
            Evidence::Rate(r) => (r.rollback.more_of_the_same(log_rollback), r.promote.more_of_the_same(log_promote)),
            Evidence::Split(_) | Evidence::NotJudged(_) => (None, None),
        }
    }
}

impl Arms {
    pub(super) fn new(guardrail: &Guardrail, latency: Option<Threshold>, mode: Mode, corrected: bool) -> Arms {
        // The factor of a latency guardrail enters once, in the threshold: its ratio of exceedance rates is 1.
        let ratio = |factor: f64| if latency.is_some() { 1.0 } else { factor };
        let harmless = Null { ratio: ratio(guardrail.tolerance), slack: guardrail.slack };
        let harmful = Null { ratio: ratio(guardrail.harm), slack: guardrail.harm_slack };
        // In shadow both arms answer the same requests, and what makes one slow or fail does so to the other.
        let (process, dispersion) = match mode {
            Mode::Shadow => (CountProcess::new as fn(Null, Side) -> CountProcess, Dispersion::new()),
            Mode::Canary | Mode::Watch => (CountProcess::of_independent as fn(Null, Side) -> CountProcess, Dispersion::of_trials()),
        };
        Arms {
            // What a watch is for may begin at any time in it.
            rollback: if mode == Mode::Watch { process(harmless, Side::Above).restarting() } else { process(harmless, Side::Above) },
            promote: process(harmful, Side::Below),
            dispersion,
            table: RatioTable::new(),
            seen: Counts::default(),
            latency,
            corrected,
        }
    }

    /// The dispersion that the next tick is divided by.
    pub(super) fn divisor(&self) -> f64 {
        if self.corrected { self.dispersion.value() } else { 1.0 }
    }

    pub(super) fn band(&self) -> Band {
        self.table.band(BAND_CONFIDENCE)
    }

    /// Upper bound in microseconds of the threshold that the next tick is held against.
    pub(super) fn threshold_us(&self) -> Option<f64> {
        Some(LatencyHistogram::upper_us(self.latency.as_ref()?.bucket()?))
    }

    fn observe(&mut self, tick: &Tick) {
        match self.latency.as_mut() {
            None => {
                let rollback = failures(tick, self.rollback.null());
                let promote = failures(tick, self.promote.null());
                self.fold(rollback, promote, all_failures(tick));
            }
            Some(threshold) => {
                let counts = threshold.counts(&tick.candidate, &tick.control);
                threshold.learn(tick.control.measured(threshold.of));
                if let Some([rollback, promote, seen]) = counts {
                    self.fold(rollback, promote, seen);
                }
            }
        }
    }

    pub(super) fn fold(&mut self, rollback: Counts, promote: Counts, seen: Counts) {
        let divisor = self.divisor();
        self.rollback.observe(rollback, divisor);
        self.promote.observe(promote, divisor);
        self.table.observe(seen, divisor);
        self.dispersion.observe(seen);
        self.seen.n1 = self.seen.n1.saturating_add(seen.n1);
        self.seen.s1 = self.seen.s1.saturating_add(seen.s1);
        self.seen.n0 = self.seen.n0.saturating_add(seen.n0);
        self.seen.s0 = self.seen.s0.saturating_add(seen.s0);
    }
}

/// Failures of a tick: by pairs where there are pairs, else by arm.
fn failures(tick: &Tick, null: Null) -> Counts {
    match tick.pairs.filter(|p| p.asked > 0) {
        Some(p) => Counts::of_pairs(p.asked, p.both_failed, p.candidate_failed, p.control_failed, null),
        None => arms(&tick.candidate, &tick.control),
    }
}

/// All failures of a tick, whatever the null.
fn all_failures(tick: &Tick) -> Counts {
    failures(tick, Null { ratio: 1.0, slack: 1.0 })
}

fn arms(candidate: &ArmCounts, control: &ArmCounts) -> Counts {
    Counts {
        n1: candidate.requests,
        s1: candidate.errors.min(candidate.requests),
        n0: control.requests,
        s0: control.errors.min(control.requests),
    }
}

/// The control's own past quantile, in whole buckets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Threshold {
    q: f64,
    /// Of what, where it is not how long answers take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<Measure>,
    /// Buckets above the threshold from which a candidate's answer counts against it: rounded up.
    tolerated: u16,
    /// The same for harm: rounded down.
    harmful: u16,
    /// Answers up to this bucket are never slow: rounded up.
    #[serde(default)]
    floor: u16,
    recent: VecDeque<LatencyHistogram>,
    merged: Vec<u64>,
    answers: u64,
}

/// A factor of latency in buckets.
fn in_buckets(factor: f64, round: fn(f64) -> f64) -> u16 {
    let raw = round(libm::log2(factor.max(1.0)) * f64::from(BUCKETS_PER_OCTAVE));
    if raw >= f64::from(BUCKETS) { BUCKETS } else { raw as u16 }
}

/// Buckets above which an answer is a hit: of the control, and of the candidate for rollback and for promotion; up to the floor none is.
struct Limits {
    control: u16,
    tolerated: u16,
    harmful: u16,
    floor: u16,
}

impl Threshold {
    fn new(q: f64, of: Option<Measure>, guardrail: &Guardrail) -> Threshold {
        Threshold {
            q,
            of,
            tolerated: in_buckets(guardrail.tolerance, libm::ceil),
            harmful: in_buckets(guardrail.harm, libm::floor),
            floor: LatencyHistogram::bucket_of(guardrail.floor_us as f64),
            recent: VecDeque::new(),
            merged: vec![0; usize::from(BUCKETS)],
            answers: 0,
        }
    }

    /// The bucket whose upper bound is the threshold; none while the control has answered too little.
    fn bucket(&self) -> Option<u16> {
        if self.answers < LATENCY_ANSWERS_MIN {
            return None;
        }
        let rank = libm::ceil(self.q * self.answers as f64).max(1.0) as u64;
        let mut below = 0_u64;
        for (bucket, count) in (0..BUCKETS).zip(&self.merged) {
            below += count;
            if below >= rank {
                return Some(bucket);
            }
        }
        None
    }

    /// Counts above the threshold of earlier ticks: for rollback, for promotion, and at one threshold for the report.
    fn counts(&self, candidate: &ArmCounts, control: &ArmCounts) -> Option<[Counts; 3]> {
        let bucket = self.bucket()?;
        let limits = self.limits(bucket, candidate.edges_of(self.of), control.edges_of(self.of))?;
        let (candidate, control) = (candidate.measured(self.of), control.measured(self.of));
        let (n1, n0) = (candidate.total(), control.total());
        // The floor holds for both arms: else a control within it would have slow answers to set against none.
        let s0 = control.above(limits.control.max(limits.floor));
        let at = |limit: u16| Counts { n1, s1: candidate.above(limit.max(limits.floor)), n0, s0 };
        Some([at(limits.tolerated), at(limits.harmful), at(limits.control)])
    }

    /// The limits of both arms, where the control's quantile is in `bucket`.
    ///
    /// Where latencies were counted in wider buckets, only their ends can be told apart: the tolerated factor then reaches up to the
    /// next end, so that an answer just above the threshold is none of harm, and the harmful one down to the end before. Where the
    /// quantile lies so high that no end is left above it, the highest threshold that has one takes its place: any threshold that is
    /// known before the tick will do. None where the two arms have other buckets, or too few: there nothing can be compared.
    fn limits(&self, bucket: u16, candidate: &[u16], control: &[u16]) -> Option<Limits> {
        let tolerated = |bucket: u16| bucket.saturating_add(self.tolerated);
        let harmful = |bucket: u16| bucket.saturating_add(self.harmful);
        if candidate.is_empty() && control.is_empty() {
            return Some(Limits { control: bucket, tolerated: tolerated(bucket), harmful: harmful(bucket), floor: self.floor });
        }
        let ends = if candidate == control { control } else { return None };
        let up = |to: u16| ends.iter().copied().find(|end| *end >= to);
        let highest = |upto: u16| ends.iter().rev().copied().filter(move |end| *end <= upto);
        let (control, above) = highest(bucket).find_map(|end| Some((end, up(tolerated(end))?)))?;
        Some(Limits { control, tolerated: above, harmful: highest(harmful(control)).next()?, floor: up(self.floor)? })
    }

    /// Adds a tick of the control, forgetting the oldest.
    fn learn(&mut self, control: &LatencyHistogram) {
        self.merge(control, u64::saturating_add);
        self.recent.push_back(control.clone());
        if self.recent.len() > LATENCY_TICKS_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            self.merge(&oldest, u64::saturating_sub);
        }
    }

    fn merge(&mut self, histogram: &LatencyHistogram, with: fn(u64, u64) -> u64) {
        for &(bucket, count) in &histogram.0 {
            if let Some(cell) = self.merged.get_mut(usize::from(bucket)) {
                *cell = with(*cell, u64::from(count));
                self.answers = with(self.answers, u64::from(count));
            }
        }
    }
}

impl Rate {
    fn new(harmless: f64, harmful: f64) -> Rate {
        Rate {
            rollback: RateProcess::new(harmless, Sides::Above),
            promote: RateProcess::new(harmful, Sides::Below),
            seen: OneSample::default(),
        }
    }

    pub(super) fn band(&self) -> Band {
        rate_band(self.seen.trials as f64, self.seen.hits as f64, BAND_CONFIDENCE)
    }

    fn observe(&mut self, sample: OneSample) {
        let hits = sample.hits.min(sample.trials);
        self.rollback.observe(sample.trials, hits, 1.0);
        self.promote.observe(sample.trials, hits, 1.0);
        self.seen.trials = self.seen.trials.saturating_add(sample.trials);
        self.seen.hits = self.seen.hits.saturating_add(hits);
    }
}

impl Split {
    fn observe(&mut self, tick: &Tick) {
        let bp = tick.candidate_share_bp.min(10_000);
        let (candidate, control) = (tick.candidate.requests, tick.control.requests);
        let total = candidate.saturating_add(control);
        if bp == 0 || bp == 10_000 || total == 0 {
            return;
        }
        let share = f64::from(bp) / 10_000.0;
        let divisor = if self.corrected { self.dispersion.value() } else { 1.0 };
        self.mismatch.observe_against(share, total, candidate, divisor);
        // Weights stand where trials do elsewhere: the share of requests varies around the configured one.
        self.dispersion.observe(Counts { n1: u64::from(bp), s1: candidate, n0: u64::from(10_000 - bp), s0: control });
        self.candidate = self.candidate.saturating_add(candidate);
        self.control = self.control.saturating_add(control);
        self.expected += share * total as f64;
    }
}
