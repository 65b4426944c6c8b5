//! `push`, `fetch`, `pull` and `status --cloud`: which objects a remote should have, has, and lacks.
//!
//! A listing is never taken as proof of the files that it lists: each object is asked for. Files go before the listing that
//! names them, and a listing does not go while one of its files is missing.

use super::checkout::{CheckoutOptions, CheckoutReport};
use super::error::DataError;
use super::gc::Scope;
use super::repo::Repo;
use super::view::{Select, View};
use crate::index::{Seal, Stamp, Sum};
use crate::remote::{Object, Progress, Remote};
use std::collections::{BTreeMap, HashMap, HashSet};
use tidegate_core::id::Digest;
use tidegate_wire::dvc::tracked::HashKind;

/// What to move.
#[derive(Clone, Debug, Default)]
pub struct SyncOptions {
    /// The remote; the default one when none is named.
    pub remote: Option<String>,
    /// Transfers at once.
    pub jobs: Option<usize>,
    /// A folder means all that is tracked below it.
    pub recursive: bool,
    /// What a stage needs is meant too.
    pub with_deps: bool,
    /// Revisions beside the workspace.
    pub scope: Scope,
    /// The records of the run-cache too.
    pub run_cache: bool,
    /// With `pull`: throw away what is not saved.
    pub force: bool,
    /// With `pull`: what is missing is left out.
    pub allow_missing: bool,
}

/// What was moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// Objects that went through.
    pub moved: u64,
    /// With `pull`: what changed in the workspace.
    pub checkout: CheckoutReport,
}

/// What a remote lacks or has more of: word by name, in DVC's words (`new`, `deleted`, `missing`).
pub type CloudStatus = BTreeMap<String, &'static str>;

/// Objects that belong together.
pub(crate) struct Wanted {
    /// Object and what it is of, for messages.
    pub(crate) names: HashMap<Object, String>,
    /// Listings and what they list.
    pub(crate) listings: BTreeMap<Object, Vec<Object>>,
    /// Objects that are no listing.
    pub(crate) files: HashSet<Object>,
    /// Listings that are not in the cache.
    pub(crate) unread: Vec<(Object, Vec<String>)>,
    /// Size as far as the `.dvc` files tell.
    pub(crate) size_bytes: u64,
}

impl Wanted {
    fn new() -> Wanted {
        Wanted { names: HashMap::new(), listings: BTreeMap::new(), files: HashSet::new(), unread: Vec::new(), size_bytes: 0 }
    }

    fn name(&self, object: &Object) -> String {
        let name = self.names.get(object).map_or("", String::as_str);
        format!("{name} ({})", object.md5)
    }

    /// All objects, files before listings.
    pub(crate) fn all(&self) -> Vec<Object> {
        let mut files: Vec<Object> = self.files.iter().cloned().collect();
        files.sort_unstable();
        files.into_iter().chain(self.listings.keys().cloned()).collect()
    }
}

impl Repo {
    /// Whether all of an object is in the cache. That nothing was taken out of it since all was there is known from the
    /// stats of its folders.
    pub(crate) fn in_cache(&self, kind: HashKind, md5: &str) -> bool {
        if !md5.ends_with(".dir") || kind != HashKind::Md5 {
            return self.cache.has_of(kind, md5);
        }
        let began = (self.surroundings.clock)();
        let folders = self.cache.directory().join("files").join("md5");
        let mut sum = Sum::default();
        for n in 0..=255u8 {
            let name = format!("{n:02x}");
            if let Ok(meta) = std::fs::metadata(folders.join(&name)) {
                sum.add(&[name.as_bytes()], Stamp::of(&meta));
            }
        }
        let key = format!("cache:{md5}");
        if self.index.sealed(&key, sum).is_some_and(|seal| seal.md5 == md5.trim_end_matches(".dir")) {
            return true;
        }
        let here = self.cache.has_of(kind, md5);
        if here {
            let seal = Seal { md5: md5.trim_end_matches(".dir").to_owned(), digest: Digest::of(b""), size_bytes: 0, files: sum.files };
            self.index.seal(&key, sum, &seal, began);
        }
        here
    }

