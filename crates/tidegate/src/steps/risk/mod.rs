//! The risk of changes, from a repository's own history: mined, learnt from, asked.
//!
//! What is kept lies in a folder beside the repository's own files (`.tidegate/risk`): what was mined, so that the next run reads what is new
//! alone, and the model. Both can be removed and are then made anew.

mod answers;
mod card;
mod columns;
mod costs;
mod drill;
mod environments;
mod failures;
mod fairness;
pub mod federate;
mod judged;
mod kept;
mod labels;
mod leaks;
mod moved;
mod offer;
mod owners;
mod recalibrate;
mod reviews;
mod score;
#[cfg(test)]
mod small;
mod train;
mod worded;
mod words;
mod worth;

pub use answers::{answer, subject};
pub use costs::{hold_from, told};
pub use drill::drill;
pub use failures::{Failure, failures};
pub use fairness::{Attribute, Group, attributes, quarter, riskiest};
pub use judged::JudgedChange;
pub use kept::{Files, Kept, NotKept, files, head, read, unread, way_of};
pub use labels::{Beside, By, Labelled, Sources, Told, labels};
pub use moved::{Contributed, EARLIER, NEWEST, drift, moved_by, sizes};
pub use owners::Owners;
pub use recalibrate::{Recalibrated, recalibrate};
pub use reviews::Reviews;
pub use score::{Answered, BELOW, Scored, Wanted, lowered, score};
pub use train::{From, Trained, train};
use worded::Worded;

pub use words::{lines, lower, markdown, markdown_of, meaning, not_scored, sure};
pub use worth::{Ends, worth};

use crate::clock;
use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tidegate_core::id::Digest;
use tidegate_history::{Features, Mined, NoState, Seen, Settings, State, mine, mine_beside};
use tidegate_learn::words::{Sayings, words as words_of};
use tidegate_learn::{MODEL_BYTES_MAX, RiskModel};
use tidegate_store::disk;

/// Name of the feature of words.
const WORDS: &str = "words";
/// What it is.
const WORDS_MEANING: &str = "What the words of the message and of the added lines said of earlier changes: mean log odds of having hurt.";

/// What a feature is, with its source; none of one of another release.
fn described(feature: &str) -> Option<&'static str> {
    let of = |names: &[&str], meanings: &[&'static str]| {
        let at = names.iter().position(|name| *name == feature)?;
        meanings.get(at).copied()
    };
    let words = || (feature == WORDS).then_some(WORDS_MEANING);
    of(Features::NAMES, Features::MEANINGS).or_else(|| of(&reviews::NAMES, &reviews::MEANINGS)).or_else(words)
}

/// Longest file of what words said.
const SAYINGS_BYTES_MAX: u64 = 4 << 20;

/// What words said, and the digest of what the model has learnt from that asks for it.
#[derive(Serialize, Deserialize)]
struct SaidFor<'a> {
    model: &'a str,
    sayings: std::borrow::Cow<'a, Sayings>,
}

/// How histories are read: by no later clock than ours.
fn settings() -> Settings {
    Settings { now_s: Some(clock::now().0.div_euclid(1_000)), ..Settings::default() }
}

/// A history with the words of its changes.
struct History {
    mined: Mined,
    worded: Worded,
}

