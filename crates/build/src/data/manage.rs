//! `remove`, `move`, `unprotect`, `commit`: what is tracked changes its name, its state, or is tracked no more.

use super::add::{AddOptions, Added};
use super::error::DataError;
use super::git;
use super::import::digest_of;
use super::repo::Repo;
use super::view::{Item, Select, StageView, View, joined, name_of};
use crate::atomic::{remove, temporary_beside};
use crate::walk::{Visit, walk};
use serde_json::json;
use std::fs::{self, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

impl Repo {
    /// Stops tracking what `.dvc` files stand for; with `outs` the data goes from the workspace too. The cache keeps it
    /// until `gc`. Gives the paths of the data.
    ///
    /// # Errors
    /// When a target is no `.dvc` file of the repository, or something cannot be removed.
    pub fn remove(&self, targets: &[String], outs: bool, tell: &dyn Fn(&str)) -> Result<Vec<String>, DataError> {
        let _held = self.take("remove", tell)?;
        let view = self.view()?;
        let files = targets.iter().map(|target| self.dvc_file(&view, target)).collect::<Result<Vec<_>, _>>()?;
        let mut removed = Vec::new();
        for stage in files {
            for item in view.items_of(stage) {
                let path = self.root.join(&item.path);
                if outs {
                    remove(&path).map_err(DataError::io("remove", &path))?;
                } else {
                    self.unprotect_path(&item.path)?;
                }
                self.forget_placed(&item.path);
                if self.uses_git() {
                    git::ignore_no_more(&self.root, &item.path)?;
                }
                removed.push(item.path.clone());
            }
            let file = self.root.join(&stage.file);
            remove(&file).map_err(DataError::io("remove", &file))?;
            self.stage_in_git(&stage.file);
        }
        Ok(removed)
    }

    fn dvc_file<'a>(&self, view: &'a View, target: &str) -> Result<&'a StageView, DataError> {
        let path = self.inside(target)?;
        let found = view.stages.iter().find(|stage| stage.tracks() && stage.file == path);
        found.ok_or_else(|| {
            let stage = view.stages.iter().any(|stage| stage.address == target);
            let item = view.items.iter().find(|item| item.path == path).and_then(|item| view.stage_of(item));
            match item {
                _ if stage => DataError::Usage(format!("'{target}' is a stage: take it out of its dvc.yaml")),
                Some(stage) => DataError::Usage(format!("'{target}' is not a .dvc file: did you mean '{}'?", self.shown(&stage.file))),
                None => DataError::NotFound(format!("there is no .dvc file '{target}': see `tidegate data status`")),
            }
        })
    }

    /// Gives tracked data another name, in the workspace and in its `.dvc` file. Gives the old and the new path.
    ///
    /// # Errors
    /// When `from` is not what a `.dvc` file stands for, or something is at `to` already.
    pub fn rename(&self, from: &str, to: &str, tell: &dyn Fn(&str)) -> Result<(String, String), DataError> {
        let _held = self.take("move", tell)?;
        let (old, mut new) = (self.inside(from)?, self.inside(to)?);
        if self.root.join(&new).is_dir() {
            new = joined(&new, name_of(&old));
        }
        let view = self.view()?;
        let item = view.items.iter().find(|item| item.path == old);
        let stage = item.and_then(|item| view.stage_of(item));
        let stage = stage.ok_or_else(|| DataError::NotFound(format!("'{from}' is not tracked: see `tidegate data status`")))?;
        if !stage.tracks() {
            return Err(DataError::Refused(format!("'{from}' is an output of the stage '{}': change it in dvc.yaml", stage.address)));
        }
        let follows = stage.file == format!("{old}.dvc");
        let file = if follows { format!("{new}.dvc") } else { stage.file.clone() };
        let inside = format!("{old}/");
        if new.starts_with(&inside) {
            return Err(DataError::Usage(format!("'{to}' lies in '{from}'")));
        }
        for path in [Some(&new), Some(&file).filter(|_| follows)].into_iter().flatten() {
            if self.root.join(path).symlink_metadata().is_ok() {
                return Err(DataError::Refused(format!("move '{from}' to '{to}': '{}' exists already", self.shown(path))));
            }
        }
        self.rename_in_file(stage, &old, &new, &file, follows)?;
        let (there, here) = (self.root.join(&old), self.root.join(&new));
        if there.symlink_metadata().is_ok() {
            if let Some(parent) = here.parent() {
                fs::create_dir_all(parent).map_err(DataError::io("create", parent))?;
            }
            fs::rename(&there, &here).map_err(DataError::io("move to", &here))?;
        } else {
            tell(&format!("'{from}' is not in the workspace: only its .dvc file was moved"));
        }
        if follows {
            let path = self.root.join(&stage.file);
            remove(&path).map_err(DataError::io("remove", &path))?;
            self.stage_in_git(&stage.file);
        }
        if self.uses_git() {
            git::ignore_no_more(&self.root, &old)?;
            git::ignore(&self.root, &new)?;
        }
        self.forget_placed(&old);
        self.note_placed(&new, &item.and_then(|i| i.entry.md5.clone()).unwrap_or_default());
        Ok((old, new))
    }

    /// The `.dvc` file that says the new name; it is written before the data moves, so that a crash between leaves data that
    /// the old file still names.
    fn rename_in_file(&self, stage: &StageView, old: &str, new: &str, file: &str, follows: bool) -> Result<(), DataError> {
        let mut parsed = stage.dvc().cloned().unwrap_or_default();
        let folder = |file: &str| file.strip_suffix(name_of(file)).unwrap_or("").to_owned();
        let base = if follows { folder(file) } else { joined(&stage.folder, parsed.wdir()) };
        let moved = |path: &str| {
            let at_root = stage.at_root(path);
            if path.contains("://") || path.starts_with('/') {
                return path.to_owned();
            }
            relative(&base, if at_root == old { new } else { &at_root })
        };
        parsed.rename(moved);
        if follows {
            parsed.unset("wdir");
        }
        if !parsed.deps().is_empty() {
            let digest = digest_of(&parsed);
            parsed.set("md5", json!(digest));
        }
        let path = self.root.join(file);
        crate::atomic::write(&path, parsed.render().as_bytes(), true).map_err(DataError::io("write", &path))?;
        self.stage_in_git(file);
        Ok(())
    }

    /// Makes files of the workspace that are links into the cache copies that can be changed; how many.
    ///
    /// # Errors
    /// When a path is not there or a file cannot be written.
    pub fn unprotect(&self, targets: &[String], tell: &dyn Fn(&str)) -> Result<u64, DataError> {
        let _held = self.take("unprotect", tell)?;
        let mut count = 0;
        for target in targets {
            let path = self.inside(target)?;
            if self.root.join(&path).symlink_metadata().is_err() {
                return Err(DataError::NotFound(format!("'{target}' does not exist")));
            }
            count += self.unprotect_path(&path)?;
        }
        Ok(count)
    }

    fn unprotect_path(&self, relative: &str) -> Result<u64, DataError> {
        struct Names(Vec<String>);
        impl Visit for Names {
            const STATS: bool = false;
            fn file(&mut self, prefix: &str, name: &str, _: Option<&Metadata>) {
                self.0.push(format!("/{prefix}{name}"));
            }
        }
        let path = self.root.join(relative);
        let mut names = vec![String::new()];
        if path.is_dir() {
            let parts = walk(&path, &super::ignore::Rules::above(&path)?, true, || Names(Vec::new()))?;
            names = parts.into_iter().flat_map(|part| part.0).collect();
        }
        let mut count = 0;
        for name in names {
            let file = self.root.join(format!("{relative}{name}"));
            count += u64::from(self.unprotect_file(&file).map_err(DataError::io("unprotect", &file))?);
        }
        Ok(count)
    }

    fn unprotect_file(&self, file: &Path) -> std::io::Result<bool> {
        let Ok(meta) = fs::symlink_metadata(file) else { return Ok(false) };
        let cache = self.cache.directory().canonicalize();
        // Links that the user made to elsewhere are the user's.
        let into_cache = || fs::canonicalize(file).ok().zip(cache.ok()).is_some_and(|(to, cache)| to.starts_with(cache));
        let linked = if meta.is_symlink() { into_cache() } else { meta.is_file() && meta.nlink() > 1 };
        if linked {
            let temporary = temporary_beside(file);
            let copied = crate::atomic::clone_file(file, &temporary).and_then(|()| fs::rename(&temporary, file));
            return copied.map(|()| true).inspect_err(|_| drop(remove(&temporary)));
        }
        let mode = meta.permissions().mode();
        if meta.is_file() && mode & 0o200 == 0 {
            fs::set_permissions(file, Permissions::from_mode(mode | 0o200))?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Records what tracked data is now, and takes it into the cache. What is otherwise than its `.dvc` file says is
    /// recorded with `force` only; what is as recorded, and not in the cache, is taken in.
    ///
    /// # Errors
    /// When there is no such target, data changed and `force` is not given, or a stage's outputs are not what its run wrote.
    pub fn commit(&self, targets: &[String], select: (bool, bool), force: bool, tell: &dyn Fn(&str)) -> Result<Vec<Added>, DataError> {
        let _held = self.take("commit", tell)?;
        let view = self.view()?;
        let (recursive, with_deps) = select;
        let chosen = view.select(self, targets, Select { recursive, with_deps })?;
        let mut changed = Vec::new();
        for (item, _) in chosen.iter().filter(|(item, _)| item.entry.cache) {
            let content = self.look(&item.path, item.entry.kind)?;
            let content = content.ok_or_else(|| DataError::NotFound(format!("commit '{}': it is not in the workspace", item.path)))?;
            if item.entry.md5.as_deref() != Some(&content.identity.md5) {
                changed.push(*item);
            }
        }
        let of_stages: Vec<&&Item> = changed.iter().filter(|item| !view.stage_of(item).is_some_and(StageView::tracks)).collect();
        if let Some(item) = of_stages.first() {
            let why = "is written by a stage and is not what its last run wrote: run the stage";
            return Err(DataError::Refused(format!("commit: '{}' {why} (`tidegate run`)", item.path)));
        }
        if !changed.is_empty() && !force {
            let names = changed.iter().map(|item| item.path.clone()).collect();
            let what = "nothing was committed: these changed since they were added; --force records them as they are now".to_owned();
            return Err(DataError::NotRight { what, names });
        }
        let mut done = Vec::new();
        for (item, _) in chosen {
            match view.stage_of(item) {
                Some(stage) if stage.tracks() && item.entry.cache => done.push(self.record(item, stage)?),
                _ if item.entry.cache => drop(self.cache.take(&self.eyes(), &item.path)?),
                _ => {}
            }
        }
        self.index.save();
        Ok(done)
    }

    fn record(&self, item: &Item, stage: &StageView) -> Result<Added, DataError> {
        let content = self.take_in(&item.path, &AddOptions::default())?;
        let written = stage.written(&item.path).unwrap_or_else(|| item.entry.clone());
        let fresh = super::add::entry_of(&written.path, &content);
        let entry = tidegate_wire::dvc::tracked::Entry { push: written.push, remote: written.remote, ..fresh };
        let changed = self.write_dvc_file(&stage.file, |file| {
            file.record("outs", &entry);
            if !file.deps().is_empty() {
                let digest = digest_of(file);
                file.set("md5", json!(digest));
            }
        })?;
        self.note_placed(&item.path, &content.identity.md5);
        let (path, file, identity) = (item.path.clone(), stage.file.clone(), content.identity);
        Ok(Added { path, file, md5: identity.md5, size_bytes: identity.size_bytes, files: identity.files, changed })
    }
}

/// `path` of the repository, seen from `base`.
fn relative(base: &str, path: &str) -> String {
    let parts = |text: &str| text.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (base, path) = (parts(base), parts(path));
    let same = base.iter().zip(&path).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), base.len() - same);
    up.chain(path.into_iter().skip(same)).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_are_seen_from_a_folder() {
        assert_eq!(super::relative("a/b/", "a/c"), "../c");
        assert_eq!(super::relative("", "a/c"), "a/c");
    }
}
