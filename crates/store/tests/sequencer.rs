//! What a log refuses to sign, and what the check of the journal's database finds.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use common::World;
use serde_json::json;
use std::fs;
use std::path::Path;
use tidegate_core::id::At;
use tidegate_port::{FailureKind, Journal, NewEvent};
use tidegate_store::tlog::LogError;
use tidegate_store::{Log, SqliteJournal, audit};

/// Lets go of the log and opens it again.
fn reopen(world: World) -> (World, Result<Log, LogError>) {
    let World { dir, signer, vkey, mut journal, log, salt } = world;
    drop(log);
    let opened = Log::open(&dir.path().join("log"), signer.clone(), &mut journal);
    let spare = World::new();
    (World { dir, signer, vkey, journal, log: spare.log, salt }, opened)
}

#[test]
fn a_log_goes_on_where_it_stopped() {
    for size in [0, 1, 255, 256, 300, 512] {
        let mut world = World::new();
        if size > 0 {
            world.seal_to(size);
        }
        let sealed = world.log.sealed();
        let (mut world, log) = reopen(world);
        world.log = log.unwrap();
        assert_eq!(world.log.sealed(), sealed);
        world.seal_to(size + 300);
        let mut once = World::new();
        once.seal_to(size + 300);
        assert_eq!(world.log.sealed(), once.log.sealed());
        assert_eq!(audit::verify(&world.log_dir(), &world.vkey, None).unwrap().size, size + 300);
    }
}

#[test]
fn one_sequencer_at_a_time() {
    let mut world = World::new();
    let error = Log::open(&world.log_dir(), world.signer.clone(), &mut world.journal).unwrap_err();
    assert!(matches!(error, LogError::Store(failure) if failure.kind == FailureKind::Transient));
}

#[test]
fn sealing_nothing_new_changes_nothing() {
    let mut world = World::new();
    world.seal_to(5);
    let before = fs::metadata(world.log_dir().join("checkpoint")).unwrap().modified().unwrap();
    assert_eq!(world.log.seal(&mut world.journal).unwrap(), world.log.sealed());
    assert_eq!(fs::metadata(world.log_dir().join("checkpoint")).unwrap().modified().unwrap(), before);
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[5] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn nothing_is_signed_while_the_edge_disagrees() {
    let check = |expected: fn(&LogError) -> bool, change: fn(&Path)| {
        let mut world = World::new();
        world.seal_to(300);
        change(&world.log_dir());
        let before = fs::read(world.log_dir().join("checkpoint")).ok();
        let (world, opened) = reopen(world);
        let error = opened.unwrap_err();
        assert!(expected(&error), "{error}");
        assert_eq!(fs::read(world.log_dir().join("checkpoint")).ok(), before);
    };
    check(|e| matches!(e, LogError::EdgeDisagrees { .. }), |dir| flip(&dir.join("tile/1/000.p/1")));
    check(|e| matches!(e, LogError::EdgeDisagrees { .. }), |dir| flip(&dir.join("tile/entries/001.p/44")));
    check(|e| matches!(e, LogError::MissingTile { .. }), |dir| fs::remove_file(dir.join("tile/entries/001.p/44")).unwrap());
    check(|e| matches!(e, LogError::NoCheckpoint { .. }), |dir| fs::remove_file(dir.join("checkpoint")).unwrap());
    check(|e| matches!(e, LogError::Malformed { .. }), |dir| fs::write(dir.join("checkpoint"), b"x").unwrap());
}

#[test]
fn a_journal_that_does_not_continue_the_log_is_refused() {
    let mut world = World::new();
    world.seal_to(300);
    for (size, salt) in [(299, 0), (300, 1), (400, 1)] {
        let mut other = World::new();
        let events: Vec<NewEvent> = (0..size).map(|n| NewEvent { kind: "test", body: json!({ "n": n, "salt": salt }) }).collect();
        other.journal.append("test/1", 0, None, At(0), &events).unwrap();
        let copy = tempfile::tempdir().unwrap();
        audit::export(&world.log_dir(), &world.vkey, copy.path()).unwrap();
        let error = Log::open(copy.path(), world.signer.clone(), &mut other.journal).unwrap_err();
        assert!(matches!(error, LogError::JournalDisagrees { .. }), "{error}");
    }
}

#[test]
fn rows_that_are_not_the_sealed_ones_are_found() {
    let check = |sql: &str| {
        let mut world = World::new();
        world.seal_to(300);
        let dir = world.log_dir();
        world.journal.append("test/1", 300, None, At(0), &[NewEvent { kind: "test", body: json!(1) }]).unwrap();
        let report = audit::verify_journal(&mut world.journal, &dir, &world.vkey).unwrap();
        assert_eq!((report.sealed, report.unsealed), (300, 1));
        let status = rusqlite::Connection::open(world.journal.path()).unwrap().execute_batch(sql);
        status.unwrap();
        let error = audit::verify_journal(&mut world.journal, &dir, &world.vkey).unwrap_err();
        assert_eq!(error.exit_code(), 29, "{sql}: {error}");
        // The log itself is still right.
        audit::verify(&dir, &world.vkey, None).unwrap();
    };
    check("UPDATE records SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"n\":7,', '\"n\":8,') AS BLOB) WHERE position = 7");
    check("UPDATE records SET stream = 'test/2' WHERE position = 7");
    check("DELETE FROM records WHERE position = 7");
    check("DELETE FROM records WHERE position >= 299");
    check("UPDATE records SET at = 1 WHERE position = 299");
}

/// An operator who rewrites a row, and its log as well, is found by the checkpoint that an auditor kept.
#[test]
fn a_rewritten_history_is_a_fork() {
    let mut world = World::new();
    world.seal_to(20);
    let kept = fs::read(world.log_dir().join("checkpoint")).unwrap();
    rusqlite::Connection::open(world.journal.path())
        .unwrap()
        .execute_batch("UPDATE records SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"n\":7,', '\"n\":8,') AS BLOB) WHERE position = 7")
        .unwrap();
    let rewritten = tempfile::tempdir().unwrap();
    let mut journal = SqliteJournal::open_read_only(world.journal.path()).unwrap();
    let mut log = Log::open(rewritten.path(), world.signer.clone(), &mut journal).unwrap();
    log.seal(&mut journal).unwrap();
    audit::verify(rewritten.path(), &world.vkey, None).unwrap();
    audit::verify_journal(&mut journal, rewritten.path(), &world.vkey).unwrap();
    assert_eq!(audit::verify(rewritten.path(), &world.vkey, Some(&kept)).unwrap_err().exit_code(), 27);
}
