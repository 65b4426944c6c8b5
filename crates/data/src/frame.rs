//! Tables that are joined row by row: whole columns in memory, in the types that their files have, so that what is joined is written
//! as it was read.

use crate::classes::{Class, type_name};
use crate::error::DataError;
use crate::measure::{Canonical, Values};
use crate::rows::ROWS_MAX;
use crate::scan::{Gather, scan};
use crate::source::{MEMORY_BYTES_MAX, Source, open};
use datafusion::arrow::array::{Array, ArrayRef, UInt32Array};
use datafusion::arrow::compute::{cast, concat_batches, take};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_core::contract::Value;

const OPERATION: &str = "read a table to join";

/// A table in memory.
#[derive(Clone, Debug)]
pub struct Frame {
    path: PathBuf,
    batch: RecordBatch,
}

/// The values of a column that is a key.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyColumn {
    /// Whole numbers.
    Wholes(Vec<Option<i64>>),
    /// Texts.
    Texts(Vec<Option<String>>),
}

/// Reads these columns, or all when none is named.
///
/// # Errors
/// When the data cannot be read, a column is missing, or there are too many rows.
pub async fn read_frame(source: &Source, columns: &[&str]) -> Result<Frame, DataError> {
    let opened = open(source, OPERATION, MEMORY_BYTES_MAX, None).await?;
    let mut places = columns.iter().map(|column| opened.require(column)).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        places = (0..opened.schema.fields().len()).collect();
    }
    let (read, rows) = scan(&opened, &places, |_| Batches { batches: vec![], rows: 0 }).await?;
    if rows > ROWS_MAX as u64 {
        let advice = "join fewer rows at a time";
        let (path, what) = (opened.path.clone(), "the number of rows".to_owned());
        return Err(DataError::TooLarge { operation: OPERATION, path, what, limit: ROWS_MAX as u64, advice });
    }
    let schema: SchemaRef = match read.batches.first() {
        Some(batch) => batch.schema(),
        None => Arc::new(opened.schema.project(&places).map_err(|e| damaged(&opened.path, &e))?),
    };
    let batch = concat_batches(&schema, &read.batches).map_err(|e| damaged(&opened.path, &e))?;
    Ok(Frame { path: opened.path.clone(), batch })
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> DataError {
    DataError::Damaged { operation: OPERATION, path: path.to_path_buf(), why: why.to_string() }
}

struct Batches {
    batches: Vec<RecordBatch>,
    rows: usize,
}

impl Gather for Batches {
    fn take(&mut self, batch: &RecordBatch, _: u64) -> Result<(), DataFusionError> {
        // Beyond the limit nothing is kept; the pass goes on to its end and is then refused.
        self.rows += batch.num_rows();
        if self.rows <= ROWS_MAX {
            self.batches.push(batch.clone());
        }
        Ok(())
    }

    fn join(&mut self, mut next: Batches, _: u64) {
        self.rows += next.rows;
        if self.rows <= ROWS_MAX {
            self.batches.append(&mut next.batches);
        }
    }
}

impl Frame {
    /// Rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Columns, in their order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.batch.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// A column's times in microseconds since 1970: instants, dates, or text that is one; times without a zone are UTC.
    ///
    /// # Errors
    /// When there is no such column, or it holds something else.
    pub fn times(&self, name: &str) -> Result<Vec<Option<i64>>, DataError> {
        let array = self.array(name)?;
        let array = match Class::of(array.data_type()) {
            Class::Instant => array,
            Class::Text => cast_text(&array).map_err(|why| {
                damaged(&self.path, &format!("column `{name}` holds no times: {why}: write them as 2026-03-01T12:00:00Z"))
            })?,
            _ => return Err(self.wrong(name, &array, "instants: 2026-03-01T12:00:00Z")),
        };
        let canonical = Canonical::new(&array).map_err(|why| damaged(&self.path, &why))?;
        match &canonical.values {
            Values::Instant(micros, _) => Ok((0..canonical.len).map(|row| (!canonical.is_null(row)).then(|| micros.value(row))).collect()),
            _ => Err(self.wrong(name, &array, "instants")),
        }
    }

