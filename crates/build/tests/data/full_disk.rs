//! A disk that is really full: a small file system in a mount namespace of its own, which ends with its process.
#![cfg(target_os = "linux")]

use crate::world::{World, open, strings, wrong_objects};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use tidegate_build::data::{AddOptions, StatusOptions, SyncOptions};
use tidegate_build::remote::NoProgress;

const DISK: &str = "TIDEGATE_TEST_SMALL_DISK";
const STORE: &str = "TIDEGATE_TEST_STORE";

/// `sh -c script` in a new mount namespace with a disk of 4 MiB at `disk`.
fn with_small_disk(disk: &Path, store: &Path, script: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("mount -t tmpfs -o size=4m tmpfs \"${DISK}\" && {script}");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]).env(DISK, disk).env(STORE, store);
    command
}

#[test]
fn a_full_disk_is_named_and_nothing_is_half_written() {
    let (disk, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let permitted = with_small_disk(disk.path(), store.path(), "true").output().is_ok_and(|o| o.status.success());
    if !permitted {
        eprintln!("not run: this system does not permit a mount namespace");
        return;
    }
    let source = World::new();
    for n in 0..8u8 {
        source.write(&format!("d/{n}"), &vec![n; 700_000]);
    }
    source.add(&["d"]);
    source.remote(&store.path().display().to_string());
    source.push().unwrap();
    std::fs::copy(source.path("d.dvc"), store.path().join("d.dvc")).unwrap();
    let program = std::env::current_exe().unwrap();
    let script = format!("exec '{}' --ignored --exact full_disk::on_a_small_disk --nocapture", program.display());
    let output = with_small_disk(disk.path(), store.path(), &script).output().unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
#[ignore = "runs in the namespace that the test above makes"]
fn on_a_small_disk() {
    let variable = |name: &str| PathBuf::from(std::env::var_os(name).unwrap());
    let (disk, store) = (variable(DISK), variable(STORE));
    std::fs::create_dir_all(disk.join(".dvc/tmp")).unwrap();
    std::fs::write(disk.join(".dvc/config"), "[core]\n    no_scm = True\n").unwrap();
    let objects = disk.join(".dvc/cache/files/md5");
    // What is added has no room for its copy.
    std::fs::create_dir(disk.join("large")).unwrap();
    for n in 0..3u8 {
        std::fs::write(disk.join("large").join(n.to_string()), vec![n; 900_000]).unwrap();
    }
    let add = || open(&disk).unwrap().add(&strings(&["large"]), &AddOptions::default(), &|_| {});
    let error = add().unwrap_err().to_string();
    assert!(error.contains("make free space"), "{error}");
    assert_eq!(wrong_objects(&objects), Vec::<String>::new());
    assert!(!disk.join("large.dvc").exists());
    std::fs::remove_file(disk.join("large/2")).unwrap();
    std::fs::remove_dir_all(&objects).unwrap();
    add().unwrap();
    std::fs::remove_dir_all(disk.join("large")).unwrap();
    std::fs::remove_file(disk.join("large.dvc")).unwrap();
    std::fs::remove_dir_all(&objects).unwrap();
    // What is fetched has no room either.
    std::fs::copy(store.join("d.dvc"), disk.join("d.dvc")).unwrap();
    open(&disk).unwrap().remote_add("store", &store.display().to_string(), true, true, false).unwrap();
    let fetch = || open(&disk).unwrap().fetch(&[], &SyncOptions::default(), &NoProgress);
    let error = fetch().unwrap_err().to_string();
    assert!(error.contains("No space left"), "{error}");
    assert!(wrong_objects(&objects).iter().all(|w| w.contains("which is not there")), "{:?}", wrong_objects(&objects));
    assert!(!disk.join("d").exists());
    let status = open(&disk).unwrap().status(&[], &StatusOptions::default()).unwrap();
    assert_eq!(status, json!({ "d.dvc": [{ "changed outs": { "d": "not in cache" } }] }));
}
