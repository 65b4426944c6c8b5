//! Measures of probabilities: how far they are from what happens.

use super::{positives, ranked};
use crate::metric::Metric;
use serde::{Deserialize, Serialize};

/// Most bins of a reliability diagram.
pub const BINS_MAX: usize = 10_000;

/// Whether every probability is within [0, 1] and has a label.
pub(super) fn proper(probabilities: &[f64], labels: &[bool]) -> bool {
    ranked(probabilities, labels) && probabilities.iter().all(|p| (0.0..=1.0).contains(p))
}

/// Mean squared difference of probability and outcome (0 or 1), in [0, 1]; lower is better (Brier 1950).
///
/// None without rows, for a probability outside [0, 1], for lengths that differ.
#[must_use]
pub fn brier(probabilities: &[f64], labels: &[bool]) -> Option<f64> {
    proper(probabilities, labels).then(|| Metric::Brier.evaluate(labels, probabilities, 0.5))?
}

/// Mean negative log-likelihood, in nats; lower is better. Probabilities are clipped to [1e-15, 1 - 1e-15], so that one sure
/// mistake costs 34.5 and not infinity.
///
/// None without rows, for a probability outside [0, 1], for lengths that differ.
#[must_use]
pub fn log_loss(probabilities: &[f64], labels: &[bool]) -> Option<f64> {
    proper(probabilities, labels).then(|| Metric::LogLoss.evaluate(labels, probabilities, 0.5))?
}

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower end, which belongs to the bin.
    pub low: f64,
    /// Upper end, which belongs to the next bin; to this one where it is 1.
    pub high: f64,
    /// Rows in the bin.
    pub rows: usize,
    /// Positive rows in the bin.
    pub positives: usize,
    /// Mean probability of the rows; none without rows.
    pub mean_probability: Option<f64>,
    /// Share of positive rows; none without rows.
    pub positive_share: Option<f64>,
}

/// The reliability diagram with `bins` bins of equal width over [0, 1], empty ones included.
///
/// None without rows, for a probability outside [0, 1], for lengths that differ, for no bin or more than [`BINS_MAX`].
#[must_use]
pub fn reliability(probabilities: &[f64], labels: &[bool], bins: usize) -> Option<Vec<ReliabilityBin>> {
    if !proper(probabilities, labels) || bins == 0 || bins > BINS_MAX {
        return None;
    }
    let width = bins as f64;
    let mut members: Vec<(Vec<f64>, usize)> = vec![(Vec::new(), 0); bins];
    for (p, label) in probabilities.iter().zip(labels) {
        let bin = (libm::floor(p * width) as usize).min(bins - 1);
        if let Some((inside, hits)) = members.get_mut(bin) {
            inside.push(*p);
            *hits += usize::from(*label);
        }
    }
    let made = members.into_iter().enumerate().map(|(bin, (mut inside, hits))| {
        // Ascending, so that the sum does not depend on the order of the rows.
        inside.sort_by(f64::total_cmp);
        let rows = inside.len();
        let share = |sum: f64| (rows > 0).then(|| sum / rows as f64);
        ReliabilityBin {
            low: bin as f64 / width,
            high: (bin + 1) as f64 / width,
            rows,
            positives: hits,
            mean_probability: share(inside.iter().sum()),
            positive_share: share(hits as f64),
        }
    });
    Some(made.collect())
}

/// Expected calibration error, in [0, 1]: over bins of equal width, the mean distance of mean probability and share of
/// positives, each bin counting by its rows (Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using
/// Bayesian binning", AAAI 2015).
///
/// It depends on the number of bins, which therefore belongs to the figure; with few rows a bin it is above 0 for perfect
/// probabilities too. None where [`reliability`] is, and where a class is empty: then nothing can be told about calibration.
#[must_use]
pub fn expected_calibration_error(probabilities: &[f64], labels: &[bool], bins: usize) -> Option<f64> {
    let all = positives(labels);
    if all == 0 || all == labels.len() {
        return None;
    }
    let bins = reliability(probabilities, labels, bins)?;
    let gap = |bin: &ReliabilityBin| Some(bin.rows as f64 * libm::fabs(bin.mean_probability? - bin.positive_share?));
    Some(bins.iter().filter_map(gap).sum::<f64>() / labels.len() as f64)
}
