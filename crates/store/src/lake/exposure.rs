//! Rows of A/B tests: which client was drawn for what, request by request. Clients are pseudonyms.

use super::TEXT_BYTES_MAX;
use super::rows::{Row, strings, times, typed, wants};
use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use std::sync::Arc;
use tidegate_core::id::At;

/// A request of a client that was drawn for an A/B test.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExposureRow {
    /// When it was answered.
    pub at: At,
    /// Joins it with feedback.
    pub request_id: String,
    /// Service that was asked.
    pub service: String,
    /// The test, as `ranking/3`.
    pub test: String,
    /// The variant that the client was drawn for.
    pub variant: String,
    /// The client's pseudonym.
    pub unit: String,
    /// What was decided, where there was a score.
    pub decision: Option<bool>,
}

/// Which of them a reader wants; `None` lets all through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExposureFilter {
    /// Of this test.
    pub test: Option<String>,
    /// Answered at this time or later.
    pub from: Option<At>,
    /// Answered before this time.
    pub until: Option<At>,
}

const COLUMNS: [&str; 7] = ["at", "request_id", "service", "test", "variant", "unit", "decision"];

impl Row for ExposureRow {
    const TABLE: &'static str = "exposures";
    type Filter = ExposureFilter;

    fn schema() -> SchemaRef {
        let text = |name: &str| Field::new(name, DataType::Utf8, false);
        Arc::new(Schema::new(vec![
            Field::new("at", DataType::Int64, false),
            text("request_id"),
            text("service"),
            text("test"),
            text("variant"),
            text("unit"),
            Field::new("decision", DataType::Boolean, true),
        ]))
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.at.0))),
            strings(rows.iter().map(|row| row.request_id.as_str())),
            strings(rows.iter().map(|row| row.service.as_str())),
            strings(rows.iter().map(|row| row.test.as_str())),
            strings(rows.iter().map(|row| row.variant.as_str())),
            strings(rows.iter().map(|row| row.unit.as_str())),
            Arc::new(rows.iter().map(|row| row.decision).collect::<BooleanArray>()),
        ];
        RecordBatch::try_new(Self::schema(), columns)
    }

    fn rows(batch: &RecordBatch, filter: &ExposureFilter) -> Result<Vec<Self>, ArrowError> {
        let texts = |name| typed::<StringArray>(batch, name);
        let (at, decision) = (typed::<Int64Array>(batch, "at")?, typed::<BooleanArray>(batch, "decision")?);
        let (request_id, service, test) = (texts("request_id")?, texts("service")?, texts("test")?);
        let (variant, unit) = (texts("variant")?, texts("unit")?);
        let (from, last) = Self::times(filter);
        let wanted = |row: &usize| (from.0..=last.0).contains(&at.value(*row)) && wants(filter.test.as_deref(), test, *row);
        let row = |row: usize| ExposureRow {
            at: At(at.value(row)),
            request_id: request_id.value(row).to_owned(),
            service: service.value(row).to_owned(),
            test: test.value(row).to_owned(),
            variant: variant.value(row).to_owned(),
            unit: unit.value(row).to_owned(),
            decision: decision.is_valid(row).then(|| decision.value(row)),
        };
        Ok((0..batch.num_rows()).filter(wanted).map(row).collect())
    }

    fn at(&self) -> At {
        self.at
    }

    fn fits(&self) -> bool {
        let texts = [&self.request_id, &self.service, &self.test, &self.variant, &self.unit];
        texts.iter().all(|text| text.len() <= TEXT_BYTES_MAX)
    }

    fn columns(_filter: &ExposureFilter) -> Vec<&'static str> {
        COLUMNS.to_vec()
    }

    fn times(filter: &ExposureFilter) -> (At, At) {
        times(filter.from, filter.until)
    }
}
