//! What data commands cost, whole processes, beside real DVC: medians of five, wall time and peak memory.
//!
//! `cargo run --release -p tidegate-build --example data_rate`; with `TIDEGATE_TEST_DVC` naming a dvc 3 executable, DVC runs
//! on copies of the same files; with `TIDEGATE_BENCH_MILLION=1`, a million files are looked at too, with `only` they alone
//! (10 GB of disk). Each command runs in a process of its own: this program, started again with the command's name.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use tidegate_build::data::{AddOptions, Repo, StatusOptions, Surroundings};
use tidegate_core::id::At;

const ROUNDS: usize = 5;
const FILES: usize = 10_000;
const FILE_BYTES: usize = 4096;
const LARGE_BYTES: usize = 2 << 30;

#[expect(clippy::disallowed_methods, reason = "the one clock of this program")]
fn now() -> At {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    At(i64::try_from(since.as_millis()).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "the one clock of this program")]
fn instant() -> Instant {
    Instant::now()
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["add", root, target] => {
            repo(root).add(&[target.to_owned()], &AddOptions::default(), &|_| {}).unwrap();
        }
        ["status", root] => {
            let found = repo(root).status(&[], &StatusOptions::default()).unwrap();
            assert!(found.as_object().unwrap().is_empty(), "{found}");
        }
        _ => return measure(),
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    println!("{}", peak.trim().trim_end_matches(" kB"));
}

fn repo(root: &str) -> Repo {
    let surroundings = Surroundings { config_files: Vec::new(), variables: Default::default(), home: None, clock: now };
    Repo::open(Path::new(root), surroundings).unwrap()
}

/// A repository in a folder of its own, beside the target directory so that it is on a real disk.
fn fresh() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join(".dvc/tmp")).unwrap();
    std::fs::write(directory.path().join(".dvc/config"), "[core]\n    no_scm = True\n    analytics = False\n").unwrap();
    directory
}

fn fill(root: &Path, files: usize, each: usize) {
    for n in 0..files {
        let folder = root.join("d").join((n % (files / 1000).max(10)).to_string());
        if n < files / 10 {
            std::fs::create_dir_all(&folder).unwrap();
        }
        let mut bytes = vec![u8::try_from(n % 251).unwrap(); each];
        let number = n.to_le_bytes();
        let at = number.len().min(each);
        bytes[..at].copy_from_slice(&number[..at]);
        std::fs::write(folder.join(n.to_string()), bytes).unwrap();
    }
}

fn ours(words: &[&str]) -> (f64, u64) {
    let began = instant();
    let output = Command::new(std::env::current_exe().unwrap()).args(words).output().unwrap();
    let seconds = began.elapsed().as_secs_f64();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    (seconds, String::from_utf8(output.stdout).unwrap().trim().parse().unwrap_or(0))
}

fn other(program: &Path, root: &Path, words: &[&str]) -> f64 {
    let began = instant();
    let done = Command::new(program)
        .args(words)
        .current_dir(root)
        .env("DVC_SITE_CACHE_DIR", root.join(".site"))
        .env("DVC_NO_ANALYTICS", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success(), "{} {words:?}", program.display());
    began.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn tell(what: &str, ours: Vec<(f64, u64)>, beside: &str, other: Vec<f64>) {
    let peak = ours.iter().map(|(_, peak)| *peak).max().unwrap_or(0) / 1024;
    let own = median(ours.into_iter().map(|(seconds, _)| seconds).collect());
    let theirs = median(other);
    if theirs.is_nan() {
        println!("{what}: {:.1} ms, {peak} MiB at most", own * 1e3);
    } else {
        println!("{what}: {:.1} ms, {peak} MiB at most; {beside} {:.1} ms ({:.2} times ours)", own * 1e3, theirs * 1e3, theirs / own);
    }
}

fn measure() {
    let million_files = std::env::var_os("TIDEGATE_BENCH_MILLION");
    if million_files.as_ref().is_some_and(|word| word == "only") {
        return million();
    }
    let dvc = std::env::var_os("TIDEGATE_TEST_DVC").map(PathBuf::from);
    let rounds = || 0..ROUNDS;
    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    // Nothing is deleted in between: for seconds after, file systems pass over the inodes of what was deleted. And what was
    // written before is on the disk: else a command pays for the one before it.
    let settle = || other(Path::new("sync"), Path::new("/"), &[]);
    let (mut worlds, mut kept) = (Vec::new(), Vec::new());
    for _ in rounds() {
        let world = fresh();
        fill(world.path(), FILES, FILE_BYTES);
        settle();
        own.push(ours(&["add", &world.path().display().to_string(), "d"]));
        worlds.push(world);
        if let Some(dvc) = &dvc {
            let world = fresh();
            fill(world.path(), FILES, FILE_BYTES);
            settle();
            theirs.push(other(dvc, world.path(), &["add", "-q", "d"]));
            kept.push(world);
        }
    }
    tell("add, cold, 10,000 files of 4 KiB", own, "dvc", theirs);
    let world = worlds.last().unwrap();
    let root = world.path().display().to_string();
    // The first look after an add still looks at each file.
    ours(&["status", &root]);
    let own = rounds().map(|_| ours(&["status", &root])).collect();
    let theirs = dvc.iter().flat_map(|dvc| {
        other(dvc, world.path(), &["status", "-q"]);
        rounds().map(|_| other(dvc, world.path(), &["status", "-q"])).collect::<Vec<_>>()
    });
    tell("status, nothing changed, 10,000 files", own, "dvc", theirs.collect());
    large(dvc.as_deref());
    if million_files.is_some() {
        million();
    }
}

fn large(dvc: Option<&Path>) {
    let (mut own, mut sums, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let world = fresh();
        let file = world.path().join("large");
        {
            use std::io::Write as _;
            let mut out = std::fs::File::create(&file).unwrap();
            let chunk: Vec<u8> = (0..1usize << 20).map(|i| u8::try_from((i * 31 + i / 251) % 256).unwrap()).collect();
            (0..LARGE_BYTES >> 20).for_each(|_| out.write_all(&chunk).unwrap());
        }
        sums.push(other(Path::new("md5sum"), world.path(), &["large"]));
        own.push(ours(&["add", &world.path().display().to_string(), "large"]));
        if let Some(dvc) = dvc {
            std::fs::remove_file(world.path().join("large.dvc")).unwrap();
            std::fs::remove_dir_all(world.path().join(".dvc/cache")).unwrap();
            theirs.push(other(dvc, world.path(), &["add", "-q", "large"]));
        }
    }
    tell("add, cold, one file of 2 GiB", own.clone(), "md5sum", sums);
    tell("add, cold, one file of 2 GiB", own, "dvc", theirs);
}

fn million() {
    let world = fresh();
    fill(world.path(), 1_000_000, 64);
    let root = world.path().display().to_string();
    tell("add, cold, 1,000,000 files of 64 bytes, once", vec![ours(&["add", &root, "d"])], "", Vec::new());
    tell("status, first, 1,000,000 files", vec![ours(&["status", &root])], "", Vec::new());
    let own = (0..ROUNDS).map(|_| ours(&["status", &root])).collect();
    tell("status, nothing changed, 1,000,000 files", own, "", Vec::new());
}
