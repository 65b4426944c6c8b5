//! What every journal and every blob store must keep, as functions that any implementation's tests call.
//!
//! A broken rule panics with its name. Not here: rules of one implementation (files, locks, leases).

use crate::journal::RECORD_BYTES_MAX;
use crate::{Appended, Beats, Blobs, FailureKind, Fence, Journal, JournalError, NewEvent, Record};
use serde_json::json;
use tidegate_core::id::{At, Digest};
use tidegate_core::lease::{Beat, Session};

fn event(n: u64) -> NewEvent {
    NewEvent { kind: "contract", body: json!({ "event": "counted", "n": n, "text": "\u{e9} \"quoted\"\n", "x": 0.1 }) }
}

fn bodies(records: &[Record]) -> Vec<u64> {
    records.iter().map(|r| r.body["n"].as_u64().expect("the suite writes `n` into each of its events")).collect()
}

/// Runs every rule on a fresh journal each.
pub fn journal<J: Journal>(mut fresh: impl FnMut() -> J) {
    journal_keeps_order(&mut fresh());
    journal_refuses_a_stale_writer(&mut fresh());
    journal_knows_a_key_again(&mut fresh());
    journal_refuses_a_record_over_the_limit(&mut fresh());
    journal_reads_from_anywhere(&mut fresh());
    journal_lists_streams(&mut fresh());
    journal_holds_a_fence(&mut fresh());
}

/// Events come back as they were written, numbered without gaps, in their stream and in the whole.
pub fn journal_keeps_order<J: Journal>(journal: &mut J) {
    let first = journal.append("s/a", 0, None, At(10), &[event(0), event(1)]).expect("append to an empty stream");
    assert_eq!(first, Appended::New { first_seq: 0, first_position: 0 }, "the first append starts both counts");
    let other = journal.append("s/b", 0, Some("k"), At(11), &[event(2)]).expect("append to another stream");
    assert_eq!(other, Appended::New { first_seq: 0, first_position: 2 }, "streams count apart, positions together");
    let third = journal.append("s/a", 2, None, At(9), &[event(3)]).expect("append with an earlier clock");
    assert_eq!(third, Appended::New { first_seq: 2, first_position: 3 }, "order is that of appending, not of the clock");
    let a = journal.read_stream("s/a", 0).expect("read a stream");
    assert_eq!(bodies(&a), [0, 1, 3], "a stream holds its events in order");
    assert_eq!(a.iter().map(|r| r.seq).collect::<Vec<_>>(), [0, 1, 2], "sequences have no gaps");
    let all = journal.read_all(0, 100).expect("read everything");
    assert_eq!(bodies(&all), [0, 1, 2, 3], "the whole holds all events in order");
    assert_eq!(all.iter().map(|r| r.position).collect::<Vec<_>>(), [0, 1, 2, 3], "positions have no gaps");
    let record = all.get(2).expect("four were read");
    let whole = Record {
        position: 2,
        stream: "s/b".into(),
        seq: 0,
        at: At(11),
        kind: "contract".into(),
        key: Some("k".into()),
        body: event(2).body,
    };
    assert_eq!(*record, whole, "a record comes back as it was written");
    let none = journal.append("s/a", 3, None, At(12), &[]).expect("append nothing");
    assert_eq!(none, Appended::New { first_seq: 3, first_position: 4 }, "appending nothing writes nothing");
    assert_eq!(journal.read_all(0, 100).expect("read everything").len(), 4, "appending nothing writes nothing");
}

/// Who has not seen all of a stream writes nothing to it.
pub fn journal_refuses_a_stale_writer<J: Journal>(journal: &mut J) {
    journal.append("s", 0, None, At(1), &[event(0)]).expect("append to an empty stream");
    for expected in [0, 2, u64::MAX] {
        match journal.append("s", expected, Some("stale"), At(2), &[event(1)]) {
            Err(JournalError::Conflict { stream, expected: told, actual }) => {
                assert_eq!((stream.as_str(), told, actual), ("s", expected, 1), "a conflict says what was expected and found");
            }
            other => unexpected("a stale append conflicts", &other),
        }
    }
    assert_eq!(bodies(&journal.read_all(0, 10).expect("read everything")), [0], "a conflict writes nothing");
    let retried = journal.append("s", 1, Some("stale"), At(3), &[event(1)]).expect("append after reading on");
    assert_eq!(retried, Appended::New { first_seq: 1, first_position: 1 }, "a key of a refused append is not used up");
}

fn unexpected(rule: &str, found: &impl std::fmt::Debug) {
    assert!(rule.is_empty(), "{rule}; found {found:?}");
}

