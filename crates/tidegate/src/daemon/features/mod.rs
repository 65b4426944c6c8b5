//! Features for whoever serves a model: state that follows events as they are taken in, asked in the form of Feast's feature server.
//!
//! The state is made from the lake when it is first needed, which is at start, and then takes each event that the lake took. Tables of views of
//! files are read when they are asked for, and again when they are others.

#[cfg(feature = "data")]
mod tables;

use crate::clock;
use crate::daemon::api::{Api, Failed};
use crate::daemon::events::Bus;
use crate::exit::{self, failure};
use crate::steps::features as step;
use anyhow::{Context as _, Result, bail};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use tidegate_core::id::At;
use tidegate_features::{Cell, Event, Key, Online, Row, State as Known, Value};
use tidegate_store::{DeliveryRow, Lake};
use tidegate_wire::config::{FeatureView, Workspace, delivery_value};
use tokio::sync::Mutex;

/// Where a client of Feast asks.
pub const ONLINE: &str = "/get-online-features";
/// Entities of one request.
const ENTITIES_MAX: usize = 10_000;
/// Features of one request.
const FEATURES_MAX: usize = 1_000;
/// What is out of reach is looked for again after so long.
const SWEEP_MS: u64 = 3_600_000;
/// Values of one answer, those of keys among them.
const CELLS_MAX: usize = 200_000;
/// Events that wait while states are made.
const CAME_MAX: usize = 100_000;
/// States that are further ahead of the clock than so are of no use.
const AHEAD_MS_MAX: i64 = 60_000;
/// How often states are made for one answer.
const TRIES: usize = 3;
const MAKE: &str = "make features from the lake's events";
/// What stands in Feast's answers where there is no time.
const NEVER: &str = "1970-01-01T00:00:00Z";

/// The states of all views of events, and the tables of those of files.
#[derive(Clone)]
pub struct Served {
    lake: Arc<Lake>,
    #[cfg(feature = "data")]
    tables: Arc<tables::Tables>,
    config: Arc<IndexMap<String, FeatureView>>,
    /// Held for moments only: whoever tells of an event waits for it.
    states: Arc<Mutex<States>>,
    /// Held while states are made, by whoever makes them.
    making: Arc<Mutex<()>>,
}

#[derive(Default)]
enum States {
    /// Nothing is read yet, or what was made is of no use any more.
    #[default]
    None,
    /// They are being made. These events came meanwhile, or more than may wait.
    Making(Vec<Event>),
    Made(Made),
}

struct Made {
    views: IndexMap<String, Online>,
    swept: At,
}

impl Made {
    fn take(&mut self, event: &Event, now: At) {
        for online in self.views.values_mut() {
            online.take_by(event, now.0);
        }
    }

    /// Whether a view answered for a time that is still far ahead, as it does when the clock was.
    fn is_ahead(&self, rows: &[Row], now: At) -> bool {
        let ahead = |ms: i64| ms.saturating_sub(now.0) > AHEAD_MS_MAX;
        ahead(self.swept.0) || rows.iter().any(|row| ahead(row.at_ms))
    }
}

impl Served {
    /// The views of a workspace; nothing is read yet.
    pub fn new(config: &Workspace, root: &std::path::Path, lake: Arc<Lake>) -> Served {
        #[cfg(not(feature = "data"))]
        let _ = root;
        Served {
            lake,
            #[cfg(feature = "data")]
            tables: Arc::new(tables::Tables::new(root)),
            config: Arc::new(config.features.clone()),
            states: Arc::default(),
            making: Arc::default(),
        }
    }

    /// Makes the states, where there are views.
    pub async fn warm(&self) -> Result<()> {
        if !self.config.values().any(|view| matches!(view, FeatureView::Deliveries(_))) {
            return Ok(());
        }
        // What is begun is carried out also where who asked hangs up.
        let served = self.clone();
        crate::task::spawn(async move { served.make().await }).await?
    }

    /// Takes events that the lake took. Where no state is made yet, it will be made with them.
    pub async fn take(&self, rows: &[DeliveryRow]) {
        let mut guard = self.states.lock().await;
        // What was written is an event, or was kept aside.
        let mut events = rows.iter().filter_map(|row| step::event(row).ok().flatten());
        let made = match &mut *guard {
            States::None => return,
            States::Making(came) => {
                // One more than may wait says that there were more.
                let room = (CAME_MAX + 1).saturating_sub(came.len());
                return came.extend(events.by_ref().take(room));
            }
            States::Made(made) => made,
        };
        let now = clock::now();
        events.for_each(|event| made.take(&event, now));
        if now.since_ms(made.swept) >= SWEEP_MS {
            made.swept = now;
            made.views.values_mut().for_each(|online| online.sweep(now.0));
        }
    }

