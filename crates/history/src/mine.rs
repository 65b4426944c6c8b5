//! A repository mined: git is asked once, and each commit folded in as it comes.

use crate::change::{AuthorNumber, Change, ChangeNumber, Id, Link, PathNumber};
use crate::fold::Fold;
use crate::git::{GitFailed, Repository, Running};
use crate::label::{Maturity, label};
use crate::log::Log;
use crate::parse::{Malformed, Parser, Raw};
use crate::settings::Settings;
use crate::state::{NoState, State};
use crate::tree::Tree;
use std::collections::HashMap;
use std::io::BufReader;
use std::path::Path;
use std::process::ChildStdout;

/// How many of the newest commits a state keeps the lines of, so that branches that start there can be read without the history.
const KEPT_MAX: usize = 400;

/// How a result came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Everything was read.
    Full,
    /// Only what is new was read.
    Incremental,
    /// The same, beside what is no ancestor: see [`mine_beside`].
    Beside,
    /// Everything was read although there was a state: it was made with other settings.
    OtherSettings,
    /// The same: the history was written anew since, is another one, or is or was that of a shallow clone.
    OtherHistory,
    /// The same: something new starts at a commit too old for the state to know its lines.
    OldBranch,
}

/// A mined repository.
#[derive(Clone, Debug)]
pub struct Mined {
    /// What the next run goes on from; it holds everything that was mined.
    pub state: State,
    /// From which age on clean is clean.
    pub maturity: Maturity,
    /// How it came about.
    pub how: How,
    /// How many commits were read in this run.
    pub read: usize,
    /// Whether the repository is a shallow clone: its first commits look like imports, and histories begin there.
    pub shallow: bool,
}

impl Mined {
    /// What a state says by itself: git is not asked, what came since is not known, and nothing can be gone on with from here.
    ///
    /// # Errors
    /// When it was made with other settings, whose labels would be others.
    pub fn of_state(mut state: State, settings: &Settings) -> Result<Mined, NoState> {
        if state.settings != settings.digest() {
            return Err(NoState::Unreadable("it was made with other settings"));
        }
        // Lines are for whoever reads on, and are most of what it weighs.
        state.kept = Vec::new();
        let links = std::mem::take(&mut state.log.links);
        let maturity = label(&mut state.log.changes, &links, settings);
        state.log.links = links;
        let shallow = state.shallow;
        Ok(Mined { state, maturity, how: How::Incremental, read: 0, shallow })
    }

    /// The newest commit that was read.
    #[must_use]
    pub fn tip(&self) -> Id {
        self.state.tip
    }

    /// All changes, parents first.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.state.log.changes
    }

    /// Every path that a file ever had.
    #[must_use]
    pub fn paths(&self) -> &[Vec<u8>] {
        &self.state.log.paths
    }

    /// The path of a number; empty where there is none.
    #[must_use]
    pub fn path(&self, number: PathNumber) -> &[u8] {
        self.paths().get(number.0 as usize).map(Vec::as_slice).unwrap_or_default()
    }

    /// What was traced to what, file by file.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.state.log.links
    }

    /// The number of a commit.
    #[must_use]
    pub fn number(&self, id: &Id) -> Option<ChangeNumber> {
        self.state.log.number(id).map(ChangeNumber)
    }

    /// How many authors there are.
    #[must_use]
    pub fn authors(&self) -> usize {
        self.state.log.authors.len()
    }
}

/// A commit as it is read: what is seen once and not kept.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The change.
    pub number: ChangeNumber,
    /// Its commit.
    pub id: Id,
    /// Its author.
    pub author: AuthorNumber,
    /// Its message, cut at 64 KiB.
    pub message: &'a [u8],
    /// Lines that it adds, without those of lock files, whole lines up to 16 KiB.
    pub added: &'a [u8],
    /// How many commits were read, with this one.
    pub done: usize,
    /// How many will be.
    pub total: usize,
}

