//! Isotonic regression: of all curves that never fall, the one nearest to the rows.

use super::{Unfit, usable};
use crate::scoring::runs;
use serde::{Deserialize, Serialize};

/// A curve that never falls: straight lines between knots, level outside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(f64, f64)>", into = "Vec<(f64, f64)>")]
pub struct Isotonic {
    /// Score and value, scores strictly ascending, values ascending.
    knots: Vec<(f64, f64)>,
}

/// Rows that were pooled to one value.
#[derive(Clone, Copy)]
struct Block {
    first: f64,
    last: f64,
    weight: f64,
    sum: f64,
}

impl Block {
    fn mean(&self) -> f64 {
        self.sum / self.weight
    }
}

impl Isotonic {
    /// The curve of least weighted squares, by pooling adjacent violators (Ayer et al., "An empirical distribution function for
    /// sampling with incomplete information", Annals of Mathematical Statistics 26, 1955), in O(n log n).
    ///
    /// Rows of equal score are pooled to their weighted mean first; rows of weight 0 are left out. Between two pooled blocks
    /// the curve is the straight line from the last score of one to the first of the next, as scikit-learn's.
    ///
    /// # Errors
    /// [`Unfit::Empty`] (no row, or no weight above 0), [`Unfit::Lengths`], [`Unfit::Number`] (not finite, or a weight below 0).
    pub fn fit(scores: &[f64], values: &[f64], weights: &[f64]) -> Result<Isotonic, Unfit> {
        for others in [values.len(), weights.len()] {
            if others != scores.len() {
                return Err(Unfit::Lengths { scores: scores.len(), others });
            }
        }
        let wrong = |((s, v), w): ((&f64, &f64), &f64)| !(s.is_finite() && v.is_finite() && w.is_finite() && *w >= 0.0);
        if let Some(row) = scores.iter().zip(values).zip(weights).position(wrong) {
            return Err(Unfit::Number { row });
        }
        let mut blocks: Vec<Block> = Vec::new();
        for run in runs(scores) {
            let at = |column: &[f64], row: usize| column.get(row).copied().unwrap_or(0.0);
            let weight: f64 = run.iter().map(|row| at(weights, *row)).sum();
            let sum: f64 = run.iter().map(|row| at(weights, *row) * at(values, *row)).sum();
            let Some(score) = run.first().map(|row| at(scores, *row)).filter(|_| weight > 0.0) else { continue };
            let mut block = Block { first: score, last: score, weight, sum };
            while let Some(before) = blocks.pop_if(|before| before.mean() >= block.mean()) {
                block = Block { first: before.first, last: block.last, weight: before.weight + block.weight, sum: before.sum + block.sum };
            }
            blocks.push(block);
        }
        let mut knots = Vec::with_capacity(2 * blocks.len());
        for block in &blocks {
            knots.push((block.first, block.mean()));
            if block.last > block.first {
                knots.push((block.last, block.mean()));
            }
        }
        if knots.is_empty() { Err(Unfit::Empty) } else { Ok(Isotonic { knots }) }
    }

    /// The curve of the share of positives, each row counting once (Zadrozny and Elkan, "Transforming classifier scores into
    /// accurate multiclass probability estimates", KDD 2002).
    ///
    /// # Errors
    /// As [`Isotonic::fit`], and [`Unfit::OneClass`].
    pub fn fit_labels(scores: &[f64], labels: &[bool]) -> Result<Isotonic, Unfit> {
        usable(scores, labels)?;
        let values: Vec<f64> = labels.iter().map(|label| f64::from(u8::from(*label))).collect();
        Isotonic::fit(scores, &values, &vec![1.0; scores.len()])
    }

    /// The curve's value at a score: the end value outside the scores seen; none for NaN.
    #[must_use]
    pub fn value(&self, score: f64) -> Option<f64> {
        if score.is_nan() {
            return None;
        }
        let next = self.knots.partition_point(|knot| knot.0 < score);
        let above = self.knots.get(next).or(self.knots.last())?;
        let below = next.checked_sub(1).and_then(|i| self.knots.get(i)).unwrap_or(above);
        if score <= below.0 || above.0 <= below.0 {
            return Some(below.1);
        }
        let part = ((score - below.0) / (above.0 - below.0)).min(1.0);
        Some((below.1 + (above.1 - below.1) * part).clamp(below.1, above.1))
    }

    /// Score and value of each knot.
    #[must_use]
    pub fn knots(&self) -> &[(f64, f64)] {
        &self.knots
    }
}

impl TryFrom<Vec<(f64, f64)>> for Isotonic {
    type Error = &'static str;

    fn try_from(knots: Vec<(f64, f64)>) -> Result<Isotonic, &'static str> {
        let finite = knots.iter().all(|(s, v)| s.is_finite() && v.is_finite());
        let rising = knots.windows(2).all(|pair| matches!(pair, [a, b] if a.0 < b.0 && a.1 <= b.1));
        if finite && rising && !knots.is_empty() {
            Ok(Isotonic { knots })
        } else {
            Err("the knots of an isotonic curve are finite, their scores ascend, their values never fall: calibrate anew")
        }
    }
}

impl From<Isotonic> for Vec<(f64, f64)> {
    fn from(curve: Isotonic) -> Vec<(f64, f64)> {
        curve.knots
    }
}
