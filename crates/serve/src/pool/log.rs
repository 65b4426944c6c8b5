//! What servers that the gateway starts say, in a file of bounded size.

use crate::clock;
use crate::limits::CHILD_LOG_BYTES_MAX;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A file that lines are added to. When it is full it becomes `NAME.1`, and the one before is gone.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

impl LogFile {
    /// Lines go to `path`; it is opened with the first of them. Who writes to one path has one file: a full one is put aside once.
    pub fn of(path: PathBuf) -> Arc<LogFile> {
        static ALL: Mutex<Vec<Weak<LogFile>>> = Mutex::new(Vec::new());
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|log| log.strong_count() > 0);
        if let Some(known) = all.iter().filter_map(Weak::upgrade).find(|log| log.path == path) {
            return known;
        }
        let log = Arc::new(LogFile { path, open: Mutex::default() });
        all.push(Arc::downgrade(&log));
        log
    }

    /// Adds a line with the time in milliseconds UTC and who said it. What cannot be written is lost: no server stops for its log.
    pub fn add(&self, who: &str, text: &str) {
        let line = format!("{} {who}: {text}\n", clock::wall_ms());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|open| open.bytes >= CHILD_LOG_BYTES_MAX) {
            *open = None;
            let _ = std::fs::rename(&self.path, full(&self.path));
        }
        if open.is_none() {
            *open = begin(&self.path).ok();
        }
        if let Some(open) = open.as_mut()
            && open.file.write_all(line.as_bytes()).is_ok()
        {
            open.bytes = open.bytes.saturating_add(line.len() as u64);
        }
    }
}

fn full(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

fn begin(path: &Path) -> std::io::Result<Open> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // What servers say may be what their users asked: for the owner alone.
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok(Open { file, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_aside_and_no_more_than_two_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("servers/python.log");
        let log = LogFile::of(path.clone());
        assert!(Arc::ptr_eq(&log, &LogFile::of(path.clone())));
        let text = "x".repeat(64 * 1024);
        for _ in 0..3 * CHILD_LOG_BYTES_MAX / 65_536 {
            log.add("python:20000", &text);
        }
        let sizes = [path.clone(), full(&path)].map(|path| std::fs::metadata(path).unwrap().len());
        assert!(sizes.iter().all(|bytes| *bytes <= CHILD_LOG_BYTES_MAX + 70_000), "{sizes:?}");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
        assert!(std::fs::read_to_string(path).unwrap().lines().last().unwrap().contains(" python:20000: xxx"));
    }
}
