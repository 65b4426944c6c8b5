//! `add`: takes files and directories into the cache and writes the `.dvc` files that stand for them.

use super::error::DataError;
use super::git;
use super::ignore::Rules;
use super::part::part_of;
use super::repo::Repo;
use super::view::{View, overlap};
use crate::cache::Link;
use crate::tree::{Content, executable};
use serde_json::json;
use std::path::Path;
use tidegate_wire::dvc::tracked::{DvcFile, Entry, HashKind};

/// How to add.
#[derive(Clone, Debug, Default)]
pub struct AddOptions {
    /// Write the `.dvc` file, leave the cache alone.
    pub no_commit: bool,
    /// Leave the files as they are, even where the cache is linked.
    pub no_relink: bool,
}

/// One thing that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// Its path, from the repository.
    pub path: String,
    /// The file that stands for it.
    pub file: String,
    /// MD5, with `.dir` for a directory.
    pub md5: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Files of a directory.
    pub files: Option<u64>,
    /// Whether the `.dvc` file says something else now.
    pub changed: bool,
}

impl Repo {
    /// Adds paths. `tell` hears whom it waits for.
    ///
    /// # Errors
    /// When a path is not there, ignored, kept by Git or by a stage, or overlaps with something that is tracked; or when it
    /// cannot be read or the cache not written. What was added before stays.
    pub fn add(&self, targets: &[String], options: &AddOptions, tell: &dyn Fn(&str)) -> Result<Vec<Added>, DataError> {
        let _held = self.take("add", tell)?;
        self.cache.sweep(false);
        let view = self.view()?;
        let mut wanted = Vec::new();
        for target in targets {
            let path = self.inside(target)?;
            if part_of(&view, &path).is_none() {
                self.may_add(&view, &path)?;
            }
            if let Some(other) = wanted.iter().find(|other: &&String| overlap(other, &path)) {
                return Err(DataError::Refused(format!("'{other}' and '{path}' overlap: add the outer one")));
            }
            wanted.push(path);
        }
        let mut result = Vec::new();
        for path in &wanted {
            // Each sees what the one before has made of the directory that both lie in.
            let inside = part_of(&view, path).is_some();
            let view = if inside { &self.view()? } else { &view };
            let added = match part_of(view, path) {
                Some(part) => self.add_part(&part, path, options),
                None => self.add_one(path, options),
            };
            result.push(added);
        }
        let result = result.into_iter().collect();
        self.index.save();
        result
    }