    /// What the targets need, by the remote that it goes to (none: the one of the command or the default one).
    fn wanted(&self, targets: &[String], options: &SyncOptions, push: bool) -> Result<BTreeMap<Option<String>, Wanted>, DataError> {
        let mut groups: BTreeMap<Option<String>, Wanted> = BTreeMap::new();
        let select = Select { recursive: options.recursive, with_deps: options.with_deps };
        for (revision, view) in self.views(&options.scope, true)? {
            let chosen = match view.select(self, targets, select) {
                Ok(chosen) => chosen,
                // A target need not be in every revision.
                Err(_) if revision.is_some() => continue,
                Err(error) => return Err(error),
            };
            for (item, inner) in chosen {
                let Some(md5) = item.entry.md5.as_ref().filter(|_| item.entry.cache && (item.entry.push || !push)) else { continue };
                let group = groups.entry(item.entry.remote.clone()).or_insert_with(Wanted::new);
                let object = Object { kind: item.entry.kind, md5: md5.clone() };
                group.size_bytes += item.entry.size_bytes.unwrap_or(0);
                self.want(group, &object, &item.path, &[inner]);
            }
        }
        Ok(groups)
    }

    /// Adds an object; of a listing also what it lists, as far as `inner` means it.
    pub(crate) fn want(&self, group: &mut Wanted, object: &Object, path: &str, inner: &[String]) {
        group.names.entry(object.clone()).or_insert_with(|| path.to_owned());
        if !object.is_dir() {
            group.files.insert(object.clone());
            return;
        }
        let Some(rows) = self.listing(object.kind, &object.md5) else {
            group.unread.push((object.clone(), inner.to_vec()));
            return;
        };
        let all = inner.iter().any(String::is_empty);
        let meant = |path: &str| all || inner.iter().any(|i| super::view::overlap(i, path));
        let mut listed = Vec::new();
        for (md5, relative) in rows.into_iter().filter(|(_, relative)| meant(relative)) {
            let file = Object { kind: object.kind, md5 };
            group.names.entry(file.clone()).or_insert_with(|| format!("{path}/{relative}"));
            group.files.insert(file.clone());
            listed.push(file);
        }
        group.listings.entry(object.clone()).or_default().extend(listed);
    }

    /// Sends what the remote lacks.
    ///
    /// # Errors
    /// When there is no such remote, it fails, or objects are missing or damaged here; what could be sent was.
    pub fn push(&self, targets: &[String], options: &SyncOptions, progress: &dyn Progress) -> Result<SyncReport, DataError> {
        let mut report = SyncReport::default();
        let mut wrong = Vec::new();
        if options.run_cache {
            report.moved += self.push_runs(options, progress)?;
        }
        let groups = self.wanted(targets, options, true)?;
        if groups.is_empty() {
            self.remote(options.remote.as_deref(), options.jobs)?;
        }
        for (name, mut wanted) in groups {
            let remote = self.remote(name.as_deref().or(options.remote.as_deref()), options.jobs)?;
            // A listing that is not here may be there; then its files are taken from it and asked for.
            self.read_listings(&remote, &mut wanted, progress, &mut wrong);
            let all = wanted.all();
            let there = remote.have(&all)?;
            let (files, listings): (Vec<Object>, Vec<Object>) = all.into_iter().filter(|o| !there.contains(o)).partition(|o| !o.is_dir());
            let sent = self.send(&remote, &files, &wanted, progress, &mut wrong);
            report.moved += sent.len() as u64;
            let complete = |listing: &Object| {
                wanted.listings.get(listing).is_some_and(|files| files.iter().all(|f| there.contains(f) || sent.contains(f)))
            };
            let (whole, partial): (Vec<Object>, Vec<Object>) = listings.into_iter().partition(complete);
            wrong.extend(partial.iter().map(|l| format!("{}: not sent, because not all of its files are there", wanted.name(l))));
            report.moved += self.send(&remote, &whole, &wanted, progress, &mut wrong).len() as u64;
        }
        finished(report, "push is not complete", wrong)
    }

