//! A drill: changes that are planted in a copy of the repository, bad ones and a harmless one, scored as any other. Who never catches a planted
//! one does not catch a real one.

use super::labels::Told;
use super::score::{Wanted, score};
use super::{Folder, Owners};
use crate::clock;
use crate::exit::{self, failure};
use crate::workspace;
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tidegate_history::{FORGOTTEN, Mined, PathNumber, Services};
use tidegate_wire::config::RiskPolicy;

/// Files that a bad change touches: those that were faulty most often.
const FILES: usize = 5;
/// Lines that it adds to each.
const LINES: usize = 200;
/// The file of the harmless change.
const HARMLESS: &str = "tidegate-drill.txt";
/// Files that the planted changes are looked for in.
const FILES_MIN: usize = 1;

/// What became of one planted change.
#[derive(Debug, Serialize)]
pub struct Planted {
    /// What was planted.
    pub what: String,
    /// Whether it should be held.
    pub bad: bool,
    /// Its risk.
    pub probability: f64,
    /// The line for it.
    pub hold_from: f64,
    /// Whether it was told apart: held if it is bad, let through if it is not.
    pub caught: bool,
}

/// What became of all of them.
#[derive(Debug, Serialize)]
pub struct Drill {
    /// Each.
    pub planted: Vec<Planted>,
}

impl Drill {
    /// Whether every one was told apart.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.planted.is_empty() && self.planted.iter().all(|one| one.caught)
    }
}

/// Plants changes in a copy of the repository, which is removed again. `from` is the risk from which on a change is held where no costs say it.
///
/// # Errors
/// When there is no model, or the copy cannot be made.
pub fn drill(
    repository: &Path,
    policy: &RiskPolicy,
    from: f64,
    seen: &dyn Fn(usize, usize),
    now: &dyn Fn(&str),
    note: &dyn Fn(&str),
) -> Result<Drill> {
    let folder = Folder::of(repository);
    let mined = folder.history(repository, seen, note)?;
    let owners = Owners::known(repository, policy, "drill", note)?;
    let reviewed = Told::to(&workspace::places(repository)?, clock::now().0)?.reviews(&mined).usual();
    let files = faulty(&mined, repository, &owners);
    if files.len() < FILES_MIN {
        let why = "drill: no file of the repository was ever faulty: there is nothing to plant a bad change in";
        return Err(failure(exit::NOT_PASSED, why));
    }
    now("copying the repository");
    let copy = tempfile::tempdir().context("make a folder for the drill")?;
    let root = copy.path().join("copy");
    let (from_path, to_path) = (repository.canonicalize()?.display().to_string(), root.display().to_string());
    git(Path::new("."), &["clone", "--quiet", "--shared", "--no-tags", "--", &from_path, &to_path], None)?;
    // A minute after the last commit: what is measured of it does not depend on the hour of the drill.
    let at = format!("{} +0000", mined.changes().iter().map(|change| change.at_s).max().unwrap_or_default() + 60);
    // What was mined and the model go with it, so that the drill is of what is in use.
    let kept = Folder::of(&root);
    kept.make()?;
    for of in [Folder::state, Folder::model, Folder::worded, Folder::sayings] {
        let (source, to) = (of(&folder), of(&kept));
        // A model that was trained together has nothing of words.
        if source.exists() {
            std::fs::copy(&source, &to).with_context(|| format!("copy {}", source.display()))?;
        }
    }
    // Owners are told as they are there, committed or not.
    for name in Services::CODEOWNERS.iter().filter(|name| repository.join(name).is_file()) {
        let to = root.join(name);
        to.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::copy(repository.join(name), &to))
            .with_context(|| format!("copy {name}"))?;
    }
    // Beside a file that is scored: who owns everything else may have opted out.
    let harmless = files.first().and_then(|file| file.parent()).unwrap_or(Path::new("")).join(HARMLESS);
    let mut planted = vec![];
    for (what, bad, files) in [
        (format!("{LINES} lines without a test in each of the {} files that were faulty most often", files.len()), true, files.as_slice()),
        ("one line in a new text file".to_owned(), false, &[]),
    ] {
        now("planting a change");
        plant(&root, files, &harmless, &at)?;
        // No forge knows of it: it is reviewed as others are.
        let wanted = Wanted { what: "HEAD", below: 0.0, decides: false, policy, reviewed: Some(reviewed) };
        let answered = score(&root, &wanted, seen, note)?;
        let one = answered.changes.first().ok_or_else(|| failure(exit::OUTSIDE, "drill: the planted change was not scored"))?;
        let hold_from = one.hold_from.unwrap_or(from);
        let held = one.score.probability >= hold_from;
        planted.push(Planted { what, bad, probability: one.score.probability, hold_from, caught: held == bad });
        git(&root, &["reset", "--quiet", "--hard", "HEAD~1"], None)?;
    }
    Ok(Drill { planted })
}

