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
use crate::journal::append::{Batch, NewRow, Table};
use crate::journal::rows::{self, RawRow, parameter};
use crate::tlog::Leaves;
use link::{Link, failure};
use postgres::types::ToSql;
use postgres::{Client, Config, Row, Statement, Transaction};
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
            let leaf = |row: &Row| Ok((row.try_get::<_, i64>(0)?.cast_unsigned(), row.try_get(1)?));
            rows.iter().map(leaf).collect::<Result<Vec<_>, postgres::Error>>()
        };
        rows::unbroken(self.link.run("read journal", read)?, from, &self.link.place())
    }

    fn size(&mut self) -> Result<u64, Failure> {
        let asked = "SELECT coalesce(max(position) + 1, 0) FROM tidegate_records";
        let size: i64 = self.link.run("read journal", |client| client.query_one(asked, &[])?.try_get(0))?;
        Ok(size.cast_unsigned())
    }

    fn check_whole(&mut self) -> Result<u64, Failure> {
        let (size, place, limit) = (self.size()?, self.link.place(), parameter(EVENTS_PER_APPEND_MAX as u64));
        rows::check(size, &place, |from| self.rows("WHERE position >= $1 ORDER BY position LIMIT $2", &[&parameter(from), &limit]))
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

/// Inside one transaction that holds the append lock, so nobody can append in between.
struct Locked<'t> {
    transaction: Transaction<'t>,
    insert: Option<Statement>,
}

impl<'t> Locked<'t> {
    fn begin(client: &'t mut Client) -> Result<Locked<'t>, postgres::Error> {
        let mut transaction = client.transaction()?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&APPEND_LOCK])?;
        Ok(Locked { transaction, insert: None })
    }
}

impl Table for Locked<'_> {
    type Error = postgres::Error;

    fn length(&mut self, stream: &str) -> Result<u64, postgres::Error> {
        let row = self.transaction.query_one("SELECT coalesce(max(seq) + 1, 0) FROM tidegate_records WHERE stream = $1", &[&stream])?;
        Ok(row.try_get::<_, i64>(0)?.cast_unsigned())
    }

    fn first_of(&mut self, stream: &str, key: &str) -> Result<Option<u64>, postgres::Error> {
        let asked = "SELECT seq FROM tidegate_records WHERE stream = $1 AND key = $2 AND first";
        self.transaction.query_opt(asked, &[&stream, &key])?.map(|row| Ok(row.try_get::<_, i64>(0)?.cast_unsigned())).transpose()
    }

    fn end(&mut self) -> Result<u64, postgres::Error> {
        let row = self.transaction.query_one("SELECT coalesce(max(position) + 1, 0) FROM tidegate_records", &[])?;
        Ok(row.try_get::<_, i64>(0)?.cast_unsigned())
    }

    fn insert(&mut self, row: &NewRow<'_>) -> Result<(), postgres::Error> {
        let NewRow { position, stream, seq, at, kind, key, first, bytes } = row;
        let query =
            "INSERT INTO tidegate_records (position, stream, seq, at, kind, key, first, bytes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let insert = match self.insert.take() {
            Some(insert) => insert,
            None => self.transaction.prepare(query)?,
        };
        let values: [&(dyn ToSql + Sync); 8] = [&parameter(*position), stream, &parameter(*seq), &at.0, kind, key, first, bytes];
        self.transaction.execute(self.insert.insert(insert), &values).map(drop)
    }
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
        let batch = Batch { fence, stream, expected_seq, key, at, events };
        batch.check(&place)?;
        let wrap = |error: postgres::Error| JournalError::Store(failure("append to journal", &place, &error));
        let mut table = Locked::begin(self.link.client("append to journal")?).map_err(wrap)?;
        // Dropped on an error: rolled back, nothing is written.
        let appended = batch.write(&mut table, wrap)?;
        table.transaction.commit().map_err(wrap)?;
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
