//! Answers of Prometheus' HTTP API to range queries: series on a grid of times, and what counters grew by between them.
//!
//! Growth is taken from the counters themselves and not from `increase()`, which stretches what it saw to the edges of its
//! window and misses the first value of a series: counts stay whole, and the first failure of a version counts.

mod buckets;
mod native;

pub use buckets::{EDGES_MAX, Latencies, LatencyUnit, latencies};
pub use native::{Histograms, Native, SAMPLE_BUCKETS_MAX, native};

use serde_json::Value;
use std::collections::BTreeMap;

/// Most series of one answer.
pub const SERIES_MAX: usize = 10_000;
/// Most times of one answer: what Prometheus itself allows.
pub const STEPS_MAX: usize = 11_000;

/// Times that are asked for, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// First.
    pub start_s: i64,
    /// Seconds between two.
    pub step_s: i64,
    /// How many.
    pub steps: usize,
}

impl Grid {
    /// The last time.
    #[must_use]
    pub fn end_s(&self) -> i64 {
        let steps = i64::try_from(self.steps.saturating_sub(1)).unwrap_or(i64::MAX);
        self.start_s.saturating_add(self.step_s.saturating_mul(steps))
    }
}

/// A series: its labels, and a value at each time of the grid; NaN where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Names and values, `__name__` among them.
    pub labels: BTreeMap<String, String>,
    /// One a time.
    pub values: Vec<f64>,
}

/// An answer that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// What an answer holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Series of numbers.
    pub numbers: Vec<Series>,
    /// Series of native histograms.
    pub histograms: Vec<Histograms>,
}

impl Answer {
    /// Whether it found nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.histograms.is_empty()
    }

    /// Counters: a native histogram counts what it was told.
    #[must_use]
    pub fn counters(self) -> Vec<Series> {
        let counted: Vec<Series> = self.histograms.iter().map(Histograms::counter).collect();
        self.numbers.into_iter().chain(counted).collect()
    }
}

/// The series of numbers of an answer.
///
/// # Errors
/// When Prometheus refused, or the answer is not one of numbers over time.
pub fn matrix(body: &Value, grid: Grid) -> Result<Vec<Series>, Unusable> {
    let answer = samples(body, grid)?;
    if answer.histograms.is_empty() {
        return Ok(answer.numbers);
    }
    Err(Unusable("it finds a native histogram: ask for a number of it, as `histogram_quantile(0.99, rate(..))`".to_owned()))
}

/// Everything of an answer.
///
/// # Errors
/// As [`matrix`], but for native histograms.
pub fn samples(body: &Value, grid: Grid) -> Result<Answer, Unusable> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    if text("status") != Some("success") {
        let said = text("error").unwrap_or("it is not an answer of Prometheus");
        return Err(Unusable(format!("Prometheus refuses the query: {said}")));
    }
    let data = body.get("data").unwrap_or(&Value::Null);
    let kind = data.get("resultType").and_then(Value::as_str).unwrap_or("nothing");
    if kind != "matrix" {
        return Err(Unusable(format!("Prometheus gives a {kind}: ask for a range of time")));
    }
    let found = data.get("result").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if found.len() > SERIES_MAX {
        return Err(Unusable(format!("the query finds {} series, at most {SERIES_MAX} are read: narrow it down", found.len())));
    }
    let mut answer = Answer::default();
    for series in found {
        one(series, grid, &mut answer)?;
    }
    Ok(answer)
}

fn one(series: &Value, grid: Grid, answer: &mut Answer) -> Result<(), Unusable> {
    let metric = series.get("metric").and_then(Value::as_object);
    let labels: BTreeMap<String, String> =
        metric.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    let points = |key: &str| series.get(key).and_then(Value::as_array);
    let (numbers, histograms) = (points("values"), points("histograms"));
    if numbers.is_none() && histograms.is_none() {
        return Err(Unusable("a series has neither `values` nor `histograms`".to_owned()));
    }
    if let Some(points) = numbers {
        let mut values = vec![f64::NAN; grid.steps];
        for point in points {
            let value = point.get(1).and_then(Value::as_str).and_then(number);
            laid(point, value, grid, &mut values)?;
        }
        answer.numbers.push(Series { labels: labels.clone(), values });
    }
    if let Some(points) = histograms {
        let mut samples = vec![None; grid.steps];
        for point in points {
            let sample = point.get(1).map(native::sample).transpose()?;
            laid(point, sample.map(Some), grid, &mut samples)?;
        }
        answer.histograms.push(Histograms { labels, samples });
    }
    Ok(())
}

