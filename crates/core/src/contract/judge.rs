//! One measurement against one expectation: what Great Expectations would say, and whether anything was checked at all.

use super::check::{ExpectationOutcome, MapCounts, Verdict};
use super::expectation::{Allowances, Expectation, Rules};
use super::facts::{Facts, Measured};
use super::judge_more::{compare_with_before, find_count, find_distinct, find_divergence, find_modes, find_query_number};
use super::kind::{Kind, Quantile};
use super::value::{Bounds, Value, instant_micros};
use crate::id::At;

/// What the two say, before the rules for emptiness are applied.
pub(super) struct Finding {
    pub holds: bool,
    /// Nothing was there to be checked.
    pub vacuous: bool,
    /// It could not be checked.
    pub error: bool,
    pub why: String,
    pub observed: Option<serde_json::Value>,
    pub counts: Option<MapCounts>,
}

/// The outcome of `expectation`, given what was measured for it.
#[must_use]
pub fn judge_expectation(expectation: &Expectation, measured: &Measured, table: &Facts<'_>, rules: &Rules) -> ExpectationOutcome {
    // A condition narrows the table down to the rows that were looked at.
    if let Measured::Among { rows, measured } = measured {
        let mut outcome = judge_expectation(expectation, measured, &Facts { rows: *rows, ..*table }, rules);
        if *rows == 0 && outcome.vacuous {
            "the condition selects no rows, so nothing was checked".clone_into(&mut outcome.why);
        }
        return outcome;
    }
    let finding = match expectation.mistake() {
        Some(mistake) => error(mistake),
        None => find(expectation, measured, table),
    };
    let (verdict, success) = decide(&finding, expectation, measured, table, rules);
    ExpectationOutcome {
        expectation: expectation.clone(),
        verdict,
        success,
        vacuous: finding.vacuous,
        observed: finding.observed,
        counts: finding.counts,
        why: finding.why,
    }
}

fn decide(finding: &Finding, expectation: &Expectation, measured: &Measured, table: &Facts<'_>, rules: &Rules) -> (Verdict, bool) {
    let gx = if finding.holds { Verdict::Pass } else { Verdict::Fail };
    match rules {
        Rules::Pandera { strict, optional } if missing_among(measured, optional) => (Verdict::NothingChecked, !strict),
        Rules::GreatExpectations { .. } | Rules::Pandera { .. } if finding.error => (Verdict::Error, false),
        Rules::GreatExpectations { strict: true } | Rules::Pandera { strict: true, .. } if finding.vacuous => {
            (Verdict::NothingChecked, false)
        }
        Rules::GreatExpectations { .. } | Rules::Pandera { .. } => (gx, finding.holds),
        Rules::Own(allow) => match measured {
            Measured::MissingColumn { column } if allow.missing_column.contains(column) => (Verdict::NothingChecked, true),
            _ if finding.error => (Verdict::Error, false),
            _ if finding.vacuous => (Verdict::NothingChecked, may_be_empty(expectation, table, allow)),
            _ => (gx, finding.holds),
        },
    }
}

fn missing_among(measured: &Measured, optional: &[String]) -> bool {
    matches!(measured, Measured::MissingColumn { column } if optional.contains(column))
}

fn may_be_empty(expectation: &Expectation, table: &Facts<'_>, allow: &Allowances) -> bool {
    // The first check of a dataset has nothing to be compared with; the next one has. Alone, such rules pass nothing.
    if expectation.kind.compares_with_before() {
        return true;
    }
    if table.rows == 0 {
        return allow.no_rows;
    }
    let columns = expectation.kind.columns();
    !columns.is_empty() && columns.iter().all(|c| allow.all_null.iter().any(|a| a == c))
}

pub(super) fn error(why: impl Into<String>) -> Finding {
    Finding { holds: false, vacuous: false, error: true, why: why.into(), observed: None, counts: None }
}

pub(super) fn seen(holds: bool, why: String, observed: serde_json::Value) -> Finding {
    Finding { holds, vacuous: false, error: false, why, observed: Some(observed), counts: None }
}

