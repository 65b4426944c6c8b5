//! What a path contains: digests of a file, or of all files of a directory and their listing.
//!
//! As DVC sees it: `.dvcignore` holds, links to files are followed, links to directories are not, and neither are
//! repositories inside; empty directories leave no trace.

use crate::data::ignore::{self, Rules};
use crate::error::PathIo;
use crate::hash::{FileHash, hash_file, md5_of};
use crate::index::{Index, Seal, Stamp, Sum};
use crate::walk::{Visit, walk};
use serde_json::{Value, json};
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tidegate_core::id::{At, Digest};
use tidegate_core::pipeline::Identity;
use tidegate_core::run::FileFact;
use tidegate_wire::dvc::json_dumps;

/// A file inside a directory.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Path from the directory, `/` between parts.
    pub(crate) relative: String,
    pub(crate) path: PathBuf,
    pub(crate) hash: FileHash,
}

/// What is at a path.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) identity: Identity,
    pub(crate) digest: Digest,
    /// The files of a directory, where they had to be looked at one by one.
    pub(crate) members: Option<Vec<Member>>,
}

impl Content {
    pub(crate) fn fact(&self) -> FileFact {
        FileFact { md5: self.identity.md5.clone(), digest: self.digest.clone(), size_bytes: self.identity.size_bytes }
    }

    /// The listing of a directory, as it lies in the cache.
    pub(crate) fn listing(&self) -> Option<String> {
        self.members.as_ref().map(|members| listing(members.iter().map(|m| (m.hash.md5.as_str(), m.relative.as_str()))))
    }

    pub(crate) fn of_file(hash: &FileHash, executable: bool) -> Content {
        let identity = Identity { md5: hash.md5.clone(), size_bytes: hash.size_bytes, files: None, executable };
        Content { identity, digest: hash.digest.clone(), members: None }
    }

    pub(crate) fn of_members(members: Vec<Member>) -> Content {
        let text = listing(members.iter().map(|m| (m.hash.md5.as_str(), m.relative.as_str())));
        let identity = Identity {
            md5: format!("{}.dir", md5_of(text.as_bytes())),
            size_bytes: members.iter().map(|m| m.hash.size_bytes).sum(),
            files: Some(members.len() as u64),
            executable: false,
        };
        let mut lines = blake3::Hasher::new();
        for member in &members {
            lines.update(format!("{} {}\n", member.hash.digest.hex(), member.relative).as_bytes());
        }
        Content { identity, digest: Digest::from_hash(lines.finalize()), members: Some(members) }
    }

    fn of_seal(seal: &Seal) -> Content {
        let (md5, files) = (format!("{}.dir", seal.md5), Some(seal.files));
        let identity = Identity { md5, size_bytes: seal.size_bytes, files, executable: false };
        Content { identity, digest: seal.digest.clone(), members: None }
    }

    fn seal(&self) -> Seal {
        Seal {
            md5: self.identity.md5.trim_end_matches(".dir").to_owned(),
            digest: self.digest.clone(),
            size_bytes: self.identity.size_bytes,
            files: self.identity.files.unwrap_or(0),
        }
    }
}

/// The listing of a directory: MD5 and path of each file, in the order of the paths.
pub(crate) fn listing<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let items: Vec<Value> = files.map(|(md5, path)| json!({"md5": md5, "relpath": path})).collect();
    json_dumps(&Value::Array(items), &[])
}

/// Looks at paths of a workspace through its index.
pub(crate) struct Eyes<'a> {
    pub(crate) root: &'a Path,
    pub(crate) index: &'a Index,
    pub(crate) clock: &'a (dyn Fn() -> At + Sync),
}

