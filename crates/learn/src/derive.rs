//! Features made of others, for tables; each is defined where rows are scored.

use crate::{NotATable, Row, Synthetic, Table};
pub use tidegate_runtime::risk::{Derived, How, row};

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
    for one in table.synthetic() {
        made.push_synthetic(Synthetic { values: row(&one.values, derived), ..one.clone() })?;
    }
    Ok(made)
}
