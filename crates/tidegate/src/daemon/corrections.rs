//! What people say became of changes, and what they found after failures.

use super::access::Principal;
use super::api::{Api, Failed};
use crate::clock;
use crate::exit::{self, failure};
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::collections::BTreeMap;
use tidegate_core::correction::{Command, Corrected, Corrections, Ended, Review};

/// What is said of one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    ended: Ended,
    reason: String,
    #[serde(default)]
    traced: Option<Ended>,
}

/// All of them.
pub async fn all(State(api): State<Api>) -> Result<Response, Failed> {
    Ok(axum::Json(api.plane.control().state::<Corrections>(Corrections::STREAM).await?).into_response())
}

/// Records what became of a change.
pub async fn correct(
    State(api): State<Api>,
    Extension(Principal(person)): Extension<Principal>,
    Path(commit): Path<String>,
    axum::Json(said): axum::Json<Said>,
) -> Result<Response, Failed> {
    let Said { ended, reason, traced } = said;
    let (commit, at) = (commit.to_ascii_lowercase(), clock::now());
    let corrected = Corrected { commit, ended, traced, review: None, by: person.name, reason, at };
    record(&api, Command::Correct(corrected.clone())).await?;
    Ok(axum::Json(corrected).into_response())
}

/// What was found after a failure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    of: String,
    causes: Vec<String>,
    cleared: Vec<String>,
    traced: BTreeMap<String, Ended>,
    reason: String,
    finding: Option<String>,
}

/// Records what a failure came from.
pub async fn review(
    State(api): State<Api>,
    Extension(Principal(person)): Extension<Principal>,
    axum::Json(found): axum::Json<Found>,
) -> Result<Response, Failed> {
    let Found { of, causes, cleared, traced, reason, finding } = found;
    let review = Review { of, causes, cleared, traced, finding, by: person.name, reason, at: clock::now() };
    record(&api, Command::Review(review.clone())).await?;
    Ok(axum::Json(review).into_response())
}

async fn record(api: &Api, command: Command) -> Result<(), Failed> {
    let refused = |error: anyhow::Error| failure(exit::REFUSED, format!("{error:#}"));
    api.plane.control().execute::<Corrections>(Corrections::STREAM.to_owned(), None, command).await.map_err(refused)?;
    Ok(())
}
