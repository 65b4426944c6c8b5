//! What the model says of changes: of one, of a range, each with its reasons and what would lower it.

use super::kept::{row, way_of};
use super::worded::Worded;
use super::{Folder, History, Owners};
use crate::exit::{self, failure};
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;
use tidegate_core::risk::Way;
use tidegate_history::{Change, Id, Mined, NotMined, as_one, commits};
use tidegate_learn::counterfactual::{Answer, Lever, search};
use tidegate_learn::words::Sayings;
use tidegate_learn::{RiskModel, Score};
use tidegate_wire::config::RiskPolicy;

/// Changes of a range that are scored.
const CHANGES_MAX: usize = 1_000;
/// What would lower a risk is looked for until it is below this, where nobody says another.
pub const BELOW: f64 = 0.2;
/// What people can make less, to which share of it, and whether it comes in whole numbers.
const LESS: [(&str, f64); 3] = [("la", 0.1), ("nf", 0.1), ("ld", 0.1)];
/// Share of lines in tests that a change can be brought to.
const TEST_LINES: f64 = 0.5;

/// What is asked.
pub struct Wanted<'a> {
    /// A revision, or a range as `main..topic`.
    pub what: &'a str,
    /// What would lower the risk is looked for until it is below this.
    pub below: f64,
    /// Something is decided by it: what can only be told in part is an error.
    pub decides: bool,
    /// What mistakes cost, and who has opted out.
    pub policy: &'a RiskPolicy,
}

/// A change with its risk.
#[derive(Debug, Serialize)]
pub struct Scored {
    /// Its commit; of a range that is scored as one change, the newest.
    pub commit: String,
    /// How many commits it is of.
    pub commits: usize,
    /// What the model says.
    #[serde(flatten)]
    pub score: Score,
    /// What would lower it.
    pub lower: Answer,
    /// Names of the features, for `lower`.
    #[serde(skip)]
    pub names: Vec<String>,
    /// Services or owners of its paths.
    pub services: BTreeSet<String>,
    /// From which risk on waiting is the cheaper mistake; none where nobody said what mistakes cost.
    pub hold_from: Option<f64>,
    /// Which way it goes.
    pub way: Way,
}

/// What a revision or a range came to.
#[derive(Debug, Serialize)]
pub struct Answered {
    /// A range as the one change that it will be when it is merged.
    pub whole: Option<Scored>,
    /// Its commits, the riskiest first.
    pub changes: Vec<Scored>,
    /// Commits that are not scored, since their owners have opted out: they go the standard way.
    pub opted_out: Vec<String>,
    /// The newest commit of what was asked.
    pub newest: String,
}

impl Answered {
    /// All that is told, the whole first.
    pub fn all(&self) -> impl Iterator<Item = &Scored> {
        self.whole.iter().chain(&self.changes)
    }

    /// The highest risk among them.
    #[must_use]
    pub fn highest(&self) -> f64 {
        self.all().map(|scored| scored.score.probability).fold(0.0, f64::max)
    }

    /// Whether any of them is held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.all().any(|scored| scored.way == Way::Held)
    }
}

/// Scores a revision, or a range: as one, and each commit of it.
///
/// # Errors
/// When there is no model, no such revision, or nothing to score.
pub fn score(repository: &Path, wanted: &Wanted<'_>, seen: &dyn Fn(usize, usize), note: &dyn Fn(&str)) -> Result<Answered> {
    if wanted.what.contains("...") {
        return Err(failure(exit::USAGE, format!("score {}: write a range with two dots, as main..topic", wanted.what)));
    }
    let folder = Folder::of(repository);
    let model = folder.read()?;
    let commits = meant(repository, wanted.what)?;
    // What is not in what was mined for training is mined from there and not kept.
    let mut history = folder.mine(repository, "HEAD", false, seen, note)?;
    if let Some(newest) = commits.first().filter(|id| history.mined.number(id).is_none()) {
        history = folder.mine(repository, &newest.to_string(), false, seen, note)?;
    }
    let History { mined, worded } = history;
    if mined.shallow {
        let why = format!(
            "score {}: the clone is shallow, and what was before it is not known: `git fetch --unshallow` gives the rest",
            wanted.what
        );
        if wanted.decides {
            return Err(failure(exit::NOT_PASSED, why));
        }
        note(&why);
    }
    let owners = Owners::known(repository, wanted.policy, &format!("score {}", wanted.what), note)?;
    let said = folder.said(&model);
    let scores = Scores { repository, wanted, model: &model, owners: &owners, mined: &mined, worded: &worded, said: &said, note };
    let (mut changes, opted_out) = scores.each(&commits)?;
    if changes.is_empty() && opted_out.is_empty() {
        let why =
            format!("score {}: there is nothing to score in it: merges and commits without files have no risk of their own", wanted.what);
        return Err(failure(exit::NOT_FOUND, why));
    }
    changes.sort_by(|a, b| b.score.probability.total_cmp(&a.score.probability));
    let whole = scores.whole(&commits)?;
    let newest = commits.first().map(ToString::to_string).unwrap_or_default();
    Ok(Answered { whole, changes, opted_out, newest })
}

