//! What can go wrong with data, in sentences that say where and what to do.

use crate::error::PathIo;
use std::path::{Path, PathBuf};
use tidegate_wire::dvc::DvcError;

/// Who has to do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Who typed the command, or who wrote a file.
    Usage,
    /// Something outside: disk, network.
    Outside,
    /// The thing asked for is not there.
    NotFound,
    /// It would lose or break something.
    Refused,
    /// What was looked at is not right: damaged or missing objects.
    NotRight,
}

/// Why a command on data did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// There is no repository.
    #[error("{} is not inside a DVC repository (no .dvc directory here or above): run `dvc init`, or name one with -C", .path.display())]
    NoRepository {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The configuration is wrong.
    #[error("{0}")]
    Config(String),
    /// A file of DVC is wrong.
    #[error(transparent)]
    File(#[from] DvcError),
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// What was asked for is not tracked or does not exist.
    #[error("{0}")]
    NotFound(String),
    /// It is not done because something would be lost.
    #[error("{0}")]
    Refused(String),
    /// Objects are damaged or missing.
    #[error("{what}:{}", list(.names))]
    NotRight {
        /// What was done and what to do next.
        what: String,
        /// Which.
        names: Vec<String>,
    },
    /// A remote failed.
    #[error("{what}:{}", list(.names))]
    Remote {
        /// What was done, with which remote.
        what: String,
        /// Objects and why.
        names: Vec<String>,
    },
    /// Reading or writing failed.
    #[error("{what} {}: {source}{}", .path.display(), if .source.kind() == std::io::ErrorKind::StorageFull { ": make free space and run it again" } else { "" })]
    Io {
        /// What was done, as `read`.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// Names that an error lists before it only counts.
const NAMES_SHOWN_MAX: usize = 20;

fn list(names: &[String]) -> String {
    let mut text: String = names.iter().take(NAMES_SHOWN_MAX).map(|name| format!("\n  {name}")).collect();
    if names.len() > NAMES_SHOWN_MAX {
        text.push_str(&format!("\n  and {} more", names.len() - NAMES_SHOWN_MAX));
    }
    text
}

impl DataError {
    /// Who has to do something.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            DataError::NoRepository { .. } | DataError::NotFound(_) => Fault::NotFound,
            DataError::Config(_) | DataError::File(_) | DataError::Usage(_) => Fault::Usage,
            DataError::Refused(_) => Fault::Refused,
            DataError::NotRight { .. } => Fault::NotRight,
            DataError::Remote { .. } | DataError::Io { .. } => Fault::Outside,
        }
    }

    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> DataError + use<> {
        let path = path.to_path_buf();
        move |source| DataError::Io { what, path, source }
    }
}

impl From<PathIo> for DataError {
    fn from(error: PathIo) -> DataError {
        DataError::Io { what: error.what, path: error.path, source: error.source }
    }
}
