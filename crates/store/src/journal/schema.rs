//! The database file: how it is opened, its tables, its version, and what its errors mean.
//!
//! Not here: appending and reading.

use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::Duration;
use tidegate_port::{Failure, FailureKind};

/// The version of the tables that this program writes.
pub(super) const SCHEMA_VERSION: i64 = 1;
/// Marks the file as a Tidegate journal (`tdgt` in ASCII), so that another database is not taken for one.
const APPLICATION_ID: i64 = 0x7464_6774;

/// `first` is 1 on the first record that a key wrote: the key itself repeats on all records of that append.
const TABLES: &str = "
CREATE TABLE schema (version INTEGER NOT NULL);
CREATE TABLE records (
  position INTEGER PRIMARY KEY,
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  key TEXT,
  first INTEGER,
  bytes BLOB NOT NULL
);
CREATE UNIQUE INDEX records_by_stream ON records (stream, seq);
CREATE UNIQUE INDEX records_by_key ON records (stream, key, first) WHERE first = 1;
CREATE INDEX stream_heads ON records (stream) WHERE seq = 0;
";

pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(Duration::from_millis(super::BUSY_WAIT_MS))?;
    // A database of another program is refused by `check` and must stay as it was.
    if tables(&connection)? == 0 || application_id(&connection)? == APPLICATION_ID {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
    }
    Ok(connection)
}

pub(super) fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_millis(super::BUSY_WAIT_MS))?;
    Ok(connection)
}

/// Makes the tables of a new file; refuses a file of another program or of a newer version.
pub(super) fn check(connection: &Connection, path: &Path, read_only: bool) -> Result<(), Failure> {
    let wrap = |error: rusqlite::Error| failure("open journal", path, &error);
    if !read_only {
        make(connection).map_err(wrap)?;
    }
    let id = application_id(connection).map_err(wrap)?;
    if id != APPLICATION_ID {
        return Err(refused("open journal", path, "it is an SQLite database, but not a Tidegate journal: check the path"));
    }
    let version: i64 = connection.query_row("SELECT version FROM schema", [], |row| row.get(0)).map_err(wrap)?;
    if version != SCHEMA_VERSION {
        let detail =
            format!("its tables have version {version}, this program knows version {SCHEMA_VERSION}: use the program that wrote it");
        return Err(refused("open journal", path, &detail));
    }
    Ok(())
}

/// Several processes may open a new file at once: the immediate transaction lets one of them make the tables.
fn make(connection: &Connection) -> rusqlite::Result<()> {
    if tables(connection)? > 0 {
        return Ok(());
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let made = if tables(connection)? > 0 {
        Ok(())
    } else {
        connection
            .execute_batch(TABLES)
            .and_then(|()| connection.execute("INSERT INTO schema (version) VALUES (?1)", [SCHEMA_VERSION]))
            .and_then(|_| connection.pragma_update(None, "application_id", APPLICATION_ID))
    };
    match made {
        Ok(()) => connection.execute_batch("COMMIT"),
        Err(error) => {
            // The first error is the one to report.
            let _ = connection.execute_batch("ROLLBACK");
            Err(error)
        }
    }
}

fn application_id(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "application_id", |row| row.get(0))
}

fn tables(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
}

/// SQLite's check of every page and index.
pub(super) fn integrity(connection: &Connection, path: &Path) -> Result<(), Failure> {
    let verdict: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(|e| failure("check journal", path, &e))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(refused("check journal", path, &format!("the database is damaged ({verdict}): restore it from a backup")))
    }
}

fn refused(operation: &'static str, path: &Path, detail: &str) -> Failure {
    Failure { kind: FailureKind::Refused, operation, object: path.display().to_string(), detail: detail.to_owned() }
}

/// What an SQLite error means to a caller.
pub(super) fn failure(operation: &'static str, path: &Path, error: &rusqlite::Error) -> Failure {
    let (kind, advice) = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            (FailureKind::Refused, "the file is not a database, or its header is damaged: restore it from a backup")
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            (FailureKind::Refused, "the database is damaged: restore it from a backup, then check it with `tidegate audit verify`")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (FailureKind::Transient, "another process is writing to it for a long time: try again")
        }
        Some(ErrorCode::DiskFull) => (FailureKind::Transient, "the disk is full: free space and try again; nothing was written"),
        Some(ErrorCode::CannotOpen) => (FailureKind::Gone, "it cannot be opened: check that its directory exists and may be read"),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (FailureKind::Denied, "it may only be read here: check how it was opened, its owner and its mode")
        }
        Some(ErrorCode::SystemIoFailure) => (FailureKind::Transient, "the disk failed or is full: check it and try again"),
        _ => (FailureKind::Refused, "this should not happen: check the database with `tidegate audit verify`"),
    };
    Failure { kind, operation, object: path.display().to_string(), detail: format!("{advice} ({error})") }
}
