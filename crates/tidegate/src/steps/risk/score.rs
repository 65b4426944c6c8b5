//! What the model says of changes: of one, of a range, each with its reasons and what would lower it.

use super::kept::{row, way_of};
use super::labels::Told;
use super::owners::OptedOut;
use super::reviews::{REVIEWERS, Reviews, Values};
use super::worded::Worded;
use super::{Folder, For, History, Owners};
use crate::clock;
use crate::exit::{self, failure};
use crate::workspace;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;
use tidegate_core::id::Digest;
use tidegate_core::risk::Way;
use tidegate_history::{Change, Id, Mined, NotMined, PathNumber, as_one, commits};
use tidegate_learn::counterfactual::{Answer, Lever, search};
use tidegate_learn::words::Sayings;
use tidegate_learn::{RiskModel, Score};
use tidegate_wire::config::RiskPolicy;

/// Changes of a range that are scored.
const CHANGES_MAX: usize = 1_000;
/// What would lower a risk is looked for until it is below this, where nobody says another.
pub const BELOW: f64 = 0.2;
/// What people can make less, to which share of it, and whether it comes in whole numbers.
const LESS: [(&str, f64); 2] = [("la", 0.1), ("nf", 0.1)];
/// What people can make less too, where there is room for another lever.
const LESS_LAST: (&str, f64) = ("ld", 0.1);
/// People who can be asked to review, by a forge or by trailers: the first that is known.
const MORE: [&str; 2] = [REVIEWERS, "reviewers"];
/// To how many.
const REVIEWERS_MOST: f64 = 3.0;
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
    /// What stands for what a forge did not tell; what is missing is taken at its worst without it.
    pub reviewed: Option<Values>,
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
    /// Commits of which all is of owners who have opted out: they are not scored, and go the standard way.
    pub opted_out: Vec<String>,
    /// Commits of which some is theirs and some is not: they are not scored, and nothing can be decided of them. A range that is one change is here
    /// under its newest commit.
    pub mixed: Vec<String>,
    /// The newest commit of what was asked.
    pub newest: String,
    /// The model that says it; none where it was not waited for.
    #[serde(skip)]
    pub by: Option<AnsweredBy>,
}

/// Which model it was.
#[derive(Clone, Debug)]
pub struct AnsweredBy {
    /// Digest of its file.
    pub model: Digest,
    /// Digest of what it has learnt from.
    pub training: String,
    /// When the last change happened whose end it knows, in seconds.
    pub known_until_s: i64,
}

impl Answered {
    /// All that is told, the whole first.
    pub fn all(&self) -> impl Iterator<Item = &Scored> {
        self.whole.iter().chain(&self.changes)
    }

    /// Nothing, since it took too long.
    #[must_use]
    pub fn late(newest: String) -> Answered {
        Answered { whole: None, changes: vec![], opted_out: vec![], mixed: vec![], newest, by: None }
    }

