//! Lines and fields from what git says, of any bytes and any length, with what is kept of them bounded.

use std::io::{self, BufRead};

/// What is kept of a line; the rest is counted and compared, but not kept.
const LINE_BYTES_MAX: usize = 4_096;

/// What two lines are compared by when spaces do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Of all bytes but spaces.
    pub hash: u64,
    /// How many bytes that are no spaces.
    pub solid: u32,
    /// Whether the line does something: not blank, no comment.
    pub does: bool,
}

/// FNV-1a, whose two constants these are: lines of one file are compared, nobody is kept out by it.
const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_STEP: u64 = 0x0100_0000_01b3;

pub(crate) struct Reader<R> {
    input: R,
    /// The line that was read last, without its end, cut.
    pub line: Vec<u8>,
    /// What it is compared by, its first byte left out.
    pub mark: Mark,
    held: bool,
    /// Bytes read, to say where something is wrong.
    pub at: u64,
}

impl<R: BufRead> Reader<R> {
    pub(crate) fn new(input: R) -> Reader<R> {
        Reader { input, line: Vec::new(), mark: Mark::default(), held: false, at: 0 }
    }

    /// The next byte, which stays; of a line that is held, its first.
    pub(crate) fn peek(&mut self) -> io::Result<Option<u8>> {
        if self.held {
            return Ok(Some(self.line.first().copied().unwrap_or(b'\n')));
        }
        Ok(self.input.fill_buf()?.first().copied())
    }

    /// The line that was read last comes again.
    pub(crate) fn hold(&mut self) {
        self.held = true;
    }

    fn take(&mut self, bytes: usize) {
        self.input.consume(bytes);
        self.at += bytes as u64;
    }

    /// Reads a line into `line`; false at the end.
    pub(crate) fn line(&mut self) -> io::Result<bool> {
        if self.held {
            self.held = false;
            return Ok(true);
        }
        self.line.clear();
        self.mark = Mark { hash: HASH_START, ..Mark::default() };
        let mut started = false;
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(started);
            }
            let end = memchr::memchr(b'\n', buffer);
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len()).min(part.len());
            self.line.extend_from_slice(part.get(..room).unwrap_or_default());
            let content = if started { part } else { part.get(1..).unwrap_or_default() };
            if matches!(self.line.first(), Some(b'+' | b'-')) {
                self.mark = hashed(self.mark, content);
            }
            started = started || !part.is_empty();
            let taken = part.len() + usize::from(end.is_some());
            self.take(taken);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    /// What stands before the next zero byte, cut at `most` bytes, and whether it was cut; nothing where there is no such byte.
    pub(crate) fn field(&mut self, most: usize) -> io::Result<Option<(Vec<u8>, bool)>> {
        let (mut field, mut cut) = (Vec::new(), false);
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let end = memchr::memchr(0, buffer);
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            let room = most.saturating_sub(field.len()).min(part.len());
            field.extend_from_slice(part.get(..room).unwrap_or_default());
            cut = cut || room < part.len();
            let taken = part.len() + usize::from(end.is_some());
            self.take(taken);
            if end.is_some() {
                return Ok(Some((field, cut)));
            }
        }
    }
}

fn hashed(mut mark: Mark, bytes: &[u8]) -> Mark {
    for byte in bytes {
        if !matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c) {
            mark.hash = (mark.hash ^ u64::from(*byte)).wrapping_mul(HASH_STEP);
            mark.solid = mark.solid.saturating_add(1);
        }
    }
    mark
}
