//! What a record must be before any database takes it: names and numbers within their limits, and its exact bytes.
//!
//! Not here: the databases.

use super::{EVENTS_PER_APPEND_MAX, KEY_BYTES_MAX, STREAM_BYTES_MAX};
use tidegate_core::id::At;
use tidegate_port::journal::RECORD_BYTES_MAX;
use tidegate_port::{Failure, FailureKind, JournalError, NewEvent};
use tidegate_wire::record;

/// Names and numbers within their limits; `object` is the place of the journal.
pub(crate) fn check_limits(object: &str, stream: &str, key: Option<&str>, events: &[NewEvent]) -> Result<(), JournalError> {
    let refused = |detail: String| {
        let (kind, operation) = (FailureKind::Refused, "append to journal");
        Err(JournalError::Store(Failure { kind, operation, object: object.to_owned(), detail }))
    };
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

/// Where an event stands.
pub(crate) struct Place<'a> {
    pub(crate) position: u64,
    pub(crate) stream: &'a str,
    pub(crate) seq: u64,
    pub(crate) at: At,
    pub(crate) key: Option<&'a str>,
}

/// The bytes that are stored and that the log hashes.
pub(crate) fn encode(place: &Place<'_>, event: &NewEvent) -> Result<Vec<u8>, JournalError> {
    let Place { position, stream, seq, at, key } = *place;
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
    Ok(bytes)
}
