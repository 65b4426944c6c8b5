//! The cache of contents, in DVC's layout: `files/md5/ab/cdef...`, read-only, there whole or not at all.

use crate::atomic::{clone_file, remove, share_blocks, temporary_beside};
use crate::error::PathIo;
use crate::hash::{FileHash, hash_copy, hash_file};
use crate::tree::{Content, Eyes, Member, executable, in_parallel};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tidegate_core::pipeline::Identity;

/// A cache.
pub(crate) struct Cache {
    directory: PathBuf,
}

impl Cache {
    pub(crate) fn new(directory: &Path) -> Cache {
        Cache { directory: directory.to_path_buf() }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the content with this MD5 lies. The caller has checked that it is 32 hex digits, perhaps with `.dir`.
    fn object(&self, md5: &str) -> PathBuf {
        let (head, tail) = md5.split_at_checked(2).unwrap_or(("00", md5));
        self.directory.join("files").join("md5").join(head).join(tail)
    }

    /// Whether all of a content is here: of a directory, the listing and each of its files.
    pub(crate) fn has(&self, identity: &Identity) -> bool {
        if !self.object(&identity.md5).is_file() {
            return false;
        }
        !identity.is_dir() || self.listing(&identity.md5).is_some_and(|files| files.iter().all(|(md5, _)| self.object(md5).is_file()))
    }

    /// Whether all of what was looked at is here.
    pub(crate) fn has_content(&self, content: &Content) -> bool {
        let members = content.members.as_deref().unwrap_or_default();
        self.object(&content.identity.md5).is_file() && members.iter().all(|m| self.object(&m.hash.md5).is_file())
    }

    /// Takes what is at `relative` in: hashed and copied in one read where it was not known.
    pub(crate) fn take(&self, eyes: &Eyes<'_>, relative: &str) -> Result<Option<Content>, PathIo> {
        let path = eyes.root.join(relative);
        if path.is_file() {
            let hash = self.take_file(eyes, relative, &path)?;
            let meta = fs::metadata(&path).map_err(PathIo::at("look at", &path))?;
            return Ok(Some(Content::of_file(&hash, executable(&meta))));
        }
        let Some(content) = eyes.look(relative)? else { return Ok(None) };
        self.take_content(&content)?;
        Ok(Some(content))
    }

    /// Takes in what was looked at and is not here yet.
    pub(crate) fn take_content(&self, content: &Content) -> Result<(), PathIo> {
        let members = content.members.as_deref().unwrap_or_default();
        in_parallel(members, |member: &Member| self.take_known(&member.path, &member.hash))?;
        // The listing comes last: who finds it expects its files.
        if let Some(listing) = content.listing() {
            let object = self.object(&content.identity.md5);
            if !object.is_file() {
                self.place(&object, |file| std::io::Write::write_all(file, listing.as_bytes()))?;
            }
        }
        Ok(())
    }

    /// Takes in one file at `path` of the workspace whose content was just seen.
    pub(crate) fn take_single(&self, path: &Path, content: &Content) -> Result<(), PathIo> {
        if content.members.is_some() {
            return self.take_content(content);
        }
        let hash = FileHash { md5: content.identity.md5.clone(), digest: content.digest.clone(), size_bytes: content.identity.size_bytes };
        self.take_known(path, &hash)
    }

    fn take_file(&self, eyes: &Eyes<'_>, relative: &str, path: &Path) -> Result<FileHash, PathIo> {
        let incoming = self.temporary()?;
        let at = PathIo::at("copy into the cache", path);
        let hash = copy_and_hash(path, &incoming).map_err(|error| {
            let _ = fs::remove_file(&incoming);
            at(error)
        })?;
        self.settle(&incoming, &self.object(&hash.md5))?;
        eyes.learn(relative, &hash);
        Ok(hash)
    }

    fn take_known(&self, path: &Path, hash: &FileHash) -> Result<(), PathIo> {
        let object = self.object(&hash.md5);
        if object.is_file() {
            return Ok(());
        }
        let incoming = self.temporary()?;
        let copied = copy_and_hash(path, &incoming).and_then(|found| {
            if found.md5 == hash.md5 {
                Ok(())
            } else {
                Err(std::io::Error::other("it changed while it was copied into the cache: run again"))
            }
        });
        copied.map_err(|error| {
            let _ = fs::remove_file(&incoming);
            PathIo::at("read", path)(error)
        })?;
        self.settle(&incoming, &object)
    }

    fn temporary(&self) -> Result<PathBuf, PathIo> {
        let directory = self.directory.join("files").join("md5");
        fs::create_dir_all(&directory).map_err(PathIo::at("create", &directory))?;
        Ok(temporary_beside(&directory.join("incoming")))
    }

    /// Moves a finished file to its place, read-only.
    fn settle(&self, incoming: &Path, object: &Path) -> Result<(), PathIo> {
        let settled = (|| {
            fs::set_permissions(incoming, Permissions::from_mode(0o444))?;
            if let Some(parent) = object.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::rename(incoming, object)
        })();
        settled.map_err(|error| {
            let _ = fs::remove_file(incoming);
            PathIo::at("write", object)(error)
        })
    }

    fn place(&self, object: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<(), PathIo> {
        let incoming = self.temporary()?;
        let written = File::create(&incoming).and_then(|mut file| write(&mut file));
        written.map_err(|error| {
            let _ = fs::remove_file(&incoming);
            PathIo::at("write", object)(error)
        })?;
        self.settle(&incoming, object)
    }

    /// MD5 and path of each file of a directory; none when the listing is not here, damaged, or names a path outside.
    fn listing(&self, md5: &str) -> Option<Vec<(String, String)>> {
        let bytes = fs::read(self.object(md5)).ok()?;
        if crate::hash::md5_of(&bytes) != md5.trim_end_matches(".dir") {
            return None;
        }
        let items: Vec<serde_json::Value> = serde_json::from_slice(&bytes).ok()?;
        items
            .iter()
            .map(|item| {
                let (md5, path) = (item.get("md5")?.as_str()?, item.get("relpath")?.as_str()?);
                let inside = !path.starts_with('/') && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
                let legal = md5.len() == 32 && md5.bytes().all(|b| b.is_ascii_hexdigit());
                (inside && legal).then(|| (md5.to_owned(), path.to_owned()))
            })
            .collect()
    }

    /// Puts a content at `relative` of the workspace in place of what is there. False when it is not (wholly, undamaged)
    /// here; a damaged object is removed, so that it is made again.
    pub(crate) fn put(&self, eyes: &Eyes<'_>, relative: &str, identity: &Identity) -> Result<bool, PathIo> {
        let target = eyes.root.join(relative);
        let parent = target.parent().unwrap_or(eyes.root);
        fs::create_dir_all(parent).map_err(PathIo::at("create", parent))?;
        let staged = temporary_beside(&target);
        let staging = self.stage(identity, &staged);
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

    fn stage(&self, identity: &Identity, staged: &Path) -> Result<Option<Vec<(String, FileHash)>>, PathIo> {
        if !identity.is_dir() {
            let Some(hash) = self.copy_out(&identity.md5, staged, identity.executable)? else { return Ok(None) };
            return Ok(Some(vec![(String::new(), hash)]));
        }
        let Some(files) = self.listing(&identity.md5) else { return Ok(None) };
        fs::create_dir_all(staged).map_err(PathIo::at("create", staged))?;
        let copies = in_parallel(&files, |(md5, path): &(String, String)| {
            let to = staged.join(path);
            let parent = to.parent().unwrap_or(staged);
            fs::create_dir_all(parent).map_err(PathIo::at("create", parent))?;
            Ok(self.copy_out(md5, &to, false)?.map(|hash| (path.clone(), hash)))
        })?;
        Ok(copies.into_iter().collect())
    }

    /// Copies an object out and checks its content.
    fn copy_out(&self, md5: &str, to: &Path, executable: bool) -> Result<Option<FileHash>, PathIo> {
        let object = self.object(md5);
        let hash = match copy_and_hash(&object, to) {
            Ok(hash) => hash,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(PathIo::at("copy out of the cache to", to)(error)),
        };
        if hash.md5 != md5 {
            remove(&object).map_err(PathIo::at("remove the damaged", &object))?;
            return Ok(None);
        }
        if executable {
            let mode = fs::metadata(to).map_err(PathIo::at("look at", to))?.permissions().mode();
            // Executable for whoever may read it.
            let mode = Permissions::from_mode(mode | ((mode & 0o444) >> 2));
            fs::set_permissions(to, mode).map_err(PathIo::at("make executable", to))?;
        }
        Ok(Some(hash))
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
