//! Features for whoever serves a model: state that follows events as they are taken in, asked in the form of Feast's feature server.
//!
//! The state is made from the lake when it is first needed, which is at start, and then takes each event that the lake took.

use super::api::{Api, Failed};
use crate::clock;
use crate::exit::{self, failure};
use crate::steps::features as step;
use anyhow::{Context as _, Result};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use tidegate_core::id::At;
use tidegate_features::{Cell, Key, Online, Row, State as Known, Value};
use tidegate_store::{DeliveryRow, Lake};
use tidegate_wire::config::{FeatureView, Workspace};
use tokio::sync::Mutex;

/// Where a client of Feast asks.
pub const ONLINE: &str = "/get-online-features";
/// Entities of one request.
const ENTITIES_MAX: usize = 10_000;
/// Features of one request.
const FEATURES_MAX: usize = 1_000;
/// What is out of reach is looked for again after so long.
const SWEEP_MS: u64 = 3_600_000;
/// What stands in Feast's answers where there is no time.
const NEVER: &str = "1970-01-01T00:00:00Z";

/// The states of all views of events.
#[derive(Clone)]
pub struct Served {
    lake: Arc<Lake>,
    config: Arc<IndexMap<String, FeatureView>>,
    states: Arc<Mutex<Option<States>>>,
}

struct States {
    views: IndexMap<String, Online>,
    swept: At,
}

impl Served {
    /// The views of a workspace; nothing is read yet.
    pub fn new(config: &Workspace, lake: Arc<Lake>) -> Served {
        Served { lake, config: Arc::new(config.features.clone()), states: Arc::default() }
    }

    /// Makes the states, where there are views.
    pub async fn warm(&self) -> Result<()> {
        if self.config.is_empty() {
            return Ok(());
        }
        let mut guard = self.states.lock().await;
        self.made(&mut guard).await.map(drop)
    }

    /// Takes events that the lake took. Where no state is made yet, it will be made with them.
    pub async fn take(&self, rows: &[DeliveryRow]) {
        let mut guard = self.states.lock().await;
        let Some(states) = guard.as_mut() else { return };
        // What was written is an event, or was kept aside.
        for event in rows.iter().filter_map(|row| step::event(row).ok().flatten()) {
            for online in states.views.values_mut() {
                online.take(&event);
            }
        }
        let now = clock::now();
        if now.since_ms(states.swept) >= SWEEP_MS {
            states.swept = now;
            states.views.values_mut().for_each(|online| online.sweep(now.0));
        }
    }

    async fn made<'s>(&self, states: &'s mut Option<States>) -> Result<&'s mut States> {
        if states.is_none() {
            let (lake, config) = (self.lake.clone(), self.config.clone());
            let make = move || -> Result<IndexMap<String, Online>> {
                let events = step::events(&lake)?;
                let mut views = IndexMap::new();
                for (name, view) in config.iter() {
                    if let FeatureView::Deliveries(view) = view {
                        let mut online = Online::new(Arc::new(view.clone()));
                        for event in &events {
                            online.take(event);
                        }
                        views.insert(name.clone(), online);
                    }
                }
                Ok(views)
            };
            let views = tokio::task::spawn_blocking(make).await?.context("make features from the lake's events")?;
            *states = Some(States { views, swept: clock::now() });
        }
        states.as_mut().context("make features from the lake's events")
    }
}

/// What is asked, in Feast's words.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// As `view:feature`.
    #[serde(default)]
    features: Vec<String>,
    /// All features of the view of this name.
    feature_service: Option<String>,
    /// Keys of entities, a list for each.
    entities: IndexMap<String, Vec<Json>>,
    /// Whether names in the answer have the view's before them.
    #[serde(default)]
    full_feature_names: bool,
}

const OPERATION: &str = "answer for features";

fn refused(why: impl std::fmt::Display) -> anyhow::Error {
    failure(exit::USAGE, format!("{OPERATION}: {why}"))
}

/// The features of some entities as of now.
pub async fn online(State(api): State<Api>, axum::Json(asked): axum::Json<Asked>) -> Result<Response, Failed> {
    let served = api.door.served();
    let wanted = wanted(&served.config, &asked)?;
    let many = asked.entities.values().next().map_or(0, Vec::len);
    if asked.entities.values().any(|values| values.len() != many) {
        return Err(refused("the lists in `entities` are of different lengths").into());
    }
    if many > ENTITIES_MAX {
        return Err(refused(format!("{many} entities: ask for {ENTITIES_MAX} at most at a time")).into());
    }
    let now = clock::now();
    let mut names: Vec<String> = asked.entities.keys().cloned().collect();
    let mut results: Vec<Json> =
        asked.entities.values().map(|values| column(values.iter().map(|v| (v.clone(), "PRESENT", NEVER.into())))).collect();
    let mut guard = served.states.lock().await;
    let states = served.made(&mut guard).await?;
    for (view, features) in wanted {
        let online = states.views.get_mut(&view).ok_or_else(|| refused(format!("view `{view}` is not made")))?;
        let rows: Vec<Row> = keys(online, &asked, many)?.iter().map(|key| read(online, key.as_ref(), now.0)).collect();
        for (place, name) in features {
            names.push(if asked.full_feature_names { format!("{view}__{name}") } else { name });
            results.push(column(rows.iter().map(|row| cell(row, place))));
        }
    }
    Ok(axum::Json(json!({ "results": results, "metadata": { "feature_names": names } })).into_response())
}

