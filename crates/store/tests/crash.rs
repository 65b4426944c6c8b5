//! Processes killed with SIGKILL at any moment: what was acknowledged is there, and the log never forks.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tidegate_core::id::At;
use tidegate_port::{Blobs, Journal, NewEvent};
use tidegate_store::{FeedbackRow, FsBlobs, Keys, Lake, Log, SqliteJournal, audit};

const CHILD_DIR: &str = "TIDEGATE_TEST_CHILD_DIR";
const ROUNDS: usize = 12;

/// Appends, stores and seals for ever; says each acknowledged number on its output.
#[test]
#[ignore = "runs as the child of the test below, which kills it"]
fn child() {
    let dir = PathBuf::from(std::env::var_os(CHILD_DIR).unwrap());
    let mut journal = SqliteJournal::open(&dir.join("journal.db")).unwrap();
    let keys = Keys::open(&dir.join("vault"), "crash").unwrap();
    let mut log = Log::open(&dir.join("log"), keys.signer(), &mut journal).unwrap();
    let lake = Lake::open(&dir.join("lake")).unwrap();
    let blobs = FsBlobs::open(&dir.join("blobs")).unwrap();
    for n in journal.size().unwrap().. {
        let body = json!({ "n": n, "fill": "x".repeat(usize::try_from(n % 700).unwrap()) });
        journal.append("crash/1", n, Some(&format!("k{n}")), At(0), &[NewEvent { kind: "crash", body }]).unwrap();
        lake.feedback().append(&[FeedbackRow { at: At(0), request_id: n.to_string(), service: "s".into(), label: 1.0 }]).unwrap();
        if n % 5 == 0 {
            blobs.put(content(n).as_bytes()).unwrap();
        }
        if n % 3 == 0 {
            log.seal(&mut journal).unwrap();
        }
        if n % 50 == 49 {
            lake.seal().unwrap();
        }
        println!("acknowledged {n}");
    }
}

fn content(n: u64) -> String {
    format!("blob {n}").repeat(1000)
}

fn spawn(dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "child", "--nocapture"]).env(CHILD_DIR, dir);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Lets the child acknowledge some numbers, kills it, and gives the last one that it said.
fn run_and_kill(dir: &Path, numbers: usize) -> u64 {
    let mut child = spawn(dir);
    let mut said = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .filter_map(|line| Some(line.split_once("acknowledged ")?.1.parse::<u64>().unwrap()));
    let mut last = said.by_ref().take(numbers).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before it died was acknowledged too.
    last = said.last().unwrap_or(last);
    last
}

#[test]
fn killed_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for round in 0..ROUNDS {
        let last = run_and_kill(dir, 1 + round * 7 % 40);
        let mut journal = SqliteJournal::open(&dir.join("journal.db")).unwrap();
        let size = journal.check_whole().unwrap();
        assert!(size > last, "acknowledged {last}, found {size}");
        for (n, record) in (0..).zip(journal.read_stream("crash/1", 0).unwrap()) {
            assert_eq!((record.seq, record.body["n"].as_u64()), (n, Some(n)));
        }
        let vkey = Keys::open(&dir.join("vault"), "crash").unwrap().vkey();
        let log = dir.join("log");
        // The directory as the kill left it is a valid log, and continues each checkpoint that was ever seen.
        audit::verify(&log, &vkey, None).unwrap();
        for checkpoint in &kept {
            audit::verify(&log, &vkey, Some(checkpoint)).unwrap();
        }
        audit::verify_journal(&mut journal, &log, &vkey).unwrap();
        kept.push(std::fs::read(log.join("checkpoint")).unwrap());
        let rows = Lake::open(&dir.join("lake"))
            .unwrap()
            .read_feedback(&Default::default())
            .unwrap()
            .map(|row| row.unwrap().request_id)
            .collect::<Vec<_>>();
        let mut numbers: Vec<u64> = rows.iter().map(|id| id.parse().unwrap()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), rows.len(), "a row was repeated");
        // A kill after the journal's append and before the lake's loses that one row, which nobody acknowledged.
        let missing = (0..=last).filter(|n| numbers.binary_search(n).is_err()).count();
        assert!(missing <= round, "{missing} rows of the lake are missing after {round} kills before this one");
        let blobs = FsBlobs::open(&dir.join("blobs")).unwrap();
        assert_eq!(std::fs::read_dir(dir.join("blobs/unfinished")).unwrap().count(), 0);
        for n in (0..=last).step_by(5) {
            let digest = tidegate_core::id::Digest::of(content(n).as_bytes());
            // Absent only where a kill came before it was stored; never half.
            if blobs.has(&digest).unwrap() {
                blobs.get(&digest).unwrap();
            }
        }
    }
}
