//! Great Expectations' recorded answers on random frames, against ours (see `gx_oracle.py`).

use super::world::{folder, parquet, run};
use datafusion::arrow::array::{ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, StringArray, TimestampNanosecondArray};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use tidegate_core::contract::{CheckReport, Verdict};
use tidegate_core::id::At;
use tidegate_data::{CheckOptions, Source, check};
use tidegate_wire::contract::{SuiteOptions, parse, result_json};

const ANSWERS: &str = include_str!("../fixtures/gx_answers.json");

fn arrays(columns: &Json) -> Vec<(&str, ArrayRef)> {
    let list = |name: &str| columns[name].as_array().unwrap().clone();
    let nanos = |v: &Json| v.as_str().map(|t| format!("{t}Z").parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64);
    vec![
        ("i", Arc::new(list("i").iter().map(Json::as_i64).collect::<Int64Array>()) as ArrayRef),
        ("f", Arc::new(list("f").iter().map(Json::as_f64).collect::<Float64Array>())),
        ("g", Arc::new(list("g").iter().map(|v| v.as_f64().map(|x| x as f32)).collect::<Float32Array>())),
        ("s", Arc::new(list("s").iter().map(Json::as_str).collect::<StringArray>())),
        ("b", Arc::new(list("b").iter().map(Json::as_bool).collect::<BooleanArray>())),
        ("t", Arc::new(list("t").iter().map(nanos).collect::<TimestampNanosecondArray>())),
    ]
}

/// Numbers within 1e-9 of each other; everything else the same.
fn same(theirs: &Json, ours: &Json) -> bool {
    match (theirs, ours) {
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w))),
        _ => match (theirs.as_f64(), ours.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
            _ => theirs == ours,
        },
    }
}

/// What differs between the two answers to one case.
fn difference(case: &Json, report: &CheckReport, i: usize) -> Option<String> {
    let (theirs, ours) = (&case["answer"], &result_json(report)["results"][i]);
    let differs = |what: &str, a: &Json, b: &Json| Some(format!("{what}: theirs {a}, ours {b}: {case} -> {}", ours["tidegate"]["why"]));
    if theirs["success"] != ours["success"] {
        return differs("success", &theirs["success"], &ours["success"]);
    }
    let raised = report.outcomes[i].verdict == Verdict::Error;
    if theirs["raised"] != json!(raised) {
        return differs("raised", &theirs["raised"], &json!(raised));
    }
    let kind = case["type"].as_str().unwrap();
    for (key, value) in theirs["result"].as_object().unwrap() {
        let mine = &ours["result"][key];
        // Types have other names; groups have no order of rows; instants are written otherwise.
        let listed = key == "partial_unexpected_list";
        let skipped = kind.contains("type") || (listed && (kind.contains("unique") || case["kwargs"]["column"] == "t"));
        // Null and an absent percentage are the same; so are a missing list and an empty one.
        if skipped || (value.is_null() && mine.is_null()) {
            continue;
        }
        if !same(value, mine) {
            return differs(key, value, mine);
        }
    }
    None
}

#[test]
fn answers_are_those_of_great_expectations() {
    let recorded: Json = serde_json::from_str(ANSWERS).unwrap();
    let (mut cases, mut differences) = (0, Vec::new());
    let folder = folder();
    for (number, frame) in recorded["frames"].as_array().unwrap().iter().enumerate() {
        let path = folder.path().join(format!("{number}.parquet"));
        parquet(&path, arrays(&frame["columns"]));
        let all = frame["cases"].as_array().unwrap();
        let suite = json!({ "name": "oracle", "expectations": all.iter().map(|c| json!({ "type": c["type"], "kwargs": c["kwargs"] })).collect::<Vec<_>>() });
        let contract = parse("suite.json", &suite.to_string(), &SuiteOptions::default()).unwrap();
        let report = run(check(&Source::at(&path), &contract, At(0), &CheckOptions::default())).unwrap();
        assert_eq!(report.outcomes.len(), all.len());
        differences
            .extend(all.iter().enumerate().filter_map(|(i, case)| difference(case, &report, i)).map(|d| format!("frame {number}: {d}")));
        cases += all.len();
    }
    assert!(cases >= 200, "only {cases} cases are recorded");
    assert!(differences.is_empty(), "{} of {cases} cases differ:\n{}", differences.len(), differences.join("\n"));
}
