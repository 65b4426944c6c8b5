//! A disk that is really full: a small file system in a mount namespace of its own, which ends with its process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tidegate_core::id::At;
use tidegate_port::{Blobs, FailureKind, Journal, JournalError, NewEvent};
use tidegate_store::{FeedbackRow, FsBlobs, Keys, Lake, Log, SqliteJournal, audit};

const CHILD_DIR: &str = "TIDEGATE_TEST_SMALL_DISK";

/// `sh -c script` in a new mount namespace with a disk of 2 MiB at `dir`.
fn with_small_disk(dir: &Path, script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &format!("mount -t tmpfs -o size=2m tmpfs \"${CHILD_DIR}\" && {script}")]);
    command.env(CHILD_DIR, dir);
    command
}

#[test]
fn a_full_disk_is_named_and_nothing_is_half_written() {
    let dir = tempfile::tempdir().unwrap();
    let permitted = with_small_disk(dir.path(), "true").output().is_ok_and(|output| output.status.success());
    if !permitted {
        eprintln!("not run: this system does not permit a mount namespace; the blob store's own test injects the error instead");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let script = format!("exec '{}' --ignored --exact on_a_small_disk --nocapture", program.display());
    let output = with_small_disk(dir.path(), &script).output().unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

fn fill(dir: &Path) -> PathBuf {
    let path = dir.join("filler");
    let mut bytes = 1 << 20;
    let mut content = Vec::new();
    while bytes > 0 {
        content.resize(content.len() + bytes, 7);
        if fs::write(&path, &content).is_err() {
            content.truncate(content.len() - bytes);
            bytes /= 2;
        }
    }
    let _ = fs::write(&path, &content);
    path
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[test]
#[ignore = "runs in the namespace that the test above makes"]
fn on_a_small_disk() {
    let dir = PathBuf::from(std::env::var_os(CHILD_DIR).unwrap());
    let mut journal = SqliteJournal::open(&dir.join("journal.db")).unwrap();
    let keys = Keys::open(&dir.join("vault"), "small").unwrap();
    let mut log = Log::open(&dir.join("log"), keys.signer(), &mut journal).unwrap();
    let lake = Lake::open(&dir.join("lake")).unwrap();
    let blobs = FsBlobs::open(&dir.join("blobs")).unwrap();
    let event = |n: u64| NewEvent { kind: "test", body: json!({ "n": n, "fill": "x".repeat(3000) }) };
    let row = |n: u64| FeedbackRow { at: At(0), request_id: n.to_string(), service: "s".repeat(900), label: 0.0 };
    for n in 0..20 {
        journal.append("s", n, None, At(0), &[event(n)]).unwrap();
        lake.feedback().append(&[row(n)]).unwrap();
    }
    let small = blobs.put(b"small").unwrap();
    let sealed = log.seal(&mut journal).unwrap();
    journal.append("s", 20, None, At(0), &[event(20)]).unwrap();
    let filler = fill(&dir);

    let failure = blobs.put(&vec![1; 1 << 20]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient);
    assert!(failure.to_string().contains("free space"), "{failure}");
    assert_eq!(files(&dir.join("blobs")), 1);
    assert_eq!(blobs.get(&small).unwrap(), b"small");

    let mut appended = 21;
    let failure = loop {
        match journal.append("s", appended, None, At(0), &[event(appended)]) {
            Ok(_) => appended += 1,
            Err(JournalError::Store(failure)) => break failure,
            Err(other) => panic!("{other}"),
        }
        assert!(appended < 10_000);
    };
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");

    let mut rows = 20;
    while lake.feedback().append(&[row(rows)]).is_ok() {
        rows += 1;
        assert!(rows < 10_000);
    }
    assert!(lake.seal().is_err());
    assert!(log.seal(&mut journal).is_err());
    assert_eq!(audit::verify(&dir.join("log"), &keys.vkey(), None).unwrap().size, sealed.size);

    fs::remove_file(filler).unwrap();
    assert_eq!(journal.check_whole().unwrap(), appended);
    journal.append("s", appended, None, At(0), &[event(appended)]).unwrap();
    assert_eq!(log.seal(&mut journal).unwrap().size, appended + 1);
    assert_eq!(audit::verify(&dir.join("log"), &keys.vkey(), None).unwrap().size, appended + 1);
    lake.feedback().append(&[row(rows)]).unwrap();
    lake.seal().unwrap();
    let read: Vec<String> = lake.read_feedback(&Default::default()).unwrap().map(|row| row.unwrap().request_id).collect();
    assert_eq!(read, (0..=rows).map(|n| n.to_string()).collect::<Vec<_>>());
}
