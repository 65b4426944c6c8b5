//! What a path contains: digests of a file, or of all files of a directory and their listing.

use crate::error::PathIo;
use crate::hash::{FileHash, hash_file, md5_of};
use crate::index::{Index, Stamp};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidegate_core::id::{At, Digest};
use tidegate_core::pipeline::Identity;
use tidegate_core::run::FileFact;
use tidegate_wire::dvc::json_dumps;

/// Deepest nesting of a directory, links followed.
const DEPTH_MAX: usize = 128;
/// Directories that are never part of one.
const NEVER: [&str; 3] = [".git", ".hg", ".dvc"];

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
    /// The files, of a directory.
    pub(crate) members: Option<Vec<Member>>,
}

impl Content {
    pub(crate) fn fact(&self) -> FileFact {
        FileFact { md5: self.identity.md5.clone(), digest: self.digest.clone(), size_bytes: self.identity.size_bytes }
    }

    /// The listing of a directory, as it lies in the cache.
    pub(crate) fn listing(&self) -> Option<String> {
        self.members.as_ref().map(|members| listing(members))
    }

    pub(crate) fn of_file(hash: &FileHash, executable: bool) -> Content {
        let identity = Identity { md5: hash.md5.clone(), size_bytes: hash.size_bytes, files: None, executable };
        Content { identity, digest: hash.digest.clone(), members: None }
    }

    pub(crate) fn of_members(members: Vec<Member>) -> Content {
        let identity = Identity {
            md5: format!("{}.dir", md5_of(listing(&members).as_bytes())),
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
}

fn listing(members: &[Member]) -> String {
    let items: Vec<Value> = members.iter().map(|m| json!({"md5": m.hash.md5, "relpath": m.relative})).collect();
    json_dumps(&Value::Array(items), &[])
}

/// Looks at paths of a workspace through its index.
pub(crate) struct Eyes<'a> {
    pub(crate) root: &'a Path,
    pub(crate) index: &'a Index,
    pub(crate) clock: &'a (dyn Fn() -> At + Sync),
}

impl Eyes<'_> {
    /// What is at `relative` (from the workspace, or absolute); none when nothing is.
    pub(crate) fn look(&self, relative: &str) -> Result<Option<Content>, PathIo> {
        let path = self.root.join(relative);
        let meta = match std::fs::metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(PathIo::at("look at", &path)(error)),
        };
        if meta.is_dir() {
            return Ok(Some(Content::of_members(self.members(relative, &path)?)));
        }
        let hash = self.hash(relative, &path, &meta)?;
        Ok(Some(Content::of_file(&hash, executable(&meta))))
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

    fn hash(&self, relative: &str, path: &Path, meta: &std::fs::Metadata) -> Result<FileHash, PathIo> {
        let stamp = Stamp::of(meta);
        if let Some(hash) = self.index.get(relative, stamp) {
            return Ok(hash);
        }
        let began = (self.clock)();
        let hash = hash_file(path).map_err(PathIo::at("read", path))?;
        // Only what did not change while it was read is remembered.
        if std::fs::metadata(path).is_ok_and(|after| Stamp::of(&after) == stamp) {
            self.index.put(relative, stamp, &hash, began);
        }
        Ok(hash)
    }

    /// All files below a directory, by path.
    fn members(&self, relative: &str, directory: &Path) -> Result<Vec<Member>, PathIo> {
        let mut found = Vec::new();
        walk(directory, "", 0, &mut found)?;
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let prefix = if relative.is_empty() { String::new() } else { format!("{relative}/") };
        let one = |(name, path): &(String, PathBuf)| -> Result<Member, PathIo> {
            let meta = std::fs::metadata(path).map_err(PathIo::at("look at", path))?;
            let hash = self.hash(&format!("{prefix}{name}"), path, &meta)?;
            Ok(Member { relative: name.clone(), path: path.clone(), hash })
        };
        in_parallel(&found, one)
    }
}

fn walk(directory: &Path, prefix: &str, depth: usize, found: &mut Vec<(String, PathBuf)>) -> Result<(), PathIo> {
    if depth > DEPTH_MAX {
        let source = std::io::Error::other(format!("nested deeper than {DEPTH_MAX} directories (a link in a circle?)"));
        return Err(PathIo::at("list", directory)(source));
    }
    let entries = std::fs::read_dir(directory).map_err(PathIo::at("list", directory))?;
    for entry in entries {
        let entry = entry.map_err(PathIo::at("list", directory))?;
        let path = entry.path();
        let name = entry.file_name().into_string().map_err(|_| {
            PathIo::at("list", &path)(std::io::Error::other("the name is not UTF-8, which the listing of a directory cannot hold"))
        })?;
        let kind = entry.file_type().map_err(PathIo::at("look at", &path))?;
        let is_dir =
            if kind.is_symlink() { std::fs::metadata(&path).map_err(PathIo::at("follow", &path))?.is_dir() } else { kind.is_dir() };
        let relative = format!("{prefix}{name}");
        if !is_dir {
            found.push((relative, path));
        } else if !NEVER.contains(&name.as_str()) {
            walk(&path, &format!("{relative}/"), depth + 1, found)?;
        }
    }
    Ok(())
}

/// `one` of each item, in their order, on all cores where it is worth it.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], one: impl Fn(&T) -> Result<R, PathIo> + Sync) -> Result<Vec<R>, PathIo> {
    const WORTH_MIN: usize = 64;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if items.len() < WORTH_MIN || threads < 2 {
        return items.iter().map(one).collect();
    }
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<R, PathIo>)>> = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Vec::new();
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else { break };
                    own.push((i, one(item)));
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

pub(crate) fn executable(meta: &std::fs::Metadata) -> bool {
    meta.permissions().mode() & 0o100 != 0
}
