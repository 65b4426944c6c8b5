//! New Relic: NRQL with `TIMESERIES`, through NerdGraph.

use super::{few, laid};
use crate::prometheus::{Grid, Series, Unusable};
use serde_json::Value;
use std::collections::BTreeMap;

/// Most steps of time in one answer.
pub const STEPS_OF_NEWRELIC: usize = 366;
/// Columns of a bucket that are no value.
const TIMES: [&str; 2] = ["beginTimeSeconds", "endTimeSeconds"];

/// The series of an answer: one for each facet and column.
///
/// # Errors
/// When New Relic refused, or the answer has no buckets of time.
pub fn newrelic(body: &Value, grid: Grid) -> Result<Vec<Series>, Unusable> {
    if let Some(said) = body.pointer("/errors/0/message").and_then(Value::as_str) {
        return Err(Unusable(format!("it refuses the query: {said}")));
    }
    let Some(buckets) = body.pointer("/data/actor/account/nrql/results").and_then(Value::as_array) else {
        return Err(Unusable("it is not an answer of New Relic: look at the account and the key".to_owned()));
    };
    let mut found: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
    for bucket in buckets {
        let Some(time) = bucket.get("beginTimeSeconds").and_then(Value::as_f64) else {
            return Err(Unusable("its rows have no times: leave `TIMESERIES`, `SINCE` and `UNTIL` to Tidegate".to_owned()));
        };
        let facets: Vec<String> = match bucket.get("facet") {
            None | Some(Value::Null) => vec![],
            Some(Value::Array(many)) => many.iter().map(plain).collect(),
            Some(one) => vec![plain(one)],
        };
        let facet = facets.join(",");
        for (column, value) in bucket.as_object().into_iter().flatten().filter(|(name, _)| !TIMES.contains(&name.as_str())) {
            // What it is grouped by stands in the row once more, under its own name.
            if !value.is_object() && facets.contains(&plain(value)) {
                continue;
            }
            for (column, value) in numbers(column, value) {
                found.entry((facet.clone(), column)).or_default().push((time, value));
                few(found.len())?;
            }
        }
    }
    let series = |((facet, column), points): ((String, String), Vec<(f64, f64)>)| {
        let named = [("column", column), ("facet", facet)].into_iter().filter(|(_, value)| !value.is_empty());
        laid(named.map(|(name, value)| (name.to_owned(), value)).collect(), points.into_iter(), grid)
    };
    Ok(found.into_iter().map(series).collect())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The numbers of a column; a percentile is a mapping with one for each of its ranks.
fn numbers(column: &str, value: &Value) -> Vec<(String, f64)> {
    match value {
        Value::Number(number) => number.as_f64().map(|number| (column.to_owned(), number)).into_iter().collect(),
        Value::Object(ranks) => ranks.iter().filter_map(|(rank, v)| Some((format!("{column}.{rank}"), v.as_f64()?))).collect(),
        _ => vec![],
    }
}
