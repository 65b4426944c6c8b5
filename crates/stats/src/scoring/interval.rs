//! How sure an area under the ROC curve is, and the difference of two on the same rows.
//!
//! DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating characteristic
//! curves", Biometrics 44, 1988; by midranks, in O(n log n), as Sun and Xu, IEEE Signal Processing Letters 21, 2014. No draws,
//! so no seed. Both are laws of large samples: below some tens of rows of the smaller class they are too narrow.

use super::{positives, ranked, runs};
use crate::confidence::clopper_pearson;
use crate::special::normal_quantile;
use crate::tails::normal_tail;
use serde::{Deserialize, Serialize};

/// Fewest rows of each class from which a variance can be had.
const CLASS_ROWS_MIN: usize = 2;

/// An area under the ROC curve with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AucInterval {
    /// The area.
    pub estimate: f64,
    /// Its standard error (DeLong's).
    pub standard_error: f64,
    /// Lower end, at least 0.
    pub low: f64,
    /// Upper end, at most 1.
    pub high: f64,
}

/// The area with a two-sided interval of the given confidence (as .95): the estimate and a multiple of DeLong's error.
///
/// Where that error is 0 (both classes apart, or always tied) it would claim to be sure. Apart, the pairs of one positive and
/// one negative row each are independent trials that all went one way, as many as the smaller class has rows: the interval is
/// then Clopper and Pearson's for them, which never covers less than it says. None with fewer than 2 rows of a class, for a NaN,
/// for lengths that differ, for a confidence outside (0, 1).
#[must_use]
pub fn auc_interval(scores: &[f64], labels: &[bool], confidence: f64) -> Option<AucInterval> {
    let z = two_sided(confidence)?;
    let parts = Placements::new(scores, labels)?;
    let standard_error = libm::sqrt(parts.covariance(&parts));
    let estimate = parts.area;
    let smaller = parts.positive.len().min(parts.negative.len()) as u64;
    let (low, high) = if estimate == 0.0 {
        clopper_pearson(smaller, 0, confidence)
    } else if estimate == 1.0 {
        clopper_pearson(smaller, smaller, confidence)
    } else {
        ((estimate - z * standard_error).max(0.0), (estimate + z * standard_error).min(1.0))
    };
    Some(AucInterval { estimate, standard_error, low, high })
}

/// The difference of two areas on the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AucDifference {
    /// First area less the second.
    pub estimate: f64,
    /// Its standard error, which knows that both are of the same rows.
    pub standard_error: f64,
    /// Lower end of the two-sided interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Two-sided p-value of no difference; 1 where there is none and it does not vary, 0 where there is one that does not vary.
    pub p_value: f64,
}

/// The area of `first` less that of `second` with DeLong's test and interval. None as [`auc_interval`].
#[must_use]
pub fn auc_difference(first: &[f64], second: &[f64], labels: &[bool], confidence: f64) -> Option<AucDifference> {
    let z = two_sided(confidence)?;
    let (a, b) = (Placements::new(first, labels)?, Placements::new(second, labels)?);
    let variance = (a.covariance(&a) + b.covariance(&b) - 2.0 * a.covariance(&b)).max(0.0);
    let standard_error = libm::sqrt(variance);
    let estimate = a.area - b.area;
    let p_value = if standard_error > 0.0 {
        (2.0 * normal_tail(libm::fabs(estimate) / standard_error)).min(1.0)
    } else {
        f64::from(u8::from(estimate == 0.0))
    };
    let (low, high) = ((estimate - z * standard_error).max(-1.0), (estimate + z * standard_error).min(1.0));
    Some(AucDifference { estimate, standard_error, low, high, p_value })
}

fn two_sided(confidence: f64) -> Option<f64> {
    (confidence > 0.0 && confidence < 1.0).then(|| normal_quantile(0.5 + 0.5 * confidence))
}

/// For each row the share of the other class that it beats, in the order of the rows within its class.
struct Placements {
    area: f64,
    positive: Vec<f64>,
    negative: Vec<f64>,
}

impl Placements {
    fn new(scores: &[f64], labels: &[bool]) -> Option<Placements> {
        let all = positives(labels);
        let others = labels.len() - all;
        if !ranked(scores, labels) || all < CLASS_ROWS_MIN || others < CLASS_ROWS_MIN {
            return None;
        }
        let mut placed = vec![0.0; scores.len()];
        let (mut positives_below, mut negatives_below) = (0usize, 0usize);
        for run in runs(scores) {
            let hits = run.iter().filter(|row| labels.get(**row) == Some(&true)).count();
            let misses = run.len() - hits;
            for row in run {
                let share = if labels.get(row) == Some(&true) {
                    (negatives_below as f64 + 0.5 * misses as f64) / others as f64
                } else {
                    ((all - positives_below - hits) as f64 + 0.5 * hits as f64) / all as f64
                };
                if let Some(cell) = placed.get_mut(row) {
                    *cell = share;
                }
            }
            positives_below += hits;
            negatives_below += misses;
        }
        let of = |class: bool| placed.iter().zip(labels).filter(|(_, l)| **l == class).map(|(p, _)| *p).collect();
        Some(Placements { area: super::auc(scores, labels)?, positive: of(true), negative: of(false) })
    }

    /// DeLong's covariance of this area and another of the same rows.
    fn covariance(&self, other: &Placements) -> f64 {
        covariance(&self.positive, &other.positive) / self.positive.len() as f64
            + covariance(&self.negative, &other.negative) / self.negative.len() as f64
    }
}

fn covariance(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    a.iter().zip(b).map(|(x, y)| (x - mean_a) * (y - mean_b)).sum::<f64>() / (n - 1.0)
}
