//! A check's report in the shape of Great Expectations' validation result, with what we add beside it.

use super::written::arguments;
use serde_json::{Map, Value as Json, json};
use tidegate_core::contract::{CheckReport, ExpectationOutcome, Kind, MapCounts, Sample, SetRelation, Value, Verdict};

/// Values that lists called "partial" hold at most, as Great Expectations has it.
const PARTIAL_MAX: usize = 20;

/// How much of a result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResultFormat {
    /// Whether it holds.
    BooleanOnly,
    /// Counts and the first unexpected values.
    Basic,
    /// Also how often these occur, and in which rows.
    #[default]
    Summary,
    /// Also all unexpected values and their rows.
    Complete,
}

impl std::str::FromStr for ResultFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<ResultFormat, String> {
        match text.to_ascii_uppercase().replace('-', "_").as_str() {
            "BOOLEAN_ONLY" => Ok(ResultFormat::BooleanOnly),
            "BASIC" => Ok(ResultFormat::Basic),
            "SUMMARY" => Ok(ResultFormat::Summary),
            "COMPLETE" => Ok(ResultFormat::Complete),
            _ => Err(format!("`{text}` is none of BOOLEAN_ONLY, BASIC, SUMMARY, COMPLETE")),
        }
    }
}

/// The report as JSON at the level that Great Expectations gives by default.
#[must_use]
pub fn result_json(report: &CheckReport) -> Json {
    result_json_as(report, ResultFormat::default())
}

/// The report as JSON: their fields as they name them, ours under `tidegate`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "numbers of expectations")]
pub fn result_json_as(report: &CheckReport, format: ResultFormat) -> Json {
    let (all, failed) = (report.outcomes.len(), report.failed().count());
    let percent = if all == 0 { Json::Null } else { json!((all - failed) as f64 / all as f64 * 100.0) };
    json!({
        "success": report.success,
        "results": report.outcomes.iter().map(|o| outcome(o, format)).collect::<Vec<_>>(),
        "suite_name": report.dataset,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": all,
            "successful_expectations": all - failed,
            "unsuccessful_expectations": failed,
            "success_percent": percent,
        },
        "meta": { "active_batch_definition": { "source": report.table.source, "where": report.table.only } },
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

fn outcome(outcome: &ExpectationOutcome, format: ResultFormat) -> Json {
    let e = &outcome.expectation;
    let raised = outcome.verdict == Verdict::Error;
    let message = if raised { json!(outcome.why) } else { Json::Null };
    let mut config = json!({ "type": e.kind.name(), "kwargs": arguments(e), "meta": {}, "severity": e.severity });
    if let Some(map) = config.as_object_mut() {
        map.extend(e.id.iter().map(|id| ("id".to_owned(), json!(id))));
        map.extend(e.notes.iter().map(|notes| ("notes".to_owned(), json!(notes))));
    }
    json!({
        "success": outcome.success,
        "expectation_config": config,
        "result": if format == ResultFormat::BooleanOnly { json!({}) } else { result(outcome, format) },
        "meta": {},
        "exception_info": { "raised_exception": raised, "exception_message": message, "exception_traceback": null },
        "tidegate": { "verdict": outcome.verdict, "vacuous": outcome.vacuous, "nothing_checked": outcome.vacuous, "why": outcome.why },
    })
}

fn result(outcome: &ExpectationOutcome, format: ResultFormat) -> Json {
    let kind = &outcome.expectation.kind;
    match (&outcome.counts, &outcome.observed) {
        (_, Some(observed)) if matches!(kind, Kind::DistinctValues { .. }) => distinct_result(kind, observed),
        (_, Some(_)) if matches!(kind, Kind::ColumnExists { .. }) => json!({}),
        (Some(_), Some(observed)) => json!({ "observed_value": observed }),
        (Some(counts), None) => map_result(kind, counts, format),
        (None, Some(observed)) => json!({ "observed_value": observed }),
        (None, None) => json!({}),
    }
}

fn distinct_result(kind: &Kind, observed: &Json) -> Json {
    let mut result = json!({ "observed_value": null });
    let relation = if let Kind::DistinctValues { relation, .. } = kind { *relation } else { SetRelation::Equal };
    if let Some(map) = result.as_object_mut() {
        if relation != SetRelation::Contain {
            map.insert("unexpected_count".to_owned(), observed["unexpected_count"].clone());
            map.insert("partial_unexpected_list".to_owned(), observed["unexpected"].clone());
        }
        if relation != SetRelation::In {
            map.insert("missing_count".to_owned(), observed["missing_count"].clone());
            map.insert("partial_missing_list".to_owned(), observed["missing"].clone());
        }
    }
    result
}

/// A sample as their lists have it: rows of several columns are mappings, pairs are lists.
fn shown(kind: &Kind, sample: &Sample) -> Json {
    let named =
        matches!(kind, Kind::CompoundUnique { .. } | Kind::UniqueWithinRecord { .. } | Kind::ColumnsEqual { .. } | Kind::SumEquals { .. });
    match &sample.value {
        Value::Row(values) if named => {
            kind.columns().iter().zip(values).map(|(c, v)| ((*c).to_owned(), json!(v))).collect::<Map<String, Json>>().into()
        }
        value => json!(value),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn map_result(kind: &Kind, counts: &MapCounts, format: ResultFormat) -> Json {
    let MapCounts { rows, missing, unexpected, samples } = counts;
    let percent = |part: u64, whole: u64| if whole == 0 { Json::Null } else { json!(part as f64 / whole as f64 * 100.0) };
    let listed: Vec<Json> = samples.iter().map(|s| shown(kind, s)).collect();
    let partial: Vec<&Json> = listed.iter().take(PARTIAL_MAX).collect();
    let mut result = Map::new();
    let mut set = |name: &str, value: Json| result.insert(name.to_owned(), value);
    set("element_count", json!(rows));
    set("unexpected_count", json!(unexpected));
    set("unexpected_percent", percent(*unexpected, if kind.by_all_rows() { *rows } else { rows.saturating_sub(*missing) }));
    set("partial_unexpected_list", json!(partial));
    if !kind.by_all_rows() {
        set("missing_count", json!(missing));
        set("missing_percent", percent(*missing, *rows));
        set("unexpected_percent_total", percent(*unexpected, *rows));
        set("unexpected_percent_nonmissing", percent(*unexpected, rows.saturating_sub(*missing)));
    }
    let places: Vec<u64> = samples.iter().filter_map(|s| s.row).collect();
    if format >= ResultFormat::Summary {
        let mut frequency: Vec<(&Json, u64)> = Vec::new();
        for value in &partial {
            match frequency.iter_mut().find(|(v, _)| v == value) {
                Some((_, n)) => *n += 1,
                None => frequency.push((value, 1)),
            }
        }
        frequency.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let counted: Vec<Json> = frequency.iter().map(|(v, n)| json!({ "value": v, "count": n })).collect();
        set("partial_unexpected_counts", json!(counted));
        set("partial_unexpected_index_list", json!(places.iter().take(PARTIAL_MAX).collect::<Vec<_>>()));
    }
    if format == ResultFormat::Complete {
        set("unexpected_list", json!(listed));
        set("unexpected_index_list", json!(places));
    }
    Json::Object(result)
}
