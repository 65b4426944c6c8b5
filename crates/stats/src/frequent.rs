//! What an alternative pays where hits are not rare: the likelihood ratio of two Bernoulli rates against the nearest rates
//! that the null allows.
//!
//! The payoff of `eprocess::payoff` needs no idea of the control's rate, and pays for that with the variance of a Poisson
//! variable: at a rate of a half it throws half of the evidence away. Here the pooled rate of earlier ticks gives the idea;
//! when it is wrong, power is lost and nothing else.
//!
//! For `p1 = p0` this is the E-variable of Turner, Ly and Gruenwald ("Generic E-variables for exact sequential k-sample tests
//! that allow for optional stopping", JSPI 230, 2024, arXiv:2106.02693); a ratio and a slack come in by the same short proof.
//! Let (t1, t0) lie on the boundary, t1 = r t0 + a, and let a trial of the arm under test pay 1 + x (y - t1), one of the
//! control 1 - z (y - t0), with n0 z = n1 r x. The logarithm of a tick's mean is at most n1 x (p1 - t1) - n0 z (p0 - t0), by
//! log(1+y) <= y, which is n1 x ((p1 - t1) - r (p0 - t0)) = n1 x (p1 - r p0 - a): at most 0 when p1 <= r p0 + a and x > 0, and
//! when p1 >= r p0 + a and x < 0.

use crate::eprocess::{Counts, Null, Payoff};
use serde::{Deserialize, Serialize};

/// Pooled rate from which on hits are not rare. Below it next to nothing can be gained, and a rate that jumps costs most.
pub const FREQUENT_FROM: f64 = 0.05;
/// Trials that an expected rate needs.
const TRIALS_MIN: f64 = 50.0;
/// What a tick keeps of the weight of those before it: the rate follows the day, over some fifty ticks.
const KEPT: f64 = 0.98;
/// A payment leaves at least this much of the stake.
const STAKE_LEFT_MIN: f64 = 0.02;
/// Rates on the boundary lie this far from 0 and 1.
const EDGE: f64 = 1e-3;

/// The rate of hits in both arms together, from earlier ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    trials: f64,
    hits: f64,
}

impl Expected {
    /// Remembers a tick.
    pub fn observe(&mut self, tick: Counts) {
        self.trials = KEPT * self.trials + tick.n1 as f64 + tick.n0 as f64;
        self.hits = KEPT * self.hits + tick.s1 as f64 + tick.s0 as f64;
    }

    /// The rate that the next tick may be expected to have, where it is known and hits are not rare.
    #[must_use]
    pub fn rate(self) -> Option<f64> {
        let rate = self.hits / self.trials;
        if self.trials >= TRIALS_MIN && (FREQUENT_FROM..1.0).contains(&rate) { Some(rate) } else { None }
    }
}

/// The payoff of the alternative whose odds ratio is `multiple` times the null's, where the pooled rate is expected to be
/// `rate`; none where the null's boundary has no point there.
#[must_use]
pub fn frequent_payoff(null: Null, multiple: f64, rho: f64, rate: f64) -> Option<Payoff> {
    let t0 = (rate - rho * null.slack) / (1.0 - rho + rho * null.ratio);
    let t1 = null.ratio * t0 + null.slack;
    let inside = EDGE..=1.0 - EDGE;
    if !inside.contains(&t0) || !inside.contains(&t1) {
        return None;
    }
    let odds_ratio = multiple * t1 * (1.0 - t0) / ((1.0 - t1) * t0);
    let alternative = rate_under_test(odds_ratio, rho, rate);
    let wanted = (alternative - t1) / (t1 * (1.0 - t1));
    // The control's stake follows from that of the arm under test; neither may be lost whole.
    let exchange = null.ratio * rho / (1.0 - rho);
    let (lost1, lost0) = if wanted > 0.0 { (t1, exchange * (1.0 - t0)) } else { (1.0 - t1, exchange * t0) };
    let most = (1.0 - STAKE_LEFT_MIN) / lost1.max(lost0);
    let x = wanted.clamp(-most, most);
    let z = exchange * x;
    let (trial1, trial0) = (libm::log1p(-x * t1), libm::log1p(z * t0));
    Some(Payoff { hit1: libm::log1p(x * (1.0 - t1)) - trial1, hit0: libm::log1p(-z * (1.0 - t0)) - trial0, trial1, trial0 })
}