fn find(expectation: &Expectation, measured: &Measured, table: &Facts<'_>) -> Finding {
    match measured {
        Measured::Failed { why } => error(why.clone()),
        Measured::MissingColumn { column } => missing_column(&expectation.kind, column, table),
        Measured::Table => find_in_table(&expectation.kind, table),
        Measured::Map { rows, missing, unexpected, samples } => {
            let counts = MapCounts { rows: *rows, missing: *missing, unexpected: *unexpected, samples: samples.clone() };
            match &expectation.kind {
                Kind::UnexpectedCount { .. } | Kind::NoRowsFound { .. } | Kind::QueryFindsNone { .. } => {
                    find_count(&expectation.kind, counts)
                }
                _ => find_in_rows(expectation, counts),
            }
        }
        Measured::Distinct { unexpected, unexpected_count, absent, missing } => {
            find_distinct(&expectation.kind, unexpected, *unexpected_count, absent, *missing == table.rows)
        }
        Measured::Modes { values, count, missing } => find_modes(&expectation.kind, values, *count, *missing, table),
        Measured::Counted { counted, missing } => find_divergence(&expectation.kind, counted, *missing == table.rows),
        Measured::OtherRows { rows } => match &expectation.kind {
            Kind::SameRowCount { dataset } => {
                let why = format!("{} rows, `{dataset}` has {rows}", table.rows);
                seen(table.rows == *rows, why, serde_json::json!({ "self": table.rows, "other": rows }))
            }
            other => mismatch(other),
        },
        Measured::Among { .. } => error("a condition within a condition: report this as a defect"),
        Measured::Aggregate { observed, missing } => match &expectation.kind {
            Kind::Aggregate { statistic, bounds, .. } => {
                find_in_aggregate(bounds, observed.as_ref(), *missing, statistic.expectation_name(), table)
            }
            Kind::QueryNumber { bounds, outside, .. } => find_query_number(bounds, *outside, observed.as_ref(), table),
            other => mismatch(other),
        },
        Measured::Quantiles { observed, missing } => match &expectation.kind {
            Kind::Quantiles { quantiles, .. } => find_in_quantiles(quantiles, observed, *missing, table),
            other => mismatch(other),
        },
        Measured::Type { observed, matches } => {
            let wanted = match &expectation.kind {
                Kind::OfType { types, .. } => types.join(" or "),
                other => return mismatch(other),
            };
            seen(*matches, format!("type is {observed}, expected {wanted}"), observed.clone().into())
        }
        Measured::Newest { column, newest, missing } => match &expectation.kind {
            Kind::Freshness { within_ms, .. } => find_freshness(*within_ms, column, *newest, *missing, table),
            other => mismatch(other),
        },
    }
}

pub(super) fn mismatch(kind: &Kind) -> Finding {
    error(format!("what was measured does not belong to {}: report this as a defect", kind.name()))
}

fn missing_column(kind: &Kind, column: &str, table: &Facts<'_>) -> Finding {
    let there = if table.columns.is_empty() { "no columns".to_owned() } else { table.columns.join(", ") };
    match kind {
        Kind::ColumnExists { .. } => seen(false, format!("column `{column}` is not in the table, which has {there}"), false.into()),
        _ => {
            error(format!("column `{column}` is not in the table, which has {there}: correct the name, or allow it under `missing_column`"))
        }
    }
}

#[expect(clippy::cast_possible_wrap, reason = "no table has 2^63 rows or columns")]
fn find_in_table(kind: &Kind, table: &Facts<'_>) -> Finding {
    match kind {
        Kind::RowCount { bounds } => count_in("row", table.rows as i64, bounds),
        Kind::ColumnCount { bounds } => count_in("column", table.columns.len() as i64, bounds),
        Kind::ColumnExists { column, index } => {
            let place = table.columns.iter().position(|c| c == column);
            let holds = match (place, index) {
                (Some(place), Some(index)) => place as u64 == *index,
                (place, None) => place.is_some(),
                (None, Some(_)) => false,
            };
            let why = match place {
                None => format!("column `{column}` is not in the table, which has {}", table.columns.join(", ")),
                Some(place) => format!("column `{column}` is at place {place} of the table"),
            };
            seen(holds, why, holds.into())
        }
        Kind::ColumnsMatchSet { columns, exact } => {
            let missing: Vec<_> = columns.iter().filter(|c| !table.columns.contains(c)).map(String::as_str).collect();
            let others: Vec<_> = table.columns.iter().filter(|c| !columns.contains(c)).map(String::as_str).collect();
            let holds = missing.is_empty() && (!exact || others.is_empty());
            let why = match (missing.is_empty(), others.is_empty()) {
                (true, true) => "the columns are those expected".to_owned(),
                (false, true) => format!("missing: {}", missing.join(", ")),
                (true, false) => format!("not expected: {}", others.join(", ")),
                (false, false) => format!("missing: {}; not expected: {}", missing.join(", "), others.join(", ")),
            };
            let mut sorted = table.columns.to_vec();
            sorted.sort();
            seen(holds, why, sorted.into())
        }
        Kind::ColumnsMatchOrderedList { columns } => {
            let differs = (0..columns.len().max(table.columns.len())).find(|i| columns.get(*i) != table.columns.get(*i));
            let name = |list: &[String], i: usize| list.get(i).map_or("nothing".to_owned(), |c| format!("`{c}`"));
            let why = match differs {
                None => "the columns are those expected, in order".to_owned(),
                Some(i) => format!("column {i} is {}, expected {}", name(table.columns, i), name(columns, i)),
            };
            seen(differs.is_none(), why, table.columns.into())
        }
        Kind::Volume { .. } | Kind::SchemaCompatible { .. } => compare_with_before(kind, table),
        other => mismatch(other),
    }
}