/// What a history is mined for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// It is kept, for the next time.
    Keeping,
    /// Its changes and what became of them.
    Labels,
    /// What is measured of some of its changes: a branch is read beside what was kept.
    Scores,
}

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

    /// What the model stands on, for people.
    fn card(&self) -> PathBuf {
        self.0.join("card.md")
    }

    /// The card of the model.
    ///
    /// # Errors
    /// When there is none, or it is of another model.
    pub fn read_card(&self) -> Result<String> {
        let path = self.card();
        let advice = "run `tidegate risk train` first";
        let text =
            std::fs::read_to_string(&path).map_err(|why| failure(exit::NOT_FOUND, format!("read {}: {why}: {advice}", path.display())))?;
        if text.contains(&self.read()?.training().digest) {
            return Ok(text);
        }
        Err(failure(exit::USAGE, format!("{} is of another model than {}: {advice}", path.display(), self.model().display())))
    }

    fn worded(&self) -> PathBuf {
        self.0.join("words")
    }

    /// What words said by the end of the training.
    fn sayings(&self) -> PathBuf {
        self.0.join("sayings.json")
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

    /// Keeps others from making a model here meanwhile: its files are of one training.
    fn alone(&self, operation: &str) -> Result<disk::Guard> {
        self.make()?;
        disk::Guard::take(&self.0.join("model.lock")).map_err(|why| failure(exit::OUTSIDE, format!("{operation}: {why}")))
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
    fn mine(&self, repository: &Path, tip: &str, what_for: For, seen: &dyn Fn(usize, usize), note: &dyn Fn(&str)) -> Result<History> {
        let keep = what_for == For::Keeping;
        // Two that write at once would leave the state of one with the words of the other.
        let _alone = keep.then(|| self.make().and_then(|()| Ok(disk::Guard::wait(&self.0.join("lock"))?))).transpose()?;
        // Both go together: without the words of what was mined before, it is mined anew.
        let (previous, mut worded) = match (self.previous(note)?, Worded::load(&self.worded())?) {
            (Some(state), Some(worded)) => (Some(state), worded),
            _ => (None, Worded::default()),
        };
        let went_on = previous.is_some();
        let read = |previous, worded: &mut Worded| {
            let mut look = |now: Seen<'_>| {
                worded.add(now.id, words_of(now.message, now.added));
                seen(now.done, now.total);
            };
            let mined = match (what_for, previous) {
                (For::Scores, Some(state)) => mine_beside(repository, tip, &settings(), state, &mut look),
                (_, previous) => mine(repository, tip, &settings(), previous, &mut look),
            };
            mined.map_err(|why| failure(exit::USAGE, format!("read the history of {}: {why}", repository.display())))
        };
        let mut mined = read(previous, &mut worded)?;
        if went_on && mined.changes().iter().any(|change| worded.of(&change.id).is_none()) {
            note(&format!("{}: words of some changes are not there; the history is read anew", self.worded().display()));
            mined = read(None, &mut worded)?;
        }
        if keep {
            // The words first: a state without them is read anew, and they without it harm nobody.
            worded.save(&self.worded())?;
            mined.state.save(&self.state()).map_err(|why| failure(exit::OUTSIDE, why.to_string()))?;
        }
        Ok(History { mined, worded })
    }

    /// What is known of the history up to what is checked out; nothing is kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn history(&self, repository: &Path, seen: &dyn Fn(usize, usize), note: &dyn Fn(&str)) -> Result<Mined> {
        Ok(self.mine(repository, "HEAD", For::Labels, seen, note)?.mined)
    }

    /// The model.
    fn read(&self) -> Result<RiskModel> {
        Ok(self.read_with_digest()?.0)
    }

    /// The model, and the digest of its file.
    fn read_with_digest(&self) -> Result<(RiskModel, Digest)> {
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
        let model = RiskModel::read(&bytes).map_err(|why| failure(exit::USAGE, format!("read {}: {why}", path.display())))?;
        Ok((model, Digest::of(&bytes)))
    }

    /// Keeps what words said when a model was trained.
    fn keep_said(&self, model: &RiskModel, sayings: &Sayings) -> Result<()> {
        let of = SaidFor { model: &model.training().digest, sayings: std::borrow::Cow::Borrowed(sayings) };
        Ok(disk::replace_file(&self.sayings(), &serde_json::to_vec(&of)?)?)
    }

    /// What words said when the model was trained; nothing where that is not known, or was said for another one.
    fn said(&self, model: &RiskModel) -> Sayings {
        let read = || {
            let path = self.sayings();
            let bytes = (std::fs::metadata(&path).ok()?.len() <= SAYINGS_BYTES_MAX).then(|| std::fs::read(&path).ok())??;
            let of: SaidFor<'_> = serde_json::from_slice(&bytes).ok()?;
            (of.model == model.training().digest).then(|| of.sayings.into_owned())
        };
        read().filter(Sayings::is_sound).unwrap_or_default()
    }
}
