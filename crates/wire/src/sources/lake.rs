//! The workspace's own lake: SQL over the tables of its telemetry. Not here: who runs it (`data::lake`).

use super::{TIME_FILTER, few, laid};
use crate::prometheus::{Grid, Series, Unusable};
use std::collections::BTreeMap;

/// The column of an answer that says when.
pub const TIME: &str = "time";

/// A query with the span of time that is asked for: `$timeFilter`, `$from`, `$to` and `$interval`, in milliseconds.
#[must_use]
pub fn asked(query: &str, grid: Grid) -> String {
    let ms = |seconds: i64| seconds.saturating_mul(1_000);
    // The last step is asked for whole.
    let (from, to) = (ms(grid.start_s), ms(grid.end_s().saturating_add(grid.step_s)));
    let query = query.replace(TIME_FILTER, &format!("(at >= {from} AND at < {to})"));
    query.replace("$from", &from.to_string()).replace("$to", &to.to_string()).replace("$interval", &ms(grid.step_s).to_string())
}

/// Values of one row of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// When, in milliseconds.
    pub time_ms: i64,
    /// Its texts, by column.
    pub labels: BTreeMap<String, String>,
    /// Its numbers, by column; those that are null are left out.
    pub numbers: Vec<(String, f64)>,
}

/// The series of an answer: one for each group of texts and column of numbers.
///
/// # Errors
/// When there are too many.
pub fn series(rows: Vec<Row>, grid: Grid) -> Result<Vec<Series>, Unusable> {
    let mut found: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    for row in rows {
        for (column, value) in row.numbers {
            let mut labels = row.labels.clone();
            labels.insert("column".to_owned(), column);
            #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch")]
            found.entry(labels).or_default().push((row.time_ms as f64 / 1_000.0, value));
            few(found.len())?;
        }
    }
    Ok(found.into_iter().map(|(labels, points)| laid(labels, points.into_iter(), grid)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { start_s: 1_000, step_s: 60, steps: 2 };

    #[test]
    fn the_span_stands_in_the_query() {
        let query =
            "SELECT at / $interval * $interval AS time, avg(score) FROM predictions WHERE $timeFilter AND at > $from - 1 AND at < $to";
        assert_eq!(
            asked(query, GRID),
            "SELECT at / 60000 * 60000 AS time, avg(score) FROM predictions WHERE (at >= 1000000 AND at < 1120000) AND at > 1000000 - 1 AND at < 1120000"
        );
    }

    #[test]
    fn groups_and_columns_are_series_and_gaps_are_none() {
        let row = |time_ms, version: &str, numbers: &[(&str, f64)]| Row {
            time_ms,
            labels: BTreeMap::from([("version".to_owned(), version.to_owned())]),
            numbers: numbers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        };
        let rows =
            vec![row(1_000_000, "1", &[("n", 2.0), ("ms", 5.0)]), row(1_060_000, "1", &[("n", 3.0)]), row(1_059_999, "2", &[("n", 7.0)])];
        let found = series(rows, GRID).unwrap();
        let shown: Vec<String> = found.iter().map(|s| format!("{} {} {:?}", s.labels["version"], s.labels["column"], s.values)).collect();
        assert_eq!(shown, ["1 ms [5.0, NaN]", "1 n [2.0, 3.0]", "2 n [7.0, NaN]"]);
        let many = (0..10_001).map(|n| row(1_000_000, &n.to_string(), &[("n", 1.0)])).collect();
        assert!(series(many, GRID).unwrap_err().0.starts_with("the query finds 10001 series"));
    }
}
