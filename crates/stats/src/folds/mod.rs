//! Rows parted into those that are learned from and those that judge, and what is done to the rows learned from when one
//! class is rare: weights, sampling, synthetic rows.
//!
//! [`TrainingRows`] and [`EvaluationRows`] are types of their own. Neither can be made from a list of numbers or turned into the
//! other; sampling and synthetic rows take the first alone. So rows that judge are never weighted, sampled or imitated by
//! mistake. What is not held: that both were taken of the table that is passed beside them.
//!
//! ```
//! # use tidegate_stats::folds::{Split, balanced_weights};
//! let split = Split::by_time(&[1, 2, 3, 4], 0.5, 0).unwrap();
//! assert!(balanced_weights(&[true, false, true, true], &split.training).is_ok());
//! ```
//!
//! ```compile_fail,E0308
//! # use tidegate_stats::folds::{Split, balanced_weights};
//! let split = Split::by_time(&[1, 2, 3, 4], 0.5, 0).unwrap();
//! assert!(balanced_weights(&[true, false, true, true], &split.evaluation).is_ok());
//! ```

mod sample;
mod smote;
mod split;

pub use sample::{ClassWeights, balanced_weights, stratified_sample};
pub use smote::{MINORITY_ROWS_MAX, NEIGHBOURS_MAX, Smote, Synthetic};
pub use split::{EvaluationRows, FOLDS_MAX, Split, TrainingRows};

/// Why rows were not parted, sampled or imitated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refused {
    /// The columns have different lengths, or a row is not in the table.
    Lengths {
        /// Rows of the table.
        table: usize,
        /// Rows of the other column, or the place that is not there.
        other: usize,
    },
    /// A number is NaN or infinite.
    Number {
        /// Place of the row, from 0.
        row: usize,
    },
    /// Too few rows of a class, or on one side of the split.
    TooFew {
        /// Rows there are.
        have: usize,
        /// Rows needed.
        need: usize,
    },
    /// More than the limit.
    TooMany {
        /// What there are.
        have: usize,
        /// The limit.
        most: usize,
    },
    /// A share outside its range.
    Share {
        /// The share.
        value: f64,
    },
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Refused::Lengths { table, other } => {
                write!(f, "the table has {table} rows, what stands beside it {other}: give one for each row")
            }
            Refused::Number { row } => write!(f, "row {row} has a number that is missing or infinite: fill it in or leave the row out"),
            Refused::TooFew { have, need } => {
                write!(f, "{have} rows of a class or side, at least {need} are needed: use more history or fewer folds")
            }
            Refused::TooMany { have, most } => {
                write!(f, "{have} are more than the limit of {most}: use fewer, or weights in place of synthetic rows")
            }
            Refused::Share { value } => write!(f, "the share {value} is out of range: give one above 0 and at most 1"),
        }
    }
}

impl core::error::Error for Refused {}
