//! A hunk of a merge: of each line, which parents have it.

use super::raw::PARENTS_MAX;
use super::section::range;

/// A bit for each parent.
pub(crate) type Parents = u128;

/// One line of a hunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Whether the merge has it.
    pub kept: bool,
    /// The parents that have it.
    pub of: Parents,
}

/// A hunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Combined {
    /// Its first line in the merge, counted from 0.
    pub new: u32,
    pub lines: Vec<Line>,
    left: Vec<u32>,
    left_new: u32,
}

impl Combined {
    /// `@@@ -a,b -c,d +e,f @@@`.
    pub(super) fn head(line: &[u8], parents: usize) -> Option<Combined> {
        let mut words = line.split(|byte| *byte == b' ').skip(1);
        let mut left = Vec::with_capacity(parents.min(PARENTS_MAX));
        for _ in 0..parents {
            left.push(range(words.next()?.strip_prefix(b"-")?)?.1);
        }
        let (start, left_new) = range(words.next()?.strip_prefix(b"+")?)?;
        Some(Combined { new: start.saturating_sub(1), lines: Vec::new(), left, left_new })
    }

    pub(super) fn full(&self) -> bool {
        self.left_new == 0 && self.left.iter().all(|left| *left == 0)
    }

    /// Takes a line; false where it does not belong.
    pub(super) fn take(&mut self, line: &[u8], parents: usize) -> bool {
        let Some(signs) = line.get(..parents) else { return false };
        let kept = !signs.contains(&b'-');
        let mut of: Parents = 0;
        for (parent, sign) in signs.iter().enumerate() {
            let has = match sign {
                b'-' => true,
                b' ' => kept,
                b'+' if kept => false,
                _ => return false,
            };
            if has {
                let Some(left) = self.left.get_mut(parent).filter(|left| **left > 0) else { return false };
                *left -= 1;
                of |= 1 << parent;
            }
        }
        if kept {
            let Some(left) = self.left_new.checked_sub(1) else { return false };
            self.left_new = left;
        }
        self.lines.push(Line { kept, of });
        true
    }

    /// Lines that the merge has and no parent.
    pub(super) fn own_lines(&self) -> u32 {
        u32::try_from(self.lines.iter().filter(|line| line.kept && line.of == 0).count()).unwrap_or(u32::MAX)
    }
}
