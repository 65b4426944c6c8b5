//! Anytime-valid evidence on counts: mixtures over a grid of alternatives.
//!
//! A process starts at 1 and, while its null holds, has a mean of at most 1 whenever one stops; so the chance
//! that it ever reaches 1/alpha is at most alpha. Large values speak against the null. All state is in logarithms.
//! Not here: which null is harm, how several processes are combined.

use crate::frequent::{Expected, frequent_payoff};
use crate::special::log_sum_exp;
use serde::{Deserialize, Serialize};

/// The largest e-value that is reported; the logarithm itself is never capped.
pub const E_MAX: f64 = 1e300;

/// An e-value from its logarithm, finite and at least 0.
#[must_use]
pub fn e_value(log_e: f64) -> f64 {
    if log_e.is_nan() { 0.0 } else { libm::exp(log_e).min(E_MAX) }
}

/// On which side of the null the alternatives lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Null `p1 <= ratio * p0 + slack`; evidence grows when p1 is larger.
    Above,
    /// Null `p1 >= ratio * p0 + slack`; evidence grows when p1 is smaller.
    Below,
}

/// Multiples of the null's ratio above it: from hardly to grossly worse.
const ABOVE: [f64; 6] = [1.085, 1.2, 1.45, 2.1, 4.5, 12.0];
/// Multiples below it. The last one stands for "almost none": it carries a clean arm, where the slack alone pays.
const BELOW: [f64; 7] = [0.8, 0.67, 0.5, 0.33, 0.2, 0.08, 0.001];

/// Counts of one tick: trials and hits of the arm under test (1) and of its control (0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Trials of the arm under test.
    pub n1: u64,
    /// Hits among them.
    pub s1: u64,
    /// Trials of the control.
    pub n0: u64,
    /// Hits among them.
    pub s0: u64,
}

impl Counts {
    /// Counts of pairs of dependent trials: asked, both hit, the first alone, the second alone.
    ///
    /// All hits are counted, which the proof allows under any dependence within a pair; against a null of
    /// ratio 1 without slack the pairs where both hit say nothing and are dropped, which has more power.
    #[must_use]
    pub fn of_pairs(asked: u64, both: u64, first: u64, second: u64, null: Null) -> Counts {
        let shared = if null.ratio == 1.0 && null.slack == 0.0 { 0 } else { both };
        Counts { n1: asked, s1: first.saturating_add(shared), n0: asked, s0: second.saturating_add(shared) }
    }

    /// Whether both arms have trials; a tick without is skipped.
    #[must_use]
    pub fn comparable(&self) -> bool {
        self.n1 > 0 && self.n0 > 0
    }

    /// Realised share of the arm under test.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.n1 as f64 / (self.n1 as f64 + self.n0 as f64)
    }
}

/// The boundary of a null: `ratio * p0 + slack`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Null {
    /// Ratio, above 0.
    pub ratio: f64,
    /// Absolute difference, at least 0.
    pub slack: f64,
}

/// What one alternative pays, in logarithms: for each trial of an arm, and for each hit beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Payoff {
    /// A hit of the arm under test.
    pub hit1: f64,
    /// A hit of the control.
    pub hit0: f64,
    /// A trial of the arm under test.
    pub trial1: f64,
    /// A trial of the control.
    pub trial0: f64,
}

impl Payoff {
    /// What a tick pays.
    #[must_use]
    pub fn of(&self, tick: Counts) -> f64 {
        let (n1, s1, n0, s0) = (tick.n1 as f64, tick.s1 as f64, tick.n0 as f64, tick.s0 as f64);
        s1 * self.hit1 + s0 * self.hit0 + n1 * self.trial1 + n0 * self.trial0
    }
}