/// Why a repository was not mined.
#[derive(Debug, thiserror::Error)]
pub enum NotMined {
    /// Git did not answer.
    #[error(transparent)]
    Git(#[from] GitFailed),
    /// Its answer is not understood.
    #[error("the history could not be read: {0}; run `git fsck`, and tell which version of git this is")]
    Malformed(#[from] Malformed),
    /// A commit is not understood.
    #[error("commit {id} could not be taken in: {why}")]
    Commit {
        /// Which.
        id: Id,
        /// Why not.
        why: String,
    },
}

/// Mines the history of `tip` (a branch, a commit, `HEAD`), going on from a state where that is possible.
///
/// What was seen of each new commit is handed to `progress`, oldest first.
///
/// # Errors
/// When git cannot be run, or says what is not understood.
pub fn mine(
    repository: &Path,
    tip: &str,
    settings: &Settings,
    previous: Option<State>,
    progress: &mut dyn FnMut(Seen<'_>),
) -> Result<Mined, NotMined> {
    mine_from(repository, tip, settings, previous.map(|state| (state, Below::Only)), progress)
}

/// The same, going on from a state that need not be of an ancestor: a branch is read beside what it left. What is measured of each change is the
/// same, for it is of its ancestors alone; other commits are among the changes, too, and count in labels, so that this is for asking and not for
/// keeping.
///
/// # Errors
/// When git cannot be run, or says what is not understood.
pub fn mine_beside(
    repository: &Path,
    tip: &str,
    settings: &Settings,
    previous: State,
    progress: &mut dyn FnMut(Seen<'_>),
) -> Result<Mined, NotMined> {
    mine_from(repository, tip, settings, Some((previous, Below::Beside)), progress)
}

/// What a state may be of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    /// Of an ancestor.
    Only,
    /// Of any commit.
    Beside,
}

fn mine_from(
    repository: &Path,
    tip: &str,
    settings: &Settings,
    previous: Option<(State, Below)>,
    progress: &mut dyn FnMut(Seen<'_>),
) -> Result<Mined, NotMined> {
    let repository = Repository::open(repository)?;
    let tip = repository.commit(tip)?;
    let shallow = repository.shallow()?;
    let (mut how, mut run) = (How::Full, None);
    if let Some((previous, below)) = previous {
        match resume(&repository, tip, settings, previous, shallow, below)? {
            Ok((resumed, came)) => (how, run) = (came, Some(resumed)),
            Err(why) => how = why,
        }
    }
    let run = match run {
        Some(run) => run,
        None => Run { log: Log::default(), kept: Vec::new(), without: None, commits: repository.commits(tip, None)? },
    };
    let read = run.commits.len();
    let (mut log, kept) = read_commits(&repository, tip, settings, run, progress)?;
    let links = std::mem::take(&mut log.links);
    let maturity = label(&mut log.changes, &links, settings);
    log.links = links;
    Ok(Mined { state: State { tip, shallow, settings: settings.digest(), log, kept }, maturity, how, read, shallow })
}

/// What is to be read, and what is known before.
struct Run {
    log: Log,
    kept: Vec<(u32, crate::fold::Live)>,
    without: Option<Id>,
    commits: Vec<Vec<Id>>,
}

/// Whether a state can be gone on from, and how, or why not.
fn resume(
    repository: &Repository,
    tip: Id,
    settings: &Settings,
    previous: State,
    shallow: bool,
    below: Below,
) -> Result<Result<(Run, How), How>, NotMined> {
    if previous.settings != settings.digest() {
        return Ok(Err(How::OtherSettings));
    }
    if shallow || previous.shallow {
        return Ok(Err(How::OtherHistory));
    }
    let descends = repository.descends(previous.tip, tip)?;
    // A commit that was written anew may be gone from the repository.
    if !descends && (below == Below::Only || repository.commit(&previous.tip.to_string()).is_err()) {
        return Ok(Err(How::OtherHistory));
    }
    let without = Some(previous.tip);
    let commits = repository.commits(tip, without)?;
    let new: std::collections::HashSet<&Id> = commits.iter().filter_map(|ids| ids.first()).collect();
    let old = |id: &&Id| !new.contains(*id);
    let starts = commits.iter().flat_map(|ids| ids.iter().skip(1)).filter(old);
    let mut kept = Vec::new();
    for number in starts.map(|id| previous.log.number(id)) {
        let Some(number) = number else { return Ok(Err(How::OtherHistory)) };
        if kept.iter().any(|(known, _)| *known == number) {
            continue;
        }
        let Some(live) = previous.live(number) else { return Ok(Err(How::OldBranch)) };
        kept.push((number, live));
    }
    // The newest that were kept stay, as long as there is room.
    let others: Vec<u32> =
        previous.kept.iter().map(|(number, _)| *number).filter(|number| !kept.iter().any(|(k, _)| k == number)).collect();
    let room = KEPT_MAX.saturating_sub(commits.len() + kept.len());
    for number in others.iter().rev().take(room) {
        let tree = previous.kept.iter().find(|(known, _)| known == number).map(|(_, tree)| tree.clone()).unwrap_or_default();
        // Nobody new descends from it: its ancestors are not asked for.
        kept.push((*number, crate::fold::Live { tree, seen: Default::default() }));
    }
    let how = if descends { How::Incremental } else { How::Beside };
    Ok(Ok((Run { log: previous.log, kept, without, commits }, how)))
}

type Trees = Vec<(u32, Tree)>;

/// Reads the commits of a run, and gives what is known then with the trees that a state keeps.
fn read_commits(
    repository: &Repository,
    tip: Id,
    settings: &Settings,
    run: Run,
    progress: &mut dyn FnMut(Seen<'_>),
) -> Result<(Log, Trees), NotMined> {
    let mut fold = Fold::new(run.log, settings);
    let before = fold.log.changes.len();
    let total = run.commits.len();
    let mut keeps: Vec<u32> = run.kept.iter().map(|(number, _)| *number).collect();
    run.kept.into_iter().for_each(|(number, live)| fold.revive(number, live));
    if total == 0 {
        return Ok((std::mem::take(&mut fold.log), trees(&keeps, &fold)));
    }
    let newest = before + total.saturating_sub(KEPT_MAX);
    let mut children = children(&run.commits);
    let (running, output) = repository.history(tip, run.without, false)?;
    let mut parser = Parser::new(output);
    let mut merges: Option<Merges> = None;
    let mut done = 0;
    while let Some(commit) = parser.commit()? {
        let against_first = match (commit.parents.len() > 1, &mut merges) {
            (false, _) => Vec::new(),
            (true, Some(merges)) => merges.of(commit.id)?,
            (true, none) => none.insert(Merges::start(repository, tip, run.without)?).of(commit.id)?,
        };
        let mut ended = Vec::new();
        for parent in &commit.parents {
            let left = children.get_mut(parent).map(|left| {
                *left = left.saturating_sub(1);
                *left
            });
            ended.extend(fold.log.number(parent).filter(|number| left == Some(0) && !keeps.contains(number)));
        }
        let number = fold.log.next();
        let taken = fold.take(&commit, &against_first, &|parent| ended.contains(&parent));
        taken.map_err(|why| NotMined::Commit { id: commit.id, why: why.to_string() })?;
        if number.0 as usize >= newest {
            keeps.push(number.0);
        } else if children.get(&commit.id).copied().unwrap_or(0) == 0 {
            fold.drop(number.0);
        }
        done += 1;
        let author = fold.log.change(number.0).map_or(AuthorNumber(0), |change| change.author);
        progress(Seen { number, id: commit.id, author, message: &commit.message, added: &commit.added, done, total });
    }
    running.end()?;
    if let Some(merges) = merges {
        merges.running.end()?;
    }
    if done != total {
        return Err(NotMined::Commit { id: tip, why: format!("git told of {total} commits and then of {done}; mine again") });
    }
    keeps.sort_unstable();
    let oldest = keeps.len().saturating_sub(KEPT_MAX);
    let keeps = keeps.get(oldest..).unwrap_or_default();
    Ok((std::mem::take(&mut fold.log), trees(keeps, &fold)))
}

fn trees(keeps: &[u32], fold: &Fold<'_>) -> Trees {
    keeps.iter().filter_map(|number| Some((*number, fold.live(*number)?.tree.clone()))).collect()
}

/// How many commits of a run descend from each.
fn children(commits: &[Vec<Id>]) -> HashMap<Id, u32> {
    let mut children = HashMap::new();
    for parent in commits.iter().flat_map(|ids| ids.iter().skip(1)) {
        *children.entry(*parent).or_default() += 1;
    }
    children
}

/// The merges of a run, in the order of the run.
struct Merges {
    running: Running,
    parser: Parser<BufReader<ChildStdout>>,
}

impl Merges {
    fn start(repository: &Repository, tip: Id, without: Option<Id>) -> Result<Merges, GitFailed> {
        let (running, output) = repository.history(tip, without, true)?;
        Ok(Merges { running, parser: Parser::new(output) })
    }

    fn of(&mut self, id: Id) -> Result<Vec<Raw>, NotMined> {
        match self.parser.merge()? {
            Some((of, files)) if of == id => Ok(files),
            _ => Err(NotMined::Commit { id, why: "git told of its merges in another order; mine again".to_owned() }),
        }
    }
}
