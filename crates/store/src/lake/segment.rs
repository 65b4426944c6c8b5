//! One segment: open as an Arrow IPC stream, or sealed as Parquet.
//!
//! Not here: which segments a table has ([`super::table`]).

use super::broken;
use crate::disk;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_port::Failure;

/// An open segment: batches are appended whole, each by one write.
pub(super) struct OpenSegment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    file: File,
    writer: StreamWriter<Vec<u8>>,
}

impl std::fmt::Debug for OpenSegment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenSegment({}, {} rows)", self.path.display(), self.rows)
    }
}

impl OpenSegment {
    pub(super) fn create(dir: &Path, number: u64, schema: &SchemaRef) -> Result<OpenSegment, Failure> {
        let path = dir.join(open_name(number));
        let writer = StreamWriter::try_new(Vec::new(), schema).map_err(|e| broken("begin segment", &path, &e))?;
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(|e| disk::failure("begin segment", &path, &e))?;
        let mut segment = OpenSegment { number, path, rows: 0, bytes: 0, file, writer };
        segment.flush()?;
        Ok(segment)
    }

    /// Appends a batch whole or, when the disk fails, not at all.
    pub(super) fn append(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.writer.write(batch).map_err(|e| broken("append to segment", &self.path, &e))?;
        self.flush()?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Flushes what was appended to the disk, and that the file is there.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        self.file.sync_data().map_err(|e| disk::failure("flush segment", &self.path, &e))?;
        disk::sync_parent(&self.path)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let chunk = std::mem::take(self.writer.get_mut());
        if let Err(error) = self.file.write_all(&chunk) {
            // Readers would stop at the torn batch: cut it off, so that what is appended later can be read.
            let _ = self.file.set_len(self.bytes);
            return Err(disk::failure("append to segment", &self.path, &error));
        }
        self.bytes += chunk.len() as u64;
        Ok(())
    }
}

/// The name of an open segment's file.
fn open_name(number: u64) -> String {
    format!("{number:08}.arrow")
}

/// The name of a sealed segment's file.
pub(super) fn sealed_name(number: u64) -> String {
    format!("{number:08}.parquet")
}

/// The name of a sealed segment of which so many rows are left: fewer each time, so that it never had it before.
pub(super) fn fewer_name(number: u64, rows: usize) -> String {
    format!("{number:08}-{rows}.parquet")
}

/// The open segments in `dir`, by number.
pub(super) fn open_segments(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Failure> {
    let number = |path: &Path| path.file_name()?.to_str()?.strip_suffix(".arrow")?.parse().ok();
    let mut found: Vec<(u64, PathBuf)> = files(dir)?.into_iter().filter_map(|path| Some((number(&path)?, path))).collect();
    found.sort_unstable();
    Ok(found)
}

/// The sealed segments in `dir`.
pub(super) fn sealed_segments(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    Ok(files(dir)?.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect())
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(|e| disk::failure("read", dir, &e))?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(disk::failure("read", dir, &error)),
    }
}

/// The whole batches of an open segment, in order; ends at the first batch that is torn.
pub(super) struct WholeBatches {
    reader: Option<StreamReader<Counting>>,
    consumed: Arc<AtomicU64>,
    /// Bytes up to the end of the last whole batch.
    whole: u64,
    length: u64,
}

struct Counting {
    inner: io::Take<BufReader<File>>,
    consumed: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.consumed.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl WholeBatches {
    pub(super) fn open(file: File, path: &Path) -> Result<WholeBatches, Failure> {
        let length = file.metadata().map_err(|e| disk::failure("read segment", path, &e))?.len();
        let consumed = Arc::new(AtomicU64::new(0));
        // What a running writer appends from now on is left for the next reader.
        let counting = Counting { inner: BufReader::new(file).take(length), consumed: Arc::clone(&consumed) };
        // A segment whose schema is torn holds no batch.
        let reader = StreamReader::try_new(counting, None).ok();
        let whole = if reader.is_some() { consumed.load(Ordering::Relaxed) } else { 0 };
        Ok(WholeBatches { reader, consumed, whole, length })
    }

    /// Bytes after the last whole batch.
    pub(super) fn torn_bytes(&self) -> u64 {
        self.length.saturating_sub(self.whole)
    }
}

impl Iterator for WholeBatches {
    type Item = RecordBatch;

    fn next(&mut self) -> Option<RecordBatch> {
        match self.reader.as_mut()?.next() {
            Some(Ok(batch)) => {
                self.whole = self.consumed.load(Ordering::Relaxed);
                Some(batch)
            }
            Some(Err(_)) | None => {
                self.reader = None;
                None
            }
        }
    }
}

/// Writes batches as Parquet to `path`, whole or not at all; gives the rows written.
pub(super) fn write_parquet(path: &Path, schema: &SchemaRef, batches: &mut dyn Iterator<Item = RecordBatch>) -> Result<u64, Failure> {
    let mut rows = 0;
    disk::replace_with(path, None, |file| {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).set_max_row_group_row_count(Some(65_536)).build();
        let mut writer = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties)).map_err(io_of)?;
        for batch in batches {
            rows += batch.num_rows() as u64;
            writer.write(&batch).map_err(io_of)?;
        }
        writer.close().map_err(io_of)?;
        Ok(())
    })?;
    Ok(rows)
}

/// The system's error inside, so that a full disk is named as one.
fn io_of(error: parquet::errors::ParquetError) -> io::Error {
    match error {
        parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
