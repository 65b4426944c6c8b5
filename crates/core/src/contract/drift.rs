//! Drift between two stored profiles: the same judgement as on whole columns, with the profiles' own error.
//!
//! Not here: the judgement (`core::drift`).

use super::profile::Profile;
use crate::drift::{self, Field, Report, Settings};
use indexmap::IndexMap;

/// Holds `current` against `reference`, column by column.
#[must_use]
pub fn compare(reference: &Profile, current: &Profile, settings: &Settings) -> Report {
    drift::compare(&fields(reference), &fields(current), settings)
}

/// The columns of a profile as drift sees them.
#[must_use]
pub fn fields(profile: &Profile) -> IndexMap<String, Field> {
    profile.columns.iter().map(|(name, column)| (name.clone(), column.field())).collect()
}
