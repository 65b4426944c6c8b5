//! How good scores and probabilities are, held against labels: by rank, by calibration, by what they find for the work they cost.
//!
//! A measure that is not defined for the rows (nothing of a class, a number missing, lengths that differ) is none, never 0 or
//! NaN. Beyond rounding no measure depends on the order of the rows. For one metric by name, with resampling, see [`crate::metric`].

mod difference;
mod effort;
mod interval;
mod probability;
mod rank;

pub use difference::{BrierDifference, brier_difference};
pub use effort::{recall_at, recall_at_effort};
pub use interval::{AucDifference, AucInterval, auc_difference, auc_interval};
pub use probability::{BINS_MAX, ReliabilityBin, brier, expected_calibration_error, log_loss, reliability};
pub use rank::{auc, average_precision};

/// Rows ascending by score.
pub(crate) struct Ascending<'a> {
    scores: &'a [f64],
    order: Vec<usize>,
}

impl<'a> Ascending<'a> {
    pub(crate) fn of(scores: &'a [f64]) -> Ascending<'a> {
        let at = |row: usize| scores.get(row).copied().unwrap_or(0.0);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| at(*a).total_cmp(&at(*b)));
        Ascending { scores, order }
    }

    /// One run of equal scores after another: the score and the places of its rows.
    pub(crate) fn runs(&self) -> impl DoubleEndedIterator<Item = (f64, &[usize])> {
        let at = |row: usize| self.scores.get(row).copied().unwrap_or(0.0);
        // By value and not by bits: zero has two.
        let runs = self.order.chunk_by(move |a, b| at(*a) == at(*b));
        runs.map(move |run| (run.first().map_or(0.0, |row| at(*row)), run))
    }
}

/// Whether there is a label for each score, at least one, and every score can be ranked.
fn ranked(scores: &[f64], labels: &[bool]) -> bool {
    !scores.is_empty() && scores.len() == labels.len() && !scores.iter().any(|s| s.is_nan())
}

/// How many of the rows are positive.
fn positives(labels: &[bool]) -> usize {
    labels.iter().filter(|label| **label).count()
}