/// What changes are scored with.
struct Scores<'a> {
    repository: &'a Path,
    wanted: &'a Wanted<'a>,
    model: &'a RiskModel,
    owners: &'a Owners,
    mined: &'a Mined,
    worded: &'a Worded,
    said: &'a Sayings,
    note: &'a dyn Fn(&str),
}

impl Scores<'_> {
    /// Every commit, and those whose owners have opted out.
    fn each(&self, commits: &[Id]) -> Result<(Vec<Scored>, Vec<String>)> {
        let (mut scored, mut opted_out) = (Vec::new(), Vec::new());
        for commit in commits {
            let change = self.mined.number(commit).and_then(|number| self.mined.changes().get(number.0 as usize));
            let unread =
                || format!("score {}: commit {commit} was not read: mine its branch anew, from a checkout of it", self.wanted.what);
            let change = change.ok_or_else(|| failure(exit::OUTSIDE, unread()))?;
            if change.merge() || change.files.is_empty() {
                continue;
            }
            let services = self.owners.of_change(self.mined, change);
            if self.owners.opted_out(&services) {
                opted_out.push(commit.to_string());
            } else {
                let said = self.worded.of(commit).map_or(f64::NAN, |words| self.said.of(words));
                scored.push(of(self.model, (change, said), services, self.wanted)?);
            }
        }
        Ok((scored, opted_out))
    }

    /// A range of several commits as one change.
    fn whole(&self, commits: &[Id]) -> Result<Option<Scored>> {
        let what = self.wanted.what;
        let Some((base, tip)) = what.split_once("..").filter(|_| commits.len() > 1) else { return Ok(None) };
        let end = |name: &str| if name.is_empty() { "HEAD".to_owned() } else { name.to_owned() };
        let whole = match as_one(self.repository, &end(base), &end(tip), None, &super::settings(), &self.mined.state) {
            Ok(whole) => whole,
            Err(why) if self.wanted.decides => return Err(failure(exit::NOT_PASSED, format!("score {what} as one change: {why}"))),
            Err(why) => {
                (self.note)(&format!("{what} is not scored as one change: {why}"));
                return Ok(None);
            }
        };
        let paths = whole.change.files.iter().map(|file| whole.paths.get(file.path.0 as usize).map(Vec::as_slice).unwrap_or_default());
        let services = self.owners.of_paths(paths);
        if self.owners.opted_out(&services) {
            (self.note)(&format!("{what} is not scored as one change: an owner of some of it has opted out"));
            return Ok(None);
        }
        let said = self.said.of(&self.worded.of_all(commits.iter()));
        of(self.model, (&whole.change, said), services, self.wanted).map(|scored| Some(Scored { commits: commits.len(), ..scored }))
    }
}

/// `said` is what its words say.
fn of(model: &RiskModel, (change, said): (&Change, f64), services: BTreeSet<String>, wanted: &Wanted<'_>) -> Result<Scored> {
    let row = row(model, change, said);
    let score = model.score(&row).map_err(|why| failure(exit::USAGE, why.to_string()))?;
    if !score.probability.is_finite() {
        let why = format!("score {}: what the model says of it is no number: train it anew", change.id);
        return Err(failure(exit::NOT_PASSED, why));
    }
    let lower = lowered(model, &row, wanted.below);
    let (hold_from, way) = way_of(&score, wanted.policy, &services);
    let (commit, names) = (change.id.to_string(), model.features().to_vec());
    Ok(Scored { commit, commits: 1, score, lower, names, services, hold_from, way })
}

/// What would lower the risk of a row below a probability.
pub fn lowered(model: &RiskModel, row: &[f64], below: f64) -> Answer {
    search(row, &levers(model, row), below, |row| model.probability(row).unwrap_or(1.0))
}

/// What people can change: fewer lines and files, more of them tests.
fn levers(model: &RiskModel, row: &[f64]) -> Vec<Lever> {
    let column = |name: &str| model.features().iter().position(|feature| feature == name);
    let less = |(name, share): &(&str, f64)| {
        let column = column(name)?;
        let bound = (row.get(column)? * share).max(if *name == "nf" { 1.0 } else { 0.0 });
        Some(Lever { column, bound: bound.round(), whole: true })
    };
    let tests = column("test_lines").filter(|column| row.get(*column).is_some_and(|share| *share < TEST_LINES));
    let mut levers: Vec<Lever> = LESS.iter().filter_map(less).collect();
    levers.extend(tests.map(|column| Lever { column, bound: TEST_LINES, whole: false }));
    levers
}

/// Commits that are meant, newest first.
fn meant(repository: &Path, what: &str) -> Result<Vec<Id>> {
    let unknown = |why: NotMined| {
        let why = format!("score {what}: the repository {} has no such revision: {why}; fetch it first", repository.display());
        failure(exit::NOT_FOUND, why)
    };
    let commits = commits(repository, what, CHANGES_MAX + 1).map_err(unknown)?;
    if commits.len() > CHANGES_MAX {
        return Err(failure(exit::USAGE, format!("score {what}: it has more than {CHANGES_MAX} commits: name a shorter range")));
    }
    if commits.is_empty() {
        return Err(failure(exit::NOT_FOUND, format!("score {what}: the range is empty")));
    }
    Ok(commits)
}
