//! `gc`: removes from the cache, and if asked from a remote, what nothing in the workspace or in the named revisions uses.

use super::error::DataError;
use super::git::{Git, run};
use super::repo::Repo;
use super::sync::Wanted;
use super::view::View;
use crate::atomic::remove;
use crate::remote::Object;
use crate::remote::Progress;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use tidegate_wire::dvc::tracked::HashKind;

/// Revisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The tips of all branches.
    pub all_branches: bool,
    /// All tags.
    pub all_tags: bool,
    /// All commits.
    pub all_commits: bool,
    /// Commits kept for experiments (`refs/exps`).
    pub all_experiments: bool,
    /// One revision.
    pub rev: Option<String>,
    /// So many commits from `rev` or from each branch back.
    pub num: Option<usize>,
    /// Commits whose files cannot be read are left out.
    pub skip_failed: bool,
}

impl Scope {
    /// Whether it names no revision.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !(self.all_branches || self.all_tags || self.all_commits || self.all_experiments || self.rev.is_some())
    }
}

/// What to remove.
#[derive(Clone, Debug, Default)]
pub struct GcOptions {
    /// Keep what the workspace uses (always done with a scope).
    pub workspace: bool,
    /// Keep what these revisions use.
    pub scope: Scope,
    /// Remove from the remote too.
    pub cloud: bool,
    /// The remote.
    pub remote: Option<String>,
    /// Transfers at once.
    pub jobs: Option<usize>,
    /// Only say what would be removed.
    pub dry: bool,
}

/// What was removed (or would be).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Objects of the cache, and their bytes.
    pub cache: (u64, u64),
    /// Objects of the remote.
    pub remote: Option<u64>,
    /// Files that commands which were cut short had left.
    pub unfinished: u64,
}

impl Repo {
    /// Removes what is not used.
    ///
    /// # Errors
    /// When nothing says what to keep, or it cannot be found out what is used: a listing that is neither in the cache nor at
    /// a remote hides which files belong to it, and nothing is removed then.
    pub fn gc(&self, options: &GcOptions, progress: &dyn Progress) -> Result<GcReport, DataError> {
        if !options.workspace && options.scope.is_empty() {
            let ways = "-w (workspace), -a (branches), -T (tags), -A (commits), --all-experiments or --rev";
            return Err(DataError::Usage(format!("gc: say what to keep: {ways}")));
        }
        let tell = |text: &str| progress.note(text);
        let _held = self.take("gc", &tell)?;
        let views = self.views(&options.scope, true)?;
        let used = self.used(&views, options, progress)?;
        let mut report = GcReport { unfinished: self.cache.sweep(true) as u64, ..GcReport::default() };
        let unused: Vec<(Object, PathBuf, u64)> = self.cached()?.into_iter().filter(|(o, _, _)| !used.contains(o)).collect();
        report.cache = (unused.len() as u64, unused.iter().map(|(_, _, size)| size).sum());
        if !options.dry {
            progress.begin("gc", unused.len() as u64, report.cache.1);
            // Listings first: none may stay behind whose files are gone.
            let (listings, files): (Vec<_>, Vec<_>) = unused.into_iter().partition(|(o, _, _)| o.is_dir());
            for (_, path, size) in listings.into_iter().chain(files) {
                remove(&path).map_err(DataError::io("remove", &path))?;
                progress.bytes(size);
                progress.object();
            }
            progress.end();
        }
        if options.cloud {
            report.remote = Some(self.gc_remotes(&views, &used, options, progress)?);
        }
        Ok(report)
    }

    fn gc_remotes(
        &self,
        views: &[(Option<String>, View)],
        used: &HashSet<Object>,
        options: &GcOptions,
        progress: &dyn Progress,
    ) -> Result<u64, DataError> {
        let mut names: HashSet<Option<String>> = views.iter().flat_map(|(_, v)| v.items.iter().map(|i| i.entry.remote.clone())).collect();
        names.insert(None);
        let mut removed = 0;
        for name in names {
            let remote = self.remote(name.as_deref().or(options.remote.as_deref()), options.jobs)?;
            let mut unused: Vec<Object> = remote.list()?.into_iter().filter(|o| !used.contains(o)).collect();
            unused.sort_by_key(|o| !o.is_dir());
            progress.note(&format!("{} of the remote '{}' are not used", unused.len(), remote.name));
            removed += unused.len() as u64;
            if !options.dry {
                remote.delete(&unused)?;
            }
        }
        Ok(removed)
    }

