//! InfluxDB: InfluxQL over `/query`, times in seconds.

use super::{few, laid};
use crate::prometheus::{Grid, Series, Unusable};
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands in a query for the span of time that is asked for.
pub const TIME_FILTER: &str = "$timeFilter";

/// The series of an answer: one for each group of tags and column.
///
/// # Errors
/// When InfluxDB refused, or the answer has no times.
pub fn influx(body: &Value, grid: Grid) -> Result<Vec<Series>, Unusable> {
    let said = body.get("error").or_else(|| body.pointer("/results/0/error")).and_then(Value::as_str);
    if let Some(said) = said {
        return Err(Unusable(format!("it refuses the query: {said}")));
    }
    let Some(results) = body.get("results").and_then(Value::as_array) else {
        return Err(Unusable("it is not an answer of InfluxDB".to_owned()));
    };
    let partial = |v: Option<&Value>| v.and_then(|v| v.get("partial")).and_then(Value::as_bool) == Some(true);
    let groups = body.pointer("/results/0/series").and_then(Value::as_array);
    if partial(results.first()) || groups.into_iter().flatten().any(|group| partial(Some(group))) {
        return Err(Unusable("it gave a part of the rows: lengthen the interval, or shorten the time".to_owned()));
    }
    if results.len() != 1 {
        return Err(Unusable(format!("{} statements: ask one", results.len())));
    }
    let found = groups.map(Vec::as_slice).unwrap_or_default();
    few(found.len())?;
    let mut all = Vec::new();
    for group in found {
        all.extend(columns(group, grid)?);
        few(all.len())?;
    }
    Ok(all)
}

fn columns(group: &Value, grid: Grid) -> Result<Vec<Series>, Unusable> {
    let list = |key: &str| group.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (columns, rows) = (list("columns"), list("values"));
    if columns.first().and_then(Value::as_str) != Some("time") {
        return Err(Unusable("its rows have no times: select values, as `mean(\"value\")`".to_owned()));
    }
    let tags = group.get("tags").and_then(Value::as_object).into_iter().flatten();
    let mut labels: BTreeMap<String, String> = tags.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect();
    if let Some(name) = group.get("name").and_then(Value::as_str) {
        labels.insert("measurement".to_owned(), name.to_owned());
    }
    let series = |(at, column): (usize, &Value)| {
        let point = |row: &Value| Some((row.get(0)?.as_f64()?, row.get(at)?.as_f64()?));
        let mut labels = labels.clone();
        labels.insert("column".to_owned(), column.as_str().unwrap_or_default().to_owned());
        laid(labels, rows.iter().filter_map(point), grid)
    };
    Ok(columns.iter().enumerate().skip(1).map(series).collect())
}
