//! A table written as a Parquet file: columns are encoded beside one another, and stand in the file in their order.

use super::Frame;
use crate::error::DataError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowLeafColumn, ArrowRowGroupWriterFactory, compute_leaves,
};
use datafusion::parquet::basic::Compression;
use datafusion::parquet::errors::{ParquetError, Result as Parquet};
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::file::writer::SerializedFileWriter;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Rows that are written into one group.
const GROUP_ROWS: usize = 262_144;
/// Threads that encode columns.
const THREADS_MAX: usize = 8;
/// Tells files apart that one process writes at a time.
static PARTIAL: AtomicU64 = AtomicU64::new(0);

impl Frame {
    /// Writes it as one Parquet file, which appears whole or not at all; the same table gives the same bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        let number = PARTIAL.fetch_add(1, Ordering::Relaxed);
        let aside = path.with_extension(format!("parquet.{}-{number}.partial", std::process::id()));
        let write = || -> Result<(), String> {
            let file = File::create(&aside).map_err(|e| e.to_string())?;
            encoded(&self.batch, &file).map_err(|e| e.to_string())?;
            file.sync_all().map_err(|e| e.to_string())?;
            std::fs::rename(&aside, path).map_err(|e| e.to_string())
        };
        write().map_err(|why| {
            let _ = std::fs::remove_file(&aside);
            DataError::Write { path: path.to_path_buf(), why }
        })
    }
}

pub(super) fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by("tidegate".to_owned())
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_compression(Compression::SNAPPY)
        .build()
}

fn encoded(batch: &RecordBatch, file: &File) -> Parquet<()> {
    let (mut writer, groups) = ArrowWriter::try_new(file, batch.schema(), Some(properties()))?.into_serialized_writer()?;
    let mut from = 0;
    while from < batch.num_rows() {
        let rows = GROUP_ROWS.min(batch.num_rows() - from);
        group(&batch.slice(from, rows), &mut writer, &groups)?;
        from += rows;
    }
    writer.close()?;
    Ok(())
}

/// Writes one group of rows.
fn group(batch: &RecordBatch, writer: &mut SerializedFileWriter<&File>, groups: &ArrowRowGroupWriterFactory) -> Parquet<()> {
    let mut leaves = vec![];
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        leaves.extend(compute_leaves(field, array)?);
    }
    let columns = groups.create_column_writers(writer.flushed_row_groups().len())?;
    let mut written = writer.next_row_group()?;
    for chunk in beside(leaves.into_iter().zip(columns).collect())? {
        chunk.append_to_row_group(&mut written)?;
    }
    written.close()?;
    Ok(())
}

/// The columns, encoded by as many threads as there are processors, in their order.
fn beside(columns: Vec<(ArrowLeafColumn, ArrowColumnWriter)>) -> Parquet<Vec<ArrowColumnChunk>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX).min(columns.len());
    let left = Mutex::new(columns.into_iter().enumerate());
    let encode = || {
        let mut done = vec![];
        loop {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((at, (leaf, mut column))) = next else { return Ok(done) };
            column.write(&leaf)?;
            done.push((at, column.close()?));
        }
    };
    let mut chunks = std::thread::scope(|scope| {
        // This thread encodes, too: where no other can be started it does all of it.
        let start = |_| std::thread::Builder::new().spawn_scoped(scope, encode).ok();
        let running: Vec<_> = (1..threads).filter_map(start).collect();
        let mut chunks = encode()?;
        for thread in running {
            let done: Parquet<Vec<_>> =
                thread.join().map_err(|_| ParquetError::General("a thread that encoded columns died".to_owned()))?;
            chunks.extend(done?);
        }
        Ok::<_, ParquetError>(chunks)
    })?;
    chunks.sort_by_key(|(at, _)| *at);
    Ok(chunks.into_iter().map(|(_, chunk)| chunk).collect())
}
