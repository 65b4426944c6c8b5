//! What `tidegate risk train` left, for whoever shows it: read as it lies there. Nothing is mined and nothing is learnt here, and of git only what is
//! checked out is asked.

use super::card::day;
use super::costs::hold_from;
use super::reviews::{self, Reviews};
use super::worded::Worded;
use super::{Folder, JudgedChange, Owners, WORDS};
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;
use tidegate_core::risk::{Way, way};
use tidegate_history::{Change, Features, Id, Mined, Services, State, commits};
use tidegate_learn::words::Sayings;
use tidegate_learn::{RiskModel, Score};
use tidegate_stats::calibration::LabelSet;
use tidegate_wire::config::RiskPolicy;

/// Largest history that is held in memory to be shown.
const HISTORY_BYTES_MAX: u64 = 512 << 20;

/// When each file that matters was written, and how long it is.
pub type Files = Vec<Option<(SystemTime, u64)>>;

/// What was left.
pub struct Kept {
    pub model: RiskModel,
    /// When the model was trained.
    pub trained: Option<SystemTime>,
    pub mined: Mined,
    worded: Worded,
    said: Sayings,
    pub owners: Owners,
    /// What the model was judged on; or why that is not known.
    pub judged: Result<Vec<JudgedChange>, String>,
    /// What may be wrong with it, in sentences.
    pub notes: Vec<String>,
}

impl Kept {
    /// A change as the model's row, with what a forge told of it.
    #[must_use]
    pub fn row(&self, change: &Change, reviews: &Reviews) -> Vec<f64> {
        let said = self.worded.of(&change.id).map_or(f64::NAN, |words| self.said.of(words));
        row(&self.model, change, said, reviews.values(&change.id))
    }
}

/// Why there is nothing to show, in a sentence.
#[derive(Debug)]
pub enum NotKept {
    NoModel(String),
    Model(String),
    History(String),
    Owners(String),
}

/// What tells whether anything was written since. The model stands first.
#[must_use]
pub fn files(repository: &Path) -> Files {
    let folder = Folder::of(repository);
    let owners = Services::CODEOWNERS.iter().map(|name| repository.join(name));
    let all = [folder.model(), folder.judged(), folder.state()].into_iter().chain(owners);
    let stamp = |file: std::path::PathBuf| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    all.map(stamp).collect()
}

/// What is checked out; none where that is not known.
#[must_use]
pub fn head(repository: &Path) -> Option<Id> {
    commits(repository, "HEAD", 1).ok()?.first().copied()
}

/// How many commits lie behind what was read, at most so many; none where git does not know both.
#[must_use]
pub fn unread(repository: &Path, read_to: &Id, head: &Id, most: usize) -> Option<usize> {
    commits(repository, &format!("{read_to}..{head}"), most).ok().map(|found| found.len())
}

/// Reads what was left.
///
/// # Errors
/// With the reason why there is nothing to show.
pub fn read(repository: &Path, policy: &RiskPolicy) -> Result<Kept, NotKept> {
    let folder = Folder::of(repository);
    if !folder.model().exists() {
        return Err(NotKept::NoModel(format!("There is no {}.", folder.model().display())));
    }
    // A recalibration writes the model and not what it was judged on.
    let trained = files(repository).into_iter().take(2).rev().flatten().next().map(|(at, _)| at);
    let model = folder.read().map_err(|why| NotKept::Model(format!("{why:#}.")))?;
    let mined = history(&folder).map_err(NotKept::History)?;
    let told = std::cell::RefCell::new(vec![]);
    let owners = Owners::known(repository, policy, "show risks", &|note| told.borrow_mut().push(format!("{note}.")));
    let mut notes = told.into_inner();
    let owners = owners.map_err(|why| NotKept::Owners(format!("{why:#}.")))?;
    let worded = Worded::load(&folder.worded()).map_err(|why| NotKept::History(format!("{why:#}.")))?.unwrap_or_default();
    let said = folder.said(&model);
    if let Some(since) = model.training().recalibrated {
        notes.push(format!(
            "Recalibrated with what became of changes up to {}: log odds are moved by {:+.2}. Figures of the judged changes are of the model as it was trained.",
            day(since.until),
            since.moved
        ));
    }
    if mined.shallow {
        notes.push("The clone is shallow, and what was before it is not known: `git fetch --unshallow` gives the rest.".to_owned());
    }
    let judged = folder.judged_changes().map_err(|why| format!("{why:#}"));
    Ok(Kept { model, trained, mined, worded, said, owners, judged, notes })
}

fn history(folder: &Folder) -> Result<Mined, String> {
    let path = folder.state();
    let length = std::fs::metadata(&path).map_err(|why| format!("Read {}: {why}.", path.display()))?.len();
    if length > HISTORY_BYTES_MAX {
        return Err(format!("{} is longer than {HISTORY_BYTES_MAX} bytes, too much to be shown here.", path.display()));
    }
    let state = State::load(&path).and_then(|state| Mined::of_state(state, &super::settings()));
    state.map_err(|why| format!("Read {}: {why}.", path.display()))
}

/// A change as a row of a model: features that the model knows, by their names. One that another release of this program measures is missing, which
/// never lowers a risk. `said` is what its words say, `reviewed` what a forge told.
#[must_use]
pub fn row(model: &RiskModel, change: &Change, said: f64, reviewed: reviews::Values) -> Vec<f64> {
    let values = change.features.values();
    let value = |name: &String| match name.as_str() {
        WORDS => said,
        name => {
            let of = |names: &[&str], values: &[f64]| names.iter().position(|known| *known == name).and_then(|at| values.get(at).copied());
            of(Features::NAMES, &values).or_else(|| of(&reviews::NAMES, &reviewed)).unwrap_or(f64::NAN)
        }
    };
    model.features().iter().map(value).collect()
}

/// From which risk on a change of these owners is held, and which way this one goes.
#[must_use]
pub fn way_of(score: &Score, policy: &RiskPolicy, owners: &BTreeSet<String>) -> (Option<f64>, Way) {
    let hold_from = policy.costs.as_ref().and_then(|costs| hold_from(costs, owners));
    (hold_from, way(score.probability, score.interval, score.labels == LabelSet::Negative, hold_from))
}
