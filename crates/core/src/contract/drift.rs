//! Whether a column still looks as it did: Kolmogorov-Smirnov, population stability, Wasserstein.
//!
//! Small samples are judged by a test, large ones by a distance, for with many rows any difference is
//! significant and few matter. Not here: detectors over time, and what to do about drift.

use super::profile::{CategoryProfile, ColumnProfile, NumberProfile, Profile};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tidegate_stats::distance;

/// Bins of the population stability index on numbers: deciles of the reference.
const PSI_BINS: usize = 10;
/// Floor of the deviation that a Wasserstein distance is divided by.
const DEVIATION_MIN: f64 = 0.001;

/// What counts as drift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DriftSettings {
    /// Up to this many reference values numbers are judged by the Kolmogorov-Smirnov test.
    pub test_rows_max: u64,
    /// That test finds drift below this p-value.
    pub p_value: f64,
    /// Above that number of values: drift from this Wasserstein distance, in standard deviations of the reference.
    pub wasserstein: f64,
    /// Categories: drift from this population stability index.
    pub psi: f64,
    /// Drift when the share of nulls moved by this much.
    pub null_share: f64,
    /// Fewer rows than this on either side are not judged.
    pub rows_min: u64,
    /// The dataset drifted when at least this share of its judged columns did.
    pub share: f64,
}

impl Default for DriftSettings {
    fn default() -> DriftSettings {
        DriftSettings { test_rows_max: 1_000, p_value: 0.05, wasserstein: 0.1, psi: 0.1, null_share: 0.05, rows_min: 50, share: 0.5 }
    }
}

/// What a column was judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftTest {
    /// Two-sample Kolmogorov-Smirnov test, by p-value.
    KolmogorovSmirnov,
    /// Wasserstein distance in standard deviations of the reference.
    Wasserstein,
    /// Population stability index.
    StabilityIndex,
    /// Share of nulls.
    Nulls,
    /// Not judged.
    None,
}

/// One column's drift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// The column.
    pub column: String,
    /// Whether it drifted.
    pub drifted: bool,
    /// What it was judged by.
    pub test: DriftTest,
    /// The value that was judged.
    pub score: Option<f64>,
    /// What it was held against.
    pub limit: Option<f64>,
    /// Largest distance between the distribution functions.
    pub ks: Option<f64>,
    /// Its p-value.
    pub p_value: Option<f64>,
    /// Population stability index.
    pub psi: Option<f64>,
    /// Wasserstein distance in standard deviations of the reference.
    pub wasserstein: Option<f64>,
    /// Share of nulls in the reference and now.
    pub nulls: (f64, f64),
    /// Both samples are the whole columns, so that the distances are exact.
    pub exact: bool,
    /// In words.
    pub why: String,
}

/// All columns of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftReport {
    /// Rows of the reference and now.
    pub rows: (u64, u64),
    /// Columns of the reference.
    pub columns: Vec<ColumnDrift>,
    /// Columns that drifted, of those judged.
    pub drifted: (u64, u64),
    /// Whether the dataset drifted.
    pub drift: bool,
}

/// Holds `current` against `reference`, column by column of the reference.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "numbers of columns")]
pub fn compare(reference: &Profile, current: &Profile, settings: &DriftSettings) -> DriftReport {
    let columns: Vec<ColumnDrift> = reference
        .columns
        .iter()
        .map(|(name, old)| match (old, current.columns.get(name)) {
            (ColumnProfile::Number(old), Some(ColumnProfile::Number(new))) => numbers(name, old, new, settings),
            (ColumnProfile::Category(old), Some(ColumnProfile::Category(new))) => categories(name, old, new, settings),
            (_, None) => changed(name, "the column is gone"),
            (_, Some(_)) => changed(name, "the column's type changed"),
        })
        .collect();
    let judged = columns.iter().filter(|c| c.drifted || c.test != DriftTest::None).count();
    let drifted = columns.iter().filter(|c| c.drifted).count();
    let drift = drifted > 0 && drifted as f64 >= settings.share * judged as f64;
    DriftReport { rows: (reference.rows, current.rows), columns, drifted: (drifted as u64, judged as u64), drift }
}

fn unjudged(column: &str, nulls: (f64, f64), why: String) -> ColumnDrift {
    ColumnDrift {
        column: column.to_owned(),
        drifted: false,
        test: DriftTest::None,
        score: None,
        limit: None,
        ks: None,
        p_value: None,
        psi: None,
        wasserstein: None,
        nulls,
        exact: true,
        why,
    }
}

