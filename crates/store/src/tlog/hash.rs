//! Hashes of the tree (RFC 6962) and the two proofs over them, as pure functions.
//!
//! Not here: where the hashes are stored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// A SHA-256 hash in the tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; HASH_BYTES]);

impl Hash {
    /// The root of the tree without entries: SHA-256 of nothing.
    #[must_use]
    pub fn empty() -> Hash {
        Hash(Sha256::digest([]).into())
    }

    /// The hash of an entry: SHA-256 of a zero byte and the entry.
    #[must_use]
    pub fn leaf(entry: &[u8]) -> Hash {
        Hash(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
    }

    /// The hash over two subtrees: SHA-256 of a one byte and both.
    #[must_use]
    pub fn node(left: Hash, right: Hash) -> Hash {
        Hash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// Standard base64.
    #[must_use]
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }

    /// From standard base64 of exactly 32 bytes.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Hash> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Hash)
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_base64())
    }
}

/// The root over a power of two of neighbouring hashes; none when there is none.
#[must_use]
pub fn fold(mut hashes: Vec<Hash>) -> Option<Hash> {
    while hashes.len() > 1 {
        hashes = hashes.chunks(2).map(|pair| if let [left, right] = pair { Hash::node(*left, *right) } else { pair[0] }).collect();
    }
    hashes.pop()
}

/// The largest power of two that is less than `n`, for `n` of 2 and more.
pub(crate) fn split(n: u64) -> u64 {
    debug_assert!(n > 1);
    1 << (n - 1).ilog2()
}

/// Gives the root of the complete subtree of `2^level` leaves that starts at leaf `index * 2^level`.
pub trait Nodes {
    /// Why a hash could not be had.
    type Error;

    /// One node.
    ///
    /// # Errors
    /// When it cannot be read.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The root over the leaves `from..to`; `from` is a multiple of the power of two that covers them.
///
/// # Errors
/// When a node cannot be read.
pub fn range_root<N: Nodes>(nodes: &mut N, from: u64, to: u64) -> Result<Hash, N::Error> {
    let n = to - from;
    if n == 0 {
        return Ok(Hash::empty());
    }
    if n.is_power_of_two() {
        return nodes.node(n.ilog2(), from >> n.ilog2());
    }
    let middle = from + split(n);
    Ok(Hash::node(range_root(nodes, from, middle)?, range_root(nodes, middle, to)?))
}

/// The audit path of leaf `index` in the tree of `size` leaves, from the leaf upwards.
///
/// # Errors
/// When a node cannot be read.
pub fn inclusion<N: Nodes>(nodes: &mut N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let (mut from, mut to, mut path) = (0, size, Vec::new());
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(range_root(nodes, middle, to)?);
            to = middle;
        } else {
            path.push(range_root(nodes, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `old` leaves is a prefix of the tree of `new` leaves, for `0 < old <= new`.
///
/// # Errors
/// When a node cannot be read.
pub fn consistency<N: Nodes>(nodes: &mut N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    let (mut from, mut to, mut path, mut whole) = (0, new, Vec::new(), true);
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            path.push(range_root(nodes, middle, to)?);
            to = middle;
        } else {
            path.push(range_root(nodes, from, middle)?);
            from = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(range_root(nodes, from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// The root that `path` leads to from leaf `leaf` at `index` in a tree of `size`; none when the path has another length.
#[must_use]
pub fn root_of_inclusion(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut position, mut last, mut root) = (index, size - 1, leaf);
    for hash in path {
        if last == 0 {
            return None;
        }
        if position & 1 == 1 || position == last {
            root = Hash::node(*hash, root);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            root = Hash::node(root, *hash);
        }
        position >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

/// Whether `path` proves that the tree (`old`, `old_root`) is a prefix of the tree (`new`, `new_root`).
#[must_use]
pub fn check_consistency(old: u64, old_root: Hash, new: u64, new_root: Hash, path: &[Hash]) -> bool {
    if old == new || old == 0 {
        return path.is_empty() && (old == 0 || old_root == new_root) && (old != 0 || old_root == Hash::empty());
    }
    if old > new {
        return false;
    }
    let (start, rest) = if old.is_power_of_two() {
        (old_root, path)
    } else {
        match path.split_first() {
            Some((first, rest)) => (*first, rest),
            None => return false,
        }
    };
    let (mut position, mut last) = (old - 1, new - 1);
    while position & 1 == 1 {
        position >>= 1;
        last >>= 1;
    }
    let (mut small, mut large) = (start, start);
    for hash in rest {
        if last == 0 {
            return false;
        }
        if position & 1 == 1 || position == last {
            small = Hash::node(*hash, small);
            large = Hash::node(*hash, large);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            large = Hash::node(large, *hash);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && small == old_root && large == new_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// The definition of RFC 6962, over all leaves at once.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::empty(),
            [one] => *one,
            many => {
                let (left, right) = many.split_at(usize::try_from(split(many.len() as u64)).unwrap());
                Hash::node(defined(left), defined(right))
            }
        }
    }

    struct Plain(Vec<Hash>);
    impl Nodes for Plain {
        type Error = Infallible;
        fn node(&mut self, level: u32, index: u64) -> Result<Hash, Infallible> {
            let (start, count) = (usize::try_from(index << level).unwrap(), 1 << level);
            Ok(defined(&self.0[start..start + count]))
        }
    }

    #[test]
    fn every_pair_of_small_sizes_proves_and_no_wrong_one_does() {
        let leaves: Vec<Hash> = (0_u8..34).map(|n| Hash::leaf(&[n])).collect();
        let roots: Vec<Hash> = (0..=leaves.len()).map(|n| defined(&leaves[..n])).collect();
        let mut nodes = Plain(leaves.clone());
        for new in 1..=34_u64 {
            let root = roots[new as usize];
            assert_eq!(range_root(&mut nodes, 0, new).unwrap(), root);
            for index in 0..new {
                let path = inclusion(&mut nodes, index, new).unwrap();
                let found = |i: u64, leaf: Hash, path: &[Hash]| root_of_inclusion(leaf, i, new, path) == Some(root);
                assert!(found(index, leaves[index as usize], &path), "{index} of {new}");
                assert!(!found(index, Hash::leaf(b"other"), &path));
                assert!(new == 1 || !found((index + 1) % new, leaves[index as usize], &path), "{index} of {new}");
                assert!(path.is_empty() || !found(index, leaves[index as usize], &path[1..]));
                assert!(!found(index, leaves[index as usize], &[path.as_slice(), &[root]].concat()));
            }
            for old in 1..=new {
                let path = consistency(&mut nodes, old, new).unwrap();
                assert!(check_consistency(old, roots[old as usize], new, root, &path), "{old} -> {new}");
                assert!(!check_consistency(old, Hash::leaf(b"x"), new, root, &path), "{old} -> {new}");
                assert!(!check_consistency(old, roots[old as usize], new, Hash::leaf(b"x"), &path), "{old} -> {new}");
                assert!(old == new || !check_consistency(old, roots[old as usize], new, root, &path[1..]));
            }
        }
    }
}
