//! Amazon CloudWatch: `GetMetricData` in its JSON protocol.

use super::{few, label, laid};
use crate::prometheus::{Grid, Series, Unusable};
use serde_json::Value;

/// The series of an answer.
///
/// # Errors
/// When CloudWatch refused, or gave a part of the points.
pub fn cloudwatch(body: &Value, grid: Grid) -> Result<Vec<Series>, Unusable> {
    let Some(found) = body.get("MetricDataResults").and_then(Value::as_array) else {
        let said = ["message", "Message", "__type"].iter().find_map(|key| body.get(key)?.as_str());
        return Err(Unusable(format!("it refuses the query: {}", said.unwrap_or("it is not an answer of CloudWatch"))));
    };
    few(found.len())?;
    if body.get("NextToken").is_some_and(|token| !token.is_null()) {
        return Err(Unusable("it has more points than one answer holds: lengthen the interval, or shorten the time".to_owned()));
    }
    found.iter().map(|result| one(result, grid)).collect()
}

fn one(result: &Value, grid: Grid) -> Result<Series, Unusable> {
    let text = |key: &str| result.get(key).and_then(Value::as_str);
    match text("StatusCode") {
        Some("Complete") | None => {}
        Some(code) => {
            let said = result.pointer("/Messages/0/Value").and_then(Value::as_str).unwrap_or("it does not say why");
            return Err(Unusable(format!("its points are not complete ({code}): {said}")));
        }
    }
    let list = |key: &str| result.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (times, values) = (list("Timestamps"), list("Values"));
    if times.len() != values.len() {
        return Err(Unusable(format!("{} times and {} values", times.len(), values.len())));
    }
    let points = times.iter().zip(values).filter_map(|(time, value)| Some((time.as_f64()?, value.as_f64()?)));
    Ok(laid(label("label", text("Label").unwrap_or_default()), points, grid))
}
