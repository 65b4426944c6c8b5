//! Tables that are read, joined and written.

use super::*;
use crate::rows::Column;

async fn of(text: &str, folder: &Path, name: &str) -> Frame {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    read_frame(&Source::at(path), &[]).await.unwrap()
}

#[tokio::test]
async fn rows_are_joined_by_their_numbers_and_written_as_they_were_read() {
    let folder = tempfile::tempdir().unwrap();
    let ours = of("id,at\n1,2026-03-01T12:00:00Z\n2,2026-03-02 00:00:00.000001\n3,\n", folder.path(), "ours.csv").await;
    assert_eq!(ours.key("id").unwrap(), KeyColumn::Wholes(vec![Some(1), Some(2), Some(3)]));
    assert_eq!(ours.times("at").unwrap(), [Some(1_772_366_400_000_000), Some(1_772_409_600_000_001), None]);
    let theirs = of("name,x\nb,1.5\na,2.5\n", folder.path(), "theirs.csv").await;
    assert_eq!(theirs.key("name").unwrap(), KeyColumn::Texts(vec![Some("b".to_owned()), Some("a".to_owned())]));
    let names = [("x".to_owned(), "view__x".to_owned())];
    let joined = ours.joined(&theirs, &[1, u32::MAX, 0], &names).unwrap();
    assert_eq!(joined.names(), ["id", "at", "view__x"]);
    let more = joined.with("n", &Column::Int(vec![Some(7), None, Some(9)])).unwrap();
    let (one, two) = (folder.path().join("one.parquet"), folder.path().join("two.parquet"));
    more.write(&one).unwrap();
    more.write(&two).unwrap();
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap(), "the same table is the same bytes");
    let read = crate::read_rows(&Source::at(&one), &["view__x", "n"], 10).await.unwrap();
    assert_eq!(read.column("view__x"), Some(&Column::Float(vec![Some(2.5), None, Some(1.5)])));
    assert_eq!(read.column("n"), Some(&Column::Int(vec![Some(7), None, Some(9)])));
    use tidegate_core::contract::Value;
    assert_eq!(theirs.values("x", &[1, u32::MAX, 0]).unwrap(), [Value::from(2.5), Value::Null, Value::from(1.5)]);
    assert_eq!(ours.values("at", &[2, 0]).unwrap()[0], Value::Null);
    assert!(ours.joined(&theirs, &[2, 0, 0], &names).is_err() && ours.joined(&theirs, &[0], &names).is_err());
    assert!(joined.joined(&theirs, &[0, 0, 0], &names).unwrap_err().to_string().contains("two columns `view__x`"));
}

#[tokio::test]
async fn what_is_no_time_and_no_key_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let frame = of("id,at,x\n1,yesterday,1.5\n", folder.path(), "t.csv").await;
    assert!(frame.times("at").unwrap_err().to_string().contains("column `at` holds no times"));
    assert!(frame.times("x").is_err() && frame.key("x").is_err() && frame.key("nothing").is_err());
}

/// Columns are encoded beside one another, group by group; a writer of one column after the other is the oracle.
#[tokio::test]
async fn columns_written_beside_one_another_are_those_written_in_turn() {
    use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, StringArray};
    use datafusion::arrow::datatypes::Int32Type;
    use datafusion::parquet::arrow::ArrowWriter;
    let folder = tempfile::tempdir().unwrap();
    for rows in [0_i64, 1, 262_144, 300_000] {
        let columns: [(&str, ArrayRef); 4] = [
            ("n", Arc::new((0..rows).map(|n| (n % 7 > 0).then_some(n * n)).collect::<Int64Array>())),
            ("x", Arc::new((0..rows).map(|n| Some(n as f64 / 3.0)).collect::<Float64Array>())),
            ("t", Arc::new((0..rows).map(|n| (n % 5 > 0).then(|| format!("row {}", n % 1000))).collect::<StringArray>())),
            (
                "l",
                Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(
                    (0..rows).map(|n| (n % 3 > 0).then(|| vec![Some(n as i32); 2])),
                )),
            ),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let path = folder.path().join("beside.parquet");
        let frame = Frame { path: path.clone(), batch };
        frame.write(&path).unwrap();
        let mut in_turn = vec![];
        let mut writer = ArrowWriter::try_new(&mut in_turn, frame.batch.schema(), Some(super::write::properties())).unwrap();
        writer.write(&frame.batch).unwrap();
        writer.close().unwrap();
        assert!(std::fs::read(&path).unwrap() == in_turn, "{rows} rows");
    }
}
