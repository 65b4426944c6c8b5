//! Git as the keeper of revisions: which there are, and what the files of one contain. The `git` program is asked.

use super::error::DataError;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Largest file of a revision that is read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A conversation with Git about the contents of revisions.
pub(crate) struct Git {
    child: Child,
    ask: Option<ChildStdin>,
    answer: BufReader<ChildStdout>,
    root: std::path::PathBuf,
    /// The repository of DVC, seen from Git's, with a slash at its end unless empty.
    prefix: String,
}

impl Git {
    pub(crate) fn open(root: &Path) -> Result<Git, DataError> {
        let prefix = run(root, &["rev-parse", "--show-prefix"])?;
        let failed = |source| DataError::Io { what: "run git in", path: root.to_path_buf(), source };
        let mut child = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let ask = child.stdin.take();
        let answer = child.stdout.take().ok_or_else(|| failed(std::io::Error::other("it has no output")))?;
        Ok(Git { child, ask, answer: BufReader::new(answer), root: root.to_path_buf(), prefix: prefix.trim_end().to_owned() })
    }

    /// The commit that a name means.
    pub(crate) fn resolve(&self, revision: &str) -> Result<String, DataError> {
        let name = format!("{revision}^{{commit}}");
        let found = run(&self.root, &["rev-parse", "--verify", "-q", "--end-of-options", &name]);
        found.map(|text| text.trim().to_owned()).map_err(|_| DataError::NotFound(format!("unknown Git revision '{revision}'")))
    }

    /// Paths of all files of a commit, seen from the repository of DVC.
    pub(crate) fn files(&self, commit: &str) -> Result<Vec<String>, DataError> {
        let text = run(&self.root, &["ls-tree", "-r", "-z", "--name-only", commit])?;
        Ok(text.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    /// The content of a file of a commit; none when it has no such file.
    pub(crate) fn read(&mut self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, DataError> {
        let failed = |source| DataError::Io { what: "ask git for", path: path.into(), source };
        if path.contains('\n') {
            return Ok(None);
        }
        let ask = self.ask.as_mut().ok_or_else(|| failed(std::io::Error::other("git has ended")))?;
        writeln!(ask, "{commit}:{}{path}", self.prefix).and_then(|()| ask.flush()).map_err(failed)?;
        let mut head = String::new();
        self.answer.read_line(&mut head).map_err(failed)?;
        let mut words = head.split_whitespace().rev();
        let size = words.next().and_then(|w| w.parse::<u64>().ok());
        let Some(size) = size.filter(|_| matches!(words.next(), Some("blob" | "tree" | "commit" | "tag"))) else { return Ok(None) };
        if size > FILE_BYTES_MAX {
            return Err(failed(std::io::Error::other(format!("it has {size} bytes; at most {FILE_BYTES_MAX} are read"))));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0) + 1];
        self.answer.read_exact(&mut bytes).map_err(failed)?;
        bytes.pop();
        Ok(head.contains(" blob ").then_some(bytes))
    }
}

impl Drop for Git {
    fn drop(&mut self) {
        drop(self.ask.take());
        let _ = self.child.wait();
    }
}

/// What a Git command wrote.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<String, DataError> {
    let bytes = crate::code::git(root, arguments);
    let bytes = bytes.ok_or_else(|| DataError::Refused(format!("`git {}` failed in {}", arguments.join(" "), root.display())))?;
    String::from_utf8(bytes).map_err(|_| DataError::Refused("Git names a file whose path is not UTF-8".to_owned()))
}

/// Makes Git ignore what the cache owns at `relative`, as DVC does.
pub(crate) fn ignore(root: &Path, relative: &str) -> Result<(), DataError> {
    let path = root.join(relative);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else { return Ok(()) };
    if crate::code::git(root, &["check-ignore", "-q", "--no-index", "--", relative]).is_some() {
        return Ok(());
    }
    let file = folder.join(".gitignore");
    let mut text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(DataError::io("read", &file)(error)),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&entry_for(name));
    text.push('\n');
    crate::atomic::write(&file, text.as_bytes(), false).map_err(DataError::io("write", &file))
}

/// Takes away what [`ignore`] wrote; a `.gitignore` with nothing else in it goes.
pub(crate) fn ignore_no_more(root: &Path, relative: &str) -> Result<(), DataError> {
    let path = root.join(relative);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else { return Ok(()) };
    let file = folder.join(".gitignore");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(DataError::io("read", &file)(error)),
    };
    let entry = entry_for(name);
    let rest: String = text.split_inclusive('\n').filter(|line| line.trim() != entry).collect();
    if rest.is_empty() {
        return crate::atomic::remove(&file).map_err(DataError::io("remove", &file));
    }
    if rest == text {
        return Ok(());
    }
    crate::atomic::write(&file, rest.as_bytes(), false).map_err(DataError::io("write", &file))
}

/// The line that ignores a name in its folder.
fn entry_for(name: &str) -> String {
    let escaped: String = name.chars().flat_map(|c| "[]!*#?".contains(c).then_some('\\').into_iter().chain([c])).collect();
    format!("/{escaped}")
}

/// Whether Git itself keeps the path.
pub(crate) fn keeps(root: &Path, relative: &str) -> bool {
    crate::code::git(root, &["ls-files", "--error-unmatch", "--", relative]).is_some()
}
