//! Pages of the risk of changes: what `tidegate risk train` left of the workspace's repository, told again.
//!
//! Nothing is mined and nothing is trained on a request. What was read is held until a file, what is checked out, or what people and deliveries say is
//! another; one request at a time reads or reckons, beside the threads that answer others.

mod change;
mod desk;
mod figures;
mod overview;

pub use desk::Desk;

use super::api::{Api, Failed, html, missing, page as found};
use crate::exit::{self, failure};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tidegate_console::pages;

/// The command that reads the history and trains.
const TRAIN: &str = "tidegate risk train";

/// The model and the newest changes, for people.
pub async fn page(State(api): State<Api>) -> Result<Response, Failed> {
    Ok(found(pages::risk(&*api.risk.overview(&api).await?)))
}

/// The same as JSON.
pub async fn all(State(api): State<Api>) -> Result<Response, Failed> {
    Ok(axum::Json(&*api.risk.overview(&api).await?).into_response())
}

/// One change, for people.
pub async fn change_page(State(api): State<Api>, Path(commit): Path<String>) -> Result<Response, Failed> {
    let Some(said) = api.risk.change(&api, commit).await? else {
        return Ok(html(StatusCode::NOT_FOUND, pages::risk(&*api.risk.overview(&api).await?)));
    };
    Ok(match &*said {
        Ok(view) => found(pages::risk_change(view)),
        Err(why) => missing(why.clone()),
    })
}

/// The same as JSON.
pub async fn one(State(api): State<Api>, Path(commit): Path<String>) -> Result<Response, Failed> {
    let Some(said) = api.risk.change(&api, commit.clone()).await? else {
        let why = api.risk.overview(&api).await?.why.clone().unwrap_or_default();
        return Err(failure(exit::NOT_FOUND, format!("show the risk of {commit}: {why} Run `{TRAIN}` first")).into());
    };
    match &*said {
        Ok(view) => Ok(axum::Json(view).into_response()),
        Err(why) => Err(failure(exit::NOT_FOUND, format!("show the risk of {commit}: {why}")).into()),
    }
}
