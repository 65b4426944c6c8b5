//! Group-sequential boundaries: a z statistic looked at a few times on the way to a planned amount of information.
//!
//! Where the most that will be seen is known beforehand and looks are few (labels that come in batches), this finds more with
//! the same data than evidence that may be looked at always. Each look may spend what a spending function allows up to its
//! share of the information, so neither the number nor the times of looks must be fixed (Lan and DeMets, "Discrete
//! sequential boundaries for clinical trials", Biometrika 70, 1983). The chance of a crossing is found by integrating the
//! density of what has not crossed yet from look to look (Armitage, McPherson and Rowe, JRSS A 132, 1969). It is exact for
//! normal statistics, so approximate for shares and means, and one-sided: only a large z crosses.

use crate::special::normal_quantile;
use crate::tails::normal_tail;

/// How the chance of a false crossing is spent over the information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    /// Next to nothing early, nearly all at the end; close to O'Brien and Fleming's boundary.
    Late,
    /// Nearly even; close to Pocock's boundary.
    Even,
}

impl Spending {
    /// What may be spent up to the share `t` of the information.
    #[must_use]
    pub fn spent(self, alpha: f64, t: f64) -> f64 {
        let t = t.clamp(0.0, 1.0);
        if t == 0.0 {
            return 0.0;
        }
        match self {
            Spending::Late => 2.0 * normal_tail(normal_quantile(1.0 - 0.5 * alpha) / libm::sqrt(t)),
            Spending::Even => alpha * libm::log1p((core::f64::consts::E - 1.0) * t),
        }
    }
}

/// Most looks: the more there are, the closer they lie, and the less the grid below resolves.
pub const LOOKS_MAX: usize = 200;
/// Points of the grid on which the density is kept; odd, for Simpson's rule.
const POINTS: usize = 401;
/// Standard deviations below the boundary that the grid reaches.
const REACH: f64 = 9.0;
/// No boundary is looked for above this: the chance of crossing it is below 1e-15.
const Z_MAX: f64 = 8.0;
/// Less than this is not spent: no boundary could be found for it.
const SPEND_MIN: f64 = 1e-15;
const HALVINGS: usize = 60;
/// A look before the last one needs this part of the information more than the look before it had.
const GAIN_MIN: f64 = 0.002;

/// The looks taken so far, with the density of what has not crossed.
#[derive(Clone, Debug)]
pub struct Looks {
    alpha: f64,
    spending: Spending,
    time: f64,
    spent: f64,
    /// Points of the score at `time` with their densities; empty before the first look.
    density: Vec<(f64, f64)>,
    step: f64,
}

impl Looks {
    /// No look taken.
    #[must_use]
    pub fn new(alpha: f64, spending: Spending) -> Looks {
        Looks { alpha, spending, time: 0.0, spent: 0.0, density: vec![], step: 0.0 }
    }

    /// The boundary of a look at the share `time` of the information: a z at or above it crosses.
    ///
    /// None where nothing was gained since the look before, or nothing may be spent: such a look decides nothing.
    pub fn look(&mut self, time: f64) -> Option<f64> {
        // Next to nothing new: the grid would not resolve it, and no look may be skipped but by what was gained.
        if time.is_nan() || time <= self.time || (time < 1.0 && time - self.time < GAIN_MIN * time) {
            return None;
        }
        let spend = self.spending.spent(self.alpha, time) - self.spent;
        let boundary = if spend >= SPEND_MIN { self.boundary(time, spend) } else { Z_MAX };
        self.spent += self.crossing(time, boundary * libm::sqrt(time));
        self.move_on(time, boundary * libm::sqrt(time));
        if boundary < Z_MAX { Some(boundary) } else { None }
    }

    /// Chance to be at or above `score` at `time` without having crossed before.
    fn crossing(&self, time: f64, score: f64) -> f64 {
        if self.density.is_empty() {
            return normal_tail(score / libm::sqrt(time));
        }
        let spread = libm::sqrt(time - self.time);
        self.integral(|from| normal_tail((score - from) / spread))
    }