/// The payoff of the alternative `ratio` against `null` at share `rho`: the one formula, for both sides.
///
/// With c = (1-rho+rho r)/(1-rho+rho R) and x = R c/r - 1, the mean of exp(S log(1+x) + T log c - n1 a x) is at
/// most exp(n1 p1 x + n0 p0 (c-1) - n1 a x), by log(1+y) <= y, and rho r x + (1-rho)(c-1) = 0; so it is at most 1
/// when p1 <= r p0 + a and x > 0 (R above r), and when p1 >= r p0 + a and x < 0 (R below r).
#[must_use]
pub fn payoff(null: Null, ratio: f64, rho: f64) -> Payoff {
    let c = (1.0 - rho + rho * null.ratio) / (1.0 - rho + rho * ratio);
    let hit1 = ratio * c / null.ratio;
    Payoff { hit1: libm::log(hit1), hit0: libm::log(c), trial1: -null.slack * (hit1 - 1.0), trial0: 0.0 }
}

/// Two arms compared by counts, against one null, on one side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountProcess {
    null: Null,
    side: Side,
    /// Logarithm of each alternative's likelihood ratio.
    log_e: Vec<f64>,
    /// The pooled rate of earlier ticks, where trials are independent of each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected: Option<Expected>,
    /// Where the change may come later than the first tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts: Option<Starts>,
}

/// Ticks between two starts of a process that looks for a change.
const START_TICKS: u32 = 6;

/// The starts of a process that looks for a change: how many there were, and how many ticks ago the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Starts {
    begun: u32,
    ticks: u32,
}

impl Starts {
    /// One start, with the first tick.
    pub(crate) const FIRST: Starts = Starts { begun: 1, ticks: 0 };

    /// The part of the stake that later starts will get: the `j`-th of them gets 1/(j(j+1)), and all together 1.
    pub(crate) fn kept(self) -> f64 {
        1.0 / (f64::from(self.begun) + 1.0)
    }

    /// Counts a tick; the stake of a start that comes with it.
    pub(crate) fn tick(&mut self) -> Option<f64> {
        if self.ticks < START_TICKS {
            self.ticks += 1;
            return None;
        }
        let before = self.kept();
        (self.begun, self.ticks) = (self.begun.saturating_add(1), 1);
        Some(before - self.kept())
    }
}

/// The alternatives to a ratio on a side.
fn multiples(side: Side) -> &'static [f64] {
    match side {
        Side::Above => &ABOVE,
        Side::Below => &BELOW,
    }
}

impl CountProcess {
    /// A process at 1, for any dependence between a trial of one arm and one of the other.
    #[must_use]
    pub fn new(null: Null, side: Side) -> CountProcess {
        CountProcess { null, side, log_e: vec![0.0; multiples(side).len()], expected: None, starts: None }
    }

    /// A process at 1, for trials that are independent of each other: it has more power where hits are not rare.
    #[must_use]
    pub fn of_independent(null: Null, side: Side) -> CountProcess {
        CountProcess { expected: Some(Expected::default()), ..CountProcess::new(null, side) }
    }

    /// The same process, for a change that may come at any time: a weighted mean of processes that start one after the other.
    ///
    /// Weights are fixed beforehand and sum to 1, so the mean of such processes is one of them, with the same bound on a false
    /// alarm ever; a change that comes with the j-th start costs ln(j(j+1)) of evidence, and what was seen before it nothing.
    #[must_use]
    pub fn restarting(self) -> CountProcess {
        let starts = Starts::FIRST;
        let log_e = self.log_e.iter().map(|log_e| log_e + libm::log1p(-starts.kept())).collect();
        CountProcess { log_e, starts: Some(starts), ..self }
    }

    /// The null it speaks against.
    #[must_use]
    pub fn null(&self) -> Null {
        self.null
    }

    /// Folds one tick; `dispersion` (at least 1) must be known before the tick. Incomparable ticks are skipped.
    ///
    /// A factor to the power 1/dispersion still has a mean of at most 1 (Jensen), whatever the dispersion was.
    pub fn observe(&mut self, tick: Counts, dispersion: f64) {
        if !tick.comparable() {
            return;
        }
        if let Some(stake) = self.starts.as_mut().and_then(Starts::tick) {
            let stake = libm::log(stake);
            self.log_e.iter_mut().for_each(|log_e| *log_e = log_sum_exp([*log_e, stake].into_iter()));
        }
        let pay = self.payoffs(tick.share());
        for (log_e, pay) in self.log_e.iter_mut().zip(pay) {
            *log_e += pay.of(tick) / dispersion.max(1.0);
        }
        if let Some(expected) = &mut self.expected {
            expected.observe(tick);
        }
    }

