//! Checks of datasets that a client wants recorded.

use super::api::{Api, Failed};
use crate::exit::{self, failure};
use crate::steps::check;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

/// How the contract is read, and how much of the result is wanted.
#[derive(Deserialize, Default)]
pub struct How {
    #[serde(default)]
    strict: bool,
    #[serde(default)]
    parameters: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    complete: bool,
}

/// Checks a dataset as it lies in the workspace, and records it.
pub async fn check(State(api): State<Api>, Path(name): Path<String>, body: Option<axum::Json<How>>) -> Result<Response, Failed> {
    let how = body.map(|axum::Json(how)| how).unwrap_or_default();
    let (config, root) = (&api.opened.config, &api.opened.places.root);
    let dataset = config.data.get(&name);
    let Some((dataset, file)) = dataset.and_then(|d| Some((d, d.contract.as_ref()?))) else {
        return Err(failure(exit::NOT_FOUND, format!("check dataset `{name}`: tidegate.yaml has no such dataset with a contract")).into());
    };
    let control = api.plane.control();
    let mut asked = check::Asked::default();
    (asked.suite.strict, asked.suite.parameters, asked.suite.object) = (how.strict, how.parameters, Some(name.clone()));
    asked.checking.complete = how.complete;
    asked.checking.others = check::others(root, &config.data);
    asked.checking.before = Some(check::before(control, &name).await?);
    let report = check::check(root, dataset, file, &asked).await?;
    check::record(control, api.plane.blobs(), &name, root, dataset, file, &report).await?;
    Ok(axum::Json(report).into_response())
}
