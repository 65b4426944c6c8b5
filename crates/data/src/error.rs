//! What can go wrong with data: which operation, on which file, where, and what to do next.

use datafusion::error::DataFusionError;
use std::path::{Path, PathBuf};

/// What the engine's errors about conditions on rows begin with.
pub(crate) const CONDITION: &str = "the condition on rows: ";

/// Why data could not be read or measured.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Nothing is there.
    #[error("{operation} {}: there is no such file or folder: correct the path, or make the file first", path.display())]
    NotFound {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{operation} {}: the file cannot be read: {source}: look at its owner and its permissions", path.display())]
    Unreadable {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file's ending says nothing.
    #[error("{operation} {}: the format is not known by the file's ending: use .parquet, .csv, .tsv, .jsonl, .ndjson, .arrow, .ipc or .feather", path.display())]
    UnknownFormat {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A folder without data, or with data that does not belong together.
    #[error("{operation} {}: {why}", path.display())]
    Folder {
        /// What was being done.
        operation: &'static str,
        /// The folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The file ends too early, or is something else.
    #[error("{operation} {}: {why}", path.display())]
    Damaged {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A line with another number of fields than the first.
    #[error("{operation} {}: line {line} has {got} fields, the first line has {expected}: mend that line, or quote the separator in it", path.display())]
    Ragged {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Fields of the first line.
        expected: usize,
        /// Fields of this one.
        got: usize,
    },
    /// A column is not there.
    #[error("{operation} {}: there is no column `{column}`: the table has {there}", path.display())]
    MissingColumn {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Columns of the table.
        there: String,
    },
    /// A column has a type that the operation cannot take.
    #[error("{operation} {}: column `{column}` is {found}, wanted {wanted}", path.display())]
    Type {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What would do.
        wanted: &'static str,
    },
    /// A limit was reached.
    #[error("{operation} {}: {what} exceeds the limit of {limit}: {advice}", path.display())]
    TooLarge {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What is too large.
        what: String,
        /// The limit.
        limit: u64,
        /// What to do.
        advice: &'static str,
    },
    /// The condition on rows is wrong in itself.
    #[error("{operation} {}: {CONDITION}{why}", path.display())]
    Condition {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// An object store refused.
    #[error("{operation} {}: {why}: look at the address, the credentials and the network", path.display())]
    Store {
        /// What was being done.
        operation: &'static str,
        /// The address.
        path: PathBuf,
        /// What it said.
        why: String,
    },
    /// The engine refused.
    #[error("{operation} {}: {source}: if the file opens elsewhere, write it again and retry", path.display())]
    Engine {
        /// What was being done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What it said.
        source: Box<DataFusionError>,
    },
    /// A file could not be written.
    #[error("write {}: {why}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
}

impl DataError {
    /// The same of another place.
    pub(crate) fn at(mut self, place: &Path) -> DataError {
        match &mut self {
            DataError::NotFound { path, .. }
            | DataError::Unreadable { path, .. }
            | DataError::UnknownFormat { path, .. }
            | DataError::Folder { path, .. }
            | DataError::Damaged { path, .. }
            | DataError::Ragged { path, .. }
            | DataError::MissingColumn { path, .. }
            | DataError::Type { path, .. }
            | DataError::TooLarge { path, .. }
            | DataError::Condition { path, .. }
            | DataError::Store { path, .. }
            | DataError::Engine { path, .. }
            | DataError::Write { path, .. } => *path = place.to_path_buf(),
        }
        self
    }

    /// From what the engine said about a file; exhausted memory is told apart.
    pub(crate) fn engine(operation: &'static str, path: &Path, source: DataFusionError, memory_bytes: usize) -> DataError {
        let path = path.to_path_buf();
        if let DataFusionError::ResourcesExhausted(what) = source.find_root() {
            return DataError::TooLarge {
                operation,
                path,
                what: format!("memory for groups ({what})"),
                limit: memory_bytes as u64,
                advice: "raise the memory limit of the check, or free space in the folder for temporary files",
            };
        }
        if let DataFusionError::Execution(what) = source.find_root()
            && let Some(why) = what.strip_prefix(CONDITION)
        {
            return DataError::Condition { operation, path, why: why.to_owned() };
        }
        DataError::Engine { operation, path, source: Box::new(source) }
    }

    pub(crate) fn io(operation: &'static str, path: &Path, source: std::io::Error) -> DataError {
        let path = path.to_path_buf();
        if source.kind() == std::io::ErrorKind::NotFound {
            DataError::NotFound { operation, path }
        } else {
            DataError::Unreadable { operation, path, source }
        }
    }
}
