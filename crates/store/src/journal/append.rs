//! One append, whatever database it goes to: what it must be, what it is refused for, and the bytes that it writes.
//!
//! Not here: the databases.

use super::{EVENTS_PER_APPEND_MAX, KEY_BYTES_MAX, STREAM_BYTES_MAX};
use tidegate_core::id::At;
use tidegate_port::journal::RECORD_BYTES_MAX;
use tidegate_port::{Appended, Failure, FailureKind, Fence, JournalError, NewEvent};
use tidegate_wire::record;

/// The table of records, inside one transaction in which nobody else can append.
pub(crate) trait Table {
    /// What the database says when it fails.
    type Error;

    /// How many records a stream has.
    fn length(&mut self, stream: &str) -> Result<u64, Self::Error>;

    /// Where the first record lies in a stream that a key wrote.
    fn first_of(&mut self, stream: &str, key: &str) -> Result<Option<u64>, Self::Error>;

    /// How many records there are.
    fn end(&mut self) -> Result<u64, Self::Error>;

    /// Writes a row.
    fn insert(&mut self, row: &NewRow<'_>) -> Result<(), Self::Error>;
}

/// A row to be written.
pub(crate) struct NewRow<'a> {
    pub(crate) position: u64,
    pub(crate) stream: &'a str,
    pub(crate) seq: u64,
    pub(crate) at: At,
    pub(crate) kind: &'a str,
    pub(crate) key: Option<&'a str>,
    /// Whether it is the first that its key wrote.
    pub(crate) first: bool,
    /// As they are stored and as the log hashes them.
    pub(crate) bytes: Vec<u8>,
}

/// What one append writes.
pub(crate) struct Batch<'a> {
    pub(crate) fence: Option<&'a Fence>,
    pub(crate) stream: &'a str,
    pub(crate) expected_seq: u64,
    pub(crate) key: Option<&'a str>,
    pub(crate) at: At,
    pub(crate) events: &'a [NewEvent],
}

impl Batch<'_> {
    /// Names and numbers within their limits; `journal` is where it lies.
    pub(crate) fn check(&self, journal: &str) -> Result<(), JournalError> {
        let refused = |detail: String| {
            let (kind, operation) = (FailureKind::Refused, "append to journal");
            Err(JournalError::Store(Failure { kind, operation, object: journal.to_owned(), detail }))
        };
        let Batch { stream, key, events, .. } = self;
        if stream.is_empty() || stream.len() > STREAM_BYTES_MAX || stream.chars().any(char::is_control) {
            return refused(format!("the stream's name is empty, over {STREAM_BYTES_MAX} bytes, or has control characters"));
        }
        if key.is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
            return refused(format!("the idempotency key of stream `{stream}` is empty or over {KEY_BYTES_MAX} bytes"));
        }
        if events.len() > EVENTS_PER_APPEND_MAX {
            return refused(format!(
                "{} events for stream `{stream}` in one append are over the limit of {EVENTS_PER_APPEND_MAX}",
                events.len()
            ));
        }
        Ok(())
    }

    /// Writes it, or says why not; `wrap` says what an error of the database means.
    pub(crate) fn write<T: Table>(&self, table: &mut T, wrap: impl Fn(T::Error) -> JournalError) -> Result<Appended, JournalError> {
        if let Some(Fence { stream: by, seq: expected }) = self.fence {
            let actual = table.length(by).map_err(&wrap)?;
            if actual != *expected {
                return Err(JournalError::Fenced { stream: self.stream.to_owned(), by: by.clone(), expected: *expected, actual });
            }
        }
        if let Some(key) = self.key
            && let Some(first_seq) = table.first_of(self.stream, key).map_err(&wrap)?
        {
            return Ok(Appended::Already { first_seq });
        }
        let actual = table.length(self.stream).map_err(&wrap)?;
        if actual != self.expected_seq {
            return Err(JournalError::Conflict { stream: self.stream.to_owned(), expected: self.expected_seq, actual });
        }
        let first_position = table.end().map_err(&wrap)?;
        for (index, event) in (0_u64..).zip(self.events) {
            let row = self.row(first_position + index, actual + index, event, index == 0)?;
            table.insert(&row).map_err(&wrap)?;
        }
        Ok(Appended::New { first_seq: actual, first_position })
    }

    fn row<'r>(&'r self, position: u64, seq: u64, event: &'r NewEvent, first: bool) -> Result<NewRow<'r>, JournalError> {
        let Batch { stream, key, at, .. } = *self;
        let bytes = record::encode(position, stream, seq, at, event.kind, key, &event.body).map_err(|error| {
            JournalError::Store(Failure {
                kind: FailureKind::Refused,
                operation: "append to journal",
                object: stream.to_owned(),
                detail: error.to_string(),
            })
        })?;
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(JournalError::TooLarge { stream: stream.to_owned(), bytes: bytes.len() });
        }
        Ok(NewRow { position, stream, seq, at, kind: event.kind, key, first: first && key.is_some(), bytes })
    }
}
