//! What people say became of changes.

use super::access::Principal;
use super::api::{Api, Failed};
use crate::clock;
use crate::exit::{self, failure};
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tidegate_core::correction::{Corrected, Corrections, Ended};

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
    let corrected = Corrected { commit: commit.to_ascii_lowercase(), ended, traced, by: person.name, reason, at: clock::now() };
    let refused = |error: anyhow::Error| failure(exit::REFUSED, format!("{error:#}"));
    let stream = Corrections::STREAM.to_owned();
    api.plane.control().execute::<Corrections>(stream, None, corrected.clone()).await.map_err(refused)?;
    Ok(axum::Json(corrected).into_response())
}
