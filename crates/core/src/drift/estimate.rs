//! How good a classifier still is, without labels: confidence-based performance estimation (NannyML's CBPE).
//!
//! A calibrated score says how often it is right, so that expected confusion counts follow from scores alone. True as
//! long as the relation of score and label holds: a shift of inputs is seen, a shift of the concept is not.

use serde::{Deserialize, Serialize};

/// A score's chance of being right, fitted on labelled rows by isotonic regression (pool adjacent violators).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Scores at which a step begins, ascending, and the chance from there on.
    steps: Vec<(f64, f64)>,
}

/// Expected performance; a value is none where it is not defined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimated {
    /// Rows.
    pub rows: u64,
    /// Expected share of right decisions.
    pub accuracy: Option<f64>,
    /// Standard error of the accuracy of that many rows, were the estimate exact.
    pub accuracy_error: Option<f64>,
    /// Expected precision.
    pub precision: Option<f64>,
    /// Expected recall.
    pub recall: Option<f64>,
    /// Expected F1.
    pub f1: Option<f64>,
    /// Expected specificity.
    pub specificity: Option<f64>,
    /// Expected area under the ROC curve.
    pub roc_auc: Option<f64>,
}

impl Calibration {
    /// Fits on labelled rows; none when there is none, or a score is NaN.
    #[must_use]
    pub fn fit(scores: &[f64], labels: &[bool]) -> Option<Calibration> {
        let mut rows: Vec<(f64, f64)> = scores.iter().zip(labels).map(|(s, l)| (*s, if *l { 1.0 } else { 0.0 })).collect();
        if rows.is_empty() || scores.len() != labels.len() || rows.iter().any(|r| r.0.is_nan()) {
            return None;
        }
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Blocks of score, sum of labels and rows, whose means rise; equal scores are one block from the start.
        let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
        for (score, label) in rows {
            match blocks.last_mut() {
                Some(last) if last.0 == score => (last.1, last.2) = (last.1 + label, last.2 + 1.0),
                _ => blocks.push((score, label, 1.0)),
            }
        }
        let mut pooled: Vec<(f64, f64, f64)> = Vec::new();
        for block in blocks {
            pooled.push(block);
            while let [.., before, last] = pooled.as_slice() {
                if before.1 / before.2 <= last.1 / last.2 {
                    break;
                }
                let merged = (before.0, before.1 + last.1, before.2 + last.2);
                pooled.truncate(pooled.len() - 2);
                pooled.push(merged);
            }
        }
        Some(Calibration { steps: pooled.into_iter().map(|(score, sum, rows)| (score, sum / rows)).collect() })
    }

    /// The chance that a row of this score is positive.
    #[must_use]
    pub fn chance(&self, score: f64) -> f64 {
        let place = self.steps.partition_point(|s| s.0 <= score);
        self.steps.get(place.saturating_sub(1)).map_or(score, |s| s.1)
    }
}

/// Expected performance of decisions `score >= threshold`, whose chances are `chances`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
pub fn estimate(scores: &[f64], chances: &[f64], threshold: f64) -> Estimated {
    let rows = scores.len().min(chances.len());
    let (mut hits, mut alarms, mut misses, mut passes, mut variance) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (score, p) in scores.iter().zip(chances) {
        if *score >= threshold {
            (hits, alarms) = (hits + p, alarms + 1.0 - p);
        } else {
            (misses, passes) = (misses + p, passes + 1.0 - p);
        }
        variance += p * (1.0 - p);
    }
    let over = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    let n = rows as f64;
    Estimated {
        rows: rows as u64,
        accuracy: over(hits + passes, n),
        accuracy_error: over(libm::sqrt(variance), n),
        precision: over(hits, hits + alarms),
        recall: over(hits, hits + misses),
        f1: over(2.0 * hits, 2.0 * hits + alarms + misses),
        specificity: over(passes, passes + alarms),
        roc_auc: roc_auc(scores, chances),
    }
}

/// Chance that a random expected positive has a higher score than a random expected negative, ties half.
fn roc_auc(scores: &[f64], chances: &[f64]) -> Option<f64> {
    let mut rows: Vec<(f64, f64)> = scores.iter().copied().zip(chances.iter().copied()).collect();
    if rows.iter().any(|r| r.0.is_nan() || r.1.is_nan()) {
        return None;
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut above, mut area) = (0.0, 0.0, 0.0);
    for run in rows.chunk_by(|a, b| a.0 == b.0) {
        let (p, q): (f64, f64) = run.iter().fold((0.0, 0.0), |(p, q), r| (p + r.1, q + 1.0 - r.1));
        area += p * (below + 0.5 * q);
        above += p;
        below += q;
    }
    (above > 0.0 && below > 0.0).then(|| area / (above * below))
}
