//! What an auditor concludes about a log: from a directory, a public key, and a checkpoint they may have kept.
//!
//! Every entry is hashed again and every tile built again up to the signed root, so what is accepted is exactly
//! what was signed. Without a kept checkpoint nobody can see that an older, once valid state is shown.
//! Not here: writing the log ([`crate::tlog::Log`]).

use crate::disk;
use crate::tlog::edge::{Edge, Filled};
use crate::tlog::hash::HASH_BYTES;
use crate::tlog::tile::{self, Kind, TILE_WIDTH};
use crate::tlog::{Checkpoint, Hash, Leaves, LogDir, LogError, LogVerifier, Proof};
use std::path::{Path, PathBuf};
use tidegate_port::Failure;

/// Why a log is not accepted. Each kind has its exit code, which never changes.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The checkpoint or the key has a wrong form.
    #[error("verify: {0}")]
    Malformed(#[source] LogError),
    /// The checkpoint is not signed by the key.
    #[error("verify: {0}")]
    BadSignature(#[source] LogError),
    /// The entries lead to another root.
    #[error("verify: {size} entries lead to root {found}, but {signed} was signed: the log is not what was signed")]
    BadRoot {
        /// The size signed.
        size: u64,
        /// The root signed.
        signed: Hash,
        /// The root found.
        found: Hash,
    },
    /// A tile is missing.
    #[error("verify: {0}")]
    MissingTile(#[source] LogError),
    /// A tile was cut short.
    #[error("verify: {0}")]
    TruncatedTile(#[source] LogError),
    /// An entry is not the one that was signed.
    #[error("verify: entry {index} is not the one whose hash was signed: it was changed, or moved to another place")]
    BadEntry {
        /// The first such entry.
        index: u64,
    },
    /// A tile of hashes was changed while the entries are right.
    #[error("verify: tile {path} does not hold the hashes of the signed entries: it was changed; the entries themselves are right")]
    BadTile {
        /// The first such tile.
        path: PathBuf,
    },
    /// Two histories were signed.
    #[error(
        "verify: the log is a fork: at size {size} it has root {found}, the kept checkpoint has {kept}: two histories were signed; keep both as evidence"
    )]
    Fork {
        /// The size of the kept checkpoint.
        size: u64,
        /// The root kept.
        kept: Hash,
        /// The root of this log at that size.
        found: Hash,
    },
    /// The log is older than what the auditor has seen.
    #[error("verify: the log was rolled back: it is sealed to {size}, the kept checkpoint to {kept}: an old state is shown")]
    Rollback {
        /// The size signed here.
        size: u64,
        /// The size kept.
        kept: u64,
    },
    /// The journal's database is not what was sealed.
    #[error("verify: the journal does not equal the log: {how}")]
    Journal {
        /// The difference.
        how: String,
    },
    /// The disk or the database failed.
    #[error("verify: {0}")]
    Unreadable(#[source] LogError),
}

impl AuditError {
    /// The exit code of a command that ends with this.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            AuditError::Malformed(_) => 20,
            AuditError::BadSignature(_) => 21,
            AuditError::BadRoot { .. } => 22,
            AuditError::MissingTile(_) => 23,
            AuditError::TruncatedTile(_) => 24,
            AuditError::BadEntry { .. } => 25,
            AuditError::BadTile { .. } => 26,
            AuditError::Fork { .. } => 27,
            AuditError::Rollback { .. } => 28,
            AuditError::Journal { .. } => 29,
            // Not a fault of the log: it has not come so far.
            AuditError::Unreadable(LogError::NotSealed { .. }) => 4,
            AuditError::Unreadable(_) => 30,
        }
    }
}

impl From<LogError> for AuditError {
    fn from(error: LogError) -> AuditError {
        match error {
            LogError::Malformed { .. } => AuditError::Malformed(error),
            LogError::Signature { .. } => AuditError::BadSignature(error),
            LogError::MissingTile { .. } => AuditError::MissingTile(error),
            LogError::TruncatedTile { .. } => AuditError::TruncatedTile(error),
            LogError::EdgeDisagrees { size, signed, found, .. } => AuditError::BadRoot { size, signed, found },
            LogError::JournalDisagrees { how, .. } => AuditError::Journal { how },
            LogError::Store(_) | LogError::NoCheckpoint { .. } | LogError::NotSealed { .. } => AuditError::Unreadable(error),
        }
    }
}

impl From<Failure> for AuditError {
    fn from(failure: Failure) -> AuditError {
        AuditError::Unreadable(LogError::Store(failure))
    }
}

/// What was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The size of the kept checkpoint that this log continues.
    pub continues: Option<u64>,
}

