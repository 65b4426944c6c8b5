//! Features of entities: events as the lake has them, definitions with their digests, training sets with what they were made of.

#[cfg(feature = "data")]
pub mod assemble;
#[cfg(feature = "data")]
pub mod table;

use crate::clock;
use crate::daemon::control::Control;
use crate::steps::check::stream;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidegate_core::contract::{Command, Dataset as Datasets, SetSummary};
use tidegate_core::id::{At, Digest};
use tidegate_features::{Event, Value};
use tidegate_port::Blobs as _;
use tidegate_store::{DeliveryFilter, DeliveryRow, FsBlobs, Lake};
use tidegate_wire::config::FeatureView;

/// Version of the form of records of training sets.
const FORM: u32 = 2;

/// What a training set was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetRecord {
    /// Version of this form.
    pub form: u32,
    /// Digest of the file.
    pub data: Digest,
    /// Rows.
    pub rows: u64,
    /// Columns, in their order.
    pub columns: Vec<String>,
    /// `strict`, or `feast` where a value is seen before it was written.
    pub rule: String,
    /// The column of its rows' times; none in the first form.
    #[serde(default)]
    pub timestamp: String,
    /// The newest time of its rows: nothing that became known later is in any of them.
    pub known_until: At,
    /// The definition of each view.
    pub views: BTreeMap<String, serde_json::Value>,
    /// Digest of these definitions, of the rule and of the column of times.
    pub definition: Digest,
    /// Digests of what it was made of: the rows, and for each view its file, or the events that were known by then.
    pub sources: Vec<(String, Digest)>,
}

/// What is wrong with a table that somebody gave, with the exit code of that.
#[cfg(feature = "data")]
fn coded(error: tidegate_data::DataError) -> anyhow::Error {
    use crate::exit::{self, failure};
    use tidegate_data::DataError;
    let code = match &error {
        DataError::NotFound { .. } => exit::NOT_FOUND,
        DataError::MissingColumn { .. } | DataError::Type { .. } | DataError::Damaged { .. } | DataError::UnknownFormat { .. } => {
            exit::USAGE
        }
        _ => exit::OUTSIDE,
    };
    failure(code, error.to_string())
}

/// A view's definition as JSON.
///
/// # Errors
/// When it cannot be written.
pub fn definition(view: &FeatureView) -> Result<serde_json::Value> {
    Ok(match view {
        FeatureView::Deliveries(view) => serde_json::json!({ "events": "deliveries", "view": serde_json::to_value(view)? }),
        FeatureView::File(file) => serde_json::json!({ "file": serde_json::to_value(file)? }),
    })
}

/// The digest of a value's JSON.
///
/// # Errors
/// When it cannot be written.
pub fn digest_of(value: &impl Serialize) -> Result<Digest> {
    Ok(Digest::of(&serde_json::to_vec(value).context("write a definition")?))
}

/// Records a training set: its record becomes a blob, and what it is of a fact of its dataset.
///
/// # Errors
/// When a store fails, or the same inputs gave other bytes before.
pub async fn record(control: &Control, blobs: &FsBlobs, name: &str, record: &SetRecord) -> Result<()> {
    let stored = blobs.put(&serde_json::to_vec(record)?)?;
    let set = Box::new(SetSummary {
        data: record.data.clone(),
        definition: record.definition.clone(),
        sources: record.sources.clone(),
        record: stored,
        rows: record.rows,
        known_until: record.known_until,
    });
    control.execute::<Datasets>(stream(name), None, Command::Assemble { set, at: clock::now() }).await?;
    Ok(())
}

/// An event that a tool told, with the fields that views can name; none where it was kept aside.
///
/// # Errors
/// When the lake holds what is no event.
pub fn event(row: &DeliveryRow) -> Result<Option<Event>> {
    if !row.aside.is_empty() {
        return Ok(None);
    }
    let told: tidegate_core::delivery::Event =
        serde_json::from_str(&row.event).with_context(|| format!("read event {} of {} in the lake", row.id, row.source))?;
    let mut fields = BTreeMap::from([("source".to_owned(), Value::text(&row.source))]);
    let serde_json::Value::Object(members) = serde_json::to_value(&told)? else { return Ok(None) };
    for (name, value) in members {
        let value = match value {
            serde_json::Value::Bool(truth) => Some(Value::Bool(truth)),
            serde_json::Value::String(text) => Some(Value::text(&text)),
            serde_json::Value::Number(number) => number.as_i64().map(Value::Int).or_else(|| Value::number(number.as_f64()?)),
            _ => None,
        };
        // What tells events apart, and their times, are no fields.
        if let Some(value) = value.filter(|_| name != "id" && name != "at_ms") {
            fields.insert(name, value);
        }
    }
    let id = Arc::from(format!("{}/{}", row.source, row.id));
    Ok(Some(Event { id, happened_ms: row.happened.0, known_ms: row.at.0, fields }))
}

/// All events of the lake, in the order in which they became known.
///
/// # Errors
/// When the lake cannot be read.
pub fn events(lake: &Lake) -> Result<Vec<Event>> {
    let mut events = vec![];
    for row in lake.deliveries().read(&DeliveryFilter::default())? {
        events.extend(event(&row?)?);
    }
    events.sort_by_key(|event| event.known_ms);
    // A process that died between writing and remembering may have written one twice.
    let mut known = BTreeSet::new();
    events.retain(|event| known.insert((event.id.clone(), event.happened_ms)));
    Ok(events)
}

/// The digest of the events that had happened and were known by a time: what comes later does not change it.
pub fn events_digest(events: &[Event], until_ms: i64) -> Result<Digest> {
    let mut lines: Vec<String> = vec![];
    for event in events.iter().filter(|event| event.happened_ms <= until_ms && event.known_ms <= until_ms) {
        lines.push(serde_json::to_string(&(&*event.id, event.happened_ms, event.known_ms, &event.fields))?);
    }
    lines.sort();
    digest_of(&lines)
}

/// The form that records are written in.
pub fn form() -> u32 {
    FORM
}
