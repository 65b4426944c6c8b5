//! Fairlearn's measures, exactly as version 0.15 computes them.

use super::counts::{GroupCounts, pooled, ratio};
use serde::{Deserialize, Serialize};

/// What the rate of a group is held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The other groups: largest against smallest.
    #[default]
    BetweenGroups,
    /// All rows together: the group that is furthest from them.
    ToOverall,
}

/// How one figure is made of that of true positives and that of false positives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// The worse of both.
    #[default]
    WorstCase,
    /// Their mean.
    Mean,
}

/// Fairlearn's measures under Fairlearn's names. A difference is in [0, 1], 0 is even; a ratio is in [0, 1], 1 is even.
///
/// None stands where Fairlearn gives NaN: all groups have a rate of 0, so that a ratio is 0 over 0. Three things of Fairlearn's
/// are kept and want knowing: a group without positives counts as one with a true positive rate of 0 (and without negatives, a
/// false positive rate of 0); the worst case of two ratios of which that of true positives is none is none, while of which that
/// of false positives is none it is the other; their mean leaves out what is none. Look at the rows beside the figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parity {
    /// Of selection rates, the difference.
    pub demographic_parity_difference: Option<f64>,
    /// Of selection rates, the ratio.
    pub demographic_parity_ratio: Option<f64>,
    /// Of true and of false positive rates, the larger difference, or the mean.
    pub equalized_odds_difference: Option<f64>,
    /// Of true and of false positive rates, the smaller ratio, or the mean.
    pub equalized_odds_ratio: Option<f64>,
    /// Of true positive rates, the difference.
    pub equal_opportunity_difference: Option<f64>,
    /// Of true positive rates, the ratio.
    pub equal_opportunity_ratio: Option<f64>,
}

/// The measures over groups; all none without a row.
///
/// Sources: the functions of those names in `fairlearn.metrics`; Hardt, Price and Srebro, "Equality of opportunity in supervised
/// learning", NeurIPS 2016, for odds and opportunity.
#[must_use]
pub fn parity(groups: &[GroupCounts], method: Method, aggregate: Aggregate) -> Parity {
    let all = pooled(groups);
    let spread = |rate: fn(&GroupCounts) -> Option<f64>| {
        // A rate over no row is 0: so does the confusion matrix that Fairlearn reads.
        let rates: Vec<f64> = groups.iter().filter(|g| g.rows > 0).map(|g| rate(g).unwrap_or(0.0)).collect();
        Spread::of(&rates, rate(&all).unwrap_or(0.0), method)
    };
    let selection = spread(|g| ratio(g.selected, g.rows));
    let hits = spread(|g| ratio(g.selected_positives, g.positives));
    let alarms = spread(|g| ratio(g.selected_negatives(), g.negatives()));
    let both = |hits: Option<f64>, alarms: Option<f64>, worse: fn(f64, f64) -> f64| match aggregate {
        Aggregate::WorstCase => Some(alarms.map_or(hits?, |alarms| worse(hits.unwrap_or(alarms), alarms))).filter(|_| hits.is_some()),
        Aggregate::Mean => match (hits, alarms) {
            (Some(hits), Some(alarms)) => Some((hits + alarms) / 2.0),
            (one, other) => one.or(other),
        },
    };
    Parity {
        demographic_parity_difference: selection.difference,
        demographic_parity_ratio: selection.ratio,
        equalized_odds_difference: both(hits.difference, alarms.difference, f64::max),
        equalized_odds_ratio: both(hits.ratio, alarms.ratio, f64::min),
        equal_opportunity_difference: hits.difference,
        equal_opportunity_ratio: hits.ratio,
    }
}

/// How far a rate is apart over groups.
struct Spread {
    difference: Option<f64>,
    ratio: Option<f64>,
}

impl Spread {
    fn of(rates: &[f64], overall: f64, method: Method) -> Spread {
        let (Some(low), Some(high)) = (rates.iter().copied().reduce(f64::min), rates.iter().copied().reduce(f64::max)) else {
            return Spread { difference: None, ratio: None };
        };
        match method {
            Method::BetweenGroups => Spread { difference: Some(high - low), ratio: (high > 0.0).then(|| low / high) },
            Method::ToOverall => {
                let below_one = |r: f64| if r > 1.0 { 1.0 / r } else { r };
                // A rate above 0 where all rows together have 0 cannot be: every group's rows are among them.
                let ratio = (overall > 0.0).then(|| rates.iter().map(|r| below_one(r / overall)).fold(1.0, f64::min));
                let difference = rates.iter().map(|r| libm::fabs(r - overall)).fold(0.0, f64::max);
                Spread { difference: Some(difference), ratio }
            }
        }
    }
}
