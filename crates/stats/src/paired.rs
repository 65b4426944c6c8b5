//! Anytime-valid evidence on paired numbers, by betting on which of the two is larger, and by how much.
//!
//! A pair is two numbers taken under the same conditions; its difference `d` (of their logarithms, where a ratio is meant)
//! is as likely `d` as `-d` when the two may be exchanged. Each pair pays `1 + b * g((d - line) / scale)`, where `g` cuts off
//! at -1 and 1 and the scale is known before the pair. `g` is odd and never falls, so the mean of a payment is at most 1 when
//! `d` is symmetric about the line or lies lower; the product is then a supermartingale whatever the pairs' distributions
//! are and however they change (betting: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting",
//! JRSS B 86, 2024; symmetry: de la Pena, "A general class of exponential inequalities for martingales and ratios", 1999).
//! The scale decides about power alone.

use crate::eprocess::{Side, Starts, e_value, first_reached};
use crate::special::log_sum_exp;
use serde::{Deserialize, Serialize};

/// Shares of the stake that are bet; the e-value is their plain mean.
const BETS: [f64; 6] = [0.05, 0.1, 0.2, 0.4, 0.7, 0.95];
/// Pairs from which on the scale is taken; before, only the sign counts.
const SCALE_PAIRS_MIN: usize = 8;
/// Interquartile ranges at which a bet is cut off: two standard deviations of normal noise.
const RANGES: f64 = 1.5;
/// Halvings when an end of the band is looked for.
const HALVINGS: usize = 60;

/// Differences seen so far, for the scale of the next one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    sorted: Vec<f64>,
    /// Largest size of a difference.
    largest: f64,
}

impl Spread {
    /// The scale that the next difference is held against; 0: only its sign counts.
    #[must_use]
    pub fn scale(&self) -> f64 {
        let at = |share: usize| self.sorted.get(self.sorted.len() * share / 4).copied().unwrap_or(0.0);
        if self.sorted.len() < SCALE_PAIRS_MIN {
            return 0.0;
        }
        let range = RANGES * (at(3) - at(1));
        // Where most differences are the same, the largest one says how much the others are.
        if range > 0.0 { range } else { self.largest }
    }

    /// The middle difference; none without any.
    #[must_use]
    pub fn middle(&self) -> Option<f64> {
        let n = self.sorted.len();
        let (low, high) = (self.sorted.get(n.checked_sub(1)? / 2)?, self.sorted.get(n / 2)?);
        Some(f64::midpoint(*low, *high))
    }

    /// Remembers a difference.
    pub fn observe(&mut self, d: f64) {
        if d.is_finite() {
            let at = self.sorted.partition_point(|x| *x < d);
            self.sorted.insert(at, d);
            self.largest = self.largest.max(libm::fabs(d));
        }
    }
}

/// Evidence against one line on one side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedProcess {
    line: f64,
    side: Side,
    log_e: [f64; BETS.len()],
    /// Where the change may come later than the first pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts: Option<Starts>,
}

impl PairedProcess {
    /// A process at 1: against "not above the line", or against "not below".
    #[must_use]
    pub fn new(line: f64, side: Side) -> PairedProcess {
        PairedProcess { line, side, log_e: [0.0; BETS.len()], starts: None }
    }

    /// The same process, for a change that may come with any pair, as [`crate::eprocess::CountProcess::restarting`].
    #[must_use]
    pub fn restarting(self) -> PairedProcess {
        let starts = Starts::FIRST;
        PairedProcess { log_e: self.log_e.map(|log_e| log_e + libm::log1p(-starts.kept())), starts: Some(starts), ..self }
    }

    /// Folds the difference of one pair; `scale` must be known before the pair. What is not a number is no pair.
    pub fn observe(&mut self, d: f64, scale: f64) {
        if d.is_nan() || self.line.is_nan() {
            return;
        }
        if let Some(stake) = self.starts.as_mut().and_then(Starts::tick) {
            let stake = libm::log(stake);
            self.log_e.iter_mut().for_each(|log_e| *log_e = log_sum_exp([*log_e, stake].into_iter()));
        }
        let beyond = match self.side {
            Side::Above => d - self.line,
            Side::Below => self.line - d,
        };
        let win = if scale > 0.0 { (beyond / scale).clamp(-1.0, 1.0) } else { sign(beyond) };
        for (log_e, bet) in self.log_e.iter_mut().zip(BETS) {
            *log_e += libm::log1p(bet * win);
        }
    }

