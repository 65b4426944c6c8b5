//! From expectations to what must be gathered: which columns are scanned, and what is asked of each.

use crate::classes::{Class, type_matches, type_name};
use crate::evaluate::Evaluator;
use crate::groups::GroupKey;
use crate::like::Like;
use crate::measure::{RowRule, SeveralRule, TextSet, float_bits, texts_of};
use crate::regex::PythonRegex;
use crate::sets::ValueSet;
use crate::source::Opened;
use crate::strptime::Form;
use datafusion::arrow::datatypes::DataType;
use tidegate_core::contract::{Bounds, IgnoreRow, Kind, Measured, OutlierMethod, Partition, Query, Statistic, Value, instant_micros};

/// How one expectation is measured.
pub(crate) enum Way {
    /// Already: by the schema, or because it cannot be.
    Done(Measured),
    /// A rule on the rows of a scanned column.
    Rows { column: usize, rule: RowRule },
    /// A rule on several scanned columns of a row.
    Several { columns: Vec<usize>, ignore: IgnoreRow, rule: SeveralRule },
    /// From a scanned column's moments.
    Moments { column: usize, statistic: Statistic },
    /// From a scanned column's nulls.
    NonNull { column: usize },
    /// From a scanned column's values in order; none for the median.
    Quantiles { column: usize, quantiles: Option<Vec<f64>> },
    /// From a scanned column's newest instant.
    Newest { column: usize },
    /// From a scanned column's numbers by bin.
    Histogram { column: usize, edges: Vec<f64> },
    /// A rule on rows that is known only when the column's moments are: a second scan.
    ZScores { column: usize, threshold: f64, double_sided: bool },
    /// A rule on rows that is known only when the column's quartiles or moments are: a second scan.
    Outliers { column: usize, method: OutlierMethod, multiplier: f64 },
    /// From a scanned column's values where they rise from row to row, else from their groups.
    Rising { column: usize, answer: GroupAnswer },
    /// From groups of equal values.
    Groups { columns: Vec<usize>, ignore: IgnoreRow, answer: GroupAnswer },
    /// From the values of another dataset.
    References { columns: Vec<usize>, dataset: String, to: Vec<String> },
    /// From the number of rows of another dataset.
    OtherRows { dataset: String },
    /// By the engine: rows that the query finds, or the one number that it gives.
    Query { query: Query, number: bool },
}

/// What is asked of groups.
#[derive(Clone)]
pub(crate) enum GroupAnswer {
    /// Rows of groups of more than one.
    Duplicates,
    /// How many groups, or what share of the rows.
    Count(Statistic),
    /// The values, held against a set.
    Set(ValueSet),
    /// The values of the largest groups.
    Modes,
    /// The values with their numbers.
    Categories,
}

impl Way {
    /// The columns that the scan must read for it.
    pub fn scanned(&self) -> &[usize] {
        match self {
            Way::Rows { column, .. }
            | Way::Moments { column, .. }
            | Way::NonNull { column }
            | Way::Quantiles { column, .. }
            | Way::Newest { column }
            | Way::Histogram { column, .. }
            | Way::ZScores { column, .. }
            | Way::Outliers { column, .. }
            | Way::Rising { column, .. } => std::slice::from_ref(column),
            Way::Several { columns, .. } => columns,
            Way::Done(_) | Way::Groups { .. } | Way::References { .. } | Way::OtherRows { .. } | Way::Query { .. } => &[],
        }
    }
}

impl Way {
    /// What is asked of which groups.
    pub fn of_groups(&self, view: usize) -> Option<(GroupKey, &GroupAnswer)> {
        let (columns, ignore, answer) = match self {
            Way::Groups { columns, ignore, answer } => (columns.clone(), *ignore, answer),
            Way::Rising { column, answer } => (vec![*column], IgnoreRow::AnyValueIsMissing, answer),
            _ => return None,
        };
        Some((GroupKey { columns, ignore, view }, answer))
    }
}

type Planned = Result<Way, String>;

