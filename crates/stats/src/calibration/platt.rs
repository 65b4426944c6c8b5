//! Platt's method: a sigmoid of the score.

use super::logistic::{fit, sigmoid};
use super::{Unfit, usable};
use serde::{Deserialize, Serialize};

/// Probability 1 / (1 + exp(slope × score + constant)), in Platt's signs: a slope below 0 rises with the score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Platt {
    /// A.
    pub slope: f64,
    /// B.
    pub constant: f64,
}

impl Platt {
    /// The sigmoid of greatest likelihood for the targets (P + 1)/(P + 2) and 1/(N + 2) in place of 1 and 0, with P positive and
    /// N negative rows (Platt, "Probabilistic outputs for support vector machines", 1999; found as Lin, Lin and Weng, "A note on
    /// Platt's probabilistic outputs", Machine Learning 68, 2007, ask).
    ///
    /// Those targets are why it never claims to be sure, also where the score parts the labels wholly. Scores may be any finite
    /// numbers.
    ///
    /// # Errors
    /// [`Unfit::Empty`], [`Unfit::Lengths`], [`Unfit::Number`], [`Unfit::OneClass`].
    pub fn fit(scores: &[f64], labels: &[bool]) -> Result<Platt, Unfit> {
        usable(scores, labels)?;
        let positives = labels.iter().filter(|label| **label).count() as f64;
        let negatives = labels.len() as f64 - positives;
        let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
        let targets: Vec<f64> = labels.iter().map(|label| if *label { high } else { low }).collect();
        let rows: Vec<[f64; 2]> = scores.iter().map(|score| [*score, 0.0]).collect();
        let line = fit(&rows, &targets);
        Ok(Platt { slope: -line[0], constant: -line[2] })
    }

    /// The probability at a score, within (0, 1) but for rounding; none for NaN.
    #[must_use]
    pub fn probability(&self, score: f64) -> Option<f64> {
        let p = sigmoid(-(self.slope * score + self.constant));
        (!p.is_nan()).then_some(p)
    }
}
