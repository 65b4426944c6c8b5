//! The rules of the house, each a function of the tree.
//!
//! A new rule is one function and one line in [`RULES`], with a test that it can fail.

mod arrows;
mod documents;
mod lex;
mod purity;
mod sizes;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// One rule.
pub struct Rule {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it holds, in one line.
    pub what: &'static str,
    check: fn(&Tree) -> Vec<Finding>,
}

/// All of them.
pub const RULES: &[Rule] = &[
    Rule { name: "arrows", what: "crates depend on one another only along the table", check: arrows::dependencies },
    Rule { name: "nouns", what: "serve and runtime use only their part of core", check: arrows::nouns },
    Rule { name: "purity", what: "stats, core, engine and sim read no clock, no file, no network, no chance", check: purity::effects },
    Rule { name: "floats", what: "stats and core take functions of floats from libm", check: purity::floats },
    Rule { name: "files", what: "source files have at most 500 lines", check: sizes::files },
    Rule { name: "functions", what: "functions have at most 70 lines", check: sizes::functions },
    Rule { name: "bytes", what: "no file is over 1 MiB", check: sizes::bytes },
    Rule { name: "modules", what: "every module opens with what it is", check: documents::modules },
    Rule { name: "map", what: "ARCHITECTURE.md names every crate and no other", check: documents::map },
    Rule { name: "machine", what: "no path of a machine, no host of a registry", check: words::machine },
];

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    rule: &'static str,
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: String) -> Finding {
        Finding { rule: "", path: path.to_owned(), line, message }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} [{}]", self.path, self.line, self.message, self.rule)
    }
}

/// Findings of all rules, or of the one named.
pub fn check(tree: &Tree, only: Option<&str>) -> Vec<Finding> {
    let wanted = RULES.iter().filter(|rule| only.is_none_or(|name| name == rule.name));
    wanted.flat_map(|rule| (rule.check)(tree).into_iter().map(|found| Finding { rule: rule.name, ..found })).collect()
}

/// The files that are, or would be, committed: path with forward slashes, and content.
#[derive(Default)]
pub struct Tree {
    /// By path.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// Those below `root` that git does not ignore; without git all but build output.
    pub fn read(root: &Path) -> std::io::Result<Tree> {
        let paths = match listed_by_git(root) {
            Some(paths) => paths,
            None => walk(root)?,
        };
        let mut tree = Tree::default();
        for path in paths {
            // A file deleted and not yet committed is listed and not there; a link is not ours to read.
            if let Ok(about) = std::fs::symlink_metadata(root.join(&path))
                && about.is_file()
            {
                let name = path.to_string_lossy().replace('\\', "/");
                tree.files.insert(name, std::fs::read(root.join(&path))?);
            }
        }
        Ok(tree)
    }

    /// Texts of files whose path passes `wanted`.
    fn texts<'a>(&'a self, wanted: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = (&'a str, &'a str)> {
        let named = self.files.iter().filter(move |(path, _)| wanted(path));
        named.filter_map(|(path, bytes)| Some((path.as_str(), std::str::from_utf8(bytes).ok()?)))
    }

    /// Rust files below a folder.
    fn rust<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts(move |path| path.starts_with(folder) && path.ends_with(".rs"))
    }

    /// Names of folders below `crates/` that hold a Cargo.toml.
    fn crates(&self) -> Vec<&str> {
        let name = |path: &'_ str| -> Option<(usize, usize)> {
            let rest = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
            (!rest.contains('/')).then_some((7, 7 + rest.len()))
        };
        self.files.keys().filter_map(|path| name(path).and_then(|(from, to)| path.get(from..to))).collect()
    }
}

fn listed_by_git(root: &Path) -> Option<Vec<PathBuf>> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(listed.stdout).ok()?;
    Some(text.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect())
}

fn walk(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if !entry.file_type()?.is_dir() {
                found.push(path);
            } else if !matches!(entry.file_name().to_string_lossy().as_ref(), ".git" | "target" | ".tidegate" | ".dvc" | "__pycache__") {
                folders.push(path);
            }
        }
    }
    Ok(found)
}
