//! How evenly decisions fall on declared groups: Fairlearn's measures under Fairlearn's names.
//!
//! Not here: what is fair. Small groups are listed and not compared, for their rates are chance.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Groups of fewer rows are not compared unless asked for.
pub const GROUP_ROWS_MIN: u64 = 30;

/// One group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupRates {
    /// Its value.
    pub group: String,
    /// Rows.
    pub count: u64,
    /// Share decided positive.
    pub selection_rate: Option<f64>,
    /// Share of the positives that were decided positive.
    pub true_positive_rate: Option<f64>,
    /// Share of the negatives that were decided positive.
    pub false_positive_rate: Option<f64>,
    /// Whether it has rows enough to be compared.
    pub judged: bool,
}

/// All groups. A measure is none where a compared group lacks the rate, or fewer than two groups were compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fairness {
    /// The groups.
    pub groups: Vec<GroupRates>,
    /// Largest minus smallest selection rate.
    pub demographic_parity_difference: Option<f64>,
    /// Smallest over largest selection rate.
    pub demographic_parity_ratio: Option<f64>,
    /// Largest minus smallest true positive rate.
    pub equal_opportunity_difference: Option<f64>,
    /// Smallest over largest true positive rate.
    pub equal_opportunity_ratio: Option<f64>,
    /// The larger of the differences of true and of false positive rates.
    pub equalized_odds_difference: Option<f64>,
    /// The smaller of the ratios of true and of false positive rates.
    pub equalized_odds_ratio: Option<f64>,
}

#[derive(Default)]
struct Counts {
    rows: u64,
    chosen: u64,
    positives: (u64, u64),
    negatives: (u64, u64),
}

/// Rates by group; without labels only those that need none.
#[must_use]
pub fn fairness(groups: &[String], labels: Option<&[bool]>, decisions: &[bool], rows_min: u64) -> Fairness {
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    for (row, (group, decision)) in groups.iter().zip(decisions).enumerate() {
        let count = counts.entry(group).or_default();
        count.rows += 1;
        count.chosen += u64::from(*decision);
        if let Some(label) = labels.and_then(|l| l.get(row)) {
            let of = if *label { &mut count.positives } else { &mut count.negatives };
            of.0 += 1;
            of.1 += u64::from(*decision);
        }
    }
    let rates: Vec<GroupRates> = counts.iter().map(|(group, count)| rates(group, count, rows_min)).collect();
    let of = |pick: fn(&GroupRates) -> Option<f64>| extremes(&rates, pick);
    let (chosen, hits, alarms) = (of(|g| g.selection_rate), of(|g| g.true_positive_rate), of(|g| g.false_positive_rate));
    let gap = |e: Option<(f64, f64)>| e.map(|(low, high)| high - low);
    let ratio = |e: Option<(f64, f64)>| e.filter(|(_, high)| *high > 0.0).map(|(low, high)| low / high);
    let both = |a: Option<f64>, b: Option<f64>, f: fn(f64, f64) -> f64| Some(f(a?, b?));
    Fairness {
        demographic_parity_difference: gap(chosen),
        demographic_parity_ratio: ratio(chosen),
        equal_opportunity_difference: gap(hits),
        equal_opportunity_ratio: ratio(hits),
        equalized_odds_difference: both(gap(hits), gap(alarms), f64::max),
        equalized_odds_ratio: both(ratio(hits), ratio(alarms), f64::min),
        groups: rates,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn rates(group: &str, count: &Counts, rows_min: u64) -> GroupRates {
    let share = |(all, part): (u64, u64)| (all > 0).then(|| part as f64 / all as f64);
    GroupRates {
        group: group.to_owned(),
        count: count.rows,
        selection_rate: share((count.rows, count.chosen)),
        true_positive_rate: share(count.positives),
        false_positive_rate: share(count.negatives),
        judged: count.rows >= rows_min,
    }
}

fn extremes(rates: &[GroupRates], pick: fn(&GroupRates) -> Option<f64>) -> Option<(f64, f64)> {
    let judged: Vec<f64> = rates.iter().filter(|g| g.judged).map(pick).collect::<Option<_>>()?;
    let (low, high) = (judged.iter().copied().reduce(f64::min)?, judged.iter().copied().reduce(f64::max)?);
    (judged.len() > 1).then_some((low, high))
}