/// Files that are there and were faulty most often, of owners who have not opted out.
fn faulty(mined: &Mined, repository: &Path, owners: &Owners) -> Vec<PathBuf> {
    let mut counts: BTreeMap<PathNumber, usize> = BTreeMap::new();
    for path in mined.links().iter().filter_map(|link| link.path) {
        *counts.entry(path).or_default() += 1;
    }
    let mut files: Vec<(usize, PathBuf)> = counts
        .into_iter()
        .filter_map(|(path, count)| {
            let name = std::str::from_utf8(mined.path(path)).ok()?;
            if owners.opted_out(&owners.of_paths(std::iter::once(name.as_bytes()))) {
                return None;
            }
            // A path of the history may name what is elsewhere by now.
            std::fs::symlink_metadata(repository.join(name)).is_ok_and(|about| about.is_file()).then(|| (count, PathBuf::from(name)))
        })
        .collect();
    files.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    files.into_iter().take(FILES).map(|(_, file)| file).collect()
}

/// Commits lines to files, or a line to a new one.
fn plant(root: &Path, files: &[PathBuf], harmless: &Path, at: &str) -> Result<()> {
    if files.is_empty() {
        std::fs::write(root.join(harmless), "a line of a drill\n").context("plant a change")?;
    }
    for file in files {
        let path = root.join(file);
        let mut text = String::from_utf8_lossy(&std::fs::read(&path).with_context(|| format!("read {}", path.display()))?).into_owned();
        for line in 0..LINES {
            let _ = writeln!(text, "planted by a drill, line {line} of {}", file.display());
        }
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    let planted: Vec<String> = match files {
        [] => vec![harmless.display().to_string()],
        files => files.iter().map(|file| file.display().to_string()).collect(),
    };
    let add: Vec<&str> = ["add", "--force", "--"].into_iter().chain(planted.iter().map(String::as_str)).collect();
    git(root, &add, None)?;
    git(root, &["commit", "--quiet", "--no-verify", "--message", "a change of a drill"], Some(at))
}

/// `at` is when what it makes is made.
fn git(root: &Path, args: &[&str], at: Option<&str>) -> Result<()> {
    // No hook, filter or helper of the repository or of the user runs; links of the repository are files that hold their targets, so that nothing is
    // written through one; and whatever git is told by the environment is of another repository.
    let safe = [
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.symlinks=false",
        "core.attributesFile=/dev/null",
        "protocol.file.allow=always",
        "commit.gpgSign=false",
        "safe.directory=*",
        "user.name=drill",
        "user.email=drill@localhost",
    ];
    let mut command = Command::new("git");
    for name in FORGOTTEN.iter().chain(&["GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_TEMPLATE_DIR"]) {
        command.env_remove(name);
    }
    command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")]);
    command.envs(at.into_iter().flat_map(|at| [("GIT_AUTHOR_DATE", at), ("GIT_COMMITTER_DATE", at)]));
    command.arg("-C").arg(root).args(safe.iter().flat_map(|setting| ["-c", setting])).args(args).stdin(Stdio::null());
    let output = command.output().context("run git")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failure(exit::OUTSIDE, format!("drill: git {}: {}", args.first().unwrap_or(&""), said.trim())))
}
