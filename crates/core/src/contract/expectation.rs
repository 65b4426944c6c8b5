//! What a contract asks for.

use super::condition::RowCondition;
use super::kind::Kind;
use serde::{Deserialize, Serialize};

/// What a dataset must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contract {
    /// Name of the dataset, or of the suite that was imported.
    pub dataset: String,
    /// All expectations, in the order in which they were written.
    pub expectations: Vec<Expectation>,
    /// Whose rules decide when nothing could be checked.
    pub rules: Rules,
}

/// Whose rules decide when nothing could be checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rules", rename_all = "snake_case")]
pub enum Rules {
    /// Ours: no rows, no rule, only nulls or a missing column fail, unless allowed by name.
    Own(Allowances),
    /// Great Expectations' verdict stands; what it passed without checking anything is marked.
    GreatExpectations {
        /// Fail on what was marked.
        strict: bool,
    },
    /// Pandera's verdict stands; what it passed without checking anything is marked.
    Pandera {
        /// Fail on what was marked.
        strict: bool,
        /// Columns that may be missing; what is expected of their values is then not checked.
        optional: Vec<String>,
    },
}

/// What may be empty, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allowances {
    /// The table may have no rows.
    pub no_rows: bool,
    /// The contract may have no expectations.
    pub no_rules: bool,
    /// Columns in which every value may be null.
    pub all_null: Vec<String>,
    /// Columns that may be missing; what is expected of their values is then not checked.
    pub missing_column: Vec<String>,
}

/// How much a failed expectation matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Noted.
    Info,
    /// Shown; in our own contracts the dataset still passes.
    Warning,
    /// The dataset fails.
    #[default]
    Critical,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// The rule.
    #[serde(flatten)]
    pub kind: Kind,
    /// How much it matters.
    #[serde(default)]
    pub severity: Severity,
    /// Share of the values that must conform, 0 to 1; only rules on single rows take it.
    #[serde(default = "one")]
    pub mostly: f64,
    /// Only these rows are meant; all when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_condition: Option<RowCondition>,
    /// Identifier in the suite that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What its author wrote about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

fn one() -> f64 {
    1.0
}

impl Expectation {
    /// A critical rule that every value must meet.
    #[must_use]
    pub fn new(kind: Kind) -> Expectation {
        Expectation { kind, severity: Severity::Critical, mostly: 1.0, row_condition: None, id: None, notes: None }
    }

    /// What is wrong with the rule itself, whatever the data.
    #[must_use]
    pub fn mistake(&self) -> Option<String> {
        if !(0.0..=1.0).contains(&self.mostly) {
            return Some(format!("`mostly` is {}: give a share between 0 and 1", self.mostly));
        }
        self.kind.mistake()
    }

    /// Every column that it reads, those of its row condition among them.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = self.kind.columns();
        columns.extend(self.row_condition.iter().flat_map(|c| c.condition.columns()));
        columns
    }
}