    /// Whether it took too long.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.by.is_none()
    }

    /// Whether something of it is to be decided and was not scored.
    #[must_use]
    pub fn undecided(&self) -> bool {
        self.is_late() || !self.mixed.is_empty()
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
    let (model, digest) = folder.read_with_digest()?;
    let commits = meant(repository, wanted.what)?;
    // What is not in what was mined for training is mined from there and not kept.
    let mut history = folder.mine(repository, "HEAD", For::Scores, seen, note)?;
    if let Some(newest) = commits.first().filter(|id| history.mined.number(id).is_none()) {
        history = folder.mine(repository, &newest.to_string(), For::Scores, seen, note)?;
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
    let reviews = &reviews(repository, wanted, &model, &mined, &commits)?;
    let scores = Scores { repository, wanted, model: &model, owners: &owners, mined: &mined, worded: &worded, said: &said, reviews, note };
    let Each { scored: mut changes, opted_out, mut mixed } = scores.each(&commits)?;
    if changes.is_empty() && opted_out.is_empty() && mixed.is_empty() {
        let why =
            format!("score {}: there is nothing to score in it: merges and commits without files have no risk of their own", wanted.what);
        return Err(failure(exit::NOT_FOUND, why));
    }
    changes.sort_by(|a, b| b.score.probability.total_cmp(&a.score.probability));
    let newest = commits.first().map(ToString::to_string).unwrap_or_default();
    let whole = match scores.whole(&commits)? {
        Whole::Scored(whole) => Some(*whole),
        Whole::None => None,
        Whole::Mixed => {
            if !mixed.contains(&newest) {
                mixed.push(newest.clone());
            }
            None
        }
    };
    let training = model.training();
    let by = AnsweredBy { model: digest, training: training.digest.clone(), known_until_s: training.known_until() };
    Ok(Answered { whole, changes, opted_out, mixed, newest, by: Some(by) })
}

/// What a forge told of these commits, where the model asks for it.
fn reviews(repository: &Path, wanted: &Wanted<'_>, model: &RiskModel, mined: &Mined, commits: &[Id]) -> Result<Reviews> {
    if !Reviews::asked_by(model) {
        return Ok(Reviews::default());
    }
    let told = Told::to(&workspace::places(repository)?, clock::now().0)?;
    let mut reviews = told.reviews(mined).of_range(commits);
    if let Some(values) = wanted.reviewed {
        commits.iter().for_each(|commit| reviews.assume(*commit, values));
    }
    Ok(reviews)
}

/// What the commits of a range came to.
#[derive(Default)]
struct Each {
    scored: Vec<Scored>,
    opted_out: Vec<String>,
    mixed: Vec<String>,
}

/// What a range came to as one change.
enum Whole {
    Scored(Box<Scored>),
    /// It is of one commit, or of owners who have opted out alone, or that cannot be told.
    None,
    /// An owner of some of it has opted out, and not of all.
    Mixed,
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
    reviews: &'a Reviews,
    note: &'a dyn Fn(&str),
}

impl Scores<'_> {
    /// Every commit, and those whose owners have opted out.
    fn each(&self, commits: &[Id]) -> Result<Each> {
        let mut each = Each::default();
        for commit in commits {
            let change = self.mined.number(commit).and_then(|number| self.mined.changes().get(number.0 as usize));
            let unread =
                || format!("score {}: commit {commit} was not read: mine its branch anew, from a checkout of it", self.wanted.what);
            let change = change.ok_or_else(|| failure(exit::OUTSIDE, unread()))?;
            if change.merge() || change.files.is_empty() {
                continue;
            }
            let services = self.owners.of_change(self.mined, change);
            match self.owners.out_of(paths(change, &|path| self.mined.path(path))) {
                OptedOut::All => each.opted_out.push(commit.to_string()),
                OptedOut::Some => each.mixed.push(commit.to_string()),
                OptedOut::None => {
                    let said = self.worded.of(commit).map_or(f64::NAN, |words| self.said.of(words));
                    each.scored.push(of(self.model, (change, said, self.reviews.values(commit)), services, self.wanted)?);
                }
            }
        }
        Ok(each)
    }

    /// A range of several commits as one change.
    fn whole(&self, commits: &[Id]) -> Result<Whole> {
        let what = self.wanted.what;
        let Some((base, tip)) = what.split_once("..").filter(|_| commits.len() > 1) else { return Ok(Whole::None) };
        let end = |name: &str| if name.is_empty() { "HEAD".to_owned() } else { name.to_owned() };
        let whole = match as_one(self.repository, &end(base), &end(tip), None, &super::settings(), &self.mined.state) {
            Ok(whole) => whole,
            Err(why) if self.wanted.decides => return Err(failure(exit::NOT_PASSED, format!("score {what} as one change: {why}"))),
            Err(why) => {
                (self.note)(&format!("{what} is not scored as one change: {why}"));
                return Ok(Whole::None);
            }
        };
        let path = |number: PathNumber| whole.paths.get(number.0 as usize).map(Vec::as_slice).unwrap_or_default();
        let files = paths(&whole.change, &path);
        let services = self.owners.of_paths(files.iter().flatten().copied());
        match self.owners.out_of(files) {
            OptedOut::None => {}
            OptedOut::All => {
                (self.note)(&format!("{what} is not scored as one change: the owners of all of it have opted out"));
                return Ok(Whole::None);
            }
            OptedOut::Some => {
                (self.note)(&format!("{what} is not scored as one change: an owner of some of it has opted out"));
                return Ok(Whole::Mixed);
            }
        }
        let said = self.said.of(&self.worded.of_all(commits.iter()));
        let reviewed = self.reviews.values(&whole.change.id);
        let scored = of(self.model, (&whole.change, said, reviewed), services, self.wanted)?;
        Ok(Whole::Scored(Box::new(Scored { commits: commits.len(), ..scored })))
    }
}

/// The paths of each file of a change, also that which it was renamed from.
fn paths<'p>(change: &Change, path: &dyn Fn(PathNumber) -> &'p [u8]) -> Vec<Vec<&'p [u8]>> {
    change.files.iter().map(|file| std::iter::once(file.path).chain(file.from).map(path).collect()).collect()
}

/// `said` is what its words say, `reviewed` what a forge told.
fn of(
    model: &RiskModel,
    (change, said, reviewed): (&Change, f64, Values),
    services: BTreeSet<String>,
    wanted: &Wanted<'_>,
) -> Result<Scored> {
    let row = row(model, change, said, reviewed);
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

/// What people can change: fewer lines and files, more reviewers, more tests.
fn levers(model: &RiskModel, row: &[f64]) -> Vec<Lever> {
    let column = |name: &str| model.features().iter().position(|feature| feature == name);
    let less = |(name, share): &(&str, f64)| {
        let column = column(name)?;
        let bound = (row.get(column)? * share).max(if *name == "nf" { 1.0 } else { 0.0 });
        Some(Lever { column, bound: bound.round(), whole: true })
    };
    let tests = column("test_lines").filter(|column| row.get(*column).is_some_and(|share| *share < TEST_LINES));
    // What is not known cannot be made more.
    let known = |name: &&str| column(name).filter(|column| row.get(*column).is_some_and(|value| !value.is_nan()));
    let reviewers = MORE.iter().find_map(known).filter(|column| row.get(*column).is_some_and(|count| *count < REVIEWERS_MOST));
    let mut levers: Vec<Lever> = LESS.iter().filter_map(less).collect();
    levers.extend(reviewers.map(|column| Lever { column, bound: REVIEWERS_MOST, whole: true }));
    levers.extend(tests.map(|column| Lever { column, bound: TEST_LINES, whole: false }));
    levers.extend(less(&LESS_LAST));
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
