//! Scores made into probabilities, probabilities with an interval, and sets of labels that hold the true one as often as is
//! said. All learn from rows that the scores were not learned from.
//!
//! Not here: whether probabilities are good, which is [`crate::scoring`].

mod beta;
mod conformal;
mod isotonic;
mod logistic;
mod platt;
mod venn_abers;

pub use beta::Beta;
pub use conformal::{AdaptiveLevel, Conformal, GroupCoverage, LabelSet, Thresholds, coverage};
pub use isotonic::Isotonic;
pub use platt::Platt;
pub use venn_abers::{ProbabilityInterval, VennAbers, merged};

use serde::{Deserialize, Serialize};

/// Why nothing could be fitted to the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// There is no row.
    Empty,
    /// The columns have different lengths.
    Lengths {
        /// Scores.
        scores: usize,
        /// Labels, values or weights.
        others: usize,
    },
    /// A number is NaN, infinite, or outside its range.
    Number {
        /// Place of the row, from 0.
        row: usize,
    },
    /// All rows have one label, so nothing tells what the other looks like.
    OneClass {
        /// That label.
        label: bool,
    },
    /// Every positive row scores at least as high as every negative one, and not all the same: the likelihood grows without end.
    Apart,
}

impl core::fmt::Display for Unfit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Unfit::Empty => write!(f, "there is no row to calibrate on: give rows that the scores were not learned from"),
            Unfit::Lengths { scores, others } => {
                write!(f, "{scores} scores stand beside {others} labels or weights: give one for each row")
            }
            Unfit::Number { row } => write!(f, "row {row} has a number that is missing or out of range: leave the row out or correct it"),
            Unfit::OneClass { label } => write!(f, "every row has the label {label}: calibrate on rows of both labels"),
            Unfit::Apart => {
                write!(f, "the scores part the labels wholly: calibrate on more rows, or by isotonic regression or Platt's method")
            }
        }
    }
}

impl core::error::Error for Unfit {}

/// The ways from a score to a probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Any rising curve; needs some hundreds of rows.
    Isotonic,
    /// Three parameters on a probability; can leave a good one as it is.
    Beta,
    /// Two parameters on any score.
    Platt,
}

impl Method {
    /// Learns the curve. Isotonic regression and beta calibration as [`Isotonic::fit_labels`] and [`Beta::fit`], Platt's as
    /// [`Platt::fit`].
    ///
    /// # Errors
    /// [`Unfit`], as the method says.
    pub fn fit(self, scores: &[f64], labels: &[bool]) -> Result<Calibrator, Unfit> {
        match self {
            Method::Isotonic => Isotonic::fit_labels(scores, labels).map(Calibrator::Isotonic),
            Method::Beta => Beta::fit(scores, labels).map(Calibrator::Beta),
            Method::Platt => Platt::fit(scores, labels).map(Calibrator::Platt),
        }
    }
}

/// A learned curve from scores to probabilities. It never falls for isotonic regression and beta calibration; Platt's falls
/// where low scores go with positives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibrator {
    /// By isotonic regression.
    Isotonic(Isotonic),
    /// By beta calibration.
    Beta(Beta),
    /// By Platt's method.
    Platt(Platt),
}

impl Calibrator {
    /// The probability of a positive label at a score, in [0, 1]; none for NaN.
    #[must_use]
    pub fn probability(&self, score: f64) -> Option<f64> {
        match self {
            Calibrator::Isotonic(curve) => curve.value(score),
            Calibrator::Beta(curve) => curve.probability(score),
            Calibrator::Platt(curve) => curve.probability(score),
        }
    }
}

/// Rows of both labels with finite scores.
fn usable(scores: &[f64], labels: &[bool]) -> Result<(), Unfit> {
    if scores.len() != labels.len() {
        return Err(Unfit::Lengths { scores: scores.len(), others: labels.len() });
    }
    let first = *labels.first().ok_or(Unfit::Empty)?;
    if let Some(row) = scores.iter().position(|s| !s.is_finite()) {
        return Err(Unfit::Number { row });
    }
    if labels.iter().all(|label| *label == first) { Err(Unfit::OneClass { label: first }) } else { Ok(()) }
}

/// As [`usable`], with scores that are probabilities.
fn usable_probabilities(probabilities: &[f64], labels: &[bool]) -> Result<(), Unfit> {
    usable(probabilities, labels)?;
    probabilities.iter().position(|p| !(0.0..=1.0).contains(p)).map_or(Ok(()), |row| Err(Unfit::Number { row }))
}
