//! The journal against its promises: conflicts, keys, damage, several writers.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use tidegate_port::FailureKind;
use tidegate_port::journal::RECORD_BYTES_MAX;
use tidegate_wire::record;

fn event(n: u64) -> NewEvent {
    NewEvent { kind: "test", body: json!({ "n": n }) }
}

fn journal() -> (tempfile::TempDir, SqliteJournal) {
    let dir = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(&dir.path().join("journal.db")).unwrap();
    (dir, journal)
}

#[test]
fn appends_are_ordered_and_read_back() {
    let (_dir, mut j) = journal();
    assert_eq!(j.append("a/1", 0, None, At(5), &[event(0), event(1)]).unwrap(), Appended::New { first_seq: 0, first_position: 0 });
    assert_eq!(j.append("b/1", 0, Some("k"), At(6), &[event(2)]).unwrap(), Appended::New { first_seq: 0, first_position: 2 });
    assert_eq!(j.append("a/1", 2, None, At(7), &[event(3)]).unwrap(), Appended::New { first_seq: 2, first_position: 3 });
    let all = j.read_all(0, 100).unwrap();
    assert_eq!(
        all.iter().map(|r| (r.position, r.stream.as_str(), r.seq, r.at.0)).collect::<Vec<_>>(),
        [(0, "a/1", 0, 5), (1, "a/1", 1, 5), (2, "b/1", 0, 6), (3, "a/1", 2, 7)]
    );
    assert_eq!(all[2].key.as_deref(), Some("k"));
    assert_eq!(all[3].body, json!({ "n": 3 }));
    assert_eq!(j.read_all(1, 2).unwrap().len(), 2);
    assert_eq!(j.read_all(1, usize::MAX).unwrap().len(), 3);
    assert_eq!(j.read_stream("a/1", 1).unwrap().len(), 2);
    assert_eq!(j.read_stream("none", 0).unwrap(), []);
    assert_eq!(j.streams("").unwrap(), ["a/1", "b/1"]);
    assert_eq!(j.streams("b").unwrap(), ["b/1"]);
    assert_eq!(j.check_whole().unwrap(), 4);
}