    /// Logarithm of the e-value.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        self.after(0.0)
    }

    /// The logarithm after so many more pairs that are beyond the line by a whole scale.
    fn after(&self, pairs: f64) -> f64 {
        let grown = self.log_e.iter().zip(BETS).map(|(log_e, bet)| log_e + pairs * libm::log1p(bet));
        let begun = log_sum_exp(grown) - libm::log(BETS.len() as f64);
        self.starts.map_or(begun, |starts| log_sum_exp([begun, libm::log(starts.kept())].into_iter()))
    }

    /// How many more pairs that are beyond the line by a whole scale would carry the logarithm to `log_bar`.
    #[must_use]
    pub fn pairs_to(&self, log_bar: f64) -> Option<u64> {
        first_reached(|pairs| self.after(pairs) >= log_bar)
    }

    /// The e-value.
    #[must_use]
    pub fn e(&self) -> f64 {
        e_value(self.log_e())
    }

    /// How many more pairs like those so far until the logarithm reaches `log_bar`, as a multiple of what was seen.
    #[must_use]
    pub fn more_of_the_same(&self, log_bar: f64) -> Option<f64> {
        if self.log_e() >= log_bar {
            return Some(0.0);
        }
        let whole = log_bar + libm::log(BETS.len() as f64);
        self.log_e.iter().filter(|l| **l > 1e-9).map(|l| ((whole - l) / l).max(0.0)).reduce(f64::min)
    }
}

/// As `signum`, but of nothing it is nothing.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

/// Lines that the pairs speak against on neither side: with a chance of at least `1 - alpha` the true one is always among
/// them. `pairs` hold a difference and the scale it was held against. None where an end is open.
#[must_use]
pub fn band(pairs: &[(f64, f64)], alpha: f64) -> (Option<f64>, Option<f64>) {
    let bar = libm::log(2.0 / alpha);
    let speaks = |line: f64, side: Side| {
        let mut process = PairedProcess::new(line, side);
        pairs.iter().for_each(|(d, scale)| process.observe(*d, *scale));
        process.log_e() >= bar
    };
    let ends = pairs.iter().map(|p| p.0).filter(|d| d.is_finite());
    let (Some(least), Some(most)) = (ends.clone().reduce(f64::min), ends.reduce(f64::max)) else { return (None, None) };
    // One step outside of all pairs each of them speaks with its whole stake.
    let reach = (most - least).max(1e-9);
    let (bottom, top) = (least - reach, most + reach);
    let low = speaks(bottom, Side::Above).then(|| boundary(bottom, top, |line| speaks(line, Side::Above)));
    let high = speaks(top, Side::Below).then(|| boundary(top, bottom, |line| speaks(line, Side::Below)));
    (low, high)
}

