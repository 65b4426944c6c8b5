//! Reading rows segment by segment, with only the columns that are needed.

use super::broken;
use super::rows::Row;
use super::segment::WholeBatches;
use crate::disk;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use tidegate_port::Failure;

/// Rows that a sealed segment gives at once.
const ROWS_PER_BATCH: usize = 8_192;

/// A segment to be read.
pub(super) enum Source {
    Sealed(PathBuf),
    Open(Box<WholeBatches>),
}

/// A segment being read.
enum Reading {
    Sealed(PathBuf, ParquetRecordBatchReader),
    Open(Box<WholeBatches>),
}

/// The rows of a table that a filter lets through.
pub struct Rows<R: Row> {
    sources: VecDeque<Source>,
    reading: Option<Reading>,
    rows: std::vec::IntoIter<R>,
    filter: R::Filter,
}

impl<R: Row> std::fmt::Debug for Rows<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rows({}, {} segments left)", R::TABLE, self.sources.len())
    }
}

impl<R: Row> Rows<R> {
    pub(super) fn new(sources: Vec<Source>, filter: R::Filter) -> Rows<R> {
        Rows { sources: sources.into(), reading: None, rows: Vec::new().into_iter(), filter }
    }

    /// The batches of the segments that may have such rows, as they lie there: for whoever filters rows by other means.
    pub fn into_batches(mut self) -> impl Iterator<Item = Result<RecordBatch, Failure>> {
        std::iter::from_fn(move || self.batch())
    }

    /// The next batch of any segment; none at the end.
    fn batch(&mut self) -> Option<Result<RecordBatch, Failure>> {
        loop {
            match self.reading.as_mut() {
                Some(Reading::Sealed(path, reader)) => match reader.next() {
                    Some(batch) => return Some(batch.map_err(|e| broken("read segment", path, &e))),
                    None => self.reading = None,
                },
                Some(Reading::Open(batches)) => match batches.next() {
                    Some(batch) => return Some(Ok(batch)),
                    None => self.reading = None,
                },
                None => match self.sources.pop_front()? {
                    Source::Open(batches) => self.reading = Some(Reading::Open(batches)),
                    Source::Sealed(path) => match open::<R>(&path, &self.filter) {
                        Ok(reader) => self.reading = Some(Reading::Sealed(path, reader)),
                        Err(failure) => return Some(Err(failure)),
                    },
                },
            }
        }
    }
}

fn open<R: Row>(path: &Path, filter: &R::Filter) -> Result<ParquetRecordBatchReader, Failure> {
    let file = File::open(path).map_err(|e| disk::failure("read segment", path, &e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| broken("read segment", path, &e))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), R::columns(filter));
    builder.with_projection(mask).with_batch_size(ROWS_PER_BATCH).build().map_err(|e| broken("read segment", path, &e))
}

impl<R: Row> Iterator for Rows<R> {
    type Item = Result<R, Failure>;

    fn next(&mut self) -> Option<Result<R, Failure>> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            match self.batch()?.and_then(|batch| R::rows(&batch, &self.filter).map_err(|e| broken("read segment", Path::new(R::TABLE), &e)))
            {
                Ok(rows) => self.rows = rows.into_iter(),
                Err(failure) => {
                    // After an error there is nothing more to trust.
                    self.sources.clear();
                    self.reading = None;
                    return Some(Err(failure));
                }
            }
        }
    }
}
