//! Whether the model is as fair to each team, part of the code, tenure of authors and season: decisions and scores of the judged changes, group by
//! group. What is selected is held, which is a burden.

use super::judged::JudgedChange;
use super::owners::Owners;
use crate::exit::{self, failure};
use anyhow::Result;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_history::{Change, Mined};
use tidegate_learn::evaluate::{BINS, CONFIDENCE};
use tidegate_stats::calibration::{GroupCoverage, Thresholds, coverage};
use tidegate_stats::fairness::{
    Aggregate, FOUR_FIFTHS, FourFifths, GroupCounts, GroupReport, Method, Parity, ReportRows, Stratified, StratifiedRows, Verdict,
    four_fifths, group_reports, parity, stratified, tally,
};

/// Share of false findings over all groups together.
const ALPHA: f64 = 0.05;
/// Groups of an attribute that are told; of more, those with the fewest changes are one.
const GROUPS_MAX: usize = 30;
/// The name of the rest.
const OTHERS: &str = "others";
/// Earlier changes of an author: fewer make a newcomer, and so many a regular.
const TENURES: [(f64, &str); 3] =
    [(10.0, "newcomer (below 10 changes)"), (100.0, "10 to 99 changes"), (f64::INFINITY, "100 changes and more")];

/// A judged change, and what would have been done with it.
struct Looked<'a> {
    probability: f64,
    hurt: bool,
    held: bool,
    change: &'a Change,
}

/// What was found of one attribute.
#[derive(Debug, Serialize)]
pub struct Attribute {
    /// `team`, `component`, `tenure` or `quarter`.
    pub name: &'static str,
    /// Its groups.
    pub groups: Vec<Group>,
    /// Fairlearn's measures over them.
    pub parity: Parity,
    /// The same within halves of size, small and large changes: what is uneven for size alone is even here.
    pub by_size: Option<Stratified>,
}

/// A group.
#[derive(Debug, Serialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its rows, rates with intervals, and how well scores fit.
    #[serde(flatten)]
    pub report: GroupReport,
    /// The rule of four fifths over not being held, and over being held.
    pub rule: Option<FourFifths>,
    /// How often its label sets held the truth.
    pub sets: Option<GroupCoverage>,
}

/// All attributes; `from` is the risk from which on a change of these owners is held.
///
/// # Errors
/// When a figure cannot be computed.
pub fn attributes(
    mined: &Mined,
    owners: &Owners,
    (judged, thresholds): (&[JudgedChange], &Thresholds),
    from: &dyn Fn(&BTreeSet<String>) -> f64,
) -> Result<Vec<Attribute>> {
    let found = judged.iter().filter_map(|one| Some((one, mined.changes().get(mined.named(&one.commit)?.0 as usize)?)));
    let looked = |(one, change): (&JudgedChange, &'_ Change)| one.probability >= from(&owners.of_change(mined, change));
    let found: Vec<Looked<'_>> =
        found.map(|(one, change)| Looked { probability: one.probability, hurt: one.hurt, change, held: looked((one, change)) }).collect();
    if found.len() < judged.len() {
        let why = format!(
            "tell the fairness: {} of {} judged changes are not in the history that is checked out: check out what the model was trained on, or train it anew",
            judged.len() - found.len(),
            judged.len()
        );
        return Err(failure(exit::NOT_PASSED, why));
    }
    let system = |path: &[u8]| match path.iter().position(|b| *b == b'/') {
        Some(end) => String::from_utf8_lossy(path.get(..end).unwrap_or_default()).into_owned(),
        None => "the top".to_owned(),
    };
    let largest = |change: &Change| {
        change.files.iter().max_by_key(|file| u64::from(file.added) + u64::from(file.deleted)).map(|file| mined.path(file.path))
    };
    type Of<'a> = Box<dyn Fn(&Change) -> String + 'a>;
    let of: [(&'static str, Of<'_>); 4] = [
        (
            "team",
            Box::new(|change| owners.of_paths(largest(change).into_iter()).into_iter().next().unwrap_or_else(|| "no owner".to_owned())),
        ),
        ("component", Box::new(|change| largest(change).map_or_else(|| OTHERS.to_owned(), system))),
        (
            "tenure",
            Box::new(|change| {
                let experience = change.features.exp;
                TENURES.iter().find(|(below, _)| experience < *below).map_or("not known", |(_, name)| name).to_owned()
            }),
        ),
        ("quarter", Box::new(|change| quarter(change.at_s))),
    ];
    of.into_iter().map(|(name, of)| attribute(name, &found, thresholds, &*of)).collect()
}

fn attribute(name: &'static str, found: &[Looked<'_>], thresholds: &Thresholds, of: &dyn Fn(&Change) -> String) -> Result<Attribute> {
    let names: Vec<String> = found.iter().map(|one| of(one.change)).collect();
    let (groups, names) = numbered(&names);
    let probabilities: Vec<f64> = found.iter().map(|one| one.probability).collect();
    let labels: Vec<bool> = found.iter().map(|one| one.hurt).collect();
    let held: Vec<bool> = found.iter().map(|one| one.held).collect();
    let undone = || anyhow::anyhow!("tell the fairness of {name}: the figures are not defined for these changes");
    let rows = ReportRows { probabilities: &probabilities, decisions: &held, labels: &labels, groups: &groups };
    let reports = group_reports(rows, BINS, CONFIDENCE).ok_or_else(undone)?;
    // Being let through is the good that the rule is about.
    let passed: Vec<bool> = held.iter().map(|held| !held).collect();
    let slice = tally(&passed, &labels, &groups).ok_or_else(undone)?;
    let mut rules = four_fifths(&[&slice], ALPHA).and_then(|mut all| all.pop()).unwrap_or_default();
    from_the_other_side(&mut rules, &slice);
    let sets: Vec<_> = probabilities.iter().map(|probability| thresholds.labels(*probability)).collect();
    let covered = coverage(&sets, &labels, &groups, CONFIDENCE).unwrap_or_default();
    let counts: Vec<_> = reports.iter().map(|report| report.counts).collect();
    let by_size = two_largest(&reports).and_then(|pair| {
        let strata = halves(found);
        let rows = StratifiedRows { decisions: &held, labels: &labels, groups: &groups, strata: &strata };
        stratified(rows, pair, Method::BetweenGroups, Aggregate::WorstCase)
    });
    let groups = reports.into_iter().map(|report| Group {
        name: names.get(report.counts.group).cloned().unwrap_or_default(),
        rule: rules.iter().find(|rule| rule.group == report.counts.group).copied(),
        sets: covered.iter().find(|sets| sets.group == report.counts.group).cloned(),
        report,
    });
    Ok(Attribute { name, groups: groups.collect(), parity: parity(&counts, Method::BetweenGroups, Aggregate::WorstCase), by_size })
}