/// The views that are asked for, each with the places and names of its features.
fn wanted(config: &IndexMap<String, FeatureView>, asked: &Asked) -> Result<IndexMap<String, Vec<(usize, String)>>> {
    let view = |name: &str| match config.get(name) {
        Some(FeatureView::Deliveries(view)) => Ok(view),
        Some(FeatureView::File(_)) => {
            Err(refused(format!("view `{name}` is of a file: such views are joined (`tidegate features join`), not served")))
        }
        None => Err(exit::unknown(OPERATION, name, config.keys())),
    };
    let mut wanted: IndexMap<String, Vec<(usize, String)>> = IndexMap::new();
    if let Some(service) = &asked.feature_service {
        let features = view(service)?.features().iter().enumerate().map(|(place, feature)| (place, feature.name.clone()));
        wanted.insert(service.clone(), features.collect());
    }
    if asked.features.len() > FEATURES_MAX {
        return Err(refused(format!("{} features: ask for {FEATURES_MAX} at most at a time", asked.features.len())));
    }
    for one in &asked.features {
        let (of, name) = one.split_once(':').ok_or_else(|| refused(format!("`{one}` is no feature: write it as `view:feature`")))?;
        let features = view(of)?.features();
        let place = features.iter().position(|feature| feature.name == name);
        let place = place.ok_or_else(|| exit::unknown(OPERATION, one, &features.iter().map(|f| f.name.clone()).collect::<Vec<_>>()))?;
        wanted.entry(of.to_owned()).or_default().push((place, name.to_owned()));
    }
    if wanted.is_empty() {
        return Err(refused("neither `features` nor `feature_service` says which are wanted"));
    }
    Ok(wanted)
}

/// The key of each entity in a view; none where a part of it is null.
fn keys(online: &Online, asked: &Asked, many: usize) -> Result<Vec<Option<Key>>> {
    let of = |key: &String| {
        asked
            .entities
            .get(key)
            .ok_or_else(|| refused(format!("view `{}` has the key `{key}`, which `entities` lacks", online.view().name())))
    };
    let columns = online.view().keys().iter().map(of).collect::<Result<Vec<_>>>()?;
    Ok((0..many).map(|row| columns.iter().map(|column| value(column.get(row)?)).collect()).collect())
}

fn value(json: &Json) -> Option<Value> {
    match json {
        Json::Bool(truth) => Some(Value::Bool(*truth)),
        Json::String(text) => Some(Value::text(text)),
        Json::Number(number) => number.as_i64().map(Value::Int).or_else(|| Value::number(number.as_f64()?)),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn read(online: &mut Online, key: Option<&Key>, at_ms: i64) -> Row {
    // Nobody has a key of no parts.
    online.read(key.unwrap_or(&vec![]), at_ms)
}

fn cell(row: &Row, place: usize) -> (Json, &'static str, String) {
    let time = row.newest_ms.map_or_else(|| NEVER.to_owned(), |ms| At(ms).to_string());
    let status = match (row.state, row.cells.get(place)) {
        (Known::Missing, _) => "NOT_FOUND",
        (Known::Outdated, _) => "OUTSIDE_MAX_AGE",
        (Known::Found, Some(Cell::Value(value))) => return (serde_json::to_value(value).unwrap_or(Json::Null), "PRESENT", time),
        // There are events, and too many of them: Feast's word for what is neither there nor missing.
        (Known::Found, Some(Cell::Over)) => "INVALID",
        (Known::Found, Some(Cell::Null) | None) => "NULL_VALUE",
    };
    (Json::Null, status, time)
}

fn column(cells: impl Iterator<Item = (Json, &'static str, String)>) -> Json {
    let (mut values, mut statuses, mut times) = (vec![], vec![], vec![]);
    for (value, status, time) in cells {
        values.push(value);
        statuses.push(status);
        times.push(time);
    }
    json!({ "values": values, "statuses": statuses, "event_timestamps": times })
}

/// A training set that a command made, recorded.
pub async fn assembled(
    State(api): State<Api>,
    Path(name): Path<String>,
    axum::Json(set): axum::Json<step::SetRecord>,
) -> Result<Response, Failed> {
    tidegate_features::name(&name).map_err(|why| failure(exit::USAGE, format!("record training set: {why}")))?;
    step::record(api.plane.control(), api.plane.blobs(), &name, &set).await?;
    Ok(axum::Json(set).into_response())
}