/// Puts a sample where its time lies on the grid.
fn laid<T>(point: &Value, value: Option<T>, grid: Grid, on: &mut [T]) -> Result<(), Unusable> {
    let (Some(time), Some(value)) = (point.get(0).and_then(Value::as_f64), value) else {
        return Err(Unusable(format!("`{point}` is no value at a time")));
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "seconds, rounded to the grid")]
    let at = ((time - grid.start_s as f64) / grid.step_s.max(1) as f64).round() as i64;
    if let Some(slot) = usize::try_from(at).ok().and_then(|at| on.get_mut(at)) {
        *slot = value;
    }
    Ok(())
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        other => other.parse().ok(),
    }
}

/// Series of failures that came when the arm was there before have counted from nothing: told by its requests.
#[must_use]
pub fn born(mut failures: Vec<Series>, all: &[Series], grid: Grid) -> Vec<Series> {
    for one in &mut failures {
        let first = one.values.iter().position(|v| v.is_finite());
        let Some(before) = first.and_then(|first| first.checked_sub(1)) else { continue };
        let there = all.iter().any(|s| s.values.get(before).is_some_and(|v| v.is_finite()));
        if let (true, Some(slot)) = (there && before < grid.steps, one.values.get_mut(before)) {
            *slot = 0.0;
        }
    }
    failures
}

/// A selector of a counter with more matchers.
///
/// # Errors
/// With a sentence, when it is something else.
pub fn narrowed(selector: &str, matchers: &str) -> Result<String, String> {
    let text = selector.trim();
    let name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c));
    match text.strip_suffix('}').and_then(|rest| rest.split_once('{')) {
        Some((metric, inner)) if metric.is_empty() || name(metric) => {
            let inner = inner.trim().trim_end_matches(',');
            let comma = if inner.is_empty() { "" } else { "," };
            Ok(format!("{metric}{{{inner}{comma}{matchers}}}"))
        }
        None if name(text) => Ok(format!("{text}{{{matchers}}}")),
        _ => Err(format!("`{selector}` is no selector of a counter: write it as `requests_total{{version=\"2\"}}`")),
    }
}

/// The labels that matchers name, as `code` of `code=~"5.."`.
#[must_use]
pub fn labels_of(matchers: &str) -> Vec<String> {
    let (mut found, mut name, mut quoted, mut escaped, mut naming) = (Vec::new(), String::new(), false, false, true);
    for c in matchers.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            ',' => (naming, name) = (true, String::new()),
            c if naming && (c.is_ascii_alphanumeric() || c == '_') => name.push(c),
            '=' | '!' if naming && !name.is_empty() => {
                found.push(std::mem::take(&mut name));
                naming = false;
            }
            _ => {}
        }
    }
    found
}

/// A selector with some value for each `{{NAME}}`, to look at its form.
#[must_use]
pub fn unfilled(selector: &str) -> String {
    selector.replace("{{", "").replace("}}", "")
}