/// The rate of the arm under test when the two rates have this odds ratio and the pooled rate is `rate`.
fn rate_under_test(odds_ratio: f64, rho: f64, rate: f64) -> f64 {
    // rho w q / (1 - q + w q) + (1 - rho) q = rate, for the control's rate q and the odds ratio w.
    let more = odds_ratio - 1.0;
    let (square, linear) = ((1.0 - rho) * more, 1.0 + rho * more - rate * more);
    let control = 2.0 * rate / (linear + libm::sqrt((linear * linear + 4.0 * square * rate).max(0.0)));
    odds_ratio * control / (1.0 + more * control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eprocess::{CountProcess, Side, payoff};

    const EQUAL: Null = Null { ratio: 1.0, slack: 0.0 };

    #[test]
    fn against_equal_rates_it_is_the_likelihood_ratio_against_the_pooled_rate() {
        for (multiple, rho, rate) in [(1.25, 0.5, 0.3), (3.0, 0.1, 0.06), (0.5, 0.25, 0.5), (0.08, 0.5, 0.9)] {
            let pay = frequent_payoff(EQUAL, multiple, rho, rate).unwrap();
            let (one, zero) = (rate * libm::exp(pay.hit1 + pay.trial1), rate * libm::exp(pay.hit0 + pay.trial0));
            let odds = |p: f64| p / (1.0 - p);
            assert!((odds(one) / odds(zero) - multiple).abs() < 1e-9, "{one} {zero}");
            assert!((rho * one + (1.0 - rho) * zero - rate).abs() < 1e-12, "the pooled rate of the alternative is the null's");
            assert!((libm::exp(pay.trial1) - (1.0 - one) / (1.0 - rate)).abs() < 1e-12);
            assert!((libm::exp(pay.trial0) - (1.0 - zero) / (1.0 - rate)).abs() < 1e-12);
        }
    }

    #[test]
    fn where_hits_are_rare_both_payoffs_are_the_same() {
        for (ratio, multiple, rho) in [(1.0, 2.0, 0.5), (1.1, 3.0, 0.1), (1.5, 0.5, 0.25)] {
            let null = Null { ratio, slack: 0.0 };
            let (frequent, rare) = (frequent_payoff(null, multiple, rho, 0.0015).unwrap(), payoff(null, ratio * multiple, rho));
            assert!((frequent.hit1 - rare.hit1).abs() < 0.01 && (frequent.hit0 - rare.hit0).abs() < 0.01, "{frequent:?} {rare:?}");
        }
    }

    #[test]
    fn rates_that_are_not_rare_are_told_apart_in_about_half_of_the_time() {
        let (mut any, mut independent) = (CountProcess::new(EQUAL, Side::Above), CountProcess::of_independent(EQUAL, Side::Above));
        for _ in 0..40 {
            let tick = Counts { n1: 100, s1: 55, n0: 100, s0: 45 };
            any.observe(tick, 1.0);
            independent.observe(tick, 1.0);
        }
        assert!(any.log_e() > 1.0 && independent.log_e() > 1.7 * any.log_e(), "{} {}", any.log_e(), independent.log_e());
    }

    #[test]
    fn rates_without_a_boundary_are_left_to_the_other_payoff() {
        let null = Null { ratio: 1.5, slack: 0.002 };
        assert_eq!(frequent_payoff(null, 0.5, 0.5, 0.9), None);
        assert_eq!(frequent_payoff(Null { ratio: 1.0, slack: 0.3 }, 1.25, 0.5, 0.1), None);
        let expected = |n1, s1| {
            let mut expected = Expected::default();
            expected.observe(Counts { n1, s1, n0: 0, s0: 0 });
            expected.rate()
        };
        assert_eq!([expected(49, 20), expected(1000, 40), expected(1000, 1000), expected(0, 0)], [None; 4]);
        assert_eq!(expected(1000, 400), Some(0.4));
    }
}
