//! The stores behind the ports: journal on SQLite or PostgreSQL, transparency log, blobs, lake, keys.
//!
//! [`AnyJournal`] keeps the facts; [`tlog`] builds the same records into a C2SP tlog-tiles log that [`audit`]
//! checks with a public key alone; [`FsBlobs`] keeps bytes by content; [`Lake`] keeps telemetry; [`Keys`] keeps
//! the signing key and the access tokens.
//! Not here: what an event means, and when something is stored.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod audit;
pub mod blobs;
pub mod disk;
pub mod journal;
pub mod keys;
pub mod lake;
pub mod postgres;
pub mod tlog;
pub mod tokens;

pub use blobs::FsBlobs;
pub use journal::{AnyJournal, JournalAddress, SqliteJournal};
pub use keys::Keys;
pub use lake::{
    DeliveryFilter, DeliveryRow, ExposureFilter, ExposureRow, FeedbackFilter, FeedbackRow, Lake, PredictionFilter, PredictionRow, Row, Rows,
};
pub use postgres::{PostgresBeats, PostgresJournal};
pub use tlog::{Log, LogDir, Sealed};