/// What was accepted of a journal's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalVerified {
    /// Records that equal the log's entries.
    pub sealed: u64,
    /// Records after the checkpoint, not sealed yet.
    pub unsealed: u64,
}

/// Verifies the log in `dir` with the public key `vkey` (text), and with a checkpoint that the auditor kept.
///
/// # Errors
/// The first thing that is wrong; see [`AuditError`].
pub fn verify(dir: &Path, vkey: &str, kept: Option<&[u8]>) -> Result<Verified, AuditError> {
    let verifier = LogVerifier::parse(vkey)?;
    let log = LogDir::new(dir);
    let checkpoint = log.checkpoint(&verifier)?;
    let kept = kept.map(|bytes| Checkpoint::open("the kept checkpoint", bytes, &verifier)).transpose()?;
    if let Some(kept) = &kept {
        if kept.size > checkpoint.size {
            return Err(AuditError::Rollback { size: checkpoint.size, kept: kept.size });
        }
        if kept.size == checkpoint.size && kept.root != checkpoint.root {
            return Err(AuditError::Fork { size: kept.size, kept: kept.root, found: checkpoint.root });
        }
    }
    let walk = Walk::over(&log, checkpoint.size, kept.as_ref().map(|kept| kept.size))?;
    walk.conclude(&checkpoint)?;
    if let (Some(kept), Some(found)) = (&kept, walk.root_at_kept)
        && kept.root != found
    {
        return Err(AuditError::Fork { size: kept.size, kept: kept.root, found });
    }
    Ok(Verified { origin: checkpoint.origin, size: checkpoint.size, root: checkpoint.root, continues: kept.map(|kept| kept.size) })
}

/// The whole log, read once: its tree built from the entries and held against the tiles.
struct Walk {
    root: Hash,
    root_at_kept: Option<Hash>,
    /// The first tile that differs from what the entries give.
    differs: Option<Difference>,
}

struct Difference {
    path: PathBuf,
    /// The first differing entry, when the tile holds hashes of entries.
    entry: Option<u64>,
}

impl Walk {
    fn over(log: &LogDir, size: u64, kept_size: Option<u64>) -> Result<Walk, AuditError> {
        let mut edge = Edge::default();
        let mut walk = Walk { root: Hash::empty(), root_at_kept: (kept_size == Some(0)).then(Hash::empty), differs: None };
        for index in 0..size.div_ceil(TILE_WIDTH) {
            let mut full = Vec::new();
            for entry in log.entries(index, size)? {
                // An entry that came out of a bundle fits into one.
                edge.push(&entry, &mut |filled| full.push(filled));
                if kept_size == Some(edge.size()) {
                    walk.root_at_kept = Some(edge.root());
                }
            }
            walk.compare(log, &full)?;
        }
        walk.compare(log, &edge.partial())?;
        walk.root = edge.root();
        Ok(walk)
    }

    fn compare(&mut self, log: &LogDir, built: &[Filled]) -> Result<(), AuditError> {
        for filled in built.iter().filter(|filled| filled.tile.kind != Kind::Entries) {
            let stored = log.tile(&filled.tile)?;
            if stored == filled.bytes || self.differs.is_some() {
                continue;
            }
            let (stored, right) = (stored.chunks(HASH_BYTES), filled.bytes.chunks(HASH_BYTES));
            let within = stored.zip(right).position(|(stored, right)| stored != right).unwrap_or(0) as u64;
            let entry = (filled.tile.kind == Kind::Hashes(0)).then_some(filled.tile.index * TILE_WIDTH + within);
            self.differs = Some(Difference { path: filled.tile.path(), entry });
        }
        Ok(())
    }

    /// The signed root decides whether the entries or the hashes are wrong.
    fn conclude(&self, checkpoint: &Checkpoint) -> Result<(), AuditError> {
        let right = self.root == checkpoint.root;
        match &self.differs {
            None if right => Ok(()),
            Some(Difference { path, .. }) if right => Err(AuditError::BadTile { path: path.clone() }),
            Some(Difference { entry: Some(index), .. }) => Err(AuditError::BadEntry { index: *index }),
            _ => Err(AuditError::BadRoot { size: checkpoint.size, signed: checkpoint.root, found: self.root }),
        }
    }
}

