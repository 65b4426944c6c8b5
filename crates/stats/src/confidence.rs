//! Intervals: sequential ones for a ratio and for a rate, by inverting e-processes; exact ones of Clopper and Pearson, Wilson's.
//!
//! A sequential interval may be looked at after every tick, and still covers at all times together.

use crate::eprocess::{Counts, Side, rate_log_e, ratio_log_e};
use crate::special::{beta_inc_inv, normal_quantile};
use crate::tails::gamma_upper;
use serde::{Deserialize, Serialize};

/// Smallest and largest ratio that the inversion considers.
const RATIO_MIN: f64 = 1e-3;
const RATIO_MAX: f64 = 1e3;
/// Shares are kept on a grid of log-odds this far apart.
const LOG_ODDS_STEP: f64 = 0.02;
/// Log-odds beyond this are clamped: shares of a hundred-thousandth.
const LOG_ODDS_MAX: f64 = 12.0;

/// Counts by share, from which the interval of the ratio p1/p0 can be had at any time.
///
/// At equal shares ticks add up; at shares rounded up (for the lower end) or down (for the upper end) to a grid
/// the proof of [`crate::eprocess::payoff`] still holds, so a bounded table replaces the whole history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RatioTable {
    /// (grid index of the share, rounded down; hits of arm 1; hits of arm 0), ascending by index.
    cells: Vec<(i32, f64, f64)>,
    n1: f64,
    s1: f64,
    n0: f64,
    s0: f64,
}

/// An estimate with its interval; the upper end is none where nothing bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The estimate; none where a rate of 0 stands below.
    pub estimate: Option<f64>,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: Option<f64>,
}

impl RatioTable {
    /// Nothing seen.
    #[must_use]
    pub fn new() -> RatioTable {
        RatioTable::default()
    }

    /// Folds a tick with the dispersion known before it.
    pub fn observe(&mut self, tick: Counts, dispersion: f64) {
        if !tick.comparable() {
            return;
        }
        self.n1 += tick.n1 as f64;
        self.s1 += tick.s1 as f64;
        self.n0 += tick.n0 as f64;
        self.s0 += tick.s0 as f64;
        if tick.s1 == 0 && tick.s0 == 0 {
            return;
        }
        let log_odds = libm::log(tick.n1 as f64 / tick.n0 as f64).clamp(-LOG_ODDS_MAX, LOG_ODDS_MAX);
        let index = libm::floor(log_odds / LOG_ODDS_STEP) as i32;
        let phi = dispersion.max(1.0);
        let (s1, s0) = (tick.s1 as f64 / phi, tick.s0 as f64 / phi);
        match self.cells.binary_search_by_key(&index, |c| c.0) {
            Ok(i) => {
                if let Some(cell) = self.cells.get_mut(i) {
                    cell.1 += s1;
                    cell.2 += s0;
                }
            }
            Err(i) => self.cells.insert(i, (index, s1, s0)),
        }
    }

    /// The ratio with its sequential interval of the given confidence (as .95).
    #[must_use]
    pub fn band(&self, confidence: f64) -> Band {
        let estimate = if self.s0 > 0.0 && self.n1 > 0.0 { Some((self.s1 / self.n1) / (self.s0 / self.n0)) } else { None };
        let bar = libm::log(2.0 / (1.0 - confidence).max(1e-12));
        // Against "at most r": rejected from below. The share is rounded up. Against "at least r": down.
        let reject_low = |r: f64| ratio_log_e(r, Side::Above, self.shares(1)) >= bar;
        let reject_high = |r: f64| ratio_log_e(r, Side::Below, self.shares(0)) >= bar;
        let start = estimate.unwrap_or(1.0).clamp(RATIO_MIN, RATIO_MAX);
        let low =
            if reject_low(RATIO_MIN) { edge(RATIO_MIN, if estimate.is_some() { start } else { RATIO_MAX }, &reject_low) } else { 0.0 };
        let high = if reject_high(RATIO_MAX) { Some(edge(RATIO_MAX, start, &reject_high)) } else { None };
        Band { estimate, low, high }
    }

    fn shares(&self, up: i32) -> impl Iterator<Item = (f64, f64, f64)> + Clone + '_ {
        self.cells.iter().map(move |&(index, s1, s0)| {
            let odds = libm::exp(f64::from(index + up) * LOG_ODDS_STEP);
            (odds / (1.0 + odds), s1, s0)
        })
    }
}

