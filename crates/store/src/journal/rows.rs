//! A row of the table against the record in its bytes: the bytes are the truth, the columns an index over them. And that no row is missing.
//!
//! Not here: queries.

use rusqlite::Row;
use tidegate_port::{Failure, FailureKind, Record};
use tidegate_wire::record::JournalRecord;

/// A row as it lies in the table.
pub(crate) struct RawRow {
    pub(crate) position: u64,
    pub(crate) stream: String,
    pub(crate) seq: u64,
    pub(crate) at: i64,
    pub(crate) kind: String,
    pub(crate) key: Option<String>,
    pub(crate) bytes: Vec<u8>,
}

impl RawRow {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<RawRow> {
        Ok(RawRow {
            position: number(row, 0)?,
            stream: row.get(1)?,
            seq: number(row, 2)?,
            at: row.get(3)?,
            kind: row.get(4)?,
            key: row.get(5)?,
            bytes: row.get(6)?,
        })
    }

    /// The record, if the columns say the same; `journal` is where it lies.
    pub(crate) fn record(self, journal: &str) -> Result<Record, Failure> {
        let JournalRecord { position, stream, seq, at, kind, key, body } =
            JournalRecord::decode(&self.bytes).map_err(|error| damaged(journal, self.position, &error.to_string()))?;
        let same = position == self.position
            && stream == self.stream
            && seq == self.seq
            && at.0 == self.at
            && kind == self.kind
            && key == self.key;
        if !same {
            return Err(damaged(journal, self.position, "its columns do not say what its bytes say"));
        }
        Ok(Record { position, stream, seq, at, kind, key, body })
    }
}

/// A count in a column. SQLite's integers are signed; a negative one is nobody's and is found as damage later.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// A count as a parameter: beyond the range of a column there is nothing to find.
pub(crate) fn parameter(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Somebody else wrote to the database, or the disk lost something.
pub(crate) fn damaged(journal: &str, position: u64, how: &str) -> Failure {
    Failure {
        kind: FailureKind::Refused,
        operation: "read journal",
        object: format!("record {position} of {journal}"),
        detail: format!("{how}: the database is damaged or was changed by another program; find the extent with `tidegate audit verify`"),
    }
}

/// The exact bytes of rows that begin at a position, none of which is missing.
pub(crate) fn unbroken(rows: Vec<(u64, Vec<u8>)>, from: u64, journal: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let leaf =
        |(expected, (position, bytes))| if position == expected { Ok(bytes) } else { Err(damaged(journal, expected, "it is missing")) };
    (from..).zip(rows).map(leaf).collect()
}

/// Holds all of so many rows against their records; `read` gives those from a position on.
pub(crate) fn check(size: u64, journal: &str, mut read: impl FnMut(u64) -> Result<Vec<RawRow>, Failure>) -> Result<u64, Failure> {
    let mut next = 0;
    while next < size {
        let rows = read(next)?;
        if rows.is_empty() {
            return Err(damaged(journal, next, "it is missing"));
        }
        for row in rows {
            if row.position != next {
                return Err(damaged(journal, next, "it is missing"));
            }
            row.record(journal)?;
            next += 1;
        }
    }
    Ok(size)
}
