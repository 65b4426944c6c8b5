//! Judging what is no plain rule on rows: sets of distinct values, distributions, counts, and what came before.

use super::check::MapCounts;
use super::divergence::Counted;
use super::facts::Facts;
use super::judge::{Finding, error, mismatch, nothing, seen};
use super::kind::{Kind, SetRelation};
use super::schema::compare_schemas;
use super::value::{Bounds, Value};
use serde_json::json;

/// Most values that a sentence names.
const NAMED_MAX: usize = 5;

fn named(values: &[Value]) -> String {
    let mut text: Vec<String> = values.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if values.len() > NAMED_MAX {
        text.push("..".to_owned());
    }
    text.join(", ")
}

pub(super) fn find_distinct(kind: &Kind, unexpected: &[Value], unexpected_count: u64, absent: &[Value], empty: bool) -> Finding {
    let Kind::DistinctValues { relation, .. } = kind else { return mismatch(kind) };
    let (strangers, gaps) = (unexpected_count > 0, !absent.is_empty());
    let holds = match relation {
        SetRelation::In => !strangers,
        SetRelation::Contain => !gaps,
        SetRelation::Equal => !strangers && !gaps,
    };
    let mut parts = Vec::new();
    if empty {
        parts.push("there is no value".to_owned());
    }
    if strangers && *relation != SetRelation::Contain {
        parts.push(format!("{unexpected_count} distinct values are not in the set: {}", named(unexpected)));
    }
    if gaps && *relation != SetRelation::In {
        parts.push(format!("{} values of the set are not there: {}", absent.len(), named(absent)));
    }
    let why = if parts.is_empty() { "the distinct values are as expected".to_owned() } else { parts.join("; ") };
    let shown = json!({ "unexpected_count": unexpected_count, "unexpected": unexpected, "missing_count": absent.len(), "missing": absent });
    Finding { vacuous: empty, ..seen(holds, why, shown) }
}

pub(super) fn find_modes(kind: &Kind, values: &[Value], count: u64, missing: u64, table: &Facts<'_>) -> Finding {
    let Kind::MostCommon { values: wanted, ties_okay, .. } = kind else { return mismatch(kind) };
    if count == 0 {
        return Finding { observed: Some(json!([])), ..nothing(missing, table) };
    }
    let same = |a: &Value, b: &Value| a == b || a.compare(b).is_some_and(std::cmp::Ordering::is_eq);
    let among = values.iter().filter(|v| wanted.iter().any(|w| same(v, w))).count();
    let holds = if *ties_okay { among > 0 } else { count == 1 && among == 1 };
    let why = match count {
        1 => format!("the most common value is {}", named(values)),
        n => format!("{n} values are equally common: {}", named(values)),
    };
    seen(holds, format!("{why}, expected {}{}", if *ties_okay { "one of " } else { "" }, named(wanted)), json!(values))
}

pub(super) fn find_divergence(kind: &Kind, counted: &Counted, empty: bool) -> Finding {
    let Kind::KlDivergence { expected, .. } = kind else { return mismatch(kind) };
    let divergence = expected.divergence(counted);
    let (holds, bar) = match expected.threshold {
        None => (true, "any".to_owned()),
        Some(threshold) => (divergence <= threshold, format!("at most {threshold}")),
    };
    let observed = if divergence.is_finite() { json!(divergence) } else { serde_json::Value::Null };
    let why =
        if empty { "there is no value, so no distribution".to_owned() } else { format!("the divergence is {divergence}, expected {bar}") };
    Finding { vacuous: empty, ..seen(holds, why, observed) }
}

