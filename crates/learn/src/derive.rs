//! Features made of others: sums, products and shares, by one definition for training and for scoring.

use crate::{NotATable, Row, Table};
use serde::{Deserialize, Serialize};

/// How two features make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The first and the second.
    Plus,
    /// The first for each of the second, and one more, so that none divides by nothing.
    Per,
    /// The first as often as the second says.
    Times,
}

/// A feature that is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// Its own name.
    pub name: String,
    /// Where the first one stands among what it is made of.
    pub first: usize,
    /// How.
    pub how: How,
    /// Where the second one stands.
    pub second: usize,
}

impl Derived {
    /// Its value; missing where one of both is, or where there is no number for it.
    #[must_use]
    pub fn of(&self, row: &[f64]) -> f64 {
        let at = |place: usize| row.get(place).copied().unwrap_or(f64::NAN);
        let (first, second) = (at(self.first), at(self.second));
        let value = match self.how {
            How::Plus => first + second,
            How::Per => first / (second + 1.0),
            How::Times => first * second,
        };
        if value.is_finite() { value } else { f64::NAN }
    }
}

/// What is made of the features of changes in the field's names, as far as they are there: churn, churn for its place, habits of
/// the author here.
const OF_CHANGES: &[(&str, &str, How, &str)] = &[
    ("churn", "la", How::Plus, "ld"),
    ("la_per_lt", "la", How::Per, "lt"),
    ("la_per_nf", "la", How::Per, "nf"),
    ("ld_per_la", "ld", How::Per, "la"),
    ("sexp_per_exp", "sexp", How::Per, "exp"),
    ("nuc_per_nf", "nuc", How::Per, "nf"),
    ("lt_of_nf", "lt", How::Times, "nf"),
    ("rexp_per_exp", "rexp", How::Per, "exp"),
];

/// The features that can be made of those of a table of changes.
#[must_use]
pub fn of_changes(table: &Table) -> Vec<Derived> {
    let made = OF_CHANGES.iter().filter_map(|(name, first, how, second)| {
        let (first, second) = (table.column(first)?, table.column(second)?);
        table.column(name).is_none().then(|| Derived { name: (*name).to_owned(), first, how: *how, second })
    });
    made.collect()
}

/// A row with what is made of it behind it.
#[must_use]
pub fn row(row: &[f64], derived: &[Derived]) -> Vec<f64> {
    row.iter().copied().chain(derived.iter().map(|one| one.of(row))).collect()
}

/// A table with what is made of its features behind them.
///
/// # Errors
/// When a name is there already, or there are too many.
pub fn table(table: &Table, derived: &[Derived]) -> Result<Table, NotATable> {
    let names = table.features().iter().map(|feature| feature.name.as_str()).chain(derived.iter().map(|one| one.name.as_str()));
    let mut made = Table::new(names)?;
    for (values, ((label, at), effort)) in table.rows().zip(table.labels().iter().zip(table.at()).zip(table.effort())) {
        made.push(&Row { at: *at, values: &row(values, derived), label: *label, effort: *effort })?;
    }
    Ok(made)
}