impl Eyes<'_> {
    /// What is at `relative` (from the workspace, or absolute); none when nothing is. A directory whose stats are as they
    /// were is not looked into.
    pub(crate) fn look(&self, relative: &str) -> Result<Option<Content>, PathIo> {
        let path = self.root.join(relative);
        let Some(meta) = meta_of(&path)? else { return Ok(None) };
        if !meta.is_dir() {
            let hash = self.hash(relative, &path, &meta)?;
            return Ok(Some(Content::of_file(&hash, executable(&meta))));
        }
        if let Some(content) = self.look_sealed(relative)? {
            return Ok(Some(content));
        }
        self.each(relative, &path, |inner, path, meta| self.hash(inner, path, meta)).map(Some)
    }

    /// What the directory at `relative` is, if its stats are as they were; none otherwise.
    pub(crate) fn look_sealed(&self, relative: &str) -> Result<Option<Content>, PathIo> {
        let path = self.root.join(relative);
        if !self.index.has_seal(relative) || !path.is_dir() {
            return Ok(None);
        }
        Ok(self.index.sealed(relative, sum_of(&path)?).map(|seal| Content::of_seal(&seal)))
    }

    /// As [`Eyes::look`], with the members of a directory always there.
    pub(crate) fn look_inside(&self, relative: &str) -> Result<Option<Content>, PathIo> {
        let path = self.root.join(relative);
        match meta_of(&path)? {
            Some(meta) if meta.is_dir() => self.each(relative, &path, |inner, path, meta| self.hash(inner, path, meta)).map(Some),
            _ => self.look(relative),
        }
    }

    /// Remembers that the file at `relative`, just written, has these digests.
    pub(crate) fn learn(&self, relative: &str, hash: &FileHash) {
        let at = (self.clock)();
        if let Ok(meta) = std::fs::metadata(self.root.join(relative))
            && meta.len() == hash.size_bytes
        {
            self.index.put(relative, Stamp::of(&meta), hash, at);
        }
    }

    /// The digests of a file, read only where they are not known.
    pub(crate) fn hash(&self, relative: &str, path: &Path, meta: &Metadata) -> Result<FileHash, PathIo> {
        self.hash_by(relative, path, meta, || hash_file(path).map_err(PathIo::at("read", path)))
    }

    /// As [`Eyes::hash`], reading done by `read`.
    pub(crate) fn hash_by(
        &self,
        relative: &str,
        path: &Path,
        meta: &Metadata,
        read: impl FnOnce() -> Result<FileHash, PathIo>,
    ) -> Result<FileHash, PathIo> {
        let stamp = Stamp::of(meta);
        if let Some(hash) = self.index.get(relative, stamp) {
            return Ok(hash);
        }
        let began = (self.clock)();
        let hash = read()?;
        // Only what did not change while it was read is remembered.
        if std::fs::metadata(path).is_ok_and(|after| Stamp::of(&after) == stamp) {
            self.index.put(relative, stamp, &hash, began);
        }
        Ok(hash)
    }

    /// All files below a directory, by path, each through `one` (path from the workspace, path, stat).
    pub(crate) fn each(
        &self,
        relative: &str,
        directory: &Path,
        one: impl Fn(&str, &Path, &Metadata) -> Result<FileHash, PathIo> + Sync,
    ) -> Result<Content, PathIo> {
        let began = (self.clock)();
        let mut found = names_of(directory)?;
        found.sort_unstable();
        let prefix = if relative.is_empty() { String::new() } else { format!("{relative}/") };
        let steady = AtomicBool::new(true);
        let hashed = in_parallel(&found, |name: &String| {
            let path = directory.join(name);
            let meta = std::fs::metadata(&path).map_err(PathIo::at("look at", &path))?;
            let hash = one(&format!("{prefix}{name}"), &path, &meta)?;
            if meta.len() != hash.size_bytes {
                steady.store(false, Ordering::Relaxed);
            }
            Ok((hash, Stamp::of(&meta)))
        })?;
        let mut sum = Sum::default();
        let members = found.into_iter().zip(hashed).map(|(relative, (hash, stamp))| {
            sum.add(&[relative.as_bytes()], stamp);
            Member { path: directory.join(&relative), relative, hash }
        });
        let content = Content::of_members(members.collect());
        // Stats from before the reading: what changed meanwhile has others now, and the seal does not hold.
        if steady.into_inner() {
            self.index.seal(relative, sum, &content.seal(), began);
        }
        Ok(content)
    }
}

fn meta_of(path: &Path) -> Result<Option<Metadata>, PathIo> {
    match std::fs::metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(PathIo::at("look at", path)(error)),
    }
}

/// The sum of the stats of all files below a directory.
fn sum_of(directory: &Path) -> Result<Sum, PathIo> {
    struct Adding(Sum);
    impl Visit for Adding {
        const STATS: bool = true;
        fn file(&mut self, prefix: &str, name: &str, meta: Option<&Metadata>) {
            if let Some(meta) = meta {
                self.0.add(&[prefix.as_bytes(), name.as_bytes()], Stamp::of(meta));
            }
        }
    }
    let parts = walk(directory, &rules_of(directory)?, true, || Adding(Sum::default()))?;
    Ok(parts.into_iter().fold(Sum::default(), |mut sum, part| {
        sum.join(part.0);
        sum
    }))
}

fn names_of(directory: &Path) -> Result<Vec<String>, PathIo> {
    struct Listing(Vec<String>);
    impl Visit for Listing {
        const STATS: bool = false;
        fn file(&mut self, prefix: &str, name: &str, _: Option<&Metadata>) {
            self.0.push(format!("{prefix}{name}"));
        }
    }
    let parts = walk(directory, &rules_of(directory)?, true, || Listing(Vec::new()))?;
    Ok(parts.into_iter().flat_map(|part| part.0).collect())
}

fn rules_of(directory: &Path) -> Result<Rules, PathIo> {
    let absolute = std::path::absolute(directory).map_err(PathIo::at("find", directory))?;
    ignore::Rules::above(&absolute)
}

/// `one` of each item, in their order, on all cores where it is worth it.
pub(crate) fn in_parallel<T: Sync, R: Send, E: Send>(items: &[T], one: impl Fn(&T) -> Result<R, E> + Sync) -> Result<Vec<R>, E> {
    const WORTH_MIN: usize = 64;
    let threads = threads();
    if items.len() < WORTH_MIN || threads < 2 {
        return items.iter().map(one).collect();
    }
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, Result<R, E>)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else { break };
                    let result = one(item);
                    if result.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    own.push((i, result));
                }
                if let Ok(mut done) = done.lock() {
                    done.append(&mut own);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Threads for work on many files.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub(crate) fn executable(meta: &Metadata) -> bool {
    meta.permissions().mode() & 0o100 != 0
}