/// A key seen before on the stream writes nothing, whatever the caller believes to be there.
pub fn journal_knows_a_key_again<J: Journal>(journal: &mut J) {
    journal.append("s", 0, Some("k1"), At(1), &[event(0)]).expect("append with a key");
    journal.append("s", 1, Some("k2"), At(2), &[event(1), event(2)]).expect("append with another key");
    for expected in [0, 1, 3, 99] {
        let again = journal.append("s", expected, Some("k2"), At(3), &[event(9)]).expect("append with a known key");
        assert_eq!(again, Appended::Already { first_seq: 1 }, "a known key answers with its first use");
    }
    assert_eq!(bodies(&journal.read_stream("s", 0).expect("read a stream")), [0, 1, 2], "a known key writes nothing");
    let elsewhere = journal.append("t", 0, Some("k2"), At(4), &[event(3)]).expect("append the key elsewhere");
    assert_eq!(elsewhere, Appended::New { first_seq: 0, first_position: 3 }, "keys belong to a stream");
}

/// A record that no log entry could carry is refused whole.
pub fn journal_refuses_a_record_over_the_limit<J: Journal>(journal: &mut J) {
    let large = NewEvent { kind: "contract", body: json!({ "n": 1, "bulk": "x".repeat(RECORD_BYTES_MAX) }) };
    match journal.append("s", 0, None, At(1), &[event(0), large]) {
        Err(JournalError::TooLarge { .. }) => {}
        other => unexpected("a record over the limit is refused", &other),
    }
    assert_eq!(journal.read_all(0, 10).expect("read everything").len(), 0, "an append is whole or not at all");
}

/// Reads start where they are told and never fail past the end.
pub fn journal_reads_from_anywhere<J: Journal>(journal: &mut J) {
    for n in 0..10u64 {
        let stream = if n % 2 == 0 { "even" } else { "odd" };
        journal.append(stream, n / 2, None, At(1), &[event(n)]).expect("append");
    }
    assert_eq!(bodies(&journal.read_stream("odd", 3).expect("read from within")), [7, 9], "a stream is read from a sequence on");
    assert_eq!(
        bodies(&journal.read_all(4, 3).expect("read from within")),
        [4, 5, 6],
        "the whole is read from a position on, up to the limit"
    );
    for far in [10, u64::MAX] {
        assert!(journal.read_stream("odd", far).expect("read past the end").is_empty(), "past the end there is nothing");
        assert!(journal.read_all(far, 10).expect("read past the end").is_empty(), "past the end there is nothing");
    }
    assert!(journal.read_stream("none", 0).expect("read an unknown stream").is_empty(), "an unknown stream is empty");
    assert!(journal.read_all(0, 0).expect("read nothing").is_empty(), "a limit of zero reads nothing");
}

/// Streams are listed by prefix, sorted, and a prefix is no pattern.
pub fn journal_lists_streams<J: Journal>(journal: &mut J) {
    for stream in ["b/2", "a/1", "b/10", "b_1", "b%", "B/1"] {
        journal.append(stream, 0, None, At(1), &[event(0)]).expect("append");
    }
    assert_eq!(journal.streams("b/").expect("list"), ["b/10", "b/2"], "streams are listed by prefix, sorted");
    assert_eq!(journal.streams("b_").expect("list"), ["b_1"], "a prefix is no pattern");
    assert_eq!(journal.streams("b%").expect("list"), ["b%"], "a prefix is no pattern");
    assert_eq!(journal.streams("").expect("list").len(), 6, "the empty prefix lists all");
    assert!(journal.streams("c").expect("list").is_empty(), "an unknown prefix lists nothing");
}

