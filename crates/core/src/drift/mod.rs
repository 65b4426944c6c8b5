//! Whether a table still looks as it did, column by column: the tests that Evidently chooses, and their verdicts.
//!
//! [`compare`] is pure. Not here: reading tables, profiles that are stored (`contract::profile`), what follows from drift.

mod chunks;
mod estimate;
mod fairness;
mod field;
mod joint;
mod method;
mod score;
#[cfg(test)]
mod tests;

pub use chunks::{CHUNKS_MAX, Chunk, Trend, trend};
pub use estimate::{Calibration, Estimated, estimate};
pub use fairness::{Fairness, GROUP_ROWS_MIN, GroupRates, fairness};
pub use field::{Categories, Field, Numbers};
pub use joint::{JOINT_P_VALUE, Joint, Sides, joint};
pub use method::Method;
pub use score::{TEST_ROWS_MAX, choose, score};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
pub use tidegate_stats::multiple::Correction;
use tidegate_stats::multiple::corrected;

/// What counts as drift; the defaults are Evidently's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Methods by column, where not the default one.
    pub methods: BTreeMap<String, Method>,
    /// The bar of every method, where not its own.
    pub threshold: Option<f64>,
    /// How p-values are corrected for the number of columns.
    pub correction: Correction,
    /// The table drifted when at least this share of its columns did.
    pub drift_share: f64,
    /// Change of the share of nulls that is drift by itself; none: it is told and not judged.
    pub null_share: Option<f64>,
    /// Fewer values than this on either side cannot be judged.
    pub rows_min: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        let methods = BTreeMap::new();
        Settings { methods, threshold: None, correction: Correction::None, drift_share: 0.5, null_share: None, rows_min: 1 }
    }
}

/// The answer; only `Steady` says that nothing drifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It drifted.
    Drift,
    /// It did not.
    Steady,
    /// There was nothing, or not enough, to judge.
    CannotTell,
}

/// One column's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// The column.
    pub column: String,
    /// The answer.
    pub verdict: Verdict,
    /// What it was judged by.
    pub method: Option<Method>,
    /// The method's value.
    pub score: Option<f64>,
    /// A p-value corrected for the number of columns, where that was asked for.
    pub corrected: Option<f64>,
    /// What the value was held against.
    pub threshold: Option<f64>,
    /// Values in the reference and now.
    pub values: (u64, u64),
    /// Share of nulls in the reference and now.
    pub nulls: (f64, f64),
    /// How far a stored distribution may lie from the real one; 0 where all values were compared.
    pub error: f64,
    /// In words.
    pub why: String,
}

/// All columns' answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The table's answer.
    pub verdict: Verdict,
    /// Columns that drifted, and those that were judged.
    pub drifted: (u64, u64),
    /// Share of drifted columns among those judged.
    pub share: Option<f64>,
    /// What it was held against.
    pub drift_share: f64,
    /// Each column of the reference, then those that are new.
    pub columns: Vec<ColumnDrift>,
}

/// Holds `current` against `reference`, column by column.
#[must_use]
pub fn compare(reference: &IndexMap<String, Field>, current: &IndexMap<String, Field>, settings: &Settings) -> Report {
    let mut columns: Vec<ColumnDrift> = reference
        .iter()
        .map(|(name, old)| match current.get(name) {
            Some(new) => column(name, old, new, settings),
            None => gone(name, old),
        })
        .collect();
    for (name, new) in current.iter().filter(|(name, _)| !reference.contains_key(*name)) {
        let why = "the reference has no such column".to_owned();
        columns.push(ColumnDrift { values: (0, new.count()), ..unjudged(name, why) });
    }
    finish(columns, settings)
}

