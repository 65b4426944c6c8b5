//! Bad input: which operation, which file, where, what to do.

use super::world::{checked, file, folder, lines, parquet, run};
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array};
use expect_test::{Expect, expect};
use std::path::Path;
use std::sync::Arc;
use tidegate_core::contract::{Contract, Rules};
use tidegate_core::id::At;
use tidegate_data::{CheckOptions, Source, check, digest, profile, read_rows};

/// The error of a check, with the folder's name taken out.
fn refused(root: &Path, path: &Path, expected: Expect) {
    let contract = Contract { dataset: "d".to_owned(), expectations: vec![], rules: Rules::Own(Default::default()) };
    let error = run(check(&Source::at(path), &contract, At(0), &CheckOptions::default())).unwrap_err();
    expected.assert_eq(&error.to_string().replace(&root.display().to_string(), "ROOT"));
}

#[test]
fn files_that_are_not_there_or_not_data() {
    let folder = folder();
    let root = folder.path();
    refused(
        root,
        &root.join("none.csv"),
        expect!["check dataset ROOT/none.csv: there is no such file or folder: correct the path, or make the file first"],
    );
    refused(
        root,
        &file(&folder, "x.xlsx", "x"),
        expect![
            "check dataset ROOT/x.xlsx: the format is not known by the file's ending: use .parquet, .csv, .tsv, .jsonl, .ndjson, .arrow, .ipc or .feather"
        ],
    );
    refused(
        root,
        &file(&folder, "empty.csv", ""),
        expect!["check dataset ROOT/empty.csv: the file is empty, without so much as a header: write it again"],
    );
    std::fs::create_dir(root.join("hollow")).unwrap();
    refused(
        root,
        &root.join("hollow"),
        expect!["check dataset ROOT/hollow: the folder holds no data files: put .parquet, .csv, .jsonl or .arrow files into it"],
    );
    file(&folder, "mixed/a.csv", "a\n1\n");
    file(&folder, "mixed/b.jsonl", "{\"a\":1}\n");
    refused(
        root,
        &root.join("mixed"),
        expect!["check dataset ROOT/mixed: ROOT/mixed/a.csv and ROOT/mixed/b.jsonl are of different formats: keep one format a folder"],
    );
    file(&folder, "odd/year=1/a.csv", "a\n1\n");
    file(&folder, "odd/b.csv", "a\n1\n");
    refused(
        root,
        &root.join("odd"),
        expect![
            "check dataset ROOT/odd: ROOT/odd/year=1/a.csv is in other folders than the files before it, which have no keys: use the same `key=value` folders for all files"
        ],
    );
}

#[test]
fn parquet_files_that_are_cut_or_are_something_else() {
    let folder = folder();
    let root = folder.path();
    let whole = root.join("whole.parquet");
    parquet(&whole, vec![("a", Arc::new(Int64Array::from_iter_values(0..5_000)) as ArrayRef)]);
    let bytes = std::fs::read(&whole).unwrap();
    refused(
        root,
        &file(&folder, "half.parquet", &bytes[..bytes.len() / 2]),
        expect![
            "check dataset ROOT/half.parquet: the Parquet file is cut short: after 23842 bytes it does not end with `PAR1`: copy or write it again"
        ],
    );
    refused(
        root,
        &file(&folder, "nearly.parquet", &bytes[..bytes.len() - 1]),
        expect![
            "check dataset ROOT/nearly.parquet: the Parquet file is cut short: after 47684 bytes it does not end with `PAR1`: copy or write it again"
        ],
    );
    refused(
        root,
        &file(&folder, "text.parquet", "a,b\n1,2\n"),
        expect![
            "check dataset ROOT/text.parquet: this is not a Parquet file: it does not begin with `PAR1`: correct its ending, or write it again"
        ],
    );
    refused(
        root,
        &file(&folder, "magic.parquet", "PAR1PAR1"),
        expect![
            "check dataset ROOT/magic.parquet: the Parquet file is cut short: after 8 bytes there is no footer: copy or write it again"
        ],
    );
    // Any cut is an error, never a panic and never a shorter table.
    for at in (1..bytes.len()).step_by(97) {
        let cut = file(&folder, "cut.parquet", &bytes[..at]);
        assert!(run(read_rows(&Source::at(&cut), &[], 10_000)).is_err(), "cut at {at}");
    }
    // Whatever is overwritten, nothing panics; pages carry no sums, so it may go unseen.
    for at in (4..bytes.len() - 8).step_by(211) {
        let mut torn = bytes.clone();
        torn[at..at + 8].fill(0xff);
        let _ = run(read_rows(&Source::at(file(&folder, "torn.parquet", torn)), &[], 10_000));
    }
}