    /// Makes the states beside the lock: what comes meanwhile waits, and may be among what was read, which counts once.
    async fn make(&self) -> Result<()> {
        let _alone = self.making.lock().await;
        {
            let mut guard = self.states.lock().await;
            if matches!(*guard, States::Made(_)) {
                return Ok(());
            }
            // From here on nothing is missed: an event is in the lake before it comes here.
            *guard = States::Making(vec![]);
        }
        let (lake, config) = (self.lake.clone(), self.config.clone());
        let read = tokio::task::spawn_blocking(move || read(&lake, &config)).await;
        let mut guard = self.states.lock().await;
        let came = std::mem::take(&mut *guard);
        let mut made = read.map_err(anyhow::Error::from).flatten().context(MAKE)?;
        let States::Making(came) = came else { bail!("{MAKE}: somebody else made them: ask again") };
        if came.len() > CAME_MAX {
            bail!("{MAKE}: more than {CAME_MAX} events came meanwhile: ask again when fewer come");
        }
        let now = clock::now();
        came.iter().for_each(|event| made.take(event, now));
        *guard = States::Made(made);
        Ok(())
    }

    /// The features at these places of some entities of a view. Where the clock was ahead, states that followed it are made anew.
    async fn rows(&self, bus: &Bus, view: &str, keys: &[Option<Key>], places: &[usize], now: At) -> Result<Vec<Row>> {
        for _ in 0..TRIES {
            self.warm().await?;
            let mut guard = self.states.lock().await;
            let States::Made(made) = &mut *guard else { continue };
            let online = made.views.get_mut(view).ok_or_else(|| refused(format!("view `{view}` is not made")))?;
            let only =
                |row: Row| Row { cells: places.iter().map(|place| row.cells.get(*place).cloned().unwrap_or(Cell::Null)).collect(), ..row };
            let rows: Vec<Row> = keys.iter().map(|key| only(of(online, key.as_ref(), now.0))).collect();
            if !made.is_ahead(&rows, now) {
                return Ok(rows);
            }
            let old = std::mem::take(&mut *guard);
            drop(guard);
            drop(old);
            bus.trouble(&format!("features of `{view}` were of a time that is to come: the clock was ahead; they are made anew"));
        }
        bail!("{OPERATION}: the clock goes back and forth: set it right, then ask again")
    }
}

