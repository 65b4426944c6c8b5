//! The run-cache on its way to a remote and back, for `--run-cache` of push, fetch and pull.
//!
//! As with DVC only the records move: what the runs wrote goes where it is asked for, as part of the pipeline.

use super::error::DataError;
use super::repo::Repo;
use super::sync::SyncOptions;
use crate::remote::{Progress, Remote, directory};
use crate::runcache::is_right;

impl Repo {
    /// Sends the records that the remote lacks; how many.
    pub(crate) fn push_runs(&self, options: &SyncOptions, progress: &dyn Progress) -> Result<u64, DataError> {
        let Some(remote) = self.keeper_of_runs(options, progress)? else { return Ok(0) };
        let there = remote.records()?;
        let mut new: Vec<String> = directory::records(self.cache.directory())?.into_iter().filter(|place| !there.contains(place)).collect();
        new.sort_unstable();
        let mut records = Vec::new();
        for place in new {
            let path = self.cache.directory().join(&place);
            let bytes = std::fs::read(&path).map_err(DataError::io("read", &path))?;
            if is_right(&place, &bytes) {
                records.push((place, bytes));
            } else {
                progress.note(&format!("{}: this record of a run is damaged and is not sent: remove it", path.display()));
            }
        }
        let sent = records.len() as u64;
        remote.write_records(records)?;
        Ok(sent)
    }

    /// Brings the records that are not here; how many.
    pub(crate) fn fetch_runs(&self, options: &SyncOptions, progress: &dyn Progress) -> Result<u64, DataError> {
        let Some(remote) = self.keeper_of_runs(options, progress)? else { return Ok(0) };
        let here = directory::records(self.cache.directory())?;
        let mut new: Vec<String> = remote.records()?.into_iter().filter(|place| !here.contains(place)).collect();
        new.sort_unstable();
        let mut wrong = Vec::new();
        let mut brought = 0;
        for (place, bytes) in new.iter().zip(remote.read_records(&new)?) {
            if !is_right(place, &bytes) {
                wrong.push(format!("{place}: damaged at the remote '{}', refused: it is not what its name says", remote.name));
                continue;
            }
            let path = self.cache.directory().join(place);
            crate::atomic::write(&path, &bytes, false).map_err(DataError::io("write", &path))?;
            brought += 1;
        }
        if wrong.is_empty() {
            return Ok(brought);
        }
        Err(DataError::Remote { what: format!("the run-cache is not complete: {brought} records came"), names: wrong })
    }

    fn keeper_of_runs(&self, options: &SyncOptions, progress: &dyn Progress) -> Result<Option<Remote>, DataError> {
        let remote = self.remote(options.remote.as_deref(), options.jobs)?;
        if remote.keeps_records() {
            return Ok(Some(remote));
        }
        progress.note(&format!("the remote '{}' is plain HTTP, which keeps no run-cache: left out", remote.name));
        Ok(None)
    }
}
