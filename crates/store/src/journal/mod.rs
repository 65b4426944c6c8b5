//! The journal on SQLite: one table of records, each with the exact bytes that the transparency log hashes.
//!
//! WAL and synchronous FULL: an append that returned is on the disk. Writers of several processes are safe: each
//! append is one immediate transaction that counts the stream again, so the loser gets a conflict.
//! Not here: tiles and proofs ([`crate::tlog`]), and what an event means.

mod any;
pub(crate) mod rows;
mod schema;
pub(crate) mod shared;

pub use any::{AnyJournal, JournalAddress};

use crate::disk::{self, Guard};
use rows::{RawRow, number, parameter};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use shared::{Place, check_limits, encode};
use std::path::{Path, PathBuf};
use tidegate_core::id::At;
use tidegate_port::{Appended, Failure, FailureKind, Fence, Journal, JournalError, NewEvent, Record};

/// Longest name of a stream in bytes.
pub const STREAM_BYTES_MAX: usize = 512;
/// Longest idempotency key in bytes.
pub const KEY_BYTES_MAX: usize = 512;
/// Most events of one append.
pub const EVENTS_PER_APPEND_MAX: usize = 8_192;
/// How long a writer waits for another writer's transaction, in milliseconds.
pub const BUSY_WAIT_MS: u64 = 10_000;

/// The journal in one database file.
#[derive(Debug)]
pub struct SqliteJournal {
    connection: Connection,
    path: PathBuf,
    read_only: bool,
}

impl SqliteJournal {
    /// Opens the journal at `path` for reading and writing; makes it when absent.
    ///
    /// # Errors
    /// [`FailureKind::Refused`] when the file is no journal, is damaged, or is of a newer version.
    pub fn open(path: &Path) -> Result<SqliteJournal, Failure> {
        if let Some(parent) = path.parent() {
            disk::make_dir(parent)?;
        }
        // SQLite's switch to WAL does not wait for others that open a new file at the same time.
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let _guard = Guard::wait(Path::new(&lock))?;
        let connection = schema::open(path).map_err(|e| schema::failure("open journal", path, &e))?;
        SqliteJournal { connection, path: path.to_owned(), read_only: false }.ready()
    }

    /// Opens the journal at `path` for reading: for clients and auditors beside a running writer.
    ///
    /// # Errors
    /// [`FailureKind::Gone`] when there is none; otherwise as [`SqliteJournal::open`].
    pub fn open_read_only(path: &Path) -> Result<SqliteJournal, Failure> {
        if !path.is_file() {
            return Err(Failure {
                kind: FailureKind::Gone,
                operation: "open journal",
                object: path.display().to_string(),
                detail: "there is no journal here: check the workspace, or run `tidegate up` first".into(),
            });
        }
        let connection = schema::open_read_only(path).map_err(|e| schema::failure("open journal", path, &e))?;
        SqliteJournal { connection, path: path.to_owned(), read_only: true }.ready()
    }

    /// Checks the version, and that the newest record can be read.
    fn ready(self) -> Result<SqliteJournal, Failure> {
        schema::check(&self.connection, &self.path, self.read_only)?;
        let size = self.size()?;
        if let Some(last) = size.checked_sub(1) {
            for row in self.rows("WHERE position >= ?1 ORDER BY position LIMIT 1", params![parameter(last)])? {
                row.record(&self.place())?;
            }
        }
        Ok(self)
    }

    /// Where the database lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// How many records there are.
    ///
    /// # Errors
    /// When the database fails.
    pub fn size(&self) -> Result<u64, Failure> {
        next_position(&self.connection).map_err(|e| self.failure("read journal", &e))
    }

    /// The exact bytes of at most `limit` records from `from` on, in order: the leaves of the log.
    ///
    /// # Errors
    /// When the database fails, or a position is missing.
    pub fn leaves(&self, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let read = || -> rusqlite::Result<Vec<(u64, Vec<u8>)>> {
            let mut statement =
                self.connection.prepare_cached("SELECT position, bytes FROM records WHERE position >= ?1 ORDER BY position LIMIT ?2")?;
            statement.query_map(params![parameter(from), parameter(limit as u64)], |row| Ok((number(row, 0)?, row.get(1)?)))?.collect()
        };
        let rows = read().map_err(|e| self.failure("read journal", &e))?;
        let mut leaves = Vec::with_capacity(rows.len());
        for (expected, (position, bytes)) in (from..).zip(rows) {
            if position != expected {
                return Err(rows::damaged(&self.place(), expected, "it is missing"));
            }
            leaves.push(bytes);
        }
        Ok(leaves)
    }

    /// SQLite's own check of the whole file, then every row against its record.
    ///
    /// # Errors
    /// [`FailureKind::Refused`] on the first damage that is found.
    pub fn check_whole(&mut self) -> Result<u64, Failure> {
        schema::integrity(&self.connection, &self.path)?;
        let size = self.size()?;
        let mut next = 0;
        while next < size {
            let records = self.read_all(next, EVENTS_PER_APPEND_MAX).map_err(into_failure)?;
            for (expected, record) in (next..).zip(&records) {
                if record.position != expected {
                    return Err(rows::damaged(&self.place(), expected, "it is missing"));
                }
            }
            if records.is_empty() {
                return Err(rows::damaged(&self.place(), next, "it is missing"));
            }
            next += records.len() as u64;
        }
        Ok(size)
    }