/// Verifies that the journal's database holds exactly the log's entries, each row the record in its bytes.
/// Run it after [`verify`], which shows that the entries are what was signed.
///
/// # Errors
/// [`AuditError::Journal`] at the first difference.
pub fn verify_journal(journal: &mut dyn Leaves, dir: &Path, vkey: &str) -> Result<JournalVerified, AuditError> {
    let log = LogDir::new(dir);
    // The checkpoint first: the journal may grow meanwhile, but never shrink.
    let sealed = log.checkpoint(&LogVerifier::parse(vkey)?)?.size;
    let size = journal.check_whole().map_err(|failure| AuditError::Journal { how: failure.to_string() })?;
    if size < sealed {
        return Err(AuditError::Journal { how: format!("it holds {size} records, {sealed} were sealed") });
    }
    for index in 0..sealed.div_ceil(TILE_WIDTH) {
        let entries = log.entries(index, sealed)?;
        let rows = journal.leaves(index * TILE_WIDTH, entries.len()).map_err(|failure| AuditError::Journal { how: failure.to_string() })?;
        if let Some(within) = entries.iter().zip(&rows).position(|(entry, row)| entry != row) {
            return Err(AuditError::Journal {
                how: format!("record {} is not the one that was sealed", index * TILE_WIDTH + within as u64),
            });
        }
    }
    Ok(JournalVerified { sealed, unsealed: size - sealed })
}

/// The offline proof that record `position` is in the log, with the entry itself.
///
/// # Errors
/// When it is not sealed yet, or the log is damaged.
pub fn prove(dir: &Path, vkey: &str, position: u64) -> Result<(Proof, Vec<u8>), AuditError> {
    let verifier = LogVerifier::parse(vkey)?;
    let log = LogDir::new(dir);
    // Read once: a newer checkpoint may be put in place between two reads.
    let note = log.checkpoint_bytes()?.unwrap_or_default();
    let checkpoint = Checkpoint::open("checkpoint", &note, &verifier)?;
    let entry = log.entry(position, checkpoint.size)?;
    let path = log.inclusion(position, checkpoint.size)?;
    let proof = Proof { index: position, extra: None, path, checkpoint: String::from_utf8_lossy(&note).into_owned() };
    // Never hand out what does not hold.
    proof.verify(&verifier, &entry)?;
    Ok((proof, entry))
}

/// Copies the log, as its checkpoint covers it, to the directory `to`, with the public key beside it as `vkey`.
///
/// # Errors
/// When `to` holds something else, or a tile is missing; then `to` has no new checkpoint.
pub fn export(dir: &Path, vkey: &str, to: &Path) -> Result<Checkpoint, AuditError> {
    let verifier = LogVerifier::parse(vkey)?;
    let log = LogDir::new(dir);
    let note = log.checkpoint_bytes()?.unwrap_or_default();
    let checkpoint = Checkpoint::open("checkpoint", &note, &verifier)?;
    check_target(to, &verifier)?;
    disk::make_dir(to)?;
    let mut written = Vec::new();
    for tile in tile::tiles_of(checkpoint.size) {
        let path = to.join(tile.path());
        if let Some(parent) = path.parent() {
            disk::make_dir(parent)?;
        }
        disk::replace_unsynced(&path, &log.tile(&tile)?)?;
        written.push(path);
    }
    disk::sync_many(to, &written)?;
    disk::replace_file(&to.join("vkey"), format!("{}\n", verifier.vkey()).as_bytes())?;
    disk::replace_file(&to.join("checkpoint"), &note)?;
    Ok(checkpoint)
}

/// A new or empty directory, or an earlier export of the same log.
fn check_target(to: &Path, verifier: &LogVerifier) -> Result<(), AuditError> {
    let empty = match std::fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(disk::failure("export log", to, &error).into()),
    };
    if empty || LogDir::new(to).checkpoint(verifier).is_ok() {
        return Ok(());
    }
    Err(AuditError::Unreadable(LogError::Store(Failure {
        kind: tidegate_port::FailureKind::Refused,
        operation: "export log",
        object: to.display().to_string(),
        detail: "the directory holds something else: name a new or empty one".into(),
    })))
}

/// All records of the log's directory that can be shown, without the journal: `limit` from `from` on.
///
/// # Errors
/// When the log is damaged.
pub fn entries(dir: &Path, vkey: &str, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, AuditError> {
    let log = LogDir::new(dir);
    let size = log.checkpoint(&LogVerifier::parse(vkey)?)?.size;
    let mut found = Vec::new();
    let mut index = from / TILE_WIDTH;
    let mut skip = usize::try_from(from % TILE_WIDTH).unwrap_or(0);
    while found.len() < limit && index < size.div_ceil(TILE_WIDTH) {
        found.extend(log.entries(index, size)?.into_iter().skip(skip).take(limit - found.len()));
        (skip, index) = (0, index + 1);
    }
    Ok(found)
}
