//! Rows as plain vectors, one a column: for evaluation rows, for records that are replayed, for small tables.

use crate::classes::{Class, type_name};
use crate::error::DataError;
use crate::measure::{Canonical, Values};
use crate::scan::{Gather, scan};
use crate::source::{MEMORY_BYTES_MAX, Source, open};
use crate::text;
use crate::vectors::{Vectors, is_vector};
use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::parquet::arrow::ArrowWriter;
use indexmap::IndexMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use tidegate_core::id::At;

const OPERATION: &str = "read rows";
/// Most rows that are read into memory.
pub const ROWS_MAX: usize = 20_000_000;

/// A column in memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Numbers.
    Float(Vec<Option<f64>>),
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Text.
    Text(Vec<Option<String>>),
    /// Booleans.
    Bool(Vec<Option<bool>>),
    /// Dates (at midnight UTC) and instants, in milliseconds.
    Instant(Vec<Option<At>>),
    /// Lists of numbers of one length.
    Vectors(Vectors),
}

/// Rows in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Columns by name, in the order in which they were asked for.
    pub columns: IndexMap<String, Column>,
    /// Rows.
    pub rows: usize,
}

impl Table {
    /// A column by its name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// A row as a JSON object, as a raw record is sent; instants are RFC 3339.
    #[must_use]
    pub fn record(&self, row: usize) -> serde_json::Map<String, serde_json::Value> {
        self.columns.iter().map(|(name, column)| (name.clone(), column.json(row))).collect()
    }
}

impl Column {
    /// Rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Column::Float(v) => v.len(),
            Column::Int(v) => v.len(),
            Column::Text(v) => v.len(),
            Column::Bool(v) => v.len(),
            Column::Instant(v) => v.len(),
            Column::Vectors(v) => v.rows,
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values as numbers, NaN for null, booleans as 0 and 1, instants as milliseconds; none for text.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a caller that asks for floats gets the nearest ones")]
    pub fn numbers(&self) -> Option<Vec<f64>> {
        Some(match self {
            Column::Float(v) => v.iter().map(|x| x.unwrap_or(f64::NAN)).collect(),
            Column::Int(v) => v.iter().map(|x| x.map_or(f64::NAN, |x| x as f64)).collect(),
            Column::Bool(v) => v.iter().map(|x| x.map_or(f64::NAN, |b| f64::from(u8::from(b)))).collect(),
            Column::Instant(v) => v.iter().map(|x| x.map_or(f64::NAN, |at| at.0 as f64)).collect(),
            Column::Text(_) | Column::Vectors(_) => return None,
        })
    }

    /// The value of a row as text; none for null and beyond the end.
    #[must_use]
    pub fn text(&self, row: usize) -> Option<String> {
        match self {
            Column::Float(v) => v.get(row).copied().flatten().map(|x| x.to_string()),
            Column::Int(v) => v.get(row).copied().flatten().map(|x| x.to_string()),
            Column::Text(v) => v.get(row).cloned().flatten(),
            Column::Bool(v) => v.get(row).copied().flatten().map(|x| x.to_string()),
            Column::Instant(v) => v.get(row).copied().flatten().map(|at| text::instant(at.0.saturating_mul(1_000), false)),
            Column::Vectors(v) => v.row(row).map(|_| self.json(row).to_string()),
        }
    }

    /// The value of a row as JSON.
    #[must_use]
    pub fn json(&self, row: usize) -> serde_json::Value {
        match self {
            Column::Float(v) => v.get(row).copied().flatten().into(),
            Column::Int(v) => v.get(row).copied().flatten().into(),
            Column::Bool(v) => v.get(row).copied().flatten().into(),
            Column::Text(_) | Column::Instant(_) => self.text(row).into(),
            Column::Vectors(v) => v.row(row).map(<[f32]>::to_vec).into(),
        }
    }

    fn append(&mut self, next: Column) {
        match (self, next) {
            (Column::Float(a), Column::Float(mut b)) => a.append(&mut b),
            (Column::Int(a), Column::Int(mut b)) => a.append(&mut b),
            (Column::Text(a), Column::Text(mut b)) => a.append(&mut b),
            (Column::Bool(a), Column::Bool(mut b)) => a.append(&mut b),
            (Column::Instant(a), Column::Instant(mut b)) => a.append(&mut b),
            (Column::Vectors(a), Column::Vectors(b)) => a.append(b),
            // Both were made from one schema.
            (Column::Float(_) | Column::Int(_) | Column::Text(_) | Column::Bool(_) | Column::Instant(_) | Column::Vectors(_), _) => {}
        }
    }

    fn empty(data_type: &DataType) -> Column {
        if is_vector(data_type) {
            return Column::Vectors(Vectors::default());
        }
        match Class::of(data_type) {
            Class::Int => Column::Int(vec![]),
            Class::Float => Column::Float(vec![]),
            Class::Bool => Column::Bool(vec![]),
            Class::Instant => Column::Instant(vec![]),
            Class::Text | Class::Null | Class::Other => Column::Text(vec![]),
        }
    }

