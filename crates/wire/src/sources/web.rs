//! Any JSON over HTTP: the number at a pointer (RFC 6901), as it is now.

use super::{few, label};
use crate::prometheus::{Grid, Series, Unusable};
use serde_json::Value;

/// The number at `pointer`, or each of a list of numbers, at the last time of the grid. A null is a gap.
///
/// # Errors
/// When nothing is there, or something else than a number.
pub fn web(body: &Value, pointer: &str, grid: Grid) -> Result<Vec<Series>, Unusable> {
    let Some(found) = body.pointer(pointer) else {
        return Err(Unusable(format!("its answer has nothing at `{pointer}`: a pointer is written as `/data/rate`")));
    };
    let all = found.as_array().map_or(std::slice::from_ref(found), Vec::as_slice);
    few(all.len())?;
    let series = |(at, value): (usize, &Value)| {
        let number = match value {
            Value::Null => f64::NAN,
            Value::String(text) => text.trim().parse().map_err(|_| wrong(pointer, value))?,
            other => other.as_f64().ok_or_else(|| wrong(pointer, value))?,
        };
        let mut values = vec![f64::NAN; grid.steps];
        if let Some(last) = values.last_mut() {
            *last = number;
        }
        Ok(Series { labels: label("item", &at.to_string()), values })
    };
    all.iter().enumerate().map(series).collect()
}

fn wrong(pointer: &str, value: &Value) -> Unusable {
    let said: String = value.to_string().chars().take(60).collect();
    Unusable(format!("at `{pointer}` it has {said}, which is no number"))
}
