//! A repository under the hands of a test: files, commits with their author and time, branches.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tidegate_history::{Change, Id, Mined, Settings, mine};

pub const DAY_S: i64 = 86_400;
/// A Thursday, 12:00 in Greenwich.
pub const START_S: i64 = 1_600_344_000;

pub struct World {
    folder: tempfile::TempDir,
    at_s: i64,
    pub ids: BTreeMap<String, Id>,
}

pub fn git_in(root: &Path, arguments: &[&OsStr], at_s: i64, author: &str) -> Vec<u8> {
    git_with(root, arguments, at_s, author, "4b825dc642cb6eb9a060e54bf8d69288fbee4904")
}

/// With the tree that attributes are taken from: one that is empty.
pub fn git_with(root: &Path, arguments: &[&OsStr], at_s: i64, author: &str, attributes: &str) -> Vec<u8> {
    let mut command = Command::new("git");
    let address = format!("{author}@example.com");
    let time = format!("{at_s} +0200");
    for (name, value) in [
        ("GIT_AUTHOR_NAME", author),
        ("GIT_AUTHOR_EMAIL", &address),
        ("GIT_AUTHOR_DATE", &time),
        ("GIT_COMMITTER_NAME", "somebody"),
        ("GIT_COMMITTER_EMAIL", "somebody@example.com"),
        ("GIT_COMMITTER_DATE", &time),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_SOURCE", attributes),
    ] {
        command.env(name, value);
    }
    command.arg("-C").arg(root).args(["-c", "core.quotePath=false", "-c", "protocol.file.allow=always"]).args(arguments);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {complaint}");
    output.stdout
}

impl World {
    pub fn new() -> World {
        let world = World { folder: tempfile::tempdir().unwrap(), at_s: START_S, ids: BTreeMap::new() };
        world.git(&["init", "-q", "-b", "main", "."]);
        world.git(&["config", "core.autocrlf", "false"]);
        world
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub fn git(&self, arguments: &[&str]) -> Vec<u8> {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        git_in(self.folder.path(), &arguments, self.at_s, "ann")
    }

    pub fn write(&self, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> &World {
        let path = self.folder.path().join(OsStr::from_bytes(path.as_ref()));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    pub fn remove(&self, path: &str) -> &World {
        std::fs::remove_file(self.folder.path().join(path)).unwrap();
        self
    }

    pub fn rename(&self, from: &str, to: &str) -> &World {
        let to = self.folder.path().join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::rename(self.folder.path().join(from), to).unwrap();
        self
    }

    /// Goes on in time.
    pub fn later(&mut self, days: i64) -> &mut World {
        self.at_s += days * DAY_S;
        self
    }

    /// Commits everything, an hour after the last one; the first word of the message is its name in `ids`.
    pub fn commit(&mut self, name: &str, author: &str, message: &str) -> Id {
        self.at_s += 3_600;
        self.git(&["add", "-A"]);
        let arguments = ["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message];
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        git_in(self.folder.path(), &arguments, self.at_s, author);
        self.name(name)
    }

    pub fn branch(&self, name: &str, at: &str) {
        self.git(&["checkout", "-q", "-B", name, at]);
    }

    pub fn on(&self, name: &str) {
        self.git(&["checkout", "-q", name]);
    }

    /// Merges branches, of which the content is what git makes, or what the test writes where `content` is given.
    pub fn merge(&mut self, name: &str, branches: &[&str], content: &[(&str, &str)]) -> Id {
        self.at_s += 3_600;
        let mut arguments = vec!["merge", "-q", "--no-ff", "--no-commit"];
        arguments.extend(branches);
        if content.is_empty() {
            self.git(&arguments);
        } else {
            // A conflict is no failure here: the content is given.
            let mut command = Command::new("git");
            command.arg("-C").arg(self.folder.path()).args(["-c", "user.name=x", "-c", "user.email=x@example.com"]).args(&arguments);
            command.output().unwrap();
            content.iter().for_each(|(path, text)| {
                self.write(path, text);
            });
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "merge"]);
        self.name(name)
    }

    /// Takes commits as `git fast-import` reads them.
    pub fn import(&self, commits: &str) {
        let mut child =
            Command::new("git").arg("-C").arg(self.root()).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(commits.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn name(&mut self, name: &str) -> Id {
        let id = Id::read(self.git(&["rev-parse", "HEAD"]).trim_ascii()).unwrap();
        self.ids.insert(name.to_owned(), id);
        id
    }

    pub fn mine(&self, settings: &Settings) -> Mined {
        mine(&self.root(), "HEAD", settings, None, &mut |_| ()).unwrap()
    }

    /// The change of a name.
    pub fn change<'a>(&self, mined: &'a Mined, name: &str) -> &'a Change {
        let number = mined.number(&self.ids[name]).unwrap();
        &mined.changes()[number.0 as usize]
    }

    /// What was traced, in names: `fix -> change`.
    pub fn traced(&self, mined: &Mined) -> Vec<String> {
        let of = |number: tidegate_history::ChangeNumber| {
            let id = mined.changes()[number.0 as usize].id;
            self.ids.iter().find(|(_, other)| **other == id).map_or_else(|| id.to_string(), |(name, _)| name.clone())
        };
        let mut all: Vec<String> = mined.links().iter().map(|link| format!("{} -> {}", of(link.by), of(link.of))).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Lines `from` to `to`, each its own.
pub fn text(from: u32, to: u32) -> String {
    (from..=to).map(|line| format!("let value_{line} = {line};\n")).collect()
}
