//! Beta calibration: a curve of three parameters that can also be the identity.

use super::logistic::{Line, fit, fit_near, loss, sigmoid};
use super::{Unfit, usable_probabilities};
use serde::{Deserialize, Serialize};

/// Probabilities are clipped this far from 0 and 1 before their logarithm is taken.
const CLIP: f64 = f64::EPSILON;

/// Log-odds a ln(p) - b ln(1 - p) + c of a probability p; a and b are at least 0, so it never falls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beta {
    /// a: how the low end is bent.
    pub a: f64,
    /// b: how the high end is bent.
    pub b: f64,
    /// c: moves all log-odds.
    pub c: f64,
}

fn columns(probability: f64) -> [f64; 2] {
    let p = probability.clamp(CLIP, 1.0 - CLIP);
    [libm::log(p), -libm::log1p(-p)]
}

/// Fits a line to rows and their targets.
type FitLine<'a> = dyn Fn(&[[f64; 2]], &[f64]) -> Line + 'a;
/// What a line costs on rows and their targets.
type CostOfLine<'a> = dyn Fn(&Line, &[[f64; 2]], &[f64]) -> f64 + 'a;

impl Beta {
    /// The curve of greatest likelihood with a, b ≥ 0 (Kull, Silva Filho and Flach, "Beta calibration: a well-founded and easily
    /// implemented improvement on logistic calibration for binary classifiers", AISTATS 2017).
    ///
    /// A parameter that would fall below 0 is held there and the others are fitted anew; of the curves allowed the likeliest
    /// is taken.
    ///
    /// # Errors
    /// [`Unfit::Empty`], [`Unfit::Lengths`], [`Unfit::Number`] (a probability outside [0, 1]), [`Unfit::OneClass`],
    /// [`Unfit::Apart`].
    pub fn fit(probabilities: &[f64], labels: &[bool]) -> Result<Beta, Unfit> {
        Beta::best(probabilities, labels, &fit, &loss)
    }

    /// The same with both bends drawn to 1, where the curve is the identity moved up or down: `pull` times half of (a - 1)² + (b - 1)²
    /// is added to the loss, which is summed over the rows, in nats. Of few rows, how a curve bends is mostly chance. A pull that is not
    /// above 0 draws nowhere.
    ///
    /// # Errors
    /// As [`Beta::fit`].
    pub fn fit_near_identity(probabilities: &[f64], labels: &[bool], pull: f64) -> Result<Beta, Unfit> {
        if !(pull > 0.0 && pull.is_finite()) {
            return Beta::fit(probabilities, labels);
        }
        let cost = |line: &Line, rows: &[[f64; 2]], targets: &[f64]| {
            let off = [line[0] - 1.0, line[1] - 1.0];
            loss(line, rows, targets) + 0.5 * pull * (off[0] * off[0] + off[1] * off[1])
        };
        // A bend that is held at 0 has no column: it stays where it is drawn to.
        let near = |rows: &[[f64; 2]], targets: &[f64]| {
            let to = [0, 1].map(|column| if rows.iter().any(|row| row[column] != 0.0) { 1.0 } else { 0.0 });
            fit_near(rows, targets, to, pull)
        };
        Beta::best(probabilities, labels, &near, &cost)
    }

    /// The best curve with a, b ≥ 0, by what fits a line and what it costs.
    fn best(probabilities: &[f64], labels: &[bool], fit: &FitLine<'_>, cost: &CostOfLine<'_>) -> Result<Beta, Unfit> {
        usable_probabilities(probabilities, labels)?;
        let of = |class: bool| probabilities.iter().zip(labels).filter(move |(_, l)| **l == class).map(|(p, _)| *p);
        let same = probabilities.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
        if !same && of(false).fold(0.0, f64::max) <= of(true).fold(1.0, f64::min) {
            return Err(Unfit::Apart);
        }
        let rows: Vec<[f64; 2]> = probabilities.iter().map(|p| columns(*p)).collect();
        let targets: Vec<f64> = labels.iter().map(|label| f64::from(u8::from(*label))).collect();
        // Both bends, one of them, none. The loss is convex: the free fit is the best where it is allowed.
        let mut best: Option<(f64, Line)> = None;
        for used in [[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]] {
            let masked: Vec<[f64; 2]> = rows.iter().map(|r| [r[0] * used[0], r[1] * used[1]]).collect();
            let line = fit(&masked, &targets);
            if line[0] < 0.0 || line[1] < 0.0 {
                continue;
            }
            let cost = cost(&line, &masked, &targets);
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, line));
            }
            if used == [1.0, 1.0] {
                break;
            }
        }
        let [a, b, c] = best.map_or([0.0; 3], |(_, line)| line);
        Ok(Beta { a, b, c })
    }

    /// The calibrated probability, in [0, 1]; none for one outside [0, 1] or NaN.
    #[must_use]
    pub fn probability(&self, probability: f64) -> Option<f64> {
        if !(0.0..=1.0).contains(&probability) {
            return None;
        }
        let [low, high] = columns(probability);
        let p = sigmoid(self.a * low + self.b * high + self.c);
        (!p.is_nan()).then_some(p)
    }
}