#[test]
fn text_files_with_ragged_rows() {
    let folder = folder();
    let root = folder.path();
    refused(
        root,
        &file(&folder, "long.csv", "a,b\n1,2\n3,4,5\n6,7\n"),
        expect!["check dataset ROOT/long.csv: line 3 has 3 fields, the first line has 2: mend that line, or quote the separator in it"],
    );
    refused(
        root,
        &file(&folder, "short.csv", "a,b\n\"x\ny\",2\n3\n"),
        expect!["check dataset ROOT/short.csv: line 4 has 1 fields, the first line has 2: mend that line, or quote the separator in it"],
    );
    refused(
        root,
        &file(&folder, "tabs.tsv", "a\tb\n1\t2\n3\n"),
        expect!["check dataset ROOT/tabs.tsv: line 3 has 1 fields, the first line has 2: mend that line, or quote the separator in it"],
    );
    let mut many = "a,b\n".to_owned();
    for i in 0..20_000 {
        many.push_str(&format!("{i},x\n"));
    }
    many.push_str("1,2,3\n");
    refused(
        root,
        &file(&folder, "many.csv", many),
        expect!["check dataset ROOT/many.csv: line 20002 has 3 fields, the first line has 2: mend that line, or quote the separator in it"],
    );
    refused(
        root,
        &file(&folder, "broken.jsonl", "{\"a\":1}\n{\"a\":\n"),
        expect![
            "check dataset ROOT/broken.jsonl: line 2 is not a JSON object: EOF while parsing a value at line 1 column 5: mend that line"
        ],
    );
}

