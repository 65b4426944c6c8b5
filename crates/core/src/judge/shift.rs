//! Evidence that the candidate's scores are distributed as the control's are, or that they are not.
//!
//! Thresholds are the control's own past quantiles of score, so they are known before the tick. At each the share of scores above it
//! and the share up to it are compared between the arms: six comparisons of counts, whose rollback e-values are averaged and of whose
//! promotion e-values the smallest counts, for harm is a shift at any threshold in any direction.

use super::beside::ScoreHistogram;
use super::evidence::{Mode, Tick};
use super::guardrails::BAND_CONFIDENCE;
use super::settings::Guardrail;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use tidegate_stats::confidence::{Band, RatioTable};
use tidegate_stats::dispersion::Dispersion;
use tidegate_stats::eprocess::{CountProcess, Counts, Null, Side};
use tidegate_stats::special::log_sum_exp;

/// Quantiles of the control's scores at which the arms are compared.
const QUANTILES: [f64; 3] = [0.1, 0.5, 0.9];
/// Ticks of the control that thresholds are learnt from: five minutes at the default tick.
const TICKS_MAX: usize = 30;
/// Scores of the control that a threshold needs.
const SCORES_MIN: u64 = 50;

/// The two e-values, averaged over thresholds and directions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shift {
    /// At each quantile the share above it and the share up to it.
    sides: Vec<Compared>,
    recent: VecDeque<ScoreHistogram>,
    merged: BTreeMap<u16, u64>,
    scores: u64,
}

/// One threshold in one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Compared {
    pub(super) q: f64,
    /// Whether scores above the threshold are hits; else those up to it.
    pub(super) above: bool,
    pub(super) rollback: CountProcess,
    pub(super) promote: CountProcess,
    pub(super) dispersion: Dispersion,
    pub(super) table: RatioTable,
    pub(super) seen: Counts,
    corrected: bool,
}

impl Compared {
    fn new(q: f64, above: bool, guardrail: &Guardrail, mode: Mode, corrected: bool) -> Compared {
        let null = |slack: f64| Null { ratio: 1.0, slack };
        // In shadow both arms score the same records.
        let (process, dispersion) = match mode {
            Mode::Shadow => (CountProcess::new as fn(Null, Side) -> CountProcess, Dispersion::new()),
            Mode::Canary | Mode::Watch => (CountProcess::of_independent as fn(Null, Side) -> CountProcess, Dispersion::of_trials()),
        };
        let rollback = process(null(guardrail.slack), Side::Above);
        Compared {
            q,
            above,
            rollback: if mode == Mode::Watch { rollback.restarting() } else { rollback },
            promote: process(null(guardrail.harm_slack), Side::Below),
            dispersion,
            table: RatioTable::new(),
            seen: Counts::default(),
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

    fn observe(&mut self, counts: Counts) {
        let divisor = self.divisor();
        self.rollback.observe(counts, divisor);
        self.promote.observe(counts, divisor);
        self.table.observe(counts, divisor);
        self.dispersion.observe(counts);
        self.seen.n1 = self.seen.n1.saturating_add(counts.n1);
        self.seen.s1 = self.seen.s1.saturating_add(counts.s1);
        self.seen.n0 = self.seen.n0.saturating_add(counts.n0);
        self.seen.s0 = self.seen.s0.saturating_add(counts.s0);
    }
}

impl Shift {
    pub(super) fn new(guardrail: &Guardrail, mode: Mode, corrected: bool) -> Shift {
        let both = |q: f64| [true, false].map(|above| Compared::new(q, above, guardrail, mode, corrected));
        Shift { sides: QUANTILES.into_iter().flat_map(both).collect(), recent: VecDeque::new(), merged: BTreeMap::new(), scores: 0 }
    }

    pub(super) fn observe(&mut self, tick: &Tick) {
        let Some([candidate, control]) = tick.beside.scores.as_deref() else { return };
        let thresholds: Vec<Option<u16>> = self.sides.iter().map(|side| self.threshold(side.q)).collect();
        let (n1, n0) = (candidate.total(), control.total());
        for (side, threshold) in self.sides.iter_mut().zip(thresholds) {
            let Some(bucket) = threshold else { continue };
            let hits = |n: u64, histogram: &ScoreHistogram| {
                let above = histogram.above(bucket);
                if side.above { above } else { n.saturating_sub(above) }
            };
            side.observe(Counts { n1, s1: hits(n1, candidate), n0, s0: hits(n0, control) });
        }
        self.learn(control);
    }

    /// The bucket whose upper bound is the control's past quantile; none while it has scored too little.
    fn threshold(&self, q: f64) -> Option<u16> {
        if self.scores < SCORES_MIN {
            return None;
        }
        let rank = libm::ceil(q * self.scores as f64).max(1.0) as u64;
        let mut below = 0_u64;
        self.merged.iter().find_map(|(bucket, count)| {
            below += count;
            (below >= rank).then_some(*bucket)
        })
    }

    /// Adds a tick of the control, forgetting the oldest.
    fn learn(&mut self, control: &ScoreHistogram) {
        for (bucket, count) in &control.0 {
            *self.merged.entry(*bucket).or_default() += u64::from(*count);
            self.scores += u64::from(*count);
        }
        self.recent.push_back(control.clone());
        if self.recent.len() > TICKS_MAX
            && let Some(oldest) = self.recent.pop_front()
        {
            for (bucket, count) in &oldest.0 {
                if let Some(cell) = self.merged.get_mut(bucket) {
                    *cell = cell.saturating_sub(u64::from(*count));
                }
                self.scores = self.scores.saturating_sub(u64::from(*count));
            }
            self.merged.retain(|_, count| *count > 0);
        }
    }

    pub(super) fn log_rollback(&self) -> f64 {
        log_sum_exp(self.sides.iter().map(|side| side.rollback.log_e())) - self.log_sides()
    }

    pub(super) fn log_promote(&self) -> f64 {
        self.sides.iter().map(|side| side.promote.log_e()).reduce(f64::min).unwrap_or(0.0)
    }

    fn log_sides(&self) -> f64 {
        libm::log(self.sides.len().max(1) as f64)
    }

    /// How much more of the same until a bar: one comparison carries the average over it, all must reach the other.
    pub(super) fn more(&self, log_rollback: f64, log_promote: f64) -> (Option<f64>, Option<f64>) {
        let alone = log_rollback + self.log_sides();
        let back = self.sides.iter().filter_map(|side| side.rollback.more_of_the_same(alone)).reduce(f64::min);
        let forth = self.sides.iter().map(|side| side.promote.more_of_the_same(log_promote));
        (back, forth.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten())
    }

    /// The comparison with the largest rollback e-value, and its threshold for the next tick.
    pub(super) fn loudest(&self) -> Option<(&Compared, Option<f64>)> {
        let side = self.sides.iter().max_by(|a, b| a.rollback.log_e().total_cmp(&b.rollback.log_e()))?;
        Some((side, self.threshold(side.q).map(ScoreHistogram::upper)))
    }

    /// How many hits at the loudest comparison alone would carry the average to `log_bar`.
    pub(super) fn hits_to(&self, log_bar: f64) -> Option<u64> {
        let (side, _) = self.loudest()?;
        let share = if side.seen.comparable() { side.seen.share() } else { 0.5 };
        if self.log_rollback() >= log_bar {
            return Some(0);
        }
        side.rollback.hits_to(log_bar + self.log_sides(), share, side.divisor())
    }
}
