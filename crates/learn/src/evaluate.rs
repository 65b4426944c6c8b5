//! How good scores are on rows that came later: one report, of the same figures for every model and every baseline.

use crate::Table;
use serde::Serialize;
use tidegate_stats::calibration::{GroupCoverage, Thresholds, coverage};
use tidegate_stats::scoring::{self, AucInterval};

/// Bins of equal width of the calibration error.
pub const BINS: usize = 10;
/// How sure intervals are.
pub const CONFIDENCE: f64 = 0.95;
/// Shares at which recall is told.
pub const SHARES: [f64; 4] = [0.05, 0.1, 0.2, 0.5];
/// Least effort that a risk is divided by.
const EFFORT_LEAST: f64 = 1.0;

/// What scores say of rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// How many rows.
    pub rows: usize,
    /// Share that hurt.
    pub base_rate: f64,
    /// Area under the ROC curve, with its interval.
    pub auc: Option<AucInterval>,
    /// Area under the curve of precision over recall.
    pub average_precision: Option<f64>,
    /// Of probabilities alone.
    pub brier: Option<f64>,
    /// Of probabilities alone, over [`BINS`].
    pub calibration_error: Option<f64>,
    /// Recall among the riskiest share of rows, for each of [`SHARES`].
    pub recall_of_changes: [Option<f64>; 4],
    /// Recall within a share of the effort, riskiest first.
    pub recall_of_effort: [Option<f64>; 4],
    /// Recall within a share of the effort, most risk a line first. Small changes come first there, which flatters.
    pub recall_of_effort_by_density: [Option<f64>; 4],
}

/// Judges scores of the rows of a table; `probabilities` says whether they are ones.
#[must_use]
pub fn report(table: &Table, scores: &[f64], probabilities: bool) -> Report {
    let (labels, effort) = (table.labels(), table.effort());
    let density: Vec<f64> = scores.iter().zip(effort).map(|(score, effort)| score / effort.max(EFFORT_LEAST)).collect();
    Report {
        rows: table.len(),
        base_rate: table.base_rate().unwrap_or(f64::NAN),
        auc: scoring::auc_interval(scores, labels, CONFIDENCE),
        average_precision: scoring::average_precision(scores, labels),
        brier: probabilities.then(|| scoring::brier(scores, labels)).flatten(),
        calibration_error: probabilities.then(|| scoring::expected_calibration_error(scores, labels, BINS)).flatten(),
        recall_of_changes: SHARES.map(|share| scoring::recall_at(scores, labels, share)),
        recall_of_effort: SHARES.map(|share| scoring::recall_at_effort(scores, labels, effort, share)),
        recall_of_effort_by_density: SHARES.map(|share| scoring::recall_at_effort(&density, labels, effort, share)),
    }
}

/// How often label sets held the truth, over blocks of as many rows in the order of time; a last block that is shorter is joined
/// to the one before it.
#[must_use]
pub fn blocks(table: &Table, probabilities: &[f64], thresholds: &Thresholds, block_rows: usize) -> Vec<GroupCoverage> {
    let sets: Vec<_> = probabilities.iter().map(|probability| thresholds.labels(*probability)).collect();
    let count = (table.len() / block_rows.max(1)).max(1);
    let groups: Vec<usize> = (0..table.len()).map(|row| (row / block_rows.max(1)).min(count - 1)).collect();
    coverage(&sets, table.labels(), &groups, CONFIDENCE).unwrap_or_default()
}
