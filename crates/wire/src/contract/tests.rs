//! Contracts as text: what is read, what is refused and where, and results in the shape of suites.
use super::*;
use expect_test::{Expect, expect};

fn check(file: &str, text: &str, expected: Expect) {
    let shown = match parse(file, text, &SuiteOptions::default()) {
        Ok(contract) => serde_json::to_string_pretty(&contract).unwrap(),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

const FLIGHTS: &str = r#"
dataset: flights
allow: { all_null: [note] }
table:
  row_count: { min: 1, max: 10 }
  columns: [a, b]
  unique: [[a, b]]
  fresh_within: { within: 7d, column: t }
columns:
  a: { type: [int64, int32], not_null: { mostly: 0.9 }, between: [0, null], in_set: [1, 2.5, x] }
  b: { regex: "^x$", mean: { min: 1, strict_min: true, severity: warning }, quantiles: { 0.5: [1, 2], 0.9: [null, 3.5] }, unique: true, exists: false }
expectations:
  - { type: expect_column_values_to_be_null, kwargs: { column: n, mostly: 0.5 }, severity: info, notes: why }
"#;

#[test]
fn short_names_stand_for_the_rules_of_suites() {
    let contract = parse("contracts/flights.yaml", FLIGHTS, &SuiteOptions::default()).unwrap();
    let lines: Vec<String> = contract
        .expectations
        .iter()
        .map(|e| serde_json::to_string(e).unwrap().replace("\"severity\":\"critical\",\"mostly\":1.0", "-"))
        .collect();
    expect![[r#"
        {"kind":"row_count","bounds":{"min":1,"max":10,"strict_min":false,"strict_max":false},-}
        {"kind":"columns_match_set","columns":["a","b"],"exact":true,-}
        {"kind":"compound_unique","columns":["a","b"],"ignore_row_if":"all_values_are_missing",-}
        {"kind":"freshness","column":"t","within_ms":604800000,-}
        {"kind":"of_type","column":"a","types":["int64","int32"],"list":true,-}
        {"kind":"not_null","column":"a","severity":"critical","mostly":0.9}
        {"kind":"between","column":"a","bounds":{"min":0,"max":null,"strict_min":false,"strict_max":false},-}
        {"kind":"in_set","column":"a","values":[1,2.5,"x"],"negate":false,-}
        {"kind":"match_regex","column":"b","regex":"^x$","negate":false,-}
        {"kind":"aggregate","column":"b","statistic":"mean","bounds":{"min":1,"max":null,"strict_min":true,"strict_max":false},"severity":"warning","mostly":1.0}
        {"kind":"quantiles","column":"b","quantiles":[{"q":0.5,"min":1.0,"max":2.0},{"q":0.9,"min":null,"max":3.5}],-}
        {"kind":"unique","column":"b",-}
        {"kind":"null","column":"n","severity":"info","mostly":0.5,"notes":"why"}"#]]
    .assert_eq(&lines.join("\n"));
    // What is stored must be read back as it was.
    let again: tidegate_core::contract::Contract = serde_json::from_str(&serde_json::to_string(&contract).unwrap()).unwrap();
    assert_eq!(again, contract);
}

#[test]
fn all_mistakes_are_told_with_their_places() {
    let text = "datset: x\ncolumns:\n  a: { betwen: [0, 1], regex: 3, between: [5, 1], mean: { mostly: 0.5 } }\n  b: [1]\ntable: { fresh_within: soon, row_count: [1] }\nexpectations:\n  - { type: expect_column_to_be_nice }\n  - { type: expect_column_values_to_be_unique, kwargs: { colum: a } }\n";
    check(
        "c.yaml",
        text,
        expect![[r#"
            read contract c.yaml:
              c.yaml:1:1: unknown key `datset` in a contract: did you mean `dataset`?
              c.yaml:3:8: unknown key `betwen` in column `a`: did you mean `between`?
              c.yaml:3:31: this must be a regular expression or a mapping, not a whole number
              c.yaml:3:43: expect_column_values_to_be_between: minimum 5 is greater than maximum 1: swap them
              c.yaml:3:67: `mostly` means nothing for expect_column_mean_to_be_between: leave it out
              c.yaml:4:6: column `b` must be a mapping, not a list
              c.yaml:5:24: `soon` is not a duration: write `7d`, `36h` or `1h30m`
              c.yaml:5:41: a range has two ends, `[min, max]`; this has 1
              c.yaml:7:5: rule `expect_column_to_be_nice` is not understood: did you mean `expect_column_to_exist`?
              c.yaml:8:56: `column` is missing
              c.yaml:8:65: argument `colum` of expect_column_values_to_be_unique is unknown: did you mean `column`?"#]],
    );
    check(
        "c.yaml",
        "a: [",
        expect![[r#"
        read contract c.yaml:
          c.yaml:2:1: this is not YAML: while parsing a node, did not find expected node content"#]],
    );
}

#[test]
fn suites_of_both_generations_are_read() {
    let new = r#"{"name":"s","id":"u","meta":{"great_expectations_version":"1.24.1"},"notes":null,
 "expectations":[{"type":"expect_column_values_to_be_between","id":"i","severity":"warning","notes":"n","meta":{},
   "kwargs":{"column":"age","min_value":0.0,"max_value":120.0,"strict_max":true,"mostly":0.95}},
  {"type":"expect_column_mean_to_be_between","severity":"critical","meta":{},"kwargs":{"column":"age","min_value":{"$PARAMETER":"lo"},"max_value":5.0}}]}"#;
    let parameters = [("lo".to_owned(), serde_json::json!(1))].into_iter().collect();
    let contract = parse("s.json", new, &SuiteOptions { strict: true, parameters, object: None }).unwrap();
    assert_eq!(contract.dataset, "s");
    assert_eq!(contract.expectations.len(), 2);
    assert_eq!(contract.expectations[0].mostly, 0.95);
    assert_eq!(contract.rules, tidegate_core::contract::Rules::GreatExpectations { strict: true });
    check(
        "s.json",
        new,
        expect![[r#"
        read contract s.json:
          s.json:4:115: `min_value` is the parameter `lo`, which has no value: give it one"#]],
    );

    let old = r#"{"expectation_suite_name":"o","data_asset_type":null,"expectations":[
 {"expectation_type":"expect_table_row_count_to_equal","kwargs":{"value":3},"meta":{}},
 {"expectation_type":"expect_column_values_to_match_regex","kwargs":{"column":"c","regex":"x","condition_parser":"pandas"},"meta":{}}]}"#;
    let contract = parse("s.json", old, &SuiteOptions::default()).unwrap();
    assert_eq!((contract.dataset.as_str(), contract.expectations.len()), ("o", 2));
}

#[test]
fn what_cannot_be_mapped_is_refused_by_name() {
    let text = r#"{"expectations":[
  {"type":"expect_column_values_to_be_json_parseable","kwargs":{"column":"a"}},
  {"type":"expect_column_values_to_be_in_set","kwargs":{"column":"c","value_set":["a"],"condition_parser":"pandas","row_condition":"a.str.len() > 1"}},
  {"type":"expect_column_to_exist","kwargs":{"column":"c","row_condition":"col(\"a\")>1"}},
  {"type":"unexpected_rows_expectation","kwargs":{"unexpected_rows_query":"SELECT a, count(*) FROM {other} GROUP BY a"}},
  {"type":"expect_query_results_to_match_comparison","kwargs":{}}]}"#;
    check(
        "s.json",
        text,
        expect![[r#"
        read contract s.json:
          s.json:2:3: rule `expect_column_values_to_be_json_parseable` is not understood
          s.json:3:132: `.str` is refused: .isnull(), .isna(), .notnull() and .notna() are understood
          s.json:4:75: `row_condition` means nothing for expect_column_to_exist: leave it out
          s.json:5:75: the query does not read the checked table, so it says nothing about it: name it as `{batch}`
          s.json:6:3: rule `expect_query_results_to_match_comparison` is not understood"#]],
    );
    check(
        "s.json",
        "{\"expectations\": [,]}",
        expect![[r#"
        read contract s.json:
          s.json:1:19: this is not JSON: expected value at line 1 column 19"#]],
    );
    check(
        "s.json",
        "[]",
        expect![[r#"
        read contract s.json:
          s.json:1:1: a suite is a mapping with a list `expectations`; this has none"#]],
    );
}

#[test]
fn durations() {
    let read = |t: &str| kwargs::duration_ms(t);
    assert_eq!((read("7d"), read("1h30m"), read("500ms")), (Some(604_800_000), Some(5_400_000), Some(500)));
    assert_eq!((read(""), read("7"), read("d"), read("7x"), read("99999999999999999999d")), (None, None, None, None, None));
}
