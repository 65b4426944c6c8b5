//! The measures within strata beside the pooled ones: what looks uneven over all rows may be even in each stratum, or turned
//! round (Simpson, "The interpretation of interaction in contingency tables", JRSS B 13, 1951).

use super::counts::{GroupCounts, ratio, tally};
use super::parity::{Aggregate, Method, Parity, parity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The rows; columns of one length.
#[derive(Clone, Copy, Debug)]
pub struct StratifiedRows<'a> {
    /// Decisions.
    pub decisions: &'a [bool],
    /// Labels.
    pub labels: &'a [bool],
    /// Groups, as teams.
    pub groups: &'a [usize],
    /// Strata, as kinds of change: what groups may differ in for a reason.
    pub strata: &'a [usize],
}

/// A stratum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stratum {
    /// The stratum.
    pub stratum: usize,
    /// What was counted, by group.
    pub groups: Vec<GroupCounts>,
    /// The measures over its groups.
    pub parity: Parity,
    /// Selection rate of the first group of the pair less that of the second; none where one has no row here.
    pub difference: Option<f64>,
}

/// Pooled and stratified, side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stratified {
    /// The measures over all rows.
    pub pooled: Parity,
    /// Selection rate of the first group of the pair less that of the second, over all rows.
    pub pooled_difference: Option<f64>,
    /// Each stratum, ascending.
    pub strata: Vec<Stratum>,
    /// The difference that the strata have in common, each counting by rows₁ rows₂ / (rows₁ + rows₂) (Mantel and Haenszel's
    /// weights: Greenland and Robins, Biometrics 41, 1985); none where no stratum has both groups.
    pub common_difference: Option<f64>,
    /// Whether the pooled difference and the common one have opposite signs: the pooled one misleads.
    pub reversed: bool,
}

/// Decisions, labels and groups of a stratum.
type Columns = (Vec<bool>, Vec<bool>, Vec<usize>);

/// The measures within strata and over all rows; differences are of the `pair` of groups.
///
/// None for columns of different lengths.
#[must_use]
pub fn stratified(rows: StratifiedRows<'_>, pair: (usize, usize), method: Method, aggregate: Aggregate) -> Option<Stratified> {
    let all = tally(rows.decisions, rows.labels, rows.groups)?;
    if rows.strata.len() != rows.groups.len() {
        return None;
    }
    let mut parts: BTreeMap<usize, Columns> = BTreeMap::new();
    for (((decision, label), group), stratum) in rows.decisions.iter().zip(rows.labels).zip(rows.groups).zip(rows.strata) {
        let part = parts.entry(*stratum).or_default();
        part.0.push(*decision);
        part.1.push(*label);
        part.2.push(*group);
    }
    let mut strata = Vec::with_capacity(parts.len());
    let (mut sum, mut weights) = (0.0, 0.0);
    for (stratum, (decisions, labels, groups)) in parts {
        let groups = tally(&decisions, &labels, &groups)?;
        let compared = difference(&groups, pair);
        if let Some((difference, weight)) = compared {
            sum += weight * difference;
            weights += weight;
        }
        strata.push(Stratum { stratum, parity: parity(&groups, method, aggregate), groups, difference: compared.map(|c| c.0) });
    }
    let pooled_difference = difference(&all, pair).map(|c| c.0);
    let common_difference = (weights > 0.0).then(|| sum / weights);
    let reversed = pooled_difference.zip(common_difference).is_some_and(|(pooled, common)| pooled * common < 0.0);
    Some(Stratified { pooled: parity(&all, method, aggregate), pooled_difference, strata, common_difference, reversed })
}

/// The difference of a pair's selection rates and Mantel and Haenszel's weight of it.
fn difference(groups: &[GroupCounts], pair: (usize, usize)) -> Option<(f64, f64)> {
    let of = |wanted: usize| groups.iter().find(|counts| counts.group == wanted);
    let (first, second) = (of(pair.0)?, of(pair.1)?);
    let difference = ratio(first.selected, first.rows)? - ratio(second.selected, second.rows)?;
    let (n, m) = (first.rows as f64, second.rows as f64);
    Some((difference, n * m / (n + m)))
}
