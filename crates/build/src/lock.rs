//! One run at a time in a workspace: a lock that waits and says for whom. It ends with the process that holds it.

use crate::error::BuildError;
use crate::observe::{Event, Observer};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a waiting run looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A held lock; dropping it lets the next one in.
pub(crate) struct Lock {
    _file: File,
    /// Somebody else had it first, and may have changed things.
    pub(crate) waited: bool,
}

impl Lock {
    /// Takes the lock at `path`, waiting as long as somebody else has it. `own` is what a waiting one is told.
    pub(crate) fn take(path: &Path, own: &str, cancel: &AtomicBool, observer: &mut dyn Observer) -> Result<Lock, BuildError> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(BuildError::io("create", parent))?;
        }
        let open = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(BuildError::io("open the lock", path))?;
        let mut told = String::new();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(error) if error == rustix::io::Errno::WOULDBLOCK || error == rustix::io::Errno::INTR => {}
                Err(error) => return Err(BuildError::io("take the lock", path)(error.into())),
            }
            let holder = holder(&mut file);
            if cancel.load(Ordering::Relaxed) {
                return Err(BuildError::Cancelled { what: holder });
            }
            if told != holder {
                observer.event(&Event::WaitingForLock { holder: holder.clone() });
                told = holder;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        let text = format!("{own} (process {})\n", std::process::id());
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        written.map_err(BuildError::io("write the lock", path))?;
        Ok(Lock { _file: file, waited: !told.is_empty() })
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(1024).read_to_string(&mut text));
    match (read, text.trim()) {
        (Ok(_), holder) if !holder.is_empty() => holder.to_owned(),
        _ => "another process".to_owned(),
    }
}
