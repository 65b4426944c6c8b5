//! Prometheus: range queries over its HTTP API.

use crate::{Http, HttpError, Request, quoted};
use serde_json::Value;
use tidegate_core::judge::Interval;
use tidegate_wire::prometheus::{
    Answer, Grid, Latencies, LatencyUnit, Series, Unusable, born, growth, labels_of, latencies, matrix, narrowed, native, samples,
};

/// A query that gave nothing to use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No answer.
    #[error("ask Prometheus: {0}")]
    Http(#[from] HttpError),
    /// An answer that cannot be used.
    #[error("ask Prometheus at {url} for `{query}`: {why}")]
    Unusable {
        /// Address of the server.
        url: String,
        /// The query.
        query: String,
        /// Why.
        why: Unusable,
    },
    /// It does not let us in.
    #[error("ask Prometheus at {url}: the service says {status}: give it a token that may query")]
    Denied {
        /// Address of the server.
        url: String,
        /// Status.
        status: u16,
    },
}

/// Values of a query at the times of a grid. `token` goes as a bearer.
///
/// # Errors
/// When there is no answer, or none that can be used.
pub fn range(http: &dyn Http, url: &str, token: Option<&str>, query: &str, grid: Grid) -> Result<Vec<Series>, QueryError> {
    asked(http, url, token, (query, grid), matrix)
}

/// A way to read an answer.
type Read<T> = fn(&Value, Grid) -> Result<T, Unusable>;

fn asked<T>(http: &dyn Http, url: &str, token: Option<&str>, (query, grid): (&str, Grid), read: Read<T>) -> Result<T, QueryError> {
    let address = format!(
        "{}/api/v1/query_range?query={}&start={}&end={}&step={}",
        url.trim_end_matches('/'),
        quoted(query),
        grid.start_s,
        grid.end_s(),
        grid.step_s
    );
    let headers = token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}"))).into_iter().collect();
    let answer = http.send(&Request { method: "GET", url: address, headers, body: None, sign: None })?;
    if matches!(answer.status, 401 | 403) {
        return Err(QueryError::Denied { url: url.to_owned(), status: answer.status });
    }
    read(&answer.body, grid).map_err(|why| QueryError::Unusable { url: url.to_owned(), query: query.to_owned(), why })
}

/// Counters of two arms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arms {
    /// Selector of the candidate's requests.
    pub candidate: String,
    /// The same of the control.
    pub control: String,
    /// Matchers that make a request a failure.
    pub errors: String,
}

/// Why there are no counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    /// Not a selector.
    #[error("{0}")]
    Selector(String),
    /// No answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A label that no series has: every failure would be missed.
    #[error("no series of `{selector}` has the label `{label}` that makes a request a failure: look at its labels")]
    Label {
        /// The selector.
        selector: String,
        /// The label.
        label: String,
    },
    /// Buckets that cannot be compared.
    #[error("`{candidate}` and `{control}` have other buckets: what lies between two ends is not known, so both need the same")]
    Buckets {
        /// Of the candidate.
        candidate: String,
        /// Of the control.
        control: String,
    },
    /// An arm that Prometheus knows nothing of.
    #[error("`{0}` finds no series: look at its name and labels")]
    Nothing(String),
}

/// Requests and failures of both arms in each interval of a grid; one in which nothing was seen of an arm has none of it.
///
/// # Errors
/// When a selector is none, finds nothing, or there is no answer.
pub fn counts(http: &dyn Http, url: &str, token: Option<&str>, arms: &Arms, grid: Grid) -> Result<Vec<Interval>, CountError> {
    let arm = |selector: &str| {
        let narrowed = narrowed(selector, &arms.errors).map_err(CountError::Selector)?;
        let counters = |selector: &str| asked(http, url, token, (selector, grid), samples).map(Answer::counters);
        let all = counters(selector)?;
        if all.is_empty() {
            return Err(CountError::Nothing(selector.to_owned()));
        }
        if let Some(label) = labels_of(&arms.errors).into_iter().find(|label| !all.iter().any(|s| s.labels.contains_key(label))) {
            return Err(CountError::Label { selector: selector.to_owned(), label });
        }
        let failures = growth(&born(counters(&narrowed)?, &all, grid), grid.steps);
        // An arm without any failure has no series of failures: its requests say that it was there.
        let one = |(requests, failed): (Option<u64>, Option<u64>)| {
            let requests = requests.unwrap_or(0);
            (requests, failed.unwrap_or(0).min(requests))
        };
        Ok(growth(&all, grid.steps).into_iter().zip(failures).map(one).collect::<Vec<_>>())
    };
    let (candidate, control) = (arm(&arms.candidate)?, arm(&arms.control)?);
    Ok(candidate.into_iter().zip(control).map(|(candidate, control)| Interval { candidate, control }).collect())
}

/// Histograms of the latencies of two arms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyArms {
    /// Selector of the candidate's buckets, or of its native histogram.
    pub candidate: String,
    /// The same of the control.
    pub control: String,
    /// What the ends of buckets are counted in.
    pub unit: LatencyUnit,
}

/// Latencies of candidate and control in each interval of a grid, from the buckets of classic histograms or from native ones.
///
/// # Errors
/// When a selector finds nothing, no histogram or both kinds, the two arms have other buckets, or there is no answer.
pub fn slow(http: &dyn Http, url: &str, token: Option<&str>, arms: &LatencyArms, grid: Grid) -> Result<[Latencies; 2], CountError> {
    let unusable = |selector: &str, why| QueryError::Unusable { url: url.to_owned(), query: selector.to_owned(), why };
    let others = || CountError::Buckets { candidate: arms.candidate.clone(), control: arms.control.clone() };
    let arm = |selector: &str| {
        let found = asked(http, url, token, (selector, grid), samples)?;
        if found.is_empty() {
            return Err(CountError::Nothing(selector.to_owned()));
        }
        if !found.numbers.is_empty() && !found.histograms.is_empty() {
            let why = "it finds native histograms and other series: name one of them, for what is in both would count twice";
            return Err(unusable(selector, Unusable(why.to_owned())).into());
        }
        Ok(found)
    };
    let (candidate, control) = (arm(&arms.candidate)?, arm(&arms.control)?);
    if candidate.numbers.is_empty() && control.numbers.is_empty() {
        let both = [candidate.histograms.as_slice(), control.histograms.as_slice()];
        return Ok(native(both, arms.unit, grid).map_err(|why| unusable(&arms.candidate, why))?);
    }
    if candidate.numbers.is_empty() || control.numbers.is_empty() {
        return Err(others());
    }
    let classic = |selector: &str, found: &Answer| latencies(&found.numbers, arms.unit, grid).map_err(|why| unusable(selector, why));
    let (candidate, control) = (classic(&arms.candidate, &candidate)?, classic(&arms.control, &control)?);
    if candidate.edges == control.edges { Ok([candidate, control]) } else { Err(others()) }
}
