//! A check's report in the shape of Great Expectations' validation result, with what we add beside it.

use serde_json::{Map, Value as Json, json};
use tidegate_core::contract::{Bounds, CheckReport, ExpectationOutcome, IgnoreRow, Kind, MapCounts, Value, Verdict};

/// The report as JSON: their fields as they name them, ours under `tidegate`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "numbers of expectations")]
pub fn result_json(report: &CheckReport) -> Json {
    let (all, failed) = (report.outcomes.len(), report.failed().count());
    let percent = if all == 0 { Json::Null } else { json!((all - failed) as f64 / all as f64 * 100.0) };
    json!({
        "success": report.success,
        "results": report.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "suite_name": report.dataset,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": all,
            "successful_expectations": all - failed,
            "unsuccessful_expectations": failed,
            "success_percent": percent,
        },
        "meta": { "active_batch_definition": { "source": report.table.source } },
        "tidegate": {
            "as_of": report.as_of.to_string(),
            "rows": report.table.rows,
            "columns": report.table.columns.iter().map(|(n, t)| json!({ "name": n, "type": t })).collect::<Vec<_>>(),
            "rules": report.rules,
            "findings": report.findings,
            "nothing_checked": report.vacuous().count(),
        },
    })
}

fn outcome(outcome: &ExpectationOutcome) -> Json {
    let e = &outcome.expectation;
    let mut kwargs = kwargs(&e.kind);
    if e.mostly < 1.0 {
        kwargs.insert("mostly".to_owned(), json!(e.mostly));
    }
    let raised = outcome.verdict == Verdict::Error;
    let message = if raised { json!(outcome.why) } else { Json::Null };
    let mut config = json!({ "type": e.kind.name(), "kwargs": kwargs, "meta": {}, "severity": e.severity });
    if let Some(map) = config.as_object_mut() {
        map.extend(e.id.iter().map(|id| ("id".to_owned(), json!(id))));
        map.extend(e.notes.iter().map(|notes| ("notes".to_owned(), json!(notes))));
    }
    json!({
        "success": outcome.success,
        "expectation_config": config,
        "result": result(outcome),
        "meta": {},
        "exception_info": { "raised_exception": raised, "exception_message": message, "exception_traceback": null },
        "tidegate": { "verdict": outcome.verdict, "nothing_checked": outcome.vacuous, "why": outcome.why },
    })
}

fn result(outcome: &ExpectationOutcome) -> Json {
    match (&outcome.counts, &outcome.observed) {
        (Some(counts), _) => map_result(&outcome.expectation.kind, counts),
        (None, Some(observed)) if matches!(outcome.expectation.kind, Kind::ColumnExists { .. }) => {
            let _ = observed;
            json!({})
        }
        (None, Some(observed)) => json!({ "observed_value": observed }),
        (None, None) => json!({}),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn map_result(kind: &Kind, counts: &MapCounts) -> Json {
    let MapCounts { rows, missing, unexpected, samples } = counts;
    let percent = |part: u64, whole: u64| if whole == 0 { Json::Null } else { json!(part as f64 / whole as f64 * 100.0) };
    let listed: Vec<&Value> = samples.iter().map(|s| &s.value).collect();
    let mut frequency: Vec<(&Value, u64)> = Vec::new();
    for value in &listed {
        match frequency.iter_mut().find(|(v, _)| v == value) {
            Some((_, n)) => *n += 1,
            None => frequency.push((value, 1)),
        }
    }
    frequency.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let mut result = json!({
        "element_count": rows,
        "unexpected_count": unexpected,
        "unexpected_percent": percent(*unexpected, if by_all_rows(kind) { *rows } else { rows.saturating_sub(*missing) }),
        "partial_unexpected_list": listed,
        "partial_unexpected_counts": frequency.iter().map(|(v, n)| json!({ "value": v, "count": n })).collect::<Vec<_>>(),
        "partial_unexpected_index_list": samples.iter().filter_map(|s| s.row).collect::<Vec<_>>(),
    });
    if let (false, Some(map)) = (by_all_rows(kind), result.as_object_mut()) {
        map.insert("missing_count".to_owned(), json!(missing));
        map.insert("missing_percent".to_owned(), percent(*missing, *rows));
        map.insert("unexpected_percent_total".to_owned(), percent(*unexpected, *rows));
        map.insert("unexpected_percent_nonmissing".to_owned(), percent(*unexpected, rows.saturating_sub(*missing)));
    }
    result
}

fn by_all_rows(kind: &Kind) -> bool {
    matches!(kind, Kind::NotNull { .. } | Kind::Null { .. })
}

fn bounds_into(map: &mut Map<String, Json>, bounds: &Bounds) {
    map.insert("min_value".to_owned(), json!(bounds.min));
    map.insert("max_value".to_owned(), json!(bounds.max));
    for (name, flag) in [("strict_min", bounds.strict_min), ("strict_max", bounds.strict_max)] {
        if flag {
            map.insert(name.to_owned(), Json::Bool(true));
        }
    }
}

/// The arguments as a suite writes them.
fn kwargs(kind: &Kind) -> Map<String, Json> {
    let mut map = Map::new();
    let mut set = |name: &str, value: Json| map.insert(name.to_owned(), value);
    match kind {
        Kind::RowCount { bounds } | Kind::ColumnCount { bounds } => bounds_into(&mut map, bounds),
        Kind::ColumnExists { column, index } => {
            set("column", json!(column));
            if let Some(index) = index {
                set("column_index", json!(index));
            }
        }
        Kind::ColumnsMatchSet { columns, exact } => {
            set("column_set", json!(columns));
            set("exact_match", json!(exact));
        }
        Kind::ColumnsMatchOrderedList { columns } => drop(set("column_list", json!(columns))),
        Kind::NotNull { column } | Kind::Null { column } | Kind::Unique { column } => drop(set("column", json!(column))),
        Kind::OfType { column, types, list } => {
            set("column", json!(column));
            if *list {
                set("type_list", json!(types))
            } else {
                set("type_", json!(types.first()))
            };
        }
        Kind::Between { column, bounds } | Kind::LengthBetween { column, bounds } | Kind::Aggregate { column, bounds, .. } => {
            set("column", json!(column));
            bounds_into(&mut map, bounds);
        }
        Kind::InSet { column, values, .. } => {
            set("column", json!(column));
            set("value_set", json!(values));
        }
        Kind::MatchRegex { column, regex, .. } => {
            set("column", json!(column));
            set("regex", json!(regex));
        }
        Kind::Quantiles { column, quantiles } => {
            set("column", json!(column));
            let (qs, ranges): (Vec<_>, Vec<_>) = quantiles.iter().map(|q| (q.q, (q.min, q.max))).unzip();
            set("quantile_ranges", json!({ "quantiles": qs, "value_ranges": ranges }));
        }
        Kind::CompoundUnique { columns, ignore_row_if } => {
            set("column_list", json!(columns));
            if *ignore_row_if != IgnoreRow::default() {
                set("ignore_row_if", json!(ignore_row_if));
            }
        }
        Kind::Freshness { column, within_ms } => {
            set("column", json!(column));
            set("within", json!(format!("{within_ms}ms")));
        }
    }
    map
}
