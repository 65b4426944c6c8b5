//! AIF360's measures: one group against another, with a sign.

use super::counts::GroupCounts;
use super::interval::{Estimate, quotient, sum};
use serde::{Deserialize, Serialize};

/// AIF360's measures under AIF360's names: unprivileged less privileged group, or over it. None where a rate has no row, or the
/// privileged group's selection rate is 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Directed {
    /// Selection rate over selection rate: directed, so it can be above 1. Even is 1.
    pub disparate_impact: Option<Estimate>,
    /// Selection rate less selection rate, in [-1, 1].
    pub statistical_parity_difference: Option<Estimate>,
    /// Half the sum of the differences of false and of true positive rates, in [-1, 1].
    pub average_odds_difference: Option<Estimate>,
    /// True positive rate less true positive rate, in [-1, 1].
    pub equal_opportunity_difference: Option<Estimate>,
}

/// The measures of two groups that share no row, with intervals of the given confidence (as .95), as `BinaryLabelDatasetMetric`
/// and `ClassificationMetric` of AIF360 define them (Bellamy et al., "AI Fairness 360", IBM Journal of Research and Development 63,
/// 2019).
#[must_use]
pub fn directed(unprivileged: &GroupCounts, privileged: &GroupCounts, confidence: f64) -> Directed {
    let (u, p) = (unprivileged, privileged);
    let selection = (u.selection_rate(confidence), p.selection_rate(confidence));
    let hits = (u.true_positive_rate(confidence), p.true_positive_rate(confidence));
    let alarms = (u.false_positive_rate(confidence), p.false_positive_rate(confidence));
    Directed {
        disparate_impact: quotient(selection.0, selection.1),
        statistical_parity_difference: sum(&[(1.0, selection.0), (-1.0, selection.1)]),
        average_odds_difference: sum(&[(0.5, alarms.0), (-0.5, alarms.1), (0.5, hits.0), (-0.5, hits.1)]),
        equal_opportunity_difference: sum(&[(1.0, hits.0), (-1.0, hits.1)]),
    }
}
