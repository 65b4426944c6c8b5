//! Text tables with separators: types from all rows, missing values as pandas reads them, lines that are known.
//!
//! DataFusion's own reader honours missing values only while it guesses types, so files are read here and
//! handed to it as streams. One file is one stream, read from its beginning: a quoted field may hold line ends.

use crate::source::BATCH_ROWS;
use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::arrow::csv::ReaderBuilder;
use datafusion::arrow::csv::reader::Format;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use regex::Regex;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What text files write for a missing value: those that pandas reads so by default.
const NULLS: &str = "^(|#N/A|#N/A N/A|#NA|-1\\.#IND|-1\\.#QNAN|-NaN|-nan|1\\.#IND|1\\.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null)$";
/// The mark that some programs begin a UTF-8 file with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A file with the values of its folders' keys.
#[derive(Clone, Debug)]
pub(crate) struct CsvFile {
    pub path: PathBuf,
    pub keys: Vec<String>,
}

/// Text tables of one schema.
#[derive(Clone, Debug)]
pub(crate) struct CsvTable {
    files: Vec<CsvFile>,
    separator: u8,
    nulls: Regex,
    /// Of the files alone, without folders' keys.
    inner: SchemaRef,
    pub schema: SchemaRef,
}

impl CsvTable {
    /// Reads all rows of all files for their types.
    pub fn infer(files: Vec<CsvFile>, separator: u8, keys: &[(String, DataType)]) -> Result<CsvTable, DataFusionError> {
        let nulls = Regex::new(NULLS).map_err(|e| DataFusionError::External(Box::new(e)))?;
        let format = Format::default().with_header(true).with_delimiter(separator).with_null_regex(nulls.clone());
        let mut inner: Option<Schema> = None;
        for file in &files {
            let (schema, _) = format.infer_schema(start(&file.path)?, None)?;
            inner = Some(match inner {
                None => schema,
                Some(before) => merge(&before, &schema, &file.path)?,
            });
        }
        let inner = inner.unwrap_or_else(Schema::empty);
        let all = inner.fields().iter().cloned().chain(keys.iter().map(|(k, t)| Arc::new(Field::new(k, t.clone(), false))));
        let schema = Arc::new(Schema::new(all.collect::<Vec<_>>()));
        Ok(CsvTable { files, separator, nulls, inner: Arc::new(inner), schema })
    }

    /// A table of these columns alone, in this order.
    pub fn provider(&self, columns: &[usize]) -> Result<Arc<dyn TableProvider>, DataFusionError> {
        let schema = Arc::new(self.schema.project(columns)?);
        let stream = |file: &CsvFile| -> Arc<dyn PartitionStream> {
            Arc::new(CsvStream { file: file.clone(), table: self.clone(), columns: columns.to_vec(), schema: schema.clone() })
        };
        Ok(Arc::new(StreamingTable::try_new(schema.clone(), self.files.iter().map(stream).collect())?))
    }
}

/// Opens a file behind its byte order mark.
fn start(path: &Path) -> Result<BufReader<File>, DataFusionError> {
    let mut file = File::open(path)?;
    let mut first = Vec::with_capacity(BYTE_ORDER_MARK.len());
    Read::by_ref(&mut file).take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut first)?;
    file.seek(SeekFrom::Start(if first == BYTE_ORDER_MARK { BYTE_ORDER_MARK.len() as u64 } else { 0 }))?;
    Ok(BufReader::with_capacity(1 << 18, file))
}

/// One schema for two files: a column of nulls takes the other's type, whole numbers become numbers, the rest text.
fn merge(before: &Schema, next: &Schema, path: &Path) -> Result<Schema, DataFusionError> {
    let names = |s: &Schema| s.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    if names(before) != names(next) {
        let (first, other) = (names(before).join(", "), names(next).join(", "));
        return Err(DataFusionError::Plan(format!("{} has columns {other}, files before it {first}", path.display())));
    }
    let one = |a: &DataType, b: &DataType| match (a, b) {
        (a, b) if a == b => a.clone(),
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
        _ => DataType::Utf8,
    };
    let fields = before.fields().iter().zip(next.fields()).map(|(a, b)| Field::new(a.name(), one(a.data_type(), b.data_type()), true));
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows of one file.
#[derive(Debug)]
struct CsvStream {
    file: CsvFile,
    table: CsvTable,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl PartitionStream for CsvStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches: Box<dyn Iterator<Item = Result<RecordBatch, DataFusionError>> + Send> = match self.batches() {
            Ok(batches) => Box::new(batches),
            Err(error) => Box::new(std::iter::once(Err(error))),
        };
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::iter(batches)))
    }
}

impl CsvStream {
    fn batches(&self) -> Result<impl Iterator<Item = Result<RecordBatch, DataFusionError>> + Send + use<>, DataFusionError> {
        let own = self.table.inner.fields().len();
        let read: Vec<usize> = self.columns.iter().copied().filter(|i| *i < own).collect();
        let reader = ReaderBuilder::new(self.table.inner.clone())
            .with_header(true)
            .with_delimiter(self.table.separator)
            .with_null_regex(self.table.nulls.clone())
            .with_batch_size(BATCH_ROWS)
            .with_projection(read)
            .build_buffered(start(&self.file.path)?)?;
        let (columns, schema, keys) = (self.columns.clone(), self.schema.clone(), self.file.keys.clone());
        Ok(reader.map(move |batch| Ok(with_keys(&batch?, &columns, own, &schema, &keys)?)))
    }
}

/// The columns in the order asked for, those of folders' keys filled with the file's values.
fn with_keys(batch: &RecordBatch, columns: &[usize], own: usize, schema: &SchemaRef, keys: &[String]) -> Result<RecordBatch, ArrowError> {
    let mut read = batch.columns().iter();
    let rows = batch.num_rows();
    let one = |(i, column): (usize, &usize)| -> Option<ArrayRef> {
        if *column < own {
            return read.next().cloned();
        }
        let key = keys.get(column - own)?;
        Some(match schema.fields().get(i)?.data_type() {
            DataType::Int64 => Arc::new(Int64Array::from(vec![key.parse::<i64>().ok(); rows])),
            _ => Arc::new(StringArray::from(vec![key.as_str(); rows])),
        })
    };
    let arrays: Option<Vec<ArrayRef>> = columns.iter().enumerate().map(one).collect();
    let arrays = arrays.ok_or_else(|| ArrowError::SchemaError("the file has fewer columns than its first line".to_owned()))?;
    let options = datafusion::arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
}