    /// Everything that the views use.
    fn used(&self, views: &[(Option<String>, View)], options: &GcOptions, progress: &dyn Progress) -> Result<HashSet<Object>, DataError> {
        let mut groups: BTreeMap<Option<String>, Wanted> = BTreeMap::new();
        let mut used = HashSet::new();
        for item in views.iter().flat_map(|(_, view)| &view.items) {
            let Some(md5) = &item.entry.md5 else { continue };
            let object = Object { kind: item.entry.kind, md5: md5.clone() };
            used.insert(object.clone());
            let group = groups.entry(item.entry.remote.clone()).or_insert_with(|| Wanted {
                names: HashMap::new(),
                listings: BTreeMap::new(),
                files: HashSet::new(),
                unread: Vec::new(),
                size_bytes: 0,
            });
            if object.is_dir() && group.listings.contains_key(&object) {
                continue;
            }
            self.want(group, &object, &item.path, &[String::new()]);
        }
        for (name, mut group) in groups {
            let unread = std::mem::take(&mut group.unread);
            if !unread.is_empty() {
                self.learn_listings(name.as_deref(), &unread, &mut group, options, progress)?;
            }
            used.extend(group.all());
        }
        Ok(used)
    }

    /// Listings that are not in the cache are brought from the remote; without them nothing is removed.
    fn learn_listings(
        &self,
        name: Option<&str>,
        unread: &[(Object, Vec<String>)],
        group: &mut Wanted,
        options: &GcOptions,
        progress: &dyn Progress,
    ) -> Result<(), DataError> {
        let remote = self.remote(name.or(options.remote.as_deref()), options.jobs);
        let objects: Vec<Object> = unread.iter().map(|(o, _)| o.clone()).collect();
        if let Ok(remote) = remote {
            drop(remote.get(&self.cache, &objects, progress));
        }
        let mut lost = Vec::new();
        for (object, inner) in unread {
            let path = group.names.get(object).cloned().unwrap_or_default();
            self.want(group, object, &path, inner);
            if group.unread.pop().is_some() {
                lost.push(format!("{path} ({})", object.md5));
            }
        }
        if lost.is_empty() || options.scope.skip_failed {
            return Ok(());
        }
        let what = "nothing was removed: these listings are neither in the cache nor at a remote, so which files they use is not known (--skip-failed takes them as using none)";
        Err(DataError::NotRight { what: what.to_owned(), names: lost })
    }

    /// Every object of the cache, with its place and size.
    fn cached(&self) -> Result<Vec<(Object, PathBuf, u64)>, DataError> {
        let mut found = Vec::new();
        let top = self.cache.directory();
        for (folder, kind) in [(top.join("files").join("md5"), HashKind::Md5), (top.to_path_buf(), HashKind::Dos2Unix)] {
            for (head, path, _) in entries(&folder)?.into_iter().filter(|(name, _, _)| name.len() == 2) {
                for (tail, path, size) in entries(&path)? {
                    let md5 = format!("{head}{tail}");
                    if tidegate_wire::dvc::tracked::is_oid(&md5) {
                        found.push((Object { kind, md5 }, path, size));
                    }
                }
            }
        }
        Ok(found)
    }

    /// The commits of a scope, each once.
    pub(crate) fn commits(&self, git: &Git, scope: &Scope) -> Result<Vec<String>, DataError> {
        let mut names = Vec::new();
        let mut list = |arguments: &[&str]| -> Result<(), DataError> {
            names.extend(run(&self.root, arguments)?.lines().map(str::to_owned));
            Ok(())
        };
        let refs = |pattern: &'static str| ["for-each-ref", "--format=%(objectname)", pattern];
        if scope.all_commits {
            list(&["rev-list", "--all"])?;
        }
        if scope.all_branches {
            list(&refs("refs/heads"))?;
        }
        if scope.all_tags {
            list(&refs("refs/tags"))?;
        }
        if scope.all_experiments {
            list(&refs("refs/exps"))?;
        }
        if let Some(rev) = &scope.rev {
            names.push(git.resolve(rev)?);
        }
        if let Some(num) = scope.num.filter(|n| *n > 1) {
            for tip in names.clone() {
                let number = format!("--max-count={num}");
                names.extend(run(&self.root, &["rev-list", "--first-parent", &number, &tip])?.lines().map(str::to_owned));
            }
        }
        let mut seen = HashSet::new();
        // A tag may be an object of its own: the commit is meant.
        let commits = names.into_iter().filter(|n| !n.is_empty()).map(|name| git.resolve(&name));
        let commits = commits.collect::<Result<Vec<_>, _>>()?;
        Ok(commits.into_iter().filter(|commit| seen.insert(commit.clone())).collect())
    }
}

fn entries(folder: &std::path::Path) -> Result<Vec<(String, PathBuf, u64)>, DataError> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(DataError::io("list", folder)(error)),
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(DataError::io("list", folder))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let size = entry.metadata().map_or(0, |m| m.len());
        found.push((name, entry.path(), size));
    }
    Ok(found)
}
