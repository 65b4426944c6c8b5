//! Counts and series of a Prometheus server.

use super::wrong;
use crate::clock;
use crate::exit::{self, failure};
use crate::surroundings::prometheus_token;
use anyhow::Result;
use clap::Args;
use tidegate_adapters::curl::Curl;
use tidegate_adapters::prometheus::{Arms, CountError, counts, range};
use tidegate_core::judge::Interval;
use tidegate_wire::config::unit::duration_ms;
use tidegate_wire::prometheus::{Grid, STEPS_MAX, Series};

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
        range(&Curl, &self.url, prometheus_token().as_deref(), query, grid).map_err(|e| failure(exit::OUTSIDE, format!("judge: {e}")))
    }

    /// Requests and failures of both arms by interval.
    pub fn counts(&self) -> Result<Vec<Interval>> {
        let (candidate, control) = (self.candidate.clone(), self.control.clone());
        let arms = Arms { candidate, control, errors: self.errors.clone().unwrap_or_default() };
        counts(&Curl, &self.url, prometheus_token().as_deref(), &arms, self.grid()?).map_err(|e| match e {
            CountError::Selector(why) => wrong(why),
            CountError::Nothing(_) | CountError::Label { .. } => failure(exit::NOT_FOUND, format!("judge: {e}")),
            CountError::Query(_) => failure(exit::OUTSIDE, format!("judge: {e}")),
        })
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
