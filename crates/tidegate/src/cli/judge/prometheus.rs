//! Counts and series of a Prometheus server.

use super::wrong;
use crate::clock;
use crate::exit::{self, failure};
use anyhow::Result;
use clap::Args;
use tidegate_adapters::curl::Curl;
use tidegate_adapters::prometheus::range;
use tidegate_core::judge::Interval;
use tidegate_wire::config::unit::duration_ms;
use tidegate_wire::prometheus::{Grid, STEPS_MAX, Series, growth};

/// The variable that holds a token for Prometheus.
const TOKEN: &str = "TIDEGATE_PROMETHEUS_TOKEN";

/// What is asked of Prometheus.
#[derive(Debug, Args)]
pub struct PrometheusArgs {
    /// Address of the server, as http://127.0.0.1:9090; a token for it is read from TIDEGATE_PROMETHEUS_TOKEN
    #[arg(long)]
    url: String,
    /// Counter of the candidate's requests, as `http_requests_total{version="2"}`; with --gauge the query of one series
    #[arg(long, value_name = "SELECTOR")]
    candidate: String,
    /// The same of the control
    #[arg(long, value_name = "SELECTOR")]
    control: String,
    /// What makes a request a failure, as `code=~"5.."`
    #[arg(long, value_name = "MATCHERS", required_unless_present = "gauge", conflicts_with = "gauge")]
    errors: Option<String>,
    /// Judge a measured value, and no counts
    #[arg(long)]
    gauge: bool,
    /// How far back
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    since: String,
    /// Length of an interval: not shorter than two scrapes
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    every: String,
}

impl PrometheusArgs {
    /// Whether a measured value is judged.
    pub fn gauge(&self) -> bool {
        self.gauge
    }

    /// Seconds of an interval.
    pub fn tick_s(&self) -> Result<u64> {
        Ok(self.grid()?.step_s.unsigned_abs())
    }

    fn grid(&self) -> Result<Grid> {
        let read = |name: &str, text: &str| duration_ms(text).map_err(|why| wrong(format!("--{name}: {why}")));
        let (since, every) = (read("since", &self.since)?, read("every", &self.every)?);
        let steps = usize::try_from(since / every.max(1)).unwrap_or(usize::MAX).saturating_add(1);
        if every < 1_000 || every % 1_000 != 0 || !(2..=STEPS_MAX).contains(&steps) {
            return Err(wrong(format!(
                "--since {} in intervals of --every {}: give whole seconds, and from 1 to {} intervals",
                self.since,
                self.every,
                STEPS_MAX - 1
            )));
        }
        let step_s = i64::try_from(every / 1_000).unwrap_or(i64::MAX);
        // On whole intervals, so that the same hour is cut the same way whenever it is asked for.
        let end = clock::now().0.div_euclid(1_000).div_euclid(step_s) * step_s;
        let back = step_s.saturating_mul(i64::try_from(steps - 1).unwrap_or(i64::MAX));
        Ok(Grid { start_s: end.saturating_sub(back), step_s, steps })
    }

    fn ask(&self, query: &str, grid: Grid) -> Result<Vec<Series>> {
        range(&Curl, &self.url, token().as_deref(), query, grid).map_err(|e| failure(exit::OUTSIDE, format!("judge: {e}")))
    }

    /// Requests and failures of both arms by interval; an interval in which nothing was seen of an arm has none of it.
    pub fn counts(&self) -> Result<Vec<Interval>> {
        let grid = self.grid()?;
        let (candidate, control) = (self.arm(&self.candidate, grid)?, self.arm(&self.control, grid)?);
        Ok(candidate.into_iter().zip(control).map(|(candidate, control)| Interval { candidate, control }).collect())
    }

    fn arm(&self, selector: &str, grid: Grid) -> Result<Vec<(u64, u64)>> {
        let narrowed = narrowed(selector, self.errors.as_deref().unwrap_or_default())?;
        let all = self.ask(selector, grid)?;
        if all.is_empty() {
            return Err(failure(exit::NOT_FOUND, format!("judge: `{selector}` finds no series: look at its name and labels")));
        }
        let failures = growth(&born(self.ask(&narrowed, grid)?, &all, grid), grid.steps);
        // An arm without any failure has no series of failures: its requests say that it was there.
        let one = |(requests, failed): (Option<u64>, Option<u64>)| {
            let requests = requests.unwrap_or(0);
            (requests, failed.unwrap_or(0).min(requests))
        };
        Ok(growth(&all, grid.steps).into_iter().zip(failures).map(one).collect())
    }

    /// Values of both arms by interval; NaN where there is none.
    pub fn values(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        let grid = self.grid()?;
        let of = |query: &str| {
            let mut found = self.ask(query, grid)?;
            match found.len() {
                1 => Ok(found.remove(0).values),
                0 => Err(failure(exit::NOT_FOUND, format!("judge: `{query}` finds no series in the last {}", self.since))),
                many => Err(wrong(format!("`{query}` finds {many} series: aggregate them, as `avg(..)`"))),
            }
        };
        Ok((of(&self.candidate)?, of(&self.control)?))
    }
}

#[expect(clippy::disallowed_methods, reason = "a secret on the command line would be seen in lists of processes")]
fn token() -> Option<String> {
    std::env::var(TOKEN).ok().filter(|token| !token.is_empty())
}

/// Series of failures that came when the arm was there before have counted from nothing: told by its requests.
fn born(mut failures: Vec<Series>, all: &[Series], grid: Grid) -> Vec<Series> {
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

/// A selector with more matchers.
fn narrowed(selector: &str, matchers: &str) -> Result<String> {
    let text = selector.trim();
    let name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c));
    match text.strip_suffix('}').and_then(|rest| rest.split_once('{')) {
        Some((metric, inner)) if metric.is_empty() || name(metric) => {
            let inner = inner.trim().trim_end_matches(',');
            let comma = if inner.is_empty() { "" } else { "," };
            Ok(format!("{metric}{{{inner}{comma}{matchers}}}"))
        }
        None if name(text) => Ok(format!("{text}{{{matchers}}}")),
        _ => Err(wrong(format!("`{selector}` is no selector of a counter: write it as `requests_total{{version=\"2\"}}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::narrowed;

    #[test]
    fn matchers_are_added_to_selectors_alone() {
        let of = |selector: &str| narrowed(selector, "code=\"500\"").map_err(|e| e.to_string());
        assert_eq!(of("hits"), Ok("hits{code=\"500\"}".to_owned()));
        assert_eq!(of("hits{}"), Ok("hits{code=\"500\"}".to_owned()));
        assert_eq!(of("hits{v=\"{2}\",}"), Ok("hits{v=\"{2}\",code=\"500\"}".to_owned()));
        assert!(of("sum(hits{v=\"2\"})").unwrap_err().contains("is no selector"));
        assert!(of("rate(hits[5m])").is_err());
    }
}
