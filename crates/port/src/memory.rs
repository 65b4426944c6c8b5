//! In-memory fakes of the ports. A handle is cloned to outlive its user, as a disk outlives a process.
//!
//! Not here: anything that survives the process.

use crate::{Appended, Beats, Blobs, Failure, FailureKind, Fence, Journal, JournalError, NewEvent, Record};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_core::id::{At, Digest};
use tidegate_core::lease::{Beat, Session};

/// What goes wrong with one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// Nothing.
    None,
    /// It fails and nothing is written.
    FailsBefore,
    /// It is written, and the caller is told that it failed.
    FailsAfter,
    /// It is acknowledged and never written: what no journal may do.
    LostAcknowledged,
}

/// Asked before each append, with the stream's name.
pub type FaultHook = Box<dyn FnMut(&str) -> AppendFault + Send>;

#[derive(Default)]
struct Records {
    all: Vec<Record>,
    /// Positions by stream.
    streams: BTreeMap<String, Vec<usize>>,
    hook: Option<FaultHook>,
}

/// A journal in memory; clones share its records.
#[derive(Clone, Default)]
pub struct MemoryJournal(Arc<Mutex<Records>>);

impl std::fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryJournal({} records)", self.lock().all.len())
    }
}

impl MemoryJournal {
    /// An empty journal.
    #[must_use]
    pub fn new() -> MemoryJournal {
        MemoryJournal::default()
    }

    /// Asks `hook` before each append from now on.
    pub fn set_fault_hook(&self, hook: FaultHook) {
        self.lock().hook = Some(hook);
    }

    /// Appends without faults from now on.
    pub fn clear_fault_hook(&self) {
        self.lock().hook = None;
    }

    // a poisoned lock means that a test's assertion failed while it was held; the records are whole
    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The failure of a fake that was told to fail.
fn told_to_fail(operation: &'static str, object: &str) -> Failure {
    Failure {
        kind: FailureKind::Transient,
        operation,
        object: object.to_owned(),
        detail: "the fake was told to fail: try again".to_owned(),
    }
}

impl Records {
    fn of(&self, stream: &str) -> impl Iterator<Item = &Record> {
        self.streams.get(stream).into_iter().flatten().filter_map(|i| self.all.get(*i))
    }

    fn count(&self, stream: &str) -> u64 {
        self.streams.get(stream).map_or(0, Vec::len) as u64
    }

    fn write(&mut self, stream: &str, key: Option<&str>, at: At, events: &[NewEvent]) -> Appended {
        let first_seq = self.count(stream);
        let first_position = self.all.len() as u64;
        for (i, event) in (0u64..).zip(events) {
            self.streams.entry(stream.to_owned()).or_default().push(self.all.len());
            self.all.push(Record {
                position: first_position + i,
                stream: stream.to_owned(),
                seq: first_seq + i,
                at,
                kind: event.kind.to_owned(),
                key: key.map(str::to_owned),
                body: event.body.clone(),
            });
        }
        Appended::New { first_seq, first_position }
    }
}

impl Journal for MemoryJournal {
    fn append_under(
        &mut self,
        fence: Option<&Fence>,
        stream: &str,
        expected_seq: u64,
        key: Option<&str>,
        at: At,
        events: &[NewEvent],
    ) -> Result<Appended, JournalError> {
        let mut records = self.lock();
        let fault = records.hook.as_mut().map_or(AppendFault::None, |hook| hook(stream));
        if fault == AppendFault::FailsBefore {
            return Err(told_to_fail("append to journal", stream).into());
        }
        if let Some(Fence { stream: by, seq: expected }) = fence.filter(|fence| records.count(&fence.stream) != fence.seq) {
            let actual = records.count(by);
            return Err(JournalError::Fenced { stream: stream.to_owned(), by: by.clone(), expected: *expected, actual });
        }
        if let Some(first) = key.and_then(|key| records.of(stream).find(|r| r.key.as_deref() == Some(key))) {
            return Ok(Appended::Already { first_seq: first.seq });
        }
        let actual = records.count(stream);
        if actual != expected_seq {
            return Err(JournalError::Conflict { stream: stream.to_owned(), expected: expected_seq, actual });
        }
        for event in events {
            let bytes = event.body.to_string().len() + stream.len() + key.map_or(0, str::len) + ENVELOPE_BYTES;
            if bytes > crate::journal::RECORD_BYTES_MAX {
                return Err(JournalError::TooLarge { stream: stream.to_owned(), bytes });
            }
        }
        if fault == AppendFault::LostAcknowledged {
            return Ok(Appended::New { first_seq: actual, first_position: records.all.len() as u64 });
        }
        let appended = records.write(stream, key, at, events);
        if fault == AppendFault::FailsAfter {
            return Err(told_to_fail("acknowledge append to journal", stream).into());
        }
        Ok(appended)
    }

