//! What is found when only the highest scores are looked into.
//!
//! One rule for ties and for the row at the edge, so that no answer depends on the order of the rows: rows of equal score are
//! one run; a run that fits into what is left counts whole; of the run that crosses the edge counts the part that fits, its
//! positives taken to be spread evenly over it. For a run of rows this is the expected number over all orders of the tie.

use super::{positives, ranked, runs};

/// Recall at a share of all rows, in [0, 1]: of the positive rows, the share among the `share` of rows with the highest scores.
///
/// With 956.4 rows to look into, the row at place 957 counts four tenths. Ties: see the module. None without a positive row, for
/// a share outside [0, 1], for a NaN, for lengths that differ.
#[must_use]
pub fn recall_at(scores: &[f64], labels: &[bool], share: f64) -> Option<f64> {
    recall_at_effort(scores, labels, &vec![1.0; labels.len()], share)
}

/// Recall at a share of all effort, in [0, 1]: rows are looked into from the highest score down until `share` of the sum of
/// `efforts` is spent (Kamei et al., "A large-scale empirical study of just-in-time quality assurance", IEEE TSE 39, 2013,
/// where effort is lines added and deleted and the share is .2).
///
/// The order is that of `scores` alone: to rank by density, give probability over effort. The row at the edge counts by the
/// part of its effort that is left; rows without effort cost nothing. None where [`recall_at`] is, for an effort that is
/// negative or not finite, and where all efforts are 0.
#[must_use]
pub fn recall_at_effort(scores: &[f64], labels: &[bool], efforts: &[f64], share: f64) -> Option<f64> {
    let all = positives(labels);
    let measured = efforts.len() == labels.len() && efforts.iter().all(|e| e.is_finite() && *e >= 0.0);
    if !ranked(scores, labels) || all == 0 || !measured || !(0.0..=1.0).contains(&share) {
        return None;
    }
    let groups: Vec<(f64, usize)> = runs(scores).iter().rev().map(|run| spent(run, labels, efforts)).collect();
    let total: f64 = groups.iter().map(|group| group.0).sum();
    if total <= 0.0 || !total.is_finite() {
        return None;
    }
    let (mut left, mut found) = (share * total, 0.0);
    for (effort, hits) in groups {
        if effort > left {
            found += hits as f64 * (left.max(0.0) / effort);
            break;
        }
        left -= effort;
        found += hits as f64;
    }
    // What rounding left over at a share of 1 finds nothing more.
    Some(if share == 1.0 { 1.0 } else { (found / all as f64).min(1.0) })
}

/// Effort and positives of a run, the sum ascending so that it does not depend on the order of the rows.
fn spent(run: &[usize], labels: &[bool], efforts: &[f64]) -> (f64, usize) {
    let mut each: Vec<f64> = run.iter().filter_map(|row| efforts.get(*row).copied()).collect();
    each.sort_by(f64::total_cmp);
    (each.iter().sum(), run.iter().filter(|row| labels.get(**row) == Some(&true)).count())
}
