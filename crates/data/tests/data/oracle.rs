//! Great Expectations' answers on random tables, against ours (see `gx_oracle.py`): recorded ones always, fresh ones
//! where `TIDEGATE_TEST_GX` names a Python that has it.

use super::world::{folder, run};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::process::Command;
use tidegate_core::contract::{CheckReport, Verdict};
use tidegate_core::id::At;
use tidegate_data::{CheckOptions, SAMPLES_MAX, Source, check};
use tidegate_wire::contract::{ResultFormat, SuiteOptions, parse, result_json_as};

/// Tables that are made anew, and the seed that they are made from.
const FRESH: (&str, &str) = ("12", "20261121");

/// Numbers within 1e-9 of each other; everything else the same.
fn same(theirs: &Json, ours: &Json) -> bool {
    match (theirs, ours) {
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w))),
        _ => match (theirs.as_f64(), ours.as_f64()) {
            (Some(a), Some(b)) if theirs.is_i64() && ours.is_i64() => a == b && theirs == ours,
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
            _ => theirs == ours,
        },
    }
}

/// Differences that are meant, each with its reason; docs/contracts.md lists the same.
fn deliberate(case: &Json, key: &str) -> Option<&'static str> {
    let kind = case["type"].as_str().unwrap();
    let column = case["kwargs"]["column"].as_str().unwrap_or_default();
    let listed = matches!(key, "partial_unexpected_list" | "unexpected_list" | "unexpected_index_list");
    let grouped = kind.contains("unique") && !kind.contains("within_record");
    if case["answer"]["message"].as_str().is_some_and(|m| m.contains("is not JSON serializable")) {
        return Some("Great Expectations fails to write a result that it has; there is nothing to compare with");
    }
    let names_str = case["kwargs"]["type_"] == "str" || case["kwargs"]["type_list"].as_array().is_some_and(|l| l.contains(&json!("str")));
    if kind.contains("_type") && column == "s" && names_str {
        return Some("the string type of pandas 3 is not known to Great Expectations as `str`; with pandas 2 it answers as we do");
    }
    let crossed = case["kwargs"]["min_value"].as_f64().zip(case["kwargs"]["max_value"].as_f64()).is_some_and(|(a, b)| a > b);
    if key != "success" && crossed && !kind.starts_with("expect_column_value") {
        return Some("an interval with crossed ends is a mistake of the rule, which fails either way");
    }
    if kind.ends_with("values_to_be_between") && column == "k" {
        return Some("whole numbers beyond 2^53 are compared exactly, not as floats");
    }
    if kind.contains("_type") && key != "success" {
        return Some("a typed column has one type, so the rule is about the column and counts no rows");
    }
    if listed && grouped {
        return Some("groups of equal values are listed once each, the largest first, without rows");
    }
    if listed && matches!(column, "t" | "d" | "w") {
        return Some("instants, days and decimals are written otherwise");
    }
    None
}

/// What differs between the two answers to one case.
fn difference(case: &Json, report: &CheckReport, i: usize, ours: &Json) -> Option<String> {
    let theirs = &case["answer"];
    let differs = |what: &str, a: &Json, b: &Json| Some(format!("{what}: theirs {a}, ours {b}: {case} -> {}", ours["tidegate"]["why"]));
    if theirs["success"] != ours["success"] && deliberate(case, "success").is_none() {
        return differs("success", &theirs["success"], &ours["success"]);
    }
    let raised = report.outcomes[i].verdict == Verdict::Error;
    if theirs["raised"] != json!(raised) && deliberate(case, "raised").is_none() {
        return differs("raised", &theirs["raised"], &json!(raised));
    }
    for (key, value) in theirs["result"].as_object().unwrap() {
        let mine = &ours["result"][key];
        // Null and an absent percentage are the same.
        if (value.is_null() && mine.is_null()) || deliberate(case, key).is_some() {
            continue;
        }
        // A set of Python has no order.
        let unordered = key == "partial_missing_list";
        let sorted = |list: &Json| {
            let mut all: Vec<String> = list.as_array().into_iter().flatten().map(Json::to_string).collect();
            all.sort();
            all
        };
        if !(same(value, mine) || (unordered && sorted(value) == sorted(mine))) {
            return differs(key, value, mine);
        }
    }
    None
}

/// Holds the answers of a folder against ours; gives how many there were, and what differs.
fn differences(folder: &Path) -> (usize, Vec<String>) {
    let recorded: Json = serde_json::from_str(&std::fs::read_to_string(folder.join("cases.json")).unwrap()).unwrap();
    let (mut cases, mut found) = (0, Vec::new());
    let options = CheckOptions { samples: SAMPLES_MAX, ..CheckOptions::default() };
    for table in recorded["tables"].as_array().unwrap() {
        let number = &table["number"];
        let all = table["cases"].as_array().unwrap();
        let suite = json!({ "name": "oracle", "expectations": all.iter().map(|c| json!({ "type": c["type"], "kwargs": c["kwargs"] })).collect::<Vec<_>>() });
        let contract = parse("suite.json", &suite.to_string(), &SuiteOptions::default()).unwrap();
        let source = Source::at(folder.join(format!("{number}.parquet")));
        let report = run(check(&source, &contract, At(0), &options)).unwrap();
        assert_eq!(report.outcomes.len(), all.len());
        let ours = result_json_as(&report, ResultFormat::Complete);
        let told = all.iter().enumerate().filter_map(|(i, case)| difference(case, &report, i, &ours["results"][i]));
        found.extend(told.map(|d| format!("table {number}: {d}")));
        cases += all.len();
    }
    (cases, found)
}

fn hold(folder: &Path, least: usize) {
    let (cases, found) = differences(folder);
    assert!(cases >= least, "only {cases} cases");
    assert!(found.is_empty(), "{} of {cases} cases differ:\n{}", found.len(), found.join("\n"));
}

#[test]
fn answers_are_those_of_great_expectations() {
    hold(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gx"), 500);
}

#[test]
fn fresh_answers_are_those_of_great_expectations() {
    let Some(python) = std::env::var_os("TIDEGATE_TEST_GX") else {
        eprintln!("skipped: TIDEGATE_TEST_GX names no Python with Great Expectations");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gx_oracle.py");
    let (tables, seed) = (
        std::env::var_os("TIDEGATE_GX_TABLES").and_then(|v| v.into_string().ok()).unwrap_or(FRESH.0.to_owned()),
        std::env::var_os("TIDEGATE_GX_SEED").and_then(|v| v.into_string().ok()).unwrap_or(FRESH.1.to_owned()),
    );
    let made = folder();
    let output = Command::new(python).arg(script).arg(made.path()).args([tables, seed]).output().unwrap();
    assert!(output.status.success(), "the oracle failed:\n{}", String::from_utf8_lossy(&output.stderr));
    hold(made.path(), 300);
}
