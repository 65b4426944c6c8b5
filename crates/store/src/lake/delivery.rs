//! Rows of what other tools told of changes, builds, deployments and incidents; and of what they told that could not be taken.

use super::TEXT_BYTES_MAX;
use super::rows::{Row, strings, times, typed, wants};
use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use tidegate_core::id::At;

/// A message of a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeliveryRow {
    /// When it came in.
    pub at: At,
    /// When it happened; of what could not be taken, when it came in.
    pub happened: At,
    /// Name of the source.
    pub source: String,
    /// Identifier of the event, one of its source; of what could not be taken, the digest of its body.
    pub id: String,
    /// The event as JSON; empty where it could not be taken.
    pub event: String,
    /// Why it could not be taken; empty where it was.
    pub aside: String,
}

/// Which of them a reader wants; `None` lets all through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeliveryFilter {
    /// Of this source.
    pub source: Option<String>,
    /// Came in at this time or later.
    pub from: Option<At>,
    /// Came in before this time.
    pub until: Option<At>,
}

const COLUMNS: [&str; 6] = ["at", "happened", "source", "id", "event", "aside"];

impl Row for DeliveryRow {
    const TABLE: &'static str = "deliveries";
    type Filter = DeliveryFilter;

    fn schema() -> SchemaRef {
        let field =
            |name: &&str| Field::new(*name, if ["at", "happened"].contains(name) { DataType::Int64 } else { DataType::Utf8 }, false);
        Arc::new(Schema::new(COLUMNS.iter().map(field).collect::<Vec<_>>()))
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.at.0))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.happened.0))),
            strings(rows.iter().map(|row| row.source.as_str())),
            strings(rows.iter().map(|row| row.id.as_str())),
            strings(rows.iter().map(|row| row.event.as_str())),
            strings(rows.iter().map(|row| row.aside.as_str())),
        ];
        RecordBatch::try_new(Self::schema(), columns)
    }

    fn rows(batch: &RecordBatch, filter: &DeliveryFilter) -> Result<Vec<Self>, ArrowError> {
        let (times_in, happened) = (typed::<Int64Array>(batch, "at")?, typed::<Int64Array>(batch, "happened")?);
        let texts = |name| typed::<StringArray>(batch, name);
        let (source, id, event, aside) = (texts("source")?, texts("id")?, texts("event")?, texts("aside")?);
        let (from, last) = Self::times(filter);
        let wanted = |row: &usize| (from.0..=last.0).contains(&times_in.value(*row)) && wants(filter.source.as_deref(), source, *row);
        let read = |row: usize| DeliveryRow {
            at: At(times_in.value(row)),
            happened: At(happened.value(row)),
            source: source.value(row).to_owned(),
            id: id.value(row).to_owned(),
            event: event.value(row).to_owned(),
            aside: aside.value(row).to_owned(),
        };
        Ok((0..batch.num_rows()).filter(wanted).map(read).collect())
    }

    fn at(&self) -> At {
        self.at
    }

    fn fits(&self) -> bool {
        // An event is some names of limited length; they are escaped at worst.
        [&self.source, &self.id, &self.aside].iter().all(|text| text.len() <= TEXT_BYTES_MAX) && self.event.len() <= 16 * TEXT_BYTES_MAX
    }

    fn columns(_: &DeliveryFilter) -> Vec<&'static str> {
        COLUMNS.to_vec()
    }

    fn times(filter: &DeliveryFilter) -> (At, At) {
        times(filter.from, filter.until)
    }
}
