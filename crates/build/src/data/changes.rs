//! `data status` and `diff`: what is tracked in the last commit, in the `.dvc` files and in the workspace, side by side.

use super::compare::{Change, Kind, Node, Side, Spot, compare};
use super::error::DataError;
use super::git::Git;
use super::repo::Repo;
use super::view::{Select, View, overlap};
use crate::remote::Object;
use indexmap::IndexMap;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tidegate_wire::dvc::tracked::HashKind;

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct DataStatusOptions {
    /// Files of directories one by one.
    pub granular: bool,
    /// Ask the remote too, this one or the default one.
    pub not_in_remote: bool,
    /// The remote to ask.
    pub remote: Option<String>,
    /// Files that neither Git nor DVC keeps.
    pub untracked: bool,
}

/// What differs, each list in DVC's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataStatus {
    /// In the `.dvc` files, not in the cache.
    pub not_in_cache: Vec<String>,
    /// In the `.dvc` files, not at the remote.
    pub not_in_remote: Vec<String>,
    /// From the last commit to the `.dvc` files, by kind.
    pub committed: IndexMap<String, Vec<Value>>,
    /// From the `.dvc` files to the workspace, by kind.
    pub uncommitted: IndexMap<String, Vec<Value>>,
    /// Kept by nobody.
    pub untracked: Vec<String>,
    /// The same everywhere.
    pub unchanged: Vec<String>,
    /// Git has changes too.
    pub git_dirty: bool,
}

/// One line of a `diff`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffRow {
    /// Path in the old state; none where it is new.
    pub old_path: Option<String>,
    /// Path in the new state; none where it is gone.
    pub new_path: Option<String>,
    /// Digest in the old state.
    pub old_hash: Option<String>,
    /// Digest in the new state.
    pub new_hash: Option<String>,
}

/// A `diff`: lines by DVC's words: `added`, `deleted`, `modified`, `renamed`, `not in cache`. Empty where nothing differs.
pub type Diff = IndexMap<&'static str, Vec<DiffRow>>;

impl Repo {
    /// What differs between commit, `.dvc` files, cache and workspace.
    ///
    /// # Errors
    /// When something cannot be read, or the remote fails.
    pub fn data_status(&self, targets: &[String], options: &DataStatusOptions) -> Result<DataStatus, DataError> {
        let paths = targets.iter().map(|t| self.inside(t)).collect::<Result<Vec<_>, _>>()?;
        let view = self.view()?;
        let index = self.recorded_side(&view, options.granular);
        let workspace = self.workspace_side(&view, options.granular)?;
        let meant = |path: &str| paths.is_empty() || paths.iter().any(|p| path == p || path.starts_with(&format!("{p}/")));
        let mut status = DataStatus::default();
        let changes = compare(&index, &workspace, options.granular);
        let mut unchanged = BTreeSet::new();
        for change in changes.iter().filter(|c| meant(c.shown().trim_end_matches('/'))) {
            if let Some(old) = &change.old
                && let Some(hash) = &old.hash
                && !self.object_is_here(&view, &old.path, hash)
            {
                status.not_in_cache.push(old.shown());
            }
            sort_in(change, &mut status.uncommitted, &mut unchanged);
        }
        if let Some(head) = self.head_side(options.granular)? {
            let mut same = BTreeSet::new();
            let changes = compare(&head, &index, options.granular);
            for change in changes.iter().filter(|c| meant(c.shown().trim_end_matches('/'))) {
                sort_in(change, &mut status.committed, &mut same);
            }
            unchanged.retain(|path| same.contains(path));
        }
        status.unchanged = unchanged.into_iter().collect();
        if options.not_in_remote {
            status.not_in_remote = self.not_in_remote(&view, &index, options, &meant)?;
        }
        self.ask_git(options, &meant, &mut status);
        self.index.save();
        Ok(status)
    }

    fn object_is_here(&self, view: &View, path: &str, hash: &str) -> bool {
        let kind = view.items.iter().find(|item| overlap(&item.path, path)).map_or(HashKind::Md5, |item| item.entry.kind);
        self.cache.object_of(kind, hash).is_file()
    }

