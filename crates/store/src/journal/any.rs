//! The journal of a workspace, wherever it lies: in a file beside it, or in a database that several control planes share.
//!
//! Not here: the databases themselves.

use super::SqliteJournal;
use crate::postgres::PostgresJournal;
use crate::tlog::Leaves;
use std::path::PathBuf;
use tidegate_core::id::At;
use tidegate_port::{Appended, Failure, Fence, Journal, JournalError, NewEvent, Record};

/// Where a journal lies.
#[derive(Clone)]
pub enum JournalAddress {
    /// A file of SQLite.
    File(PathBuf),
    /// A database of PostgreSQL.
    Postgres(Box<postgres::Config>),
}

impl std::fmt::Debug for JournalAddress {
    /// Without user and password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            JournalAddress::File(path) => write!(f, "File({})", path.display()),
            JournalAddress::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

impl JournalAddress {
    /// Opens it for reading and writing; makes it when absent.
    ///
    /// # Errors
    /// As `open` of the journal there.
    pub fn open(&self) -> Result<AnyJournal, Failure> {
        Ok(AnyJournal::of(match self {
            JournalAddress::File(path) => Kind::Sqlite(SqliteJournal::open(path)?),
            JournalAddress::Postgres(config) => Kind::Postgres(Box::new(PostgresJournal::open((**config).clone())?)),
        }))
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// As `open_read_only` of the journal there.
    pub fn open_read_only(&self) -> Result<AnyJournal, Failure> {
        Ok(AnyJournal::of(match self {
            JournalAddress::File(path) => Kind::Sqlite(SqliteJournal::open_read_only(path)?),
            JournalAddress::Postgres(config) => Kind::Postgres(Box::new(PostgresJournal::open_read_only((**config).clone())?)),
        }))
    }
}

/// A journal at a [`JournalAddress`].
#[derive(Debug)]
pub struct AnyJournal {
    kind: Kind,
    /// What is written under where nothing else is said.
    fence: Option<Fence>,
}

#[derive(Debug)]
enum Kind {
    /// In a file.
    Sqlite(SqliteJournal),
    /// In a database that may be shared.
    Postgres(Box<PostgresJournal>),
}

impl AnyJournal {
    fn of(kind: Kind) -> AnyJournal {
        AnyJournal { kind, fence: None }
    }

    /// The same, which writes nothing any more when `fence` has moved.
    #[must_use]
    pub fn under(self, fence: Option<Fence>) -> AnyJournal {
        AnyJournal { fence, ..self }
    }

    fn journal(&mut self) -> &mut dyn Journal {
        match &mut self.kind {
            Kind::Sqlite(journal) => journal,
            Kind::Postgres(journal) => journal.as_mut(),
        }
    }

    fn leaves_of(&mut self) -> &mut dyn Leaves {
        match &mut self.kind {
            Kind::Sqlite(journal) => journal,
            Kind::Postgres(journal) => journal.as_mut(),
        }
    }

    /// How many records there are.
    ///
    /// # Errors
    /// When the database fails.
    pub fn size(&mut self) -> Result<u64, Failure> {
        self.leaves_of().size()
    }
}

impl Journal for AnyJournal {
    fn append_under(
        &mut self,
        fence: Option<&Fence>,
        stream: &str,
        expected_seq: u64,
        key: Option<&str>,
        at: At,
        events: &[NewEvent],
    ) -> Result<Appended, JournalError> {
        let own = self.fence.clone();
        self.journal().append_under(fence.or(own.as_ref()), stream, expected_seq, key, at, events)
    }

    fn read_stream(&mut self, stream: &str, from_seq: u64) -> Result<Vec<Record>, JournalError> {
        self.journal().read_stream(stream, from_seq)
    }

    fn read_all(&mut self, from_position: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        self.journal().read_all(from_position, limit)
    }

    fn streams(&mut self, prefix: &str) -> Result<Vec<String>, JournalError> {
        self.journal().streams(prefix)
    }
}

impl Leaves for AnyJournal {
    fn leaves(&mut self, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        self.leaves_of().leaves(from, limit)
    }

    fn size(&mut self) -> Result<u64, Failure> {
        self.leaves_of().size()
    }

    fn check_whole(&mut self) -> Result<u64, Failure> {
        self.leaves_of().check_whole()
    }
}
