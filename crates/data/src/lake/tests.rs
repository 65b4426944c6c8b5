//! What the lake answers, what it refuses, and where it ends.

use super::*;
use datafusion::arrow::array::{Float64Array, Int64Array, StringArray};
use datafusion::arrow::datatypes::{Field, Schema};

const GRID: Grid = Grid { start_s: 60, step_s: 60, steps: 2 };
const KNOWN: [&str; 2] = ["predictions", "feedback"];

fn schema() -> SchemaRef {
    let field = |name: &str, kind| Field::new(name, kind, false);
    Arc::new(Schema::new(vec![field("at", DataType::Int64), field("request_id", DataType::Utf8), field("value", DataType::Float64)]))
}

/// Rows of a time in seconds, an id and a value.
fn batch(rows: &[(i64, &str, f64)]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0 * 1_000))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2))),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn answer(query: &str) -> Result<Vec<Series>, Unusable> {
    let mut question = Question::new(query, GRID, &KNOWN)?;
    let predictions = batch(&[(10, "old", 100.0), (61, "a", 1.0), (119, "b", 3.0), (120, "c", 8.0), (180, "late", 100.0)]);
    let labels = batch(&[(121, "a", 1.0), (122, "b", 0.0), (123, "old", 1.0)]);
    for table in question.tables().to_vec() {
        let rows = if table == "feedback" { labels.clone() } else { predictions.clone() };
        question.give(&table, &schema(), [Ok(rows)].into_iter(), 0..180_000)?;
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(question.answer())
}

fn values(query: &str) -> Vec<Vec<f64>> {
    answer(query).unwrap().into_iter().map(|series| series.values).collect()
}

#[track_caller]
fn refuses(query: &str, why: &str) {
    let said = answer(query).unwrap_err().0;
    assert!(said.contains(why), "{said}");
}

#[test]
fn numbers_over_time_are_series() {
    let by_minute =
        "SELECT at / $interval * $interval AS time, avg(value) AS mean, count(*) AS n FROM predictions WHERE $timeFilter GROUP BY 1";
    assert_eq!(values(by_minute), [[2.0, 8.0], [2.0, 1.0]]);
    // A label that comes later finds its prediction, which may be older than the span.
    let joined = "SELECT f.at / $interval * $interval AS time, sum(p.value) AS v FROM feedback f JOIN predictions p USING (request_id) \
        WHERE f.at >= $from AND f.at < $to GROUP BY 1";
    let found = values(joined);
    assert_eq!(found[0][1], 104.0);
    assert!(found[0][0].is_nan(), "no label is no value");
    let labelled = answer("SELECT at AS time, request_id, value > 2 AS more FROM predictions WHERE $timeFilter ORDER BY at").unwrap();
    assert_eq!(labelled.len(), 3, "texts are labels, and what is true is 1");
    assert_eq!((labelled[1].labels["request_id"].as_str(), labelled[1].values[0]), ("b", 1.0));
    let stamped = "SELECT to_timestamp_millis(at) AS time, value FROM predictions WHERE request_id = 'c'";
    assert_eq!(values(stamped)[0][1], 8.0);
    assert_eq!(answer("SELECT at AS time, value FROM predictions WHERE value > 1000").unwrap(), []);
    assert_eq!(answer("WITH p AS (SELECT * FROM predictions) SELECT at AS time, value FROM p WHERE $timeFilter").unwrap().len(), 1);
}

#[test]
fn nothing_but_one_select_over_the_tables_is_taken() {
    for (query, why) in [
        ("DROP TABLE predictions", "it takes one SELECT"),
        ("INSERT INTO predictions SELECT * FROM predictions", "it takes one SELECT"),
        ("COPY predictions TO '/tmp/tidegate-stolen.csv'", "it takes one SELECT"),
        ("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", "it takes one SELECT"),
        ("CREATE TABLE x AS SELECT 1", "it takes one SELECT"),
        ("SET datafusion.execution.target_partitions = 9", "it takes one SELECT"),
        ("EXPLAIN SELECT * FROM predictions", "it takes one SELECT"),
        ("SHOW TABLES", "it takes one SELECT"),
        ("SELECT 1; SELECT 2", "it refuses the query"),
        ("SELECT at time, FROM WHERE", "it has no table `where`"),
        ("SELECT at AS time FROM predictions WHERE (", "it refuses the query"),
        ("SELECT * FROM '/etc/passwd'", "it has no table"),
        ("SELECT value AS time FROM generate_series(1, 1000000000)", "it has no table `generate_series`"),
        ("SELECT value AS time FROM LATERAL generate_series(1, 1000000000)", "it refuses the query"),
        ("SELECT * FROM \"/etc/hosts.csv\"", "it has no table"),
        ("SELECT * FROM exposures", "it has no table `exposures`: known are predictions, feedback"),
        ("SELECT * FROM information_schema.tables", "it has no table `information_schema.tables`"),
        ("SELECT * FROM datafusion.public.predictions", "it has no table"),
        ("SELECT p.at AS time, (SELECT max(at) FROM secrets) AS v FROM predictions p", "it has no table `secrets`"),
        ("SELECT at AS time, nothing FROM predictions", "it refuses the query"),
        ("SELECT count(*) AS n FROM predictions", "its rows have no `time` in milliseconds"),
        ("SELECT request_id AS time, value FROM predictions", "its rows have no `time` in milliseconds"),
        ("SELECT at AS time, make_interval(value) FROM predictions", "it refuses the query"),
        ("SELECT at AS time, now() AS v FROM predictions", "its column `v` is Timestamp"),
    ] {
        refuses(query, why);
    }
    assert!(!std::path::Path::new("/tmp/tidegate-stolen.csv").exists());
}

/// A question over so many rows of one table.
fn many(query: &str, rows: i64) -> Unusable {
    let mut question = Question::new(query, GRID, &KNOWN).unwrap();
    let rows: Vec<(i64, &str, f64)> = (0..rows).map(|n| (n, "r", 1.0)).collect();
    question.give("predictions", &schema(), [Ok(batch(&rows))].into_iter(), 0..i64::MAX).unwrap();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(question.answer()).unwrap_err()
}

#[test]
fn limits_have_names() {
    let said = many("SELECT at AS time, value FROM predictions", 100_001).0;
    assert!(said.contains("it gives more than 100000 rows"), "{said}");
    let wide = "SELECT at AS time, value FROM predictions ORDER BY repeat('x', 3000) || CAST(at AS varchar)";
    let said = many(wide, 200_000).0;
    assert!(said.contains("it needs more than 256 MB"), "{said}");
    let mut question = Question::new("SELECT at AS time, value FROM predictions", GRID, &KNOWN).unwrap();
    let rows: Vec<(i64, &str, f64)> = (0..100_000).map(|n| (n, "r", 1.0)).collect();
    let rows = batch(&rows);
    let said = question.give("predictions", &schema(), (0..41).map(|_| Ok(rows.clone())), 0..i64::MAX).unwrap_err().0;
    assert!(said.contains("more than 4000000 rows or 512 MB"), "{said}");
    let mut question = Question::new("SELECT at AS time, value FROM predictions", GRID, &KNOWN).unwrap();
    let said = question.give("predictions", &schema(), [Err("the disk is gone".to_owned())].into_iter(), 0..1).unwrap_err().0;
    assert_eq!(said, "the disk is gone");
}
