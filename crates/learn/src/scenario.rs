//! Failures that did not happen yet, for histories in which few did: each is what people expect to hurt, made of two of the repository's own
//! changes - the place of one, the size or the author of another.
//!
//! They are marked ([`Synthetic`]) and stand beside the rows of a table. Where real rows that hurt are fewer than [`HURT_FEW`] they
//! are learnt from with [`SCENARIO_WEIGHT`] of a real row; where there are more, not at all. Nothing else ever sees one: no split, curve,
//! label set, leak or report. What is made of a later row is not in an earlier part of the table.

use crate::balance::Made;
use crate::{NotATable, Synthetic, Table};
use tidegate_stats::rng::Rng;

/// Real rows that hurt from which on scenarios are not learnt from.
pub const HURT_FEW: usize = 100;
/// What a scenario weighs beside a real row of its age.
pub const SCENARIO_WEIGHT: f64 = 0.2;
/// Rows of each scenario.
pub const ROWS_EACH: usize = 20;
/// Share of the rows that are large, often faulty, or new to a place.
const TAIL_SHARE: f64 = 0.25;

/// Which end of a feature is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Most,
    Least,
}

/// A failure that people expect: a row of one end of a feature, with some values of a row of one end of another.
struct Scenario {
    name: &'static str,
    /// The row that it begins with.
    place: (&'static str, End),
    /// The row that its other values are of, and which ones.
    other: (&'static str, End),
    taken: &'static [&'static str],
    /// Values that it has all the same.
    set: &'static [(&'static str, f64)],
}

/// How large a change is, and how spread.
const SIZE: &[&str] =
    &["ns", "nd", "nf", "entropy", "la", "ld", "churn", "new_files", "deleted_files", "renamed_files", "test_files", "test_lines"];
/// Who makes it.
const AUTHOR: &[&str] = &["exp", "rexp", "sexp", "own_share", "own_recency"];

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a large change without tests in files that were often faulty",
        place: ("file_faults", End::Most),
        other: ("la", End::Most),
        taken: SIZE,
        set: &[("test_files", 0.0), ("test_lines", 0.0)],
    },
    Scenario {
        name: "somebody new in files of many minor contributors",
        place: ("minor", End::Most),
        other: ("exp", End::Least),
        taken: AUTHOR,
        set: &[],
    },
    Scenario {
        name: "a change spread over many files where much was fixed before",
        place: ("folder_fixes", End::Most),
        other: ("entropy", End::Most),
        taken: SIZE,
        set: &[],
    },
];

/// What the scenarios are called, as far as the table has what they are made of.
pub fn names(table: &Table) -> impl Iterator<Item = &'static str> {
    SCENARIOS.iter().filter(|one| table.column(one.place.0).and(table.column(one.other.0)).is_some()).map(|one| one.name)
}

/// Adds the scenarios to a table of changes in which few hurt; how many were added. The same table and seed give the same ones.
///
/// # Errors
/// When the table has as many as it may.
pub fn add(table: &mut Table, seed: u64) -> Result<usize, NotATable> {
    if hurt(table) >= HURT_FEW {
        return Ok(0);
    }
    let mut rng = Rng::new(seed);
    let mut added = 0;
    for scenario in SCENARIOS {
        let mut rng = rng.fork(0);
        let (places, others) = (ends(table, scenario.place), ends(table, scenario.other));
        for _ in 0..ROWS_EACH {
            let (Some(place), Some(other)) = (drawn(&places, &mut rng), drawn(&others, &mut rng)) else { break };
            table.push_synthetic(made_of(table, scenario, place, other))?;
            added += 1;
        }
    }
    Ok(added)
}

fn hurt(table: &Table) -> usize {
    table.labels().iter().filter(|label| **label).count()
}

/// Rows whose value is among the greatest or least of those that are known.
fn ends(table: &Table, (feature, end): (&str, End)) -> Vec<usize> {
    let Some(column) = table.column(feature) else { return Vec::new() };
    let mut known: Vec<(f64, usize)> =
        table.values(column).enumerate().filter(|(_, value)| !value.is_nan()).map(|(row, value)| (value, row)).collect();
    known.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    if end == End::Most {
        known.reverse();
    }
    known.truncate(libm::ceil(known.len() as f64 * TAIL_SHARE) as usize);
    known.into_iter().map(|(_, row)| row).collect()
}

fn drawn(rows: &[usize], rng: &mut Rng) -> Option<usize> {
    let count = u64::try_from(rows.len()).ok().filter(|count| *count > 0)?;
    rows.get(usize::try_from(rng.below(count)).ok()?).copied()
}

fn made_of(table: &Table, scenario: &Scenario, place: usize, other: usize) -> Synthetic {
    let mut values = table.row(place).to_vec();
    let mut put = |name: &str, value: Option<f64>| {
        let cell = table.column(name).and_then(|column| values.get_mut(column));
        cell.into_iter().zip(value).for_each(|(cell, value)| *cell = value);
    };
    for name in scenario.taken {
        put(name, table.column(name).and_then(|column| table.row(other).get(column).copied()));
    }
    scenario.set.iter().for_each(|(name, value)| put(name, Some(*value)));
    let sized = if scenario.taken.contains(&"la") { other } else { place };
    Synthetic { values, effort: table.effort().get(sized).copied().unwrap_or_default(), parents: [place, other] }
}

/// The scenarios that a trainer of this table learns from.
pub(crate) fn made(table: &Table) -> Vec<Made> {
    if hurt(table) >= HURT_FEW {
        return Vec::new();
    }
    let at = |row: &usize| table.at().get(*row).copied().unwrap_or_default();
    let one = |row: &Synthetic| Made {
        at: row.parents.iter().map(at).max().unwrap_or_default(),
        values: row.values.clone(),
        label: true,
        effort: row.effort,
        weight: SCENARIO_WEIGHT,
    };
    table.synthetic().iter().map(one).collect()
}

/// How many synthetic rows a model of this table has learnt from.
#[must_use]
pub fn learnt_from(table: &Table) -> usize {
    made(table).len()
}
