//! Services that keep metrics: what each needs to be asked, and its answers as series on a grid of times.
//!
//! A point belongs to the step of the grid that it lies in, and several points of one step count as their mean. What an answer
//! does not hold is NaN and never 0. Not here: requests, which the adapters send, and Prometheus' own answers.

mod cloudwatch;
mod datadog;
mod graphite;
mod influx;
pub mod lake;
mod newrelic;
#[cfg(test)]
mod tests;
mod web;

pub use cloudwatch::cloudwatch;
pub use datadog::datadog;
pub use graphite::graphite;
pub use influx::{TIME_FILTER, influx};
pub use newrelic::{STEPS_OF_NEWRELIC, newrelic};
pub use web::web;

use crate::prometheus::{Grid, SERIES_MAX, STEPS_MAX, Series, Unusable};
use std::collections::BTreeMap;

/// Variable of the token for the Prometheus servers that breakers, judges and commands name by address.
pub const PROMETHEUS_TOKEN: &str = "TIDEGATE_PROMETHEUS_TOKEN";

/// A service, as tidegate.yaml names it. Secrets are names of environment variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricSource {
    /// Prometheus' HTTP API; queries are PromQL.
    Prometheus {
        /// Its address.
        url: String,
        /// Variable of a bearer token. [`PROMETHEUS_TOKEN`] may be unset.
        token: Option<String>,
    },
    /// Datadog's API, version 1.
    Datadog {
        /// Its address.
        url: String,
        /// Variable of the API key.
        api_key: String,
        /// Variable of the application key.
        app_key: String,
    },
    /// `GetMetricData` of Amazon CloudWatch; queries are metric math or Metrics Insights.
    CloudWatch {
        /// The region.
        region: String,
        /// Another address than the region's.
        endpoint: Option<String>,
        /// Variable of the access key's id.
        key: String,
        /// Variable of the secret access key.
        secret: String,
        /// Variable of a session's token.
        session: Option<String>,
    },
    /// New Relic's NerdGraph; queries are NRQL.
    NewRelic {
        /// Its address.
        url: String,
        /// The account.
        account: u32,
        /// Variable of a user key.
        api_key: String,
    },
    /// InfluxDB's query endpoint of version 1, which later versions have too; queries are InfluxQL.
    Influx {
        /// Its address.
        url: String,
        /// The database.
        database: String,
        /// Variable of `user:password`.
        login: Option<String>,
        /// Variable of a token.
        token: Option<String>,
    },
    /// Graphite's render API; queries are targets.
    Graphite {
        /// Its address.
        url: String,
        /// Variable of `user:password`.
        login: Option<String>,
    },
    /// Any JSON over HTTP; a query is the pointer to a number in it (RFC 6901).
    Web {
        /// Its address.
        url: String,
        /// Variable of a bearer token.
        token: Option<String>,
    },
    /// The workspace's own lake; queries are SQL.
    Lake {
        /// Rows of so long before the span that is asked for are seen too.
        back_ms: u64,
    },
}

impl MetricSource {
    /// Whether it keeps points that are grouped by steps of time, the newest of which is not complete; others say what is now.
    #[must_use]
    pub fn keeps_points(&self) -> bool {
        !matches!(self, MetricSource::Prometheus { .. } | MetricSource::Web { .. })
    }

    /// The service's name.
    #[must_use]
    pub fn service(&self) -> &'static str {
        match self {
            MetricSource::Prometheus { .. } => "Prometheus",
            MetricSource::Datadog { .. } => "Datadog",
            MetricSource::CloudWatch { .. } => "CloudWatch",
            MetricSource::NewRelic { .. } => "New Relic",
            MetricSource::Influx { .. } => "InfluxDB",
            MetricSource::Graphite { .. } => "Graphite",
            MetricSource::Web { .. } => "the web service",
            MetricSource::Lake { .. } => "the lake",
        }
    }
}

/// Points of a series laid on the grid, each a time in seconds and a value.
fn laid(labels: BTreeMap<String, String>, points: impl Iterator<Item = (f64, f64)>, grid: Grid) -> Series {
    let mut sums = vec![(0.0, 0_u32); grid.steps.min(STEPS_MAX)];
    #[expect(clippy::cast_precision_loss, reason = "seconds since the epoch")]
    let (start, step) = (grid.start_s as f64, grid.step_s.max(1) as f64);
    for (time, value) in points.filter(|(time, value)| time.is_finite() && !value.is_nan()) {
        let at = ((time - start) / step).floor();
        if at >= 0.0 && at < sums.len() as f64 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the grid")]
            if let Some((sum, n)) = sums.get_mut(at as usize) {
                (*sum, *n) = (*sum + value, *n + 1);
            }
        }
    }
    Series { labels, values: sums.into_iter().map(|(sum, n)| if n == 0 { f64::NAN } else { sum / f64::from(n) }).collect() }
}

/// Not more series than are read.
fn few(n: usize) -> Result<(), Unusable> {
    if n <= SERIES_MAX {
        return Ok(());
    }
    Err(Unusable(format!("the query finds {n} series, at most {SERIES_MAX} are read: narrow it down")))
}

fn label(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}
