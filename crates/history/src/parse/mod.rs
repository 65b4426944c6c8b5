//! What `git log` says of a commit, read as bytes: a path, a name, a line may be of any. What is kept has limits with names.
//!
//! A body is read by the counts of its hunk, so that a line of a file is never taken for one of git's own.

mod combined;
mod raw;
mod reader;
mod section;

pub(crate) use combined::Combined;
pub(crate) use raw::{PARENTS_MAX, Raw};
pub(crate) use reader::{Mark, Reader};

use crate::change::Id;
use std::io::{self, BufRead};

/// What is kept of a message.
pub(crate) const MESSAGE_BYTES_MAX: usize = 65_536;
/// What is kept of the lines that a change adds, to take words from.
pub(crate) const ADDED_BYTES_MAX: usize = 16_384;
/// Longest name or address of an author that tells authors apart.
const NAME_BYTES_MAX: usize = 1_024;
/// Lines of one change that are remembered one by one; beyond, none is traced and none found again elsewhere.
const CHANGE_LINES_MAX: usize = 200_000;
/// Most files of one change.
const FILES_MAX: usize = 1 << 20;

/// Who wrote a change, as a digest: authors are compared, never told.
pub(crate) type AuthorKey = [u8; 16];

/// A commit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Commit {
    pub id: Id,
    pub parents: Vec<Id>,
    pub at_s: i64,
    /// When it was written, on the author's own clock on the wall.
    pub written_local_s: i64,
    pub author: AuthorKey,
    pub message: Vec<u8>,
    pub files: Vec<FileDiff>,
    pub added: Vec<u8>,
    /// Whether lines were too many to be remembered one by one.
    pub unmarked: bool,
}

/// Lines replaced by others, both counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hunk {
    pub old: u32,
    pub old_lines: u32,
    pub new_lines: u32,
}

/// A file of a commit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileDiff {
    pub raw: Raw,
    pub binary: bool,
    pub hunks: Vec<Hunk>,
    /// Of each line taken away, in order.
    pub minus: Vec<Mark>,
    /// Of each line added, in order.
    pub plus: Vec<Mark>,
    /// Of a merge.
    pub combined: Vec<Combined>,
    pub added: u32,
    pub deleted: u32,
}

/// Why what git said is not understood.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// It could not be read.
    #[error("what git says could not be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("git says something unexpected at byte {at}: {what}")]
    Unexpected {
        /// How far the reading came.
        at: u64,
        /// What was looked for.
        what: &'static str,
    },
}

pub(crate) struct Parser<R> {
    reader: Reader<R>,
    marks: usize,
}

impl<R: BufRead> Parser<R> {
    pub(crate) fn new(input: R) -> Parser<R> {
        Parser { reader: Reader::new(input), marks: 0 }
    }

    fn wrong<T>(&self, what: &'static str) -> Result<T, Malformed> {
        Err(Malformed::Unexpected { at: self.reader.at, what })
    }

    fn field(&mut self, most: usize) -> Result<(Vec<u8>, bool), Malformed> {
        match self.reader.field(most)? {
            Some(field) => Ok(field),
            None => self.wrong("the end came within the head of a commit"),
        }
    }

    /// The next commit of `git log` in [`crate::git::FORMAT`].
    pub(crate) fn commit(&mut self) -> Result<Option<Commit>, Malformed> {
        let Some(ids) = self.begin()? else { return Ok(None) };
        let (Some(id), parents) = (ids.first().copied(), ids.get(1..).unwrap_or_default().to_vec()) else {
            return self.wrong("a commit without an id");
        };
        let (times, _) = self.field(NAME_BYTES_MAX)?;
        let Some((at_s, written_local_s)) = times_of(&times) else { return self.wrong("no times of a commit") };
        let (address, _) = self.field(NAME_BYTES_MAX)?;
        let (name, _) = self.field(NAME_BYTES_MAX)?;
        let (message, _) = self.field(MESSAGE_BYTES_MAX)?;
        let author = author(&address, &name);
        self.marks = 0;
        let mut commit =
            Commit { id, parents, at_s, written_local_s, author, message, files: Vec::new(), added: Vec::new(), unmarked: false };
        let mut place = 0;
        while self.in_record()? {
            match self.reader.line.first() {
                None => {}
                Some(b':') => commit.files.push(self.file()?),
                Some(b'd') => self.section(&mut commit, &mut place)?,
                Some(_) => return self.wrong("a line that belongs to no file"),
            }
            if commit.files.len() > FILES_MAX {
                return self.wrong("a change with more files than can be held (FILES_MAX)");
            }
        }
        Ok(Some(commit))
    }

