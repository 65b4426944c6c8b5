//! What moves a model: how much of it each feature is, and whether that is what it was.

use std::collections::{BTreeMap, BTreeSet};
use tidegate_learn::derive::Derived;
use tidegate_learn::reasons::{self, Drift, Sizes};
use tidegate_learn::{RiskModel, Score, Table};

/// Newest changes that tell what moves it now.
pub const NEWEST: usize = 200;
/// Changes before them that tell what moved it.
pub const EARLIER: usize = 1_000;
/// A feature that is less of all that moves a model could be left out.
pub const LITTLE: f64 = 0.005;

/// What each feature, and each that is made of others, adds to the log odds of one change.
pub type Contributed = BTreeMap<String, f64>;

/// Of one that was scored.
pub fn moved_by(score: &Score) -> Contributed {
    score.contributions.iter().map(|one| (one.feature.clone(), one.log_odds)).collect()
}

/// How much each is, summed over changes.
pub fn sizes(all: &[Contributed]) -> BTreeMap<&str, f64> {
    let mut sizes: BTreeMap<&str, f64> = BTreeMap::new();
    for (name, size) in all.iter().flatten() {
        *sizes.entry(name).or_default() += size.abs();
    }
    sizes
}

/// Whether the newest changes are moved by what moved those before them.
pub fn drift(before: &[Contributed], now: &[Contributed]) -> Option<Drift> {
    // By name: contributions come with the heaviest first.
    let names: BTreeSet<&String> = now.iter().chain(before).flat_map(BTreeMap::keys).collect();
    let sizes = |rows: &[Contributed]| {
        let mut sizes = Sizes::default();
        rows.iter().for_each(|row| sizes.add(names.iter().map(|name| row.get(*name).copied().unwrap_or_default())));
        sizes
    };
    let owned: Vec<String> = names.iter().map(|name| (*name).clone()).collect();
    reasons::drift(&owned, &sizes(before), &sizes(now))
}

/// What a model says of the newest rows that it has learnt from.
pub struct Moved {
    /// Share of each feature of all that moves it, with what is made of the feature; in their order.
    pub shares: Vec<(String, f64)>,
    /// Whether reasons drift.
    pub drift: Option<Drift>,
}

/// Of the newest rows of a table.
pub fn moved(model: &RiskModel, table: &Table, made: &[Derived]) -> Moved {
    let newest: Vec<&[f64]> = table.rows().skip(table.len().saturating_sub(NEWEST + EARLIER)).collect();
    let all: Vec<Contributed> = newest.into_iter().filter_map(|row| model.score(row).ok()).map(|score| moved_by(&score)).collect();
    let (before, now) = all.split_at(all.len().saturating_sub(NEWEST));
    let sizes = sizes(&all);
    let whole: f64 = sizes.values().sum();
    let of = |name: &str| sizes.get(name).copied().unwrap_or_default();
    let share = |(place, name): (usize, &String)| {
        let further = made.iter().filter(|one| one.first == place || one.second == place).map(|one| of(&one.name));
        let size = of(name) + further.sum::<f64>();
        (name.clone(), if whole > 0.0 { size / whole } else { 0.0 })
    };
    Moved { shares: model.features().iter().enumerate().map(share).collect(), drift: drift(before, now) }
}
