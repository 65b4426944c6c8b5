//! The journal on PostgreSQL, for several replicas of the control plane: the same records with the same bytes as on SQLite.
//!
//! One append at a time holds the journal's advisory lock until its commit, so positions have no gaps and appear in order: a reader
//! never sees a later record before an earlier one. What an append acknowledged is on the server's disk (`synchronous_commit`).
//! A lost connection is made anew at the next operation. Calls block: never on a thread that runs asynchronous tasks.
//! Not here: tiles and proofs ([`crate::tlog`]), leases (`core::lease`).

mod beats;
mod link;
#[cfg(test)]
mod tests;

pub use beats::PostgresBeats;
pub use link::{CONNECT_WAIT_S, STATEMENT_WAIT_MS, address};

use crate::journal::EVENTS_PER_APPEND_MAX;
use crate::journal::rows::{RawRow, damaged, parameter};
use crate::journal::shared::{Place, check_limits, encode};
use crate::tlog::Leaves;
use link::{Link, failure};
use postgres::types::ToSql;
use postgres::{Client, Config, Row, Transaction};
use tidegate_core::id::At;
use tidegate_port::{Appended, Failure, FailureKind, Fence, Journal, JournalError, NewEvent, Record};

/// The advisory lock that one append at a time holds: `tdgt` in ASCII.
const APPEND_LOCK: i64 = 0x7464_6774;

/// The journal in one database.
pub struct PostgresJournal {
    link: Link,
}

impl std::fmt::Debug for PostgresJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresJournal({})", self.link.place())
    }
}

impl PostgresJournal {
    /// Opens the journal in the database of `config`; makes its tables when absent.
    ///
    /// # Errors
    /// [`FailureKind::Transient`] when the server does not answer, [`FailureKind::Refused`] when the tables are of another version.
    pub fn open(config: Config) -> Result<PostgresJournal, Failure> {
        let mut link = Link::new(config);
        link.run("open journal", |client| {
            let mut transaction = client.transaction()?;
            transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&APPEND_LOCK])?;
            transaction.batch_execute(link::TABLES)?;
            transaction.commit()
        })?;
        PostgresJournal { link }.ready()
    }

    /// Opens the journal in the database of `config` for reading: nothing is made.
    ///
    /// # Errors
    /// [`FailureKind::Gone`] when there is none; otherwise as [`PostgresJournal::open`].
    pub fn open_read_only(config: Config) -> Result<PostgresJournal, Failure> {
        let mut link = Link::new(config);
        let there = "SELECT to_regclass('tidegate_schema') IS NOT NULL";
        if !link.run("open journal", |client| client.query_one(there, &[])?.try_get::<_, bool>(0))? {
            let detail = "there is no journal here: check the address, or run `tidegate up` first".into();
            return Err(Failure { kind: FailureKind::Gone, operation: "open journal", object: link.place(), detail });
        }
        PostgresJournal { link }.ready()
    }

    fn ready(mut self) -> Result<PostgresJournal, Failure> {
        let asked = "SELECT version FROM tidegate_schema";
        let version: i64 = self.link.run("open journal", |client| client.query_one(asked, &[])?.try_get(0))?;
        if version != link::SCHEMA_VERSION {
            let known = link::SCHEMA_VERSION;
            let detail = format!("its tables have version {version}, this program knows version {known}: use the program that wrote them");
            return Err(Failure { kind: FailureKind::Refused, operation: "open journal", object: self.link.place(), detail });
        }
        Ok(self)
    }

    fn rows(&mut self, tail: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<RawRow>, Failure> {
        let query = format!("SELECT position, stream, seq, at, kind, key, bytes FROM tidegate_records {tail}");
        self.link.run("read journal", |client| client.query(&query, values)?.iter().map(row).collect())
    }

    fn records(&mut self, tail: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Record>, JournalError> {
        let (rows, place) = (self.rows(tail, values)?, self.link.place());
        Ok(rows.into_iter().map(|row| row.record(&place)).collect::<Result<_, _>>()?)
    }
}

impl Leaves for PostgresJournal {
    fn leaves(&mut self, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        let asked = "SELECT position, bytes FROM tidegate_records WHERE position >= $1 ORDER BY position LIMIT $2";
        let read = |client: &mut Client| {
            let rows = client.query(asked, &[&parameter(from), &parameter(limit as u64)])?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<Vec<(i64, Vec<u8>)>, postgres::Error>>()
        };
        let (rows, place) = (self.link.run("read journal", read)?, self.link.place());
        let leaf = |(expected, (position, bytes)): (u64, (i64, Vec<u8>))| {
            if position.cast_unsigned() == expected { Ok(bytes) } else { Err(damaged(&place, expected, "it is missing")) }
        };
        (from..).zip(rows).map(leaf).collect()
    }

    fn size(&mut self) -> Result<u64, Failure> {
        let asked = "SELECT coalesce(max(position) + 1, 0) FROM tidegate_records";
        let size: i64 = self.link.run("read journal", |client| client.query_one(asked, &[])?.try_get(0))?;
        Ok(size.cast_unsigned())
    }

    fn check_whole(&mut self) -> Result<u64, Failure> {
        let (size, place) = (Leaves::size(self)?, self.link.place());
        let mut next = 0;
        while next < size {
            let limit = parameter(EVENTS_PER_APPEND_MAX as u64);
            let rows = self.rows("WHERE position >= $1 ORDER BY position LIMIT $2", &[&parameter(next), &limit])?;
            if rows.is_empty() {
                return Err(damaged(&place, next, "it is missing"));
            }
            for row in rows {
                if row.position != next {
                    return Err(damaged(&place, next, "it is missing"));
                }
                row.record(&place)?;
                next += 1;
            }
        }
        Ok(size)
    }
}

fn row(row: &Row) -> Result<RawRow, postgres::Error> {
    let (position, seq): (i64, i64) = (row.try_get(0)?, row.try_get(2)?);
    Ok(RawRow {
        position: position.cast_unsigned(),
        stream: row.try_get(1)?,
        seq: seq.cast_unsigned(),
        at: row.try_get(3)?,
        kind: row.try_get(4)?,
        key: row.try_get(5)?,
        bytes: row.try_get(6)?,
    })
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
    /// Inside one transaction that holds the append lock, so nobody can append in between.
    fn write(&self, transaction: &mut Transaction<'_>, wrap: impl Fn(postgres::Error) -> JournalError) -> Result<Appended, JournalError> {
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&APPEND_LOCK]).map_err(&wrap)?;
        if let Some(Fence { stream: by, seq: expected }) = self.fence {
            let actual = stream_length(transaction, by).map_err(&wrap)?;
            if actual != *expected {
                return Err(JournalError::Fenced { stream: self.stream.to_owned(), by: by.clone(), expected: *expected, actual });
            }
        }
        if let Some(key) = self.key {
            let used = "SELECT seq FROM tidegate_records WHERE stream = $1 AND key = $2 AND first";
            if let Some(row) = transaction.query_opt(used, &[&self.stream, &key]).map_err(&wrap)? {
                let first_seq: i64 = row.try_get(0).map_err(&wrap)?;
                return Ok(Appended::Already { first_seq: first_seq.cast_unsigned() });
            }
        }
        let actual = stream_length(transaction, self.stream).map_err(&wrap)?;
        if actual != self.expected_seq {
            return Err(JournalError::Conflict { stream: self.stream.to_owned(), expected: self.expected_seq, actual });
        }
        let row = transaction.query_one("SELECT coalesce(max(position) + 1, 0) FROM tidegate_records", &[]).map_err(&wrap)?;
        let first_position = row.try_get::<_, i64>(0).map_err(&wrap)?.cast_unsigned();
        let insert = transaction
            .prepare(
                "INSERT INTO tidegate_records (position, stream, seq, at, kind, key, first, bytes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .map_err(&wrap)?;
        for (index, event) in (0_u64..).zip(self.events) {
            let (position, seq) = (first_position + index, actual + index);
            let bytes = encode(&Place { position, stream: self.stream, seq, at: self.at, key: self.key }, event)?;
            let first = self.key.is_some() && index == 0;
            let values: [&(dyn ToSql + Sync); 8] =
                [&parameter(position), &self.stream, &parameter(seq), &self.at.0, &event.kind, &self.key, &first, &bytes];
            transaction.execute(&insert, &values).map_err(&wrap)?;
        }
        Ok(Appended::New { first_seq: actual, first_position })
    }
}

