//! Counts and series of a Prometheus server.

use super::span::SpanArgs;
use super::wrong;
use crate::exit::{self, failure};
use crate::surroundings::prometheus_token;
use anyhow::Result;
use clap::Args;
use tidegate_adapters::curl::Curl;
use tidegate_adapters::prometheus::{Arms, CountError, counts, range};
use tidegate_core::judge::Interval;
use tidegate_wire::prometheus::{Grid, Series};

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
    #[command(flatten)]
    span: SpanArgs,
}

impl PrometheusArgs {
    /// Whether a measured value is judged.
    pub fn gauge(&self) -> bool {
        self.gauge
    }

    /// Seconds of an interval.
    pub fn tick_s(&self) -> Result<u64> {
        Ok(self.span.grid()?.step_s.unsigned_abs())
    }

    fn ask(&self, query: &str, grid: Grid) -> Result<Vec<Series>> {
        range(&Curl, &self.url, prometheus_token().as_deref(), query, grid).map_err(|e| failure(exit::OUTSIDE, format!("judge: {e}")))
    }

    /// Requests and failures of both arms by interval.
    pub fn counts(&self) -> Result<Vec<Interval>> {
        let (candidate, control) = (self.candidate.clone(), self.control.clone());
        let arms = Arms { candidate, control, errors: self.errors.clone().unwrap_or_default() };
        counts(&Curl, &self.url, prometheus_token().as_deref(), &arms, self.span.grid()?).map_err(|e| match e {
            CountError::Selector(why) => wrong(why),
            CountError::Nothing(_) | CountError::Buckets { .. } | CountError::Label { .. } => {
                failure(exit::NOT_FOUND, format!("judge: {e}"))
            }
            CountError::Query(_) => failure(exit::OUTSIDE, format!("judge: {e}")),
        })
    }

    /// Values of both arms by interval; NaN where there is none.
    pub fn values(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        let grid = self.span.grid()?;
        let of = |query: &str| self.span.only(query, self.ask(query, grid)?, "aggregate them, as `avg(..)`");
        Ok((of(&self.candidate)?, of(&self.control)?))
    }
}