#[test]
fn a_stale_writer_conflicts_and_writes_nothing() {
    let (_dir, mut j) = journal();
    j.append("a", 0, None, At(0), &[event(0)]).unwrap();
    for expected in [0, 2] {
        match j.append("a", expected, Some("x"), At(0), &[event(9)]) {
            Err(JournalError::Conflict { actual, .. }) => assert_eq!(actual, 1),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(j.size().unwrap(), 1);
    // The key of a refused append is still free.
    assert!(matches!(j.append("a", 1, Some("x"), At(0), &[event(9)]).unwrap(), Appended::New { first_seq: 1, .. }));
}

#[test]
fn a_key_counts_once_in_its_stream() {
    let (dir, mut j) = journal();
    j.append("a", 0, Some("k"), At(0), &[event(0), event(1)]).unwrap();
    j.append("a", 2, None, At(0), &[event(2)]).unwrap();
    for expected in [0, 3, 99] {
        assert_eq!(j.append("a", expected, Some("k"), At(1), &[event(7)]).unwrap(), Appended::Already { first_seq: 0 });
    }
    assert!(matches!(j.append("b", 0, Some("k"), At(1), &[event(7)]).unwrap(), Appended::New { .. }));
    drop(j);
    let mut j = SqliteJournal::open(&dir.path().join("journal.db")).unwrap();
    assert_eq!(j.append("a", 3, Some("k"), At(2), &[event(7)]).unwrap(), Appended::Already { first_seq: 0 });
    assert_eq!(j.size().unwrap(), 4);
}

#[test]
fn one_event_too_large_writes_none() {
    let (_dir, mut j) = journal();
    let large = NewEvent { kind: "test", body: json!("x".repeat(RECORD_BYTES_MAX)) };
    let error = j.append("a", 0, None, At(0), &[event(0), large]).unwrap_err();
    assert!(matches!(error, JournalError::TooLarge { .. }), "{error}");
    assert_eq!(j.size().unwrap(), 0);
}

#[test]
fn the_largest_record_fits() {
    let (_dir, mut j) = journal();
    let overhead = record::encode(0, "a", 0, At(0), "test", None, &json!("")).unwrap().len();
    let body = |bytes: usize| NewEvent { kind: "test", body: json!("x".repeat(bytes)) };
    assert!(matches!(
        j.append("a", 0, None, At(0), &[body(RECORD_BYTES_MAX - overhead + 1)]),
        Err(JournalError::TooLarge { bytes: 65_536, .. })
    ));
    j.append("a", 0, None, At(0), &[body(RECORD_BYTES_MAX - overhead)]).unwrap();
    assert_eq!(j.leaves(0, 1).unwrap()[0].len(), RECORD_BYTES_MAX);
}

#[test]
fn bad_names_are_refused() {
    let (_dir, mut j) = journal();
    for stream in ["", "a\nb", "a\0b", &"x".repeat(STREAM_BYTES_MAX + 1)] {
        assert!(matches!(
            j.append(stream, 0, None, At(0), &[event(0)]),
            Err(JournalError::Store(Failure { kind: FailureKind::Refused, .. }))
        ));
    }
    assert_eq!(j.size().unwrap(), 0);
}

#[test]
fn a_reader_beside_the_writer_sees_commits_and_cannot_write() {
    let (dir, mut j) = journal();
    let path = dir.path().join("journal.db");
    assert_eq!(SqliteJournal::open_read_only(&dir.path().join("other.db")).unwrap_err().kind, FailureKind::Gone);
    let mut reader = SqliteJournal::open_read_only(&path).unwrap();
    j.append("a", 0, None, At(0), &[event(0)]).unwrap();
    assert_eq!(reader.read_all(0, 10).unwrap().len(), 1);
    match reader.append("a", 1, None, At(0), &[event(1)]) {
        Err(JournalError::Store(failure)) => assert_eq!(failure.kind, FailureKind::Denied, "{failure}"),
        other => panic!("{other:?}"),
    }
}

/// Writers on their own connections, all wanting the same stream: each event lands once, in order.
#[test]
fn racing_writers_conflict_and_never_overwrite() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    SqliteJournal::open(&path).unwrap();
    let (writers, each) = (4_u64, 40_u64);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let path = &path;
            scope.spawn(move || {
                let mut j = SqliteJournal::open(path).unwrap();
                for n in 0..each {
                    let mut seen = j.read_stream("shared", 0).unwrap().len() as u64;
                    while let Err(error) = j.append("shared", seen, Some(&format!("{writer}-{n}")), At(0), &[event(writer * each + n)]) {
                        match error {
                            JournalError::Conflict { actual, .. } => seen = actual,
                            other => panic!("{other}"),
                        }
                    }
                }
            });
        }
    });
    let mut j = SqliteJournal::open(&path).unwrap();
    let mut numbers: Vec<u64> = j.read_stream("shared", 0).unwrap().iter().map(|r| r.body["n"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..writers * each).collect::<Vec<_>>());
    assert_eq!(j.check_whole().unwrap(), writers * each);
}

