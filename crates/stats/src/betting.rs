//! The difference of two means of bounded outcomes, by betting: e-values and a confidence sequence that may be looked at always.
//!
//! Units are assigned to the treated arm by lot, with a known chance. Each brings one outcome in [0, 1]; nothing else is assumed
//! of outcomes: they need not be 0 or 1, have one law, or stay alike over time. After Waudby-Smith and Ramdas, "Estimating
//! means of bounded random variables by betting", JRSS B 86, 2024: a gambler stakes a fraction of the capital on each outcome,
//! and what is false cannot be bet on for gain. Not here: what a unit is, and what its outcome is made of.

use crate::confidence::Band;
use crate::eprocess::{Side, e_value};
use crate::special::log_sum_exp;
use serde::{Deserialize, Serialize};

/// Outcomes are kept in steps of one part in so many.
pub const STEPS: u16 = 4_096;
/// The largest fraction of what could be lost that is staked; the others are halves of it, down to 1.5 thousandths.
const STAKE_MAX: f64 = 0.75;
const STAKES: usize = 10;
/// Outcomes after which the centre is first taken from what was seen; then whenever their number has doubled.
const FIRST_EPOCH: u64 = 16;
/// Halvings of an end of the interval.
const HALVINGS: usize = 40;

/// Outcomes of one kind, in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cell {
    treated: bool,
    step: u16,
    count: u64,
}

/// Outcomes that share a centre, which was fixed before the first of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Epoch {
    centre: f64,
    /// Ascending by arm and step.
    cells: Vec<Cell>,
}

/// One arm so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Units.
    pub count: u64,
    /// Sum of their outcomes, in steps.
    pub steps: u64,
}

impl Seen {
    /// The mean outcome; none where there is no unit.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.steps as f64 / (self.count as f64 * f64::from(STEPS)))
    }
}

/// Mean of the treated less mean of the others.
///
/// With `p` the chance of treatment and `b` a centre that was known before the unit, the payoff `z` is `(x - b) / p` for a
/// treated unit and `-(x - b) / (1 - p)` for another one. Over the lot, the mean of `z` is the difference of the unit's two
/// possible outcomes, whatever `b` is; it only makes `z` vary less. So given the past, the mean of `z` is the difference d of the
/// means, and `z` lies between `low = -max(b/p, (1-b)/(1-p))` and `high = max((1-b)/p, b/(1-p))`.
///
/// Against "d is at most m" the capital is multiplied by `1 + f (z - m) / (m - low)`, with f below 1: it is never negative, and
/// its mean given the past is `1 + f (d - m) / (m - low)`, at most 1 when the null holds. A product of such factors is so too,
/// and an average of products over several f. Against "d is at least m" the same from the other side. Within an epoch factors
/// commute, so counts are enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    share: f64,
    treated: Seen,
    other: Seen,
    epochs: Vec<Epoch>,
}

impl Difference {
    /// Nothing seen; `share` is the chance of treatment, strictly between 0 and 1.
    #[must_use]
    pub fn new(share: f64) -> Difference {
        Difference { share, treated: Seen::default(), other: Seen::default(), epochs: vec![Epoch { centre: 0.5, cells: vec![] }] }
    }

    /// The outcome of one unit, in [`STEPS`].
    pub fn observe(&mut self, treated: bool, step: u16) {
        let step = step.min(STEPS);
        let seen = self.treated.count + self.other.count;
        if seen >= FIRST_EPOCH && seen.is_power_of_two() {
            let centre = (self.treated.steps + self.other.steps) as f64 / (seen as f64 * f64::from(STEPS));
            self.epochs.push(Epoch { centre, cells: vec![] });
        }
        let arm = if treated { &mut self.treated } else { &mut self.other };
        arm.count += 1;
        arm.steps += u64::from(step);
        let Some(epoch) = self.epochs.last_mut() else { return };
        match epoch.cells.binary_search_by_key(&(treated, step), |c| (c.treated, c.step)) {
            Ok(i) => {
                if let Some(cell) = epoch.cells.get_mut(i) {
                    cell.count += 1;
                }
            }
            Err(i) => epoch.cells.insert(i, Cell { treated, step, count: 1 }),
        }
    }

    /// The treated.
    #[must_use]
    pub fn treated(&self) -> Seen {
        self.treated
    }

    /// The others.
    #[must_use]
    pub fn other(&self) -> Seen {
        self.other
    }