/// All views of events, as the lake has them.
fn read(lake: &Lake, config: &IndexMap<String, FeatureView>) -> Result<Made> {
    let (events, now) = (step::events(lake)?, clock::now());
    let mut made = Made { views: IndexMap::new(), swept: now };
    for (name, view) in config {
        if let FeatureView::Deliveries(view) = view {
            made.views.insert(name.clone(), Online::new(Arc::new(view.clone())));
        }
    }
    events.iter().for_each(|event| made.take(event, now));
    Ok(made)
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

/// One column of an answer: values, each with its status and the time of what it was computed from.
type Cells = Vec<(Json, &'static str, String)>;

/// The features of some entities as of now.
pub async fn online(State(api): State<Api>, axum::Json(asked): axum::Json<Asked>) -> Result<Response, Failed> {
    let served = api.door.served();
    let wanted = wanted(&asked)?;
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
    for (view, features) in wanted {
        let room = |more: usize| room(many, names.len() + more);
        let found: Vec<(String, Cells)> = match served.config.get(&view) {
            Some(FeatureView::Deliveries(of)) => {
                let places = places(&view, of.features().iter().map(|feature| feature.name.as_str()), features)?;
                room(places.len())?;
                let keys = keys(&view, of.keys(), &asked, many)?;
                let numbers: Vec<usize> = places.iter().map(|(place, _)| *place).collect();
                let rows = served.rows(&api.bus, &view, &keys, &numbers, now).await?;
                let cells = |at: usize| rows.iter().map(|row| cell(row, at)).collect();
                places.into_iter().enumerate().map(|(at, (_, name))| (name, cells(at))).collect()
            }
            #[cfg(feature = "data")]
            Some(FeatureView::File(file)) => {
                let table = served.tables.get(&api.bus, &view, file).await?;
                let places = places(&view, table.columns().iter().map(String::as_str), features)?;
                room(places.len())?;
                of_table(&table, &columns(&view, &file.keys, &asked)?, places, now)?
            }
            #[cfg(not(feature = "data"))]
            Some(FeatureView::File(_)) => {
                return Err(refused(format!("view `{view}` is of a file, and this binary was built without `data`")).into());
            }
            None => return Err(exit::unknown(OPERATION, &view, served.config.keys()).into()),
        };
        for (name, cells) in found {
            names.push(if asked.full_feature_names { format!("{view}__{name}") } else { name });
            results.push(column(cells.into_iter()));
        }
    }
    Ok(axum::Json(json!({ "results": results, "metadata": { "feature_names": names } })).into_response())
}

fn room(entities: usize, columns: usize) -> Result<()> {
    if entities.saturating_mul(columns) <= CELLS_MAX {
        return Ok(());
    }
    let why = format!("{entities} entities with {columns} keys and features: an answer has {CELLS_MAX} values at most: ask in parts");
    Err(refused(why))
}

/// What a table tells of entities.
#[cfg(feature = "data")]
fn of_table(table: &step::table::Table, keys: &[&Vec<Json>], wanted: Vec<(usize, String)>, now: At) -> Result<Vec<(String, Cells)>> {
    use step::table::Stand;
    let keys: Vec<&[Json]> = keys.iter().map(|column| column.as_slice()).collect();
    let stands = table.stand(&keys, now.0)?;
    let status = |stand: &Stand, value: &Json| match stand {
        Stand::Missing => ("NOT_FOUND", NEVER.to_owned()),
        Stand::Outdated(ms) => ("OUTSIDE_MAX_AGE", At(*ms).to_string()),
        Stand::Found(_, ms) => (if value.is_null() { "NULL_VALUE" } else { "PRESENT" }, At(*ms).to_string()),
    };
    let one = |(_, name): (usize, String)| {
        let values = table.values(&name, &stands)?;
        let cell = |(stand, value): (&Stand, Json)| {
            let (status, at) = status(stand, &value);
            (value, status, at)
        };
        Ok((name, stands.iter().zip(values).map(cell).collect()))
    };
    wanted.into_iter().map(one).collect()
}

/// The views that are asked for, each with the names of its features; none for all of them.
fn wanted(asked: &Asked) -> Result<IndexMap<String, Option<Vec<String>>>> {
    let mut wanted: IndexMap<String, Option<Vec<String>>> = IndexMap::new();
    if let Some(service) = &asked.feature_service {
        wanted.insert(service.clone(), None);
    }
    if asked.features.len() > FEATURES_MAX {
        return Err(refused(format!("{} features: ask for {FEATURES_MAX} at most at a time", asked.features.len())));
    }
    for one in &asked.features {
        let (of, name) = one.split_once(':').ok_or_else(|| refused(format!("`{one}` is no feature: write it as `view:feature`")))?;
        match wanted.entry(of.to_owned()).or_insert_with(|| Some(vec![])) {
            Some(names) if !names.iter().any(|known| known == name) => names.push(name.to_owned()),
            _ => return Err(refused(format!("`{one}` is asked for twice: name it once"))),
        }
    }
    if wanted.is_empty() {
        return Err(refused("neither `features` nor `feature_service` says which are wanted"));
    }
    Ok(wanted)
}

/// The places of features among those that a view has.
fn places<'v>(view: &str, there: impl Iterator<Item = &'v str>, wanted: Option<Vec<String>>) -> Result<Vec<(usize, String)>> {
    let there: Vec<String> = there.map(str::to_owned).collect();
    let Some(wanted) = wanted else {
        if there.len() > FEATURES_MAX {
            return Err(refused(format!("view `{view}` has {} features: ask for {FEATURES_MAX} at most at a time, by name", there.len())));
        }
        return Ok(there.into_iter().enumerate().collect());
    };
    let one = |name: String| {
        let place = there.iter().position(|known| *known == name);
        Ok((place.ok_or_else(|| exit::unknown(OPERATION, &format!("{view}:{name}"), &there))?, name))
    };
    wanted.into_iter().map(one).collect()
}

/// What is asked for of each key of a view.
fn columns<'a>(view: &str, keys: &[String], asked: &'a Asked) -> Result<Vec<&'a Vec<Json>>> {
    let of =
        |key: &String| asked.entities.get(key).ok_or_else(|| refused(format!("view `{view}` has the key `{key}`, which `entities` lacks")));
    keys.iter().map(of).collect()
}

/// The key of each entity in a view of events; none where a part of it is null.
fn keys(view: &str, keys: &[String], asked: &Asked, many: usize) -> Result<Vec<Option<Key>>> {
    let columns = columns(view, keys, asked)?;
    let part = |row: usize, (field, column): (&String, &&Vec<Json>)| value(field, column.get(row)?);
    Ok((0..many).map(|row| keys.iter().zip(&columns).map(|of| part(row, of)).collect()).collect())
}

/// A part of a key, as events have it: by field and not by the type that it came in.
fn value(field: &str, json: &Json) -> Option<Value> {
    match json {
        Json::String(text) => delivery_value(field, text),
        Json::Bool(_) | Json::Number(_) => delivery_value(field, &json.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn of(online: &mut Online, key: Option<&Key>, at_ms: i64) -> Row {
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
