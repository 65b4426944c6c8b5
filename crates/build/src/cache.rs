//! The cache of contents, in DVC's layout: `files/md5/ab/cdef...` (before DVC 3: `ab/cdef...`), read-only, there whole or
//! not at all.

use crate::atomic::{Folders, TEMPORARY_PREFIX, clone_file, create_whole, remove, replace_whole, share_blocks, temporary_beside};
use crate::error::PathIo;
use crate::hash::{FileHash, SMALL_BYTES_MAX, dos2unix_md5, hash_bytes, hash_copy, hash_file, open_once, read_whole};
use crate::index::Stamp;
use crate::tree::{Content, Eyes, Hashed, Member, Seen, executable, in_parallel, read_each};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tidegate_core::pipeline::Identity;
use tidegate_wire::dvc::tracked::{HashKind, is_oid};

/// Largest listing of a directory that is read.
pub(crate) const LISTING_BYTES_MAX: u64 = 1 << 31;

/// How a file of the workspace stands to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// A copy that shares blocks until it is written.
    Reflink,
    /// The same file under another name.
    Hardlink,
    /// A pointer to the object.
    Symlink,
    /// A copy.
    Copy,
}

impl Link {
    /// The kind that a word of `cache.type` names.
    #[must_use]
    pub fn named(word: &str) -> Option<Link> {
        match word.trim() {
            "reflink" => Some(Link::Reflink),
            "hardlink" => Some(Link::Hardlink),
            "symlink" => Some(Link::Symlink),
            "copy" => Some(Link::Copy),
            _ => None,
        }
    }
}

/// A cache.
#[derive(Clone)]
pub(crate) struct Cache {
    directory: PathBuf,
    links: Vec<Link>,
}

/// One row of a directory's listing.
#[derive(serde::Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    md5: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    relpath: std::borrow::Cow<'a, str>,
}

impl Cache {
    /// A cache whose files are copied out, blocks shared where the file system can.
    pub(crate) fn new(directory: &Path) -> Cache {
        Cache::with_links(directory, &[Link::Reflink, Link::Copy])
    }

