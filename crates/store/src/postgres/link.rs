//! The way to the database: one connection, made anew when it was lost; its tables, and what its errors mean.
//!
//! Not here: what is asked.

use postgres::config::{Host, SslMode};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;
use tidegate_port::{Failure, FailureKind};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The version of the tables that this program writes.
pub(super) const SCHEMA_VERSION: i64 = 1;
/// Longest wait for a connection, in seconds.
pub const CONNECT_WAIT_S: u64 = 10;
/// Longest wait for a statement, as for the append lock, in milliseconds.
pub const STATEMENT_WAIT_MS: u64 = 10_000;
/// Longest silence of a server that has a statement, in seconds: past it the connection counts as lost.
const SILENCE_S: u64 = 15;

/// Names are compared byte by byte, as on SQLite. `first` is true on the first record that a key wrote.
pub(super) const TABLES: &str = r#"
CREATE TABLE IF NOT EXISTS tidegate_schema (version bigint NOT NULL);
INSERT INTO tidegate_schema (version) SELECT 1 WHERE NOT EXISTS (SELECT FROM tidegate_schema);
CREATE TABLE IF NOT EXISTS tidegate_records (
  position bigint PRIMARY KEY,
  stream text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  at bigint NOT NULL,
  kind text NOT NULL,
  key text COLLATE "C",
  first boolean NOT NULL,
  bytes bytea NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS tidegate_records_by_stream ON tidegate_records (stream, seq);
CREATE UNIQUE INDEX IF NOT EXISTS tidegate_records_by_key ON tidegate_records (stream, key) WHERE first;
CREATE INDEX IF NOT EXISTS tidegate_stream_heads ON tidegate_records (stream) WHERE seq = 0;
CREATE TABLE IF NOT EXISTS tidegate_beats (
  replica text COLLATE "C" NOT NULL,
  number bigint NOT NULL,
  count bigint NOT NULL,
  ready boolean NOT NULL,
  PRIMARY KEY (replica, number)
);
"#;

pub(super) struct Link {
    config: Config,
    client: Option<Client>,
}

/// A connection string of libpq (`postgres://USER:PASSWORD@HOST/DATABASE?sslmode=require`, or `host=... dbname=...`).
///
/// # Errors
/// [`FailureKind::Refused`] when it is none; what is wrong is said without its text, for a password may be in it.
pub fn address(text: &str) -> Result<Config, Failure> {
    text.parse::<Config>().map_err(|error| Failure {
        kind: FailureKind::Refused,
        operation: "read the address of a journal",
        object: "PostgreSQL".into(),
        detail: format!("it is no connection string like postgres://USER:PASSWORD@HOST/DATABASE ({})", without_values(&error)),
    })
}

/// The parser's own words name keys and not values.
fn without_values(error: &postgres::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

impl Link {
    pub(super) fn new(mut config: Config) -> Link {
        config
            .connect_timeout(Duration::from_secs(CONNECT_WAIT_S))
            .tcp_user_timeout(Duration::from_secs(SILENCE_S))
            .keepalives_idle(Duration::from_secs(SILENCE_S))
            .application_name("tidegate");
        Link { config, client: None }
    }

    /// Host and database, without user and password.
    pub(super) fn place(&self) -> String {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts = hosts.collect::<Vec<_>>().join(", ");
        format!("PostgreSQL at {hosts}, database {}", self.config.get_dbname().unwrap_or("of its user's name"))
    }

    /// The connection, made anew when it was lost.
    pub(super) fn client(&mut self, operation: &'static str) -> Result<&mut Client, Failure> {
        let place = self.place();
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.connect(operation, &place)?,
        };
        Ok(self.client.insert(client))
    }

    fn connect(&self, operation: &'static str, place: &str) -> Result<Client, Failure> {
        let made = if self.config.get_ssl_mode() == SslMode::Disable {
            self.config.connect(NoTls)
        } else {
            self.config.connect(MakeRustlsConnect::new(trust(operation, place)?))
        };
        let mut client = made.map_err(|error| failure(operation, place, &error))?;
        client
            .batch_execute(&format!("SET synchronous_commit = on; SET statement_timeout = {STATEMENT_WAIT_MS}"))
            .map_err(|error| failure(operation, place, &error))?;
        Ok(client)
    }

    pub(super) fn run<T>(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T, Failure> {
        let place = self.place();
        work(self.client(operation)?).map_err(|error| failure(operation, &place, &error))
    }
}

/// TLS by the roots of the system, or those of `SSL_CERT_FILE`.
fn trust(operation: &'static str, place: &str) -> Result<rustls::ClientConfig, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| Failure {
        kind: FailureKind::Refused,
        operation,
        object: place.to_owned(),
        detail: format!("TLS cannot be set up here: {error}"),
    })?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What an error of the database means to a caller.
pub(super) fn failure(operation: &'static str, place: &str, error: &postgres::Error) -> Failure {
    let (kind, advice) = match error.code() {
        Some(code) if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            (FailureKind::Denied, "the server refuses user or password: check both")
        }
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            (FailureKind::Denied, "the user may not do this: grant it, or let the owner of the tables connect")
        }
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => (FailureKind::Gone, "there is no such database: create it"),
        Some(code) if *code == SqlState::QUERY_CANCELED => (FailureKind::Transient, "it took too long, others may hold it up: try again"),
        // class 08 connections, 25006 a standby that takes no writes, 40 serialisation, 53 resources, 57 operator, 58 system
        Some(code)
            if *code == SqlState::READ_ONLY_SQL_TRANSACTION
                || ["08", "40", "53", "57", "58"].iter().any(|class| code.code().starts_with(class)) =>
        {
            (FailureKind::Transient, "the server cannot now: try again")
        }
        Some(_) => (FailureKind::Refused, "this should not happen: check the database and its version"),
        None => (FailureKind::Transient, "the connection failed: see whether the server is up, and what it asks of TLS; then try again"),
    };
    let cause = error.as_db_error().map_or_else(|| chain(error), |db| db.message().to_owned());
    Failure { kind, operation, object: place.to_owned(), detail: format!("{advice} ({cause})") }
}

fn chain(error: &postgres::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