    fn send(
        &self,
        remote: &Remote,
        objects: &[Object],
        wanted: &Wanted,
        progress: &dyn Progress,
        wrong: &mut Vec<String>,
    ) -> HashSet<Object> {
        if objects.is_empty() {
            return HashSet::new();
        }
        let size = |o: &Object| std::fs::metadata(self.cache.object_of(o.kind, &o.md5)).map_or(0, |m| m.len());
        progress.begin("push", objects.len() as u64, objects.iter().map(size).sum());
        let moved = remote.put(&self.cache, objects, progress);
        progress.end();
        for (object, trouble) in moved.failed {
            let name = wanted.name(&object);
            wrong.push(match trouble {
                crate::remote::Trouble::Missing => format!("{name}: it is neither in the cache nor at the remote"),
                crate::remote::Trouble::Damaged(why) => {
                    format!("{name}: damaged in the cache, not sent: {why}; remove that file and add the data again")
                }
                crate::remote::Trouble::Failed(why) | crate::remote::Trouble::Fatal(why) => format!("{name}: {why}"),
            });
        }
        moved.done.into_iter().collect()
    }

    /// Brings what the cache lacks.
    ///
    /// # Errors
    /// When there is no such remote, it fails, or objects are missing or damaged there; what could be brought was.
    pub fn fetch(&self, targets: &[String], options: &SyncOptions, progress: &dyn Progress) -> Result<SyncReport, DataError> {
        let tell = |text: &str| progress.note(text);
        let _held = self.take("fetch", &tell)?;
        self.fetch_held(targets, options, progress)
    }

    fn fetch_held(&self, targets: &[String], options: &SyncOptions, progress: &dyn Progress) -> Result<SyncReport, DataError> {
        self.cache.sweep(false);
        let mut report = SyncReport::default();
        let mut wrong = Vec::new();
        if options.run_cache {
            report.moved += self.fetch_runs(options, progress)?;
        }
        for (name, mut wanted) in self.wanted(targets, options, false)? {
            let lacking = |objects: Vec<Object>| -> Vec<Object> {
                objects.into_iter().filter(|o| !self.cache.object_of(o.kind, &o.md5).is_file()).collect()
            };
            if wanted.unread.is_empty() && lacking(wanted.all()).is_empty() {
                continue;
            }
            let remote = self.remote(name.as_deref().or(options.remote.as_deref()), options.jobs)?;
            report.moved += self.read_listings(&remote, &mut wanted, progress, &mut wrong);
            let objects = lacking(wanted.all());
            report.moved += self.bring(&remote, &objects, &wanted, progress, &mut wrong).len() as u64;
        }
        finished(report, "fetch is not complete", wrong)
    }

    /// Brings listings that are not in the cache, and reads them.
    fn read_listings(&self, remote: &Remote, wanted: &mut Wanted, progress: &dyn Progress, wrong: &mut Vec<String>) -> u64 {
        let unread = std::mem::take(&mut wanted.unread);
        if unread.is_empty() {
            return 0;
        }
        let objects: Vec<Object> = unread.iter().map(|(o, _)| o.clone()).collect::<HashSet<_>>().into_iter().collect();
        let brought = self.bring(remote, &objects, wanted, progress, wrong);
        for (object, inner) in unread.into_iter().filter(|(o, _)| brought.contains(o)) {
            let path = wanted.names.get(&object).cloned().unwrap_or_default();
            self.want(wanted, &object, &path, &inner);
        }
        brought.len() as u64
    }