    /// What each alternative pays in the next tick, at share `rho`.
    fn payoffs(&self, rho: f64) -> impl Iterator<Item = Payoff> + use<> {
        let (null, expected) = (self.null, self.expected.and_then(|e| e.rate()));
        multiples(self.side).iter().map(move |multiple| {
            let frequent = expected.and_then(|rate| frequent_payoff(null, *multiple, rho, rate));
            frequent.unwrap_or_else(|| payoff(null, null.ratio * multiple, rho))
        })
    }

    /// Logarithm of the e-value: the average over the alternatives.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        self.with_kept(&self.log_e)
    }

    /// The average over the alternatives, and the stake that no start has yet.
    fn with_kept(&self, log_e: &[f64]) -> f64 {
        let begun = mean_log(log_e);
        self.starts.map_or(begun, |starts| log_sum_exp([begun, libm::log(starts.kept())].into_iter()))
    }

    /// The e-value, capped at [`E_MAX`].
    #[must_use]
    pub fn e(&self) -> f64 {
        e_value(self.log_e())
    }

    /// How much more of the same until the logarithm reaches `log_bar`, as a multiple of what was seen so far.
    #[must_use]
    pub fn more_of_the_same(&self, log_bar: f64) -> Option<f64> {
        more_of_the_same(&self.log_e, log_bar)
    }

    /// How many hits of the arm under test alone would, now, carry the logarithm to `log_bar` (only [`Side::Above`]).
    #[must_use]
    pub fn hits_to(&self, log_bar: f64, share: f64, dispersion: f64) -> Option<u64> {
        if self.side == Side::Below || !(0.0..1.0).contains(&share) {
            return None;
        }
        let pay: Vec<f64> = self.payoffs(share).map(|pay| (pay.hit1 + pay.trial1) / dispersion.max(1.0)).collect();
        first_reached(|k| self.with_kept(&add(&self.log_e, &pay, k)) >= log_bar)
    }
}

/// `log_e` after `k` payments of `pay`.
fn add(log_e: &[f64], pay: &[f64], k: f64) -> Vec<f64> {
    log_e.iter().zip(pay).map(|(l, p)| l + k * p).collect()
}

/// Most hits that [`CountProcess::hits_to`] and [`RateProcess::hits_to`] consider.
const HITS_MAX: u64 = 1 << 40;

/// The smallest k for which `reached(k)`, when it stays true from there on.
pub(crate) fn first_reached(reached: impl Fn(f64) -> bool) -> Option<u64> {
    if reached(0.0) {
        return Some(0);
    }
    let mut high = 1_u64;
    while !reached(high as f64) {
        high *= 2;
        if high > HITS_MAX {
            return None;
        }
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if reached(middle as f64) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// Logarithm of the average of exponentials.
fn mean_log(log_e: &[f64]) -> f64 {
    if log_e.is_empty() {
        return 0.0;
    }
    log_sum_exp(log_e.iter().copied()) - libm::log(log_e.len() as f64)
}

/// Each alternative grows in proportion to what was seen; the first to carry the average over the bar counts.
fn more_of_the_same(log_e: &[f64], log_bar: f64) -> Option<f64> {
    let log_cells = libm::log(log_e.len().max(1) as f64);
    let mut best: Option<f64> = if mean_log(log_e) >= log_bar { Some(0.0) } else { None };
    for &grown in log_e.iter().filter(|&&g| g > 1e-9) {
        let more = ((log_bar + log_cells - grown) / grown).max(0.0);
        best = Some(best.map_or(more, |b| b.min(more)));
    }
    best
}

/// One arm against a known rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateProcess {
    rate: f64,
    sides: Sides,
    log_e: Vec<f64>,
}

/// Which alternatives a one-sample process considers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sides {
    /// Null `p <= rate`.
    Above,
    /// Null `p >= rate`.
    Below,
    /// Null `p = rate`: for a share that is configured, as a split of traffic.
    Both,
}

/// Multiples of the odds for a two-sided comparison; the reciprocals are used too.
const SHARE: [f64; 7] = [1.02, 1.05, 1.1, 1.25, 1.5, 2.0, 5.0];