/// Where `speaks`, which holds at `from`, ceases to on the way to `to`.
fn boundary(from: f64, to: f64, speaks: impl Fn(f64) -> bool) -> f64 {
    let (mut yes, mut no) = (from, to);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(yes, no);
        if speaks(middle) { yes = middle } else { no = middle }
    }
    yes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// The mean e-value over all ways that a few pairs can come out, each difference drawn from `values`.
    fn mean(values: &[(f64, f64)], pairs: u32, line: f64, side: Side) -> f64 {
        let ways = values.len().pow(pairs);
        let one = |mut way: usize| {
            let (mut spread, mut process, mut chance) = (Spread::default(), PairedProcess::new(line, side), 1.0);
            for _ in 0..pairs {
                let (d, share) = values[way % values.len()];
                way /= values.len();
                chance *= share;
                process.observe(d, spread.scale());
                spread.observe(d);
            }
            chance * process.e()
        };
        (0..ways).map(one).sum()
    }

    #[test]
    fn it_grows_against_no_exchangeable_pairs() {
        let same: [&[(f64, f64)]; 4] = [
            &[(-1.0, 0.5), (1.0, 0.5)],
            &[(-3.0, 0.05), (-0.1, 0.45), (0.1, 0.45), (3.0, 0.05)],
            &[(-2.0, 0.1), (0.0, 0.8), (2.0, 0.1)],
            // Lower than symmetric: less than nothing is to be won.
            &[(-2.0, 0.4), (0.0, 0.4), (1.0, 0.2)],
        ];
        for (values, pairs) in same.into_iter().zip([11, 9, 10, 10]) {
            let pairs = if values.len() == 4 { 8 } else { pairs };
            assert!(mean(values, pairs, 0.0, Side::Above) <= 1.0 + 1e-12, "{values:?}");
            assert!(mean(values, pairs, 0.5, Side::Above) <= 1.0 + 1e-12, "{values:?}");
            let turned: Vec<(f64, f64)> = values.iter().map(|(d, share)| (-d, *share)).collect();
            assert!(mean(&turned, pairs, 0.0, Side::Below) <= 1.0 + 1e-12, "{values:?}");
            assert!(mean(&turned, pairs, -0.5, Side::Below) <= 1.0 + 1e-12, "{values:?}");
        }
        assert!(mean(&[(-1.0, 0.3), (1.0, 0.7)], 10, 0.0, Side::Above) > 1.5, "the test can fail");
    }

    #[test]
    fn one_that_looks_for_a_change_grows_against_no_exchangeable_pairs_either() {
        let mean = |up: f64| -> f64 {
            let one = |way: u32| {
                let (mut process, mut chance) = (PairedProcess::new(0.0, Side::Above).restarting(), 1.0);
                for pair in 0..14 {
                    let rises = way >> pair & 1 == 1;
                    chance *= if rises { up } else { 1.0 - up };
                    process.observe(if rises { 1.0 } else { -1.0 }, 0.0);
                }
                chance * process.e()
            };
            (0..1 << 14).map(one).sum()
        };
        assert!((mean(0.5) - 1.0).abs() < 1e-9 && mean(0.4) <= 1.0 && mean(0.7) > 1.5, "{} {} {}", mean(0.5), mean(0.4), mean(0.7));
        let quiet = |late: bool| {
            let mut process = PairedProcess::new(0.0, Side::Above);
            process = if late { process.restarting() } else { process };
            (0..60).for_each(|_| process.observe(-1.0, 0.0));
            (0..20).for_each(|_| process.observe(1.0, 0.0));
            process
        };
        assert!(quiet(true).log_e() > quiet(false).log_e() + 3.0, "evidence of the quiet time does not count against a change");
        let process = quiet(true);
        let more = process.pairs_to(libm::log(1e6)).unwrap();
        let after = |pairs: u64| (0..pairs).fold(process.clone(), |mut p, _| (p.observe(1.0, 0.0), p).1).log_e();
        assert!(after(more + 6) >= libm::log(1e6) && after(more / 2) < libm::log(1e6), "{more}");
    }

    #[test]
    fn it_finds_a_shift_and_says_how_large_it_is() {
        let mut rng = Rng::new(7);
        let (mut spread, mut above, mut below, mut pairs) =
            (Spread::default(), PairedProcess::new(0.0, Side::Above), PairedProcess::new(1.0, Side::Below), vec![]);
        let mut found = None;
        for n in 0..400 {
            let (d, scale) = (0.5 + rng.normal(), spread.scale());
            above.observe(d, scale);
            below.observe(d, scale);
            spread.observe(d);
            pairs.push((d, scale));
            if found.is_none() && above.e() >= 100.0 {
                found = Some(n);
            }
        }
        assert!(found.is_some_and(|n| n < 120), "{found:?}");
        assert!(below.e() >= 100.0, "{}", below.e());
        let (low, high) = band(&pairs, 0.05);
        let (low, high) = (low.unwrap(), high.unwrap());
        assert!(low < 0.5 && high > 0.5 && low > 0.2 && high < 0.8, "{low} {high}");
        assert!((spread.middle().unwrap() - 0.5).abs() < 0.2);
        assert_eq!(band(&pairs[..3], 0.05), (None, None), "three pairs say nothing");
        assert_eq!(band(&[], 0.05), (None, None));
    }

    #[test]
    fn units_and_what_is_no_number_change_nothing() {
        let values = [0.3, -0.2, 0.5, f64::NAN, 0.1, 0.7, -0.4, 0.2, 0.9, 0.35, 0.6];
        let run = |unit: f64| {
            let (mut spread, mut process) = (Spread::default(), PairedProcess::new(0.1 * unit, Side::Above));
            for d in values {
                process.observe(d * unit, spread.scale());
                spread.observe(d * unit);
            }
            process.log_e()
        };
        assert!((run(1.0) - run(1e-9)).abs() < 1e-12 && (run(1.0) - run(1e12)).abs() < 1e-12);
        assert_eq!(PairedProcess::new(0.0, Side::Above).more_of_the_same(3.0), None);
    }
}
