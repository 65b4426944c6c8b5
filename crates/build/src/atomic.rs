//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
#[cfg(target_os = "linux")]
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};

static NEXT: AtomicU64 = AtomicU64::new(0);
/// This process; asked for once, and not for each of a million files.
static PROCESS: LazyLock<u32> = LazyLock::new(std::process::id);

/// What names of unfinished files start with.
pub(crate) const TEMPORARY_PREFIX: &str = ".tidegate-tmp-";

/// A name beside `path` that nobody else uses now.
pub(crate) fn temporary_beside(path: &Path) -> PathBuf {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!("{TEMPORARY_PREFIX}{}-{n}", *PROCESS))
}

/// Writes `bytes` to `path`: after a crash it holds either what it held or all of them.
pub(crate) fn write(path: &Path, bytes: &[u8], durable: bool) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let temporary = temporary_beside(path);
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Creates a read-only file that gets its name in `folder` when it is whole: nothing is left behind by whoever is killed before,
/// and the folder is written once, not three times. Where the file system cannot do that, as [`replace_whole`].
pub(crate) fn create_whole(path: &Path, folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    return unnamed::create(rustix::fs::CWD, folder, path, path, bytes);
    #[cfg(not(target_os = "linux"))]
    return replace_whole(path, bytes);
}

/// The folders that many objects are created in, by the byte in lower-case hex that they are called, all in one directory: each is opened once.
pub(crate) struct Folders([OnceLock<File>; 256]);

impl Default for Folders {
    fn default() -> Folders {
        Folders(std::array::from_fn(|_| OnceLock::new()))
    }
}

impl Folders {
    /// As [`create_whole`]; the file's folder is created.
    pub(crate) fn create_whole(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(path);
        let byte = folder.file_name().and_then(|name| u8::from_str_radix(name.to_str()?, 16).ok());
        let Some(slot) = byte.and_then(|byte| self.0.get(usize::from(byte))) else { return create_whole(path, folder, bytes) };
        let open = match slot.get() {
            Some(open) => open,
            None => {
                fs::create_dir_all(folder)?;
                // Too many are open already: then by their names.
                let Ok(open) = File::open(folder) else { return create_whole(path, folder, bytes) };
                slot.get_or_init(|| open)
            }
        };
        #[cfg(target_os = "linux")]
        return unnamed::create(open.as_fd(), Path::new("."), path.file_name().map_or(path, Path::new), path, bytes);
        #[cfg(not(target_os = "linux"))]
        return create_whole(path, folder, bytes).map(|()| drop(open));
    }
}

/// Files without a name until they are whole.
#[cfg(target_os = "linux")]
mod unnamed {
    use super::replace_whole;
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
    use rustix::io::Errno;
    use std::fs::File;
    use std::io::Write as _;
    use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// The file system has no such files, or they cannot be given a name.
    static UNABLE: AtomicBool = AtomicBool::new(false);
    /// They are given a name through /proc: by their descriptor alone needs a newer kernel, or the right to.
    static BY_PROC: AtomicBool = AtomicBool::new(false);

    /// `folder` and `name` as seen from `from`; `path` is the file's whole path.
    pub(super) fn create(from: BorrowedFd<'_>, folder: &Path, name: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        if UNABLE.load(Ordering::Relaxed) {
            return replace_whole(path, bytes);
        }
        let unnamed = match openat(from, folder, OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC, Mode::from_raw_mode(0o444)) {
            Ok(unnamed) => unnamed,
            // What a file system says that has no such files.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                UNABLE.store(true, Ordering::Relaxed);
                return replace_whole(path, bytes);
            }
            Err(error) => return Err(error.into()),
        };
        let mut file = File::from(unnamed);
        file.write_all(bytes)?;
        match give_name(&file, from, name) {
            Ok(()) => Ok(()),
            // No /proc, or none that shows open files.
            Err(Errno::NOENT | Errno::OPNOTSUPP | Errno::INVAL | Errno::ACCESS | Errno::PERM) => {
                UNABLE.store(true, Ordering::Relaxed);
                replace_whole(path, bytes)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn give_name(file: &File, from: BorrowedFd<'_>, name: &Path) -> Result<(), Errno> {
        if !BY_PROC.load(Ordering::Relaxed) {
            match linkat(file.as_fd(), "", from, name, AtFlags::EMPTY_PATH) {
                Err(Errno::NOENT | Errno::INVAL | Errno::PERM) => BY_PROC.store(true, Ordering::Relaxed),
                other => return other,
            }
        }
        linkat(CWD, format!("/proc/self/fd/{}", file.as_raw_fd()), from, name, AtFlags::SYMLINK_FOLLOW)
    }
}

/// Writes a read-only file in place of what is there. The unfinished one lies in the same folder: renaming within a folder takes
/// no lock of the whole file system.
pub(crate) fn replace_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let incoming = temporary_beside(path);
    let created = File::options().write(true).create_new(true).mode(0o444).open(&incoming);
    let written = created.and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&incoming, path));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&incoming);
    })
}

/// Removes a file or a directory with all it holds; nothing there is fine. A link is removed, not what it points to.
pub(crate) fn remove(path: &Path) -> std::io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A copy of `from` at the new file `to`, sharing its blocks where the file system can.
pub(crate) fn clone_file(from: &Path, to: &Path) -> std::io::Result<()> {
    let source = File::open(from)?;
    let target = File::options().write(true).create_new(true).open(to)?;
    if share_blocks(&target, &source) {
        return Ok(());
    }
    let mut source = source;
    let mut target = target;
    std::io::copy(&mut source, &mut target).map(|_| ())
}

/// Whether `target` now shares all blocks of `source`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn share_blocks(target: &File, source: &File) -> bool {
    rustix::fs::ioctl_ficlone(target, source).is_ok()
}

/// Whether `target` now shares all blocks of `source`.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn share_blocks(_: &File, _: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::{Folders, create_whole};
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn files_are_created_whole_read_only_and_once() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::default();
        for name in ["ab/one", "cd/two", "ab/three", "other/four"] {
            let path = root.path().join(name);
            if name.starts_with("other") {
                fs::create_dir(path.parent().unwrap()).unwrap();
            }
            folders.create_whole(&path, name.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), name);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
            assert_eq!(folders.create_whole(&path, b"again").unwrap_err().kind(), ErrorKind::AlreadyExists);
        }
        let fifth = root.path().join("ab/five");
        create_whole(&fifth, fifth.parent().unwrap(), b"5").unwrap();
        assert_eq!(fs::read(&fifth).unwrap(), b"5");
        let none = root.path().join("none/six");
        assert_eq!(create_whole(&none, none.parent().unwrap(), b"6").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(fs::read_dir(root.path().join("ab")).unwrap().count(), 3, "nothing is left beside them");
    }
}
