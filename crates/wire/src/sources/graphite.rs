//! Graphite: `GET /render` as JSON.

use super::{few, label, laid};
use crate::prometheus::{Grid, Series, Unusable};
use serde_json::Value;

/// The series of an answer.
///
/// # Errors
/// When the answer is another, as where Graphite refused.
pub fn graphite(body: &Value, grid: Grid) -> Result<Vec<Series>, Unusable> {
    let Some(found) = body.as_array() else {
        let said: String = body.as_str().unwrap_or_default().lines().find(|line| !line.trim().is_empty()).unwrap_or_default().into();
        let said: String = said.trim().chars().take(200).collect();
        return Err(Unusable(if said.is_empty() { "it is not an answer of Graphite".to_owned() } else { format!("it says {said}") }));
    };
    few(found.len())?;
    let series = |one: &Value| {
        let points = one.get("datapoints").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        // A value, null where there is none, and its time in seconds.
        let point = |p: &Value| Some((p.get(1)?.as_f64()?, p.get(0)?.as_f64()?));
        laid(label("target", one.get("target").and_then(Value::as_str).unwrap_or_default()), points.iter().filter_map(point), grid)
    };
    Ok(found.iter().map(series).collect())
}
