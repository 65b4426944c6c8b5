//! Datadog: `GET /api/v1/query`.

use super::{few, laid};
use crate::prometheus::{Grid, Series, Unusable};
use serde_json::Value;
use std::collections::BTreeMap;

/// The series of an answer.
///
/// # Errors
/// When Datadog refused, or the answer is another.
pub fn datadog(body: &Value, grid: Grid) -> Result<Vec<Series>, Unusable> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    if text(body.get("status")).as_deref() != Some("ok") {
        let said = text(body.get("error")).or_else(|| text(body.pointer("/errors/0")));
        return Err(Unusable(format!("it refuses the query: {}", said.unwrap_or_else(|| "it is not an answer of Datadog".to_owned()))));
    }
    let found = body.get("series").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    few(found.len())?;
    found.iter().map(|series| one(series, grid)).collect()
}

fn one(series: &Value, grid: Grid) -> Result<Series, Unusable> {
    let tags = series.get("tag_set").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut labels: BTreeMap<String, String> =
        tags.map(|tag| tag.split_once(':').unwrap_or((tag, ""))).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    if let Some(metric) = series.get("metric").and_then(Value::as_str) {
        labels.insert("metric".to_owned(), metric.to_owned());
    }
    let Some(points) = series.get("pointlist").and_then(Value::as_array) else {
        return Err(Unusable("a series has no `pointlist`".to_owned()));
    };
    // Milliseconds and a value, null where nothing was reported.
    let point = |p: &Value| Some((p.get(0)?.as_f64()? / 1_000.0, p.get(1)?.as_f64()?));
    Ok(laid(labels, points.iter().filter_map(point), grid))
}
