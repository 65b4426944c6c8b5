//! The risk of changes, from a repository's own history: mined, learnt from, asked.
//!
//! What is kept lies in a folder beside the repository's own files (`.tidegate/risk`): what was mined, so that the next run reads what is new
//! alone, and the model. Both can be removed and are then made anew.

mod costs;
mod fairness;
mod judged;
mod kept;
mod labels;
mod owners;
mod score;
mod train;
mod words;

pub use costs::told;
pub use fairness::{Attribute, Group, attributes, quarter, riskiest};
pub use judged::JudgedChange;
pub use kept::{Files, Kept, NotKept, files, head, read, row, unread, way_of};
pub use labels::{Beside, By, Labelled, Sources, labels};
pub use owners::Owners;
pub use score::{Answered, BELOW, Scored, Wanted, lowered, score};
pub use train::{From, Trained, train};
pub use words::{lines, lower, markdown, meaning, sure};

use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use tidegate_history::{Mined, NoState, Settings, State, mine};
use tidegate_learn::{MODEL_BYTES_MAX, RiskModel};
use tidegate_store::disk;

/// Where a repository's mined history and its model lie.
pub struct Folder(PathBuf);

impl Folder {
    /// Of a repository.
    #[must_use]
    pub fn of(repository: &Path) -> Folder {
        Folder(repository.join(".tidegate/risk"))
    }

    fn state(&self) -> PathBuf {
        self.0.join("history.state")
    }

    /// The model's file.
    #[must_use]
    pub fn model(&self) -> PathBuf {
        self.0.join("model.json")
    }

    fn judged(&self) -> PathBuf {
        self.0.join("judged.json")
    }

    /// Makes it; git is told that nothing in it is the repository's.
    fn make(&self) -> Result<()> {
        std::fs::create_dir_all(&self.0).with_context(|| format!("make the folder {}", self.0.display()))?;
        let ignore = self.0.join(".gitignore");
        if !ignore.exists() {
            disk::replace_file(&ignore, b"*\n")?;
        }
        Ok(())
    }

    /// What was mined before; none where it cannot be gone on with, and everything is read anew.
    fn previous(&self, note: &dyn Fn(&str)) -> Result<Option<State>> {
        if !self.state().exists() {
            return Ok(None);
        }
        match State::load(&self.state()) {
            Ok(state) => Ok(Some(state)),
            Err(why @ NoState::Unreadable(_)) => {
                note(&format!("{}: {why}; the history is read anew", self.state().display()));
                Ok(None)
            }
            Err(why) => Err(failure(exit::OUTSIDE, why.to_string())),
        }
    }

    /// Mines a history up to `tip`.
    fn mine(&self, repository: &Path, tip: &str, keep: bool, seen: &dyn Fn(usize, usize), note: &dyn Fn(&str)) -> Result<Mined> {
        let previous = self.previous(note)?;
        let mined = mine(repository, tip, &Settings::default(), previous, &mut |now| seen(now.done, now.total));
        let mined = mined.map_err(|why| failure(exit::USAGE, format!("read the history of {}: {why}", repository.display())))?;
        if keep {
            self.make()?;
            mined.state.save(&self.state()).map_err(|why| failure(exit::OUTSIDE, why.to_string()))?;
        }
        Ok(mined)
    }

    /// What is known of the history up to what is checked out; nothing is kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn history(&self, repository: &Path, seen: &dyn Fn(usize, usize), note: &dyn Fn(&str)) -> Result<Mined> {
        self.mine(repository, "HEAD", false, seen, note)
    }

    /// The model.
    fn read(&self) -> Result<RiskModel> {
        let path = self.model();
        let advice = "run `tidegate risk train` first";
        let bytes = std::fs::metadata(&path)
            .map_err(|_| failure(exit::NOT_FOUND, format!("score a change: there is no {}: {advice}", path.display())))?;
        if bytes.len() > MODEL_BYTES_MAX as u64 {
            return Err(failure(
                exit::USAGE,
                format!("read {}: it is longer than {MODEL_BYTES_MAX} bytes, and no model of risk", path.display()),
            ));
        }
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        RiskModel::read(&bytes).map_err(|why| failure(exit::USAGE, format!("read {}: {why}", path.display())))
    }
}
