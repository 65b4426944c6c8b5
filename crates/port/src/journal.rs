//! The journal: every domain event, ordered, never erased.

use crate::Failure;
use serde_json::Value;
use tidegate_core::id::At;

/// Largest encoded record in bytes (C2SP tlog-tiles entry bundles carry a 16-bit length).
pub const RECORD_BYTES_MAX: usize = 65_535;

/// An event to be appended.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Kind of machine, as `rollout`.
    pub kind: &'static str,
    /// The event as JSON.
    pub body: Value,
}

/// An event that was appended.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Index in the whole journal from 0; also the leaf index in the transparency log.
    pub position: u64,
    /// Stream, as `rollout/late-arrival/2`.
    pub stream: String,
    /// Index within the stream from 0.
    pub seq: u64,
    /// When it was appended, as told by the caller.
    pub at: At,
    /// Kind of machine.
    pub kind: String,
    /// Idempotency key of the command that caused it.
    pub key: Option<String>,
    /// The event as JSON.
    pub body: Value,
}

/// A fence: an append under it is written only while `stream` holds exactly `seq` events. So whoever may write at a time is said by
/// facts of that stream (`core::lease`), and each of them ends what was allowed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The stream that says who may.
    pub stream: String,
    /// The fencing number: how many events the writer knows of it.
    pub seq: u64,
}

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The events are durable from `first_seq` on.
    New {
        /// Sequence of the first event within its stream.
        first_seq: u64,
        /// Position of the first event in the whole journal.
        first_position: u64,
    },
    /// The same key was used on this stream before; nothing was written.
    Already {
        /// Sequence of the first event that the first use wrote.
        first_seq: u64,
    },
}

/// Why an append or a read failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else appended first: read on and decide again.
    #[error("append to `{stream}`: expected {expected} events there, found {actual}: read them and decide again")]
    Conflict {
        /// The stream.
        stream: String,
        /// What the caller had seen.
        expected: u64,
        /// What is there.
        actual: u64,
    },
    /// The writer's fencing number is not that of now: it may not write here any more.
    #[error(
        "append to `{stream}`: fenced off: `{by}` holds {actual} events, the writer knows {expected}: somebody else may write there now"
    )]
    Fenced {
        /// The stream.
        stream: String,
        /// The fence's stream.
        by: String,
        /// What the writer knows.
        expected: u64,
        /// What is there.
        actual: u64,
    },
    /// The encoded record is over [`RECORD_BYTES_MAX`].
    #[error(
        "append to `{stream}`: a record of {bytes} bytes is over the limit of {RECORD_BYTES_MAX}: put the bulk into a blob and its digest here"
    )]
    TooLarge {
        /// The stream.
        stream: String,
        /// Encoded size.
        bytes: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Failure),
}

/// Ordered facts by stream. An acknowledged append is durable.
pub trait Journal: Send {
    /// Appends `events` to `stream` if it holds exactly `expected_seq` events and `key` is new there.
    /// A known key answers [`Appended::Already`] whatever `expected_seq` is.
    ///
    /// # Errors
    /// [`JournalError::Conflict`] when the stream holds another number of events; nothing is written on any error.
    fn append(
        &mut self,
        stream: &str,
        expected_seq: u64,
        key: Option<&str>,
        at: At,
        events: &[NewEvent],
    ) -> Result<Appended, JournalError> {
        self.append_under(None, stream, expected_seq, key, at, events)
    }

    /// As [`Journal::append`], under a fence: it is held against the journal first, in the same indivisible step as the writing.
    ///
    /// # Errors
    /// [`JournalError::Fenced`] when the fence's stream holds another number of events, even for a known key; then as `append`.
    fn append_under(
        &mut self,
        fence: Option<&Fence>,
        stream: &str,
        expected_seq: u64,
        key: Option<&str>,
        at: At,
        events: &[NewEvent],
    ) -> Result<Appended, JournalError>;

    /// The records of `stream` from `from_seq` on.
    ///
    /// # Errors
    /// When the store fails.
    fn read_stream(&mut self, stream: &str, from_seq: u64) -> Result<Vec<Record>, JournalError>;

    /// At most `limit` records of all streams from `from_position` on, in order.
    ///
    /// # Errors
    /// When the store fails.
    fn read_all(&mut self, from_position: u64, limit: usize) -> Result<Vec<Record>, JournalError>;

    /// Names of the streams that start with `prefix`, sorted.
    ///
    /// # Errors
    /// When the store fails.
    fn streams(&mut self, prefix: &str) -> Result<Vec<String>, JournalError>;
}
