//! Reading a log's directory: the writer's own, or an auditor's copy. Every length is checked.
//!
//! Not here: whether the content is right ([`crate::audit`]).

use super::checkpoint::Checkpoint;
use super::error::LogError;
use super::hash::{self, Hash, Nodes, fold};
use super::key::LogVerifier;
use super::note::NOTE_BYTES_MAX;
use super::tile::{ENTRY_BYTES_MAX, Kind, TILE_WIDTH, Tile, cut_entries, decode_entries, decode_hashes, width_at};
use crate::disk;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Largest file of a tile: a bundle of the largest entries.
const TILE_BYTES_MAX: u64 = TILE_WIDTH * (ENTRY_BYTES_MAX as u64 + 2);
/// Tiles of hashes that one proof keeps in memory.
const TILES_CACHED_MAX: usize = 1_024;

/// A directory with a log.
#[derive(Clone, Debug)]
pub struct LogDir {
    dir: PathBuf,
}

impl LogDir {
    /// The log in `dir`; nothing is read yet.
    #[must_use]
    pub fn new(dir: &Path) -> LogDir {
        LogDir { dir: dir.to_owned() }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The checkpoint's bytes, unchecked; none when there is no log here.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn checkpoint_bytes(&self) -> Result<Option<Vec<u8>>, LogError> {
        Ok(disk::read_if_there(&self.dir.join("checkpoint"), NOTE_BYTES_MAX as u64)?)
    }

    /// The checkpoint, if `verifier` signed it.
    ///
    /// # Errors
    /// When there is none, or it is not right.
    pub fn checkpoint(&self, verifier: &LogVerifier) -> Result<Checkpoint, LogError> {
        let path = self.dir.join("checkpoint");
        let bytes = self.checkpoint_bytes()?.ok_or_else(|| disk::failure("read", &path, &std::io::ErrorKind::NotFound.into()))?;
        Checkpoint::open(&path.display().to_string(), &bytes, verifier)
    }

    /// The bytes of `tile`, cut from the full tile when the partial one is no longer there.
    ///
    /// # Errors
    /// [`LogError::MissingTile`] or [`LogError::TruncatedTile`].
    pub fn tile(&self, tile: &Tile) -> Result<Vec<u8>, LogError> {
        let path = self.dir.join(tile.path());
        let bytes = match disk::read_if_there(&path, TILE_BYTES_MAX)? {
            Some(bytes) => Some(bytes),
            None if tile.width < TILE_WIDTH => self.cut_from_full(tile)?,
            None => None,
        };
        let bytes = bytes.ok_or_else(|| LogError::MissingTile { path: path.clone() })?;
        let whole = match tile.kind {
            Kind::Hashes(_) => bytes.len() as u64 == tile.width * hash::HASH_BYTES as u64,
            Kind::Entries => decode_entries(&bytes, tile.width).is_some(),
        };
        if whole { Ok(bytes) } else { Err(LogError::TruncatedTile { path, found: bytes.len(), width: tile.width }) }
    }

    fn cut_from_full(&self, tile: &Tile) -> Result<Option<Vec<u8>>, LogError> {
        let Some(full) = disk::read_if_there(&self.dir.join(tile.full().path()), TILE_BYTES_MAX)? else { return Ok(None) };
        let cut = match tile.kind {
            Kind::Hashes(_) => usize::try_from(tile.width).ok().and_then(|width| full.get(..width * hash::HASH_BYTES)),
            Kind::Entries => cut_entries(&full, tile.width),
        };
        Ok(Some(cut.map_or_else(|| full.clone(), <[u8]>::to_vec)))
    }

    /// The hashes of a tile.
    ///
    /// # Errors
    /// As [`LogDir::tile`].
    pub fn hashes(&self, level: u8, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        let tile = Tile { kind: Kind::Hashes(level), index, width: width_at(level, index, size) };
        let bytes = self.tile(&tile)?;
        decode_hashes(&bytes, tile.width).ok_or_else(|| LogError::TruncatedTile {
            path: self.dir.join(tile.path()),
            found: bytes.len(),
            width: tile.width,
        })
    }

    /// The entries of a bundle, in a log of `size` entries.
    ///
    /// # Errors
    /// As [`LogDir::tile`].
    pub fn entries(&self, index: u64, size: u64) -> Result<Vec<Vec<u8>>, LogError> {
        let tile = Tile { kind: Kind::Entries, index, width: width_at(0, index, size) };
        let bytes = self.tile(&tile)?;
        let found = bytes.len();
        let entries = decode_entries(&bytes, tile.width).ok_or_else(|| LogError::TruncatedTile {
            path: self.dir.join(tile.path()),
            found,
            width: tile.width,
        })?;
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// One entry of a log of `size` entries.
    ///
    /// # Errors
    /// [`LogError::NotSealed`] beyond the size; otherwise as [`LogDir::tile`].
    pub fn entry(&self, position: u64, size: u64) -> Result<Vec<u8>, LogError> {
        let not_sealed = LogError::NotSealed { position, size };
        if position >= size {
            return Err(not_sealed);
        }
        let mut entries = self.entries(position / TILE_WIDTH, size)?;
        let within = usize::try_from(position % TILE_WIDTH).map_err(|_| not_sealed)?;
        Ok(entries.swap_remove(within))
    }

    /// The nodes of the tree of `size` entries, read from tiles.
    #[must_use]
    pub fn nodes(&self, size: u64) -> TileNodes<'_> {
        TileNodes { dir: self, size, tiles: HashMap::new() }
    }

    /// The audit path of `position` in the tree of `size` entries.
    ///
    /// # Errors
    /// [`LogError::NotSealed`] beyond the size; otherwise as [`LogDir::tile`].
    pub fn inclusion(&self, position: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        if position >= size {
            return Err(LogError::NotSealed { position, size });
        }
        hash::inclusion(&mut self.nodes(size), position, size)
    }

    /// The proof that the tree of `old` entries is a prefix of the tree of `new` entries.
    ///
    /// # Errors
    /// [`LogError::NotSealed`] when `old` is beyond `new`; otherwise as [`LogDir::tile`].
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, LogError> {
        if old > new {
            return Err(LogError::NotSealed { position: old, size: new });
        }
        if old == 0 {
            return Ok(Vec::new());
        }
        hash::consistency(&mut self.nodes(new), old, new)
    }
}

/// Nodes of the tree, computed from the tiles that hold or cover them.
#[derive(Debug)]
pub struct TileNodes<'a> {
    dir: &'a LogDir,
    size: u64,
    tiles: HashMap<(u8, u64), Vec<Hash>>,
}

impl Nodes for TileNodes<'_> {
    type Error = LogError;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, LogError> {
        // A tile holds eight levels of the tree, of which it stores the lowest.
        let (tile_level, within) = ((level / 8).min(7) as u8, level % 8);
        let first = index << within;
        let key = (tile_level, first / TILE_WIDTH);
        if !self.tiles.contains_key(&key) {
            if self.tiles.len() >= TILES_CACHED_MAX {
                self.tiles.clear();
            }
            self.tiles.insert(key, self.dir.hashes(key.0, key.1, self.size)?);
        }
        let start = (first % TILE_WIDTH) as usize;
        let covered = self.tiles.get(&key).and_then(|hashes| hashes.get(start..start + (1 << within)));
        covered.and_then(|hashes| fold(hashes.to_vec())).ok_or_else(|| LogError::MissingTile {
            path: self
                .dir
                .dir
                .join(Tile { kind: Kind::Hashes(tile_level), index: key.1, width: width_at(tile_level, key.1, self.size) }.path()),
        })
    }
}
