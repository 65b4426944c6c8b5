//! Where to draw the line between rows that are let through and rows that are held, by what mistakes cost.
//!
//! A row is held when its score is at least the threshold. Thresholds come from labelled rows that the scores were not learned
//! from; on the rows of training every model looks cheap.

use crate::scoring::Ascending;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What mistakes cost, both in one unit (money, hours).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// Of a negative row that is held.
    pub held_negative: f64,
    /// Of a positive row that is let through.
    pub passed_positive: f64,
}

impl Costs {
    /// Whether both are finite, not negative, and one is above 0.
    #[must_use]
    pub fn usable(&self) -> bool {
        let finite = |cost: f64| cost.is_finite() && cost >= 0.0;
        finite(self.held_negative) && finite(self.passed_positive) && self.held_negative + self.passed_positive > 0.0
    }

    /// The threshold of least expected cost for probabilities that are calibrated: held_negative / (held_negative +
    /// passed_positive) (Elkan, "The foundations of cost-sensitive learning", IJCAI 2001). None for costs that are not usable.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        // Halved, so that the sum of large ones is finite.
        let (held, passed) = (0.5 * self.held_negative, 0.5 * self.passed_positive);
        self.usable().then(|| held / (held + passed))
    }
}

/// What a threshold costs on the rows at hand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostPoint {
    /// Rows with at least this score are held; none: no row is.
    pub threshold: Option<f64>,
    /// Negative rows that are held.
    pub held_negatives: usize,
    /// Positive rows that are let through.
    pub passed_positives: usize,
    /// Cost a row, in the unit of the costs.
    pub mean_cost: f64,
}

/// The cost of every threshold that decides differently, ascending: first all rows are held, last none.
///
/// None without rows, for a NaN, for lengths that differ, for costs that are not usable.
#[must_use]
pub fn cost_curve(scores: &[f64], labels: &[bool], costs: Costs) -> Option<Vec<CostPoint>> {
    if scores.is_empty() || scores.len() != labels.len() || scores.iter().any(|s| s.is_nan()) || !costs.usable() {
        return None;
    }
    let n = scores.len() as f64;
    let positives = labels.iter().filter(|label| **label).count();
    let (mut held_negatives, mut passed_positives) = (labels.len() - positives, 0usize);
    let mut curve = Vec::new();
    let point = |threshold: Option<f64>, held_negatives: usize, passed_positives: usize| {
        let cost = (held_negatives as f64 / n) * costs.held_negative + (passed_positives as f64 / n) * costs.passed_positive;
        CostPoint { threshold, held_negatives, passed_positives, mean_cost: cost }
    };
    for (score, run) in Ascending::of(scores).runs() {
        curve.push(point(Some(score), held_negatives, passed_positives));
        let hits = run.iter().filter(|row| labels.get(**row) == Some(&true)).count();
        passed_positives += hits;
        held_negatives -= run.len() - hits;
    }
    curve.push(point(None, held_negatives, passed_positives));
    Some(curve)
}

/// The threshold of least cost beside doing without a score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostChoice {
    /// The cheapest point; of equally cheap ones the lowest threshold, which holds most.
    pub best: CostPoint,
    /// Cost a row where every row is held.
    pub hold_all: f64,
    /// Cost a row where every row is let through.
    pub pass_all: f64,
    /// Rows it was chosen on.
    pub rows: usize,
    /// Positive rows among them.
    pub positives: usize,
}

/// The threshold of least mean cost on the rows. None where [`cost_curve`] is, and where a class is empty: then the cheapest
/// threshold would only say which class that is.
#[must_use]
pub fn least_cost(scores: &[f64], labels: &[bool], costs: Costs) -> Option<CostChoice> {
    let positives = labels.iter().filter(|label| **label).count();
    if positives == 0 || positives == labels.len() {
        return None;
    }
    let curve = cost_curve(scores, labels, costs)?;
    let (first, last) = (curve.first()?, curve.last()?);
    let best = curve.iter().fold(*first, |best, point| if point.mean_cost < best.mean_cost { *point } else { best });
    Some(CostChoice { best, hold_all: first.mean_cost, pass_all: last.mean_cost, rows: labels.len(), positives })
}

/// The threshold of least cost of each group that has costs, by its own rows and costs; a group inside is none where its rows
/// do not tell (see [`least_cost`]). Rows of groups without costs are left out.
///
/// None for columns of different lengths.
#[must_use]
pub fn least_cost_by_group(
    scores: &[f64],
    labels: &[bool],
    groups: &[usize],
    costs: &BTreeMap<usize, Costs>,
) -> Option<BTreeMap<usize, Option<CostChoice>>> {
    if scores.len() != labels.len() || scores.len() != groups.len() {
        return None;
    }
    let mut parts: BTreeMap<usize, (Vec<f64>, Vec<bool>)> = BTreeMap::new();
    for ((score, label), group) in scores.iter().zip(labels).zip(groups) {
        let part = parts.entry(*group).or_default();
        part.0.push(*score);
        part.1.push(*label);
    }
    let choice = |group: &usize, costs: &Costs| parts.get(group).and_then(|(scores, labels)| least_cost(scores, labels, *costs));
    Some(costs.iter().map(|(group, costs)| (*group, choice(group, costs))).collect())
}