impl RateProcess {
    /// A process at 1. A rate that cannot be exceeded (or undercut) gives one that never speaks.
    #[must_use]
    pub fn new(rate: f64, sides: Sides) -> RateProcess {
        let cells = if rate > 0.0 && rate < 1.0 { odds_multiples(sides).len() } else { 0 };
        RateProcess { rate, sides, log_e: vec![0.0; cells] }
    }

    /// The rate that the null names.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Folds `hits` of `trials`: log E += X log(q/s) + (n-X) log((1-q)/(1-s)), for each alternative q.
    pub fn observe(&mut self, trials: u64, hits: u64, dispersion: f64) {
        self.observe_against(self.rate, trials, hits, dispersion);
    }

    /// The same against another rate, known before the tick: a split whose weights move.
    pub fn observe_against(&mut self, rate: f64, trials: u64, hits: u64, dispersion: f64) {
        if rate.is_nan() || rate <= 0.0 || rate >= 1.0 {
            return;
        }
        let (x, rest) = (hits as f64, trials.saturating_sub(hits) as f64);
        for (log_e, multiple) in self.log_e.iter_mut().zip(odds_multiples(self.sides)) {
            *log_e += rate_log(rate, multiple, x, rest) / dispersion.max(1.0);
        }
    }

    /// How many hits alone would, now, carry the logarithm to `log_bar` (only [`Sides::Above`]).
    #[must_use]
    pub fn hits_to(&self, log_bar: f64) -> Option<u64> {
        if self.sides != Sides::Above || self.log_e.is_empty() {
            return None;
        }
        let pay: Vec<f64> = ABOVE.iter().map(|&m| rate_log(self.rate, m, 1.0, 0.0)).collect();
        first_reached(|k| mean_log(&add(&self.log_e, &pay, k)) >= log_bar)
    }

    /// Logarithm of the e-value.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        mean_log(&self.log_e)
    }

    /// The e-value, capped at [`E_MAX`].
    #[must_use]
    pub fn e(&self) -> f64 {
        e_value(self.log_e())
    }

    /// How much more of the same until the logarithm reaches `log_bar`, as a multiple of what was seen so far.
    #[must_use]
    pub fn more_of_the_same(&self, log_bar: f64) -> Option<f64> {
        more_of_the_same(&self.log_e, log_bar)
    }
}

/// Multiples of the null's odds.
fn odds_multiples(sides: Sides) -> Vec<f64> {
    match sides {
        Sides::Above => ABOVE.to_vec(),
        Sides::Below => BELOW.to_vec(),
        Sides::Both => SHARE.iter().copied().chain(SHARE.iter().map(|m| 1.0 / m)).collect(),
    }
}

/// The alternative whose odds are `multiple` times those of `rate`, on `x` hits and `rest` misses.
pub(crate) fn rate_log(rate: f64, multiple: f64, x: f64, rest: f64) -> f64 {
    // q/s = m/(1-s+sm) and (1-q)/(1-s) = 1/(1-s+sm), for odds q/(1-q) = m s/(1-s).
    x * libm::log(multiple) - (x + rest) * libm::log1p(rate * (multiple - 1.0))
}

/// The e-value against a known rate on one side, from totals alone.
pub(crate) fn rate_log_e(rate: f64, side: Side, x: f64, rest: f64) -> f64 {
    let logs: Vec<f64> = multiples(side).iter().map(|&m| rate_log(rate, m, x, rest)).collect();
    mean_log(&logs)
}

/// The e-value of counts at a few shares against a ratio without slack; see `confidence`.
pub(crate) fn ratio_log_e(ratio: f64, side: Side, cells: impl Iterator<Item = (f64, f64, f64)> + Clone) -> f64 {
    let null = Null { ratio, slack: 0.0 };
    let one = |m: &f64| {
        let add = |sum: f64, (rho, s1, s0): (f64, f64, f64)| {
            let pay = payoff(null, ratio * m, rho);
            sum + s1 * pay.hit1 + s0 * pay.hit0
        };
        cells.clone().fold(0.0, add)
    };
    let logs: Vec<f64> = multiples(side).iter().map(one).collect();
    mean_log(&logs)
}
