//! Prometheus: range queries over its HTTP API.

use crate::{Http, HttpError, Request};
use std::fmt::Write as _;
use tidegate_wire::prometheus::{Grid, Series, Unusable, matrix};

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
    let address = format!(
        "{}/api/v1/query_range?query={}&start={}&end={}&step={}",
        url.trim_end_matches('/'),
        encoded(query),
        grid.start_s,
        grid.end_s(),
        grid.step_s
    );
    let headers = token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}"))).into_iter().collect();
    let answer = http.send(&Request { method: "GET", url: address, headers, body: None })?;
    if matches!(answer.status, 401 | 403) {
        return Err(QueryError::Denied { url: url.to_owned(), status: answer.status });
    }
    matrix(&answer.body, grid).map_err(|why| QueryError::Unusable { url: url.to_owned(), query: query.to_owned(), why })
}

/// Everything but letters, digits and `-_.~` as its bytes in hexadecimal.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
