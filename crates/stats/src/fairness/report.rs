//! Every group with its rows, rates and how well the scores fit in it.

use super::counts::{GroupCounts, Share, tally};
use crate::scoring::{auc, expected_calibration_error};
use serde::{Deserialize, Serialize};

/// The rows of a report; columns of one length.
#[derive(Clone, Copy, Debug)]
pub struct ReportRows<'a> {
    /// Probabilities of the positive label.
    pub probabilities: &'a [f64],
    /// Decisions.
    pub decisions: &'a [bool],
    /// Labels.
    pub labels: &'a [bool],
    /// Groups.
    pub groups: &'a [usize],
}

/// A group. A figure is none where the group's rows do not define it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupReport {
    /// What was counted.
    pub counts: GroupCounts,
    /// Share of rows decided positive.
    pub selection_rate: Share,
    /// Share of positive rows decided positive.
    pub true_positive_rate: Share,
    /// Share of negative rows decided positive.
    pub false_positive_rate: Share,
    /// Share of rows with a positive label.
    pub base_rate: Share,
    /// Mean probability.
    pub mean_probability: Option<f64>,
    /// Mean probability less base rate: above 0 the group is told more risk than it has.
    pub calibration_in_the_large: Option<f64>,
    /// Expected calibration error within the group.
    pub calibration_error: Option<f64>,
    /// Area under the ROC curve within the group.
    pub auc: Option<f64>,
}

/// A report of each group, ascending: calibration error over `bins` bins, intervals of the given confidence (as .95).
///
/// None for columns of different lengths, a probability outside [0, 1], a confidence outside (0, 1), no bin.
#[must_use]
pub fn group_reports(rows: ReportRows<'_>, bins: usize, confidence: f64) -> Option<Vec<GroupReport>> {
    let proper = rows.probabilities.iter().all(|p| (0.0..=1.0).contains(p));
    if !proper || rows.probabilities.len() != rows.labels.len() || !(confidence > 0.0 && confidence < 1.0) || bins == 0 {
        return None;
    }
    let counts = tally(rows.decisions, rows.labels, rows.groups)?;
    let report = |counts: GroupCounts| {
        let columns = rows.probabilities.iter().zip(rows.labels).zip(rows.groups);
        let (p, y): (Vec<f64>, Vec<bool>) = columns.filter(|(_, group)| **group == counts.group).map(|((p, y), _)| (*p, *y)).unzip();
        let mean_probability = (!p.is_empty()).then(|| p.iter().sum::<f64>() / p.len() as f64);
        let base_rate = counts.base_rate(confidence);
        GroupReport {
            counts,
            selection_rate: counts.selection_rate(confidence),
            true_positive_rate: counts.true_positive_rate(confidence),
            false_positive_rate: counts.false_positive_rate(confidence),
            base_rate,
            mean_probability,
            calibration_in_the_large: mean_probability.zip(base_rate.estimate).map(|(mean, base)| mean - base),
            calibration_error: expected_calibration_error(&p, &y, bins),
            auc: auc(&p, &y),
        }
    };
    Some(counts.into_iter().map(report).collect())
}
