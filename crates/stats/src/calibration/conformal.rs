//! Conformal prediction: sets of labels that hold the true one as often as is said, for rows like those calibrated on.
//!
//! The promise is about rows on average and rests on exchangeability; where the law moves it is broken, which
//! [`coverage`] shows and [`AdaptiveLevel`] follows.

use super::{Unfit, usable_probabilities};
use crate::confidence::clopper_pearson;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rounding of (n + 1)(1 - alpha) that does not count as one more row.
const ROUNDING: f64 = 1e-9;

/// Which labels are not ruled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelSet {
    /// Neither: the row is like none of those calibrated on.
    Neither,
    /// Only the negative one.
    Negative,
    /// Only the positive one.
    Positive,
    /// Both: it cannot be told.
    Both,
}

impl LabelSet {
    /// Whether a label is in the set.
    #[must_use]
    pub fn holds(self, label: bool) -> bool {
        match self {
            LabelSet::Neither => false,
            LabelSet::Negative => !label,
            LabelSet::Positive => label,
            LabelSet::Both => true,
        }
    }

    /// How many labels are in the set.
    #[must_use]
    pub fn size(self) -> usize {
        usize::from(self.holds(false)) + usize::from(self.holds(true))
    }
}

/// How far a label's probability may be from 1 for the label to stay in the set; none keeps it always, for want of rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Of the negative label.
    pub negative: Option<f64>,
    /// Of the positive label.
    pub positive: Option<f64>,
}

impl Thresholds {
    /// The labels not ruled out at a probability of the positive label. NaN rules out nothing.
    #[must_use]
    pub fn labels(&self, probability: f64) -> LabelSet {
        let inside = |threshold: Option<f64>, strangeness: f64| threshold.is_none_or(|t| strangeness.is_nan() || strangeness <= t);
        match (inside(self.negative, probability), inside(self.positive, 1.0 - probability)) {
            (false, false) => LabelSet::Neither,
            (true, false) => LabelSet::Negative,
            (false, true) => LabelSet::Positive,
            (true, true) => LabelSet::Both,
        }
    }
}

/// What a conformal predictor learned: how strange the true label of each row was, which is 1 less its probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conformal {
    /// Of the negative rows, ascending.
    negative: Vec<f64>,
    /// Of the positive rows, ascending.
    positive: Vec<f64>,
}

impl Conformal {
    /// From probabilities of rows that the model did not learn from.
    ///
    /// # Errors
    /// [`Unfit::Empty`], [`Unfit::Lengths`], [`Unfit::Number`] (a probability outside [0, 1]), [`Unfit::OneClass`].
    pub fn fit(probabilities: &[f64], labels: &[bool]) -> Result<Conformal, Unfit> {
        usable_probabilities(probabilities, labels)?;
        let of = |class: bool| {
            let rows = probabilities.iter().zip(labels).filter(|(_, label)| **label == class);
            let mut column: Vec<f64> = rows.map(|(p, _)| if class { 1.0 - p } else { *p }).collect();
            column.sort_by(f64::total_cmp);
            column
        };
        Ok(Conformal { negative: of(false), positive: of(true) })
    }

    /// One threshold for both labels: the ⌈(n + 1)(1 - alpha)⌉-th smallest strangeness of all rows (Papadopoulos et al.,
    /// "Inductive confidence machines for regression", ECML 2002; Lei et al., JASA 113, 2018).
    ///
    /// The set holds the true label with a chance of at least 1 - alpha, over both labels together: the rarer one may be
    /// missed more often. None for an alpha outside [0, 1].
    #[must_use]
    pub fn split(&self, alpha: f64) -> Option<Thresholds> {
        let mut all = [self.negative.as_slice(), self.positive.as_slice()].concat();
        all.sort_by(f64::total_cmp);
        let threshold = quantile(&all, alpha)?;
        Some(Thresholds { negative: threshold, positive: threshold })
    }

