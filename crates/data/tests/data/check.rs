//! Checks under our own rules: reasons, samples, several parts, memory limits.

use super::world::{checked, contract, file, folder, lines, parquet, run};
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use expect_test::expect;
use std::path::Path;
use std::sync::Arc;
use tidegate_core::contract::{CheckReport, MapCounts, Value};
use tidegate_core::id::At;
use tidegate_data::{CheckOptions, DataError, Source, check};
use tidegate_stats::rng::Rng;

const ROWS: i64 = 50_000;

/// Numbers whose truths are known: `id` counts, `x` is a shuffled count with nulls, `name` has few values.
fn large(path: &Path) {
    let mut order: Vec<i64> = (0..ROWS).collect();
    let mut rng = Rng::new(7);
    for i in (1..order.len()).rev() {
        order.swap(i, rng.below(i as u64 + 1) as usize);
    }
    let x: Float64Array = order.iter().map(|v| (v % 10 != 3).then_some(*v as f64)).collect();
    let pairs: Int64Array = order.iter().map(|v| Some(v / 2)).collect();
    let names: StringArray = (0..ROWS).map(|i| (i % 7 != 0).then(|| format!("n{}", i % 5))).collect();
    let at: TimestampMicrosecondArray = (0..ROWS).map(|i| Some(1_388_000_000_000_000 + i * 1_000_000)).collect();
    parquet(
        path,
        vec![
            ("id", Arc::new(Int64Array::from_iter_values(0..ROWS)) as ArrayRef),
            ("x", Arc::new(x)),
            ("pair", Arc::new(pairs)),
            ("name", Arc::new(names)),
            ("at", Arc::new(at.with_timezone("UTC"))),
        ],
    );
}

const LARGE: &str = r#"
dataset: large
table: { row_count: 50000, columns: { set: [id, x], exact: false }, unique: [[pair, name], [id, pair]], fresh_within: 5d }
columns:
  id: { unique: true, between: [0, 49998], sum: [1249975000, 1249975000], mean: [24999.5, 24999.5], stdev: { min: 14433.9, max: 14433.91 }, type: int64 }
  x: { not_null: { mostly: 0.9 }, between: { min: 0, max: 40000, strict_max: true, mostly: 0.8 }, median: [25000, 25001], quantiles: { 0: [0, 0], 0.5: [25000, 25001], 1: [49999, 49999] }, max: { max: 10, severity: warning } }
  pair: { unique: true, distinct: 25000, distinct_share: [0.5, 0.5] }
  name: { in_set: [n0, n1, n2, n3], regex: "^n[0-3]$", length: [2, 2], not_in_set: [m], fresh_within: 1d }
  at: { fresh_within: 1s, between: [2013-12-25, "2013-12-26 09:00:00"] }
"#;

fn large_checked(folder: &tempfile::TempDir, options: &CheckOptions) -> Result<CheckReport, DataError> {
    let path = folder.path().join("large.parquet");
    large(&path);
    let yaml = LARGE.replace("distinct: 25000", "distinct: [25000, 25000]");
    run(check(&Source::at(&path), &contract(&yaml), At(1_388_448_000_000), options))
}