/// Chooses the way of one expectation; columns are places in the table.
pub(crate) fn way(kind: &Kind, opened: &Opened) -> Way {
    let planned = match kind {
        Kind::RowCount { .. }
        | Kind::ColumnCount { .. }
        | Kind::ColumnsMatchSet { .. }
        | Kind::ColumnsMatchOrderedList { .. }
        | Kind::ColumnExists { .. }
        | Kind::Volume { .. }
        | Kind::SchemaCompatible { .. } => Ok(Way::Done(Measured::Table)),
        Kind::SameRowCount { dataset } => Ok(Way::OtherRows { dataset: dataset.clone() }),
        Kind::QueryFindsNone { query } => Ok(Way::Query { query: query.clone(), number: false }),
        Kind::QueryNumber { query, .. } => Ok(Way::Query { query: query.clone(), number: true }),
        Kind::Freshness { column: None, .. } => only_instants(opened).map(|column| Way::Newest { column }),
        Kind::CompoundUnique { columns, ignore_row_if } => return groups(columns, *ignore_row_if, GroupAnswer::Duplicates, opened),
        Kind::UnexpectedCount { rule, .. } => return way(rule, opened),
        Kind::PairEqual { .. }
        | Kind::PairGreater { .. }
        | Kind::PairInSet { .. }
        | Kind::UniqueWithinRecord { .. }
        | Kind::ColumnsEqual { .. }
        | Kind::SumEquals { .. }
        | Kind::Satisfies { .. }
        | Kind::NoRowsFound { .. }
        | Kind::References { .. } => several(kind, opened),
        _ => {
            let Some(name) = kind.columns().first().copied() else { return Way::Done(Measured::Table) };
            let Some(place) = opened.index(name) else {
                return Way::Done(Measured::MissingColumn { column: name.to_owned() });
            };
            column_way(kind, place, name, opened)
        }
    };
    planned.unwrap_or_else(|why| Way::Done(Measured::Failed { why }))
}

/// Rules on several columns of a row.
fn several(kind: &Kind, opened: &Opened) -> Planned {
    let mut columns = Vec::new();
    for name in kind.columns() {
        match opened.index(name) {
            Some(place) => columns.push(place),
            None => return Ok(Way::Done(Measured::MissingColumn { column: name.to_owned() })),
        }
    }
    let (ignore, rule) = match kind {
        Kind::PairEqual { ignore_row_if, .. } => (ignore_row_if.row(), SeveralRule::PairEqual),
        Kind::PairGreater { or_equal, ignore_row_if, .. } => (ignore_row_if.row(), SeveralRule::PairGreater(*or_equal)),
        Kind::PairInSet { pairs, ignore_row_if, .. } => (ignore_row_if.row(), SeveralRule::PairIn(pairs.clone())),
        Kind::UniqueWithinRecord { ignore_row_if, .. } => (*ignore_row_if, SeveralRule::Distinct),
        Kind::ColumnsEqual { ignore_row_if, .. } => (*ignore_row_if, SeveralRule::Equal),
        Kind::SumEquals { total, ignore_row_if, .. } => (*ignore_row_if, SeveralRule::Sum(*total)),
        Kind::Satisfies { condition } => (IgnoreRow::Never, SeveralRule::Holds(Box::new(Evaluator::new(condition)?))),
        Kind::NoRowsFound { condition, .. } => (IgnoreRow::Never, SeveralRule::FindsNone(Box::new(Evaluator::new(condition)?))),
        Kind::References { dataset, to, .. } => return Ok(Way::References { columns, dataset: dataset.clone(), to: to.clone() }),
        other => return Err(format!("{} is no rule on several columns: report this as a defect", other.name())),
    };
    Ok(Way::Several { columns, ignore, rule })
}

fn groups(columns: &[String], ignore: IgnoreRow, answer: GroupAnswer, opened: &Opened) -> Way {
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        match opened.index(column) {
            Some(place) => places.push(place),
            None => return Way::Done(Measured::MissingColumn { column: column.clone() }),
        }
    }
    Way::Groups { columns: places, ignore, answer }
}

fn only_instants(opened: &Opened) -> Result<usize, String> {
    let fields = opened.schema.fields();
    let found: Vec<usize> =
        (0..fields.len()).filter(|i| fields.get(*i).is_some_and(|f| Class::of(f.data_type()) == Class::Instant)).collect();
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err("no column holds dates or instants: name the column, or give its values a type".to_owned()),
        many => {
            let names: Vec<&str> = many.iter().filter_map(|i| fields.get(*i)).map(|f| f.name().as_str()).collect();
            Err(format!("several columns hold dates or instants: name one of {}", names.join(", ")))
        }
    }
}