    /// A cache whose files are put in place in the first of these ways that works.
    pub(crate) fn with_links(directory: &Path, links: &[Link]) -> Cache {
        Cache { directory: directory.to_path_buf(), links: links.to_vec() }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the content with this MD5 lies. The caller has checked that it is 32 hex digits, perhaps with `.dir`.
    fn object(&self, md5: &str) -> PathBuf {
        self.object_of(HashKind::Md5, md5)
    }

    /// As [`Cache::object`], for either kind of digest.
    pub(crate) fn object_of(&self, kind: HashKind, md5: &str) -> PathBuf {
        let (head, tail) = md5.split_at_checked(2).unwrap_or(("00", md5));
        match kind {
            HashKind::Md5 => self.directory.join("files").join("md5").join(head).join(tail),
            HashKind::Dos2Unix => self.directory.join(head).join(tail),
        }
    }

    /// Whether all of a content is here: of a directory, the listing and each of its files.
    pub(crate) fn has(&self, identity: &Identity) -> bool {
        self.has_of(HashKind::Md5, &identity.md5)
    }

    /// As [`Cache::has`], for either kind of digest.
    pub(crate) fn has_of(&self, kind: HashKind, md5: &str) -> bool {
        if !md5.ends_with(".dir") {
            return self.object_of(kind, md5).is_file();
        }
        let here = |files: Vec<(String, String)>| {
            in_parallel(&files, |(md5, _)| if self.object_of(kind, md5).is_file() { Ok(()) } else { Err(()) }).is_ok()
        };
        self.listing_of(kind, md5).is_some_and(here)
    }

    /// Whether all of what was looked at is here.
    pub(crate) fn has_content(&self, content: &Content) -> bool {
        match &content.members {
            None => self.has(&content.identity),
            Some(members) => self.object(&content.identity.md5).is_file() && members.iter().all(|m| self.object(&m.hash.md5).is_file()),
        }
    }

    /// Takes what is at `relative` in: hashed and copied in one read where it was not known.
    pub(crate) fn take(&self, eyes: &Eyes<'_>, relative: &str) -> Result<Option<Content>, PathIo> {
        let path = eyes.root.join(relative);
        if path.is_file() {
            let meta = fs::metadata(&path).map_err(PathIo::at("look at", &path))?;
            let seen = Seen::new(relative, &path, meta);
            let hashed = self.take_some(eyes, std::slice::from_ref(&seen), None)?;
            return Ok(hashed.first().map(|one| Content::of_file(&one.hash, executable(&seen.meta))));
        }
        let content = match eyes.look_sealed(relative)? {
            Some(content) if self.has(&content.identity) => return Ok(Some(content)),
            _ if !path.is_dir() => return Ok(None),
            _ => {
                // Into a cache that has nothing, nothing need be looked up.
                let empty = !self.directory.join("files").join("md5").exists();
                let folders = empty.then(Folders::default);
                eyes.each(relative, &path, |seen| self.take_some(eyes, seen, folders.as_ref()))?
            }
        };
        self.place_listing(&content)?;
        Ok(Some(content))
    }

    /// Takes in what was looked at and is not here yet.
    pub(crate) fn take_content(&self, content: &Content) -> Result<(), PathIo> {
        let members = content.members.as_deref().unwrap_or_default();
        in_parallel(members, |member: &Member| self.take_known(&member.path, &member.hash))?;
        self.place_listing(content)
    }

    /// The listing comes last: who finds it expects its files.
    fn place_listing(&self, content: &Content) -> Result<(), PathIo> {
        let Some(listing) = content.listing() else { return Ok(()) };
        let object = self.object(&content.identity.md5);
        if is_whole(&object, listing.len() as u64) { Ok(()) } else { self.place(&object, listing.as_bytes()) }
    }

    /// Takes in what is at `path` of the workspace and was just seen to be `content`.
    pub(crate) fn take_single(&self, path: &Path, content: &Content) -> Result<(), PathIo> {
        if content.members.is_some() {
            return self.take_content(content);
        }
        if content.identity.is_dir() {
            // Known by its seal alone: looked into now.
            let (index, clock) = (crate::index::Index::open(Path::new("")), || tidegate_core::id::At(0));
            let eyes = Eyes { root: path, index: &index, clock: &clock };
            return self.take(&eyes, "").map(drop);
        }
        let hash = FileHash { md5: content.identity.md5.clone(), digest: content.digest.clone(), size_bytes: content.identity.size_bytes };
        self.take_known(path, &hash)
    }

    /// Takes files in. `folders`: those of objects, where the cache had nothing when this began.
    fn take_some(&self, eyes: &Eyes<'_>, seen: &[Seen], folders: Option<&Folders>) -> Result<Vec<Hashed>, PathIo> {
        let take = |_: &Seen, hash: &FileHash, bytes: &[u8]| match folders {
            Some(folders) => self.place_in(folders, &hash.md5, bytes),
            None => self.take_bytes(hash, bytes),
        };
        let hashed = eyes.hash_by(seen, |unknown| read_each(unknown, take, |seen| self.take_large(&seen.path)))?;
        for (one, hashed) in seen.iter().zip(&hashed).filter(|(_, hashed)| hashed.known) {
            self.take_known(&one.path, &hashed.hash)?;
        }
        Ok(hashed)
    }

    /// Takes a file in by reading it once.
    fn take_file(&self, path: &Path, size: u64) -> Result<FileHash, PathIo> {
        if size > SMALL_BYTES_MAX {
            return self.take_large(path);
        }
        let bytes = open_once(path).and_then(|file| read_whole(&file, size)).map_err(PathIo::at("read", path))?.bytes;
        let hash = hash_bytes(&bytes);
        self.take_bytes(&hash, &bytes).map(|()| hash)
    }

    fn take_bytes(&self, hash: &FileHash, bytes: &[u8]) -> Result<(), PathIo> {
        let object = self.object(&hash.md5);
        if is_whole(&object, hash.size_bytes) { Ok(()) } else { self.place(&object, bytes) }
    }

    fn take_large(&self, path: &Path) -> Result<FileHash, PathIo> {
        let incoming = self.temporary()?;
        let hash = copy_and_hash(path, &incoming).map_err(|error| {
            let _ = fs::remove_file(&incoming);
            PathIo::at("copy into the cache", path)(error)
        })?;
        let object = self.object(&hash.md5);
        if is_whole(&object, hash.size_bytes) {
            let _ = fs::remove_file(&incoming);
            return Ok(hash);
        }
        self.settle(&incoming, &object)?;
        Ok(hash)
    }

    fn take_known(&self, path: &Path, hash: &FileHash) -> Result<(), PathIo> {
        if is_whole(&self.object(&hash.md5), hash.size_bytes) {
            return Ok(());
        }
        let found = self.take_file(path, hash.size_bytes)?;
        if found.md5 == hash.md5 {
            return Ok(());
        }
        Err(PathIo::at("read", path)(std::io::Error::other("it changed while it was copied into the cache: run again")))
    }

    /// A new name in the cache for a file that is not finished.
    pub(crate) fn temporary(&self) -> Result<PathBuf, PathIo> {
        let directory = self.directory.join("files").join("md5");
        if !directory.is_dir() {
            fs::create_dir_all(&directory).map_err(PathIo::at("create", &directory))?;
        }
        Ok(temporary_beside(&directory.join("incoming")))
    }

    /// Removes what processes that are gone have left unfinished; gives how many. `small`: in the objects' folders too,
    /// where files of at most a mebibyte are left.
    pub(crate) fn sweep(&self, small: bool) -> usize {
        let directory = self.directory.join("files").join("md5");
        let folders = (0..=255u8).filter(|_| small).map(|n| directory.join(format!("{n:02x}")));
        let folders: Vec<PathBuf> = std::iter::once(directory.clone()).chain(folders).collect();
        folders.iter().map(|folder| sweep(folder)).sum()
    }

    /// Moves a finished file to its place, read-only.
    pub(crate) fn settle(&self, incoming: &Path, object: &Path) -> Result<(), PathIo> {
        let settled = fs::set_permissions(incoming, Permissions::from_mode(0o444)).and_then(|()| move_to(incoming, object));
        settled.map_err(|error| {
            let _ = fs::remove_file(incoming);
            PathIo::at("write", object)(error)
        })
    }

    /// As [`Cache::place`], in folders that stay open.
    fn place_in(&self, folders: &Folders, md5: &str, bytes: &[u8]) -> Result<(), PathIo> {
        let object = self.object(md5);
        match folders.create_whole(&object, bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.place(&object, bytes),
            written => settled(&object, bytes, written),
        }
    }

    /// Writes an object whose bytes are at hand, read-only. One that is there whole stays.
    pub(crate) fn place(&self, object: &Path, bytes: &[u8]) -> Result<(), PathIo> {
        let folder = object.parent().unwrap_or(&self.directory);
        let write = || create_whole(object, folder, bytes);
        let written = match write() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => fs::create_dir_all(folder).and_then(|()| write()),
            other => other,
        };
        settled(object, bytes, written)
    }