/// Between a rejected ratio and one that may not be, the last rejected one, by bisection of the logarithm.
fn edge(rejected: f64, kept: f64, reject: &impl Fn(f64) -> bool) -> f64 {
    let (mut out, mut inside) = (libm::log(rejected), libm::log(kept));
    for _ in 0..24 {
        let middle = 0.5 * (out + inside);
        if reject(libm::exp(middle)) {
            out = middle;
        } else {
            inside = middle;
        }
    }
    libm::exp(out)
}

/// Sequential interval of a rate from its totals, each already divided by its dispersion.
#[must_use]
pub fn rate_band(trials: f64, hits: f64, confidence: f64) -> Band {
    let rest = (trials - hits).max(0.0);
    let estimate = if trials > 0.0 { Some(hits / trials) } else { None };
    let bar = libm::log(2.0 / (1.0 - confidence).max(1e-12));
    let inside = estimate.unwrap_or(0.5);
    let (mut low, mut low_in) = (0.0, inside);
    let (mut high, mut high_in) = (1.0, inside);
    for _ in 0..50 {
        let middle = 0.5 * (low + low_in);
        if rate_log_e(middle, Side::Above, hits, rest) >= bar {
            low = middle;
        } else {
            low_in = middle;
        }
        let middle = 0.5 * (high + high_in);
        if rate_log_e(middle, Side::Below, hits, rest) >= bar {
            high = middle;
        } else {
            high_in = middle;
        }
    }
    Band { estimate, low, high: Some(high) }
}

/// One-sided exact upper bound of a rate, of the given confidence, after `hits` of `trials` (Clopper and Pearson).
///
/// 1 when nothing was tried.
#[must_use]
pub fn clopper_pearson_upper(trials: u64, hits: u64, confidence: f64) -> f64 {
    if hits >= trials {
        return 1.0;
    }
    beta_inc_inv(hits as f64 + 1.0, (trials - hits) as f64, confidence)
}

/// One-sided exact lower bound of a rate; 0 when nothing was hit.
#[must_use]
pub fn clopper_pearson_lower(trials: u64, hits: u64, confidence: f64) -> f64 {
    if hits == 0 || trials == 0 {
        return 0.0;
    }
    let hits = hits.min(trials);
    beta_inc_inv(hits as f64, (trials - hits) as f64 + 1.0, 1.0 - confidence)
}

/// Two-sided exact interval of the mean of a Poisson law of which `count` was seen (Garwood 1936).
#[must_use]
pub fn poisson(count: u64, confidence: f64) -> (f64, f64) {
    let (k, tail) = (count as f64, 0.5 - 0.5 * confidence);
    // Q(a, x) falls in x: the point where it reaches `wanted`.
    let at = |a: f64, wanted: f64| {
        let (mut low, mut high) = (0.0, a + 1.0);
        while gamma_upper(a, high) > wanted && high < 1e300 {
            high *= 2.0;
        }
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if gamma_upper(a, middle) > wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    };
    (if count == 0 { 0.0 } else { at(k, 1.0 - tail) }, at(k + 1.0, tail))
}

/// Two-sided exact interval of a rate.
#[must_use]
pub fn clopper_pearson(trials: u64, hits: u64, confidence: f64) -> (f64, f64) {
    let one_sided = 0.5 + 0.5 * confidence;
    (clopper_pearson_lower(trials, hits, one_sided), clopper_pearson_upper(trials, hits, one_sided))
}

/// Two-sided interval of a rate by Wilson's score (Wilson, "Probable inference, the law of succession, and statistical
/// inference", JASA 22, 1927): near what it says on average, where the exact one says more.
///
/// (0, 1) when nothing was tried.
#[must_use]
pub fn wilson(trials: u64, hits: u64, confidence: f64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let (n, hits) = (trials as f64, hits.min(trials));
    let (p, z) = (hits as f64 / n, normal_quantile(0.5 + 0.5 * confidence));
    let shrink = 1.0 + z * z / n;
    let middle = (p + z * z / (2.0 * n)) / shrink;
    let half = z / shrink * libm::sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n));
    // Where all or none were hits the end is exact, and rounding must not move it.
    let low = if hits == 0 { 0.0 } else { (middle - half).clamp(0.0, p) };
    let high = if hits == trials { 1.0 } else { (middle + half).clamp(p, 1.0) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::poisson;

    #[test]
    fn poisson_intervals_are_garwoods() {
        for (count, low, high) in
            [(0, 0.0, 3.688_879), (1, 0.025_318, 5.571_643), (10, 4.795_389, 18.390_356), (100, 81.363_967, 121.627_2)]
        {
            let of = poisson(count, 0.95);
            assert!((of.0 - low).abs() < 1e-4 && (of.1 - high).abs() < 1e-3, "{count}: {of:?}");
        }
    }
}