fn changed(column: &str, why: &str) -> ColumnDrift {
    ColumnDrift { drifted: true, ..unjudged(column, (0.0, 0.0), why.to_owned()) }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn null_share(count: u64, nulls: u64) -> f64 {
    if count + nulls == 0 { 0.0 } else { nulls as f64 / (count + nulls) as f64 }
}

/// A column judged by `test`, unless its nulls moved.
fn judged(mut drift: ColumnDrift, test: DriftTest, score: f64, limit: f64, settings: &DriftSettings) -> ColumnDrift {
    let moved = (drift.nulls.1 - drift.nulls.0).abs();
    let found = match test {
        DriftTest::KolmogorovSmirnov => score < limit,
        DriftTest::Wasserstein | DriftTest::StabilityIndex | DriftTest::Nulls | DriftTest::None => score >= limit,
    };
    let (test, score, limit, found) = if !found && moved >= settings.null_share {
        (DriftTest::Nulls, moved, settings.null_share, true)
    } else {
        (test, score, limit, found)
    };
    let name = match test {
        DriftTest::KolmogorovSmirnov => "Kolmogorov-Smirnov p-value",
        DriftTest::Wasserstein => "Wasserstein distance in standard deviations",
        DriftTest::StabilityIndex => "population stability index",
        DriftTest::Nulls | DriftTest::None => "change of the share of nulls",
    };
    let bar = if test == DriftTest::KolmogorovSmirnov { "drift below" } else { "drift from" };
    drift.why = format!("{name} {score:.4} ({bar} {limit})");
    ColumnDrift { drifted: found, test, score: Some(score), limit: Some(limit), ..drift }
}

fn too_few(old: u64, new: u64, settings: &DriftSettings) -> Option<String> {
    (old.min(new) < settings.rows_min)
        .then(|| format!("{old} values in the reference and {new} now: fewer than {} are not judged", settings.rows_min))
}

fn numbers(column: &str, old: &NumberProfile, new: &NumberProfile, settings: &DriftSettings) -> ColumnDrift {
    let nulls = (null_share(old.count, old.nulls), null_share(new.count, new.nulls));
    let (a, b) = (old.sorted(), new.sorted());
    if a.is_empty() || b.is_empty() {
        return without_values(column, (old.count, new.count), nulls, settings);
    }
    if let Some(why) = too_few(old.count, new.count, settings) {
        return unjudged(column, nulls, why);
    }
    let (expected, actual) = decile_counts(&a, &b);
    let all = (distance::ks(&a, &b), distance::wasserstein(&a, &b), distance::psi(&expected, &actual));
    let (Some(ks), Some(area), Some(psi)) = all else {
        return unjudged(column, nulls, "the distances are not defined on these values".to_owned());
    };
    let wasserstein = area / old.deviation().max(DEVIATION_MIN);
    let (p_value, exact) = (ks.p_value, old.exact() && new.exact());
    let drift = ColumnDrift {
        ks: Some(ks.statistic),
        p_value: Some(p_value),
        psi: Some(psi),
        wasserstein: Some(wasserstein),
        exact,
        ..unjudged(column, nulls, String::new())
    };
    if old.count <= settings.test_rows_max {
        judged(drift, DriftTest::KolmogorovSmirnov, p_value, settings.p_value, settings)
    } else {
        judged(drift, DriftTest::Wasserstein, wasserstein, settings.wasserstein, settings)
    }
}

/// One side has only nulls: drift if the other has values enough, nothing to judge otherwise.
fn without_values(column: &str, counts: (u64, u64), nulls: (f64, f64), settings: &DriftSettings) -> ColumnDrift {
    let drift = unjudged(column, nulls, "no values".to_owned());
    let some = counts.0.max(counts.1) >= settings.rows_min;
    if some && nulls.0 + nulls.1 > 0.0 {
        let moved = (nulls.1 - nulls.0).abs();
        return judged(drift, DriftTest::Nulls, moved, settings.null_share, settings);
    }
    drift
}

/// Values of both in the bins between the reference's deciles.
fn decile_counts(old: &[f64], new: &[f64]) -> (Vec<u64>, Vec<u64>) {
    let mut edges: Vec<f64> = (1..PSI_BINS).filter_map(|i| old.get(i * old.len() / PSI_BINS).copied()).collect();
    edges.dedup();
    let count = |values: &[f64]| {
        let below: Vec<usize> = edges.iter().map(|e| values.partition_point(|v| v < e)).chain([values.len()]).collect();
        let mut from = 0;
        let mut counts = Vec::with_capacity(below.len());
        for upto in below {
            counts.push((upto - from) as u64);
            from = upto;
        }
        counts
    };
    (count(old), count(new))
}

fn categories(column: &str, old: &CategoryProfile, new: &CategoryProfile, settings: &DriftSettings) -> ColumnDrift {
    let nulls = (null_share(old.count, old.nulls), null_share(new.count, new.nulls));
    if old.count == 0 || new.count == 0 {
        return without_values(column, (old.count, new.count), nulls, settings);
    }
    if let Some(why) = too_few(old.count, new.count, settings) {
        return unjudged(column, nulls, why);
    }
    let names: BTreeSet<&String> = old.counts.keys().chain(new.counts.keys()).collect();
    let count = |profile: &CategoryProfile| -> Vec<u64> {
        names
            .iter()
            .map(|n| profile.counts.get(*n).copied().unwrap_or(0))
            .chain((old.other + new.other > 0).then_some(profile.other))
            .collect()
    };
    let Some(psi) = distance::psi(&count(old), &count(new)) else {
        return unjudged(column, nulls, "the index is not defined on these categories".to_owned());
    };
    let exact = old.other + new.other == 0;
    let drift = ColumnDrift { psi: Some(psi), exact, ..unjudged(column, nulls, String::new()) };
    judged(drift, DriftTest::StabilityIndex, psi, settings.psi, settings)
}