    /// MD5 and path of each file of a directory; none when the listing is not here, damaged, or names a path outside.
    pub(crate) fn listing_of(&self, kind: HashKind, md5: &str) -> Option<Vec<(String, String)>> {
        let object = self.object_of(kind, md5);
        if fs::metadata(&object).ok()?.len() > LISTING_BYTES_MAX {
            return None;
        }
        parse_listing(&fs::read(object).ok()?, md5)
    }

    /// Puts a content at `relative` of the workspace in place of what is there. False when it is not (wholly, undamaged)
    /// here; a damaged object is removed, so that it is made again.
    pub(crate) fn put(&self, eyes: &Eyes<'_>, relative: &str, identity: &Identity) -> Result<bool, PathIo> {
        let target = eyes.root.join(relative);
        let parent = target.parent().unwrap_or(eyes.root);
        fs::create_dir_all(parent).map_err(PathIo::at("create", parent))?;
        let staged = temporary_beside(&target);
        let staging = self.stage(eyes, identity, &staged);
        let hashes = match staging {
            Ok(Some(hashes)) => hashes,
            other => {
                remove(&staged).map_err(PathIo::at("remove", &staged))?;
                return other.map(|_| false);
            }
        };
        remove(&target).map_err(PathIo::at("remove", &target))?;
        fs::rename(&staged, &target).map_err(PathIo::at("write", &target))?;
        for (inner, hash) in &hashes {
            let relative = if inner.is_empty() { relative.to_owned() } else { format!("{relative}/{inner}") };
            eyes.learn(&relative, hash);
        }
        Ok(true)
    }

