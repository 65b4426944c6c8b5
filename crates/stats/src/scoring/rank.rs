//! Measures of an order: only which score is higher counts, not by how much.

use super::{positives, ranked, runs};
use crate::metric::Metric;

/// Area under the ROC curve, in [0, 1]: the chance that a positive row scores above a negative one, a tie counting half.
///
/// The Mann-Whitney statistic over the number of pairs (Hanley and McNeil, "The meaning and use of the area under a receiver
/// operating characteristic (ROC) curve", Radiology 143, 1982). Pairs are counted in whole numbers, so that the one rounding
/// is that of the quotient; O(n log n). None without a positive and a negative row, for a NaN, for lengths that differ.
#[must_use]
pub fn auc(scores: &[f64], labels: &[bool]) -> Option<f64> {
    Metric::Auc.evaluate(labels, scores, 0.0)
}

/// Average precision, in (0, 1]: the mean, over the positive rows, of the precision among all rows that score at least as high.
///
/// The area under the precision-recall curve by steps, without interpolation; equal scores are one step (scikit-learn's
/// `average_precision_score`). The share of positives is what chance gives. None without a positive row, for a NaN, for
/// lengths that differ.
#[must_use]
pub fn average_precision(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let all = positives(labels);
    if !ranked(scores, labels) || all == 0 {
        return None;
    }
    let (mut seen, mut found, mut sum) = (0usize, 0usize, 0.0);
    for run in runs(scores).iter().rev() {
        let hits = run.iter().filter(|row| labels.get(**row) == Some(&true)).count();
        seen += run.len();
        found += hits;
        sum += hits as f64 * (found as f64 / seen as f64);
    }
    Some(sum / all as f64)
}
