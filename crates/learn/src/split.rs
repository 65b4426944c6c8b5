//! Which rows are learnt from and which ones judge: always later ones, with a gap in which labels were not yet known.

use crate::Table;
use std::ops::Range;

/// Rows that are learnt from, and later ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// From the first row on.
    pub train: Range<usize>,
    /// Behind them.
    pub test: Range<usize>,
}

/// The first rows of the table that were known when row `at` happened: those whose labels had `maturity_seconds` to come out.
fn known(table: &Table, at: usize, maturity_seconds: i64) -> usize {
    let start = table.at().get(at).copied().unwrap_or(i64::MAX);
    // Without a gap, rows of the same second stay on the side on which their place is.
    if maturity_seconds <= 0 { at } else { table.before(start.saturating_sub(maturity_seconds).saturating_add(1)).min(at) }
}

fn place(rows: usize, share: f64) -> usize {
    // Shares are within [0, 1]: the place is one of the table.
    ((rows as f64 * share.clamp(0.0, 1.0)) as usize).min(rows)
}

/// The last part of a table judges what was learnt before it.
#[must_use]
pub fn holdout(table: &Table, train_share: f64, maturity_seconds: i64) -> Split {
    let at = place(table.len(), train_share);
    Split { train: 0..known(table, at, maturity_seconds), test: at..table.len() }
}

/// Windows that grow: the part behind `from` in `folds` pieces, each judging what was learnt before it.
#[must_use]
pub fn expanding(table: &Table, from: f64, folds: usize, maturity_seconds: i64) -> Vec<Split> {
    let start = place(table.len(), from);
    let behind = table.len() - start;
    let end = |fold: usize| start + behind * fold / folds.max(1);
    let all = (0..folds).map(|fold| Split { train: 0..known(table, end(fold), maturity_seconds), test: end(fold)..end(fold + 1) });
    all.filter(|split| !split.train.is_empty() && !split.test.is_empty()).collect()
}