fn column_way(kind: &Kind, column: usize, name: &str, opened: &Opened) -> Planned {
    let data_type = opened.schema.field(column).data_type();
    let class = Class::reading(data_type);
    let refuse = |what: &str| -> String { format!("column `{name}` is {} ({}): {what}", class.words(), type_name(data_type)) };
    let rows = |rule: RowRule| Ok(Way::Rows { column, rule });
    match kind {
        Kind::NotNull { .. } => rows(RowRule::NotNull),
        Kind::Null { .. } => rows(RowRule::Null),
        Kind::OfType { types, .. } => {
            let matches = type_matches(data_type, types)?;
            Ok(Way::Done(Measured::Type { observed: type_name(data_type), matches }))
        }
        Kind::Unique { .. } => Ok(distinct(column, class, GroupAnswer::Duplicates)),
        // A column of nothing but nulls conforms to everything; the verdict says that nothing was checked.
        Kind::Between { .. }
        | Kind::InSet { .. }
        | Kind::MatchRegex { .. }
        | Kind::MatchRegexList { .. }
        | Kind::MatchLike { .. }
        | Kind::MatchStrftime { .. }
        | Kind::ZScores { .. }
        | Kind::NotOutliers { .. }
        | Kind::LengthBetween { .. }
            if class == Class::Null =>
        {
            rows(RowRule::Anything)
        }
        Kind::Between { bounds, .. } => {
            // Values that cannot be compared are a mistake only where there are values.
            rows(between(bounds, class, data_type).unwrap_or_else(|why| RowRule::Refuse(refuse(&why))))
        }
        Kind::InSet { values, negate, .. } => rows(in_set(values, *negate, class).map_err(|why| refuse(&why))?),
        Kind::MatchRegex { .. } | Kind::MatchRegexList { .. } | Kind::MatchLike { .. } | Kind::MatchStrftime { .. } => {
            rows(text_rule(kind, class, refuse)?)
        }
        Kind::ZScores { threshold, double_sided, .. } if numeric(class) => {
            Ok(Way::ZScores { column, threshold: *threshold, double_sided: *double_sided })
        }
        Kind::NotOutliers { method, multiplier, .. } if numeric(class) => {
            Ok(Way::Outliers { column, method: *method, multiplier: *multiplier })
        }
        Kind::ZScores { .. } | Kind::NotOutliers { .. } => Err(refuse("outliers are told among numbers")),
        Kind::LengthBetween { .. } if class == Class::Other => Err(refuse("its values have no text")),
        Kind::LengthBetween { bounds, .. } => {
            let (lo, hi) = whole_ends(bounds)?;
            // A negative upper end leaves nothing inside.
            rows(RowRule::Length(
                if hi < 0 { u64::MAX } else { u64::try_from(lo.max(0)).unwrap_or(0) },
                u64::try_from(hi.max(0)).unwrap_or(0),
            ))
        }
        Kind::MostCommon { .. } if class == Class::Other => Err(refuse("its values cannot be compared")),
        Kind::MostCommon { .. } => of_groups(column, GroupAnswer::Modes),
        Kind::DistinctValues { .. } if class == Class::Other => Err(refuse("its values cannot be compared")),
        Kind::DistinctValues { values, .. } => of_groups(column, GroupAnswer::Set(ValueSet::new(values, class))),
        Kind::KlDivergence { expected, .. } => match &expected.partition {
            Partition::Categories(_) if class != Class::Other => of_groups(column, GroupAnswer::Categories),
            Partition::Bins { edges, .. } if numeric(class) => Ok(Way::Histogram { column, edges: edges.clone() }),
            Partition::Categories(_) | Partition::Bins { .. } => Err(refuse("its distribution cannot be counted")),
        },
        Kind::Quantiles { quantiles, .. } if numeric(class) => {
            Ok(Way::Quantiles { column, quantiles: Some(quantiles.iter().map(|q| q.q).collect()) })
        }
        Kind::Quantiles { .. } => Err(refuse("quantiles need numbers")),
        Kind::Aggregate { statistic, .. } => aggregate(*statistic, column, class).map_err(|why| refuse(&why)),
        Kind::Freshness { .. } if matches!(class, Class::Instant | Class::Null) => Ok(Way::Newest { column }),
        Kind::Freshness { .. } => Err(refuse("freshness needs dates or instants")),
        _ => Ok(Way::Done(Measured::Table)),
    }
}