    /// Logarithm of the e-value against "at most `m`" ([`Side::Above`]) or "at least `m`" ([`Side::Below`]), m within (-1, 1).
    #[must_use]
    pub fn log_e(&self, m: f64, side: Side) -> f64 {
        let mut logs = [0.0; STAKES];
        for epoch in &self.epochs {
            let (b, p) = (epoch.centre, self.share);
            let low = -(b / p).max((1.0 - b) / (1.0 - p));
            let high = ((1.0 - b) / p).max(b / (1.0 - p));
            for cell in &epoch.cells {
                let x = f64::from(cell.step) / f64::from(STEPS) - b;
                let z = if cell.treated { x / p } else { -x / (1.0 - p) };
                let gain = match side {
                    Side::Above => (z - m) / (m - low),
                    Side::Below => (m - z) / (high - m),
                };
                let mut stake = STAKE_MAX;
                for log in &mut logs {
                    *log += cell.count as f64 * libm::log1p(stake * gain);
                    stake *= 0.5;
                }
            }
        }
        log_sum_exp(logs.iter().copied()) - libm::log(STAKES as f64)
    }

    /// The e-value, as [`Difference::log_e`].
    #[must_use]
    pub fn e(&self, m: f64, side: Side) -> f64 {
        e_value(self.log_e(m, side))
    }