/// Who is fenced off writes nothing, whatever else is right; facts of the fence's stream are what moves it.
pub fn journal_holds_a_fence<J: Journal>(journal: &mut J) {
    let fence = |seq| Fence { stream: "lease/01".to_owned(), seq };
    let first = journal.append_under(Some(&fence(0)), "s", 0, Some("k"), At(1), &[event(0)]).expect("append under a fence nobody moved");
    assert_eq!(first, Appended::New { first_seq: 0, first_position: 0 }, "a fence that stands is no hindrance");
    journal.append("lease/01", 0, None, At(2), &[event(1)]).expect("move the fence");
    journal.append("lease/010", 0, None, At(2), &[event(2), event(3)]).expect("append to a stream with a similar name");
    for (told, expected_seq, key) in [(0, 1, None), (0, 7, None), (0, 1, Some("k")), (2, 1, None), (u64::MAX, 1, None)] {
        match journal.append_under(Some(&fence(told)), "s", expected_seq, key, At(3), &[event(9)]) {
            Err(JournalError::Fenced { stream, by, expected, actual }) => {
                assert_eq!((stream.as_str(), by.as_str()), ("s", "lease/01"), "who is fenced off is told where and by what");
                assert_eq!((expected, actual), (told, 1), "and how far the fence has moved");
            }
            other => unexpected("a fence that moved comes before everything else", &other),
        }
    }
    assert_eq!(bodies(&journal.read_stream("s", 0).expect("read a stream")), [0], "who is fenced off writes nothing");
    let next = journal.append_under(Some(&fence(1)), "s", 1, None, At(4), &[event(4)]).expect("append under the fence of now");
    assert_eq!(next, Appended::New { first_seq: 1, first_position: 4 }, "who knows of the move may write");
    let again = journal.append_under(Some(&fence(1)), "s", 9, Some("k"), At(5), &[event(9)]).expect("append with a known key");
    assert_eq!(again, Appended::Already { first_seq: 0 }, "under a fence that stands a key is known again");
    match journal.append_under(Some(&fence(1)), "s", 1, None, At(5), &[event(9)]) {
        Err(JournalError::Conflict { expected: 1, actual: 2, .. }) => {}
        other => unexpected("under a fence that stands a stale writer conflicts", &other),
    }
}

/// What was acknowledged is there after the store was opened again.
pub fn journal_survives<J: Journal>(mut fresh: impl FnMut() -> J, mut reopen: impl FnMut(J) -> J) {
    let mut journal = fresh();
    journal.append("s", 0, Some("k"), At(1), &[event(0), event(1)]).expect("append");
    let mut journal = reopen(journal);
    assert_eq!(bodies(&journal.read_stream("s", 0).expect("read a stream")), [0, 1], "acknowledged events are durable");
    let again = journal.append("s", 0, Some("k"), At(2), &[event(9)]).expect("append with a known key");
    assert_eq!(again, Appended::Already { first_seq: 0 }, "keys are durable");
    journal.append("s", 2, None, At(3), &[event(2)]).expect("append after reopening");
    assert_eq!(bodies(&reopen(journal).read_all(0, 10).expect("read everything")), [0, 1, 2], "the count goes on");
}

/// A stored blob is whole and found by its content; an absent one is `Gone`.
pub fn blobs<B: Blobs>(blobs: &B) {
    for bytes in [&b""[..], b"one", b"two \0 \xff"] {
        let digest = blobs.put(bytes).expect("put");
        assert_eq!(digest, Digest::of(bytes), "a blob is named by its content");
        assert_eq!(blobs.put(bytes).expect("put again"), digest, "putting twice is harmless");
        assert_eq!(blobs.get(&digest).expect("get"), bytes, "a blob comes back whole");
        assert!(blobs.has(&digest).expect("has"), "a stored blob is there");
    }
    let absent = Digest::of(b"never stored by this suite");
    assert!(!blobs.has(&absent).expect("has"), "an absent blob is not there");
    assert_eq!(blobs.get(&absent).map_err(|f| f.kind), Err(FailureKind::Gone), "an absent blob is gone");
}

/// Of each session the newest beat is there, in order, until it is forgotten.
pub fn beats<B: Beats>(beats: &mut B) {
    let session = |replica: &str, number| Session { replica: replica.to_owned(), number };
    let beat = |session: Session, count, ready| Beat { session, count, ready };
    assert!(beats.all().expect("read beats").is_empty(), "at first there is none");
    let (old, new, other) = (session("a", 9), session("a", 10), session("\u{e9} %_'", u64::from(u32::MAX) + 1));
    beats.beat(&beat(other.clone(), 1, false)).expect("beat");
    beats.beat(&beat(new.clone(), 1, false)).expect("beat");
    beats.beat(&beat(old.clone(), 3, true)).expect("beat");
    beats.beat(&beat(new.clone(), 2, true)).expect("beat again");
    beats.beat(&beat(new.clone(), 1, false)).expect("beat late");
    let all = [beat(old.clone(), 3, true), beat(new.clone(), 2, true), beat(other.clone(), 1, false)];
    assert_eq!(beats.all().expect("read beats"), all, "of each session the newest, in order");
    beats.forget(&old).expect("forget");
    beats.forget(&old).expect("forget again");
    assert_eq!(beats.all().expect("read beats"), all[1..], "what is forgotten is gone, and nothing else");
    beats.beat(&beat(old.clone(), 4, true)).expect("beat after it was forgotten");
    assert_eq!(beats.all().expect("read beats").first(), Some(&beat(old, 4, true)), "who was forgotten may come back");
}
