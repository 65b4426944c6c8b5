//! Predictable overdispersion: how much more a share of hits varies from block to block than a binomial would.
//!
//! Bursts, retries and heavy clients break independence within a tick. Dividing log-likelihoods by the
//! dispersion seen so far (never below 1, known before the tick) keeps such noise from looking like evidence.

use crate::eprocess::Counts;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Blocks remembered at each scale.
pub const BLOCKS_MAX: usize = 64;
/// Ticks in a long block: bursts often outlast a tick.
pub const LONG_BLOCK_TICKS: u32 = 6;
/// Imagined blocks of dispersion 1, so that two lucky or unlucky blocks decide nothing.
const PRIOR_BLOCKS: f64 = 12.0;
/// An excess within so many standard errors of none is taken for none: one time in forty chance alone shows more. Without this
/// undisturbed counts would look dispersed half of the time, and evidence on them would cost a tenth more.
const EXCESS_ERRORS: f64 = 1.96;
/// Blocks whose expected variance is smaller say nothing.
const VARIANCE_MIN: f64 = 1e-9;
/// Where next to every trial hits, variances are not taken for smaller than this part of a Poisson variable's.
const MISSES_MIN: f64 = 0.02;
/// Largest estimate: evidence divided by it is none.
pub const DISPERSION_MAX: f64 = 1e6;

/// Remembers recent counts, at two scales, and estimates the dispersion around their fitted ratio.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dispersion {
    short: VecDeque<Counts>,
    long: VecDeque<Counts>,
    open: Counts,
    open_ticks: u32,
    /// What the long blocks come to: it changes with each of them alone.
    of_long: Option<f64>,
    now: Option<f64>,
    /// Hits are some of the trials; else they are counts for which trials only give the proportion.
    #[serde(default)]
    of_trials: bool,
}

impl Dispersion {
    /// Nothing seen: dispersion 1, of counts that vary as a Poisson variable would.
    #[must_use]
    pub fn new() -> Dispersion {
        Dispersion::default()
    }

    /// Nothing seen: dispersion 1, of hits among trials. Where most trials hit, hits hardly vary, and a burst is small.
    #[must_use]
    pub fn of_trials() -> Dispersion {
        Dispersion { of_trials: true, ..Dispersion::default() }
    }

    /// The estimate from everything folded so far, at least 1.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.now.unwrap_or(1.0)
    }

    /// Folds a tick. Use [`Dispersion::value`] for a tick's own evidence before folding it here.
    pub fn observe(&mut self, tick: Counts) {
        if !tick.comparable() {
            return;
        }
        push(&mut self.short, tick);
        let open = &mut self.open;
        open.n1 = open.n1.saturating_add(tick.n1);
        open.s1 = open.s1.saturating_add(tick.s1);
        open.n0 = open.n0.saturating_add(tick.n0);
        open.s0 = open.s0.saturating_add(tick.s0);
        self.open_ticks += 1;
        if self.open_ticks == LONG_BLOCK_TICKS {
            push(&mut self.long, self.open);
            self.open = Counts::default();
            self.open_ticks = 0;
            self.of_long = Some(estimate(&self.long, self.of_trials));
        }
        self.now = Some(estimate(&self.short, self.of_trials).max(self.of_long.unwrap_or(1.0)));
    }
}

fn push(blocks: &mut VecDeque<Counts>, block: Counts) {
    if blocks.len() == BLOCKS_MAX {
        blocks.pop_front();
    }
    blocks.push_back(block);
}

/// Pearson's statistic per degree of freedom around the fitted ratio, shrunk towards 1, at least 1.
fn estimate(blocks: &VecDeque<Counts>, of_trials: bool) -> f64 {
    let (mut up, mut down) = (0.0, 0.0);
    for b in blocks.iter().filter(|b| b.s1 > 0 || b.s0 > 0) {
        // Mantel and Haenszel's ratio: fair under shares that change.
        let share = b.share();
        up += b.s1 as f64 * (1.0 - share);
        down += b.s0 as f64 * share;
    }
    if up <= 0.0 || down <= 0.0 {
        return 1.0; // hits in one arm only: no share to vary around
    }
    let ratio = up / down;
    let misses = if of_trials { share_of_misses(blocks) } else { 1.0 };
    let (mut chi, mut used) = (0.0, 0.0);
    for b in blocks.iter().filter(|b| b.s1 > 0 || b.s0 > 0) {
        let hits = b.s1 as f64 + b.s0 as f64;
        // The arms' parts of the hits, as odds.
        let (own, other) = (b.n1 as f64 * ratio, b.n0 as f64);
        let theta = own / (own + other);
        let variance = hits * theta * (1.0 - theta) * misses;
        if variance < VARIANCE_MIN {
            continue; // one arm has next to no part in this block
        }
        let residual = b.s1 as f64 - hits * theta;
        chi += residual * residual / variance;
        used += 1.0;
    }
    if used < 2.0 {
        return 1.0;
    }
    let weight = PRIOR_BLOCKS + used - 1.0;
    let found = (PRIOR_BLOCKS + chi) / weight;
    // A chi-squared variable has twice its degrees of freedom for a variance.
    let by_chance = EXCESS_ERRORS * libm::sqrt(2.0 * used) / weight;
    if found <= 1.0 + by_chance { 1.0 } else { found.min(DISPERSION_MAX) }
}

/// The share of trials that did not hit: how far the variance of hits lies below a Poisson variable's.
fn share_of_misses(blocks: &VecDeque<Counts>) -> f64 {
    let sum = |(trials, hits): (f64, f64), b: &Counts| (trials + b.n1 as f64 + b.n0 as f64, hits + b.s1 as f64 + b.s0 as f64);
    let (trials, hits) = blocks.iter().fold((0.0, 0.0), sum);
    if trials > 0.0 { (1.0 - hits / trials).clamp(MISSES_MIN, 1.0) } else { 1.0 }
}
