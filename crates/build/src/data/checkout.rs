//! `checkout`: makes the workspace what the `.dvc` files say, file by file; what is unsaved is not thrown away unasked.

use super::error::DataError;
use super::repo::Repo;
use super::view::{Item, Select};
use crate::atomic::{remove, temporary_beside};
use crate::error::PathIo;
use crate::hash::FileHash;
use crate::tree::{Content, Eyes, Seen, in_parallel, read_files};
use crate::workspace::STATE_DIRECTORY;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use tidegate_wire::dvc::tracked::HashKind;

/// How to check out.
#[derive(Clone, Debug, Default)]
pub struct CheckoutOptions {
    /// Throw away what is not saved.
    pub force: bool,
    /// Make the links anew.
    pub relink: bool,
    /// A folder means all that is tracked below it.
    pub recursive: bool,
    /// What a stage needs is meant too.
    pub with_deps: bool,
    /// What is not in the cache is left out.
    pub allow_missing: bool,
}

/// What changed in the workspace; directories end with a slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckoutReport {
    /// Paths that are new.
    pub added: Vec<String>,
    /// Paths that are others now.
    pub modified: Vec<String>,
    /// Paths that are gone.
    pub deleted: Vec<String>,
    /// Files added, modified and deleted.
    pub files: [u64; 3],
}

/// What has to be done to one output.
#[derive(Default)]
struct Plan {
    write: Vec<(String, String)>,
    delete: Vec<String>,
    files: [u64; 3],
    /// Files that are neither saved nor wanted.
    unsaved: Vec<String>,
}

impl Repo {
    /// Checks out all, or the targets.
    ///
    /// # Errors
    /// When something unsaved stands in the way, or objects are missing from the cache or damaged; the rest is done.
    pub fn checkout(&self, targets: &[String], options: &CheckoutOptions, tell: &dyn Fn(&str)) -> Result<CheckoutReport, DataError> {
        let _held = self.take("checkout", tell)?;
        let report = self.checkout_held(targets, options);
        self.index.save();
        report
    }

    pub(crate) fn checkout_held(&self, targets: &[String], options: &CheckoutOptions) -> Result<CheckoutReport, DataError> {
        let view = self.view()?;
        let select = Select { recursive: options.recursive, with_deps: options.with_deps };
        let chosen = view.select(self, targets, select)?;
        let mut report = CheckoutReport::default();
        if targets.is_empty() {
            self.remove_forgotten(&view.items, &mut report)?;
        }
        let (mut missing, mut plans, mut unmade) = (Vec::new(), Vec::new(), Vec::new());
        for (item, inner) in chosen {
            if !item.entry.cache {
                continue;
            }
            if item.entry.md5.is_none() {
                // What is there stays as it is: no lock says that it should be otherwise.
                let is_output = view.stages.get(item.stage).is_some_and(|s| s.dvc().is_none());
                if is_output && self.root.join(&item.path).symlink_metadata().is_err() {
                    unmade.push(item.path.clone());
                }
                continue;
            }
            match self.plan(item, &inner, options)? {
                Ok(plan) => plans.push((item, plan)),
                Err(name) => missing.push(name),
            }
        }
        let unsaved: Vec<String> = plans.iter().flat_map(|(_, plan)| plan.unsaved.clone()).collect();
        if !unsaved.is_empty() && !options.force {
            let what = "these files are not saved in the cache and would be lost: add them, or use --force".to_owned();
            return Err(DataError::NotRight { what, names: unsaved });
        }
        for (item, plan) in plans {
            self.carry_out(item, &plan, &mut report, &mut missing)?;
        }
        if options.allow_missing || (missing.is_empty() && unmade.is_empty()) {
            return Ok(report);
        }
        if missing.is_empty() {
            let what = "checkout is not complete; no lock says what these are: run the stages that write them, or use --allow-missing";
            return Err(DataError::NotRight { what: what.to_owned(), names: unmade });
        }
        missing.extend(unmade);
        let what = "checkout is not complete; these are not in the cache, or were damaged there (`tidegate fetch` brings them)".to_owned();
        Err(DataError::NotRight { what, names: missing })
    }