    /// A threshold for each label from the rows of that label (Mondrian, or label-conditional, conformal prediction: Vovk,
    /// Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, section 4.5).
    ///
    /// The set holds the true label with a chance of at least 1 - alpha among the rows of each label. None for an alpha
    /// outside [0, 1].
    #[must_use]
    pub fn by_label(&self, alpha: f64) -> Option<Thresholds> {
        Some(Thresholds { negative: quantile(&self.negative, alpha)?, positive: quantile(&self.positive, alpha)? })
    }
}

/// The ⌈(n + 1)(1 - alpha)⌉-th of ascending values; none inside where that is more than there are, and below all of them where
/// it is none of them.
fn quantile(sorted: &[f64], alpha: f64) -> Option<Option<f64>> {
    if !(0.0..=1.0).contains(&alpha) {
        return None;
    }
    let place = libm::ceil((sorted.len() as f64 + 1.0) * (1.0 - alpha) - ROUNDING) as usize;
    // Strangeness is never below 0, so -1 rules every label out.
    Some(place.checked_sub(1).map_or(Some(-1.0), |place| sorted.get(place).copied()))
}

/// How often the sets of a group held the true label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupCoverage {
    /// The group.
    pub group: usize,
    /// Rows.
    pub rows: usize,
    /// Rows whose set held the true label.
    pub covered: usize,
    /// Their share.
    pub share: f64,
    /// Exact two-sided interval of the share (Clopper and Pearson), lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Mean number of labels in a set.
    pub mean_size: f64,
    /// Share of sets of one label, those that say something.
    pub decided_share: f64,
}

/// Coverage of each group, ascending, with an interval of the given confidence (as .95). Groups may be labels, teams, weeks.
///
/// None for columns of different lengths or a confidence outside (0, 1).
#[must_use]
pub fn coverage(sets: &[LabelSet], labels: &[bool], groups: &[usize], confidence: f64) -> Option<Vec<GroupCoverage>> {
    if sets.len() != labels.len() || sets.len() != groups.len() || !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    // Rows, covered rows, labels in sets, sets of one label.
    let mut tallies: BTreeMap<usize, [usize; 4]> = BTreeMap::new();
    for ((set, label), group) in sets.iter().zip(labels).zip(groups) {
        let tally = tallies.entry(*group).or_default();
        let row = [1, usize::from(set.holds(*label)), set.size(), usize::from(set.size() == 1)];
        tally.iter_mut().zip(row).for_each(|(sum, part)| *sum += part);
    }
    let told = tallies.into_iter().map(|(group, [rows, covered, size, decided])| {
        let (low, high) = clopper_pearson(rows as u64, covered as u64, confidence);
        let share = |part: usize| part as f64 / rows as f64;
        GroupCoverage { group, rows, covered, share: share(covered), low, high, mean_size: share(size), decided_share: share(decided) }
    });
    Some(told.collect())
}

/// The level at which sets are asked for, moved after each outcome so that misses come as often as wanted although the law moves
/// (Gibbs and Candès, "Adaptive conformal inference under distribution shift", NeurIPS 2021).
///
/// Whatever the rows are, the share of misses among the first T is within (max(alpha, 1 - alpha) + step) / (step T) of alpha.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptiveLevel {
    alpha: f64,
    step: f64,
    level: f64,
}

impl AdaptiveLevel {
    /// Starts at the wanted share of misses; `step` is how far one outcome moves it, as .005. None unless both are within (0, 1).
    #[must_use]
    pub fn new(alpha: f64, step: f64) -> Option<AdaptiveLevel> {
        let inside = |v: f64| v > 0.0 && v < 1.0;
        (inside(alpha) && inside(step)).then_some(AdaptiveLevel { alpha, step, level: alpha })
    }

    /// The alpha to ask the next sets for, within [0, 1].
    #[must_use]
    pub fn alpha(&self) -> f64 {
        self.level.clamp(0.0, 1.0)
    }

    /// Learns whether a set held the label that came out.
    pub fn observe(&mut self, covered: bool) {
        let missed = f64::from(u8::from(!covered));
        self.level += self.step * (self.alpha - missed);
    }
}
