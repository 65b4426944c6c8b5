//! Records of changes over HTTP: of a release from its facts in the journal, of a version before it is released from what would be
//! started now. What they say is in `core::change`.

use super::api::{Api, Failed};
use super::{gating, may, people};
use crate::clock;
use crate::exit::{self, failure};
use crate::steps::register;
use crate::steps::release::{self, Wish};
use anyhow::Result;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tidegate_core::change::{Facts, Placed, Planned, before, of_release};
use tidegate_core::rollout::Event;
use tidegate_engine::rollouts::RolloutId;
use tidegate_port::{Journal as _, Record};

async fn placed<E: DeserializeOwned>(api: &Api, stream: String) -> Result<Vec<Placed<E>>> {
    let records: Vec<Record> = api.plane.control().call(move |driver| driver.engine().journal().read_stream(&stream, 0)).await??;
    let one = |record: Record| Ok(Placed { position: record.position, event: serde_json::from_value(record.body)? });
    records.into_iter().map(one).collect()
}

async fn facts(api: &Api, service: &str, number: Option<u64>) -> Result<Facts> {
    let rollout: Vec<Placed<Event>> = match number {
        Some(number) => placed(api, RolloutId { service: service.to_owned(), number }.stream()).await?,
        None => vec![],
    };
    // The model that was released, whatever the service serves by now, or where there is no such service any more.
    let model = match rollout.first().map(|placed| &placed.event) {
        Some(Event::Started { spec, .. }) => spec.model.clone(),
        _ => {
            let all = &api.opened.config.services;
            let of = all.get(service).ok_or_else(|| exit::unknown("make a change record", service, all.keys()))?;
            of.model.clone()
        }
    };
    let (model, access) = (placed(api, register::stream(&model)).await?, placed(api, people::stream(service)).await?);
    Ok(Facts { rollout, model, access })
}

/// Of a release.
pub async fn release(State(api): State<Api>, Path((service, number)): Path<(String, u64)>) -> Result<Response, Failed> {
    let facts = facts(&api, &service, Some(number)).await?;
    let why = || failure(exit::NOT_FOUND, format!("make a change record of {service}/{number}: there is no such release"));
    let record = of_release(&facts).ok_or_else(why)?;
    Ok(axum::Json(json!({ "record": record, "conditions": [] })).into_response())
}

/// By which strategy.
#[derive(Deserialize, Default)]
pub struct By {
    #[serde(default)]
    strategy: Option<String>,
}

/// Of a version that is not released yet.
pub async fn version(
    State(api): State<Api>,
    Path((service, version)): Path<(String, String)>,
    Query(by): Query<By>,
) -> Result<Response, Failed> {
    let config = &api.opened.config;
    let registry = may::registry(&api, &service).await?;
    let found = registry.versions.get(&version).ok_or_else(|| {
        failure(exit::NOT_FOUND, format!("make a change record of version {version} of {service}: there is no such version"))
    })?;
    let strategy = match by.strategy {
        Some(strategy) => strategy,
        None => gating::next(&api.plane, config, &service).await?.0,
    };
    let newest = api.plane.newest(&service).await?;
    let number = newest.as_ref().map_or(1, |(id, _)| id.number + 1);
    let stable = newest.and_then(|(_, state)| state.rollout().and_then(release::serving)).filter(|stable| *stable != version);
    let wish =
        Wish { service: &service, version: found, strategy: &strategy, change: &found.lineage.change, disagreement: None, risk: None };
    let spec = release::spec(config, &wish, number, stable)?;
    let subject = people::subject(config, &service, found, &strategy)?;
    let facts = facts(&api, &service, None).await?;
    let position = api.plane.control().call(|driver| driver.engine().journal().size()).await??.saturating_sub(1);
    let planned = Planned { spec: &spec, subject: &subject, position, at: clock::now() };
    let conditions = may::conditions(&api, &service, found, &strategy).await?;
    Ok(axum::Json(json!({ "record": before(&planned, &facts), "conditions": conditions })).into_response())
}