    fn stage(&self, eyes: &Eyes<'_>, identity: &Identity, staged: &Path) -> Result<Option<Vec<(String, FileHash)>>, PathIo> {
        if !identity.is_dir() {
            let Some(hash) = self.put_file(eyes, HashKind::Md5, &identity.md5, staged, identity.executable)? else { return Ok(None) };
            return Ok(Some(vec![(String::new(), hash)]));
        }
        let Some(files) = self.listing_of(HashKind::Md5, &identity.md5) else { return Ok(None) };
        fs::create_dir_all(staged).map_err(PathIo::at("create", staged))?;
        let copies = in_parallel(&files, |(md5, path): &(String, String)| {
            let to = staged.join(path);
            let parent = to.parent().unwrap_or(staged);
            fs::create_dir_all(parent).map_err(PathIo::at("create", parent))?;
            Ok(self.put_file(eyes, HashKind::Md5, md5, &to, false)?.map(|hash| (path.clone(), hash)))
        })?;
        Ok(copies.into_iter().collect())
    }

    /// Puts an object at the new path `to`, in the first way that works; its content is checked. None when it is not here;
    /// a damaged one is removed.
    pub(crate) fn put_file(
        &self,
        eyes: &Eyes<'_>,
        kind: HashKind,
        md5: &str,
        to: &Path,
        executable: bool,
    ) -> Result<Option<FileHash>, PathIo> {
        let object = self.object_of(kind, md5);
        for link in &self.links {
            let linked = match link {
                Link::Reflink | Link::Copy => return self.copy_out(kind, md5, &object, to, executable),
                Link::Hardlink | Link::Symlink => {
                    let Some(hash) = self.checked(eyes, kind, md5, &object)? else { return Ok(None) };
                    link_to(*link, &object, to, hash.size_bytes).map(|()| hash)
                }
            };
            match linked {
                Ok(hash) => return Ok(Some(hash)),
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Err(PathIo::at("link", to)(error)),
                // Another file system, or one without links: the next way.
                Err(_) => {}
            }
        }
        let tried = "none of the ways of `cache.type` works here: add `copy` to it";
        Err(PathIo::at("link from the cache to", to)(std::io::Error::other(tried)))
    }

    /// The digests of an object whose content is what its name says; a damaged one is removed.
    pub(crate) fn checked(&self, eyes: &Eyes<'_>, kind: HashKind, md5: &str, object: &Path) -> Result<Option<FileHash>, PathIo> {
        let meta = match fs::metadata(object) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(PathIo::at("look at", object)(error)),
        };
        let key = format!("object:{}", object.display());
        let known = eyes.index.get(&key, Stamp::of(&meta));
        let hash = eyes.hash(&key, object, &meta)?;
        let right = match kind {
            HashKind::Md5 => hash.md5 == md5.trim_end_matches(".dir"),
            HashKind::Dos2Unix if known.is_some() || md5.ends_with(".dir") => true,
            HashKind::Dos2Unix => old_md5(object).map_err(PathIo::at("read", object))? == md5,
        };
        if right {
            return Ok(Some(hash));
        }
        remove(object).map_err(PathIo::at("remove the damaged", object))?;
        Ok(None)
    }

    /// Copies an object out and checks its content.
    fn copy_out(&self, kind: HashKind, md5: &str, object: &Path, to: &Path, executable: bool) -> Result<Option<FileHash>, PathIo> {
        let hash = match copy_and_hash(object, to) {
            Ok(hash) => hash,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(PathIo::at("copy out of the cache to", to)(error)),
        };
        let right = match kind {
            HashKind::Md5 => hash.md5 == md5,
            HashKind::Dos2Unix => old_md5(to).map_err(PathIo::at("read", to))? == md5,
        };
        if !right {
            remove(object).map_err(PathIo::at("remove the damaged", object))?;
            remove(to).map_err(PathIo::at("remove", to))?;
            return Ok(None);
        }
        if executable {
            make_executable(to).map_err(PathIo::at("make executable", to))?;
        }
        Ok(Some(hash))
    }
}