/// Where few changes are held, four fifths of those that pass are always reached: a group that is held so many times as often as the one that is
/// held least, and not by chance, is held more all the same.
fn from_the_other_side(rules: &mut [FourFifths], passed: &[GroupCounts]) {
    let held = |group: usize| {
        let counts = passed.iter().find(|counts| counts.group == group)?;
        Some(1.0 - counts.selected as f64 / counts.rows as f64)
    };
    for rule in rules.iter_mut().filter(|rule| rule.verdict == Verdict::Within) {
        let (Some(own), Some(least)) = (held(rule.group), rule.reference.and_then(held)) else { continue };
        if own * FOUR_FIFTHS > least {
            let by_chance = rule.p_value.is_none_or(|p| p > ALPHA);
            rule.verdict = if by_chance { Verdict::NotSignificant } else { Verdict::Adverse };
        }
    }
}

/// Numbers of names, the most frequent first; rare ones are one.
fn numbered(names: &[String]) -> (Vec<usize>, Vec<String>) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut order: Vec<(&str, usize)> = counts.into_iter().collect();
    order.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let mut told: Vec<String> = order.iter().take(GROUPS_MAX).map(|(name, _)| (*name).to_owned()).collect();
    let rest = order.len() > GROUPS_MAX;
    let place = |name: &String| told.iter().position(|known| known == name).unwrap_or(told.len());
    let groups = names.iter().map(place).collect();
    if rest {
        told.push(OTHERS.to_owned());
    }
    (groups, told)
}

/// Which half of the sizes each is in.
fn halves(found: &[Looked<'_>]) -> Vec<usize> {
    let size = |change: &Change| change.features.la + change.features.ld;
    let mut sizes: Vec<f64> = found.iter().map(|one| size(one.change)).collect();
    sizes.sort_by(f64::total_cmp);
    let middle = sizes.get(sizes.len() / 2).copied().unwrap_or_default();
    found.iter().map(|one| usize::from(size(one.change) >= middle)).collect()
}

fn two_largest(reports: &[GroupReport]) -> Option<(usize, usize)> {
    // Numbers go by frequency.
    match (reports.first(), reports.get(1)) {
        (Some(a), Some(b)) => Some((a.counts.group, b.counts.group)),
        _ => None,
    }
}

/// `2026 Q3`.
pub fn quarter(at_s: i64) -> String {
    jiff::Timestamp::from_second(at_s).map_or_else(
        |_| "not known".to_owned(),
        |at| {
            let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
            format!("{} Q{}", date.year(), (date.month() - 1) / 3 + 1)
        },
    )
}

/// The risk from which on the riskiest share is held, where nothing says another.
#[must_use]
pub fn riskiest(judged: &[JudgedChange], share: f64) -> f64 {
    let mut sorted: Vec<f64> = judged.iter().map(|one| one.probability).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let count = (sorted.len() as f64 * share).round() as usize;
    sorted.get(count.saturating_sub(1)).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_held_more_is_seen_though_few_are_held() {
        let counts = |group, rows, held, positives| GroupCounts { group, rows, selected: rows - held, positives, selected_positives: 0 };
        let verdict = |of: &[GroupCounts]| {
            let mut rules = four_fifths(&[of], ALPHA).unwrap().pop().unwrap();
            from_the_other_side(&mut rules, of);
            rules.iter().map(|rule| rule.verdict).collect::<Vec<_>>()
        };
        // One in a hundred against one in five: more than four fifths of either pass.
        assert_eq!(verdict(&[counts(0, 1_000, 10, 50), counts(1, 1_000, 190, 50)]), [Verdict::Reference, Verdict::Adverse]);
        assert_eq!(verdict(&[counts(0, 1_000, 100, 50), counts(1, 1_000, 110, 50)]), [Verdict::Reference, Verdict::Within]);
        assert_eq!(verdict(&[counts(0, 100, 2, 50), counts(1, 100, 4, 50)]), [Verdict::Reference, Verdict::NotSignificant]);
    }
}