fn stream_length(transaction: &mut Transaction<'_>, stream: &str) -> Result<u64, postgres::Error> {
    let row = transaction.query_one("SELECT coalesce(max(seq) + 1, 0) FROM tidegate_records WHERE stream = $1", &[&stream])?;
    Ok(row.try_get::<_, i64>(0)?.cast_unsigned())
}

impl Journal for PostgresJournal {
    fn append_under(
        &mut self,
        fence: Option<&Fence>,
        stream: &str,
        expected_seq: u64,
        key: Option<&str>,
        at: At,
        events: &[NewEvent],
    ) -> Result<Appended, JournalError> {
        let place = self.link.place();
        check_limits(&place, stream, key, events)?;
        let wrap = |error: postgres::Error| JournalError::Store(failure("append to journal", &place, &error));
        let client = self.link.client("append to journal")?;
        let mut transaction = client.transaction().map_err(wrap)?;
        // Dropped on an error: rolled back, nothing is written.
        let appended = Batch { fence, stream, expected_seq, key, at, events }.write(&mut transaction, wrap)?;
        transaction.commit().map_err(wrap)?;
        Ok(appended)
    }

    fn read_stream(&mut self, stream: &str, from_seq: u64) -> Result<Vec<Record>, JournalError> {
        self.records("WHERE stream = $1 AND seq >= $2 ORDER BY seq", &[&stream, &parameter(from_seq)])
    }

    fn read_all(&mut self, from_position: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        self.records("WHERE position >= $1 ORDER BY position LIMIT $2", &[&parameter(from_position), &parameter(limit as u64)])
    }

    fn streams(&mut self, prefix: &str) -> Result<Vec<String>, JournalError> {
        let query = "SELECT stream FROM tidegate_records WHERE seq = 0 AND starts_with(stream, $1) ORDER BY stream";
        let names = |client: &mut Client| client.query(query, &[&prefix])?.iter().map(|row| row.try_get(0)).collect();
        Ok(self.link.run("read journal", names)?)
    }
}
