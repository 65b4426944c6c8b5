//! The rows of each table, as plain structs, and their columns.
//!
//! A new table is one struct here that implements [`Row`], and one field in [`super::Lake`].

use super::{INPUTS_MAX, TEXT_BYTES_MAX};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListBuilder, PrimitiveBuilder, StringArray, UInt16Array,
};
use arrow::datatypes::{DataType, Field, Float32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use tidegate_core::id::At;

/// A row of a table with a fixed schema.
pub trait Row: Sized + Send + 'static {
    /// The table's name, and its directory.
    const TABLE: &'static str;
    /// Which rows a reader wants.
    type Filter: Clone + Send + 'static;

    /// The columns.
    fn schema() -> SchemaRef;
    /// Rows as columns.
    ///
    /// # Errors
    /// When Arrow refuses them.
    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError>;
    /// The rows of `batch` that `filter` lets through.
    ///
    /// # Errors
    /// When a column is missing or of another type.
    fn rows(batch: &RecordBatch, filter: &Self::Filter) -> Result<Vec<Self>, ArrowError>;
    /// When it happened.
    fn at(&self) -> At;
    /// Whether its texts and lists are within their limits.
    fn fits(&self) -> bool;
    /// The names of the columns that `filter` needs.
    fn columns(filter: &Self::Filter) -> Vec<&'static str>;
    /// The times that `filter` lets through, both ends included.
    fn times(filter: &Self::Filter) -> (At, At);
}

/// A prediction that was served, or was made for comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PredictionRow {
    /// When it was answered.
    pub at: At,
    /// The event time that the record carried.
    pub event_time: Option<At>,
    /// Joins it with feedback.
    pub request_id: String,
    /// Service that was asked.
    pub service: String,
    /// Model.
    pub model: String,
    /// Version that answered.
    pub version: String,
    /// Role of the version then, as `stable`, `candidate`, `control`, `shadow`.
    pub role: String,
    /// HTTP status.
    pub status: u16,
    /// Time to answer in microseconds.
    pub latency_us: f64,
    /// Score, when there was an answer.
    pub score: Option<f64>,
    /// Decision by the threshold.
    pub decision: Option<bool>,
    /// Inputs of the model after the transform.
    pub inputs: Vec<f32>,
}

/// Which predictions a reader wants; `None` lets all through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PredictionFilter {
    /// Of this service.
    pub service: Option<String>,
    /// Of this version.
    pub version: Option<String>,
    /// In this role.
    pub role: Option<String>,
    /// Answered at this time or later.
    pub from: Option<At>,
    /// Answered before this time.
    pub until: Option<At>,
    /// Leaves `inputs` empty and does not read them: much less to read.
    pub without_inputs: bool,
}

/// A label that came later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedbackRow {
    /// When it came.
    pub at: At,
    /// The request that it is about.
    pub request_id: String,
    /// Service.
    pub service: String,
    /// What turned out to be true.
    pub label: f64,
}

/// Which labels a reader wants; `None` lets all through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedbackFilter {
    /// Of this service.
    pub service: Option<String>,
    /// Came at this time or later.
    pub from: Option<At>,
    /// Came before this time.
    pub until: Option<At>,
}

/// Both ends included; nothing lies before an `until` at the least instant.
pub(super) fn times(from: Option<At>, until: Option<At>) -> (At, At) {
    match until.map(|until| until.0.checked_sub(1)) {
        None => (from.unwrap_or(At(i64::MIN)), At(i64::MAX)),
        Some(Some(last)) => (from.unwrap_or(At(i64::MIN)), At(last)),
        Some(None) => (At(i64::MAX), At(i64::MIN)),
    }
}

pub(super) fn strings<'a>(texts: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

/// A column by its name.
fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("column `{name}` is missing")))
}

pub(super) fn typed<'a, T: Array + 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T, ArrowError> {
    column(batch, name)?.as_any().downcast_ref().ok_or_else(|| ArrowError::SchemaError(format!("column `{name}` has another type")))
}

pub(super) fn wants(filter: Option<&str>, column: &StringArray, row: usize) -> bool {
    filter.is_none_or(|wanted| column.value(row) == wanted)
}

const PREDICTION_COLUMNS: [&str; 12] =
    ["at", "event_time", "request_id", "service", "model", "version", "role", "status", "latency_us", "score", "decision", "inputs"];

impl Row for PredictionRow {
    const TABLE: &'static str = "predictions";
    type Filter = PredictionFilter;

