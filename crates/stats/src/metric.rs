//! Metrics of binary predictions, plain and with integer weights (as resampling gives).
//!
//! A metric that is not defined for the rows (no positive, an empty set, a score that is not a number) is none,
//! never 0 or NaN.

use serde::{Deserialize, Serialize};

/// The metrics there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Area under the ROC curve; ties count half.
    Auc,
    /// Share of right decisions.
    Accuracy,
    /// Share of positive decisions that are right.
    Precision,
    /// Share of positives that are decided positive.
    Recall,
    /// Harmonic mean of precision and recall.
    F1,
    /// Mean negative log-likelihood; scores are clipped to [1e-15, 1 - 1e-15].
    LogLoss,
    /// Mean squared error of the score.
    Brier,
}

/// Every metric with its name.
const NAMES: [(Metric, &str); 7] = [
    (Metric::Auc, "auc"),
    (Metric::Accuracy, "accuracy"),
    (Metric::Precision, "precision"),
    (Metric::Recall, "recall"),
    (Metric::F1, "f1"),
    (Metric::LogLoss, "log_loss"),
    (Metric::Brier, "brier"),
];

impl Metric {
    /// All metrics, in the order of reports.
    pub fn all() -> impl Iterator<Item = Metric> {
        NAMES.iter().map(|n| n.0)
    }

    /// Its name in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|n| n.0 == self).map_or("", |n| n.1)
    }

    /// By name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Metric> {
        NAMES.iter().find(|n| n.1 == name).map(|n| n.0)
    }

    /// Whether more is better.
    #[must_use]
    pub fn higher_is_better(self) -> bool {
        !matches!(self, Metric::LogLoss | Metric::Brier)
    }

    /// The metric over rows; a row is decided positive when its score is at least `threshold`.
    #[must_use]
    pub fn evaluate(self, labels: &[bool], scores: &[f64], threshold: f64) -> Option<f64> {
        let prepared = Prepared::new(self, labels, scores, threshold)?;
        prepared.weighted(&vec![1; labels.len()], &mut Scratch::default())
    }
}

/// Rows made ready for evaluating one metric many times with different weights.
pub(crate) struct Prepared<'a> {
    metric: Metric,
    labels: &'a [bool],
    /// AUC: rank group of each row, ascending by score. Others: empty.
    group: Vec<u32>,
    groups: usize,
    /// Loss of each row (log loss, Brier).
    loss: Vec<f64>,
    /// Decision of each row.
    decided: Vec<bool>,
}

/// Memory reused between evaluations.
#[derive(Default)]
pub(crate) struct Scratch {
    tally: Vec<(u64, u64)>,
}

impl<'a> Prepared<'a> {
    /// None when rows do not match or a score is not a number.
    pub(crate) fn new(metric: Metric, labels: &'a [bool], scores: &[f64], threshold: f64) -> Option<Prepared<'a>> {
        if labels.len() != scores.len() || labels.is_empty() || scores.iter().any(|s| s.is_nan()) {
            return None;
        }
        let mut prepared = Prepared { metric, labels, group: Vec::new(), groups: 0, loss: Vec::new(), decided: Vec::new() };
        match metric {
            Metric::Auc => (prepared.group, prepared.groups) = rank_groups(scores),
            Metric::LogLoss => prepared.loss = labels.iter().zip(scores).map(|(&y, &p)| log_loss(y, p)).collect(),
            Metric::Brier => prepared.loss = labels.iter().zip(scores).map(|(&y, &p)| brier(y, p)).collect(),
            Metric::Accuracy | Metric::Precision | Metric::Recall | Metric::F1 => {
                prepared.decided = scores.iter().map(|&s| s >= threshold).collect();
            }
        }
        Some(prepared)
    }

    /// The metric when row i counts `weights[i]` times.
    pub(crate) fn weighted(&self, weights: &[u32], scratch: &mut Scratch) -> Option<f64> {
        match self.metric {
            Metric::Auc => self.auc(weights, scratch),
            Metric::LogLoss | Metric::Brier => {
                let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
                let sum: f64 = self.loss.iter().zip(weights).map(|(l, &w)| l * f64::from(w)).sum();
                ratio(sum, total as f64)
            }
            Metric::Accuracy | Metric::Precision | Metric::Recall | Metric::F1 => self.decisions(weights),
        }
    }

    fn auc(&self, weights: &[u32], scratch: &mut Scratch) -> Option<f64> {
        let tally = &mut scratch.tally;
        tally.clear();
        tally.resize(self.groups, (0, 0));
        for ((&group, &label), &w) in self.group.iter().zip(self.labels).zip(weights) {
            if let Some(cell) = tally.get_mut(group as usize) {
                if label {
                    cell.0 += u64::from(w);
                } else {
                    cell.1 += u64::from(w);
                }
            }
        }
        // Twice the number of (positive, negative) pairs in the right order, ties counting one.
        let (mut positives, mut negatives, mut twice) = (0u64, 0u64, 0u128);
        for &(p, n) in tally.iter() {
            twice += u128::from(p) * u128::from(2 * negatives + n);
            positives += p;
            negatives += n;
        }
        ratio(twice as f64, 2.0 * positives as f64 * negatives as f64)
    }

    fn decisions(&self, weights: &[u32]) -> Option<f64> {
        // Indexed by label and decision.
        let mut cells = [0u64; 4];
        for ((&label, &decided), &w) in self.labels.iter().zip(&self.decided).zip(weights) {
            cells[usize::from(label) * 2 + usize::from(decided)] += u64::from(w);
        }
        let [true_negative, false_positive, false_negative, true_positive] = cells.map(|c| c as f64);
        match self.metric {
            Metric::Precision => ratio(true_positive, true_positive + false_positive),
            Metric::Recall => ratio(true_positive, true_positive + false_negative),
            Metric::F1 => ratio(2.0 * true_positive, 2.0 * true_positive + false_positive + false_negative),
            _ => ratio(true_positive + true_negative, true_positive + true_negative + false_positive + false_negative),
        }
    }
}

fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    if denominator > 0.0 { Some(numerator / denominator) } else { None }
}

fn log_loss(label: bool, score: f64) -> f64 {
    let p = score.clamp(1e-15, 1.0 - 1e-15);
    if label { -libm::log(p) } else { -libm::log1p(-p) }
}

fn brier(label: bool, score: f64) -> f64 {
    let d = score - f64::from(u8::from(label));
    d * d
}

/// The rank group of each score, equal scores sharing one, and the number of groups.
fn rank_groups(scores: &[f64]) -> (Vec<u32>, usize) {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    let at = |i: u32| scores.get(i as usize).copied().unwrap_or(0.0);
    order.sort_unstable_by(|&a, &b| at(a).total_cmp(&at(b)));
    let mut group = vec![0u32; scores.len()];
    let mut next = 0u32;
    let mut before: Option<f64> = None;
    for &row in &order {
        if before.is_some_and(|b| b != at(row)) {
            next += 1;
        }
        before = Some(at(row));
        if let Some(g) = group.get_mut(row as usize) {
            *g = next;
        }
    }
    (group, next as usize + 1)
}
