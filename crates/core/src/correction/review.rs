//! Reviews after failures: which change caused one, and which did not, as one fact.
//!
//! Whoever is cleared by name is clean by that word, unless another review or somebody said that it hurt: a change that broke one thing
//! is not mended by having nothing to do with another. Changes that went out together and are not named are left to what the
//! history says of them: that one of them was found clears the others.

use super::{Corrected, Ended, REASON_BYTES_MAX, Refused, State, commit};
use crate::id::At;
use crate::line::line;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Changes that one review names.
pub const NAMED_MAX: usize = 1_000;
/// Reviews.
const REVIEWS_MAX: usize = 10_000;
/// Longest name of what was reviewed, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The incident or the deployment.
    pub of: String,
    /// Whole commits that caused it.
    pub causes: Vec<String>,
    /// Whole commits that did not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleared: Vec<String>,
    /// What had been traced of each that is named, where that is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub traced: BTreeMap<String, Ended>,
    /// What was found, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: At,
}

/// The review as it is kept; none where nothing is news.
pub(super) fn reviewed(state: &State, said: &Review) -> Result<Option<Review>, Refused> {
    let (of, reason) = (line(&said.of, NAME_BYTES_MAX), line(&said.reason, REASON_BYTES_MAX));
    if said.by.trim().is_empty() || reason.is_empty() {
        return Err(Refused::NoReason);
    }
    if of.is_empty() || said.of.len() > NAME_BYTES_MAX {
        return Err(Refused::NoName);
    }
    let named = said.causes.len() + said.cleared.len();
    if said.causes.is_empty() || named > NAMED_MAX {
        return Err(Refused::Named(named));
    }
    let whole = |all: &[String]| all.iter().map(|one| commit(one)).collect::<Result<BTreeSet<String>, Refused>>();
    let (causes, cleared) = (whole(&said.causes)?, whole(&said.cleared)?);
    if let Some(both) = causes.intersection(&cleared).next() {
        return Err(Refused::Both(both.clone()));
    }
    let hurt_elsewhere = |commit: &String| {
        let before = state.changes.get(commit);
        before.is_some_and(|before| before.ended == Ended::Hurt && before.review.as_ref() != Some(&of))
    };
    let cleared: Vec<String> = cleared.into_iter().filter(|commit| !hurt_elsewhere(commit)).collect();
    let new = causes.iter().chain(&cleared).filter(|commit| !state.changes.contains_key(*commit)).count();
    if state.changes.len() + new > super::CHANGES_MAX || (!state.reviews.contains_key(&of) && state.reviews.len() >= REVIEWS_MAX) {
        return Err(Refused::Full);
    }
    // What was traced before the first word is what the word is held against.
    let traced = |commit: &String| {
        let before = state.changes.get(commit).map(|before| before.traced);
        Some((commit.clone(), before.unwrap_or_else(|| said.traced.get(commit).copied())?))
    };
    let traced = causes.iter().chain(&cleared).filter_map(traced).collect();
    let finding = said.finding.as_ref().map(|finding| line(finding, REASON_BYTES_MAX)).filter(|finding| !finding.is_empty());
    let causes = causes.into_iter().collect();
    let review = Review { of: of.clone(), causes, cleared, traced, finding, by: said.by.clone(), reason, at: said.at };
    let same = |before: &Review| Review { at: review.at, by: review.by.clone(), ..before.clone() } == review;
    Ok((!state.reviews.get(&of).is_some_and(same)).then_some(review))
}

/// Takes a review in: a second one of the same takes the place of the first.
pub(super) fn evolve(state: &mut State, review: &Review) {
    state.changes.retain(|_, said| said.review.as_ref() != Some(&review.of));
    let word = |ended| {
        move |commit: &String| Corrected {
            commit: commit.clone(),
            ended,
            traced: review.traced.get(commit).copied(),
            review: Some(review.of.clone()),
            by: review.by.clone(),
            reason: review.reason.clone(),
            at: review.at,
        }
    };
    let words = review.causes.iter().map(word(Ended::Hurt)).chain(review.cleared.iter().map(word(Ended::Clean)));
    state.changes.extend(words.map(|said| (said.commit.clone(), said)));
    state.reviews.insert(review.of.clone(), review.clone());
}
