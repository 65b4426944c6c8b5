//! A journal with a log, and the independent verifiers.
#![allow(dead_code)]

pub mod peer;

use serde_json::json;
use std::path::PathBuf;
use tidegate_core::id::At;
use tidegate_port::{Journal, NewEvent};
use tidegate_store::tlog::LogSigner;
use tidegate_store::{Keys, Log, SqliteJournal};

/// Sizes at which tiles and levels begin and end.
pub const SIZES: [u64; 6] = [1, 2, 255, 256, 257, 65_536];

pub struct World {
    pub dir: tempfile::TempDir,
    pub signer: LogSigner,
    pub vkey: String,
    pub journal: SqliteJournal,
    pub log: Log,
    pub salt: u64,
}

impl World {
    pub fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(&dir.path().join("vault"), "test").unwrap();
        World::with(dir, keys.signer(), 0)
    }

    fn with(dir: tempfile::TempDir, signer: LogSigner, salt: u64) -> World {
        let mut journal = SqliteJournal::open(&dir.path().join("journal.db")).unwrap();
        let log = Log::open(&dir.path().join("log"), signer.clone(), &mut journal).unwrap();
        World { vkey: signer.verifier().vkey(), dir, signer, journal, log, salt }
    }

    /// Another history signed by the same key.
    pub fn fork_of(world: &World, size: u64) -> World {
        let mut fork = World::with(tempfile::tempdir().unwrap(), world.signer.clone(), 1);
        fork.seal_to(size);
        fork
    }

    pub fn log_dir(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Appends until the journal holds `size` records, and seals them.
    pub fn seal_to(&mut self, size: u64) {
        let have = self.journal.size().unwrap();
        let events: Vec<NewEvent> = (have..size).map(|n| NewEvent { kind: "test", body: json!({ "n": n, "salt": self.salt }) }).collect();
        let mut next = have;
        for chunk in events.chunks(tidegate_store::journal::EVENTS_PER_APPEND_MAX) {
            self.journal.append("test/1", next, None, At(0), chunk).unwrap();
            next += chunk.len() as u64;
        }
        assert_eq!(self.log.seal(&mut self.journal).unwrap().size, size);
    }

    pub fn sealed_note(mut self, size: u64) -> Vec<u8> {
        self.seal_to(size);
        std::fs::read(self.log_dir().join("checkpoint")).unwrap()
    }
}