    /// The difference with an interval that holds at all times together, with a chance of at least `confidence`.
    ///
    /// Each factor falls as m grows on the one side and rises on the other, so what is rejected lies at the two ends.
    #[must_use]
    pub fn band(&self, confidence: f64) -> Band {
        let bar = libm::log(2.0 / (1.0 - confidence).max(1e-12));
        let estimate = self.treated.mean().zip(self.other.mean()).map(|(treated, other)| treated - other);
        let (mut low, mut low_in, mut high, mut high_in) = (-1.0, 1.0, 1.0, -1.0);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + low_in);
            if self.log_e(middle, Side::Above) >= bar {
                low = middle
            } else {
                low_in = middle
            }
            let middle = 0.5 * (high + high_in);
            if self.log_e(middle, Side::Below) >= bar { high = middle } else { high_in = middle }
        }
        Band { estimate, low, high: Some(high) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Values in steps, with their chances.
    type Law<'a> = &'a [(u16, f64)];

    /// The mean e-value over every sequence of `n` units whose outcomes are drawn from these, each (value in steps, chance).
    fn mean_over_all(n: u32, share: f64, treated: Law<'_>, other: Law<'_>, (m, side): (f64, Side)) -> f64 {
        fn go(left: u32, chance: f64, at: &Difference, arms: &[(bool, f64, Law<'_>)], null: (f64, Side)) -> f64 {
            if left == 0 {
                return chance * at.e(null.0, null.1);
            }
            let mut sum = 0.0;
            for (is_treated, share, law) in arms {
                for (step, p) in *law {
                    let mut next = at.clone();
                    next.observe(*is_treated, *step);
                    sum += go(left - 1, chance * share * p, &next, arms, null);
                }
            }
            sum
        }
        let arms = [(true, share, treated), (false, 1.0 - share, other)];
        go(n, 1.0, &Difference::new(share), &arms, (m, side))
    }

    #[test]
    fn over_all_sequences_of_a_small_support_the_mean_is_at_most_one() {
        let laws: [Law<'_>; 4] =
            [&[(0, 0.7), (STEPS, 0.3)], &[(0, 0.4), (1_024, 0.2), (STEPS, 0.4)], &[(2_048, 1.0)], &[(0, 0.05), (STEPS, 0.95)]];
        let mean = |law: Law<'_>| law.iter().map(|(s, p)| f64::from(*s) / f64::from(STEPS) * p).sum::<f64>();
        for treated in laws {
            for other in laws {
                let d = mean(treated) - mean(other);
                for share in [0.5, 0.2] {
                    // On the boundary exactly 1, inside less, and more once the null is false.
                    for (null, at_most) in [(d, 1.0), ((d + 0.3).min(0.99), 1.0)] {
                        let above = mean_over_all(4, share, treated, other, (null, Side::Above));
                        assert!(above <= at_most + 1e-9, "{treated:?} {other:?} {share} {null}: {above}");
                        let below = mean_over_all(4, share, treated, other, (2.0 * d - null, Side::Below));
                        assert!(2.0 * d - null <= -1.0 || below <= at_most + 1e-9, "{treated:?} {other:?} {share} {null}: {below}");
                    }
                    assert!((mean_over_all(3, share, treated, other, (d, Side::Above)) - 1.0).abs() < 1e-9);
                }
            }
        }
        assert!(mean_over_all(4, 0.5, laws[3], laws[0], (0.0, Side::Above)) > 1.3);
    }

    /// The centre moves with what was seen, and is known before what it is used for: the mean stays 1 across epochs.
    #[test]
    fn a_centre_that_follows_the_past_keeps_the_mean() {
        let mut sum = 0.0;
        let units = FIRST_EPOCH + 4;
        let runs = 40_000;
        let mut rng = Rng::new(11);
        for _ in 0..runs {
            let mut seen = Difference::new(0.5);
            for _ in 0..units {
                // The outcome of a unit is the same in both arms: no difference.
                let outcome = if rng.chance(0.3) { STEPS } else { 512 };
                seen.observe(rng.chance(0.5), outcome);
            }
            sum += seen.e(0.0, Side::Above);
        }
        assert!((sum / f64::from(runs) - 1.0).abs() < 0.05, "{}", sum / f64::from(runs));
    }

    #[test]
    fn one_kind_of_outcome_agrees_with_the_closed_form() {
        // At b = p = 1/2 a treated unit with outcome 1 and another one with outcome 0 both pay z = 1 in [-1, 1]; against m = 0 the
        // factor is 1 + f, and the mean over f of (1 + f)^n is what it comes to.
        let mut seen = Difference::new(0.5);
        for n in 1..=12_i32 {
            seen.observe(n % 3 != 0, if n % 3 == 0 { 0 } else { STEPS });
            let stakes = (0..STAKES as i32).map(|k| 1.0 + STAKE_MAX * libm::pow(0.5, f64::from(k)));
            let closed = stakes.map(|f| libm::pow(f, f64::from(n))).sum::<f64>() / STAKES as f64;
            assert!((seen.e(0.0, Side::Above) / closed - 1.0).abs() < 1e-12, "{n}");
            let down = (0..STAKES as i32).map(|k| 1.0 - STAKE_MAX * libm::pow(0.5, f64::from(k)));
            let closed = down.map(|f| libm::pow(f, f64::from(n))).sum::<f64>() / STAKES as f64;
            assert!((seen.e(0.0, Side::Below) / closed - 1.0).abs() < 1e-12, "{n}");
        }
        assert_eq!(Difference::new(0.3).e(0.1, Side::Above), 1.0);
    }

    /// Whether the interval ever misses `d` in one test, looked at after each tenth part, and its last width.
    fn misses(rng: &mut Rng, share: f64, confidence: f64, (units, p1, p0): (u32, f64, f64)) -> (bool, f64) {
        let (mut seen, mut missed, mut width) = (Difference::new(share), false, 2.0);
        for n in 1..=units {
            // Both drift together: the difference stays.
            let drift = 0.05 * libm::sin(f64::from(n) / 50.0);
            let treated = rng.chance(share);
            let hit = rng.chance(if treated { p1 } else { p0 } + drift);
            seen.observe(treated, if hit { STEPS } else { 0 });
            if n % (units / 10) == 0 {
                let band = seen.band(confidence);
                let high = band.high.unwrap();
                missed |= p1 - p0 < band.low || p1 - p0 > high;
                width = high - band.low;
            }
        }
        (missed, width)
    }

    #[test]
    fn the_interval_covers_at_all_looks_together_and_closes() {
        let mut rng = Rng::new(3);
        for (share, p1, p0) in [(0.5, 0.3, 0.3), (0.5, 0.35, 0.2), (0.2, 0.6, 0.6)] {
            let (mut missed, mut widest, runs) = (0, 0.0_f64, 150);
            for _ in 0..runs {
                let (one, width) = misses(&mut rng, share, 0.9, (2_000, p1, p0));
                missed += u32::from(one);
                widest = widest.max(width);
            }
            // Of 150 with a chance of at most .1: 15 expected at most, and 29 is beyond four deviations.
            assert!(missed <= 28, "{missed} of {runs} at {share} {p1} {p0}");
            assert!(widest < 0.3, "{widest}");
        }
    }

    #[test]
    fn a_difference_is_found() {
        let (mut rng, mut seen) = (Rng::new(5), Difference::new(0.5));
        for _ in 0..6_000 {
            let treated = rng.chance(0.5);
            seen.observe(treated, if rng.chance(if treated { 0.15 } else { 0.1 }) { STEPS } else { 0 });
        }
        assert!(seen.e(0.0, Side::Above) > 100.0 && seen.e(0.0, Side::Below) < 1.0, "{}", seen.e(0.0, Side::Above));
        let band = seen.band(0.95);
        assert!(band.low > 0.0 && band.high.unwrap() < 0.1 && (band.estimate.unwrap() - 0.05).abs() < 0.02, "{band:?}");
    }
}
