//! Rules of our own: conditions, queries, references, history, proposals; on several files and parts.

use super::world::{contract, file, folder, lines, parquet, run};
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, UInt64Array};
use expect_test::expect;
use std::path::Path;
use std::sync::Arc;
use tidegate_core::contract::{Before, CheckReport, Verdict};
use tidegate_core::id::At;
use tidegate_data::{CheckOptions, Source, check, propose};
use tidegate_stats::rng::Rng;

fn checked(path: &Path, yaml: &str, options: &CheckOptions) -> CheckReport {
    run(check(&Source::at(path), &contract(yaml), At(0), options)).unwrap()
}

#[test]
fn rules_on_rows_leave_out_what_is_unknown() {
    let folder = folder();
    let path = file(&folder, "t.csv", "a,b,s\n1,2,x\n3,,y\n5,4,\n7,8,xx\n");
    let yaml = r#"
rules: [a < b, "a + 1 <= b * 2 OR s IS NULL", "s LIKE 'x%'", "s IN ('x', 'y')", "NOT b > 100", length(s) = 1]
sql: ["SELECT * FROM {batch} WHERE a > b", "SELECT * FROM {batch} WHERE b IS NULL AND s = 'y'"]
columns:
  a: { between: { max: 5, where: "s LIKE 'x%'" }, mean: { min: 4, max: 4, where: "s LIKE 'x%'" }, unique: { where: a > 1 }, quantiles: { 0.5: [1, 9] } }
"#;
    expect![[r#"
        failed
        - fail: expect_rows_to_satisfy (a, b): 1 of 3 values (33.3333 %) are unexpected, at least 1 must conform; first (5, 4) in row 2
        + pass: expect_rows_to_satisfy (a, b, s): 0 of 3 values (0.0000 %) are unexpected, at least 1 must conform
        - fail: expect_rows_to_satisfy (s): 1 of 3 values (33.3333 %) are unexpected, at least 1 must conform; first "y" in row 1
        - fail: expect_rows_to_satisfy (s): 1 of 3 values (33.3333 %) are unexpected, at least 1 must conform; first "xx" in row 3
        + pass: expect_rows_to_satisfy (b): 0 of 3 values (0.0000 %) are unexpected, at least 1 must conform
        - fail: expect_rows_to_satisfy (s): 1 of 3 values (33.3333 %) are unexpected, at least 1 must conform; first "xx" in row 3
        - fail: unexpected_rows_expectation (a, b): the query finds 1 of 4 rows; first (5, 4) in row 2
        - fail: unexpected_rows_expectation (b, s): the query finds 1 of 4 rows; first (null, "y") in row 1
        - fail: expect_column_values_to_be_between (a): 1 of 2 values (50.0000 %) are unexpected, at least 1 must conform; first 7 in row 3
        + pass: expect_column_mean_to_be_between (a): observed 4, expected [4, 4]
        + pass: expect_column_values_to_be_unique (a): 0 of 3 values (0.0000 %) are unexpected, at least 1 must conform
        + pass: expect_column_quantile_values_to_be_between (a): all quantiles are within their ranges"#]]
    .assert_eq(&lines(&checked(&path, yaml, &CheckOptions::default())));
}

#[test]
fn conditions_select_the_same_rows_in_scans_and_in_groups() {
    let folder = folder();
    let path = folder.path().join("t.parquet");
    let mut rng = Rng::new(5);
    let a: Vec<Option<f64>> = (0..5_000).map(|_| (rng.below(10) > 0).then(|| rng.below(50) as f64)).collect();
    let s: Vec<Option<String>> = (0..5_000).map(|_| (rng.below(10) > 0).then(|| format!("s{}", rng.below(30)))).collect();
    parquet(&path, vec![("a", Arc::new(Float64Array::from(a.clone())) as ArrayRef), ("s", Arc::new(StringArray::from(s.clone())))]);
    let wanted: Vec<&String> = a.iter().zip(&s).filter(|(a, _)| a.is_some_and(|a| a < 10.0)).filter_map(|(_, s)| s.as_ref()).collect();
    let repeated = wanted.iter().filter(|w| wanted.iter().filter(|o| o == w).count() > 1).count() as u64;
    let distinct = wanted.iter().collect::<std::collections::BTreeSet<_>>().len();
    let yaml = format!(
        "columns: {{ s: {{ unique: {{ where: a < 10 }}, distinct: {{ min: {distinct}, max: {distinct}, where: a < 10 }}, not_null: {{ where: a < 10 }} }} }}"
    );
    let report = checked(&path, &yaml, &CheckOptions::default());
    let unique = report.outcomes[0].counts.as_ref().unwrap();
    assert_eq!((unique.unexpected, unique.rows - unique.missing), (repeated, wanted.len() as u64));
    assert_eq!(report.outcomes[1].verdict, Verdict::Pass, "{}", report.outcomes[1].why);
    assert_eq!(report.outcomes[2].counts.as_ref().unwrap().rows, a.iter().filter(|a| a.is_some_and(|a| a < 10.0)).count() as u64);
}

#[test]
fn values_are_looked_up_in_other_datasets() {
    let folder = folder();
    let flights = file(&folder, "flights.csv", "carrier,origin,n\nAA,EWR,1\nUA,EWR,2\nXX,JFK,3\nXX,,4\n,LGA,5\n");
    let carriers = file(&folder, "carriers.csv", "code,hub\nAA,EWR\nUA,ORD\nAA,EWR\n");
    let options =
        CheckOptions { others: [("carriers".to_owned(), Source::at(&carriers))].into_iter().collect(), ..CheckOptions::default() };
    let yaml = r#"
table: { same_rows_as: carriers }
columns:
  carrier: { references: carriers.code, references_: true }
"#
    .replace(", references_: true", "");
    let more = format!(
        "{yaml}references:\n  - {{ columns: [carrier, origin], dataset: carriers, to: [code, hub], mostly: 0.5 }}\n  - {{ columns: [n], dataset: carriers, to: [code] }}\n  - {{ columns: [n], dataset: nobody }}\n"
    );
    expect![[r#"
        failed
        - fail: expect_table_row_count_to_equal_other_table: 5 rows, `carriers` has 3
        - fail: expect_values_to_be_in_dataset (carrier): 2 of 4 values (50.0000 %) are unexpected, at least 1 must conform; among them "XX"
        - fail: expect_values_to_be_in_dataset (carrier, origin): 2 of 3 values (66.6667 %) are unexpected, at least 0.5 must conform; among them ("UA", "EWR")
        - error: expect_values_to_be_in_dataset (n): column `n` is int64, `code` of the other dataset is string: they cannot be compared
        - error: expect_values_to_be_in_dataset (n): dataset `nobody` is not known here: name it under `data` of tidegate.yaml"#]].assert_eq(&lines(&checked(&flights, &more, &options)));
    let tight = CheckOptions { memory_bytes: 24 << 20, ..options };
    assert_eq!(
        checked(&flights, &yaml, &tight).outcomes[1].counts,
        checked(&flights, &yaml, &CheckOptions { memory_bytes: 1 << 30, ..tight }).outcomes[1].counts
    );
}

#[test]
fn volume_and_schema_are_held_against_the_checks_before() {
    let folder = folder();
    let path = file(&folder, "t.csv", "a,b\n1,x\n2,y\n");
    let yaml = "table: { volume: { checks: 3, max_loss: 0.5 }, schema: full }\n";
    let before = Before { rows: vec![3, 3], schema: vec![("a".to_owned(), "int64".to_owned()), ("c".to_owned(), "string".to_owned())] };
    expect![[r#"
        failed
        + pass: expect_table_volume_to_be_usual: 2 rows, -33.33 % of the mean 3.0 of 2 checks before, expected -50.00 % to any growth
        - fail: expect_table_schema_to_be_compatible: `c` is gone; `b` is new: backward no, forward no, expected full"#]]
    .assert_eq(&lines(&checked(&path, yaml, &CheckOptions { before: Some(before), ..CheckOptions::default() })));
    expect![[r#"
        failed
        no check before this one passed and no other rule checked anything: check again, the next one is compared with this
        + nothing checked: expect_table_volume_to_be_usual: no check before this one passed, so there is nothing to compare with: the next one has this one
        + nothing checked: expect_table_schema_to_be_compatible: no check before this one passed, so there is nothing to compare with: the next one has this one"#]].assert_eq(&lines(&checked(&path, yaml, &CheckOptions::default())));
}

#[test]
fn large_unsigned_numbers_are_read() {
    let folder = folder();
    let path = folder.path().join("u.parquet");
    parquet(&path, vec![("u", Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(5), None])) as ArrayRef)]);
    let yaml = "columns: { u: { type: uint64, between: [0, 10], unique: true, max: { min: 1.0e19 }, in_set: [5] } }";
    expect![[r#"
        failed
        + pass: expect_column_values_to_be_in_type_list (u): type is uint64, expected uint64
        - fail: expect_column_values_to_be_between (u): 1 of 2 values (50.0000 %) are unexpected, at least 1 must conform; first 18446744073709552000 in row 0
        + pass: expect_column_values_to_be_unique (u): 0 of 2 values (0.0000 %) are unexpected, at least 1 must conform
        + pass: expect_column_max_to_be_between (u): observed 18446744073709552000, expected at least 10000000000000000000
        - fail: expect_column_values_to_be_in_set (u): 1 of 2 values (50.0000 %) are unexpected, at least 1 must conform; first 18446744073709552000 in row 0"#]].assert_eq(&lines(&checked(&path, yaml, &CheckOptions::default())));
}

#[test]
fn partitioned_folders_are_checked_as_one_table() {
    let folder = folder();
    for (year, values) in [(2012, [1, 2]), (2013, [3, 4])] {
        let at = folder.path().join(format!("t/year={year}/part.parquet"));
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        parquet(&at, vec![("v", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef)]);
    }
    let yaml = "table: { row_count: 4 }\nrules: [year < 2013 OR v >= 3]\ncolumns: { year: { between: [2012, 2013] }, v: { sum: { min: 7, max: 7, where: year = 2013 } } }";
    let report = checked(&folder.path().join("t"), yaml, &CheckOptions::default());
    assert!(report.success, "{}", lines(&report));
}

#[test]
fn a_proposal_is_a_contract_that_the_data_passes() {
    let folder = folder();
    let mut csv = String::from("id,kind,price,note,few\n");
    for i in 0..100 {
        let note = if i % 10 == 0 { String::new() } else { format!("note {i}") };
        csv.push_str(&format!("{i},{},{}.5,{note},\n", ["a", "b"][i % 2], i % 7));
    }
    let path = file(&folder, "trips.csv", &csv);
    let proposal = run(propose(&Source::at(&path))).unwrap();
    let yaml = proposal.yaml();
    expect![[r##"
        # Inferred from 100 rows. Every rule below is what the data happened to be, not what it must be:
        # keep, correct or delete each one.
        version: 1
        dataset: "trips"
        table:
          columns: { ordered: ["id", "kind", "price", "note", "few"] }  # inferred: the columns that are there
          row_count: { min: 1 }  # inferred: the table had 100 rows
        columns:
          "id":
            type: "int64"  # inferred: the column's type
            not_null: true  # inferred: none of 100 values is null
            unique: true  # inferred: no value of 100 occurs twice
            between: [0,109]  # inferred: 100 values from 0 to 99; 10 % of the width are added at both ends, but nothing below 0
          "kind":
            type: "string"  # inferred: the column's type
            not_null: true  # inferred: none of 100 values is null
            in_set: ["a","b"]  # inferred: 100 values have 2 distinct ones
          "price":
            type: "float64"  # inferred: the column's type
            not_null: true  # inferred: none of 100 values is null
            between: [0.0,7.1]  # inferred: 100 values from 0.5 to 6.5; 10 % of the width are added at both ends, but nothing below 0
          "note":
            type: "string"  # inferred: the column's type
            not_null: {"mostly":0.85}  # inferred: 10 of 100 values are null; half as many again are allowed
            unique: true  # inferred: no value of 90 occurs twice
            # not proposed: a set of values, for 90 distinct ones are more than 20
          "few": {}
            # not proposed: anything, for all 100 values are null
    "##]]
    .assert_eq(&yaml);
    // What is all null stays a finding; the rest passes.
    let report = checked(&path, &yaml, &CheckOptions::default());
    assert!(report.success, "{}", lines(&report));
    let empty = file(&folder, "empty.csv", "a,b\n");
    assert!(run(propose(&Source::at(&empty))).unwrap_err().to_string().contains("nothing can be inferred"));
}