/// What counters grew by up to each time of the grid but the first, together; none where nothing was seen of any of them.
///
/// A value below the one before is a restart, after which it counts from nothing. A series that comes while others of the
/// same arm were there before has counted from nothing too. After a gap the growth since the last value counts.
#[must_use]
pub fn growth(series: &[Series], steps: usize) -> Vec<Option<u64>> {
    let seen_at = |at: usize| series.iter().any(|s| s.values.get(at).is_some_and(|v| v.is_finite()));
    let mut grown: Vec<Option<f64>> = vec![None; steps.saturating_sub(1)];
    for one in series {
        let mut last: Option<f64> = None;
        for (at, value) in one.values.iter().enumerate().take(steps).filter(|(_, v)| v.is_finite()) {
            let step = at.checked_sub(1);
            let more = match (last, step) {
                (Some(last), _) if *value >= last => Some(value - last),
                (Some(_), _) => Some(*value),
                (None, Some(before)) if seen_at(before) => Some(*value),
                (None, _) => None,
            };
            if let (Some(more), Some(slot)) = (more, step.and_then(|step| grown.get_mut(step))) {
                *slot = Some(slot.unwrap_or(0.0) + more);
            }
            last = Some(*value);
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts; what is beyond saturates")]
    let counts = grown.into_iter().map(|g| g.map(|g| g.max(0.0).round() as u64)).collect();
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GRID: Grid = Grid { start_s: 1_000, step_s: 10, steps: 5 };

    fn read(result: &Value) -> Vec<Series> {
        matrix(&json!({ "status": "success", "data": { "resultType": "matrix", "result": result } }), GRID).unwrap()
    }

    #[test]
    fn values_lie_on_the_grid_and_gaps_are_no_numbers() {
        let series = read(&json!([{ "metric": { "v": "1" }, "values": [[1000, "5"], [1020.0, "NaN"], [1030, "+Inf"], [1040, "7.5"]] }]));
        assert_eq!(series[0].labels["v"], "1");
        let shown: Vec<String> = series[0].values.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["5", "NaN", "NaN", "inf", "7.5"]);
        assert_eq!(GRID.end_s(), 1_040);
        assert!(read(&json!([])).is_empty());
    }

    #[test]
    fn counters_restart_begin_and_pause() {
        let of = |values: [f64; 5]| Series { labels: BTreeMap::new(), values: values.to_vec() };
        let nan = f64::NAN;
        assert_eq!(growth(&[of([5.0, 7.0, 7.0, 2.0, 3.0])], 5), [Some(2), Some(0), Some(2), Some(1)]);
        assert_eq!(growth(&[of([5.0, nan, nan, 9.0, 9.0])], 5), [None, None, Some(4), Some(0)]);
        // The first failure of a version that was there before counts; of one that was not, nobody knows since when.
        assert_eq!(growth(&[of([5.0, 6.0, 7.0, 8.0, 9.0]), of([nan, nan, 3.0, 3.0, 4.0])], 5), [Some(1), Some(4), Some(1), Some(2)]);
        assert_eq!(growth(&[of([nan, nan, 50.0, 51.0, 51.0])], 5), [None, None, Some(1), Some(0)]);
        assert_eq!(growth(&[], 5), [None, None, None, None]);
        assert_eq!(growth(&[], 0), []);
    }

    #[test]
    fn what_is_no_answer_says_why() {
        let refused = |body: Value| matrix(&body, GRID).unwrap_err().to_string();
        assert_eq!(refused(json!({ "status": "error", "error": "parse error" })), "Prometheus refuses the query: parse error");
        assert_eq!(refused(json!("<html>")), "Prometheus refuses the query: it is not an answer of Prometheus");
        let data = |data: Value| json!({ "status": "success", "data": data });
        assert_eq!(refused(data(json!({ "resultType": "vector" }))), "Prometheus gives a vector: ask for a range of time");
        let histogram = json!({ "resultType": "matrix", "result": [{ "metric": {}, "histograms": [] }] });
        assert!(refused(data(histogram)).starts_with("it finds a native histogram: ask for a number of it"));
        let neither = json!({ "resultType": "matrix", "result": [{ "metric": {} }] });
        assert_eq!(refused(data(neither)), "a series has neither `values` nor `histograms`");
        let odd = json!({ "resultType": "matrix", "result": [{ "metric": {}, "values": [[1, 2]] }] });
        assert_eq!(refused(data(odd)), "`[1,2]` is no value at a time");
    }

    #[test]
    fn matchers_are_added_to_selectors_alone() {
        let of = |selector: &str| narrowed(selector, "code=\"500\"");
        assert_eq!(of("hits"), Ok("hits{code=\"500\"}".to_owned()));
        assert_eq!(of("hits{}"), Ok("hits{code=\"500\"}".to_owned()));
        assert_eq!(of("hits{v=\"{2}\",}"), Ok("hits{v=\"{2}\",code=\"500\"}".to_owned()));
        assert!(of("sum(hits{v=\"2\"})").unwrap_err().contains("is no selector"));
        assert!(of("rate(hits[5m])").is_err());
        assert_eq!(labels_of("code=~\"5..,x=\", method!=\"GET\",b=\"\\\"a=\""), ["code", "method", "b"]);
        assert_eq!(labels_of(""), Vec::<String>::new());
        assert!(narrowed(&unfilled("hits{v=\"{{candidate}}\"}"), "").is_ok());
    }
}