    fn ask_git(&self, options: &DataStatusOptions, meant: &dyn Fn(&str) -> bool, status: &mut DataStatus) {
        if !self.uses_git() {
            return;
        }
        let changed = crate::code::git(&self.root, &["status", "--porcelain", "-z", "--untracked-files=all", "--", "."]);
        status.git_dirty = changed.as_ref().is_some_and(|bytes| !bytes.is_empty());
        if options.untracked {
            let others = crate::code::git(&self.root, &["ls-files", "-z", "--others", "--exclude-standard", "--", "."]);
            let text = String::from_utf8_lossy(&others.unwrap_or_default()).into_owned();
            status.untracked = text.split('\0').filter(|p| !p.is_empty() && meant(p)).map(str::to_owned).collect();
        }
    }

    fn not_in_remote(
        &self,
        view: &View,
        index: &Side,
        options: &DataStatusOptions,
        meant: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<String>, DataError> {
        let remote = self.remote(options.remote.as_deref(), None)?;
        let mut spots: Vec<(Spot, Object)> = Vec::new();
        for item in view.items.iter().filter(|item| item.entry.cache) {
            let (Some(md5), Some(node)) = (&item.entry.md5, index.get(&item.path)) else { continue };
            let mut push = |path: String, hash: &String, dir: bool| {
                if meant(&path) {
                    let object = Object { kind: item.entry.kind, md5: hash.clone() };
                    spots.push((Spot { path, hash: Some(hash.clone()), dir }, object));
                }
            };
            push(item.path.clone(), md5, node.dir);
            if options.granular {
                for (name, hash) in node.files.iter().flatten() {
                    push(format!("{}/{name}", item.path), hash, false);
                }
            }
        }
        let objects: Vec<Object> = spots.iter().map(|(_, o)| o.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let there = remote.have(&objects)?;
        Ok(spots.into_iter().filter(|(_, o)| !there.contains(o)).map(|(spot, _)| spot.shown()).collect())
    }

    /// What a view records.
    pub(crate) fn recorded_side(&self, view: &View, granular: bool) -> Side {
        // What stays out of the cache is not data to DVC, even where a lock has its digest.
        let nodes = view.items.iter().filter(|item| item.entry.cache).map(|item| {
            let hash = item.entry.md5.clone();
            let dir = hash.as_ref().is_some_and(|h| h.ends_with(".dir"));
            let files = hash.as_ref().filter(|_| dir && granular).and_then(|md5| self.listing(item.entry.kind, md5));
            let files = files.map(|rows| rows.into_iter().map(|(md5, path)| (path, md5)).collect());
            (item.path.clone(), Node { hash, dir, files })
        });
        nodes.collect()
    }

    /// What is in the workspace of what a view names.
    fn workspace_side(&self, view: &View, granular: bool) -> Result<Side, DataError> {
        let mut side = Side::new();
        for item in &view.items {
            if !item.entry.cache {
                continue;
            }
            let Some(content) = self.look(&item.path, item.entry.kind)? else { continue };
            let dir = content.identity.is_dir();
            let same = item.entry.md5.as_ref() == Some(&content.identity.md5);
            let files = match (dir && granular, same) {
                (false, _) => None,
                // As recorded: its listing is at hand without looking at each file.
                (true, true) => self.listing(item.entry.kind, &content.identity.md5),
                (true, false) => None,
            };
            let files = files.map(|rows| rows.into_iter().map(|(md5, path)| (path, md5)).collect());
            let files = match (files, dir && granular) {
                (None, true) if item.entry.kind == HashKind::Md5 => {
                    let members = self.eyes().look_inside(&item.path)?.and_then(|c| c.members).unwrap_or_default();
                    Some(members.into_iter().map(|m| (m.relative, m.hash.md5)).collect())
                }
                (None, true) => content.members.map(|members| members.into_iter().map(|m| (m.relative, m.hash.md5)).collect()),
                (files, _) => files,
            };
            side.insert(item.path.clone(), Node { hash: Some(content.identity.md5), dir, files });
        }
        Ok(side)
    }

    /// What the last commit records; none where there is no Git, an empty state where there is no commit.
    fn head_side(&self, granular: bool) -> Result<Option<Side>, DataError> {
        if !self.uses_git() {
            return Ok(None);
        }
        let mut git = Git::open(&self.root)?;
        let Ok(commit) = git.resolve("HEAD") else { return Ok(Some(Side::new())) };
        let view = self.view_at(&mut git, &commit)?;
        Ok(Some(self.recorded_side(&view, granular)))
    }

    /// What differs between two revisions, or between one and the workspace.
    ///
    /// # Errors
    /// When there is no Git, no such revision, no such target, or something cannot be read.
    pub fn diff(&self, old: &str, new: Option<&str>, targets: &[String]) -> Result<Diff, DataError> {
        if !self.uses_git() {
            return Err(DataError::Refused("diff compares revisions, and this repository is not kept in Git".to_owned()));
        }
        let mut git = Git::open(&self.root)?;
        if git.resolve("HEAD").is_err() {
            return Ok(Diff::new());
        }
        let commit = git.resolve(old)?;
        let before = self.view_at(&mut git, &commit)?;
        let a = self.recorded_side(&before, true);
        let (after, b) = match new {
            Some(new) => {
                let commit = git.resolve(new)?;
                let view = self.view_at(&mut git, &commit)?;
                let side = self.recorded_side(&view, true);
                (view, side)
            }
            None => {
                let view = self.view()?;
                let side = self.workspace_side(&view, true)?;
                (view, side)
            }
        };
        let meant = self.meant(targets, &[&before, &after])?;
        let mut diff: Diff = ["added", "deleted", "modified", "renamed", "not in cache"].into_iter().map(|k| (k, Vec::new())).collect();
        for change in compare(&a, &b, true) {
            let spot = change.new.as_ref().or(change.old.as_ref());
            if spot.is_none_or(|s| !meant(&s.path)) {
                continue;
            }
            if new.is_none()
                && let Some(old) = change.old.as_ref()
                && old.hash.as_ref().is_some_and(|hash| !self.object_is_here(&before, &old.path, hash))
            {
                add(&mut diff, "not in cache", &Change { kind: Kind::Deleted, old: change.old.clone(), new: None });
            }
            match change.kind {
                // An output that was declared and had never been made: to DVC it was there, without content.
                Kind::Added if change.old.is_some() => add(&mut diff, "modified", &change),
                Kind::Added => add(&mut diff, "added", &change),
                Kind::Deleted => add(&mut diff, "deleted", &change),
                Kind::Modified => add(&mut diff, "modified", &change),
                Kind::Renamed => add(&mut diff, "renamed", &change),
                Kind::Unchanged | Kind::Unknown => {}
            }
        }
        for rows in diff.values_mut() {
            rows.sort_by_key(|row| row.old_path.clone().or(row.new_path.clone()));
        }
        self.index.save();
        Ok(if diff.values().all(Vec::is_empty) { Diff::new() } else { diff })
    }

    fn meant(&self, targets: &[String], views: &[&View]) -> Result<impl Fn(&str) -> bool + use<>, DataError> {
        let mut paths = Vec::new();
        for target in targets {
            let mut found = false;
            for view in views {
                for (item, inner) in view.select(self, std::slice::from_ref(target), Select::default()).unwrap_or_default() {
                    found = true;
                    paths.push(if inner.is_empty() { item.path.clone() } else { format!("{}/{inner}", item.path) });
                }
            }
            if !found {
                return Err(DataError::NotFound(format!("'{target}' is tracked in neither of the two states")));
            }
        }
        Ok(move |path: &str| paths.is_empty() || paths.iter().any(|p| path == p || path.starts_with(&format!("{p}/"))))
    }
}

fn add(diff: &mut Diff, word: &'static str, change: &Change) {
    let part = |spot: &Option<Spot>| spot.as_ref().map(|s| (s.shown(), s.hash.clone()));
    let (old, new) = (part(&change.old), part(&change.new));
    diff.entry(word).or_default().push(DiffRow {
        old_path: old.as_ref().map(|(p, _)| p.clone()),
        new_path: new.as_ref().map(|(p, _)| p.clone()),
        old_hash: old.and_then(|(_, h)| h),
        new_hash: new.and_then(|(_, h)| h),
    });
}

/// Puts a change under DVC's word for it.
fn sort_in(change: &Change, lists: &mut IndexMap<String, Vec<Value>>, unchanged: &mut BTreeSet<String>) {
    let (word, value) = match change.kind {
        Kind::Added => ("added", json!(change.shown())),
        Kind::Deleted => ("deleted", json!(change.old.as_ref().map(Spot::shown))),
        Kind::Modified => ("modified", json!(change.shown())),
        Kind::Renamed => {
            let path = |spot: &Option<Spot>| spot.as_ref().map(Spot::shown);
            ("renamed", json!({ "old": path(&change.old), "new": path(&change.new) }))
        }
        Kind::Unknown if change.new.is_some() => ("unknown", json!(change.shown())),
        Kind::Unknown => return,
        Kind::Unchanged => {
            unchanged.insert(change.shown());
            return;
        }
    };
    lists.entry(word.to_owned()).or_default().push(value);
}