    /// What to do to an output; its path where the listing is not there.
    fn plan(&self, item: &Item, inner: &str, options: &CheckoutOptions) -> Result<Result<Plan, String>, DataError> {
        let md5 = item.entry.md5.clone().unwrap_or_default();
        let (eyes, path) = (self.eyes(), self.root.join(&item.path));
        if !options.relink && inner.is_empty() && self.look(&item.path, item.entry.kind)?.is_some_and(|c| c.identity.md5 == md5) {
            return Ok(Ok(Plan::default()));
        }
        let wanted: BTreeMap<String, String> = if md5.ends_with(".dir") {
            let Some(rows) = self.listing(item.entry.kind, &md5) else { return Ok(Err(format!("{}/ ({md5})", item.path))) };
            let meant = |path: &str| inner.is_empty() || super::view::overlap(inner, path);
            rows.into_iter().filter(|(_, path)| meant(path)).map(|(md5, path)| (path, md5)).collect()
        } else {
            BTreeMap::from([(String::new(), md5)])
        };
        let is_there = path.symlink_metadata().is_ok();
        let mut current: HashMap<String, FileHash> = HashMap::new();
        if let Some(content) = if is_there { eyes.look_inside(&item.path)? } else { None } {
            match content.members {
                Some(members) => current.extend(members.into_iter().map(|m| (m.relative, m.hash))),
                None => drop(current.insert(String::new(), as_hash(&content))),
            }
        }
        let mut plan = Plan::default();
        let mut saved = HashMap::new();
        let mut is_saved = |hash: &FileHash| {
            let here = || self.cache.object_of(HashKind::Md5, &hash.md5).is_file();
            *saved.entry(hash.md5.clone()).or_insert_with(here)
        };
        let shown = |relative: &str| if relative.is_empty() { item.path.clone() } else { format!("{}/{relative}", item.path) };
        for (relative, hash) in &current {
            let within = inner.is_empty() || super::view::overlap(inner, relative);
            if !wanted.contains_key(relative) && within {
                if !is_saved(hash) {
                    plan.unsaved.push(shown(relative));
                }
                plan.delete.push(relative.clone());
                plan.files[2] += 1;
            }
        }
        for (relative, md5) in wanted {
            match current.get(&relative) {
                Some(hash) if self.same(item.entry.kind, &item.path, &relative, hash, &md5)? && !options.relink => continue,
                Some(hash) if hash.md5 != md5 && item.entry.kind == HashKind::Md5 => {
                    if !is_saved(hash) {
                        plan.unsaved.push(shown(&relative));
                    }
                    plan.files[1] += 1;
                }
                Some(_) => plan.files[1] += 1,
                None => plan.files[0] += 1,
            }
            plan.write.push((md5, relative));
        }
        Ok(Ok(plan))
    }

    fn same(&self, kind: HashKind, path: &str, relative: &str, hash: &FileHash, md5: &str) -> Result<bool, DataError> {
        match kind {
            HashKind::Md5 => Ok(hash.md5 == md5),
            HashKind::Dos2Unix => {
                let path = if relative.is_empty() { path.to_owned() } else { format!("{path}/{relative}") };
                Ok(self.look(&path, kind)?.is_some_and(|c| c.identity.md5 == md5))
            }
        }
    }

