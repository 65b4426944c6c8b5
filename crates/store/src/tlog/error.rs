//! Why the log cannot be written or read.

use super::hash::Hash;
use std::path::PathBuf;
use tidegate_port::Failure;

/// Why the log cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk or the journal failed.
    #[error(transparent)]
    Store(#[from] Failure),
    /// A signed note, checkpoint, key or proof has a wrong form.
    #[error("read {what}: {how}")]
    Malformed {
        /// What was read.
        what: String,
        /// What is wrong with it.
        how: String,
    },
    /// No signature by the key, or one that is wrong.
    #[error("check the signature of {what} with key `{key}`: {how}")]
    Signature {
        /// What was checked.
        what: String,
        /// Name of the key.
        key: String,
        /// What is wrong with it.
        how: &'static str,
    },
    /// A tile that the checkpoint covers is not there.
    #[error("read tile {path}: it is missing: get the whole log again, or restore it from a copy")]
    MissingTile {
        /// The tile.
        path: PathBuf,
    },
    /// A tile has another length than its width says.
    #[error("read tile {path}: it holds {found} bytes, which do not make {width} whole entries or hashes: it was cut short or changed")]
    TruncatedTile {
        /// The tile.
        path: PathBuf,
        /// Bytes found.
        found: usize,
        /// Hashes or entries expected.
        width: u64,
    },
    /// A directory with tiles but no checkpoint.
    #[error("open log {dir}: it has tiles but no checkpoint: restore the checkpoint, or begin a new log in another directory")]
    NoCheckpoint {
        /// The directory.
        dir: PathBuf,
    },
    /// The tiles do not lead to the root that was signed.
    #[error(
        "open log {dir}: its tiles lead to root {found} at size {size}, its checkpoint says {signed}: it was damaged; nothing will be signed; restore it from a copy"
    )]
    EdgeDisagrees {
        /// The directory.
        dir: PathBuf,
        /// The size signed last.
        size: u64,
        /// The root signed last.
        signed: Hash,
        /// The root of the tiles.
        found: Hash,
    },
    /// The journal does not continue what was sealed.
    #[error(
        "open log {dir}: the journal does not continue it: {how}; nothing will be signed; a restored journal needs a new log with a new origin"
    )]
    JournalDisagrees {
        /// The directory.
        dir: PathBuf,
        /// The difference.
        how: String,
    },
    /// A position that is not sealed yet.
    #[error("prove record {position}: the log is sealed to {size}: wait for the next checkpoint")]
    NotSealed {
        /// The position asked for.
        position: u64,
        /// The size sealed.
        size: u64,
    },
}
