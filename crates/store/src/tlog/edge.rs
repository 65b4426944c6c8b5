//! The right edge of the tree: what is needed to append, and nothing more.
//!
//! At each level of tiles the hashes of the last, incomplete tile, plus the last, incomplete bundle of entries:
//! at most 255 of each, whatever the size. Pure.

use super::hash::{Hash, fold};
use super::tile::{Kind, LEVELS_MAX, TILE_WIDTH, Tile, encode_hashes, push_entry};

/// A tile with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Which tile.
    pub tile: Tile,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The right edge of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
    bundle: Vec<u8>,
}

impl Edge {
    /// The edge of a tree of `size`, from the last tile of each level (level 0 first) and the last bundle.
    #[must_use]
    pub fn restore(size: u64, levels: Vec<Vec<Hash>>, bundle: Vec<u8>) -> Edge {
        Edge { size, levels, bundle }
    }

    /// How many entries the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends one entry and gives the tiles that it completes to `full`; false when the entry is too large.
    pub fn push(&mut self, entry: &[u8], full: &mut impl FnMut(Filled)) -> bool {
        if !push_entry(&mut self.bundle, entry) {
            return false;
        }
        let index = self.size / TILE_WIDTH;
        self.size += 1;
        if self.size.is_multiple_of(TILE_WIDTH) {
            full(Filled { tile: Tile { kind: Kind::Entries, index, width: TILE_WIDTH }, bytes: std::mem::take(&mut self.bundle) });
        }
        self.push_hash(Hash::leaf(entry), full);
        true
    }

    /// Adds a hash at level 0 and carries full tiles upwards.
    fn push_hash(&mut self, leaf: Hash, full: &mut impl FnMut(Filled)) {
        let mut carried = leaf;
        for level in 0..LEVELS_MAX {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(at) else { return };
            hashes.push(carried);
            if (hashes.len() as u64) < TILE_WIDTH {
                return;
            }
            let index = super::tile::hashes_at(level, self.size).saturating_sub(1) / TILE_WIDTH;
            full(Filled { tile: Tile { kind: Kind::Hashes(level), index, width: TILE_WIDTH }, bytes: encode_hashes(hashes) });
            // 256 hashes fold to one.
            let Some(root) = fold(std::mem::take(hashes)) else { return };
            carried = root;
        }
    }

    /// The incomplete tiles of this size.
    #[must_use]
    pub fn partial(&self) -> Vec<Filled> {
        let mut filled = Vec::new();
        let width = self.size % TILE_WIDTH;
        if width > 0 {
            filled.push(Filled { tile: Tile { kind: Kind::Entries, index: self.size / TILE_WIDTH, width }, bytes: self.bundle.clone() });
        }
        for (level, hashes) in (0_u8..).zip(&self.levels).filter(|(_, hashes)| !hashes.is_empty()) {
            let index = super::tile::hashes_at(level, self.size) / TILE_WIDTH;
            filled
                .push(Filled { tile: Tile { kind: Kind::Hashes(level), index, width: hashes.len() as u64 }, bytes: encode_hashes(hashes) });
        }
        filled
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for hashes in &self.levels {
            for peak in peaks(hashes).into_iter().rev() {
                root = Some(root.map_or(peak, |right| Hash::node(peak, right)));
            }
        }
        root.unwrap_or_else(Hash::empty)
    }
}

/// The roots of the powers of two that `hashes` consists of, largest first.
fn peaks(hashes: &[Hash]) -> Vec<Hash> {
    let (mut peaks, mut rest) = (Vec::new(), hashes);
    while !rest.is_empty() {
        let (left, right) = rest.split_at(1 << rest.len().ilog2());
        peaks.extend(fold(left.to_vec()));
        rest = right;
    }
    peaks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::empty(),
            [one] => *one,
            many => {
                let (left, right) = many.split_at(usize::try_from(super::super::hash::split(many.len() as u64)).unwrap());
                Hash::node(defined(left), defined(right))
            }
        }
    }

    #[test]
    fn the_root_is_the_defined_one_at_every_size() {
        let (mut edge, mut leaves) = (Edge::default(), Vec::new());
        assert_eq!(edge.root(), Hash::empty());
        for n in 0_u32..700 {
            let entry = n.to_be_bytes();
            assert!(edge.push(&entry, &mut |_| ()));
            leaves.push(Hash::leaf(&entry));
            assert_eq!(edge.root(), defined(&leaves), "size {}", n + 1);
        }
    }

    #[test]
    fn completed_and_partial_tiles_are_those_of_the_size() {
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        let size = 65_536 + 300;
        for n in 0_u32..size {
            assert!(edge.push(&n.to_be_bytes(), &mut |filled| full.push(filled.tile)));
        }
        let mut tiles: Vec<Tile> = full.into_iter().chain(edge.partial().into_iter().map(|filled| filled.tile)).collect();
        tiles.sort();
        let mut expected: Vec<Tile> = super::super::tile::tiles_of(u64::from(size)).collect();
        expected.sort();
        assert_eq!(tiles, expected);
    }
}
