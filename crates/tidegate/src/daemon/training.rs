//! Trainings over HTTP: where each model's stand, and what people want of them.

use super::access::Principal;
use super::api::{Api, Failed};
use crate::exit::{self, failure};
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

/// What a person says with a command.
#[derive(Deserialize, Default)]
pub struct Said {
    #[serde(default)]
    number: Option<u64>,
    #[serde(default)]
    reason: Option<String>,
}

/// The trainings of every model that is trained anew.
pub async fn all(State(api): State<Api>) -> Result<Response, Failed> {
    let mut found = serde_json::Map::new();
    for (model, desk) in &api.desks {
        found.insert(model.clone(), serde_json::to_value(desk.state().await?)?);
    }
    Ok(axum::Json(found).into_response())
}

/// Carries out a person's command.
pub async fn command(
    State(api): State<Api>,
    Extension(Principal(person)): Extension<Principal>,
    Path((model, word)): Path<(String, String)>,
    body: Option<axum::Json<Said>>,
) -> Result<Response, Failed> {
    let said = body.map(|axum::Json(said)| said).unwrap_or_default();
    let desk = api.desks.get(&model).ok_or_else(|| {
        let why = match (api.opened.scenario.is_some(), api.opened.config.retrain.contains_key(&model)) {
            (true, true) => "a scenario is played here, and its acts say when to train".to_owned(),
            _ => format!("`retrain` of tidegate.yaml names no model `{model}`"),
        };
        failure(exit::NOT_FOUND, format!("{word} training of {model}: {why}"))
    })?;
    Ok(axum::Json(desk.say(&word, said.number, person.name, said.reason).await?).into_response())
}