    /// A column's values as a key.
    ///
    /// # Errors
    /// When there is no such column, or it holds neither whole numbers nor text.
    pub fn key(&self, name: &str) -> Result<KeyColumn, DataError> {
        let array = self.array(name)?;
        let canonical = Canonical::new(&array).map_err(|why| damaged(&self.path, &why))?;
        let rows = 0..canonical.len;
        match &canonical.values {
            Values::Int(a) if canonical.missing() == 0 => Ok(KeyColumn::Wholes(a.values().iter().map(|value| Some(*value)).collect())),
            Values::Int(a) => Ok(KeyColumn::Wholes(rows.map(|row| (!canonical.is_null(row)).then(|| a.value(row))).collect())),
            Values::Text(a) => Ok(KeyColumn::Texts(rows.map(|row| (!canonical.is_null(row)).then(|| a.value(row).to_owned())).collect())),
            _ => Err(self.wrong(name, &array, "whole numbers or text")),
        }
    }

    /// A column's values at some rows; null where there is no such row. Instants are text.
    ///
    /// # Errors
    /// When there is no such column, or it holds lists or the like.
    pub fn values(&self, name: &str, rows: &[u32]) -> Result<Vec<Value>, DataError> {
        let array = self.array(name)?;
        let there = |row: &u32| ((*row as usize) < self.rows()).then_some(*row);
        let indices: UInt32Array = rows.iter().map(there).collect();
        let taken = take(&array, &indices, None).map_err(|why| damaged(&self.path, &why))?;
        let canonical = Canonical::new(&taken).map_err(|why| damaged(&self.path, &why))?;
        if matches!(canonical.values, Values::Other) && canonical.missing() < canonical.len {
            return Err(self.wrong(name, &array, "numbers, text, booleans or instants"));
        }
        Ok((0..canonical.len).map(|row| canonical.show(row)).collect())
    }

    /// This table with columns of another one: of each row of ours the row of theirs, or nulls where there is none (`u32::MAX`). Each
    /// column is called as `names` says, in pairs of theirs and ours.
    ///
    /// # Errors
    /// When a column is missing or there twice, or the rows do not fit.
    pub fn joined(&self, other: &Frame, rows: &[u32], names: &[(String, String)]) -> Result<Frame, DataError> {
        let fits = |row: &u32| *row == u32::MAX || (*row as usize) < other.rows();
        if rows.len() != self.rows() || !rows.iter().all(fits) {
            return Err(damaged(&other.path, &"rows were joined that are not there"));
        }
        let indices: UInt32Array = rows.iter().map(|row| (*row != u32::MAX).then_some(*row)).collect();
        let schema = self.batch.schema();
        let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
        let mut arrays = self.batch.columns().to_vec();
        for (theirs, ours) in names {
            if fields.iter().any(|field| field.name() == ours) {
                return Err(damaged(&self.path, &format!("there would be two columns `{ours}`: give one another name")));
            }
            let array = take(&other.array(theirs)?, &indices, None).map_err(|why| damaged(&other.path, &why))?;
            fields.push(Arc::new(Field::new(ours, array.data_type().clone(), true)));
            arrays.push(array);
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|why| damaged(&self.path, &why))?;
        Ok(Frame { path: self.path.clone(), batch })
    }

    /// This table with a column more.
    ///
    /// # Errors
    /// When there is one of that name, or its rows do not fit.
    pub fn with(&self, name: &str, column: &crate::rows::Column) -> Result<Frame, DataError> {
        let schema = self.batch.schema();
        if schema.column_with_name(name).is_some() {
            return Err(damaged(&self.path, &format!("there would be two columns `{name}`: give one another name")));
        }
        let array = column.array();
        let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(name, array.data_type().clone(), true)));
        let arrays = self.batch.columns().iter().cloned().chain([array]).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|why| damaged(&self.path, &why))?;
        Ok(Frame { path: self.path.clone(), batch })
    }

    fn array(&self, name: &str) -> Result<ArrayRef, DataError> {
        self.batch.column_by_name(name).cloned().ok_or_else(|| DataError::MissingColumn {
            operation: OPERATION,
            path: self.path.clone(),
            column: name.to_owned(),
            there: self.names().join(", "),
        })
    }

    fn wrong(&self, name: &str, array: &ArrayRef, wanted: &'static str) -> DataError {
        let found = type_name(array.data_type());
        DataError::Type { operation: OPERATION, path: self.path.clone(), column: name.to_owned(), found, wanted }
    }
}

/// Text that says times, in UTC where it names no zone.
fn cast_text(array: &ArrayRef) -> Result<ArrayRef, datafusion::arrow::error::ArrowError> {
    let options = datafusion::arrow::compute::CastOptions { safe: false, ..Default::default() };
    let text = cast(array, &DataType::Utf8)?;
    datafusion::arrow::compute::cast_with_options(&text, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), &options)
}

mod write;

#[cfg(test)]
mod tests;
