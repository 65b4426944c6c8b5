//! Which code a run used: the revision, and a digest of what differs from it.

use crate::error::PathIo;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use tidegate_core::id::Digest;

/// Untracked files larger than this count by name and size.
const UNTRACKED_BYTES_MAX: u64 = 1 << 20;

/// Revision and difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeState {
    /// The commit; `none` where there is no repository or no commit.
    pub revision: String,
    /// Digest of what differs from the commit, untracked files among it; none when nothing does.
    pub dirty: Option<Digest>,
}

impl std::fmt::Display for CodeState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.revision)?;
        self.dirty.as_ref().map_or(Ok(()), |d| write!(f, "+dirty:{}", d.short()))
    }
}

/// The state of the code at `root`, by asking Git if there is one. What lies at or below the paths of `except` is not code.
#[must_use]
pub fn code_state(root: &Path, except: &[String]) -> CodeState {
    let Some(revision) = revision(root) else {
        return CodeState { revision: "none".to_owned(), dirty: None };
    };
    let except: Vec<String> = except.iter().map(|path| format!(":(exclude,literal){path}")).collect();
    let ask = |words: &[&str]| {
        let words: Vec<&str> = words.iter().copied().chain(["--", "."]).chain(except.iter().map(String::as_str)).collect();
        git(root, &words).unwrap_or_default()
    };
    let mut differs = ask(&["-c", "core.quotepath=false", "diff", "--no-ext-diff", "--binary", "HEAD"]);
    let untracked = ask(&["ls-files", "-z", "--others", "--exclude-standard"]);
    for name in untracked.split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let name = String::from_utf8_lossy(name);
        if name.starts_with(".tidegate/") || name.starts_with(".dvc/") {
            continue;
        }
        let path = root.join(&*name);
        let size = path.metadata().map_or(0, |m| m.len());
        let content = if size <= UNTRACKED_BYTES_MAX { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
        differs.extend_from_slice(format!("\nuntracked {name} {size} {}\n", Digest::of(&content).hex()).as_bytes());
    }
    CodeState { revision, dirty: (!differs.is_empty()).then(|| Digest::of(&differs)) }
}

/// The commit at `root`; none where there is no repository or no commit.
#[must_use]
pub fn revision(root: &Path) -> Option<String> {
    git(root, &["rev-parse", "--verify", "-q", "HEAD"]).map(|r| String::from_utf8_lossy(&r).trim().to_owned())
}

/// Makes Git ignore the files and directories at `paths`, as DVC does for what its cache owns: a line in the `.gitignore`
/// beside each, unless Git ignores or keeps it already. Without Git there is nothing to do.
pub(crate) fn ignore(root: &Path, paths: &[String]) -> Result<(), PathIo> {
    if paths.is_empty() || git(root, &["rev-parse", "--is-inside-work-tree"]).is_none() {
        return Ok(());
    }
    // This one refuses to be told that names are literal; behind `./` they are.
    let ignored = said(root, &["check-ignore", "-z", "--stdin"], &paths.iter().map(|p| format!("./{p}")).collect::<Vec<_>>());
    let is_ignored = |path: &str| ignored.contains(&format!("./{}", path.trim_end_matches('/')));
    let rest: Vec<String> = paths.iter().filter(|p| !is_ignored(p)).cloned().collect();
    let kept = said(root, &["--literal-pathspecs", "ls-files", "-z", "--cached", "--pathspec-from-file=-", "--pathspec-file-nul"], &rest);
    for path in rest {
        let path = path.trim_end_matches('/');
        let below = format!("{path}/");
        let is_kept = kept.range(path.to_owned()..).next().is_some_and(|first| first == path || first.starts_with(&below));
        let full = root.join(path);
        let (Some(folder), Some(name)) = (full.parent(), full.file_name().and_then(|n| n.to_str())) else { continue };
        if is_kept {
            continue;
        }
        let file = folder.join(".gitignore");
        let mut text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(PathIo::at("read", &file)(error)),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("/{name}\n"));
        crate::atomic::write(&file, text.as_bytes(), false).map_err(PathIo::at("write", &file))?;
    }
    Ok(())
}

/// The paths that a Git command names when it is given `paths`.
fn said(root: &Path, arguments: &[&str], paths: &[String]) -> BTreeSet<String> {
    let command = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(arguments)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = command else { return BTreeSet::new() };
    let input = paths.iter().map(|p| format!("{}\0", p.trim_end_matches('/'))).collect::<String>();
    let writer = child.stdin.take().map(|mut pipe| std::thread::spawn(move || pipe.write_all(input.as_bytes())));
    let output = child.wait_with_output();
    drop(writer.map(std::thread::JoinHandle::join));
    let bytes = output.map(|o| o.stdout).unwrap_or_default();
    bytes.split(|b| *b == 0).filter(|p| !p.is_empty()).map(|p| String::from_utf8_lossy(p).into_owned()).collect()
}

/// What a Git command wrote; none when there is no Git or it failed.
pub(crate) fn git(root: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    git_with(root, arguments, None)
}

/// As [`git`], with an index of its own.
pub(crate) fn git_with(root: &Path, arguments: &[&str], index: Option<&Path>) -> Option<Vec<u8>> {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(arguments).env("GIT_OPTIONAL_LOCKS", "0").stdin(Stdio::null()).stderr(Stdio::null());
    if let Some(index) = index {
        command.env("GIT_INDEX_FILE", index);
    }
    let output = command.output().ok()?;
    output.status.success().then_some(output.stdout)
}
