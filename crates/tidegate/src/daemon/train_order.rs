//! The order of a train that is inferred: proposed and accepted by people. What counts is said by `core::train::Orders`.

use super::access::Principal;
use super::api::{Api, Failed};
use crate::clock;
use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tidegate_core::access::Action;
use tidegate_core::id::Digest;
use tidegate_core::machine::Machine as _;
use tidegate_core::train::{Car, OrderCommand, OrderState, Orders, Proposal};

fn stream(name: &str) -> String {
    format!("{}/{name}", Orders::KIND)
}

/// What a person says of an order.
#[derive(Deserialize, Default)]
pub struct Said {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    proposal: Option<Proposal>,
    #[serde(default)]
    digest: Option<String>,
}

/// The order of a train, as it stands.
pub async fn shown(State(api): State<Api>, Path(name): Path<String>) -> Result<Response, Failed> {
    Ok(axum::Json(state(&api, &name).await?).into_response())
}

async fn state(api: &Api, name: &str) -> Result<OrderState> {
    api.plane.control().state::<Orders>(stream(name)).await
}

/// Carries out what a person says.
pub async fn command(
    State(api): State<Api>,
    Extension(Principal(person)): Extension<Principal>,
    Path((name, word)): Path<(String, String)>,
    body: Option<axum::Json<Said>>,
) -> Result<Response, Failed> {
    let Said { reason, proposal, digest } = body.map(|axum::Json(said)| said).unwrap_or_default();
    let (by, at) = (person.name.clone(), clock::now());
    let people = &api.opened.config.people;
    let command = match word.as_str() {
        "propose" => {
            OrderCommand::Propose { digest: is_of(&api, &name, proposal.as_ref())?, proposal: proposal.unwrap_or_default(), by, reason, at }
        }
        "accept" => {
            // Where nobody is named, nobody is an approver: whoever may release accepts.
            let needed = if people.is_empty() { Action::Release } else { Action::Approve };
            // It is the order of all of its services.
            let trains = &api.opened.config.trains;
            let train = trains.get(&name).ok_or_else(|| exit::unknown("accept the order of a train", &name, trains.keys()))?;
            let allowed = train.cars.iter().try_for_each(|car| person.allowed_in(needed, &car.service));
            allowed.map_err(|why| failure(exit::REFUSED, format!("accept the order of train {name}: {why}")))?;
            let digest = digest.map(Digest::try_from).transpose().map_err(|why| failure(exit::USAGE, format!("accept an order: {why}")))?;
            OrderCommand::Accept { digest, alone: people.is_empty(), by, reason, at }
        }
        _ => return Err(failure(exit::NOT_FOUND, format!("`{word}` is no word of an order: known are propose, accept")).into()),
    };
    let refused = |error: anyhow::Error| failure(exit::REFUSED, error.to_string());
    api.plane.control().execute::<Orders>(stream(&name), None, command).await.map_err(refused)?;
    Ok(axum::Json(state(&api, &name).await?).into_response())
}

/// The digest of a proposal, where it is one for this train.
fn is_of(api: &Api, name: &str, proposal: Option<&Proposal>) -> Result<Digest> {
    let what = format!("propose the order of train {name}");
    let trains = &api.opened.config.trains;
    let train = trains.get(name).ok_or_else(|| exit::unknown("propose the order of a train", name, trains.keys()))?;
    if !train.inferred {
        let why = format!("{what}: its order is the one of tidegate.yaml: write `order: inferred` there, and leave `after` out");
        return Err(failure(exit::REFUSED, why));
    }
    let proposal = proposal.ok_or_else(|| failure(exit::USAGE, format!("{what}: there is no proposal")))?;
    let is_in = |service: &String| train.cars.iter().any(|car| car.service == *service);
    if let Some(other) = proposal.services.iter().find(|service| !is_in(service)) {
        return Err(failure(exit::USAGE, format!("{what}: `{other}` is not in it")));
    }
    Ok(Digest::of(&serde_json::to_vec(proposal).context("write a proposal")?))
}

/// The services of a train in the order that is accepted.
///
/// # Errors
/// When there is none.
pub async fn ordered(api: &Api, name: &str, cars: &[Car]) -> Result<Vec<Car>> {
    let ordered = state(api, name).await?.ordered(cars);
    ordered.map_err(|why| failure(exit::REFUSED, format!("let train {name} depart: {why}")))
}