    /// The next merge of `git log --raw` in [`crate::git::FORMAT_MERGES`]: what differs from its first parent.
    pub(crate) fn merge(&mut self) -> Result<Option<(Id, Vec<Raw>)>, Malformed> {
        let Some(ids) = self.begin()? else { return Ok(None) };
        let Some(id) = ids.first().copied() else { return self.wrong("a merge without an id") };
        let mut files = Vec::new();
        while self.in_record()? {
            if self.reader.line.is_empty() {
                continue;
            }
            files.push(self.file()?.raw);
            if files.len() > FILES_MAX {
                return self.wrong("a merge with more files than can be held (FILES_MAX)");
            }
        }
        Ok(Some((id, files)))
    }

    /// The ids at the head of a record; nothing at the end.
    fn begin(&mut self) -> Result<Option<Vec<Id>>, Malformed> {
        match self.reader.peek()? {
            None => return Ok(None),
            Some(0) => {
                let _ = self.field(0)?;
            }
            Some(_) => return self.wrong("no head of a commit"),
        }
        let (ids, cut) = self.field((PARENTS_MAX + 1) * 65)?;
        let ids: Option<Vec<Id>> = ids.split(|byte| *byte == b' ').filter(|id| !id.is_empty()).map(Id::read).collect();
        match ids {
            Some(ids) if !cut && ids.len() <= PARENTS_MAX + 1 => Ok(Some(ids)),
            _ => self.wrong("no ids of a commit, or more parents than PARENTS_MAX"),
        }
    }

    /// Reads a line, unless the next record or the end has come.
    fn in_record(&mut self) -> Result<bool, Malformed> {
        Ok(!matches!(self.reader.peek()?, None | Some(0)) && self.reader.line()?)
    }

    fn file(&mut self) -> Result<FileDiff, Malformed> {
        match Raw::read(&self.reader.line) {
            Some(raw) => Ok(FileDiff {
                raw,
                binary: false,
                hunks: Vec::new(),
                minus: Vec::new(),
                plus: Vec::new(),
                combined: Vec::new(),
                added: 0,
                deleted: 0,
            }),
            None => self.wrong("no line of `--raw`"),
        }
    }
}

/// Who somebody is, by an address, or by a name where there is none.
pub(crate) fn author(address: &[u8], name: &[u8]) -> AuthorKey {
    let address = address.trim_ascii().to_ascii_lowercase();
    let told = if address.is_empty() { name.trim_ascii().to_ascii_lowercase() } else { address };
    let mut key = AuthorKey::default();
    key.iter_mut().zip(blake3::hash(&told).as_bytes()).for_each(|(to, from)| *to = *from);
    key
}

/// `COMMITTED WRITTEN +HHMM`: the second on the author's clock.
fn times_of(times: &[u8]) -> Option<(i64, i64)> {
    let text = std::str::from_utf8(times).ok()?;
    let mut words = text.split(' ');
    let at_s: i64 = words.next()?.parse().ok()?;
    let written: i64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(at_s);
    let zone: i64 = words.next().and_then(|word| word.parse().ok()).filter(|zone: &i64| zone.abs() <= 1_400).unwrap_or(0);
    Some((at_s, written.saturating_add((zone / 100 * 60 + zone % 100) * 60)))
}

#[cfg(test)]
pub(crate) use tests::sample;

#[cfg(test)]
mod tests;