#[test]
fn damage_is_named() {
    let (dir, mut j) = journal();
    let path = dir.path().join("journal.db");
    for n in 0..2000 {
        j.append("a", n, None, At(0), &[event(n)]).unwrap();
    }
    drop(j);
    let whole = std::fs::read(&path).unwrap();
    let check = |bytes: &[u8], expected: &str| {
        let path = dir.path().join("damaged.db");
        std::fs::write(&path, bytes).unwrap();
        let failure = SqliteJournal::open(&path).and_then(|mut j| j.check_whole()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
        assert!(failure.to_string().contains(expected), "{failure}");
    };
    let mut header = whole.clone();
    header[..16].fill(b'x');
    check(&header, "not a database");
    let mut page = whole.clone();
    let middle = page.len() / 2;
    page[middle - middle % 4096..][..4096].fill(0xff);
    check(&page, "damaged");
    let mut text = whole.clone();
    let needle = br#""n":1500"#;
    let place = text.windows(needle.len()).position(|w| w == needle).unwrap();
    text[place + 1] = b'"';
    check(&text, "damaged");
    check(&whole[..whole.len() / 2], "damaged");
}

#[test]
fn a_column_changed_by_hand_is_found() {
    let (dir, mut j) = journal();
    let path = dir.path().join("journal.db");
    j.append("a", 0, None, At(0), &[event(0)]).unwrap();
    j.append("a", 1, None, At(0), &[event(1)]).unwrap();
    Connection::open(&path).unwrap().execute("UPDATE records SET stream = 'b' WHERE position = 0", []).unwrap();
    let failure = j.check_whole().unwrap_err();
    assert!(failure.to_string().contains("record 0"), "{failure}");
    Connection::open(&path).unwrap().execute("DELETE FROM records WHERE position = 0", []).unwrap();
    assert!(j.leaves(0, 2).unwrap_err().to_string().contains("it is missing"));
}

#[test]
fn other_databases_and_newer_versions_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(SqliteJournal::open(&other).unwrap_err().to_string().contains("not a Tidegate journal"));
    let newer = dir.path().join("newer.db");
    SqliteJournal::open(&newer).unwrap().connection.execute("UPDATE schema SET version = 2", []).unwrap();
    assert!(SqliteJournal::open(&newer).unwrap_err().to_string().contains("version 2"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Against a model: a map of streams to events, and the order of all.
    #[test]
    fn behaves_as_the_model(steps in proptest::collection::vec((0_usize..3, 0_u64..6, proptest::option::of(0_u8..4), 1_usize..4), 1..60)) {
        let (_dir, mut j) = journal();
        let mut model: Vec<(String, u64, Option<String>)> = Vec::new();
        let mut keys = std::collections::BTreeMap::new();
        for (stream, expected, key, count) in steps {
            let stream = format!("s/{stream}");
            let key = key.map(|k| format!("k{k}"));
            let actual = model.iter().filter(|(s, ..)| *s == stream).count() as u64;
            let events: Vec<NewEvent> = (0..count as u64).map(event).collect();
            let result = j.append(&stream, expected, key.as_deref(), At(0), &events);
            if let Some(first) = key.as_ref().and_then(|k| keys.get(&(stream.clone(), k.clone()))) {
                prop_assert_eq!(result.unwrap(), Appended::Already { first_seq: *first });
            } else if expected != actual {
                let conflict = matches!(result, Err(JournalError::Conflict { actual: a, .. }) if a == actual);
                prop_assert!(conflict);
            } else {
                prop_assert_eq!(result.unwrap(), Appended::New { first_seq: actual, first_position: model.len() as u64 });
                if let Some(k) = &key {
                    keys.insert((stream.clone(), k.clone()), actual);
                }
                for n in 0..count as u64 {
                    model.push((stream.clone(), actual + n, key.clone()));
                }
            }
        }
        let all: Vec<_> = j.read_all(0, 1000).unwrap().into_iter().map(|r| (r.stream, r.seq, r.key)).collect();
        prop_assert_eq!(all, model);
    }
}

#[test]
fn several_processes_may_open_a_new_journal_at_once() {
    for _ in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        std::thread::scope(|scope| {
            for n in 0..6 {
                let path = &path;
                scope.spawn(move || {
                    let mut j = SqliteJournal::open(path).unwrap();
                    j.append(&format!("s/{n}"), 0, None, At(0), &[event(n)]).unwrap();
                });
            }
        });
        assert_eq!(SqliteJournal::open(&path).unwrap().check_whole().unwrap(), 6);
    }
}
