//! What a contract asks for.

use super::Bounds;
use super::value::Value;
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

/// An aggregate of a column's non-null values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Arithmetic mean.
    Mean,
    /// Sample standard deviation (divided by n - 1).
    Stdev,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// Sum.
    Sum,
    /// Mean of the two middle values, or the middle one.
    Median,
    /// Number of distinct values.
    UniqueValueCount,
    /// Distinct values divided by values.
    UniqueValueProportion,
}

/// One quantile with the range that it must lie in; a missing end is open, ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// Which, 0 to 1.
    pub q: f64,
    /// Lower end.
    pub min: Option<f64>,
    /// Upper end.
    pub max: Option<f64>,
}

/// Rows that a rule on several columns leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IgnoreRow {
    /// Those in which all of the columns are null.
    #[default]
    AllValuesAreMissing,
    /// Those in which any of the columns is null.
    AnyValueIsMissing,
    /// None.
    Never,
}

/// The rules there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// Number of rows.
    RowCount {
        /// Interval of the number.
        bounds: Bounds,
    },
    /// Number of columns.
    ColumnCount {
        /// Interval of the number.
        bounds: Bounds,
    },
    /// A column exists, at a place if one is given.
    ColumnExists {
        /// The column.
        column: String,
        /// Its place, from 0.
        index: Option<u64>,
    },
    /// The table has these columns, in any order.
    ColumnsMatchSet {
        /// Names.
        columns: Vec<String>,
        /// No others may be there.
        exact: bool,
    },
    /// The table has these columns, in this order, and no others.
    ColumnsMatchOrderedList {
        /// Names.
        columns: Vec<String>,
    },
    /// Values are not null.
    NotNull {
        /// The column.
        column: String,
    },
    /// Values are null.
    Null {
        /// The column.
        column: String,
    },
    /// No value occurs twice.
    Unique {
        /// The column.
        column: String,
    },
    /// The column has one of these types.
    OfType {
        /// The column.
        column: String,
        /// Names of types, any of which will do.
        types: Vec<String>,
        /// Written as a list (`..._to_be_in_type_list`).
        list: bool,
    },
    /// Values lie in an interval.
    Between {
        /// The column.
        column: String,
        /// The interval.
        bounds: Bounds,
    },
    /// Values are (or are not) among those listed.
    InSet {
        /// The column.
        column: String,
        /// The list.
        values: Vec<Value>,
        /// Values must not be among them.
        negate: bool,
    },
    /// A regular expression finds something (or nothing) in the values; Python's flavour, search and not full match.
    MatchRegex {
        /// The column.
        column: String,
        /// The expression.
        regex: String,
        /// It must find nothing.
        negate: bool,
    },
    /// Lengths of texts, in characters, lie in an interval.
    LengthBetween {
        /// The column.
        column: String,
        /// The interval.
        bounds: Bounds,
    },
    /// An aggregate lies in an interval.
    Aggregate {
        /// The column.
        column: String,
        /// Which aggregate.
        statistic: Statistic,
        /// The interval.
        bounds: Bounds,
    },
    /// Quantiles (the nearest value, not interpolated) lie in their ranges.
    Quantiles {
        /// The column.
        column: String,
        /// Each with its range.
        quantiles: Vec<Quantile>,
    },
    /// No combination of the columns' values occurs twice.
    CompoundUnique {
        /// The columns.
        columns: Vec<String>,
        /// Rows left out.
        ignore_row_if: IgnoreRow,
    },
    /// The newest instant is not older than this at the time of the check.
    Freshness {
        /// The column; the only column of dates or instants when none is given.
        column: Option<String>,
        /// Largest age.
        within_ms: u64,
    },
}

