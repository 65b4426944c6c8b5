//! What the model says of changes: of one, of a range, each with its reasons and what would lower it.

use super::Folder;
use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use tidegate_history::{CODEOWNERS_BYTES_MAX, Change, Id, NotMined, Services, Settings, as_one, commits};
use tidegate_learn::counterfactual::{Answer, Lever, search};
use tidegate_learn::{RiskModel, Score};

/// Changes of a range that are scored.
const CHANGES_MAX: usize = 1_000;
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
}

/// What a revision or a range came to.
#[derive(Debug, Serialize)]
pub struct Answered {
    /// A range as the one change that it will be when it is merged.
    pub whole: Option<Scored>,
    /// Its commits, the riskiest first.
    pub changes: Vec<Scored>,
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
    let mut mined = folder.mine(repository, "HEAD", false, seen, note)?;
    if let Some(newest) = commits.first().filter(|id| mined.number(id).is_none()) {
        mined = folder.mine(repository, &newest.to_string(), false, seen, note)?;
    }
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
    let owners = owners(repository, note)?;
    let mut scored = Vec::new();
    for commit in &commits {
        let change = mined.number(commit).and_then(|number| mined.changes().get(number.0 as usize));
        let unread = || {
            failure(
                exit::OUTSIDE,
                format!("score {}: commit {commit} was not read: mine its branch anew, from a checkout of it", wanted.what),
            )
        };
        let change = change.ok_or_else(unread)?;
        if change.merge() || change.files.is_empty() {
            continue;
        }
        let services = owners.as_ref().map(|owners| owners.of_change(&mined, change).into_iter().map(str::to_owned).collect());
        scored.push(of(&model, change, services.unwrap_or_default(), wanted.below)?);
    }
    if scored.is_empty() {
        let why =
            format!("score {}: there is nothing to score in it: merges and commits without files have no risk of their own", wanted.what);
        return Err(failure(exit::NOT_FOUND, why));
    }
    scored.sort_by(|a, b| b.score.probability.total_cmp(&a.score.probability));
    let ends = wanted.what.split_once("..").filter(|(_, tip)| commits.len() > 1 && !tip.starts_with('.'));
    let whole = ends.and_then(|(base, tip)| {
        let end = |name: &str| if name.is_empty() { "HEAD".to_owned() } else { name.to_owned() };
        match as_one(repository, &end(base), &end(tip), None, &Settings::default(), &mined.state) {
            Ok(whole) => Some(Ok(whole)),
            Err(why) if wanted.decides => Some(Err(failure(exit::NOT_PASSED, format!("score {} as one change: {why}", wanted.what)))),
            Err(why) => {
                note(&format!("{} is not scored as one change: {why}", wanted.what));
                None
            }
        }
    });
    let whole = whole.transpose()?.map(|whole| {
        let path = |number: tidegate_history::PathNumber| whole.paths.get(number.0 as usize).map(Vec::as_slice).unwrap_or_default();
        let of_path = |owners: &Services| {
            let all = whole
                .change
                .files
                .iter()
                .flat_map(|file| owners.of_path(path(file.path)).into_iter().map(str::to_owned).collect::<Vec<_>>());
            all.collect::<BTreeSet<String>>()
        };
        let services = owners.as_ref().map(of_path).unwrap_or_default();
        of(&model, &whole.change, services, wanted.below).map(|scored| Scored { commits: commits.len(), ..scored })
    });
    Ok(Answered { whole: whole.transpose()?, changes: scored })
}

fn of(model: &RiskModel, change: &Change, services: BTreeSet<String>, below: f64) -> Result<Scored> {
    let values = change.features.values();
    // Features that the model knows, by their names: one that another release of this program measures is missing, which never lowers a risk.
    let value =
        |name: &String| tidegate_history::Features::NAMES.iter().position(|known| known == name).and_then(|at| values.get(at).copied());
    let row: Vec<f64> = model.features().iter().map(|name| value(name).unwrap_or(f64::NAN)).collect();
    let wrong = |why: tidegate_learn::WrongRow| failure(exit::USAGE, why.to_string());
    let score = model.score(&row).map_err(wrong)?;
    let lower = search(&row, &levers(model, &row), below, |row| model.probability(row).unwrap_or(1.0));
    Ok(Scored { commit: change.id.to_string(), commits: 1, score, lower, names: model.features().to_vec(), services })
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

/// Whose paths are whose, where the repository says it.
fn owners(repository: &Path, note: &dyn Fn(&str)) -> Result<Option<Services>> {
    let Some(file) = Services::CODEOWNERS.iter().map(|name| repository.join(name)).find(|file| file.is_file()) else { return Ok(None) };
    let read = || format!("read {}", file.display());
    let mut bytes = Vec::new();
    // One more than may be, so that a longer file is refused as such.
    let most = CODEOWNERS_BYTES_MAX as u64 + 1;
    std::fs::File::open(&file).and_then(|file| file.take(most).read_to_end(&mut bytes)).with_context(read)?;
    let text = String::from_utf8_lossy(&bytes);
    match Services::by_codeowners(&text) {
        Ok(owners) => Ok(Some(owners)),
        Err(why) => {
            note(&format!("{}: {why}: owners are not told", file.display()));
            Ok(None)
        }
    }
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
