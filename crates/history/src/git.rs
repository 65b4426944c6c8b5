//! The `git` program, which only reads: fixed arguments, no shell, nothing of the repository's own that could run, nothing fetched.

use crate::change::Id;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Bytes that are asked of git at once.
const BUFFER_BYTES: usize = 1 << 18;
/// What is kept of what git complains of.
const COMPLAINT_BYTES_MAX: u64 = 4_096;
/// Most commits that are read in one run.
pub(crate) const COMMITS_MAX: usize = 4_000_000;
/// Largest answer of a question that is no history.
const ANSWER_BYTES_MAX: u64 = 1 << 16;

/// Largest head of one commit, its message included.
const HEAD_BYTES_MAX: u64 = 1 << 22;

/// Settings that could run a program, or that would have git say the same otherwise.
const CONFIG: &[&str] = &[
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.quotePath=false",
    "diff.external=",
    "diff.suppressBlankEmpty=false",
    "diff.orderFile=/dev/null",
    "diff.algorithm=myers",
    "diff.indentHeuristic=true",
    "diff.ignoreSubmodules=none",
    "log.showSignature=false",
    "log.mailmap=false",
    "log.showRoot=true",
    "protocol.allow=never",
];

/// Variables that would lead git elsewhere.
pub const FORGOTTEN: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_PAGER",
    "GIT_TRACE",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_LITERAL_PATHSPECS",
];

/// The head of a commit: a zero byte, ids, times, address, name, message, each ended by a zero byte.
pub(crate) const FORMAT: &str = "--format=tformat:%x00%H %P%x00%ct %ad%x00%ae%x00%an%x00%B%x00";
/// The head of a merge.
pub(crate) const FORMAT_MERGES: &str = "--format=tformat:%x00%H%x00";

/// Order, and ways of writing, that all histories share.
const LOG: &[&str] = &[
    "log",
    "--reverse",
    "--topo-order",
    "--no-show-signature",
    "--no-notes",
    "--no-color",
    "--no-decorate",
    "--no-mailmap",
    "--encoding=UTF-8",
    "--date=raw",
    "--no-abbrev",
    "--no-ext-diff",
    "--no-textconv",
    "--ignore-submodules=none",
    "--raw",
];

/// How every patch is written. One line of context: with none, git counts the lines of a merge wrongly at the end of a file, and leaves
/// out a line between others.
const PATCHES: &[&str] = &[
    "-p",
    "-U1",
    "--inter-hunk-context=0",
    "--full-index",
    "-M",
    "-l400",
    "--submodule=short",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--no-relative",
];

/// How a merge is: against each parent at once.
const OF_MERGES: &[&str] = &["-c", "--combined-all-paths"];

/// What only the history of merges has.
const MERGES: &[&str] = &["--merges", "--diff-merges=first-parent", "--no-renames", "--no-relative"];

/// Why git did not answer.
#[derive(Debug, thiserror::Error)]
pub enum GitFailed {
    /// The program cannot be started.
    #[error("`git` cannot be started: {0}; install git 2.31 or later, and see that it is on the PATH")]
    NoGit(std::io::Error),
    /// It says no.
    #[error("`git {asked}` failed in {repository}: {said}; check that this is a git repository that you may read")]
    Refused {
        /// The command.
        asked: &'static str,
        /// Where.
        repository: PathBuf,
        /// Its own words.
        said: String,
    },
    /// There is more than is read.
    #[error("the history has more commits than are read in one run (COMMITS_MAX): mine a newer part of it")]
    TooMany,
}

/// A running git that is read from; it ends with this.
pub(crate) struct Running {
    child: Child,
    asked: &'static str,
    repository: PathBuf,
    complaint: Option<std::thread::JoinHandle<String>>,
}

