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
}

impl Combined {
    /// `@@@ -a,b -c,d +e,f @@@`.
    pub(super) fn head(line: &[u8], parents: usize) -> Option<Combined> {
        let start = line.split(|byte| *byte == b' ').nth(parents + 1)?.strip_prefix(b"+")?;
        let start = start.split(|byte| *byte == b',').next()?;
        Some(Combined { new: range(start)?.0.saturating_sub(1), lines: Vec::new() })
    }

    /// Takes a line; false where it does not belong.
    pub(super) fn take(&mut self, line: &[u8], parents: usize) -> bool {
        let Some(signs) = line.get(..parents.min(PARENTS_MAX)) else { return false };
        let kept = !signs.contains(&b'-');
        let mut of: Parents = 0;
        for (parent, sign) in signs.iter().enumerate() {
            of |= match sign {
                b'-' => 1 << parent,
                b' ' => Parents::from(kept) << parent,
                b'+' if kept => 0,
                _ => return false,
            };
        }
        self.lines.push(Line { kept, of });
        true
    }

    /// Lines that the merge has and no parent.
    pub(super) fn own_lines(&self) -> u32 {
        u32::try_from(self.lines.iter().filter(|line| line.kept && line.of == 0).count()).unwrap_or(u32::MAX)
    }
}