    fn of(column: &Canonical) -> Column {
        let rows = 0..column.len;
        let there = |r: &usize| !column.is_null(*r);
        match &column.values {
            Values::Int(a) => Column::Int(rows.map(|r| there(&r).then(|| a.value(r))).collect()),
            Values::Float(a) => Column::Float(rows.map(|r| there(&r).then(|| a.value(r))).collect()),
            Values::Bool(a) => Column::Bool(rows.map(|r| there(&r).then(|| a.value(r))).collect()),
            Values::Text(a) => Column::Text(rows.map(|r| there(&r).then(|| a.value(r).to_owned())).collect()),
            Values::Instant(a, _) => Column::Instant(rows.map(|r| there(&r).then(|| At(a.value(r).div_euclid(1_000)))).collect()),
            Values::Other => Column::Text(vec![None; column.len]),
        }
    }

    pub(crate) fn array(&self) -> ArrayRef {
        match self {
            Column::Float(v) => Arc::new(Float64Array::from(v.clone())),
            Column::Int(v) => Arc::new(Int64Array::from(v.clone())),
            Column::Text(v) => Arc::new(StringArray::from(v.clone())),
            Column::Bool(v) => Arc::new(BooleanArray::from(v.clone())),
            Column::Vectors(v) => v.array(),
            Column::Instant(v) => {
                let millis: TimestampMillisecondArray = v.iter().map(|at| at.map(|a| a.0)).collect();
                Arc::new(millis.with_timezone("UTC"))
            }
        }
    }
}

/// Reads these columns, or all when none is named, in the order of the files; `rows_max` rows at most.
///
/// # Errors
/// When the data cannot be read, a column is missing or nested, or there are more rows.
pub async fn read_rows(source: &Source, columns: &[&str], rows_max: usize) -> Result<Table, DataError> {
    let opened = open(source, OPERATION, MEMORY_BYTES_MAX, None).await?;
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        places.push(opened.require(column)?);
    }
    if columns.is_empty() {
        places = (0..opened.schema.fields().len()).collect();
    }
    for i in &places {
        let field = opened.schema.field(*i);
        if Class::of(field.data_type()) == Class::Other && !is_vector(field.data_type()) {
            let (column, found) = (field.name().clone(), type_name(field.data_type()));
            let wanted = "numbers, text, booleans, dates or instants: leave the column out";
            return Err(DataError::Type { operation: OPERATION, path: opened.path.clone(), column, found, wanted });
        }
    }
    let limit = rows_max.min(ROWS_MAX);
    let empty = || places.iter().map(|i| Column::empty(opened.schema.field(*i).data_type())).collect();
    let (read, rows) = scan(&opened, &places, |_| Rows { columns: empty(), limit, over: false }).await?;
    if read.over || rows > limit as u64 {
        let advice = "read fewer rows: cut the file, or name fewer files";
        return Err(DataError::TooLarge {
            operation: OPERATION,
            path: opened.path.clone(),
            what: "the number of rows".to_owned(),
            limit: limit as u64,
            advice,
        });
    }
    for (i, column) in places.iter().zip(&read.columns) {
        if let Column::Vectors(Vectors { wrong: Some(why), .. }) = column {
            let why = format!("column `{}`: {why}", opened.schema.field(*i).name());
            return Err(DataError::Damaged { operation: OPERATION, path: opened.path.clone(), why });
        }
    }
    let named = places.iter().zip(read.columns).map(|(i, c)| (opened.schema.field(*i).name().clone(), c)).collect();
    Ok(Table { columns: named, rows: usize::try_from(rows).unwrap_or(usize::MAX) })
}

struct Rows {
    columns: Vec<Column>,
    limit: usize,
    over: bool,
}

impl Gather for Rows {
    fn take(&mut self, batch: &RecordBatch, row: u64) -> Result<(), DataFusionError> {
        // Beyond the limit nothing is kept; the pass goes on to its end and is then refused.
        self.over |= row + batch.num_rows() as u64 > self.limit as u64;
        if self.over {
            return Ok(());
        }
        for (mine, array) in self.columns.iter_mut().zip(batch.columns()) {
            let failed = |e| DataFusionError::ArrowError(Box::new(e), None);
            match mine {
                Column::Vectors(vectors) => vectors.take(array).map_err(failed)?,
                other => other.append(Column::of(&Canonical::new(array).map_err(failed)?)),
            }
        }
        Ok(())
    }

    fn join(&mut self, next: Rows, _: u64) {
        self.over |= next.over;
        for (mine, theirs) in self.columns.iter_mut().zip(next.columns) {
            if mine.is_empty() {
                *mine = theirs;
            } else {
                mine.append(theirs);
            }
        }
    }
}

/// Writes a table as one Parquet file; the file appears whole or not at all.
///
/// # Errors
/// When columns differ in length, or the file cannot be written.
pub fn write_parquet(path: &Path, table: &Table) -> Result<(), DataError> {
    let failed = |why: String| DataError::Write { path: path.to_path_buf(), why };
    let arrays = table.columns.iter().map(|(name, column)| (name.clone(), column.array(), true));
    let batch = RecordBatch::try_from_iter_with_nullable(arrays).map_err(|e| failed(e.to_string()))?;
    let aside = path.with_extension("parquet.partial");
    let write = || -> Result<(), String> {
        let file = File::create(&aside).map_err(|e| e.to_string())?;
        let mut writer = ArrowWriter::try_new(&file, batch.schema(), None).map_err(|e| e.to_string())?;
        writer.write(&batch).map_err(|e| e.to_string())?;
        writer.close().map_err(|e| e.to_string())?;
        file.sync_all().map_err(|e| e.to_string())?;
        std::fs::rename(&aside, path).map_err(|e| e.to_string())
    };
    write().map_err(|why| {
        let _ = std::fs::remove_file(&aside);
        failed(why)
    })
}
