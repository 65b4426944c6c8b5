//! The schema and the docs page are written from the key table; committed copies must be the same.
//!
//! `TIDEGATE_REWRITE=1 cargo test -p tidegate-wire` rewrites them.

use super::super::{docs_page, json_schema, load_in};
use super::FLIGHTS;
use crate::yaml;
use serde_json::Value as Json;
use std::path::Path;

fn same(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
    if std::env::var_os("TIDEGATE_REWRITE").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "docs/{file} is stale; rewrite it: TIDEGATE_REWRITE=1 cargo test -p tidegate-wire");
}

#[test]
fn the_schema_is_current() {
    same("tidegate.schema.json", &format!("{:#}\n", json_schema()));
}

#[test]
fn the_docs_page_is_current() {
    same("tidegate-yaml.md", &docs_page());
}

/// A reader of the part of JSON Schema that ours uses.
fn fits(schema: &Json, value: &Json) -> bool {
    let all = |key: &str, f: &dyn Fn(&Json) -> bool| schema.get(key).is_none_or(f);
    let number = |f: &dyn Fn(f64, f64) -> bool, key: &str| match (schema.get(key).and_then(Json::as_f64), value.as_f64()) {
        (Some(limit), Some(v)) => f(v, limit),
        _ => true,
    };
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => panic!("type {name}"),
    };
    let kind = |t: &Json| t.as_array().map_or_else(|| is(t.as_str().unwrap()), |many| many.iter().any(|n| is(n.as_str().unwrap())));
    let member = |(name, v): (&String, &Json)| match schema.get("properties").and_then(|p| p.get(name)) {
        Some(known) => fits(known, v),
        None => match schema.get("additionalProperties") {
            Some(Json::Bool(allowed)) => *allowed,
            Some(other) => fits(other, v),
            None => true,
        },
    };
    let count = |list: &Json| list.as_array().unwrap().iter().filter(|s| fits(s, value)).count();
    all("type", &kind)
        && all("enum", &|words| words.as_array().unwrap().contains(value))
        && all("anyOf", &|list| count(list) > 0)
        && all("oneOf", &|list| count(list) == 1)
        && all("required", &|keys| keys.as_array().unwrap().iter().all(|k| value.get(k.as_str().unwrap()).is_some()))
        && all("items", &|item| value.as_array().is_none_or(|items| items.iter().all(|v| fits(item, v))))
        && number(&|v, least| v >= least, "minimum")
        && number(&|v, most| v <= most, "maximum")
        && number(&|v, least| v > least, "exclusiveMinimum")
        && number(&|v, most| v < most, "exclusiveMaximum")
        && value.as_object().is_none_or(|entries| entries.iter().all(member))
}

#[test]
fn the_schema_accepts_what_loads_and_refuses_what_does_not() {
    let schema = json_schema();
    let json = |text: &str| yaml::parse(text).unwrap().to_json();
    assert!(fits(&schema, &json(FLIGHTS)));
    let judge = "version: 1\nworkspace: x\nreleases:\n  default:\n    judge: default\n";
    assert!(fits(&schema, &json(judge)));
    for (from, to) in [
        ("workspace:", "workspaces:"),
        ("alpha: 0.01", "alpha: 1"),
        ("fresh_within: 7d", "fresh_within: 7"),
        ("classification: internal", "classification: secret"),
        ("metric: auc, min: 0.85", "metrc: auc, min: 0.85"),
        ("hold_back: 5", "hold_back: 80"),
        ("- shadow:", "- shadw:"),
    ] {
        let text = FLIGHTS.replacen(from, to, 1);
        assert!(load_in(&text, "f", None).is_err(), "{to} loads");
        assert!(!fits(&schema, &json(&text)), "the schema accepts {to}");
    }
}