/// Rules on the text of a value.
fn text_rule(kind: &Kind, class: Class, refuse: impl Fn(&str) -> String) -> Result<RowRule, String> {
    match kind {
        Kind::MatchRegex { .. } | Kind::MatchRegexList { .. } if class == Class::Other => Err(refuse("a regular expression needs text")),
        Kind::MatchRegex { regex, negate, .. } => Ok(RowRule::Regex(Box::new(PythonRegex::new(regex)?), *negate)),
        Kind::MatchRegexList { regexes, match_on, negate, .. } => {
            let regexes = regexes.iter().map(|r| PythonRegex::new(r)).collect::<Result<_, _>>()?;
            Ok(RowRule::Regexes(regexes, *match_on, *negate))
        }
        Kind::MatchLike { patterns, match_on, negate, escape, .. } if class == Class::Text => {
            let likes = patterns.iter().map(|p| Like::new(p, *escape)).collect::<Result<_, _>>()?;
            Ok(RowRule::Likes(likes, *match_on, *negate))
        }
        Kind::MatchStrftime { format, .. } if class == Class::Text => Ok(RowRule::Strptime(Box::new(Form::new(format)?))),
        Kind::MatchStrftime { .. } => Ok(RowRule::Refuse(refuse("a form is for texts, before they are made dates"))),
        _ => Err(refuse("a pattern needs text")),
    }
}

fn of_groups(column: usize, answer: GroupAnswer) -> Planned {
    Ok(Way::Groups { columns: vec![column], ignore: IgnoreRow::AnyValueIsMissing, answer })
}

/// How many different values there are: whole numbers and instants may show it by their order.
fn distinct(column: usize, class: Class, answer: GroupAnswer) -> Way {
    match class {
        Class::Int | Class::Instant => Way::Rising { column, answer },
        _ => Way::Groups { columns: vec![column], ignore: IgnoreRow::AnyValueIsMissing, answer },
    }
}

fn numeric(class: Class) -> bool {
    matches!(class, Class::Int | Class::Float | Class::Bool | Class::Null)
}

fn aggregate(statistic: Statistic, column: usize, class: Class) -> Planned {
    match statistic {
        Statistic::UniqueValueCount | Statistic::UniqueValueProportion => Ok(distinct(column, class, GroupAnswer::Count(statistic))),
        Statistic::NonNullProportion => Ok(Way::NonNull { column }),
        Statistic::Median if numeric(class) => Ok(Way::Quantiles { column, quantiles: None }),
        Statistic::Min | Statistic::Max if class != Class::Other => Ok(Way::Moments { column, statistic }),
        Statistic::Mean | Statistic::Stdev | Statistic::Sum if numeric(class) => Ok(Way::Moments { column, statistic }),
        Statistic::Min | Statistic::Max => Err("it has no order".to_owned()),
        Statistic::Mean | Statistic::Stdev | Statistic::Sum | Statistic::Median => Err("this aggregate needs numbers".to_owned()),
    }
}

fn between(bounds: &Bounds, class: Class, data_type: &DataType) -> Result<RowRule, String> {
    match class {
        Class::Int | Class::Bool => whole_ends(bounds).map(|(lo, hi)| RowRule::Whole(lo, hi)),
        Class::Float => {
            let end = |value: &Option<Value>, open: f64| match value {
                None => Ok(open),
                Some(v) => v.number().ok_or_else(|| format!("bound {v} is not a number")),
            };
            let (min, max) = (end(&bounds.min, f64::NEG_INFINITY)?, end(&bounds.max, f64::INFINITY)?);
            let (strict_min, strict_max) = (bounds.strict_min && bounds.min.is_some(), bounds.strict_max && bounds.max.is_some());
            Ok(RowRule::Number { min, max, strict_min, strict_max })
        }
        Class::Text => {
            let end = |value: &Option<Value>| match value {
                None => Ok(None),
                Some(Value::Text(text)) => Ok(Some(text.clone())),
                Some(other) => Err(format!("bound {other} is {}: give text, or give the column a type", other.kind())),
            };
            let (min, max) = (end(&bounds.min)?, end(&bounds.max)?);
            Ok(RowRule::TextBetween { min, max, strict_min: bounds.strict_min, strict_max: bounds.strict_max })
        }
        Class::Instant => instant_ends(bounds).map(|(lo, hi)| RowRule::Whole(lo, hi)),
        Class::Null | Class::Other => Err(format!("{} cannot be compared", type_name(data_type))),
    }
}

