//! Drift between two stored profiles: the same judgement as on whole columns, with the profiles' own error.
//!
//! Not here: the judgement (`core::drift`).

use super::profile::{ColumnProfile, Profile};
use crate::drift::{self, Field, Report, Settings};
use indexmap::IndexMap;

/// Holds `current` against `reference`, column by column.
#[must_use]
pub fn compare(reference: &Profile, current: &Profile, settings: &Settings) -> Report {
    let (old, new) = fields(reference, current);
    drift::compare(&old, &new, settings)
}

/// The columns of both as drift sees them. The reference tells how: texts that are mostly different are judged by their
/// length, under `length(NAME)`.
#[must_use]
pub fn fields(reference: &Profile, current: &Profile) -> (IndexMap<String, Field>, IndexMap<String, Field>) {
    let texts: Vec<&String> =
        reference.columns.iter().filter(|(_, c)| matches!(c, ColumnProfile::Category(c) if c.is_text())).map(|(n, _)| n).collect();
    let of = |profile: &Profile| {
        let field = |(name, column): (&String, &ColumnProfile)| match column {
            ColumnProfile::Category(c) if texts.contains(&name) => (format!("length({name})"), c.lengths()),
            ColumnProfile::Category(_) | ColumnProfile::Number(_) => (name.clone(), column.field()),
        };
        profile.columns.iter().map(field).collect()
    };
    (of(reference), of(current))
}
