//! What was measured for one expectation, before anybody judges it.

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
    /// When the check is made as of.
    pub as_of: At,
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