    fn bring(
        &self,
        remote: &Remote,
        objects: &[Object],
        wanted: &Wanted,
        progress: &dyn Progress,
        wrong: &mut Vec<String>,
    ) -> HashSet<Object> {
        if objects.is_empty() {
            return HashSet::new();
        }
        progress.begin("fetch", objects.len() as u64, wanted.size_bytes);
        let moved = remote.get(&self.cache, objects, progress);
        progress.end();
        for (object, trouble) in moved.failed {
            let name = wanted.name(&object);
            wrong.push(match trouble {
                crate::remote::Trouble::Missing => format!("{name}: it is not at the remote '{}'", remote.name),
                crate::remote::Trouble::Damaged(why) => format!("{name}: damaged at the remote '{}', refused: {why}", remote.name),
                crate::remote::Trouble::Failed(why) | crate::remote::Trouble::Fatal(why) => format!("{name}: {why}"),
            });
        }
        moved.done.into_iter().collect()
    }

    /// Fetches, then checks out.
    ///
    /// # Errors
    /// As [`Repo::fetch`] and [`Repo::checkout`].
    pub fn pull(&self, targets: &[String], options: &SyncOptions, progress: &dyn Progress) -> Result<SyncReport, DataError> {
        let tell = |text: &str| progress.note(text);
        let _held = self.take("pull", &tell)?;
        let fetched = self.fetch_held(targets, options, progress);
        let mut report = match fetched {
            Ok(report) => report,
            Err(error) if !options.allow_missing => {
                // What did come is put in place all the same.
                let rest = CheckoutOptions { allow_missing: true, ..checkout_options(options) };
                let _ = self.checkout_held(targets, &rest);
                self.index.save();
                return Err(error);
            }
            Err(_) => SyncReport::default(),
        };
        let checked = self.checkout_held(targets, &checkout_options(options));
        self.index.save();
        report.checkout = checked?;
        Ok(report)
    }

    /// What differs between the cache and a remote.
    ///
    /// # Errors
    /// When there is no such remote, or it fails.
    pub fn cloud_status(&self, targets: &[String], options: &SyncOptions) -> Result<CloudStatus, DataError> {
        let mut answer = CloudStatus::new();
        for (name, wanted) in self.wanted(targets, options, true)? {
            let remote = self.remote(name.as_deref().or(options.remote.as_deref()), options.jobs)?;
            let mut all = wanted.all();
            all.extend(wanted.unread.iter().map(|(o, _)| o.clone()));
            let there = remote.have(&all)?;
            for object in all {
                let here = self.cache.object_of(object.kind, &object.md5).is_file();
                let word = match (here, there.contains(&object)) {
                    (true, true) => continue,
                    (true, false) => "new",
                    (false, true) => "deleted",
                    (false, false) => "missing",
                };
                let name = wanted.names.get(&object).cloned().unwrap_or_default();
                answer.insert(self.shown(&name), word);
            }
        }
        Ok(answer)
    }

    /// The workspace's view, and those of the revisions of a scope, each once.
    pub(crate) fn views(&self, scope: &Scope, workspace: bool) -> Result<Vec<(Option<String>, View)>, DataError> {
        let mut views = Vec::new();
        if workspace {
            views.push((None, self.view()?));
        }
        if scope.is_empty() {
            return Ok(views);
        }
        let mut git = super::git::Git::open(&self.root)?;
        for commit in self.commits(&git, scope)? {
            let view = self.view_at(&mut git, &commit);
            match view {
                Ok(view) => views.push((Some(commit), view)),
                Err(_) if scope.skip_failed => {}
                Err(error) => {
                    let hint = "with --skip-failed it is left out";
                    return Err(DataError::Refused(format!("read the .dvc files of commit {commit}: {error} ({hint})")));
                }
            }
        }
        Ok(views)
    }
}

fn checkout_options(options: &SyncOptions) -> CheckoutOptions {
    CheckoutOptions {
        force: options.force,
        relink: false,
        recursive: options.recursive,
        with_deps: options.with_deps,
        allow_missing: options.allow_missing,
    }
}

fn finished(report: SyncReport, what: &str, wrong: Vec<String>) -> Result<SyncReport, DataError> {
    if wrong.is_empty() {
        return Ok(report);
    }
    let what = format!("{what}: {} objects went through, {} did not; run it again to go on", report.moved, wrong.len());
    Err(DataError::Remote { what, names: wrong })
}
