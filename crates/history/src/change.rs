//! A change, as it is told: who it descends from, which files it touched, what was measured, how it ended.

use crate::features::Features;
use crate::label::Label;
use std::fmt;

/// Longest id that git gives, in bytes (SHA-256).
const ID_BYTES_MAX: usize = 32;

/// The id of an object in git: 20 bytes of SHA-1 or 32 of SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    bytes: [u8; ID_BYTES_MAX],
    length: u8,
}

impl Id {
    /// Reads hexadecimal digits: 40, or 64.
    #[must_use]
    pub fn read(hex: &[u8]) -> Option<Id> {
        let length = hex.len() / 2;
        if hex.len() != 40 && hex.len() != 64 {
            return None;
        }
        let mut bytes = [0; ID_BYTES_MAX];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks(2)) {
            let (high, low) = (nibble(*pair.first()?)?, nibble(*pair.get(1)?)?);
            *byte = high << 4 | low;
        }
        Some(Id { bytes, length: u8::try_from(length).ok()? })
    }

    pub(crate) fn of_bytes(raw: &[u8]) -> Option<Id> {
        let mut bytes = [0; ID_BYTES_MAX];
        bytes.get_mut(..raw.len())?.copy_from_slice(raw);
        Some(Id { bytes, length: u8::try_from(raw.len()).ok()? })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl fmt::Display for Id {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().iter().try_for_each(|byte| write!(to, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, to)
    }
}

/// The place of a change in [`crate::Mined::changes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeNumber(pub u32);

/// One author apart from others. It says nothing of who that is, and another repository gives other numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorNumber(pub u32);

/// The place of a path in [`crate::Mined::paths`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathNumber(pub u32);

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
    /// Its content, mode or type is another.
    Changed,
    /// It has another path, and perhaps another content.
    Renamed,
}

/// A file that a change touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path; of a deleted file the one it had.
    pub path: PathNumber,
    /// The path it was renamed from.
    pub from: Option<PathNumber>,
    /// What became of it.
    pub kind: Kind,
    /// Lines added; 0 of a binary file.
    pub added: u32,
    /// Lines deleted; 0 of a binary file.
    pub deleted: u32,
    /// Whether git shows no lines of it.
    pub binary: bool,
}

/// A change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its commit.
    pub id: Id,
    /// Those it descends from. In a shallow clone they end early.
    pub parents: Vec<ChangeNumber>,
    /// When it was committed, in seconds since 1970.
    pub at_s: i64,
    /// Who wrote it.
    pub author: AuthorNumber,
    /// What it touched. Of a merge: what differs from each of its parents.
    pub files: Vec<File>,
    /// What was measured.
    pub features: Features,
    /// How it ended, as far as known.
    pub label: Label,
}

impl Change {
    /// Whether it has more than one parent. A merge counts in no history, and has no label.
    #[must_use]
    pub fn merge(&self) -> bool {
        self.parents.len() > 1
    }
}

/// How a fix was traced to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The fix deletes or changes lines that the change wrote.
    Lines,
    /// The message of the fix names the change: a revert, or a `Fixes:` line.
    Named,
}

/// A fix, and a change that made it necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The change that was fixed.
    pub of: ChangeNumber,
    /// The fix.
    pub by: ChangeNumber,
    /// The file, where lines tell it.
    pub path: Option<PathNumber>,
    /// What tells it.
    pub way: Way,
}