/// Executable for whoever may read it.
pub(crate) fn make_executable(path: &Path) -> std::io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    fs::set_permissions(path, Permissions::from_mode(mode | ((mode & 0o444) >> 2)))
}

/// The digest of DVC before 3.
pub(crate) fn old_md5(path: &Path) -> std::io::Result<String> {
    dos2unix_md5(File::open(path)?)
}

/// The rows of a listing; none when it is not the one of that name, or names a path outside.
pub(crate) fn parse_listing(bytes: &[u8], md5: &str) -> Option<Vec<(String, String)>> {
    if crate::hash::md5_of(bytes) != md5.trim_end_matches(".dir") {
        return None;
    }
    let rows: Vec<Row<'_>> = serde_json::from_slice(bytes).ok()?;
    rows.into_iter()
        .map(|row| {
            let path = row.relpath;
            let inside = !path.starts_with('/') && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
            let legal = is_oid(&row.md5) && !row.md5.ends_with(".dir");
            (inside && legal && !path.contains('\0')).then(|| (row.md5.into_owned(), path.into_owned()))
        })
        .collect()
}

fn link_to(link: Link, object: &Path, to: &Path, size: u64) -> std::io::Result<()> {
    if link == Link::Symlink {
        return std::os::unix::fs::symlink(object, to);
    }
    if size == 0 {
        // Empty files are all one object, and a file can have only so many names.
        return File::options().write(true).create_new(true).open(to).map(drop);
    }
    fs::hard_link(object, to)
}

/// What became of the writing of an object: one that was there whole is as good.
fn settled(object: &Path, bytes: &[u8], written: std::io::Result<()>) -> Result<(), PathIo> {
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && is_whole(object, bytes.len() as u64) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => replace_whole(object, bytes),
        other => other,
    }
    .map_err(PathIo::at("write", object))
}

fn sweep(folder: &Path) -> usize {
    let left = fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|n| n.strip_prefix(TEMPORARY_PREFIX)).and_then(|rest| rest.split('-').next());
        let pid = pid.and_then(|pid| pid.parse().ok()).and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
    });
    left.filter(|entry| fs::remove_file(entry.path()).is_ok()).count()
}

/// Whether an object of this size is there: one that was cut short is not.
fn is_whole(object: &Path, size: u64) -> bool {
    fs::metadata(object).is_ok_and(|meta| meta.is_file() && meta.len() == size)
}

/// Renames, the directory made where it is not there yet.
fn move_to(from: &Path, to: &Path) -> std::io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::rename(from, to)
        }
        other => other,
    }
}

/// Copies a file to a new one and hashes what was copied: shared blocks are hashed at the copy, which nobody else writes.
fn copy_and_hash(from: &Path, to: &Path) -> std::io::Result<FileHash> {
    let source = File::open(from)?;
    let size = source.metadata()?.len();
    let mut target = File::options().write(true).create_new(true).open(to)?;
    if share_blocks(&target, &source) {
        return hash_file(to);
    }
    hash_copy(source, size, Some(&mut target))
}

/// Copies one file, parents made, whatever was there replaced.
pub(crate) fn replace_file(from: &Path, to: &Path) -> std::io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    remove(to)?;
    clone_file(from, to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}