    fn carry_out(&self, item: &Item, plan: &Plan, report: &mut CheckoutReport, missing: &mut Vec<String>) -> Result<(), DataError> {
        if plan.write.is_empty() && plan.delete.is_empty() {
            return Ok(());
        }
        let (path, is_dir) = (self.root.join(&item.path), item.entry.md5.as_deref().is_some_and(|m| m.ends_with(".dir")));
        let was_there = path.symlink_metadata().is_ok();
        // A directory in place of a file, or the other way round: what is there goes first (it was found to be saved).
        if was_there && path.is_dir() != is_dir {
            remove(&path).map_err(DataError::io("remove", &path))?;
        } else {
            for relative in plan.delete.iter().filter(|relative| !relative.is_empty()) {
                let gone = path.join(relative);
                remove(&gone).map_err(DataError::io("remove", &gone))?;
                prune(gone.parent(), &path);
            }
        }
        if is_dir {
            fs::create_dir_all(&path).map_err(DataError::io("create", &path))?;
        }
        let failed = self.put_files(&item.path, item.entry.kind, &plan.write, item.entry.executable)?;
        if failed.is_empty() {
            self.note_placed(&item.path, item.entry.md5.as_deref().unwrap_or_default());
        }
        for (sum, n) in report.files.iter_mut().zip(plan.files) {
            *sum += n;
        }
        report.files[if was_there { 1 } else { 0 }] -= (failed.len() as u64).min(report.files[usize::from(was_there)]);
        let shown = format!("{}{}", item.path, if is_dir { "/" } else { "" });
        let list = if was_there { &mut report.modified } else { &mut report.added };
        list.push(shown);
        missing.extend(failed);
        Ok(())
    }

    /// Puts objects in place at `path` (`relative` empty: the path itself); gives those that are missing or were damaged.
    pub(crate) fn put_files(
        &self,
        path: &str,
        kind: HashKind,
        wanted: &[(String, String)],
        executable: bool,
    ) -> Result<Vec<String>, DataError> {
        let eyes = self.eyes();
        let results = in_parallel(wanted, |(md5, relative)| {
            let inner = if relative.is_empty() { path.to_owned() } else { format!("{path}/{relative}") };
            let to = self.root.join(&inner);
            let put = self.put_one(&eyes, kind, md5, &to, executable && relative.is_empty())?;
            match put {
                Some(hash) => {
                    eyes.learn(&inner, &hash);
                    Ok::<_, DataError>(None)
                }
                None => Ok(Some(format!("{inner} ({md5})"))),
            }
        })?;
        Ok(results.into_iter().flatten().collect())
    }

    fn put_one(&self, eyes: &Eyes<'_>, kind: HashKind, md5: &str, to: &Path, executable: bool) -> Result<Option<FileHash>, DataError> {
        let parent = to.parent().unwrap_or(&self.root);
        if !parent.is_dir() {
            make_folder(parent).map_err(DataError::io("create", parent))?;
        }
        let temporary = temporary_beside(to);
        let hash = self.cache.put_file(eyes, kind, md5, &temporary, executable).inspect_err(|_| drop(remove(&temporary)))?;
        if hash.is_none() {
            return Ok(None);
        }
        if to.is_dir() && !to.is_symlink() {
            remove(to).map_err(DataError::io("remove", to))?;
        }
        // Renaming one name of a file onto another one of the same file does nothing.
        let same = fs::metadata(&temporary).ok().zip(fs::symlink_metadata(to).ok()).is_some_and(|(a, b)| inode(&a) == inode(&b));
        let moved = if same { remove(&temporary) } else { fs::rename(&temporary, to) };
        moved.map_err(|error| {
            let _ = remove(&temporary);
            DataError::io("write", to)(error)
        })?;
        Ok(hash)
    }