/// The closed interval of whole numbers that lie within the bounds; an empty one has its ends crossed.
fn whole_ends(bounds: &Bounds) -> Result<(i64, i64), String> {
    let end = |value: &Value, strict: bool, upper: bool| -> Result<i64, String> {
        let wide = match value {
            Value::Int(n) => i128::from(*n) + i128::from(strict) * if upper { -1 } else { 1 },
            other => {
                let x = other.number().ok_or_else(|| format!("bound {other} is {}: give a number", other.kind()))?;
                let inner = if upper { x.floor() } else { x.ceil() };
                #[expect(clippy::cast_possible_truncation, reason = "saturates, and the saturated end is right")]
                let whole = inner as i128;
                #[expect(clippy::float_cmp, reason = "exactly a whole number or not")]
                let on_it = inner == x;
                whole.saturating_add(if strict && on_it { if upper { -1 } else { 1 } } else { 0 })
            }
        };
        Ok(i64::try_from(wide).unwrap_or(if wide > 0 { i64::MAX } else { i64::MIN }))
    };
    let lo = bounds.min.as_ref().map_or(Ok(i64::MIN), |v| end(v, bounds.strict_min, false))?;
    let hi = bounds.max.as_ref().map_or(Ok(i64::MAX), |v| end(v, bounds.strict_max, true))?;
    Ok((lo, hi))
}

fn instant_ends(bounds: &Bounds) -> Result<(i64, i64), String> {
    let end = |value: &Option<Value>, open: i64, step: i64| match value {
        None => Ok(open),
        Some(Value::Text(text)) => instant_micros(text)
            .map(|t| t.saturating_add(step))
            .ok_or_else(|| format!("bound {text:?} is not a date or an instant: write `2013-12-31` or `2013-12-31T05:00:00Z`")),
        Some(other) => Err(format!("bound {other} is {}: write a date or an instant", other.kind())),
    };
    Ok((end(&bounds.min, i64::MIN, i64::from(bounds.strict_min))?, end(&bounds.max, i64::MAX, -i64::from(bounds.strict_max))?))
}

fn in_set(values: &[Value], negate: bool, class: Class) -> Result<RowRule, String> {
    let whole = |v: &Value| match v {
        Value::Int(n) => Some(*n),
        Value::Bool(b) => Some(i64::from(*b)),
        #[expect(clippy::cast_possible_truncation, reason = "whole and within range, as is tested")]
        Value::Float(x) if x.fract() == 0.0 && x.abs() < 9e15 => Some(*x as i64),
        Value::Float(_) | Value::Null | Value::Text(_) | Value::Row(_) => None,
    };
    match class {
        Class::Int | Class::Bool => Ok(RowRule::WholeIn(values.iter().filter_map(whole).collect(), negate)),
        Class::Float => Ok(RowRule::NumberIn(values.iter().filter_map(Value::number).map(float_bits).collect(), negate)),
        Class::Text => Ok(RowRule::TextIn(TextSet::new(texts_of(values)), negate)),
        Class::Instant => {
            let read = |v: &Value| match v {
                Value::Text(text) => instant_micros(text).ok_or_else(|| format!("value {v} of the set is not a date or an instant")),
                other => Err(format!("value {other} of the set is {}: write dates or instants", other.kind())),
            };
            let set = values.iter().filter(|v| **v != Value::Null).map(read).collect::<Result<_, _>>()?;
            Ok(RowRule::WholeIn(set, negate))
        }
        Class::Null | Class::Other => Err("its values cannot be compared".to_owned()),
    }
}