/// The table's answer from its columns': p-values corrected, columns counted.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "numbers of columns")]
pub fn finish(mut columns: Vec<ColumnDrift>, settings: &Settings) -> Report {
    if settings.correction != Correction::None {
        correct(&mut columns, settings.correction);
    }
    let judged = columns.iter().filter(|c| c.verdict != Verdict::CannotTell).count();
    let drifted = columns.iter().filter(|c| c.verdict == Verdict::Drift).count();
    let share = (judged > 0).then(|| drifted as f64 / judged as f64);
    let verdict = match share {
        None => Verdict::CannotTell,
        Some(share) if drifted > 0 && share >= settings.drift_share => Verdict::Drift,
        Some(_) => Verdict::Steady,
    };
    Report { verdict, drifted: (drifted as u64, judged as u64), share, drift_share: settings.drift_share, columns }
}

fn correct(columns: &mut [ColumnDrift], correction: Correction) {
    let chances: Vec<f64> =
        columns.iter().map(|c| c.score.filter(|_| c.method.is_some_and(Method::is_p_value)).unwrap_or(f64::NAN)).collect();
    for (column, p) in columns.iter_mut().zip(corrected(&chances, correction)) {
        let (Some(method), Some(threshold), false) = (column.method, column.threshold, p.is_nan()) else { continue };
        column.corrected = Some(p);
        column.verdict = if method.drifted(p, threshold) { Verdict::Drift } else { Verdict::Steady };
        column.why = format!("{}, {p:.4} after correction", column.why);
    }
}

fn unjudged(column: &str, why: String) -> ColumnDrift {
    ColumnDrift {
        column: column.to_owned(),
        verdict: Verdict::CannotTell,
        method: None,
        score: None,
        corrected: None,
        threshold: None,
        values: (0, 0),
        nulls: (0.0, 0.0),
        error: 0.0,
        why,
    }
}

fn gone(name: &str, old: &Field) -> ColumnDrift {
    let why = "the column is gone".to_owned();
    ColumnDrift { verdict: Verdict::Drift, values: (old.count(), 0), nulls: (old.null_share(), 0.0), ..unjudged(name, why) }
}

/// One column's answer, before any correction.
#[must_use]
pub fn column(name: &str, old: &Field, new: &Field, settings: &Settings) -> ColumnDrift {
    let blank = ColumnDrift {
        values: (old.count(), new.count()),
        nulls: (old.null_share(), new.null_share()),
        error: old.error().max(new.error()),
        ..unjudged(name, String::new())
    };
    let moved = (new.null_share() - old.null_share()).abs();
    let least = settings.rows_min.max(1);
    let rows = (old.count() + old.nulls()).min(new.count() + new.nulls());
    if let Some(limit) = settings.null_share.filter(|limit| moved >= *limit && rows >= least) {
        let why = format!("the share of nulls moved by {moved:.4} (drift from {limit})");
        return ColumnDrift { verdict: Verdict::Drift, why, ..blank };
    }
    let Some(chosen) = choose(old, new) else {
        return ColumnDrift { verdict: Verdict::Drift, why: "the column's type changed".to_owned(), ..blank };
    };
    if old.count().min(new.count()) < least {
        let why = format!("{} values in the reference and {} now: fewer than {least} are not judged", old.count(), new.count());
        return ColumnDrift { why, ..blank };
    }
    let method = settings.methods.get(name).copied().unwrap_or(chosen);
    let threshold = settings.threshold.unwrap_or(method.threshold());
    let Some(score) = score(method, old, new) else {
        let why = format!("{} is not defined on these values: choose another method for this column", method.label());
        return ColumnDrift { method: Some(method), threshold: Some(threshold), why, ..blank };
    };
    let verdict = if method.drifted(score, threshold) { Verdict::Drift } else { Verdict::Steady };
    let bar = if method.is_p_value() { "below" } else { "from" };
    let why = format!("{} {score:.4} (drift {bar} {threshold})", method.label());
    ColumnDrift { verdict, method: Some(method), score: Some(score), threshold: Some(threshold), why, ..blank }
}
