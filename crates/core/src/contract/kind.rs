//! The rules there are, as values.
//!
//! Not here: what a rule is called and which columns it reads (`rules`), how it is judged (`judge`).

use super::Bounds;
use super::condition::Condition;
use super::divergence::Expected;
use super::query::Query;
use super::schema::Compatibility;
use super::value::Value;
use serde::{Deserialize, Serialize};

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
    /// Values that are not null divided by rows.
    NonNullProportion,
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

/// Rows that a rule on a pair of columns leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IgnorePair {
    /// Those in which both are null.
    #[default]
    BothValuesAreMissing,
    /// Those in which either is null.
    EitherValueIsMissing,
    /// None.
    Neither,
}

impl IgnorePair {
    /// The same for a list of columns.
    #[must_use]
    pub fn row(self) -> IgnoreRow {
        match self {
            IgnorePair::BothValuesAreMissing => IgnoreRow::AllValuesAreMissing,
            IgnorePair::EitherValueIsMissing => IgnoreRow::AnyValueIsMissing,
            IgnorePair::Neither => IgnoreRow::Never,
        }
    }
}

/// How many patterns of a list must match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchOn {
    /// One at least.
    #[default]
    Any,
    /// Every one.
    All,
}

/// What the distinct values of a column are held against a set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetRelation {
    /// All of them are in the set.
    In,
    /// All of the set are among them.
    Contain,
    /// Both.
    Equal,
}

/// How outliers are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutlierMethod {
    /// Beyond the quartiles by a multiple of their distance.
    #[default]
    Iqr,
    /// As far from the mean as a multiple of the sample deviation, or farther.
    Std,
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
    /// Regular expressions of a list find something in the values; Python's flavour.
    MatchRegexList {
        /// The column.
        column: String,
        /// The expressions.
        regexes: Vec<String>,
        /// How many must find something.
        match_on: MatchOn,
        /// None of them must.
        negate: bool,
    },
    /// Values are like patterns as SQL has them: `%` is any text, `_` any character.
    MatchLike {
        /// The column.
        column: String,
        /// The patterns.
        patterns: Vec<String>,
        /// How many must fit.
        match_on: MatchOn,
        /// None of them must.
        negate: bool,
        /// Written as a list (`..._pattern_list`).
        list: bool,
        /// Character that takes its meaning from the next one.
        escape: Option<char>,
    },
    /// Texts can be read as instants written in this form (Python's `strptime`).
    MatchStrftime {
        /// The column.
        column: String,
        /// The form.
        format: String,
    },
    /// Distances from the mean in sample deviations stay below a threshold.
    ZScores {
        /// The column.
        column: String,
        /// The threshold.
        threshold: f64,
        /// Both sides of the mean count.
        double_sided: bool,
    },
    /// No value lies far outside.
    NotOutliers {
        /// The column.
        column: String,
        /// How they are told.
        method: OutlierMethod,
        /// How far is far.
        multiplier: f64,
    },
    /// The most common value is in a set.
    MostCommon {
        /// The column.
        column: String,
        /// The set.
        values: Vec<Value>,
        /// Several may be equally common, one of which is in the set.
        ties_okay: bool,
    },
    /// The distinct values stand in a relation to a set.
    DistinctValues {
        /// The column.
        column: String,
        /// The set.
        values: Vec<Value>,
        /// The relation.
        relation: SetRelation,
    },
    /// The distribution is near an expected one.
    KlDivergence {
        /// The column.
        column: String,
        /// What is expected, and how near.
        expected: Expected,
    },
    /// Two columns have the same values.
    PairEqual {
        /// One.
        a: String,
        /// The other.
        b: String,
        /// Rows left out.
        ignore_row_if: IgnorePair,
    },
    /// Values of one column are greater than those of another.
    PairGreater {
        /// The greater one.
        a: String,
        /// The other.
        b: String,
        /// Equal ones will do.
        or_equal: bool,
        /// Rows left out.
        ignore_row_if: IgnorePair,
    },
    /// Pairs of values are among those listed.
    PairInSet {
        /// First of the pair.
        a: String,
        /// Second of the pair.
        b: String,
        /// The list.
        pairs: Vec<(Value, Value)>,
        /// Rows left out.
        ignore_row_if: IgnorePair,
    },
    /// Within a row, no value of these columns occurs twice.
    UniqueWithinRecord {
        /// The columns.
        columns: Vec<String>,
        /// Rows left out.
        ignore_row_if: IgnoreRow,
    },
    /// Within a row, these columns have the same value.
    ColumnsEqual {
        /// The columns.
        columns: Vec<String>,
        /// Rows left out.
        ignore_row_if: IgnoreRow,
    },
    /// Within a row, these columns add up to a number.
    SumEquals {
        /// The columns.
        columns: Vec<String>,
        /// The number.
        total: f64,
        /// Rows left out.
        ignore_row_if: IgnoreRow,
    },
    /// A condition holds for each row; a row for which it is unknown is left out.
    Satisfies {
        /// The condition.
        condition: Condition,
    },
    /// A query finds no row.
    NoRowsFound {
        /// The query as it is written.
        query: String,
        /// What it selects rows by.
        condition: Condition,
    },
    /// A query that the engine runs finds no row.
    QueryFindsNone {
        /// The query.
        query: Query,
    },
    /// A query that the engine runs gives one number, which lies in an interval.
    QueryNumber {
        /// The query.
        query: Query,
        /// The interval.
        bounds: Bounds,
        /// The number must lie outside of the interval.
        outside: bool,
    },
    /// Values are there in another dataset.
    References {
        /// Columns here.
        columns: Vec<String>,
        /// The other dataset.
        dataset: String,
        /// Its columns, in the same order.
        to: Vec<String>,
    },
    /// As many rows as another dataset has.
    SameRowCount {
        /// The other dataset.
        dataset: String,
    },
    /// The number of rows is near the mean of the checks before that passed.
    Volume {
        /// How many of them.
        checks: u32,
        /// Largest loss, as a share of the mean.
        max_loss: Option<f64>,
        /// Largest growth, as a share of the mean.
        max_growth: Option<f64>,
    },
    /// The columns and their types are compatible with those of the last check that passed.
    SchemaCompatible {
        /// In which direction.
        compatibility: Compatibility,
        /// Columns that may come and go.
        optional: Vec<String>,
    },
    /// The number of rows that break a rule lies in an interval.
    UnexpectedCount {
        /// The rule.
        rule: Box<Kind>,
        /// The interval.
        bounds: Bounds,
        /// The number must lie outside of the interval.
        outside: bool,
        /// In percent of all rows.
        percent: bool,
    },
    /// The newest instant is not older than this at the time of the check.
    Freshness {
        /// The column; the only column of dates or instants when none is given.
        column: Option<String>,
        /// Largest age.
        within_ms: u64,
    },
}