    fn read_stream(&mut self, stream: &str, from_seq: u64) -> Result<Vec<Record>, JournalError> {
        let records = self.lock();
        Ok(records.of(stream).skip(usize::try_from(from_seq).unwrap_or(usize::MAX)).cloned().collect())
    }

    fn read_all(&mut self, from_position: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        let records = self.lock();
        Ok(records.all.iter().skip(usize::try_from(from_position).unwrap_or(usize::MAX)).take(limit).cloned().collect())
    }

    fn streams(&mut self, prefix: &str) -> Result<Vec<String>, JournalError> {
        let records = self.lock();
        let from = records.streams.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        Ok(from.map(|(name, _)| name).take_while(|name| name.starts_with(prefix)).cloned().collect())
    }
}

/// Room for the parts of an encoded record that are not its body, stream or key.
const ENVELOPE_BYTES: usize = 128;

#[derive(Default)]
struct Stored {
    bytes: IndexMap<Digest, Vec<u8>>,
    fails: bool,
}

/// Blobs in memory; clones share them.
#[derive(Clone, Default)]
pub struct MemoryBlobs(Arc<Mutex<Stored>>);

impl std::fmt::Debug for MemoryBlobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryBlobs({} blobs)", self.lock().bytes.len())
    }
}

impl MemoryBlobs {
    /// An empty store.
    #[must_use]
    pub fn new() -> MemoryBlobs {
        MemoryBlobs::default()
    }

    /// Whether puts fail from now on.
    pub fn set_failing(&self, fails: bool) {
        self.lock().fails = fails;
    }

    fn lock(&self) -> MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blobs for MemoryBlobs {
    fn put(&self, bytes: &[u8]) -> Result<Digest, Failure> {
        let digest = Digest::of(bytes);
        let mut stored = self.lock();
        if stored.fails {
            return Err(told_to_fail("write blob", digest.as_str()));
        }
        stored.bytes.entry(digest.clone()).or_insert_with(|| bytes.to_vec());
        Ok(digest)
    }

    fn get(&self, digest: &Digest) -> Result<Vec<u8>, Failure> {
        let gone = || Failure {
            kind: FailureKind::Gone,
            operation: "read blob",
            object: digest.to_string(),
            detail: "it is not in this store: see whether it was put into another one".to_owned(),
        };
        self.lock().bytes.get(digest).cloned().ok_or_else(gone)
    }

    fn has(&self, digest: &Digest) -> Result<bool, Failure> {
        Ok(self.lock().bytes.contains_key(digest))
    }
}

/// Beats in memory; clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryBeats(Arc<Mutex<BTreeMap<Session, Beat>>>);

impl MemoryBeats {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Session, Beat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beats for MemoryBeats {
    fn beat(&mut self, beat: &Beat) -> Result<(), Failure> {
        let mut beats = self.lock();
        if beats.get(&beat.session).is_none_or(|known| known.count < beat.count) {
            beats.insert(beat.session.clone(), beat.clone());
        }
        Ok(())
    }

    fn all(&mut self) -> Result<Vec<Beat>, Failure> {
        Ok(self.lock().values().cloned().collect())
    }

    fn forget(&mut self, session: &Session) -> Result<(), Failure> {
        self.lock().remove(session);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;
    use serde_json::json;

    #[test]
    fn the_memory_journal_keeps_the_contract() {
        contract::journal(MemoryJournal::new);
        contract::journal_survives(MemoryJournal::new, |journal| journal.clone());
    }

    #[test]
    fn memory_blobs_keep_the_contract() {
        contract::blobs(&MemoryBlobs::new());
    }

    #[test]
    fn memory_beats_keep_the_contract() {
        contract::beats(&mut MemoryBeats::default());
    }

    #[test]
    fn faults_are_what_they_say() {
        let mut journal = MemoryJournal::new();
        let event = [NewEvent { kind: "test", body: json!({ "n": 1 }) }];
        let mut faults = vec![AppendFault::FailsBefore, AppendFault::FailsAfter, AppendFault::LostAcknowledged].into_iter();
        journal.set_fault_hook(Box::new(move |_| faults.next().unwrap_or(AppendFault::None)));
        assert!(journal.append("a", 0, None, At(1), &event).is_err());
        assert_eq!(journal.read_stream("a", 0).unwrap().len(), 0);
        assert!(journal.append("a", 0, None, At(1), &event).is_err());
        assert_eq!(journal.read_stream("a", 0).unwrap().len(), 1);
        assert!(journal.append("a", 1, None, At(1), &event).is_ok());
        assert_eq!(journal.read_stream("a", 0).unwrap().len(), 1);
    }
}