    fn schema() -> SchemaRef {
        let text = |name: &str| Field::new(name, DataType::Utf8, false);
        Arc::new(Schema::new(vec![
            Field::new("at", DataType::Int64, false),
            Field::new("event_time", DataType::Int64, true),
            text("request_id"),
            text("service"),
            text("model"),
            text("version"),
            text("role"),
            Field::new("status", DataType::UInt16, false),
            Field::new("latency_us", DataType::Float64, false),
            Field::new("score", DataType::Float64, true),
            Field::new("decision", DataType::Boolean, true),
            Field::new("inputs", DataType::List(Arc::new(Field::new_list_field(DataType::Float32, false))), false),
        ]))
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError> {
        let mut inputs =
            ListBuilder::new(PrimitiveBuilder::<Float32Type>::new()).with_field(Field::new_list_field(DataType::Float32, false));
        for row in rows {
            inputs.values().append_slice(&row.inputs);
            inputs.append(true);
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.at.0))),
            Arc::new(rows.iter().map(|row| row.event_time.map(|at| at.0)).collect::<Int64Array>()),
            strings(rows.iter().map(|row| row.request_id.as_str())),
            strings(rows.iter().map(|row| row.service.as_str())),
            strings(rows.iter().map(|row| row.model.as_str())),
            strings(rows.iter().map(|row| row.version.as_str())),
            strings(rows.iter().map(|row| row.role.as_str())),
            Arc::new(UInt16Array::from_iter_values(rows.iter().map(|row| row.status))),
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.latency_us))),
            Arc::new(rows.iter().map(|row| row.score).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row.decision).collect::<BooleanArray>()),
            Arc::new(inputs.finish()),
        ];
        RecordBatch::try_new(Self::schema(), columns)
    }

    fn rows(batch: &RecordBatch, filter: &PredictionFilter) -> Result<Vec<Self>, ArrowError> {
        let texts = |name| typed::<StringArray>(batch, name);
        let (at, event_time) = (typed::<Int64Array>(batch, "at")?, typed::<Int64Array>(batch, "event_time")?);
        let (request_id, service, model) = (texts("request_id")?, texts("service")?, texts("model")?);
        let (version, role) = (texts("version")?, texts("role")?);
        let (status, latency_us) = (typed::<UInt16Array>(batch, "status")?, typed::<Float64Array>(batch, "latency_us")?);
        let (score, decision) = (typed::<Float64Array>(batch, "score")?, typed::<BooleanArray>(batch, "decision")?);
        let inputs = if filter.without_inputs { None } else { Some(column(batch, "inputs")?) };
        let lists = match inputs.map(|column| column.as_list_opt::<i32>()) {
            Some(None) => return Err(ArrowError::SchemaError("column `inputs` has another type".into())),
            Some(Some(lists)) => Some(lists),
            None => None,
        };
        let (from, last) = Self::times(filter);
        let wanted = |row: &usize| {
            (from.0..=last.0).contains(&at.value(*row))
                && wants(filter.service.as_deref(), service, *row)
                && wants(filter.version.as_deref(), version, *row)
                && wants(filter.role.as_deref(), role, *row)
        };
        let list =
            |row: usize| lists.and_then(|lists| lists.value(row).as_primitive_opt::<Float32Type>().map(|values| values.values().to_vec()));
        Ok((0..batch.num_rows())
            .filter(wanted)
            .map(|row| PredictionRow {
                at: At(at.value(row)),
                event_time: event_time.is_valid(row).then(|| At(event_time.value(row))),
                request_id: request_id.value(row).to_owned(),
                service: service.value(row).to_owned(),
                model: model.value(row).to_owned(),
                version: version.value(row).to_owned(),
                role: role.value(row).to_owned(),
                status: status.value(row),
                latency_us: latency_us.value(row),
                score: score.is_valid(row).then(|| score.value(row)),
                decision: decision.is_valid(row).then(|| decision.value(row)),
                inputs: list(row).unwrap_or_default(),
            })
            .collect())
    }

    fn at(&self) -> At {
        self.at
    }

    fn fits(&self) -> bool {
        let texts = [&self.request_id, &self.service, &self.model, &self.version, &self.role];
        texts.iter().all(|text| text.len() <= TEXT_BYTES_MAX) && self.inputs.len() <= INPUTS_MAX
    }

    fn columns(filter: &PredictionFilter) -> Vec<&'static str> {
        PREDICTION_COLUMNS.into_iter().filter(|name| !(filter.without_inputs && *name == "inputs")).collect()
    }

    fn times(filter: &PredictionFilter) -> (At, At) {
        times(filter.from, filter.until)
    }
}

impl Row for FeedbackRow {
    const TABLE: &'static str = "feedback";
    type Filter = FeedbackFilter;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("at", DataType::Int64, false),
            Field::new("request_id", DataType::Utf8, false),
            Field::new("service", DataType::Utf8, false),
            Field::new("label", DataType::Float64, false),
        ]))
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.at.0))),
            strings(rows.iter().map(|row| row.request_id.as_str())),
            strings(rows.iter().map(|row| row.service.as_str())),
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.label))),
        ];
        RecordBatch::try_new(Self::schema(), columns)
    }

    fn rows(batch: &RecordBatch, filter: &FeedbackFilter) -> Result<Vec<Self>, ArrowError> {
        let (at, label) = (typed::<Int64Array>(batch, "at")?, typed::<Float64Array>(batch, "label")?);
        let (request_id, service) = (typed::<StringArray>(batch, "request_id")?, typed::<StringArray>(batch, "service")?);
        let (from, last) = Self::times(filter);
        let wanted = |row: &usize| (from.0..=last.0).contains(&at.value(*row)) && wants(filter.service.as_deref(), service, *row);
        Ok((0..batch.num_rows())
            .filter(wanted)
            .map(|row| FeedbackRow {
                at: At(at.value(row)),
                request_id: request_id.value(row).to_owned(),
                service: service.value(row).to_owned(),
                label: label.value(row),
            })
            .collect())
    }

    fn at(&self) -> At {
        self.at
    }

    fn fits(&self) -> bool {
        self.request_id.len() <= TEXT_BYTES_MAX && self.service.len() <= TEXT_BYTES_MAX
    }

    fn columns(_filter: &FeedbackFilter) -> Vec<&'static str> {
        vec!["at", "request_id", "service", "label"]
    }

    fn times(filter: &FeedbackFilter) -> (At, At) {
        times(filter.from, filter.until)
    }
}
