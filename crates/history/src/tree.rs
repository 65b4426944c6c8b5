//! The files of one commit with the changes that wrote their lines, so that a branch costs only what differs.
//!
//! A tree of fixed depth over path numbers whose nodes are shared until one is written.

use crate::change::Id;
use std::sync::Arc;

/// Bits of a path number that one level looks at.
const LEVEL_BITS: u32 = 4;
const WIDTH: usize = 1 << LEVEL_BITS;
/// Levels above the leaves.
const DEPTH: u32 = 4;
/// Most paths that one history may have had.
pub(crate) const PATHS_MAX: u32 = 1 << (LEVEL_BITS * (DEPTH + 1));

/// Who wrote the lines of a file, each as the number of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub blob: Id,
    /// Whom lines belong to that were never seen: of a file that was binary, or too long.
    pub base: u32,
    pub lines: Arc<Vec<u32>>,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one node in sixteen is no leaf, and every node lies behind a pointer")]
pub(crate) enum Node {
    Inner([Option<Arc<Node>>; WIDTH]),
    Leaf([Option<Written>; WIDTH]),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Tree(pub(crate) Option<Arc<Node>>);

fn slot(path: u32, level: u32) -> usize {
    (path >> (LEVEL_BITS * level)) as usize % WIDTH
}

fn empty(level: u32) -> Arc<Node> {
    Arc::new(if level == 0 { Node::Leaf(Default::default()) } else { Node::Inner(Default::default()) })
}

impl Tree {
    pub(crate) fn get(&self, path: u32) -> Option<&Written> {
        let mut node = self.0.as_deref()?;
        let mut level = DEPTH;
        loop {
            match node {
                Node::Leaf(leaf) => return leaf.get(slot(path, 0))?.as_ref(),
                Node::Inner(inner) => node = inner.get(slot(path, level))?.as_deref()?,
            }
            level = level.saturating_sub(1);
        }
    }

    /// A path at or above [`PATHS_MAX`] is the caller's to refuse.
    pub(crate) fn set(&mut self, path: u32, written: Option<Written>) {
        let mut node = self.0.get_or_insert_with(|| empty(DEPTH));
        let mut level = DEPTH;
        loop {
            match Arc::make_mut(node) {
                Node::Leaf(leaf) => {
                    if let Some(place) = leaf.get_mut(slot(path, 0)) {
                        *place = written;
                    }
                    return;
                }
                Node::Inner(inner) => {
                    let Some(place) = inner.get_mut(slot(path, level)) else { return };
                    level = level.saturating_sub(1);
                    node = place.get_or_insert_with(|| empty(level));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_does_not_see_what_is_written_later() {
        let id = Id::read(&[b'a'; 40]).unwrap();
        let written = |base| Some(Written { blob: id, base, lines: Arc::default() });
        let mut tree = Tree::default();
        for path in 0..5_000 {
            tree.set(path * 7 % PATHS_MAX, written(path));
        }
        let before = tree.clone();
        tree.set(7, None);
        tree.set(14, written(99));
        assert_eq!((tree.get(7).is_none(), tree.get(14).unwrap().base, before.get(7).unwrap().base), (true, 99, 1));
        assert!((0..5_000).all(|path| before.get(path * 7).unwrap().base == path));
        assert!(before.get(PATHS_MAX - 1).is_none());
    }
}
