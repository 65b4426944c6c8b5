//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
#[cfg(target_os = "linux")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicU64, Ordering};

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
#[cfg(target_os = "linux")]
pub(crate) fn create_whole(path: &Path, folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
    use rustix::io::Errno;
    use std::os::fd::AsRawFd as _;
    static UNABLE: AtomicBool = AtomicBool::new(false);
    if UNABLE.load(Ordering::Relaxed) {
        return replace_whole(path, bytes);
    }
    let unnamed = match open(folder, OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC, Mode::from_raw_mode(0o444)) {
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
    match linkat(CWD, format!("/proc/self/fd/{}", file.as_raw_fd()), CWD, path, AtFlags::SYMLINK_FOLLOW) {
        Ok(()) => Ok(()),
        // No /proc, or none that shows open files.
        Err(Errno::NOENT | Errno::OPNOTSUPP | Errno::INVAL | Errno::ACCESS | Errno::PERM) => {
            UNABLE.store(true, Ordering::Relaxed);
            replace_whole(path, bytes)
        }
        Err(error) => Err(error.into()),
    }
}

/// Creates a read-only file that is there whole.
#[cfg(not(target_os = "linux"))]
pub(crate) fn create_whole(path: &Path, _: &Path, bytes: &[u8]) -> std::io::Result<()> {
    replace_whole(path, bytes)
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