impl Kind {
    /// Name as users of Great Expectations know it; ours where it has none.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Kind::RowCount { .. } => "expect_table_row_count_to_be_between",
            Kind::ColumnCount { .. } => "expect_table_column_count_to_be_between",
            Kind::ColumnExists { .. } => "expect_column_to_exist",
            Kind::ColumnsMatchSet { .. } => "expect_table_columns_to_match_set",
            Kind::ColumnsMatchOrderedList { .. } => "expect_table_columns_to_match_ordered_list",
            Kind::NotNull { .. } => "expect_column_values_to_not_be_null",
            Kind::Null { .. } => "expect_column_values_to_be_null",
            Kind::Unique { .. } => "expect_column_values_to_be_unique",
            Kind::OfType { list: false, .. } => "expect_column_values_to_be_of_type",
            Kind::OfType { list: true, .. } => "expect_column_values_to_be_in_type_list",
            Kind::Between { .. } => "expect_column_values_to_be_between",
            Kind::InSet { negate: false, .. } => "expect_column_values_to_be_in_set",
            Kind::InSet { negate: true, .. } => "expect_column_values_to_not_be_in_set",
            Kind::MatchRegex { negate: false, .. } => "expect_column_values_to_match_regex",
            Kind::MatchRegex { negate: true, .. } => "expect_column_values_to_not_match_regex",
            Kind::LengthBetween { .. } => "expect_column_value_lengths_to_be_between",
            Kind::Aggregate { statistic, .. } => statistic.expectation_name(),
            Kind::Quantiles { .. } => "expect_column_quantile_values_to_be_between",
            Kind::CompoundUnique { .. } => "expect_compound_columns_to_be_unique",
            Kind::Freshness { .. } => "expect_table_to_be_fresh",
        }
    }

    /// The columns whose values it reads.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Kind::RowCount { .. }
            | Kind::ColumnCount { .. }
            | Kind::ColumnsMatchSet { .. }
            | Kind::ColumnsMatchOrderedList { .. }
            | Kind::Freshness { column: None, .. } => vec![],
            Kind::ColumnExists { column, .. }
            | Kind::NotNull { column }
            | Kind::Null { column }
            | Kind::Unique { column }
            | Kind::OfType { column, .. }
            | Kind::Between { column, .. }
            | Kind::InSet { column, .. }
            | Kind::MatchRegex { column, .. }
            | Kind::LengthBetween { column, .. }
            | Kind::Aggregate { column, .. }
            | Kind::Quantiles { column, .. }
            | Kind::Freshness { column: Some(column), .. } => vec![column],
            Kind::CompoundUnique { columns, .. } => columns.iter().map(String::as_str).collect(),
        }
    }

    /// Whether it judges single rows, so that `mostly` means something.
    #[must_use]
    pub fn by_row(&self) -> bool {
        match self {
            Kind::NotNull { .. }
            | Kind::Null { .. }
            | Kind::Unique { .. }
            | Kind::Between { .. }
            | Kind::InSet { .. }
            | Kind::MatchRegex { .. }
            | Kind::LengthBetween { .. }
            | Kind::CompoundUnique { .. } => true,
            Kind::RowCount { .. }
            | Kind::ColumnCount { .. }
            | Kind::ColumnExists { .. }
            | Kind::ColumnsMatchSet { .. }
            | Kind::ColumnsMatchOrderedList { .. }
            | Kind::OfType { .. }
            | Kind::Aggregate { .. }
            | Kind::Quantiles { .. }
            | Kind::Freshness { .. } => false,
        }
    }
}

impl Statistic {
    /// Name of the expectation on it.
    #[must_use]
    pub fn expectation_name(self) -> &'static str {
        match self {
            Statistic::Mean => "expect_column_mean_to_be_between",
            Statistic::Stdev => "expect_column_stdev_to_be_between",
            Statistic::Min => "expect_column_min_to_be_between",
            Statistic::Max => "expect_column_max_to_be_between",
            Statistic::Sum => "expect_column_sum_to_be_between",
            Statistic::Median => "expect_column_median_to_be_between",
            Statistic::UniqueValueCount => "expect_column_unique_value_count_to_be_between",
            Statistic::UniqueValueProportion => "expect_column_proportion_of_unique_values_to_be_between",
        }
    }
}

impl Expectation {
    /// A critical rule that every value must meet.
    #[must_use]
    pub fn new(kind: Kind) -> Expectation {
        Expectation { kind, severity: Severity::Critical, mostly: 1.0, id: None, notes: None }
    }

    /// What is wrong with the rule itself, whatever the data.
    #[must_use]
    pub fn mistake(&self) -> Option<String> {
        if !(0.0..=1.0).contains(&self.mostly) {
            return Some(format!("`mostly` is {}: give a share between 0 and 1", self.mostly));
        }
        match &self.kind {
            Kind::Between { bounds, .. } | Kind::LengthBetween { bounds, .. } => bounds.mistake(),
            Kind::RowCount { bounds } | Kind::ColumnCount { bounds } | Kind::Aggregate { bounds, .. } => {
                // Unlike rules on rows, these may be open at both ends.
                if bounds.min.is_none() && bounds.max.is_none() { None } else { bounds.mistake() }
            }
            Kind::Quantiles { quantiles, .. } => quantiles
                .iter()
                .find_map(|q| match (q.min, q.max) {
                    _ if !(0.0..=1.0).contains(&q.q) => Some(format!("quantile {} is not between 0 and 1", q.q)),
                    (Some(min), Some(max)) if min > max => {
                        Some(format!("range of quantile {}: minimum {min} is greater than maximum {max}", q.q))
                    }
                    _ => None,
                })
                .or_else(|| quantiles.is_empty().then(|| "no quantile is given".to_owned())),
            Kind::CompoundUnique { columns, .. } if columns.len() < 2 => {
                Some("fewer than two columns are given: use `unique` for one".to_owned())
            }
            Kind::OfType { types, .. } if types.is_empty() => Some("no type is given".to_owned()),
            Kind::ColumnExists { .. }
            | Kind::ColumnsMatchSet { .. }
            | Kind::ColumnsMatchOrderedList { .. }
            | Kind::NotNull { .. }
            | Kind::Null { .. }
            | Kind::Unique { .. }
            | Kind::OfType { .. }
            | Kind::InSet { .. }
            | Kind::MatchRegex { .. }
            | Kind::CompoundUnique { .. }
            | Kind::Freshness { .. } => None,
        }
    }
}