    fn may_add(&self, view: &View, path: &str) -> Result<(), DataError> {
        let full = self.root.join(path);
        let meta = match std::fs::metadata(&full) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(DataError::NotFound(format!("'{path}' does not exist")));
            }
            Err(error) => return Err(DataError::io("look at", &full)(error)),
        };
        if path.is_empty() || path == ".dvc" || path.starts_with(".dvc/") {
            return Err(DataError::Usage("the repository and its .dvc folder cannot be added".to_owned()));
        }
        if path.ends_with(".dvc") && meta.is_file() {
            return Err(DataError::Usage(format!("'{path}' is a .dvc file: add what it stands for")));
        }
        self.in_sight(path, meta.is_dir())?;
        for item in view.items.iter().filter(|item| overlap(&item.path, path)) {
            let stage = view.stage_of(item).map_or("", |s| s.address.as_str());
            if item.path == path && stage.ends_with(".dvc") {
                continue;
            }
            let why = if item.path == path { "is an output of" } else { "overlaps with what is tracked by" };
            return Err(DataError::Refused(format!("'{path}' {why} '{stage}' ({}): run that, or remove it first", item.path)));
        }
        let own = view.items.iter().any(|item| item.path == path);
        if self.uses_git() && !own && git::keeps(&self.root, path) {
            let hint = format!("stop that with `git rm -r --cached '{path}'` and `git commit -m 'stop tracking {path}'`");
            return Err(DataError::Refused(format!("'{path}' is already kept by Git: {hint}")));
        }
        Ok(())
    }

    /// Neither behind a link nor ignored.
    pub(super) fn in_sight(&self, path: &str, is_dir: bool) -> Result<(), DataError> {
        if self.through_link(path) {
            return Err(DataError::Refused(format!("'{path}' lies behind a link to a directory: add it where it is")));
        }
        let full = self.root.join(path);
        let mut rules = Rules::above(full.parent().unwrap_or(&self.root))?;
        rules.read(full.parent().unwrap_or(&self.root), &rules.place.clone())?;
        if rules.ignored_anywhere(path, is_dir) {
            return Err(DataError::Refused(format!("'{path}' is ignored by .dvcignore: change that first")));
        }
        Ok(())
    }

    fn through_link(&self, path: &str) -> bool {
        let mut here = self.root.clone();
        let parts: Vec<&str> = path.split('/').collect();
        parts[..parts.len() - 1].iter().any(|part| {
            here.push(part);
            here.is_symlink()
        })
    }

    fn add_one(&self, path: &str, options: &AddOptions) -> Result<Added, DataError> {
        let content = self.take_in(path, options)?;
        let name = super::view::name_of(path);
        let entry = entry_of(name, &content);
        let changed = self.write_dvc_file(&format!("{path}.dvc"), |file| file.record("outs", &entry))?;
        if self.uses_git() {
            git::ignore(&self.root, path)?;
        }
        self.note_placed(path, &content.identity.md5);
        let identity = content.identity;
        Ok(Added {
            path: path.to_owned(),
            file: format!("{path}.dvc"),
            md5: identity.md5,
            size_bytes: identity.size_bytes,
            files: identity.files,
            changed,
        })
    }

    /// What is at a path, now in the cache too.
    pub(super) fn take_in(&self, path: &str, options: &AddOptions) -> Result<Content, DataError> {
        let eyes = self.eyes();
        let content = if options.no_commit { eyes.look(path)? } else { self.cache.take(&eyes, path)? };
        let content = content.ok_or_else(|| DataError::NotFound(format!("'{path}' is gone")))?;
        if !options.no_commit && !options.no_relink && self.links() {
            self.relink(path, &content)?;
        }
        Ok(content)
    }

    /// Whether files of the workspace are links into the cache.
    pub(crate) fn links(&self) -> bool {
        let types = self.config.get("cache", "type").unwrap_or_default();
        matches!(types.split(',').next().and_then(Link::named), Some(Link::Hardlink | Link::Symlink))
    }

    /// Puts links in place of files that are now in the cache.
    fn relink(&self, path: &str, content: &Content) -> Result<(), DataError> {
        let wanted = if content.identity.is_dir() {
            self.cache.listing_of(HashKind::Md5, &content.identity.md5).unwrap_or_default()
        } else {
            vec![(content.identity.md5.clone(), String::new())]
        };
        let executable = content.identity.executable;
        self.put_files(path, HashKind::Md5, &wanted, executable).map(drop)
    }

    /// Changes (or makes) a `.dvc` file; whether it says something else now.
    pub(crate) fn write_dvc_file(&self, file: &str, change: impl FnOnce(&mut DvcFile)) -> Result<bool, DataError> {
        let path = self.root.join(file);
        let old = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(DataError::io("read", &path)(error)),
        };
        let before = old.as_deref().map(|text| DvcFile::parse(file, text)).transpose()?;
        let mut parsed = before.clone().unwrap_or_default();
        change(&mut parsed);
        if before.as_ref() == Some(&parsed) {
            return Ok(false);
        }
        crate::atomic::write(&path, parsed.render().as_bytes(), true).map_err(DataError::io("write", &path))?;
        self.stage_in_git(file);
        Ok(true)
    }

    /// With `core.autostage`, Git hears of what was written.
    pub(crate) fn stage_in_git(&self, file: &str) {
        if self.config.is_on("core", "autostage") && self.uses_git() {
            let ignore = Path::new(file).with_file_name(".gitignore");
            let _ = crate::code::git(&self.root, &["add", "--", file]);
            let _ = crate::code::git(&self.root, &["add", "--", &ignore.display().to_string()]);
        }
    }

    /// A text of the first output of a `.dvc` file, as `desc`.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn annotate(&self, file: &str, key: &str, value: &str) -> Result<(), DataError> {
        self.write_dvc_file(file, |parsed| parsed.annotate(key, json!(value))).map(drop)
    }
}

/// What a `.dvc` file says of a content.
pub(crate) fn entry_of(name: &str, content: &Content) -> Entry {
    let identity = &content.identity;
    Entry {
        path: name.to_owned(),
        kind: HashKind::Md5,
        md5: Some(identity.md5.clone()),
        size_bytes: Some(identity.size_bytes),
        files: identity.files,
        executable: identity.executable,
        cache: true,
        push: true,
        ..Entry::default()
    }
}

/// Whether the file at a path is executable.
pub(crate) fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| executable(&meta))
}
