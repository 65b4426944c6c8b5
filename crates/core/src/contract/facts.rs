//! What was measured for one expectation, before anybody judges it.

use super::divergence::Counted;
use super::value::Value;
use crate::id::At;
use serde::{Deserialize, Serialize};

/// A value that was not expected, with its row where the scan knew it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Row, from 0 in the order of the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// The value.
    pub value: Value,
}

/// The table at large.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts<'a> {
    /// Rows.
    pub rows: u64,
    /// Names of the columns in order.
    pub columns: &'a [String],
    /// Their types.
    pub types: &'a [String],
    /// When the check is made as of.
    pub as_of: At,
    /// What the checks before found.
    pub before: Option<&'a Before>,
}

/// What the checks of this dataset that passed found, before this one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Their rows, oldest first.
    pub rows: Vec<u64>,
    /// Names and types of the columns of the newest one.
    pub schema: Vec<(String, String)>,
}

/// What was measured for one expectation.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// Nothing beyond the table at large is needed.
    Table,
    /// Rows were counted.
    Map {
        /// Rows that were looked at.
        rows: u64,
        /// Those among them that were left out because they are null.
        missing: u64,
        /// Those that do not conform.
        unexpected: u64,
        /// The first of these.
        samples: Vec<Sample>,
    },
    /// An aggregate was computed; none over no values.
    Aggregate {
        /// The aggregate.
        observed: Option<Value>,
        /// Nulls.
        missing: u64,
    },
    /// Quantiles were computed, in the order of the expectation; none over no values.
    Quantiles {
        /// Their values.
        observed: Vec<Option<f64>>,
        /// Nulls.
        missing: u64,
    },
    /// The column's type was compared.
    Type {
        /// Its name.
        observed: String,
        /// Whether it is one of those asked for.
        matches: bool,
    },
    /// The newest instant was found; none over no values.
    Newest {
        /// The column it is in.
        column: String,
        /// The instant.
        newest: Option<At>,
        /// Nulls.
        missing: u64,
    },
    /// Distinct values were held against a set.
    Distinct {
        /// Those that are not in the set, the first of them.
        unexpected: Vec<Value>,
        /// How many there are.
        unexpected_count: u64,
        /// Those of the set that are not there.
        absent: Vec<Value>,
        /// Nulls.
        missing: u64,
    },
    /// The most common values were found: several where they are equally common, none over no values.
    Modes {
        /// The values, the first of them.
        values: Vec<Value>,
        /// How many there are.
        count: u64,
        /// Nulls.
        missing: u64,
    },
    /// A distribution was counted.
    Counted {
        /// The counts.
        counted: Counted,
        /// Nulls.
        missing: u64,
    },
    /// Rows of another dataset were counted.
    OtherRows {
        /// How many.
        rows: u64,
    },
    /// Only the rows that a condition selects were looked at.
    Among {
        /// How many these are.
        rows: u64,
        /// What was measured on them.
        measured: Box<Measured>,
    },
    /// A column that it needs is not in the table.
    MissingColumn {
        /// The column.
        column: String,
    },
    /// It could not be measured.
    Failed {
        /// Why, and what to do.
        why: String,
    },
}
