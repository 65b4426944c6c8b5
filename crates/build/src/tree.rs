//! What a path contains: digests of a file, or of all files of a directory and their listing.
//!
//! As DVC sees it: `.dvcignore` holds, links to files are followed, links to directories are not, and neither are
//! repositories inside; empty directories leave no trace.

use crate::data::ignore::{self, Rules};
use crate::error::PathIo;
use crate::hash::{FileHash, SMALL_BYTES_MAX, Whole, hash_each, hash_file, md5_of, open_once, read_whole};
use crate::index::{Index, Seal, Stamp, Sum};
use crate::md5_lanes::LANES;
use crate::walk::{Visit, walk};
use std::fs::{File, Metadata};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tidegate_core::id::{At, Digest};
use tidegate_core::pipeline::Identity;
use tidegate_core::run::FileFact;
use tidegate_wire::dvc::write_json_text;

/// Files, or lots of them, from which on several threads are worth it.
const PARALLEL_MIN: usize = 64;

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
    let mut out = String::from("[");
    for (i, (md5, path)) in files.enumerate() {
        out.push_str(if i > 0 { ", {\"md5\": " } else { "{\"md5\": " });
        write_json_text(&mut out, md5);
        out.push_str(", \"relpath\": ");
        write_json_text(&mut out, path);
        out.push('}');
    }
    out.push(']');
    out
}

/// A file that was looked at.
pub(crate) struct Seen {
    /// Its name in the index: its path from the workspace.
    pub(crate) key: String,
    pub(crate) path: PathBuf,
    pub(crate) meta: Metadata,
    /// It, where it was opened to be looked at.
    file: Option<File>,
}

impl Seen {
    pub(crate) fn new(key: &str, path: &Path, meta: Metadata) -> Seen {
        Seen { key: key.to_owned(), path: path.to_path_buf(), meta, file: None }
    }

    /// `open`: it will be read, so it is opened at once and asked for its stat, and its name is followed once.
    fn at(key: String, path: PathBuf, open: bool) -> std::io::Result<Seen> {
        // One that cannot be opened now, as when too many are open, is opened when it is read.
        let file = open.then(|| open_once(&path).ok()).flatten();
        let meta = file.as_ref().map_or_else(|| std::fs::metadata(&path), File::metadata)?;
        Ok(Seen { key, path, meta, file })
    }
}

/// What reading a file gave.
pub(crate) struct Read {
    pub(crate) hash: FileHash,
    /// Its stat when it had been read.
    pub(crate) after: Option<Stamp>,
}

