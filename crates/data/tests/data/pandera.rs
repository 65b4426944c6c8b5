//! Pandera's verdicts on random tables and schemas, against ours (see `pandera_oracle.py`): recorded ones always, fresh
//! ones where `TIDEGATE_TEST_GX` names a Python that has it.

use super::world::{folder, run};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use tidegate_core::contract::{Severity, Verdict};
use tidegate_core::id::At;
use tidegate_data::{CheckOptions, Source, check};
use tidegate_wire::contract::{SuiteOptions, parse};

/// What differs between the two answers to one schema.
fn difference(folder: &Path, number: &Json, case: &Json) -> Option<String> {
    let text = case["schema"].as_str().unwrap();
    let contract = match parse("schema.yaml", text, &SuiteOptions::default()) {
        Ok(contract) => contract,
        Err(error) => return Some(format!("table {number}: {error}\n{text}")),
    };
    let source = Source::at(folder.join(format!("{number}.parquet")));
    let report = run(check(&source, &contract, At(0), &CheckOptions::default())).unwrap();
    let failed = report.failed().filter(|o| o.expectation.severity == Severity::Critical || o.verdict == Verdict::Error);
    let ours: BTreeSet<&str> = failed.flat_map(|o| o.expectation.kind.columns()).collect();
    let theirs: BTreeSet<&str> = case["answer"]["columns"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
    let valid = case["answer"]["valid"].as_bool().unwrap();
    // A strict schema names the columns that are too many; our rule is about the whole table.
    let strict = text.contains("strict: true");
    if report.success == valid && (strict || ours == theirs) {
        return None;
    }
    let lines: Vec<String> = report.failed().map(tidegate_core::contract::ExpectationOutcome::line).collect();
    Some(format!("table {number}: theirs {valid} {theirs:?}, ours {} {ours:?}\n{text}{}", report.success, lines.join("\n")))
}

fn hold(folder: &Path, least: usize) {
    let recorded: Json = serde_json::from_str(&std::fs::read_to_string(folder.join("cases.json")).unwrap()).unwrap();
    let (mut cases, mut found) = (0, Vec::new());
    for table in recorded["tables"].as_array().unwrap() {
        for case in table["cases"].as_array().unwrap() {
            cases += 1;
            found.extend(difference(folder, &table["number"], case));
        }
    }
    assert!(cases >= least, "only {cases} cases");
    assert!(found.is_empty(), "{} of {cases} cases differ:\n{}", found.len(), found.join("\n\n"));
}

#[test]
fn answers_are_those_of_pandera() {
    hold(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pandera"), 100);
}

#[test]
fn fresh_answers_are_those_of_pandera() {
    let Some(python) = std::env::var_os("TIDEGATE_TEST_GX") else {
        eprintln!("skipped: TIDEGATE_TEST_GX names no Python with Pandera");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pandera_oracle.py");
    let tables = std::env::var_os("TIDEGATE_GX_TABLES").and_then(|v| v.into_string().ok()).unwrap_or("12".to_owned());
    let seed = std::env::var_os("TIDEGATE_GX_SEED").and_then(|v| v.into_string().ok()).unwrap_or("20261121".to_owned());
    let made = folder();
    let output = Command::new(python).arg(script).arg(made.path()).args([tables, seed]).output().unwrap();
    assert!(output.status.success(), "the oracle failed:\n{}", String::from_utf8_lossy(&output.stderr));
    hold(made.path(), 100);
}
