//! A transform whose names are resolved: slots in place of names, tables in place of lists, zones in place of texts.

use crate::id::At;
use crate::model::Datatype;
use crate::transform::expression::Tree;
use crate::transform::time::{Written, Zones};
use crate::transform::{Constant, Field, Nan, RecordView, Score, TimePart, TimeUnit, Value};
use jiff::tz::TimeZone;
use std::collections::HashMap;

/// A transform that can run. Cheap to share, never changes.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub(super) fields: Vec<Field>,
    pub(super) steps: Vec<CompiledStep>,
    pub(super) inputs: Vec<CompiledInput>,
    pub(super) zones: Zones,
    pub(super) time: Option<(usize, ZoneAt)>,
    pub(super) id: Option<usize>,
    pub(super) score: Option<Score>,
}

/// One step; its result goes to the slot after all fields and the steps before it.
#[derive(Clone, Debug)]
pub(super) struct CompiledStep {
    /// The column that it gives, for messages.
    pub(super) column: String,
    /// Slots that it reads.
    pub(super) reads: Vec<usize>,
    pub(super) op: Op,
    pub(super) on_missing: Missing,
}

/// What a step does when a value is missing.
#[derive(Clone, Debug)]
pub(super) enum Missing {
    Refuse,
    Keep,
    Value(Constant),
}

/// A resolved operation.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Copy(usize),
    Default(usize, Constant),
    Arithmetic(Tree<usize>),
    TimeDifference { from: (usize, ZoneAt), to: (usize, ZoneAt), unit: TimeUnit },
    TimePart { of: (usize, ZoneAt), part: TimePart },
    Table { of: usize, table: Table, unknown: Missing },
    Length(usize),
    Bucket { of: usize, edges: Vec<f64> },
    Clamp { of: usize, min: f64, max: f64 },
}

/// Where a zone comes from.
#[derive(Clone, Debug)]
pub(super) enum ZoneAt {
    Absent,
    Fixed(TimeZone),
    Slot(usize),
}

/// A list of categories or a look-up table.
#[derive(Clone, Debug)]
pub(super) enum Table {
    Texts(HashMap<String, Constant>),
    /// Keyed by the bits of the number, with zero in one form.
    Numbers(HashMap<u64, Constant>),
}

impl Table {
    pub(super) fn get(&self, key: Value<'_>) -> Option<&Constant> {
        match (self, key) {
            (Table::Texts(entries), Value::Str(text)) => entries.get(text),
            (Table::Numbers(entries), value) => entries.get(&number_key(value.number()?)),
            (Table::Texts(_), _) => None,
        }
    }
}

/// Minus zero and zero are one key.
pub(super) fn number_key(x: f64) -> u64 {
    if x == 0.0 { 0 } else { x.to_bits() }
}

/// One input tensor.
#[derive(Clone, Debug)]
pub(super) struct CompiledInput {
    pub(super) tensor: String,
    pub(super) datatype: Datatype,
    pub(super) nan: Nan,
    /// Slot and name of each column.
    pub(super) columns: Vec<(usize, String)>,
}

/// A record that a transform cannot turn into inputs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {record}{}: {step}: {}{why}", id.as_ref().map(|id| format!(" (id `{id}`)")).unwrap_or_default(), field.as_ref().map(|f| format!("field `{f}` ")).unwrap_or_default())]
pub struct Refusal {
    /// Index of the record in its batch.
    pub record: usize,
    /// Its id, where the transform names an id field.
    pub id: Option<String>,
    /// The field at fault, where there is one.
    pub field: Option<String>,
    /// The step or input that refused it.
    pub step: String,
    /// Why.
    pub why: String,
}

impl Compiled {
    /// The record's fields, in the order of a [`RecordView`].
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Which output is the score.
    #[must_use]
    pub fn score(&self) -> Option<&Score> {
        self.score.as_ref()
    }

    /// The input tensors: name, datatype, columns.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, Datatype, Vec<&str>)> {
        self.inputs.iter().map(|i| (i.tensor.as_str(), i.datatype, i.columns.iter().map(|(_, name)| name.as_str()).collect()))
    }

    /// When the event of a record happened; none when the transform names no time or the record lacks it.
    ///
    /// # Errors
    /// When the field is no time, or is a local time in a zone that nobody knows.
    pub fn event_time(&self, record: &RecordView<'_>) -> Result<Option<At>, String> {
        let Some((slot, zone)) = &self.time else { return Ok(None) };
        let value = record.get(*slot).copied().unwrap_or(Value::Null);
        if value.is_missing() {
            return Ok(None);
        }
        let zone = match zone {
            ZoneAt::Absent => None,
            ZoneAt::Fixed(zone) => Some(zone.clone()),
            ZoneAt::Slot(slot) => match record.get(*slot).copied().unwrap_or(Value::Null) {
                Value::Str(name) => Some(self.zones.get(name)?),
                _ => None,
            },
        };
        let instant = Written::read(value)?.instant(zone.as_ref())?;
        Ok(Some(At(instant.as_millisecond())))
    }

    /// The id of a record, as text; none when the transform names no id or the record lacks it.
    #[must_use]
    pub fn record_id(&self, record: &RecordView<'_>) -> Option<String> {
        match record.get(self.id?).copied()? {
            Value::Null => None,
            Value::Str(text) => Some(text.to_owned()),
            other => Some(other.to_string()),
        }
    }
}
