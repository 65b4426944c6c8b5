//! The words of changes beside what was mined of them: numbers by commit, in a file of their own, which goes with the state that was mined.

use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use std::collections::HashMap;
use std::path::Path;
use tidegate_history::Id;
use tidegate_learn::words::{BUCKETS, WORDS_MAX, Words};
use tidegate_store::disk;

/// What a file begins with: its form, and its version.
const HEAD: &[u8; 8] = b"tgwords1";
/// Longest file that is read.
const BYTES_MAX: u64 = 4 << 30;

/// Words of changes.
#[derive(Default)]
pub struct Worded(HashMap<Id, Words>);

impl Worded {
    /// Of a file; none where there is none, or it is not whole.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn load(path: &Path) -> Result<Option<Worded>> {
        let Ok(meta) = std::fs::metadata(path) else { return Ok(None) };
        if meta.len() > BYTES_MAX {
            return Err(failure(exit::USAGE, format!("read {}: it is longer than {BYTES_MAX} bytes: remove it", path.display())));
        }
        Ok(parse(&std::fs::read(path).with_context(|| format!("read {}", path.display()))?))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut bytes = HEAD.to_vec();
        let mut order: Vec<(String, &Words)> = self.0.iter().map(|(id, words)| (id.to_string(), words)).collect();
        // The same history gives the same bytes.
        order.sort_unstable();
        for (id, words) in order {
            bytes.push(u8::try_from(id.len())?);
            bytes.extend_from_slice(id.as_bytes());
            bytes.extend_from_slice(&u16::try_from(words.len())?.to_le_bytes());
            words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        }
        Ok(disk::replace_file(path, &bytes)?)
    }

    /// Takes a change in.
    pub fn add(&mut self, id: Id, words: Words) {
        self.0.insert(id, words);
    }

    /// Of a change; none where they are not known.
    #[must_use]
    pub fn of(&self, id: &Id) -> Option<&Words> {
        self.0.get(id)
    }

    /// Of several changes that become one.
    #[must_use]
    pub fn of_all<'i>(&self, ids: impl Iterator<Item = &'i Id>) -> Words {
        let mut all: Words = ids.filter_map(|id| self.of(id)).flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        all.truncate(WORDS_MAX);
        all
    }
}

fn parse(bytes: &[u8]) -> Option<Worded> {
    let mut rest = bytes.strip_prefix(HEAD)?;
    let mut worded = Worded::default();
    while let Some((length, after)) = rest.split_first() {
        let (id, after) = after.split_at_checked(usize::from(*length))?;
        let (count, after) = after.split_first_chunk::<2>()?;
        let (words, after) = after.split_at_checked(2 * usize::from(u16::from_le_bytes(*count)))?;
        let words: Words = words.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        if words.len() > WORDS_MAX || words.iter().any(|word| usize::from(*word) >= BUCKETS) {
            return None;
        }
        worded.add(Id::read(id)?, words);
        rest = after;
    }
    Some(worded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words");
        assert!(Worded::load(&path).unwrap().is_none());
        let id = |digit: &str| Id::read(digit.repeat(40).as_bytes()).unwrap();
        let mut worded = Worded::default();
        worded.add(id("a"), vec![1, 7, 4_095]);
        worded.add(id("b"), vec![]);
        worded.save(&path).unwrap();
        let read = Worded::load(&path).unwrap().unwrap();
        assert_eq!((read.of(&id("a")), read.of(&id("b")), read.of(&id("c"))), (Some(&vec![1, 7, 4_095]), Some(&vec![]), None));
        assert_eq!(read.of_all([id("a"), id("b"), id("c")].iter()), [1, 7, 4_095]);
        let bytes = std::fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            // A cut between two changes is a shorter file.
            let whole = cut == HEAD.len() || cut == HEAD.len() + 49;
            assert_eq!(parse(&bytes[..cut]).is_some(), whole, "{cut}");
        }
        assert!(parse(&[HEAD.as_slice(), &[40], "a".repeat(40).as_bytes(), &[1, 0], &[0xff, 0xff]].concat()).is_none());
    }
}
