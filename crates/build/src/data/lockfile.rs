//! Who may change the repository now: our lock, which waits and says for whom, and DVC's own.

use super::error::DataError;
use super::repo::Repo;
use crate::dvclock::DvcLocks;
use crate::error::BuildError;
use crate::lock::Lock;
use crate::observe::{Event, Observer};
use crate::workspace::STATE_DIRECTORY;
use std::fs::File;
use std::sync::atomic::AtomicBool;

/// Both locks, held until dropped.
pub(crate) struct Held {
    _ours: Lock,
    _theirs: Option<File>,
}

impl Repo {
    /// Takes the repository for `command`; `tell` hears whom it waits for.
    pub(crate) fn take(&self, command: &str, tell: &dyn Fn(&str)) -> Result<Held, DataError> {
        let path = self.root.join(STATE_DIRECTORY).join("data.lock");
        let mut hear = |event: &Event| {
            if let Event::WaitingForLock { holder } = event {
                tell(&format!("waiting for {holder}"));
            }
        };
        let observer: &mut dyn Observer = &mut hear;
        let own = format!("`tidegate {command}`");
        self.hide_state();
        let ours = Lock::take(&path, &own, &AtomicBool::new(false), observer);
        let ours = ours.map_err(|error| DataError::Refused(format!("take the lock of the repository: {error}")))?;
        let theirs = DvcLocks::new(Some(&self.dvc)).repository(&AtomicBool::new(false), &mut |who| tell(&format!("waiting for {who}")));
        let theirs =
            theirs.map_err(|error| DataError::Refused(format!("take DVC's lock of the repository: {}", BuildError::from(error))))?;
        Ok(Held { _ours: ours, _theirs: theirs })
    }

    /// Our folder is no part of what Git keeps.
    fn hide_state(&self) {
        let ignore = self.root.join(STATE_DIRECTORY).join(".gitignore");
        if !ignore.exists() {
            // A folder that Git sees is a nuisance and no fault.
            let _ = crate::atomic::write(&ignore, b"*\n", false);
        }
    }
}
