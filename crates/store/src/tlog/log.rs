//! The sequencer: builds tiles from committed records and signs a checkpoint over them.
//!
//! One process holds a log (a lock beside it). Tiles are flushed before the checkpoint that covers them is put in
//! place by a rename; on opening, the right edge is computed again from the tiles and held against the last
//! checkpoint and against the journal, and nothing is signed while they disagree.
//! Not here: when it runs.

use super::Leaves;
use super::checkpoint::Checkpoint;
use super::edge::{Edge, Filled};
use super::error::LogError;
use super::hash::Hash;
use super::key::LogSigner;
use super::read::LogDir;
use super::tile::{LEVELS_MAX, TILE_WIDTH, Tile, hashes_at};
use crate::disk::{self, Guard};
use std::path::{Path, PathBuf};

/// Leaves that are read from the journal at once.
pub const LEAVES_PER_BATCH: usize = 8_192;

/// What the last checkpoint covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Records 0 to `size - 1` are sealed.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// The one writer of a log.
#[derive(Debug)]
pub struct Log {
    dir: LogDir,
    signer: LogSigner,
    edge: Edge,
    _guard: Guard,
}

impl Log {
    /// Opens the log in `dir`, or begins it with a checkpoint of size 0.
    ///
    /// # Errors
    /// When another process holds it; when its tiles do not lead to its checkpoint, or the journal does not
    /// continue it: then nothing will be signed.
    pub fn open(dir: &Path, signer: LogSigner, journal: &mut dyn Leaves) -> Result<Log, LogError> {
        disk::make_dir(dir)?;
        let guard = Guard::take(&dir.join("sequencer.lock"))?;
        let mut log = Log { dir: LogDir::new(dir), signer, edge: Edge::default(), _guard: guard };
        if log.dir.checkpoint_bytes()?.is_some() {
            log.edge = log.restore()?;
            log.check_journal(journal)?;
        } else if dir.join("tile").exists() {
            return Err(LogError::NoCheckpoint { dir: dir.to_owned() });
        } else {
            log.publish(&Edge::default())?;
        }
        Ok(log)
    }

    /// What is sealed.
    #[must_use]
    pub fn sealed(&self) -> Sealed {
        Sealed { size: self.edge.size(), root: self.edge.root() }
    }

    /// For reading what was sealed.
    #[must_use]
    pub fn dir(&self) -> &LogDir {
        &self.dir
    }

    /// Seals all records that `journal` has committed: tiles, flush, checkpoint.
    ///
    /// # Errors
    /// When the disk or the journal fails; the last checkpoint stays, and the next call does it again.
    pub fn seal(&mut self, journal: &mut dyn Leaves) -> Result<Sealed, LogError> {
        let mut edge = self.edge.clone();
        let mut written = Vec::new();
        loop {
            let leaves = journal.leaves(edge.size(), LEAVES_PER_BATCH)?;
            if leaves.is_empty() {
                break;
            }
            let mut full = Vec::new();
            for leaf in &leaves {
                if !edge.push(leaf, &mut |filled| full.push(filled)) {
                    return Err(LogError::Malformed {
                        what: format!("record {}", edge.size()),
                        how: format!("its {} bytes are over the limit of an entry", leaf.len()),
                    });
                }
            }
            self.write(&full, &mut written)?;
        }
        if edge.size() == self.edge.size() {
            return Ok(self.sealed());
        }
        self.write(&edge.partial(), &mut written)?;
        disk::sync_many(self.dir.path(), &written)?;
        self.publish(&edge)?;
        let before = std::mem::replace(&mut self.edge, edge);
        self.remove_superseded(&before)?;
        Ok(self.sealed())
    }

    fn write(&self, tiles: &[Filled], written: &mut Vec<PathBuf>) -> Result<(), LogError> {
        for filled in tiles {
            let path = self.dir.path().join(filled.tile.path());
            if let Some(parent) = path.parent() {
                disk::make_dir(parent)?;
            }
            disk::replace_unsynced(&path, &filled.bytes)?;
            written.push(path);
        }
        Ok(())
    }

    /// Everything that it covers is on the disk by now.
    fn publish(&self, edge: &Edge) -> Result<(), LogError> {
        let checkpoint = Checkpoint { origin: self.signer.name().to_owned(), size: edge.size(), root: edge.root() };
        Ok(disk::replace_file(&self.dir.path().join("checkpoint"), checkpoint.sign(&self.signer).as_bytes())?)
    }

    /// Partial tiles whose full tile is covered by the checkpoint; readers of an older one cut the full tile.
    fn remove_superseded(&self, before: &Edge) -> Result<(), LogError> {
        let still: Vec<Tile> = self.edge.partial().into_iter().map(|filled| filled.tile.full()).collect();
        for filled in before.partial() {
            if still.contains(&filled.tile.full()) {
                continue;
            }
            let partials = self.dir.path().join(filled.tile.partials());
            match std::fs::remove_dir_all(&partials) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(disk::failure("remove", &partials, &error).into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// The right edge that the tiles hold, if it leads to the last checkpoint.
    fn restore(&self) -> Result<Edge, LogError> {
        let checkpoint = self.dir.checkpoint(&self.signer.verifier())?;
        let size = checkpoint.size;
        let mut levels = Vec::new();
        for level in (0..LEVELS_MAX).take_while(|level| hashes_at(*level, size) > 0) {
            let count = hashes_at(level, size);
            levels.push(if count.is_multiple_of(TILE_WIDTH) { Vec::new() } else { self.dir.hashes(level, count / TILE_WIDTH, size)? });
        }
        let mut bundle = Vec::new();
        if !size.is_multiple_of(TILE_WIDTH) {
            let entries = self.dir.entries(size / TILE_WIDTH, size)?;
            // The bundle must be what the hashes say; what it says itself decides.
            if let Some(hashes) = levels.first_mut() {
                *hashes = entries.iter().map(|entry| Hash::leaf(entry)).collect();
            }
            for entry in &entries {
                // An entry that came out of a bundle fits into one.
                let _ = super::tile::push_entry(&mut bundle, entry);
            }
        }
        let edge = Edge::restore(size, levels, bundle);
        let found = edge.root();
        if found == checkpoint.root {
            Ok(edge)
        } else {
            Err(LogError::EdgeDisagrees { dir: self.dir.path().to_owned(), size, signed: checkpoint.root, found })
        }
    }

    /// The journal must hold the last sealed bundle as it was sealed, and not less than was sealed.
    fn check_journal(&self, journal: &mut dyn Leaves) -> Result<(), LogError> {
        let disagrees = |how: String| LogError::JournalDisagrees { dir: self.dir.path().to_owned(), how };
        let (sealed, held) = (self.edge.size(), journal.size()?);
        if held < sealed {
            return Err(disagrees(format!("it holds {held} records, {sealed} were sealed")));
        }
        let Some(last) = sealed.checked_sub(1) else { return Ok(()) };
        let index = last / TILE_WIDTH;
        let entries = self.dir.entries(index, sealed)?;
        let rows = journal.leaves(index * TILE_WIDTH, entries.len())?;
        match entries.iter().zip(&rows).position(|(entry, row)| entry != row) {
            Some(within) => Err(disagrees(format!("record {} is not the one that was sealed", index * TILE_WIDTH + within as u64))),
            None if rows.len() != entries.len() => Err(disagrees(format!("records after {} are missing", index * TILE_WIDTH))),
            None => Ok(()),
        }
    }
}