/// How many rows break a rule, or are found by a query.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "counts below 2^53")]
pub(super) fn find_count(kind: &Kind, counts: MapCounts) -> Finding {
    let (rows, unexpected, vacuous) = (counts.rows, counts.unexpected, counts.rows == 0);
    let first = counts.samples.first().map(|s| match s.row {
        Some(row) => format!("; first {} in row {row}", s.value),
        None => format!("; among them {}", s.value),
    });
    let first = first.unwrap_or_default();
    let found = match kind {
        Kind::QueryFindsNone { .. } => seen(unexpected == 0, format!("the query finds {unexpected} rows{first}"), json!(unexpected)),
        Kind::NoRowsFound { .. } => seen(unexpected == 0, format!("the query finds {unexpected} of {rows} rows{first}"), json!(unexpected)),
        Kind::UnexpectedCount { rule, bounds, outside, percent } => {
            let value = match percent {
                true if vacuous => Value::Int(0),
                true => Value::Float(unexpected as f64 / rows as f64 * 100.0),
                false => Value::Int(unexpected as i64),
            };
            let Some(inside) = bounds.contain(&value) else {
                return error(format!("the interval of {} is not of numbers: give numbers", rule.name()));
            };
            let (unit, not) = (if *percent { " % of the rows" } else { " rows" }, if *outside { " not in" } else { "" });
            let why = format!("{value}{unit} break {}, expected{not} {bounds}{first}", rule.name());
            seen(inside != *outside, why, json!(value))
        }
        other => return mismatch(other),
    };
    Finding { vacuous, counts: Some(counts), ..found }
}

/// The one number that a query gives; a null is none.
pub(super) fn find_query_number(bounds: &Bounds, outside: bool, observed: Option<&Value>, table: &Facts<'_>) -> Finding {
    let Some(value) = observed else {
        let why = "the query gives null, so no number".to_owned();
        return Finding { holds: true, vacuous: true, error: false, why, observed: None, counts: None };
    };
    let Some(inside) = bounds.contain(value) else {
        return error(format!(
            "the query gives {value}, which is {}, and cannot be held against {bounds}: let it give a number",
            value.kind()
        ));
    };
    let not = if outside { " not in" } else { "" };
    let found = seen(inside != outside, format!("the query gives {value}, expected{not} {bounds}"), json!(value));
    Finding { vacuous: table.rows == 0, ..found }
}

/// Volume and schema, against the checks before that passed.
pub(super) fn compare_with_before(kind: &Kind, table: &Facts<'_>) -> Finding {
    let before = table.before.filter(|b| !b.rows.is_empty() || !b.schema.is_empty());
    let Some(before) = before else {
        let why = "no check before this one passed, so there is nothing to compare with: the next one has this one".to_owned();
        return Finding { holds: true, vacuous: true, error: false, why, observed: None, counts: None };
    };
    match kind {
        Kind::Volume { checks, max_loss, max_growth } => find_volume(*checks, *max_loss, *max_growth, &before.rows, table.rows),
        Kind::SchemaCompatible { compatibility, optional } => {
            let now: Vec<(String, String)> = table.columns.iter().cloned().zip(table.types.iter().cloned()).collect();
            let change = compare_schemas(&before.schema, &now, optional);
            let told: Vec<String> = change.changes.iter().map(ToString::to_string).collect();
            let yes = |flag: bool| if flag { "yes" } else { "no" };
            let what = if told.is_empty() { "the columns are those of the last check".to_owned() } else { told.join("; ") };
            let verdict = format!("backward {}, forward {}, expected {compatibility}", yes(change.backward), yes(change.forward));
            seen(change.allows(*compatibility), format!("{what}: {verdict}"), json!(change))
        }
        other => mismatch(other),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn find_volume(checks: u32, max_loss: Option<f64>, max_growth: Option<f64>, history: &[u64], rows: u64) -> Finding {
    let skip = history.len().saturating_sub(checks as usize);
    let last = history.get(skip..).unwrap_or_default();
    let mean = last.iter().map(|n| *n as f64).sum::<f64>() / last.len().max(1) as f64;
    let change = if mean == 0.0 { if rows == 0 { 0.0 } else { f64::INFINITY } } else { rows as f64 / mean - 1.0 };
    let holds = max_loss.is_none_or(|loss| change >= -loss) && max_growth.is_none_or(|growth| change <= growth);
    let percent = |x: f64| format!("{:+.2} %", x * 100.0);
    let low = max_loss.map_or("any loss".to_owned(), |l| percent(-l));
    let high = max_growth.map_or("any growth".to_owned(), percent);
    let why = format!("{rows} rows, {} of the mean {mean:.1} of {} checks before, expected {low} to {high}", percent(change), last.len());
    seen(holds, why, json!({ "rows": rows, "mean": mean, "checks": last.len() }))
}