    fn rows(&self, tail: &str, params: impl rusqlite::Params) -> Result<Vec<RawRow>, Failure> {
        let read = || -> rusqlite::Result<Vec<RawRow>> {
            let mut statement =
                self.connection.prepare_cached(&format!("SELECT position, stream, seq, at, kind, key, bytes FROM records {tail}"))?;
            statement.query_map(params, RawRow::of)?.collect()
        };
        read().map_err(|e| self.failure("read journal", &e))
    }

    fn records(&self, tail: &str, params: impl rusqlite::Params) -> Result<Vec<Record>, JournalError> {
        Ok(self.rows(tail, params)?.into_iter().map(|row| row.record(&self.place())).collect::<Result<_, _>>()?)
    }

    fn failure(&self, operation: &'static str, error: &rusqlite::Error) -> Failure {
        schema::failure(operation, &self.path, error)
    }
}

/// What one append writes.
struct Batch<'a> {
    fence: Option<&'a Fence>,
    stream: &'a str,
    expected_seq: u64,
    key: Option<&'a str>,
    at: At,
    events: &'a [NewEvent],
}

impl Batch<'_> {
    /// Inside one immediate transaction, so nobody can append in between.
    fn write(&self, transaction: &Transaction<'_>, wrap: impl Fn(rusqlite::Error) -> JournalError) -> Result<Appended, JournalError> {
        if let Some(Fence { stream: by, seq: expected }) = self.fence {
            let actual = stream_length(transaction, by).map_err(&wrap)?;
            if actual != *expected {
                return Err(JournalError::Fenced { stream: self.stream.to_owned(), by: by.clone(), expected: *expected, actual });
            }
        }
        if let Some(first_seq) = self.earlier_use(transaction).map_err(&wrap)? {
            return Ok(Appended::Already { first_seq });
        }
        let actual = stream_length(transaction, self.stream).map_err(&wrap)?;
        if actual != self.expected_seq {
            return Err(JournalError::Conflict { stream: self.stream.to_owned(), expected: self.expected_seq, actual });
        }
        let first_position = next_position(transaction).map_err(&wrap)?;
        for (index, event) in (0_u64..).zip(self.events) {
            let (position, seq) = (first_position + index, actual + index);
            let place = Place { position, stream: self.stream, seq, at: self.at, key: self.key };
            let bytes = encode(&place, event)?;
            let first = (self.key.is_some() && index == 0).then_some(1);
            transaction
                .prepare_cached(
                    "INSERT INTO records (position, stream, seq, at, kind, key, first, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )
                .and_then(|mut insert| {
                    insert.execute(params![parameter(position), self.stream, parameter(seq), self.at.0, event.kind, self.key, first, bytes])
                })
                .map_err(&wrap)?;
        }
        Ok(Appended::New { first_seq: actual, first_position })
    }

    fn earlier_use(&self, transaction: &Transaction<'_>) -> rusqlite::Result<Option<u64>> {
        let Some(key) = self.key else { return Ok(None) };
        transaction
            .prepare_cached("SELECT seq FROM records WHERE stream = ?1 AND key = ?2 AND first = 1")?
            .query_row(params![self.stream, key], |row| number(row, 0))
            .optional()
    }
}

fn stream_length(transaction: &Transaction<'_>, stream: &str) -> rusqlite::Result<u64> {
    transaction
        .prepare_cached("SELECT coalesce(max(seq) + 1, 0) FROM records WHERE stream = ?1")?
        .query_row(params![stream], |row| number(row, 0))
}

fn next_position(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT coalesce(max(position) + 1, 0) FROM records")?.query_row([], |row| number(row, 0))
}

/// A read fails only by the store.
fn into_failure(error: JournalError) -> Failure {
    match error {
        JournalError::Store(failure) => failure,
        other => Failure { kind: FailureKind::Refused, operation: "read journal", object: "journal".into(), detail: other.to_string() },
    }
}

impl Journal for SqliteJournal {
    fn append_under(
        &mut self,
        fence: Option<&Fence>,
        stream: &str,
        expected_seq: u64,
        key: Option<&str>,
        at: At,
        events: &[NewEvent],
    ) -> Result<Appended, JournalError> {
        check_limits(&self.place(), stream, key, events)?;
        let path = self.path.clone();
        let wrap = |error: rusqlite::Error| JournalError::Store(schema::failure("append to journal", &path, &error));
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(wrap)?;
        // Dropped on an error: rolled back, nothing is written.
        let appended = Batch { fence, stream, expected_seq, key, at, events }.write(&transaction, wrap)?;
        transaction.commit().map_err(wrap)?;
        Ok(appended)
    }

    fn read_stream(&mut self, stream: &str, from_seq: u64) -> Result<Vec<Record>, JournalError> {
        self.records("WHERE stream = ?1 AND seq >= ?2 ORDER BY seq", params![stream, parameter(from_seq)])
    }

    fn read_all(&mut self, from_position: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        self.records("WHERE position >= ?1 ORDER BY position LIMIT ?2", params![parameter(from_position), parameter(limit as u64)])
    }

    fn streams(&mut self, prefix: &str) -> Result<Vec<String>, JournalError> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare_cached(
                // From the prefix up to it with the last character that there is: a range of the index.
                "SELECT stream FROM records WHERE seq = 0 AND stream >= ?1 AND stream < ?1 || char(1114111) ORDER BY stream",
            )?;
            statement.query_map(params![prefix], |row| row.get(0))?.collect()
        };
        read().map_err(|e| JournalError::Store(self.failure("read journal", &e)))
    }
}

#[cfg(test)]
mod tests;