#[test]
fn missing_columns_and_empty_tables_fail_unless_allowed_by_name() {
    let folder = folder();
    let path = folder.path().join("t.parquet");
    parquet(&path, vec![("a", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef), ("n", Arc::new(Float64Array::from(vec![None, None])))]);
    let yaml = "columns:\n  b: { not_null: true, unique: true, mean: [0, 1] }\n  n: { between: [0, 1], mean: [0, 1], not_null: true }\n  a: { between: [0, 5] }\ntable: { unique: [[a, b]] }\n";
    expect![[r#"
        failed
        - error: expect_column_values_to_not_be_null (b): column `b` is not in the table, which has a, n: correct the name, or allow it under `missing_column`
        - error: expect_column_values_to_be_unique (b): column `b` is not in the table, which has a, n: correct the name, or allow it under `missing_column`
        - error: expect_column_mean_to_be_between (b): column `b` is not in the table, which has a, n: correct the name, or allow it under `missing_column`
        - nothing checked: expect_column_values_to_be_between (n): all 2 values are null, so nothing was checked
        - nothing checked: expect_column_mean_to_be_between (n): there is no value: 2 of 2 rows are null
        - fail: expect_column_values_to_not_be_null (n): 2 of 2 values (100.0000 %) are unexpected, at least 1 must conform; first null in row 0
        + pass: expect_column_values_to_be_between (a): 0 of 2 values (0.0000 %) are unexpected, at least 1 must conform
        - error: expect_compound_columns_to_be_unique (a, b): column `b` is not in the table, which has a, n: correct the name, or allow it under `missing_column`"#]].assert_eq(&lines(&checked(&path, yaml)));
    let allowed = format!("allow: {{ missing_column: [b], all_null: [n] }}\n{yaml}");
    expect![[r#"
        failed
        + nothing checked: expect_column_values_to_not_be_null (b): column `b` is not in the table, which has a, n: correct the name, or allow it under `missing_column`
        + nothing checked: expect_column_values_to_be_unique (b): column `b` is not in the table, which has a, n: correct the name, or allow it under `missing_column`
        + nothing checked: expect_column_mean_to_be_between (b): column `b` is not in the table, which has a, n: correct the name, or allow it under `missing_column`
        + nothing checked: expect_column_values_to_be_between (n): all 2 values are null, so nothing was checked
        + nothing checked: expect_column_mean_to_be_between (n): there is no value: 2 of 2 rows are null
        - fail: expect_column_values_to_not_be_null (n): 2 of 2 values (100.0000 %) are unexpected, at least 1 must conform; first null in row 0
        + pass: expect_column_values_to_be_between (a): 0 of 2 values (0.0000 %) are unexpected, at least 1 must conform
        + nothing checked: expect_compound_columns_to_be_unique (a, b): column `b` is not in the table, which has a, n: correct the name, or allow it under `missing_column`"#]].assert_eq(&lines(&checked(&path, &allowed)));

    let empty = folder.path().join("e.parquet");
    parquet(&empty, vec![("a", Arc::new(Int64Array::from(Vec::<i64>::new())) as ArrayRef)]);
    let yaml = "columns: { a: { between: [0, 5], unique: true, type: int64 } }\ntable: { row_count: { min: 0 } }\n";
    expect![[r#"
        failed
        the table has no rows, whatever its row count may be: mend the data, or allow `no_rows`
        - nothing checked: expect_column_values_to_be_between (a): the table has no rows, so nothing was checked
        - nothing checked: expect_column_values_to_be_unique (a): the table has no rows, so nothing was checked
        + pass: expect_column_values_to_be_in_type_list (a): type is int64, expected int64
        + pass: expect_table_row_count_to_be_between: 0 rows, expected at least 0"#]]
    .assert_eq(&lines(&checked(&empty, yaml)));
    expect![[r#"
        passed
        + nothing checked: expect_column_values_to_be_between (a): the table has no rows, so nothing was checked
        + nothing checked: expect_column_values_to_be_unique (a): the table has no rows, so nothing was checked
        + pass: expect_column_values_to_be_in_type_list (a): type is int64, expected int64
        + pass: expect_table_row_count_to_be_between: 0 rows, expected at least 0"#]]
    .assert_eq(&lines(&checked(&empty, &format!("allow: {{ no_rows: true }}\n{yaml}"))));
    expect![[r#"
        failed
        the contract has no rules, so nothing was checked: add one, or allow `no_rules`"#]]
    .assert_eq(&lines(&checked(&path, "{}")));
    assert!(checked(&path, "allow: { no_rules: true }").success);
}

#[test]
fn columns_that_are_asked_for_must_be_there() {
    let folder = folder();
    let path = file(&folder, "t.csv", "a,b\n1,x\n");
    let source = Source::at(&path);
    let tidy = |e: tidegate_data::DataError| e.to_string().replace(&folder.path().display().to_string(), "ROOT");
    expect!["read rows ROOT/t.csv: there is no column `c`: the table has a, b"]
        .assert_eq(&tidy(run(read_rows(&source, &["c"], 10)).unwrap_err()));
    expect!["profile dataset ROOT/t.csv: there is no column `c`: the table has a, b"]
        .assert_eq(&tidy(run(profile(&source, &["c"])).unwrap_err()));
    expect!["read rows ROOT/t.csv: the number of rows exceeds the limit of 0: read fewer rows: cut the file, or name fewer files"]
        .assert_eq(&tidy(run(read_rows(&source, &[], 0)).unwrap_err()));
    assert!(digest(&Source::at(folder.path().join("none.csv"))).is_err());
}

#[test]
fn rules_that_do_not_fit_their_columns_are_errors_with_a_way_out() {
    let folder = folder();
    let path = file(&folder, "t.csv", "a,s,d\n1,x,2013-01-01\n2,y,2013-01-02\n");
    let yaml = "columns:\n  s: { between: [0, 5], mean: [0, 1], quantiles: { 0.5: [0, 1] }, regex: \"(\", fresh_within: 1d }\n  a: { length: [1, 2], type: whole, between: [x, y] }\n  d: { between: [later, soon], in_set: [1] }\n";
    expect![[r#"
        failed
        - error: expect_column_values_to_be_between (s): column `s` is text (string): bound 0 is a number: give text, or give the column a type
        - error: expect_column_mean_to_be_between (s): column `s` is text (string): this aggregate needs numbers
        - error: expect_column_quantile_values_to_be_between (s): column `s` is text (string): quantiles need numbers
        - error: expect_column_values_to_match_regex (s): regular expression `(` cannot be compiled: Parsing error at position 1: Opening parenthesis without closing parenthesis
        - error: expect_table_to_be_fresh (s): column `s` is text (string): freshness needs dates or instants
        + pass: expect_column_value_lengths_to_be_between (a): 0 of 2 values (0.0000 %) are unexpected, at least 1 must conform
        - error: expect_column_values_to_be_in_type_list (a): type `whole` is not known: use one of int8, Int8, ByteType, int16, Int16, ShortType, SMALLINT, int32, Int32, IntegerType, int64, Int64, int, LongType, BIGINT, uint8, UInt8, uint16, UInt16, uint32, UInt32, uint64, UInt64, integer, INTEGER, INT, float16, float32, Float32, FloatType, REAL, float64, Float64, float, double, DoubleType, DOUBLE, DOUBLE_PRECISION, FLOAT, number, decimal, DECIMAL, NUMERIC, DecimalType, string, str, object, utf8, StringDtype, StringType, VARCHAR, TEXT, CHAR, bool, boolean, bool_, BooleanType, BOOLEAN, BOOL, timestamp, datetime, datetime64, Timestamp, TimestampType, TIMESTAMP, DATETIME, datetime64[s], datetime64[ms], datetime64[us], datetime64[ns], date, DateType, DATE, category, CategoricalDtype, CategoricalDtypeType
        - error: expect_column_values_to_be_between (a): column `a` is whole numbers (int64): bound "x" is text: give a number
        - error: expect_column_values_to_be_between (d): column `d` is dates or instants (date): bound "later" is not a date or an instant: write `2013-12-31` or `2013-12-31T05:00:00Z`
        - error: expect_column_values_to_be_in_set (d): column `d` is dates or instants (date): value 1 of the set is a number: write dates or instants"#]].assert_eq(&lines(&checked(&path, yaml)));
}