#[test]
fn reasons_say_what_was_seen_and_what_was_expected() {
    let report = large_checked(&folder(), &CheckOptions::default()).unwrap();
    expect![[r#"
        failed
        + pass: expect_table_row_count_to_be_between: 50000 rows, expected [50000, 50000]
        + pass: expect_table_columns_to_match_set: not expected: pair, name, at
        - fail: expect_compound_columns_to_be_unique (pair, name): 8360 of 50000 values (16.7200 %) are unexpected, at least 1 must conform; among them (0, "n0")
        + pass: expect_compound_columns_to_be_unique (id, pair): 0 of 50000 values (0.0000 %) are unexpected, at least 1 must conform
        + pass: expect_table_to_be_fresh: newest `at` is 2013-12-26T09:26:39.000Z, 4 d 14 h before 2013-12-31T00:00:00.000Z, expected at most 5 d 0 h
        + pass: expect_column_values_to_be_unique (id): 0 of 50000 values (0.0000 %) are unexpected, at least 1 must conform
        - fail: expect_column_values_to_be_between (id): 1 of 50000 values (0.0020 %) are unexpected, at least 1 must conform; first 49999 in row 49999
        + pass: expect_column_sum_to_be_between (id): observed 1249975000, expected [1249975000, 1249975000]
        + pass: expect_column_mean_to_be_between (id): observed 24999.5, expected [24999.5, 24999.5]
        + pass: expect_column_stdev_to_be_between (id): observed 14433.90106658626, expected [14433.9, 14433.91]
        + pass: expect_column_values_to_be_in_type_list (id): type is int64, expected int64
        + pass: expect_column_values_to_not_be_null (x): 5000 of 50000 values (10.0000 %) are unexpected, at least 0.9 must conform; first null in row 1
        + pass: expect_column_values_to_be_between (x): 9000 of 45000 values (20.0000 %) are unexpected, at least 0.8 must conform; first 46659 in row 2
        - fail: expect_column_median_to_be_between (x): observed 24999.5, expected [25000, 25001]
        + pass: expect_column_quantile_values_to_be_between (x): all quantiles are within their ranges
        - fail: expect_column_max_to_be_between (x): observed 49999, expected at most 10
        - fail: expect_column_values_to_be_unique (pair): 50000 of 50000 values (100.0000 %) are unexpected, at least 1 must conform; among them 0
        + pass: expect_column_unique_value_count_to_be_between (pair): observed 25000, expected [25000, 25000]
        + pass: expect_column_proportion_of_unique_values_to_be_between (pair): observed 0.5, expected [0.5, 0.5]
        - fail: expect_column_values_to_be_in_set (name): 8571 of 42857 values (19.9991 %) are unexpected, at least 1 must conform; first "n4" in row 4
        - fail: expect_column_values_to_match_regex (name): 8571 of 42857 values (19.9991 %) are unexpected, at least 1 must conform; first "n4" in row 4
        + pass: expect_column_value_lengths_to_be_between (name): 0 of 42857 values (0.0000 %) are unexpected, at least 1 must conform
        + pass: expect_column_values_to_not_be_in_set (name): 0 of 42857 values (0.0000 %) are unexpected, at least 1 must conform
        - error: expect_table_to_be_fresh (name): column `name` is text (string): freshness needs dates or instants
        - fail: expect_table_to_be_fresh (at): newest `at` is 2013-12-26T09:26:39.000Z, 4 d 14 h before 2013-12-31T00:00:00.000Z, expected at most 1 s
        - fail: expect_column_values_to_be_between (at): 1599 of 50000 values (3.1980 %) are unexpected, at least 1 must conform; first "2013-12-26T09:00:01Z" in row 48401"#]].assert_eq(&lines(&report));
    expect!["large failed: 16 of 26 expectations hold on 50000 rows"].assert_eq(&report.summary());
}

#[test]
fn samples_are_the_first_twenty_in_the_order_of_the_file_and_the_same_each_time() {
    let folder = folder();
    let first = large_checked(&folder, &CheckOptions::default()).unwrap();
    let counts = |report: &CheckReport, name: &str| -> MapCounts {
        report.outcomes.iter().find(|o| o.expectation.kind.name() == name && o.counts.is_some()).unwrap().counts.clone().unwrap()
    };
    let named = counts(&first, "expect_column_values_to_be_in_set");
    assert_eq!(named.samples.len(), 20);
    assert_eq!(named.samples[0].row, Some(4));
    assert!(named.samples.windows(2).all(|w| w[0].row < w[1].row));
    let last = first.outcomes.iter().filter_map(|o| o.counts.as_ref()).find(|c| c.unexpected == 1).unwrap();
    assert_eq!((last.samples[0].row, &last.samples[0].value), (Some(49_999), &Value::Int(49_999)));
    for _ in 0..3 {
        let again = large_checked(&folder, &CheckOptions::default()).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&first).unwrap());
    }
}

#[test]
fn quantiles_beyond_memory_are_found_by_narrowing() {
    let folder = folder();
    let path = folder.path().join("q.parquet");
    let mut rng = Rng::new(3);
    let mut values: Vec<f64> = (0..20_000).map(|_| (rng.normal() * 1e3).round() / 8.0).collect();
    parquet(&path, vec![("v", Arc::new(Float64Array::from(values.clone())) as ArrayRef)]);
    values.sort_by(f64::total_cmp);
    let pick = |q: f64| values[(19_999.0 * q).round_ties_even() as usize];
    let yaml = format!(
        "columns: {{ v: {{ quantiles: {{ 0.001: [{a}, {a}], 0.3: [{b}, {b}], 0.999: [{c}, {c}] }}, median: [{m}, {m}] }} }}",
        a = pick(0.001),
        b = pick(0.3),
        c = pick(0.999),
        m = f64::midpoint(values[9_999], values[10_000])
    );
    for memory_bytes in [1_000, 1 << 30] {
        let options = CheckOptions { memory_bytes, ..CheckOptions::default() };
        let report = run(check(&Source::at(&path), &contract(&yaml), At(0), &options)).unwrap();
        assert!(report.success, "{}", lines(&report));
    }
}