/// Digests of a file, and whether they were known without reading it.
pub(crate) struct Hashed {
    pub(crate) hash: FileHash,
    pub(crate) known: bool,
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
        self.each(relative, &path, |seen| self.hash_by(seen, read_files)).map(Some)
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
            Some(meta) if meta.is_dir() => self.each(relative, &path, |seen| self.hash_by(seen, read_files)).map(Some),
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
        self.hash_one(Seen::new(relative, path, meta.clone()), read_files)
    }

    /// As [`Eyes::hash_by`], of one file.
    pub(crate) fn hash_one(&self, seen: Seen, read: impl FnOnce(&[&Seen]) -> Result<Vec<Read>, PathIo>) -> Result<FileHash, PathIo> {
        let hashed = self.hash_by(std::slice::from_ref(&seen), read)?;
        hashed.into_iter().next().map(|one| one.hash).ok_or_else(|| unread(&seen.path))
    }

    /// The digests of files in their order; `read` reads those that are not known.
    pub(crate) fn hash_by(&self, seen: &[Seen], read: impl FnOnce(&[&Seen]) -> Result<Vec<Read>, PathIo>) -> Result<Vec<Hashed>, PathIo> {
        let known: Vec<Option<FileHash>> = seen.iter().map(|one| self.index.get(&one.key, Stamp::of(&one.meta))).collect();
        let unknown: Vec<&Seen> = seen.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(one, _)| one).collect();
        let began = (self.clock)();
        let mut read = if unknown.is_empty() { Vec::new() } else { read(&unknown)? }.into_iter();
        let each = seen.iter().zip(known).map(|(one, known)| {
            if let Some(hash) = known {
                return Ok(Hashed { hash, known: true });
            }
            let Read { hash, after } = read.next().ok_or_else(|| unread(&one.path))?;
            let stamp = Stamp::of(&one.meta);
            // Only what did not change while it was read is remembered.
            if after == Some(stamp) {
                self.index.put(&one.key, stamp, &hash, began);
            }
            Ok(Hashed { hash, known: false })
        });
        each.collect()
    }

    /// All files below a directory, by path, a few at a time through `some`.
    pub(crate) fn each(
        &self,
        relative: &str,
        directory: &Path,
        some: impl Fn(&[Seen]) -> Result<Vec<Hashed>, PathIo> + Sync,
    ) -> Result<Content, PathIo> {
        let began = (self.clock)();
        let mut found = names_of(directory)?;
        found.sort_unstable();
        let prefix = if relative.is_empty() { String::new() } else { format!("{relative}/") };
        let steady = AtomicBool::new(true);
        let unknown = self.index.is_empty();
        let lot = if found.len() < PARALLEL_MIN * LANES { 1 } else { LANES };
        let lots: Vec<&[String]> = found.chunks(lot).collect();
        let hashed = in_parallel(&lots, |names: &&[String]| {
            let look = |name: &String| {
                let path = directory.join(name);
                Seen::at(format!("{prefix}{name}"), path.clone(), unknown).map_err(PathIo::at("look at", &path))
            };
            let seen = names.iter().map(look).collect::<Result<Vec<Seen>, PathIo>>()?;
            let hashed = some(&seen)?;
            if seen.iter().zip(&hashed).any(|(one, hashed)| one.meta.len() != hashed.hash.size_bytes) {
                steady.store(false, Ordering::Relaxed);
            }
            Ok(seen.into_iter().zip(hashed).map(|(one, hashed)| (one.path, Stamp::of(&one.meta), hashed.hash)).collect::<Vec<_>>())
        })?;
        let mut sum = Sum::default();
        let members = found.into_iter().zip(hashed.into_iter().flatten()).map(|(relative, (path, stamp, hash))| {
            sum.add(&[relative.as_bytes()], stamp);
            Member { path, relative, hash }
        });
        let content = Content::of_members(members.collect());
        // Stats from before the reading: what changed meanwhile has others now, and the seal does not hold.
        if steady.into_inner() {
            self.index.seal(relative, sum, &content.seal(), began);
        }
        Ok(content)
    }
}

/// Reads files for their digests.
pub(crate) fn read_files(files: &[&Seen]) -> Result<Vec<Read>, PathIo> {
    let large = |seen: &Seen| hash_file(&seen.path).map_err(PathIo::at("read", &seen.path));
    read_each(files, |_, _, _| Ok(()), large)
}

/// Reads files: small ones whole, their digests together, each then given to `whole`; for the others there is `large`.
pub(crate) fn read_each(
    files: &[&Seen],
    whole: impl Fn(&Seen, &FileHash, &[u8]) -> Result<(), PathIo>,
    large: impl Fn(&Seen) -> Result<FileHash, PathIo>,
) -> Result<Vec<Read>, PathIo> {
    let small = |seen: &Seen| {
        let size = seen.meta.len();
        let read = |seen: &Seen| match &seen.file {
            Some(file) => read_whole(file, size),
            None => read_whole(&open_once(&seen.path)?, size),
        };
        (size <= SMALL_BYTES_MAX).then(|| read(seen)).transpose().map_err(PathIo::at("read", &seen.path))
    };
    let wholes = files.iter().map(|seen| small(seen)).collect::<Result<Vec<Option<Whole>>, PathIo>>()?;
    let contents: Vec<&[u8]> = wholes.iter().flatten().map(|whole| &*whole.bytes).collect();
    let mut hashes = hash_each(&contents).into_iter();
    let each = files.iter().zip(&wholes).map(|(seen, read)| match read {
        Some(Whole { bytes, after }) => {
            let hash = hashes.next().ok_or_else(|| unread(&seen.path))?;
            whole(seen, &hash, bytes)?;
            Ok(Read { hash, after: Some(*after) })
        }
        None => {
            let hash = large(seen)?;
            Ok(Read { hash, after: std::fs::metadata(&seen.path).ok().map(|meta| Stamp::of(&meta)) })
        }
    });
    each.collect()
}

/// A reader gave fewer digests than it was given files.
fn unread(path: &Path) -> PathIo {
    PathIo::at("read", path)(std::io::Error::other("it was left out"))
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
    let threads = threads();
    if items.len() < PARALLEL_MIN || threads < 2 {
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
