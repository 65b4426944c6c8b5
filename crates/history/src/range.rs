//! Several commits: which ones a range names, and what a branch will be once it is merged as one change.

use crate::change::{Change, Id};
use crate::fold::Fold;
use crate::git::Repository;
use crate::mine::NotMined;
use crate::parse::{MESSAGE_BYTES_MAX, Parser};
use crate::settings::Settings;
use crate::state::State;
use std::path::Path;

/// The commits of a revision (itself alone) or of a range as `main..topic`, newest first, at most so many.
///
/// # Errors
/// When git cannot be run, or knows no such revision.
pub fn commits(repository: &Path, what: &str, most: usize) -> Result<Vec<Id>, NotMined> {
    let most = if what.contains("..") { most } else { 1 };
    Ok(Repository::open(repository)?.named(what, most)?)
}

/// A branch as one change.
#[derive(Clone, Debug)]
pub struct AsOne {
    /// The change, under the id and with author and time of the newest commit. Its one parent is where the branch begins.
    pub change: Change,
    /// Every path, by its number.
    pub paths: Vec<Vec<u8>>,
}

/// Measures what `tip` changes since it left `base`, as of where it left; `message` is that of the whole (a pull request's title and text),
/// otherwise that of the newest commit counts.
///
/// # Errors
/// When git cannot be run, or when the state does not know the lines of where the branch begins: mine `base` first.
pub fn as_one(
    repository: &Path,
    base: &str,
    tip: &str,
    message: Option<&[u8]>,
    settings: &Settings,
    state: &State,
) -> Result<AsOne, NotMined> {
    let repository = Repository::open(repository)?;
    let (base, tip) = (repository.commit(base)?, repository.commit(tip)?);
    let fork = repository.fork(base, tip)?;
    let unknown =
        || NotMined::Commit { id: fork, why: "its lines are not among those that the state keeps: mine its branch anew".to_owned() };
    let number = state.log.number(&fork).ok_or_else(unknown)?;
    let live = state.live(number).ok_or_else(unknown)?;
    let (running, output) = repository.difference(fork, tip)?;
    let mut parser = Parser::new(output);
    let none = || NotMined::Commit { id: tip, why: "git says nothing of it".to_owned() };
    let mut commit = parser.commit()?.ok_or_else(none)?;
    running.end()?;
    if let Some(message) = message {
        commit.message = message.iter().copied().take(MESSAGE_BYTES_MAX).collect();
    }
    let mut fold = Fold::new(state.log.clone(), settings);
    fold.revive(number, live);
    fold.take(&commit, &[], &|_| true).map_err(|why| NotMined::Commit { id: tip, why: why.to_string() })?;
    let change = fold.log.changes.pop().ok_or_else(none)?;
    Ok(AsOne { change, paths: fold.log.paths })
}
