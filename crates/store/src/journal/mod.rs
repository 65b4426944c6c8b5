//! The journal on SQLite: one table of records, each with the exact bytes that the transparency log hashes.
//!
//! WAL and synchronous FULL: an append that returned is on the disk. Writers of several processes are safe: each
//! append is one immediate transaction that counts the stream again, so the loser gets a conflict.
//! Not here: tiles and proofs ([`crate::tlog`]), and what an event means.

mod any;
pub(crate) mod append;
pub(crate) mod rows;
mod schema;

pub use any::{AnyJournal, JournalAddress};

use crate::disk::{self, Guard};
use append::{Batch, NewRow, Table};
use rows::{RawRow, number, parameter};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
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
        rows::unbroken(rows, from, &self.place())
    }

    /// SQLite's own check of the whole file, then every row against its record.
    ///
    /// # Errors
    /// [`FailureKind::Refused`] on the first damage that is found.
    pub fn check_whole(&mut self) -> Result<u64, Failure> {
        schema::integrity(&self.connection, &self.path)?;
        let limit = parameter(EVENTS_PER_APPEND_MAX as u64);
        let read = |from| self.rows("WHERE position >= ?1 ORDER BY position LIMIT ?2", params![parameter(from), limit]);
        rows::check(self.size()?, &self.place(), read)
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

/// Inside one immediate transaction, so nobody can append in between.
impl Table for Transaction<'_> {
    type Error = rusqlite::Error;

    fn length(&mut self, stream: &str) -> rusqlite::Result<u64> {
        self.prepare_cached("SELECT coalesce(max(seq) + 1, 0) FROM records WHERE stream = ?1")?
            .query_row(params![stream], |row| number(row, 0))
    }

    fn first_of(&mut self, stream: &str, key: &str) -> rusqlite::Result<Option<u64>> {
        self.prepare_cached("SELECT seq FROM records WHERE stream = ?1 AND key = ?2 AND first = 1")?
            .query_row(params![stream, key], |row| number(row, 0))
            .optional()
    }

    fn end(&mut self) -> rusqlite::Result<u64> {
        next_position(self)
    }

    fn insert(&mut self, row: &NewRow<'_>) -> rusqlite::Result<()> {
        let NewRow { position, stream, seq, at, kind, key, first, bytes } = row;
        let query = "INSERT INTO records (position, stream, seq, at, kind, key, first, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (position, seq, first) = (parameter(*position), parameter(*seq), first.then_some(1));
        self.prepare_cached(query)?.execute(params![position, stream, seq, at.0, kind, key, first, bytes]).map(drop)
    }
}

fn next_position(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT coalesce(max(position) + 1, 0) FROM records")?.query_row([], |row| number(row, 0))
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
        let batch = Batch { fence, stream, expected_seq, key, at, events };
        batch.check(&self.place())?;
        let path = self.path.clone();
        let wrap = |error: rusqlite::Error| JournalError::Store(schema::failure("append to journal", &path, &error));
        let mut transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(wrap)?;
        // Dropped on an error: rolled back, nothing is written.
        let appended = batch.write(&mut transaction, wrap)?;
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
