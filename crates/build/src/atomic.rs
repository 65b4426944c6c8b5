//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
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
