//! Formats, folders and partitions; rows as vectors.

use super::world::{checked, file, folder, lines, parquet, run};
use datafusion::arrow::array::{
    ArrayRef, Date32Array, DictionaryArray, Int32Array, Int64Array, LargeStringArray, TimestampNanosecondArray,
};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::ipc::writer::{FileWriter, StreamWriter};
use datafusion::arrow::record_batch::RecordBatch;
use expect_test::expect;
use std::sync::Arc;
use tidegate_core::id::At;
use tidegate_data::{Column, Format, Source, Table, digest, read_rows, write_parquet};

const YAML: &str = "table: { row_count: 3, columns: [a, b] }\ncolumns: { a: { between: [1, 3], unique: true, type: int64 }, b: { in_set: [x, y], not_null: { mostly: 0.6 }, type: string } }";

fn batch() -> RecordBatch {
    let a: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let b: ArrayRef = Arc::new(LargeStringArray::from(vec![Some("x"), None, Some("y")]));
    RecordBatch::try_from_iter_with_nullable([("a", a, true), ("b", b, true)]).unwrap()
}

#[test]
fn every_format_gives_the_same_verdicts() {
    let folder = folder();
    let mut paths = vec![
        file(&folder, "t.csv", "a,b\n1,x\n2,\n3,y\n"),
        file(&folder, "t.tsv", "a\tb\r\n1\tx\r\n2\tNA\r\n3\ty\r\n"),
        file(&folder, "t.jsonl", "{\"a\":1,\"b\":\"x\"}\n{\"a\":2}\n{\"a\":3,\"b\":\"y\"}\n"),
        file(&folder, "t.arrow", ""),
        file(&folder, "stream.arrow", ""),
        folder.path().join("with space, % and [x].parquet"),
    ];
    let mut writer = FileWriter::try_new(std::fs::File::create(&paths[3]).unwrap(), &batch().schema()).unwrap();
    writer.write(&batch()).unwrap();
    writer.finish().unwrap();
    let mut writer = StreamWriter::try_new(std::fs::File::create(&paths[4]).unwrap(), &batch().schema()).unwrap();
    writer.write(&batch()).unwrap();
    writer.finish().unwrap();
    parquet(&paths[5], vec![("a", batch().column(0).clone()), ("b", batch().column(1).clone())]);
    std::fs::create_dir(folder.path().join("many")).unwrap();
    std::fs::copy(&paths[5], folder.path().join("many/part-0.parquet")).unwrap();
    std::fs::write(folder.path().join("many/_SUCCESS"), "").unwrap();
    paths.push(folder.path().join("many"));
    for path in paths {
        let report = checked(&path, YAML);
        assert!(report.success, "{}: {}", path.display(), lines(&report));
    }
}