#[test]
fn memory_that_does_not_suffice_is_an_error_that_says_so() {
    let folder = folder();
    let error = large_checked(&folder, &CheckOptions { memory_bytes: 100, ..CheckOptions::default() }).unwrap_err();
    assert!(matches!(error, DataError::TooLarge { limit: 100, .. }), "{error}");
}

#[test]
fn nan_is_null_and_there_is_one_zero() {
    let folder = folder();
    let path = folder.path().join("t.parquet");
    let values = Float64Array::from(vec![Some(f64::NAN), None, Some(0.0), Some(-0.0), Some(f64::NAN), Some(5.0)]);
    parquet(&path, vec![("v", Arc::new(values) as ArrayRef)]);
    expect![[r#"
        passed
        + pass: expect_column_values_to_not_be_null (v): 3 of 6 values (50.0000 %) are unexpected, at least 0.5 must conform; first null in row 0
        + pass: expect_column_values_to_be_unique (v): 2 of 3 values (66.6667 %) are unexpected, at least 0.3 must conform; among them 0
        + pass: expect_column_values_to_be_between (v): 0 of 3 values (0.0000 %) are unexpected, at least 1 must conform
        + pass: expect_column_mean_to_be_between (v): observed 1.6666666666666667, expected [1, 2]
        + pass: expect_column_unique_value_count_to_be_between (v): observed 2, expected [2, 2]
        + pass: expect_column_values_to_be_in_set (v): 0 of 3 values (0.0000 %) are unexpected, at least 1 must conform"#]].assert_eq(&lines(&checked(&path, "columns: { v: { not_null: { mostly: 0.5 }, unique: { mostly: 0.3 }, between: [0, 5], mean: [1, 2], distinct: [2, 2], in_set: [0, 5] } }")));
}

#[test]
fn dates_of_text_files_are_dates() {
    let folder = folder();
    let path = file(&folder, "t.csv", "d,t,v\n2013-12-30,2013-12-30T05:00:00,1\n2013-12-29,2013-12-31 01:00:00,NA\n");
    expect![[r#"
        failed
        + pass: expect_column_values_to_be_between (d): 0 of 2 values (0.0000 %) are unexpected, at least 1 must conform
        + pass: expect_column_values_to_be_in_type_list (d): type is date, expected date
        - fail: expect_table_to_be_fresh (d): newest `d` is 2013-12-30T00:00:00.000Z, 1 d 0 h before 2013-12-31T00:00:00.000Z, expected at most 12 h 0 min
        + pass: expect_column_values_to_be_in_set (d): 0 of 2 values (0.0000 %) are unexpected, at least 1 must conform
        + pass: expect_column_values_to_match_regex (d): 0 of 2 values (0.0000 %) are unexpected, at least 1 must conform
        + pass: expect_column_values_to_be_in_type_list (t): type is timestamp[s], expected timestamp
        + pass: expect_table_to_be_fresh (t): newest `t` is 2013-12-31T01:00:00.000Z (later than that: check the clock or the time zone), 0 ms before 2013-12-31T00:00:00.000Z, expected at most 1 h 0 min
        - fail: expect_column_max_to_be_between (t): observed "2013-12-31T01:00:00Z", expected at most "2013-12-31"
        + pass: expect_column_values_to_not_be_null (v): 1 of 2 values (50.0000 %) are unexpected, at least 0.5 must conform; first null in row 1
        + pass: expect_column_values_to_be_in_type_list (v): type is int64, expected integer"#]].assert_eq(&lines(&checked(&path, "columns: { d: { between: [2013-12-29, 2013-12-30], type: date, fresh_within: 12h, in_set: [2013-12-30, 2013-12-29], regex: \"^2013-12\" }, t: { type: timestamp, fresh_within: 1h, max: [null, \"2013-12-31\"] }, v: { not_null: { mostly: 0.5 }, type: integer } }")));
}