    /// Simpson's rule over the kept density.
    fn integral(&self, value: impl Fn(f64) -> f64) -> f64 {
        let weight = |i: usize| {
            if i == 0 || i + 1 == self.density.len() {
                1.0
            } else if i % 2 == 1 {
                4.0
            } else {
                2.0
            }
        };
        let terms = self.density.iter().enumerate().map(|(i, (at, density))| weight(i) * density * value(*at));
        terms.sum::<f64>() * self.step / 3.0
    }

    fn boundary(&self, time: f64, spend: f64) -> f64 {
        let scale = libm::sqrt(time);
        let (mut low, mut high) = (-Z_MAX, Z_MAX);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if self.crossing(time, middle * scale) > spend { low = middle } else { high = middle }
        }
        high
    }

    /// The density at `time` of what stayed below `score`.
    fn move_on(&mut self, time: f64, score: f64) {
        let low = -REACH * libm::sqrt(time);
        let step = (score - low) / (POINTS - 1) as f64;
        let spread = libm::sqrt(time - self.time);
        let normal = |x: f64, sd: f64| libm::exp(-0.5 * (x / sd) * (x / sd)) / (sd * libm::sqrt(2.0 * core::f64::consts::PI));
        let at = |i: usize| low + step * i as f64;
        let density = (0..POINTS).map(|i| {
            let here = at(i);
            let density = if self.density.is_empty() { normal(here, spread) } else { self.integral(|from| normal(here - from, spread)) };
            (here, density)
        });
        self.density = density.collect();
        (self.time, self.step) = (time, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boundaries(alpha: f64, spending: Spending, times: &[f64]) -> Vec<f64> {
        let mut looks = Looks::new(alpha, spending);
        times.iter().map(|t| looks.look(*t).unwrap_or(f64::INFINITY)).collect()
    }

    fn close(found: &[f64], published: &[f64], within: f64) {
        assert_eq!(found.len(), published.len());
        for (f, p) in found.iter().zip(published) {
            assert!((f - p).abs() <= within, "{found:?} {published:?}");
        }
    }

    #[test]
    fn boundaries_are_those_of_the_tables() {
        // Lan and DeMets, and Jennison and Turnbull, "Group Sequential Methods" (2000), section 7.2; five equal looks at .025.
        let fifths = [0.2, 0.4, 0.6, 0.8, 1.0];
        close(&boundaries(0.025, Spending::Late, &fifths), &[4.877, 3.357, 2.680, 2.290, 2.031], 0.001);
        close(&boundaries(0.025, Spending::Even, &fifths), &[2.438, 2.427, 2.410, 2.397, 2.386], 0.001);
        close(&boundaries(0.025, Spending::Late, &[0.5, 1.0]), &[2.963, 1.969], 0.001);
        close(&boundaries(0.05, Spending::Late, &[1.0]), &[1.645], 0.001);
    }

    #[test]
    fn all_of_alpha_is_spent_and_no_more() {
        for spending in [Spending::Late, Spending::Even] {
            for times in [vec![0.1, 0.15, 0.7, 1.0], (1..=40).map(|i| f64::from(i) / 40.0).collect()] {
                let mut looks = Looks::new(0.01, spending);
                for t in times {
                    let _ = looks.look(t);
                }
                assert!((looks.spent - 0.01).abs() < 1e-6, "{spending:?} {}", looks.spent);
            }
        }
    }

    #[test]
    fn many_looks_close_together_cost_nothing() {
        let mut looks = Looks::new(0.01, Spending::Late);
        looks.look(0.5);
        let (close, far): (Vec<_>, Vec<_>) = (1..=150).map(|i| looks.look(0.5 + f64::from(i) * 1e-4)).partition(Option::is_none);
        assert!(close.len() > 130 && far.len() < 20, "{} {}", close.len(), far.len());
        let last = looks.look(1.0).unwrap();
        assert!((last - 2.37).abs() < 0.1, "{last}");
    }

    #[test]
    fn a_look_without_anything_new_has_no_boundary() {
        let mut looks = Looks::new(0.01, Spending::Even);
        assert!(looks.look(0.5).is_some());
        assert_eq!((looks.look(0.5), looks.look(0.2), looks.look(f64::NAN)), (None, None, None));
        assert!(looks.look(1.7).is_some(), "more than was planned may spend all of it");
        assert_eq!(looks.look(2.0), None);
    }
}