#[test]
fn keys_in_folder_names_are_columns() {
    let folder = folder();
    for (year, carrier, from) in [(2013, "AA", 0), (2013, "UA", 2), (2014, "AA", 4)] {
        let path = folder.path().join(format!("d/year={year}/carrier={carrier}/part.parquet"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        parquet(&path, vec![("id", Arc::new(Int64Array::from_iter_values(from..from + 2)) as ArrayRef)]);
    }
    let path = folder.path().join("d");
    let report = checked(
        &path,
        "table: { row_count: 6, columns: [id, year, carrier] }\ncolumns: { id: { unique: true }, year: { type: int64, in_set: [2013, 2014] }, carrier: { in_set: [AA, UA], not_in_set: [ZZ] } }",
    );
    assert!(report.success, "{}", lines(&report));
    let table = run(read_rows(&Source::at(&path), &["id", "year", "carrier"], 10)).unwrap();
    expect![[r#"Table { columns: {"id": Int([Some(0), Some(1), Some(2), Some(3), Some(4), Some(5)]), "year": Int([Some(2013), Some(2013), Some(2013), Some(2013), Some(2014), Some(2014)]), "carrier": Text([Some("AA"), Some("AA"), Some("UA"), Some("UA"), Some("AA"), Some("AA")])}, rows: 6 }"#]].assert_eq(&format!("{table:?}"));
    assert_ne!(digest(&Source::at(&path)).unwrap(), digest(&Source::at(path.join("year=2013"))).unwrap());
}

#[test]
fn rows_come_back_as_they_were_written() {
    let folder = folder();
    let path = folder.path().join("t.parquet");
    let columns = [
        ("f", Column::Float(vec![Some(0.1), None, Some(-2.0)])),
        ("i", Column::Int(vec![Some(i64::MAX), None, Some(0)])),
        ("t", Column::Text(vec![Some("é".to_owned()), None, Some(String::new())])),
        ("b", Column::Bool(vec![Some(true), None, Some(false)])),
        ("at", Column::Instant(vec![Some(At(1_357_034_400_000)), None, Some(At(-1))])),
    ];
    let table = Table { columns: columns.into_iter().map(|(n, c)| (n.to_owned(), c)).collect(), rows: 3 };
    write_parquet(&path, &table).unwrap();
    assert_eq!(run(read_rows(&Source::at(&path), &[], 3)).unwrap(), table);
    let some = run(read_rows(&Source::at(&path), &["at", "f"], 3)).unwrap();
    assert_eq!(some.columns.keys().collect::<Vec<_>>(), ["at", "f"]);
    expect![[r#"
        {"f":0.1,"i":9223372036854775807,"t":"é","b":true,"at":"2013-01-01T10:00:00Z"}
        {"f":null,"i":null,"t":null,"b":null,"at":null}
        {"f":-2.0,"i":0,"t":"","b":false,"at":"1969-12-31T23:59:59.999Z"}"#]]
    .assert_eq(&(0..3).map(|r| serde_json::to_string(&table.record(r)).unwrap()).collect::<Vec<_>>().join("\n"));
    assert!(some.column("f").unwrap().numbers().unwrap()[1].is_nan());
    assert!(run(read_rows(&Source::at(&path), &[], 2)).is_err());
    let ragged = Table {
        columns: [("a".to_owned(), Column::Int(vec![])), ("b".to_owned(), Column::Int(vec![None]))].into_iter().collect(),
        rows: 1,
    };
    assert!(write_parquet(&folder.path().join("no.parquet"), &ragged).is_err());
    assert!(!folder.path().join("no.parquet").exists());
}

#[test]
fn rows_of_a_large_file_keep_their_order() {
    let folder = folder();
    let path = folder.path().join("large.parquet");
    parquet(&path, vec![("id", Arc::new(Int64Array::from_iter_values(0..300_000)) as ArrayRef)]);
    let table = run(read_rows(&Source::at(&path), &["id"], 1_000_000)).unwrap();
    assert_eq!(table.columns["id"], Column::Int((0..300_000).map(Some).collect()));
}

#[test]
fn less_common_types_are_read() {
    let folder = folder();
    let path = folder.path().join("t.parquet");
    let category: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("y")].into_iter().collect();
    parquet(
        &path,
        vec![
            ("c", Arc::new(category) as ArrayRef),
            ("d", Arc::new(Date32Array::from(vec![0, 1, 16_070]))),
            ("n", Arc::new(TimestampNanosecondArray::from(vec![1_500_000_000, 0, -1]))),
            ("s", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        ],
    );
    expect![[r#"
        failed
        + pass: expect_column_values_to_be_in_type_list (c): type is category of string, expected category or string
        - fail: expect_column_values_to_be_in_set (c): 1 of 2 values (50.0000 %) are unexpected, at least 1 must conform; first "y" in row 2
        + pass: expect_column_values_to_be_in_type_list (d): type is date, expected date
        + pass: expect_column_max_to_be_between (d): observed "2013-12-31", expected ["2013-12-31", "2013-12-31"]
        + pass: expect_column_values_to_be_in_type_list (n): type is timestamp[ns], expected timestamp
        + pass: expect_column_values_to_be_unique (n): 0 of 3 values (0.0000 %) are unexpected, at least 1 must conform
        + pass: expect_column_values_to_be_in_type_list (s): type is int32, expected int32 or int64
        + pass: expect_column_values_to_be_unique (s): 0 of 3 values (0.0000 %) are unexpected, at least 1 must conform"#]].assert_eq(&lines(&checked(&path, "columns: { c: { type: [category, string], in_set: [x] }, d: { type: date, max: [\"2013-12-31\", \"2013-12-31\"] }, n: { type: timestamp, unique: true }, s: { type: [int32, int64], unique: true } }")));
    let named = Source { format: Some(Format::Csv), ..Source::at(file(&folder, "data.txt", "a\n1\n")) };
    assert_eq!(run(read_rows(&named, &[], 9)).unwrap().rows, 1);
}
