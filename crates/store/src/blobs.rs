//! Blobs in a directory, by their BLAKE3 digest: `<dir>/<2 hex digits>/<62 hex digits>`.
//!
//! A blob is written under a temporary name, flushed and renamed, so it is whole or absent after any crash.
//! Not here: what a blob holds, and which blobs are still needed.

use crate::disk;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use tidegate_core::id::Digest;
use tidegate_port::{Blobs, Failure, FailureKind};

/// Bytes that are read and written at once while a file is stored.
const CHUNK_BYTES: usize = 1 << 20;
/// Largest blob that [`Blobs::get`] reads into memory; open [`FsBlobs::path`] for larger ones.
pub const GET_BYTES_MAX: u64 = 4 << 30;

/// How bytes reach a file: a seam for tests of a full disk.
type Writer = dyn Fn(&mut File, &[u8]) -> io::Result<()> + Send + Sync;

/// Blobs in a directory. Cloning gives another handle.
#[derive(Clone)]
pub struct FsBlobs {
    dir: PathBuf,
    write: std::sync::Arc<Writer>,
}

impl std::fmt::Debug for FsBlobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FsBlobs({})", self.dir.display())
    }
}

impl FsBlobs {
    /// The blobs in `dir`, which is made when absent. Leftovers of processes that died are removed.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub fn open(dir: &Path) -> Result<FsBlobs, Failure> {
        FsBlobs::open_with(dir, Box::new(|file, bytes| file.write_all(bytes)))
    }

    fn open_with(dir: &Path, write: Box<Writer>) -> Result<FsBlobs, Failure> {
        let blobs = FsBlobs { dir: dir.to_owned(), write: write.into() };
        disk::make_dir(&blobs.unfinished())?;
        blobs.remove_leftovers()?;
        Ok(blobs)
    }

    /// Where the blob of `digest` lies, or would lie.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let (folder, name) = digest.hex().split_at_checked(2).unwrap_or(("", digest.hex()));
        self.dir.join(folder).join(name)
    }

    /// Stores the content of the file at `path` without holding it in memory.
    ///
    /// # Errors
    /// When the file cannot be read, or the store fails; nothing half-written stays behind.
    pub fn put_file(&self, path: &Path) -> Result<Digest, Failure> {
        let file = File::open(path).map_err(|e| disk::failure("store file", path, &e))?;
        self.put_reader(file)
    }

    /// Stores all that `reader` gives.
    ///
    /// # Errors
    /// As [`FsBlobs::put_file`].
    pub fn put_reader(&self, reader: impl Read) -> Result<Digest, Failure> {
        let unfinished = self.begin()?;
        let hash = unfinished.copy(reader, &*self.write).map_err(|e| disk::failure("write blob", &self.dir, &e))?;
        let digest = Digest::from_hash(hash);
        self.finish(unfinished, &digest)?;
        Ok(digest)
    }

    fn unfinished(&self) -> PathBuf {
        self.dir.join("unfinished")
    }

    /// A temporary file, locked while its writer lives.
    fn begin(&self) -> Result<Unfinished, Failure> {
        let path = disk::temporary_beside(&self.unfinished().join("blob"));
        let open = || -> io::Result<File> {
            let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        let file = open().map_err(|e| disk::failure("write blob", &path, &e))?;
        Ok(Unfinished { path, file })
    }

    fn finish(&self, unfinished: Unfinished, digest: &Digest) -> Result<(), Failure> {
        let path = self.path(digest);
        let wrap = |e: io::Error| disk::failure("write blob", &path, &e);
        unfinished.file.sync_all().map_err(wrap)?;
        let parent = path.parent().unwrap_or(&self.dir);
        if !parent.is_dir() {
            disk::make_dir(parent)?;
            disk::sync_dir(&self.dir)?;
        }
        fs::rename(&unfinished.path, &path).map_err(wrap)?;
        disk::sync_dir(parent)
    }

    /// A locked file has a living writer; any other is a leftover.
    fn remove_leftovers(&self) -> Result<(), Failure> {
        let dir = self.unfinished();
        for entry in fs::read_dir(&dir).map_err(|e| disk::failure("read", &dir, &e))? {
            let path = entry.map_err(|e| disk::failure("read", &dir, &e))?.path();
            // Another process may remove or finish it first: then there is nothing to do.
            if let Ok(file) = File::open(&path)
                && file.try_lock().is_ok()
            {
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }

    /// Whether the blob is there with this length.
    fn holds(&self, digest: &Digest, bytes: usize) -> bool {
        fs::metadata(self.path(digest)).is_ok_and(|meta| meta.len() == bytes as u64)
    }
}

/// A blob being written; its file goes away unless it was renamed.
struct Unfinished {
    path: PathBuf,
    file: File,
}

impl Unfinished {
    fn copy(&self, mut reader: impl Read, write: &Writer) -> io::Result<blake3::Hash> {
        let mut file = self.file.try_clone()?;
        let (mut hasher, mut chunk) = (blake3::Hasher::new(), vec![0; CHUNK_BYTES]);
        loop {
            let read = match reader.read(&mut chunk) {
                Ok(0) => return Ok(hasher.finalize()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let bytes = chunk.get(..read).unwrap_or_default();
            hasher.update(bytes);
            write(&mut file, bytes)?;
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename there is nothing under this name.
        let _ = fs::remove_file(&self.path);
    }
}

impl Blobs for FsBlobs {
    fn put(&self, bytes: &[u8]) -> Result<Digest, Failure> {
        let digest = Digest::of(bytes);
        if self.holds(&digest, bytes.len()) {
            return Ok(digest);
        }
        self.put_reader(bytes)
    }

    fn get(&self, digest: &Digest) -> Result<Vec<u8>, Failure> {
        let path = self.path(digest);
        let Some(bytes) = disk::read_if_there(&path, GET_BYTES_MAX)? else {
            return Err(Failure {
                kind: FailureKind::Gone,
                operation: "read blob",
                object: digest.to_string(),
                detail: format!("it is not in {}", self.dir.display()),
            });
        };
        if &Digest::of(&bytes) == digest {
            return Ok(bytes);
        }
        Err(Failure {
            kind: FailureKind::Refused,
            operation: "read blob",
            object: digest.to_string(),
            detail: format!("the content of {} does not match its digest: it was damaged; restore it from a copy", path.display()),
        })
    }

    fn has(&self, digest: &Digest) -> Result<bool, Failure> {
        let path = self.path(digest);
        path.try_exists().map_err(|e| disk::failure("look for blob", &path, &e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn files(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).map(|p| if p.is_dir() { files(&p) } else { 1 }).sum()
    }

    #[test]
    fn puts_gets_and_checks() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FsBlobs::open(dir.path()).unwrap();
        let digest = blobs.put(b"tide").unwrap();
        assert_eq!(digest, Digest::of(b"tide"));
        assert_eq!(blobs.put(b"tide").unwrap(), digest);
        assert_eq!(blobs.get(&digest).unwrap(), b"tide");
        assert!(blobs.has(&digest).unwrap() && !blobs.has(&Digest::of(b"gate")).unwrap());
        assert_eq!(blobs.get(&Digest::of(b"gate")).unwrap_err().kind, FailureKind::Gone);
        assert_eq!(files(dir.path()), 1);
        fs::write(blobs.path(&digest), b"tidy").unwrap();
        assert_eq!(blobs.get(&digest).unwrap_err().kind, FailureKind::Refused);
    }

    #[test]
    fn a_file_is_streamed() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FsBlobs::open(&dir.path().join("blobs")).unwrap();
        let content: Vec<u8> = (0..3 * CHUNK_BYTES + 17).map(|n| (n % 251) as u8).collect();
        let source = dir.path().join("model.onnx");
        fs::write(&source, &content).unwrap();
        let digest = blobs.put_file(&source).unwrap();
        assert_eq!(digest, Digest::of(&content));
        assert_eq!(blobs.get(&digest).unwrap(), content);
        assert_eq!(blobs.put_file(&dir.path().join("none")).unwrap_err().kind, FailureKind::Gone);
    }

    #[test]
    fn a_full_disk_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let left = AtomicUsize::new(CHUNK_BYTES + 100);
        let full = move |file: &mut File, bytes: &[u8]| {
            let fits = left.load(Ordering::Relaxed).min(bytes.len());
            left.fetch_sub(fits, Ordering::Relaxed);
            file.write_all(&bytes[..fits])?;
            if fits < bytes.len() { Err(io::Error::from_raw_os_error(28)) } else { Ok(()) }
        };
        let blobs = FsBlobs::open_with(dir.path(), Box::new(full)).unwrap();
        let error = blobs.put(&vec![1; 3 * CHUNK_BYTES]).unwrap_err();
        assert_eq!(error.kind, FailureKind::Transient);
        assert!(error.to_string().contains("free space on this disk"), "{error}");
        assert_eq!(files(dir.path()), 0);
        assert!(!blobs.has(&Digest::of(&vec![1; 3 * CHUNK_BYTES])).unwrap());
    }

    #[test]
    fn leftovers_of_the_dead_go_and_those_of_the_living_stay() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FsBlobs::open(dir.path()).unwrap();
        let living = blobs.begin().unwrap();
        fs::write(dir.path().join("unfinished/.blob.1-1.tmp"), b"half").unwrap();
        FsBlobs::open(dir.path()).unwrap();
        assert!(living.path.exists());
        assert_eq!(files(dir.path()), 1);
    }
}
