//! Which tiles a tree of a size has, where they lie, and what their bytes are.
//!
//! Not here: reading and writing them.

use super::hash::{HASH_BYTES, Hash};
use std::path::PathBuf;

/// Hashes of a full tile, and entries of a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Levels of tiles that a size of 64 bits can have.
pub const LEVELS_MAX: u8 = 8;
/// Largest entry: its length is written in two bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The hashes of a level: 0 for leaves, 1 for roots over 256 leaves, and so on.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// One tile, of full or partial width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// What it holds.
    pub kind: Kind,
    /// Its number within its kind.
    pub index: u64,
    /// How many hashes or entries it holds: 1 to 256.
    pub width: u64,
}

impl Tile {
    /// The path within the log's directory: `tile/0/x001/x234/067.p/12`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let mut path = self.folder();
        let name = index_name(self.index);
        if self.width == TILE_WIDTH {
            path.push(name);
        } else {
            path.push(format!("{name}.p"));
            path.push(self.width.to_string());
        }
        path
    }

    /// The directory that holds all partial tiles of this index.
    #[must_use]
    pub fn partials(&self) -> PathBuf {
        let mut path = self.folder();
        path.push(format!("{}.p", index_name(self.index)));
        path
    }

    /// The same tile once it is full.
    #[must_use]
    pub fn full(&self) -> Tile {
        Tile { width: TILE_WIDTH, ..*self }
    }

    fn folder(&self) -> PathBuf {
        match self.kind {
            Kind::Hashes(level) => PathBuf::from(format!("tile/{level}")),
            Kind::Entries => PathBuf::from("tile/entries"),
        }
    }
}

/// Groups of three digits, all but the last marked by an `x`.
fn index_name(index: u64) -> String {
    let mut name = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        name = format!("x{:03}/{name}", rest % 1000);
        rest /= 1000;
    }
    name
}

/// How many hashes level `level` has in a tree of `size`.
#[must_use]
pub fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// The width of tile `index` of `level` in a tree of `size`: 0 when there is no such tile.
#[must_use]
pub fn width_at(level: u8, index: u64, size: u64) -> u64 {
    hashes_at(level, size).saturating_sub(index.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH)
}

/// All tiles that a tree of `size` has, entries first, then by level.
pub fn tiles_of(size: u64) -> impl Iterator<Item = Tile> {
    let of = move |kind: Kind, level: u8| {
        (0..hashes_at(level, size).div_ceil(TILE_WIDTH)).map(move |index| Tile { kind, index, width: width_at(level, index, size) })
    };
    of(Kind::Entries, 0).chain((0..LEVELS_MAX).flat_map(move |level| of(Kind::Hashes(level), level)))
}

/// The hashes as a tile's bytes.
#[must_use]
pub fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes in a tile's bytes; none when the length does not fit `width`.
#[must_use]
pub fn decode_hashes(bytes: &[u8], width: u64) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    (rest.is_empty() && hashes.len() as u64 == width).then(|| hashes.iter().map(|bytes| Hash(*bytes)).collect())
}

/// Appends one entry to a bundle; false, and nothing appended, when it is too large.
#[must_use]
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> bool {
    let Ok(length) = u16::try_from(entry.len()) else { return false };
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    true
}

/// The entries in a bundle's bytes; none when they are not exactly `width`.
#[must_use]
pub fn decode_entries(mut bytes: &[u8], width: u64) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        bytes = rest;
    }
    (bytes.is_empty() && entries.len() as u64 == width).then_some(entries)
}

/// The first `width` entries of a bundle's bytes, as bytes; none when it holds fewer.
#[must_use]
pub fn cut_entries(bytes: &[u8], width: u64) -> Option<&[u8]> {
    let mut rest = bytes;
    for _ in 0..width {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_be_bytes(*length))..)?;
    }
    bytes.get(..bytes.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn paths_follow_the_specification() {
        let tile = |kind, index, width| Tile { kind, index, width }.path().display().to_string();
        assert_eq!(tile(Kind::Hashes(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile(Kind::Hashes(1), 1, 17), "tile/1/001.p/17");
        assert_eq!(tile(Kind::Entries, 1000, 1), "tile/entries/x001/000.p/1");
    }

    /// The example of the specification.
    #[test]
    fn the_tiles_of_70_000_entries() {
        let all: Vec<Tile> = tiles_of(70_000).collect();
        let hashes = |level| all.iter().filter(move |tile| tile.kind == Kind::Hashes(level)).map(|tile| tile.path().display().to_string());
        assert_eq!(hashes(0).count(), 274);
        let mut rest: Vec<String> = hashes(0).skip(272).chain(hashes(1)).chain(hashes(2)).collect();
        rest.sort();
        expect![[r#"
            [
                "tile/0/272",
                "tile/0/273.p/112",
                "tile/1/000",
                "tile/1/001.p/17",
                "tile/2/000.p/1",
            ]
        "#]]
        .assert_debug_eq(&rest);
        assert_eq!(all.len(), 274 * 2 + 3);
        assert_eq!(tiles_of(0).count(), 0);
    }

    #[test]
    fn bundles_are_exact() {
        let mut bundle = Vec::new();
        for entry in [b"".as_slice(), b"abc", &[7; ENTRY_BYTES_MAX]] {
            assert!(push_entry(&mut bundle, entry));
        }
        assert!(!push_entry(&mut bundle, &[0; ENTRY_BYTES_MAX + 1]));
        assert_eq!(decode_entries(&bundle, 3).unwrap()[1], b"abc");
        assert!(decode_entries(&bundle, 2).is_none() && decode_entries(&bundle, 4).is_none());
        assert!(decode_entries(&bundle[..bundle.len() - 1], 3).is_none());
        assert_eq!(cut_entries(&bundle, 2), Some(bundle.get(..7).unwrap()));
        assert!(cut_entries(&bundle, 4).is_none());
    }
}
