//! The stores keep the contracts of their ports.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::RefCell;
use tidegate_port::contract;
use tidegate_store::{FsBlobs, SqliteJournal};

#[test]
fn the_journal_keeps_its_contract() {
    let dirs = RefCell::new(Vec::new());
    let fresh = || {
        let dir = tempfile::tempdir().unwrap();
        let journal = SqliteJournal::open(&dir.path().join("journal.db")).unwrap();
        dirs.borrow_mut().push(dir);
        journal
    };
    contract::journal(fresh);
    contract::journal_survives(fresh, |journal| {
        let path = journal.path().to_owned();
        drop(journal);
        SqliteJournal::open(&path).unwrap()
    });
}

#[test]
fn the_blobs_keep_their_contract() {
    let dir = tempfile::tempdir().unwrap();
    contract::blobs(&FsBlobs::open(dir.path()).unwrap());
}
