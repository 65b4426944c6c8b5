//! Batches of records, as a partition gives them.
//!
//! A batch that cannot be read is an entry too, with the reason and the position behind it, so that it stands in nobody's way.

use super::bytes::Reader;
use super::{Damaged, Fetched};
use std::collections::BTreeSet;

/// How a batch is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// gzip.
    Gzip,
    /// Snappy, by itself or in the frame of its Java library.
    Snappy,
    /// A frame of LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// Unpacks a batch, up to a limit of its own.
pub type Unpack<'a> = &'a dyn Fn(Codec, &[u8]) -> Result<Vec<u8>, Damaged>;

/// A record, or what stands where one should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A record.
    Record {
        /// Its position.
        at: i64,
        /// Headers that are texts.
        headers: Vec<(String, String)>,
        /// Its value; none where a key was taken back.
        value: Option<Vec<u8>>,
    },
    /// A batch that cannot be read, or that is longer than is read.
    Unread {
        /// Position of its first record.
        at: i64,
        /// Position behind its last record.
        next: i64,
        /// Why.
        why: &'static str,
    },
    /// Nothing for a reader: marks of transactions, what was given up, and what was cleaned away.
    Nothing {
        /// Position behind it.
        next: i64,
    },
}

impl Entry {
    /// The position behind it.
    #[must_use]
    pub fn next(&self) -> i64 {
        match self {
            Entry::Record { at, .. } => at.saturating_add(1),
            Entry::Unread { next, .. } | Entry::Nothing { next } => *next,
        }
    }
}

/// Headers of a record that are looked at.
const HEADERS_MAX: usize = 64;
/// The form of batches since 0.11.
const MAGIC: i8 = 2;
const CONTROL: i16 = 0x20;
const TRANSACTIONAL: i16 = 0x10;

struct Head {
    base: i64,
    magic: i8,
    next: i64,
}

/// The first members of a batch, which say where it ends, also where the rest of it is not there.
fn head(mut read: Reader<'_>) -> Result<Head, Damaged> {
    let base = read.i64()?;
    read.take(8)?;
    let magic = read.i8()?;
    // Older forms have one record in each entry.
    let last = if magic == MAGIC {
        read.take(6)?;
        read.i32()?.max(0)
    } else {
        0
    };
    Ok(Head { base, magic, next: base.saturating_add(i64::from(last)).saturating_add(1) })
}

/// The records of what was fetched, from a position on, in order. Where not even one batch is whole, because only the beginning of a long
/// one was read, that one is unread.
#[must_use]
pub fn entries(fetched: &Fetched<'_>, from: i64, unpack: Unpack<'_>) -> Vec<Entry> {
    let (mut read, mut found, mut open) = (Reader(fetched.records), vec![], BTreeSet::new());
    let mut given_up = fetched.given_up.clone();
    given_up.sort_unstable_by_key(|(_, first)| *first);
    while !read.0.is_empty() {
        let Ok(head) = head(read) else { break };
        let mut rest = Reader(&read.0[8..]);
        let Ok(Some(body)) = rest.bytes() else {
            if found.is_empty() && head.next > from {
                found.push(Entry::Unread { at: head.base, next: head.next, why: "a batch of Kafka is longer than is read" });
            }
            break;
        };
        read = rest;
        if head.next <= from {
            continue;
        }
        given_up.retain(|(producer, first)| {
            let begun = *first <= head.base;
            if begun {
                open.insert(*producer);
            }
            !begun
        });
        match batch(&head, body, &mut open, unpack) {
            Ok(entries) => found.extend(entries),
            Err(Damaged(why)) => found.push(Entry::Unread { at: head.base, next: head.next, why }),
        }
        // What was cleaned away leaves no record, and the batch goes on to its end.
        if found.last().is_none_or(|last| last.next() < head.next) {
            found.push(Entry::Nothing { next: head.next });
        }
    }
    found.retain(|entry| entry.next() > from);
    found
}

fn batch(head: &Head, body: &[u8], open: &mut BTreeSet<i64>, unpack: Unpack<'_>) -> Result<Vec<Entry>, Damaged> {
    if head.magic != MAGIC {
        return Err(Damaged("a message of Kafka is of a form before 0.11"));
    }
    let mut read = Reader(body);
    read.take(5)?;
    if read.u32()? != crc32c(read.0) {
        return Err(Damaged("a batch of Kafka is damaged: its checksum is another one"));
    }
    let attributes = read.i16()?;
    read.take(4 + 8 + 8)?;
    let producer = read.i64()?;
    read.take(2 + 4)?;
    let count = read.i32()?;
    if attributes & CONTROL != 0 {
        open.remove(&producer);
        return Ok(vec![]);
    }
    if attributes & TRANSACTIONAL != 0 && open.contains(&producer) {
        return Ok(vec![]);
    }
    let codec = match attributes & 7 {
        0 => None,
        1 => Some(Codec::Gzip),
        2 => Some(Codec::Snappy),
        3 => Some(Codec::Lz4),
        4 => Some(Codec::Zstd),
        _ => return Err(Damaged("a batch of Kafka is packed in a way that is not known")),
    };
    let unpacked = codec.map(|codec| unpack(codec, read.0)).transpose()?;
    let mut read = Reader(unpacked.as_deref().unwrap_or(read.0));
    let mut records = vec![];
    for _ in 0..count.max(0) {
        let Some(bytes) = read.short()? else { return Err(Damaged("a record of Kafka has no length")) };
        records.push(record(head, Reader(bytes))?);
    }
    Ok(records)
}

fn record(head: &Head, mut read: Reader<'_>) -> Result<Entry, Damaged> {
    read.i8()?;
    read.varint()?;
    let at = head.base.saturating_add(read.varint()?);
    if !(head.base..head.next).contains(&at) {
        return Err(Damaged("a record of Kafka lies outside its batch"));
    }
    read.short()?;
    let value = read.short()?.map(<[u8]>::to_vec);
    let count = usize::try_from(read.varint()?).unwrap_or_default();
    let mut headers = vec![];
    for _ in 0..count.min(HEADERS_MAX) {
        let (name, value) = (read.short()?.unwrap_or_default(), read.short()?.unwrap_or_default());
        if let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(Entry::Record { at, headers, value })
}

/// Castagnoli's polynomial, from its lowest bit on.
const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLE: [u32; 256] = {
    let mut table = [0_u32; 256];
    let mut index = 0_u32;
    while index < 256 {
        let (mut value, mut bit) = (index, 0);
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[index as usize] = value;
        index += 1;
    }
    table
};

/// The checksum of a batch.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| sum >> 8 ^ TABLE[((sum ^ u32::from(*byte)) & 0xff) as usize])
}
