//! Verifiers that others wrote, on the files of our log.

use signed_note::{Note, StandardVerifier, VerifierList};
use std::path::{Path, PathBuf};
use tidegate_store::tlog::Hash;
use tlog_tiles::{Checkpoint, Error, HashReader, Tile, TileHashReader, TileReader};

/// The checkpoint, if their note and checkpoint parsers and their Ed25519 accept it.
pub fn checkpoint(dir: &Path, vkey: &str) -> Result<Checkpoint, String> {
    let bytes = std::fs::read(dir.join("checkpoint")).map_err(|e| e.to_string())?;
    let verifier = StandardVerifier::new(vkey).map_err(|e| e.to_string())?;
    let note = Note::from_bytes(&bytes).map_err(|e| e.to_string())?;
    note.verify(&VerifierList::new(vec![Box::new(verifier)])).map_err(|e| e.to_string())?;
    Checkpoint::from_bytes(note.text()).map_err(|e| e.to_string())
}

/// Their tile paths carry the height (`tile/8/...`), those of C2SP do not.
fn path(dir: &Path, tile: &Tile) -> PathBuf {
    let path = tile.path();
    let rest = path.strip_prefix("tile/8/").unwrap_or(&path);
    dir.join("tile").join(rest.replacen("data/", "entries/", 1))
}

struct Files<'a>(&'a Path);

impl TileReader for Files<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        tiles.iter().map(|tile| std::fs::read(path(self.0, tile)).map_err(|e| Error::InvalidInput(e.to_string()))).collect()
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

/// Their reader authenticates each tile up to the checkpoint; entries are compared with level 0 by their leaf hash.
pub fn check_all_tiles(dir: &Path, checkpoint: &Checkpoint) -> Result<(), String> {
    let files = Files(dir);
    let reader = TileHashReader::new(checkpoint.size(), *checkpoint.hash(), &files);
    for tile in Tile::new_tiles(8, 0, checkpoint.size()) {
        let indexes: Vec<u64> =
            (0..u64::from(tile.width())).map(|n| tlog_tiles::stored_hash_index(8 * tile.level(), tile.level_index() * 256 + n)).collect();
        let hashes = reader.read_hashes(&indexes).map_err(|e| e.to_string())?;
        if tile.level() > 0 {
            continue;
        }
        let mut bundle = tile;
        bundle.set_is_data();
        let bytes = std::fs::read(path(dir, &bundle)).map_err(|e| e.to_string())?;
        let entries = entries(&bytes).ok_or("cut bundle")?;
        let same =
            entries.len() == hashes.len() && entries.iter().zip(&hashes).all(|(entry, hash)| tlog_tiles::record_hash(entry).0 == hash.0);
        if !same {
            return Err(format!("entries of bundle {} are not those of its tile", tile.level_index()));
        }
    }
    Ok(())
}

fn entries(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?));
        entries.push(bytes.get(2..2 + length)?);
        bytes = &bytes[2 + length..];
    }
    Some(entries)
}

fn theirs(path: &[Hash]) -> Vec<tlog_tiles::Hash> {
    path.iter().map(|hash| tlog_tiles::Hash(hash.0)).collect()
}

fn ours(path: Vec<tlog_tiles::Hash>) -> Vec<Hash> {
    path.into_iter().map(|hash| Hash(hash.0)).collect()
}

pub fn check_inclusion(checkpoint: &Checkpoint, index: u64, entry: &[u8], path: &[Hash]) -> Result<(), String> {
    tlog_tiles::check_record(&theirs(path), checkpoint.size(), *checkpoint.hash(), index, tlog_tiles::record_hash(entry))
        .map_err(|e| e.to_string())
}

pub fn inclusion(dir: &Path, checkpoint: &Checkpoint, index: u64) -> Vec<Hash> {
    let files = Files(dir);
    ours(tlog_tiles::prove_record(checkpoint.size(), index, &TileHashReader::new(checkpoint.size(), *checkpoint.hash(), &files)).unwrap())
}

pub fn check_consistency(checkpoint: &Checkpoint, old: u64, old_root: Hash, path: &[Hash]) -> Result<(), String> {
    tlog_tiles::check_tree(&theirs(path), checkpoint.size(), *checkpoint.hash(), old, tlog_tiles::Hash(old_root.0))
        .map_err(|e| e.to_string())
}

pub fn consistency(dir: &Path, checkpoint: &Checkpoint, old: u64) -> Vec<Hash> {
    let files = Files(dir);
    ours(tlog_tiles::prove_tree(checkpoint.size(), old, &TileHashReader::new(checkpoint.size(), *checkpoint.hash(), &files)).unwrap())
}
