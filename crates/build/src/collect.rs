//! Which files of a repository declare stages: every `dvc.yaml` and every `.dvc` file that neither Git nor DVC ignores and that
//! no output holds.
//!
//! Folder by folder from the root, a folder's own files first, each list by name: DVC goes the same way, with names in the
//! order in which the file system gives them.

use crate::code::git;
use crate::data::ignore::Rules;
use crate::error::{BuildError, PathIo};
use crate::workspace::{PIPELINE_FILE, STATE_DIRECTORY};
use std::collections::{BTreeSet, HashSet};
use std::path::Path;

/// Deepest nesting of folders.
const DEPTH_MAX: usize = 128;
/// Most files that declare stages.
const FILES_MAX: usize = 100_000;
/// Folders that are never looked into.
const NEVER: [&str; 4] = [".git", ".hg", ".dvc", STATE_DIRECTORY];

/// Calls `load` for each file, seen from `root`; it answers with the outputs that the file declares.
pub(crate) fn stage_files(root: &Path, load: &mut dyn FnMut(&str) -> Result<Vec<String>, BuildError>) -> Result<(), BuildError> {
    let mut rules = Rules::above(root)?;
    let mut walk = Walk { root, load, outs: HashSet::new(), files: 0, known: known_to_git(root) };
    walk.folder("", 0, &mut rules)
}

/// Whether a name is that of a file that declares stages.
fn declares(name: &str) -> bool {
    name == PIPELINE_FILE || (name.ends_with(".dvc") && name != ".dvc")
}

/// The files that declare stages and that Git does not ignore, with the folders above them; none where there is no Git.
fn known_to_git(root: &Path) -> Option<BTreeSet<String>> {
    root.ancestors().find(|d| d.join(".git").exists())?;
    let wanted = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.dvc", PIPELINE_FILE, "*/dvc.yaml"];
    let found = git(root, &wanted)?;
    let mut known = BTreeSet::new();
    for path in found.split(|b| *b == 0).filter_map(|p| std::str::from_utf8(p).ok()).filter(|p| !p.is_empty()) {
        known.extend(path.match_indices('/').map(|(i, _)| path[..i].to_owned()));
        known.insert(path.to_owned());
    }
    Some(known)
}

struct Walk<'a> {
    root: &'a Path,
    load: &'a mut dyn FnMut(&str) -> Result<Vec<String>, BuildError>,
    outs: HashSet<String>,
    files: usize,
    known: Option<BTreeSet<String>>,
}

impl Walk<'_> {
    fn folder(&mut self, place: &str, depth: usize, rules: &mut Rules) -> Result<(), BuildError> {
        let (files, folders) = self.list(place, rules)?;
        for name in files {
            self.files += 1;
            if self.files > FILES_MAX {
                let source = std::io::Error::other(format!("more than {FILES_MAX} files declare stages"));
                return Err(BuildError::io("list", self.root)(source));
            }
            let outs = (self.load)(&format!("{place}{name}"))?;
            self.outs.extend(outs);
        }
        for name in folders {
            let path = format!("{place}{name}");
            let folder = self.root.join(&path);
            // A repository inside this one is not part of it.
            if self.outs.contains(&path) || depth >= DEPTH_MAX || folder.join(".dvc").is_dir() {
                continue;
            }
            let inner = format!("{path}/");
            rules.read(&folder, &inner)?;
            self.folder(&inner, depth + 1, rules)?;
        }
        Ok(())
    }

    /// Names of files that declare stages, and of folders to look into, both sorted.
    fn list(&self, place: &str, rules: &Rules) -> Result<(Vec<String>, Vec<String>), BuildError> {
        let directory = self.root.join(place);
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        if let Some(known) = &self.known {
            // Git has said where such files are: only these folders are of interest.
            for path in known.range(place.to_owned()..).take_while(|p| p.starts_with(place)) {
                let Some(name) = path.get(place.len()..).filter(|name| !name.is_empty() && !name.contains('/')) else { continue };
                self.take(&directory, place, name, rules, &mut files, &mut folders);
            }
            return Ok((files, folders));
        }
        for entry in std::fs::read_dir(&directory).map_err(PathIo::at("list", &directory))? {
            let entry = entry.map_err(PathIo::at("list", &directory))?;
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if let Some(name) = entry.file_name().to_str().filter(|name| is_dir || declares(name)) {
                self.take(&directory, place, name, rules, &mut files, &mut folders);
            }
        }
        files.sort();
        folders.sort();
        Ok((files, folders))
    }

    fn take(&self, directory: &Path, place: &str, name: &str, rules: &Rules, files: &mut Vec<String>, folders: &mut Vec<String>) {
        let Ok(meta) = std::fs::symlink_metadata(directory.join(name)) else { return };
        let is_dir = meta.is_dir();
        if rules.ignored(place, name, is_dir) {
            return;
        }
        if is_dir && !NEVER.contains(&name) {
            folders.push(name.to_owned());
        } else if declares(name) && directory.join(name).is_file() {
            files.push(name.to_owned());
        }
    }
}
