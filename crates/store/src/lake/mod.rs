//! The lake: bulk telemetry in append-only segments, one directory a table.
//!
//! A segment is appended as an Arrow IPC stream, which after a `kill -9` can be read up to its last whole batch; it is
//! then sealed into Parquet and listed in a manifest that is replaced atomically. Batches in the open segment are not
//! flushed to the disk one by one: a power cut may lose them, a crash of the process does not.
//! Not here: what the numbers mean; and no fact lives here, facts are in the journal.

mod delivery;
mod exposure;
mod manifest;
mod read;
mod rows;
mod segment;
mod table;

pub use delivery::{DeliveryFilter, DeliveryRow};
pub use exposure::{ExposureFilter, ExposureRow};
pub use manifest::{Manifest, SealedSegment};
pub use read::Rows;
pub use rows::{FeedbackFilter, FeedbackRow, PredictionFilter, PredictionRow, Row};
pub use table::{Recovered, Table};

use crate::disk::{self, Guard};
use std::path::{Path, PathBuf};
use tidegate_port::Failure;

/// Most rows of one append.
pub const ROWS_PER_APPEND_MAX: usize = 65_536;
/// A segment with this many rows is sealed.
pub const ROWS_PER_SEGMENT_MAX: u64 = 262_144;
/// A segment with this many bytes is sealed.
pub const SEGMENT_BYTES_MAX: u64 = 64 << 20;
/// Most sealed segments of a table.
pub const SEGMENTS_MAX: usize = 4_096;
/// Longest text of a row in bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// Most inputs of a prediction.
pub const INPUTS_MAX: usize = 16_384;

/// The tables of telemetry in one directory.
#[derive(Debug)]
pub struct Lake {
    dir: PathBuf,
    predictions: Table<PredictionRow>,
    feedback: Table<FeedbackRow>,
    exposures: Table<ExposureRow>,
    deliveries: Table<DeliveryRow>,
    _guard: Option<Guard>,
}

impl Lake {
    /// Opens the lake in `dir` for its one writer, and seals what a process that died left open.
    ///
    /// # Errors
    /// When another process writes to it, or a manifest is damaged.
    pub fn open(dir: &Path) -> Result<Lake, Failure> {
        disk::make_dir(dir)?;
        let guard = Guard::take(&dir.join("lake.lock"))?;
        Ok(Lake {
            dir: dir.to_owned(),
            predictions: Table::open(dir)?,
            feedback: Table::open(dir)?,
            exposures: Table::open(dir)?,
            deliveries: Table::open(dir)?,
            _guard: Some(guard),
        })
    }

    /// Opens the lake in `dir` for reading, beside its writer.
    ///
    /// # Errors
    /// When a manifest is damaged.
    pub fn open_read_only(dir: &Path) -> Result<Lake, Failure> {
        Ok(Lake {
            dir: dir.to_owned(),
            predictions: Table::open_read_only(dir)?,
            feedback: Table::open_read_only(dir)?,
            exposures: Table::open_read_only(dir)?,
            deliveries: Table::open_read_only(dir)?,
            _guard: None,
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Predictions that were served.
    #[must_use]
    pub fn predictions(&self) -> &Table<PredictionRow> {
        &self.predictions
    }

    /// Labels that came later.
    #[must_use]
    pub fn feedback(&self) -> &Table<FeedbackRow> {
        &self.feedback
    }

    /// Requests of clients in A/B tests.
    #[must_use]
    pub fn exposures(&self) -> &Table<ExposureRow> {
        &self.exposures
    }

    /// What other tools told of changes.
    #[must_use]
    pub fn deliveries(&self) -> &Table<DeliveryRow> {
        &self.deliveries
    }

    /// What opening found and sealed, all tables together.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        let three = self.predictions.recovered().and(self.feedback.recovered()).and(self.exposures.recovered());
        three.and(self.deliveries.recovered())
    }

    /// Seals the open segments of all tables.
    ///
    /// # Errors
    /// When the disk fails; what is not sealed stays readable.
    pub fn seal(&self) -> Result<(), Failure> {
        self.predictions.seal()?;
        self.feedback.seal()?;
        self.exposures.seal()?;
        self.deliveries.seal()
    }

    /// The predictions that `filter` lets through, in the order of their segments, read as they are asked for.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn read_predictions(&self, filter: &PredictionFilter) -> Result<Rows<PredictionRow>, Failure> {
        self.predictions.read(filter)
    }

    /// The labels that `filter` lets through, in the order of their segments, read as they are asked for.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn read_feedback(&self, filter: &FeedbackFilter) -> Result<Rows<FeedbackRow>, Failure> {
        self.feedback.read(filter)
    }

    /// The requests in A/B tests that `filter` lets through, in the order of their segments, read as they are asked for.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn read_exposures(&self, filter: &ExposureFilter) -> Result<Rows<ExposureRow>, Failure> {
        self.exposures.read(filter)
    }
}

/// An error of Arrow or Parquet on a file.
fn broken(operation: &'static str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure {
        kind: tidegate_port::FailureKind::Refused,
        operation,
        object: path.display().to_string(),
        detail: format!("{error}: the file was damaged, or the disk is full"),
    }
}

#[cfg(test)]
mod tests;