    /// What is at a path, by either kind of digest.
    pub(crate) fn look(&self, path: &str, kind: HashKind) -> Result<Option<Content>, DataError> {
        let eyes = self.eyes();
        if kind == HashKind::Md5 {
            return Ok(eyes.look(path)?);
        }
        // Kept apart in the index: another digest of the same file.
        let full = self.root.join(path);
        let old = |files: &[&Seen]| {
            let mut read = read_files(files)?;
            for (file, read) in files.iter().zip(&mut read) {
                read.hash.md5 = crate::cache::old_md5(&file.path).map_err(PathIo::at("read", &file.path))?;
            }
            Ok(read)
        };
        let key = format!("dos2unix:{path}");
        match fs::metadata(&full) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DataError::io("look at", &full)(error)),
            Ok(meta) if meta.is_dir() => Ok(Some(eyes.each(&key, &full, |seen| eyes.hash_by(seen, old))?)),
            Ok(meta) => {
                let executable = crate::tree::executable(&meta);
                let hash = eyes.hash_one(Seen::new(&key, &full, meta), old)?;
                Ok(Some(Content::of_file(&hash, executable)))
            }
        }
    }

    /// The rows of a directory's listing, if it is in the cache and whole.
    pub(crate) fn listing(&self, kind: HashKind, md5: &str) -> Option<Vec<(String, String)>> {
        self.cache.listing_of(kind, md5)
    }

    /// Remembers what was put where, so that it can be taken away when nothing names it any more.
    pub(crate) fn note_placed(&self, path: &str, md5: &str) {
        let mut placed = self.placed();
        if placed.insert(path.to_owned(), md5.to_owned()).as_deref() != Some(md5) {
            self.save_placed(&placed);
        }
    }

    /// It is the user's now.
    pub(crate) fn forget_placed(&self, path: &str) {
        let mut placed = self.placed();
        if placed.remove(path).is_some() {
            self.save_placed(&placed);
        }
    }

    fn placed_file(&self) -> PathBuf {
        self.root.join(STATE_DIRECTORY).join("placed.json")
    }

    fn placed(&self) -> BTreeMap<String, String> {
        fs::read(self.placed_file()).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    fn save_placed(&self, placed: &BTreeMap<String, String>) {
        // Forgotten, it only stays where it is.
        let _ = serde_json::to_vec(placed).map(|bytes| crate::atomic::write(&self.placed_file(), &bytes, false));
    }

    /// Takes away what an earlier checkout put there and nothing names any more, if it was not changed since.
    fn remove_forgotten(&self, items: &[Item], report: &mut CheckoutReport) -> Result<(), DataError> {
        let mut placed = self.placed();
        let gone: Vec<(String, String)> = placed
            .iter()
            .filter(|(path, _)| !items.iter().any(|item| super::view::overlap(&item.path, path)))
            .map(|(path, md5)| (path.clone(), md5.clone()))
            .collect();
        for (path, md5) in &gone {
            placed.remove(path);
            let full = self.root.join(path);
            let Some(content) = self.eyes().look(path)? else { continue };
            if content.identity.md5 == *md5 && self.cache.has_of(HashKind::Md5, md5) {
                remove(&full).map_err(DataError::io("remove", &full))?;
                report.files[2] += content.identity.files.unwrap_or(1);
                report.deleted.push(format!("{path}{}", if md5.ends_with(".dir") { "/" } else { "" }));
            }
        }
        if !gone.is_empty() {
            self.save_placed(&placed);
        }
        Ok(())
    }
}

fn as_hash(content: &Content) -> FileHash {
    FileHash { md5: content.identity.md5.clone(), digest: content.digest.clone(), size_bytes: content.identity.size_bytes }
}

fn inode(meta: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (meta.dev(), meta.ino())
}

/// A folder, in place of a file of its name or of a part of it.
fn make_folder(path: &Path) -> std::io::Result<()> {
    match fs::create_dir_all(path) {
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists) => {
            if let Some(file) = path.ancestors().find(|p| p.symlink_metadata().is_ok_and(|m| !m.is_dir())) {
                fs::remove_file(file)?;
            }
            fs::create_dir_all(path)
        }
        other => other,
    }
}

/// Empty folders that are left, up to the output itself.
fn prune(folder: Option<&Path>, top: &Path) {
    let mut folder = folder;
    while let Some(path) = folder.filter(|path| *path != top && path.starts_with(top)) {
        if fs::remove_dir(path).is_err() {
            return;
        }
        folder = path.parent();
    }
}
