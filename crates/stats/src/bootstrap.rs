//! Paired bootstrap: the difference of a metric between two models on the same rows, with a percentile interval.

use crate::metric::{Metric, Prepared, Scratch};
use crate::quantile::{Interpolation, quantile};
use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// Most rows that are resampled; more are refused (row numbers are 32 bits).
pub const ROWS_MAX: usize = u32::MAX as usize;

/// The rows of a comparison: labels and both models' scores, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Paired<'a> {
    /// True labels.
    pub labels: &'a [bool],
    /// Scores of the model under test.
    pub candidate: &'a [f64],
    /// Scores of the model it is held against.
    pub baseline: &'a [f64],
    /// Decision threshold of the model under test.
    pub candidate_threshold: f64,
    /// Decision threshold of the other.
    pub baseline_threshold: f64,
}

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Number of resamples.
    pub resamples: u32,
    /// Confidence of the lower bound alone, and of the upper bound alone, as 0.95.
    pub confidence: f64,
    /// Seed of the draws.
    pub seed: u64,
}

/// Candidate less baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The candidate's metric on all rows.
    pub candidate: f64,
    /// The baseline's metric on all rows.
    pub baseline: f64,
    /// Their difference.
    pub estimate: f64,
    /// One-sided lower bound.
    pub low: f64,
    /// One-sided upper bound.
    pub high: f64,
    /// Resamples in which both metrics were defined.
    pub resamples: u32,
}

/// The difference with its one-sided percentile bounds.
///
/// None when a metric is not defined on the rows, or in more than a tenth of the resamples: then there are too
/// few rows of some kind to say anything.
#[must_use]
pub fn paired_difference(metric: Metric, rows: Paired<'_>, plan: Plan) -> Option<Difference> {
    let n = rows.labels.len();
    if n > ROWS_MAX || rows.candidate.len() != n || rows.baseline.len() != n || !(0.0..1.0).contains(&plan.confidence) {
        return None;
    }
    let a = Prepared::new(metric, rows.labels, rows.candidate, rows.candidate_threshold)?;
    let b = Prepared::new(metric, rows.labels, rows.baseline, rows.baseline_threshold)?;
    let mut scratch = Scratch::default();
    let mut weights = vec![1u32; n];
    let candidate = a.weighted(&weights, &mut scratch)?;
    let baseline = b.weighted(&weights, &mut scratch)?;
    let mut rng = Rng::new(plan.seed);
    let mut differences = Vec::new();
    for _ in 0..plan.resamples {
        weights.fill(0);
        for _ in 0..n {
            if let Some(w) = weights.get_mut(rng.below(n as u64) as usize) {
                *w += 1;
            }
        }
        if let (Some(x), Some(y)) = (a.weighted(&weights, &mut scratch), b.weighted(&weights, &mut scratch)) {
            differences.push(x - y);
        }
    }
    if differences.is_empty() || (differences.len() as u64) * 10 < u64::from(plan.resamples) * 9 {
        return None;
    }
    differences.sort_by(f64::total_cmp);
    Some(Difference {
        candidate,
        baseline,
        estimate: candidate - baseline,
        low: quantile(&differences, 1.0 - plan.confidence, Interpolation::Linear)?,
        high: quantile(&differences, plan.confidence, Interpolation::Linear)?,
        resamples: differences.len() as u32,
    })
}
