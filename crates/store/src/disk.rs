//! Writing files so that a crash leaves the old content or the new one, and never a part of it.
//!
//! Not here: what the files mean.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_port::{Failure, FailureKind};

/// Above this many files one flush of the file system is cheaper than one flush for each.
pub const SYNC_EACH_FILES_MAX: usize = 8;

/// Makes the names of temporary files of one process differ.
static TEMPORARY: AtomicU64 = AtomicU64::new(0);

/// What a failed system call means to a caller: the operation, the path, what to do next.
#[must_use]
pub fn failure(operation: &'static str, path: &Path, error: &io::Error) -> Failure {
    let (kind, advice) = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            (FailureKind::Transient, ": free space on this disk and try again; nothing half-written was left")
        }
        ErrorKind::NotFound => (FailureKind::Gone, ""),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => (FailureKind::Denied, ": check the owner and the mode of this path"),
        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => (FailureKind::Transient, ": try again"),
        _ => (FailureKind::Transient, ": check the disk and try again"),
    };
    Failure { kind, operation, object: path.display().to_string(), detail: format!("{error}{advice}") }
}

/// Replaces the content of `path` by `bytes`: after a crash it holds the old content or the new one, whole.
///
/// # Errors
/// When the disk fails or is full; the old content stays and no temporary file is left.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    replace_with(path, None, |file| file.write_all(bytes))
}

/// As [`replace_file`], readable and writable by the owner alone (mode 0600).
///
/// # Errors
/// As [`replace_file`].
pub fn replace_private_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    replace_with(path, Some(0o600), |file| file.write_all(bytes))
}

/// Replaces `path` by what `write` puts into a temporary file beside it: flushed, renamed, directory flushed.
pub(crate) fn replace_with(path: &Path, mode: Option<u32>, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), Failure> {
    let temporary = temporary_beside(path);
    let written = create(&temporary, mode).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        // The cause is reported; a leftover that cannot be removed has no name that anybody reads.
        let _ = fs::remove_file(&temporary);
        return Err(failure("write", path, &error));
    }
    sync_parent(path)
}

/// Creates `path` with `mode` from the first moment, so that a secret is never readable in between.
fn create(path: &Path, mode: Option<u32>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if let Some(mode) = mode {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(mode);
    }
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

/// A name beside `path` that no other writer uses.
pub(crate) fn temporary_beside(path: &Path) -> PathBuf {
    let count = TEMPORARY.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}-{count}.tmp", std::process::id()))
}

/// Writes `path` whole by rename, without a flush: the caller flushes many at once by [`sync_many`].
pub(crate) fn replace_unsynced(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let temporary = temporary_beside(path);
    let written = create(&temporary, None).and_then(|mut file| file.write_all(bytes));
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        let _ = fs::remove_file(&temporary);
        return Err(failure("write", path, &error));
    }
    Ok(())
}

/// Flushes `paths` and the directories that hold them; all of them lie under `root`.
pub(crate) fn sync_many(root: &Path, paths: &[PathBuf]) -> Result<(), Failure> {
    if paths.len() > SYNC_EACH_FILES_MAX && sync_file_system(root)? {
        return Ok(());
    }
    for path in paths {
        File::open(path).and_then(|file| file.sync_all()).map_err(|e| failure("flush", path, &e))?;
    }
    let mut parents: Vec<&Path> = paths.iter().flat_map(|path| path.ancestors().skip(1).take_while(|dir| dir.starts_with(root))).collect();
    parents.sort_unstable();
    parents.dedup();
    parents.into_iter().try_for_each(sync_dir)
}

/// Flushes the whole file system of `root`, where the system offers that.
#[cfg(target_os = "linux")]
fn sync_file_system(root: &Path) -> Result<bool, Failure> {
    let dir = File::open(root).map_err(|e| failure("open", root, &e))?;
    rustix::fs::syncfs(&dir).map_err(|e| failure("flush", root, &e.into()))?;
    Ok(true)
}

/// Flushes the whole file system of `root`, where the system offers that.
#[cfg(not(target_os = "linux"))]
fn sync_file_system(_root: &Path) -> Result<bool, Failure> {
    Ok(false)
}

/// Flushes a directory, so that a rename in it survives a power cut.
///
/// # Errors
/// When the disk fails.
pub fn sync_dir(dir: &Path) -> Result<(), Failure> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(|e| failure("flush", dir, &e))
}

/// Flushes the directory that holds `path`.
pub(crate) fn sync_parent(path: &Path) -> Result<(), Failure> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

/// Makes `dir` and its parents.
pub(crate) fn make_dir(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|e| failure("make directory", dir, &e))
}

/// The content of `path` when it is there.
///
/// # Errors
/// When it cannot be read, or is larger than `bytes_max`.
pub fn read_if_there(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failure("read", path, &error)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| failure("read", path, &e))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Failure {
            kind: FailureKind::Refused,
            operation: "read",
            object: path.display().to_string(),
            detail: format!("it is over the limit of {bytes_max} bytes for such a file"),
        });
    }
    Ok(Some(bytes))
}

/// Holds a path for one process; let go when dropped, or when the process dies in whatever way.
#[derive(Debug)]
pub struct Guard {
    _file: File,
}

impl Guard {
    /// Takes `path` for this process.
    ///
    /// # Errors
    /// [`FailureKind::Transient`] when another holds it.
    pub fn take(path: &Path) -> Result<Guard, Failure> {
        let file = Guard::file(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Guard { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Failure {
                kind: FailureKind::Transient,
                operation: "lock",
                object: path.display().to_string(),
                detail: "another process holds it: use that one, or end it first".into(),
            }),
            Err(TryLockError::Error(error)) => Err(failure("lock", path, &error)),
        }
    }

    /// Takes `path` for this process once nobody else holds it: for short read-and-write sections only.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub fn wait(path: &Path) -> Result<Guard, Failure> {
        let file = Guard::file(path)?;
        file.lock().map_err(|e| failure("lock", path, &e))?;
        Ok(Guard { _file: file })
    }

    fn file(path: &Path) -> Result<File, Failure> {
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).map_err(|e| failure("lock", path, &e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_keeps_the_old_content_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.json");
        replace_file(&path, b"old").unwrap();
        let error = replace_with(&path, None, |file| {
            file.write_all(b"ne")?;
            Err(io::Error::from(ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert_eq!(error.kind, FailureKind::Transient);
        expect!["no storage space: free space on this disk and try again; nothing half-written was left"].assert_eq(&error.detail);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["manifest.json"]);
        replace_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        replace_private_file(&path, b"x").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_guard_excludes_and_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Guard::take(&path).unwrap();
        assert_eq!(Guard::take(&path).unwrap_err().kind, FailureKind::Transient);
        drop(first);
        Guard::take(&path).unwrap();
    }

    #[test]
    fn an_oversized_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        replace_file(&path, &[0; 11]).unwrap();
        assert_eq!(read_if_there(&path, 11).unwrap().map(|b| b.len()), Some(11));
        assert_eq!(read_if_there(&path, 10).unwrap_err().kind, FailureKind::Refused);
        assert!(read_if_there(&dir.path().join("none"), 10).unwrap().is_none());
    }
}