impl Running {
    /// How it ended, when everything was read.
    pub(crate) fn end(mut self) -> Result<(), GitFailed> {
        let done = self.child.wait().map_err(GitFailed::NoGit)?;
        let said = self.complaint.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        if done.success() {
            return Ok(());
        }
        let said = if said.is_empty() { done.to_string() } else { said };
        Err(GitFailed::Refused { asked: self.asked, repository: self.repository.clone(), said })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A repository.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    path: PathBuf,
    no_attributes: &'static str,
}

impl Repository {
    pub(crate) fn open(path: &Path) -> Result<Repository, GitFailed> {
        let mut repository = Repository { path: path.to_owned(), no_attributes: "" };
        let format = repository.answer("rev-parse", &["rev-parse", "--show-object-format"])?;
        // The empty tree: which lines are shown must not depend on attributes in whatever is checked out.
        repository.no_attributes = match format.as_str() {
            "sha256" => "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
            _ => "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        };
        Ok(repository)
    }

    fn start(&self, asked: &'static str, arguments: &[&str]) -> Result<(Running, ChildStdout), GitFailed> {
        let mut command = Command::new("git");
        FORGOTTEN.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_LAZY_FETCH", "1").env("GIT_NO_REPLACE_OBJECTS", "1");
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        if !self.no_attributes.is_empty() {
            command.env("GIT_ATTR_SOURCE", self.no_attributes);
        }
        command.arg("-C").arg(&self.path).arg("--no-pager");
        CONFIG.iter().for_each(|setting| {
            command.arg("-c").arg(setting);
        });
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(GitFailed::NoGit)?;
        let complaint = child.stderr.take().map(|stderr| {
            std::thread::spawn(move || {
                let (mut said, mut stderr) = (Vec::new(), stderr);
                let _ = stderr.by_ref().take(COMPLAINT_BYTES_MAX).read_to_end(&mut said);
                // What comes after it is read and dropped: git must not wait for somebody to read.
                let _ = std::io::copy(&mut stderr, &mut std::io::sink());
                String::from_utf8_lossy(&said).trim().replace('\n', "; ")
            })
        });
        let stdout = child.stdout.take();
        let running = Running { child, asked, repository: self.path.clone(), complaint };
        match stdout {
            Some(stdout) => Ok((running, stdout)),
            None => Err(GitFailed::Refused { asked, repository: self.path.clone(), said: "it cannot be read from".to_owned() }),
        }
    }

    fn answer(&self, asked: &'static str, arguments: &[&str]) -> Result<String, GitFailed> {
        let (running, stdout) = self.start(asked, arguments)?;
        let mut said = Vec::new();
        let _ = stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut said);
        running.end()?;
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// The commit that a name stands for.
    pub(crate) fn commit(&self, name: &str) -> Result<Id, GitFailed> {
        let wanted = format!("{name}^{{commit}}");
        let id = self.answer("rev-parse", &["rev-parse", "--verify", "--end-of-options", &wanted])?;
        let refused = || GitFailed::Refused { asked: "rev-parse", repository: self.path.clone(), said: format!("no commit is `{name}`") };
        Id::read(id.as_bytes()).ok_or_else(refused)
    }

    pub(crate) fn shallow(&self) -> Result<bool, GitFailed> {
        Ok(self.answer("rev-parse", &["rev-parse", "--is-shallow-repository"])? == "true")
    }

    /// Whether the one is an ancestor of the other; no where it is not known any more.
    pub(crate) fn descends(&self, from: Id, to: Id) -> Result<bool, GitFailed> {
        let (from, to) = (from.to_string(), to.to_string());
        match self.answer("merge-base", &["merge-base", "--is-ancestor", &from, &to]) {
            Ok(_) => Ok(true),
            Err(GitFailed::Refused { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// At most so many commits of what a person names, a revision or a range, newest first.
    pub(crate) fn named(&self, what: &str, most: usize) -> Result<Vec<Id>, GitFailed> {
        let (running, stdout) = self.start("rev-list", &["rev-list", &format!("--max-count={most}"), "--end-of-options", what, "--"])?;
        let ids = BufReader::new(stdout).split(b'\n').map_while(Result::ok).filter_map(|line| Id::read(&line)).take(most).collect();
        running.end()?;
        Ok(ids)
    }

    /// The commits of a range with their parents, parents first.
    pub(crate) fn commits(&self, to: Id, without: Option<Id>) -> Result<Vec<Vec<Id>>, GitFailed> {
        let range = range(to, without);
        let mut arguments = vec!["rev-list", "--reverse", "--topo-order", "--parents"];
        arguments.extend(range.iter().map(String::as_str));
        arguments.push("--");
        let (running, stdout) = self.start("rev-list", &arguments)?;
        let mut commits = Vec::new();
        for line in BufReader::with_capacity(BUFFER_BYTES, stdout).split(b'\n') {
            let Ok(line) = line else { break };
            commits.push(line.split(|byte| *byte == b' ').filter_map(Id::read).collect());
            if commits.len() > COMMITS_MAX {
                return Err(GitFailed::TooMany);
            }
        }
        running.end()?;
        Ok(commits)
    }

    /// The history of a range with its patches, or of its merges against their first parents.
    pub(crate) fn history(&self, to: Id, without: Option<Id>, merges: bool) -> Result<(Running, BufReader<ChildStdout>), GitFailed> {
        let range = range(to, without);
        let mut arguments = LOG.to_vec();
        if merges {
            arguments.extend(MERGES);
        } else {
            arguments.extend(PATCHES.iter().chain(OF_MERGES));
        }
        arguments.push(if merges { FORMAT_MERGES } else { FORMAT });
        arguments.extend(range.iter().map(String::as_str));
        arguments.push("--");
        let (running, stdout) = self.start("log", &arguments)?;
        Ok((running, BufReader::with_capacity(BUFFER_BYTES, stdout)))
    }
}

impl Repository {
    /// Where two commits part.
    pub(crate) fn fork(&self, one: Id, other: Id) -> Result<Id, GitFailed> {
        let id = self.answer("merge-base", &["merge-base", &one.to_string(), &other.to_string()])?;
        let said = format!("{one} and {other} have no commit in common");
        Id::read(id.as_bytes()).ok_or_else(|| GitFailed::Refused { asked: "merge-base", repository: self.path.clone(), said })
    }

    /// What differs between two commits, and before it a head as of one commit: that of the later one, with the earlier one as its parent.
    pub(crate) fn difference(&self, from: Id, to: Id) -> Result<(Running, impl BufRead), GitFailed> {
        let format = FORMAT.replace("%P", &from.to_string());
        let (from, to) = (from.to_string(), to.to_string());
        let mut arguments = LOG.iter().copied().filter(|word| !["--raw", "--reverse", "--topo-order"].contains(word)).collect::<Vec<_>>();
        arguments.extend(["-1", "--no-patch", &format, &to, "--"]);
        let (running, stdout) = self.start("log", &arguments)?;
        let mut head = Vec::new();
        let _ = stdout.take(HEAD_BYTES_MAX).read_to_end(&mut head);
        running.end()?;
        let mut arguments = vec!["diff-tree", "-r", "--raw", "--no-abbrev", "--no-color", "--no-ext-diff", "--no-textconv"];
        arguments.extend(PATCHES);
        arguments.extend(["--ignore-submodules=none", &from, &to, "--"]);
        let (running, stdout) = self.start("diff-tree", &arguments)?;
        Ok((running, std::io::Cursor::new(head).chain(BufReader::with_capacity(BUFFER_BYTES, stdout))))
    }
}

fn range(to: Id, without: Option<Id>) -> Vec<String> {
    std::iter::once(to.to_string()).chain(without.map(|id| format!("^{id}"))).collect()
}