fn count_in(what: &str, count: i64, bounds: &Bounds) -> Finding {
    match bounds.contain(&Value::Int(count)) {
        None => error(format!("the interval of the {what} count is not of numbers: give whole numbers")),
        Some(holds) => seen(holds, format!("{count} {what}s, expected {bounds}"), count.into()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53; the ratio is a float in the reference too")]
fn find_in_rows(expectation: &Expectation, counts: MapCounts) -> Finding {
    let base = if expectation.kind.by_all_rows() { counts.rows } else { counts.rows.saturating_sub(counts.missing) };
    let vacuous = base == 0;
    let holds = vacuous || (base as f64 - counts.unexpected as f64) / base as f64 >= expectation.mostly;
    let why = if counts.rows == 0 {
        "the table has no rows, so nothing was checked".to_owned()
    } else if vacuous {
        format!("all {} values are null, so nothing was checked", counts.rows)
    } else {
        let first = counts.samples.first().map(|s| match s.row {
            Some(row) => format!("; first {} in row {row}", s.value),
            None => format!("; among them {}", s.value),
        });
        let share = counts.unexpected as f64 / base as f64 * 100.0;
        format!(
            "{} of {base} values ({share:.4} %) are unexpected, at least {} must conform{}",
            counts.unexpected,
            expectation.mostly,
            first.unwrap_or_default()
        )
    };
    Finding { holds, vacuous, error: false, why, observed: None, counts: Some(counts) }
}

pub(super) fn nothing(missing: u64, table: &Facts<'_>) -> Finding {
    let why = if table.rows == 0 {
        "the table has no rows, so there is no value".to_owned()
    } else {
        format!("there is no value: {missing} of {} rows are null", table.rows)
    };
    Finding { holds: false, vacuous: true, error: false, why, observed: Some(serde_json::Value::Null), counts: None }
}

fn find_in_aggregate(bounds: &Bounds, observed: Option<&Value>, missing: u64, name: &str, table: &Facts<'_>) -> Finding {
    let Some(value) = observed else {
        let mut finding = nothing(missing, table);
        // A deviation of one value does not exist, yet that value was looked at.
        finding.vacuous = missing == table.rows;
        if !finding.vacuous {
            finding.why = format!("the aggregate is not defined on these {} values", table.rows.saturating_sub(missing));
        }
        return finding;
    };
    let shown = serde_json::to_value(value).unwrap_or_else(|_| value.to_string().into());
    match contain(bounds, value) {
        // A count of distinct values is none where every value is null: it is a number, yet nothing was checked.
        Some(holds) => Finding { vacuous: missing == table.rows, ..seen(holds, format!("observed {value}, expected {bounds}"), shown) },
        None => error(format!(
            "{name}: observed {value}, which is {}, cannot be held against {bounds}: give bounds of the column's type",
            value.kind()
        )),
    }
}

/// Observed instants are text; they are compared as instants where the bounds are instants too.
fn contain(bounds: &Bounds, value: &Value) -> Option<bool> {
    if let Value::Text(text) = value
        && let (Some(micros), Some(bounds)) = (instant_micros(text), bounds.of_instants())
    {
        return bounds.contain(&Value::Int(micros));
    }
    bounds.contain(value)
}

fn find_in_quantiles(wanted: &[Quantile], observed: &[Option<f64>], missing: u64, table: &Facts<'_>) -> Finding {
    if observed.len() != wanted.len() {
        return error("quantiles were measured for another expectation: report this as a defect");
    }
    let quantiles: Vec<f64> = wanted.iter().map(|q| q.q).collect();
    let shown = serde_json::json!({ "quantiles": quantiles, "values": observed });
    let Some(values) = observed.iter().copied().collect::<Option<Vec<f64>>>() else {
        return Finding { observed: Some(shown), ..nothing(missing, table) };
    };
    let inside = |q: &Quantile, v: f64| q.min.is_none_or(|min| v >= min) && q.max.is_none_or(|max| v <= max);
    let outside: Vec<String> = wanted
        .iter()
        .zip(&values)
        .filter(|(q, v)| !inside(q, **v))
        .map(|(q, v)| {
            let range = Bounds::inclusive(q.min.map(Value::Float), q.max.map(Value::Float));
            format!("quantile {} is {v}, expected {range}", q.q)
        })
        .collect();
    let why = if outside.is_empty() { "all quantiles are within their ranges".to_owned() } else { outside.join("; ") };
    seen(outside.is_empty(), why, shown)
}

fn find_freshness(within_ms: u64, column: &str, newest: Option<At>, missing: u64, table: &Facts<'_>) -> Finding {
    let Some(newest) = newest else { return nothing(missing, table) };
    let (age_ms, as_of) = (table.as_of.since_ms(newest), table.as_of);
    let holds = age_ms <= within_ms;
    let later = if newest > as_of { " (later than that: check the clock or the time zone)" } else { "" };
    let why = format!("newest `{column}` is {newest}{later}, {} before {as_of}, expected at most {}", span(age_ms), span(within_ms));
    seen(holds, why, newest.to_string().into())
}

/// Milliseconds for people: two units at most.
fn span(ms: u64) -> String {
    let (days, hours, minutes, seconds) = (ms / 86_400_000, ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1_000 % 60);
    match (days, hours, minutes, seconds) {
        (0, 0, 0, 0) => format!("{ms} ms"),
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}
