//! What people say became of a change, where they know better than what was traced: a label with a reason, which is recorded and can be
//! said anew. Not here: what is traced (`history`, `delivery`), and which of them counts.

use crate::id::At;
use crate::line::line;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Changes of which somebody said something.
pub const CHANGES_MAX: usize = 100_000;
/// Longest reason that is kept, in bytes.
const REASON_BYTES_MAX: usize = 4_096;
/// Digits of a whole commit: SHA-1's and SHA-256's.
const COMMIT_DIGITS: [usize; 2] = [40, 64];

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It did harm.
    Hurt,
    /// It did none.
    Clean,
    /// It cannot be told: it is learnt from no more.
    Unknown,
}

/// What somebody said of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corrected {
    /// The whole commit, in hexadecimal digits.
    pub commit: String,
    /// What became of it.
    pub ended: Ended,
    /// What had been traced, where that is known: how often it was wrong tells how noisy labels are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traced: Option<Ended>,
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: At,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody said it.
    Corrected(Corrected),
}

/// Why nothing was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Who and why are recorded.
    #[error("correct the label of a change: say who and why: it is recorded")]
    NoReason,
    /// A commit has a whole name.
    #[error("correct the label of a change: `{0}` is no whole commit: give its 40 or 64 hexadecimal digits, as `git rev-parse` tells them")]
    NoCommit(String),
    /// Enough is said.
    #[error("correct the label of a change: {CHANGES_MAX} have been corrected, as many as there may be")]
    Full,
}

/// The newest word on each change, by its commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// By commit.
    pub changes: BTreeMap<String, Corrected>,
}

/// What people said of all changes of a workspace.
#[derive(Clone, Copy, Debug)]
pub struct Corrections;

impl Corrections {
    /// The one stream of its records.
    pub const STREAM: &'static str = "correction/changes";
}

impl Machine for Corrections {
    const KIND: &'static str = "correction";
    type State = State;
    type Command = Corrected;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, said: &Corrected) -> Result<Vec<Event>, Refused> {
        let commit = said.commit.trim().to_ascii_lowercase();
        let reason = line(said.reason.trim(), REASON_BYTES_MAX);
        if said.by.trim().is_empty() || reason.is_empty() {
            return Err(Refused::NoReason);
        }
        if !COMMIT_DIGITS.contains(&commit.len()) || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Refused::NoCommit(line(&said.commit, 100)));
        }
        match state.changes.get(&commit) {
            Some(before) if before.ended == said.ended && before.reason == reason => return Ok(vec![]),
            None if state.changes.len() >= CHANGES_MAX => return Err(Refused::Full),
            _ => {}
        }
        // What was traced before the first correction is what the correction is held against.
        let traced = state.changes.get(&commit).map_or(said.traced, |before| before.traced);
        Ok(vec![Event::Corrected(Corrected { commit, reason, traced, ..said.clone() })])
    }

    fn evolve(mut state: State, event: &Event) -> State {
        let Event::Corrected(said) = event;
        state.changes.insert(said.commit.clone(), said.clone());
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(commit: &str, ended: Ended, reason: &str) -> Corrected {
        Corrected {
            commit: commit.to_owned(),
            ended,
            traced: Some(Ended::Clean),
            by: "ada".to_owned(),
            reason: reason.to_owned(),
            at: At(1),
        }
    }

    #[test]
    fn the_newest_word_counts_and_the_first_trace_stays() {
        let commit = "A".repeat(40);
        let first = Corrections::decide(&State::default(), &said(&commit, Ended::Hurt, "it broke the till\n")).unwrap();
        let state = Corrections::replay(&first);
        assert_eq!(state.changes[&"a".repeat(40)].reason, "it broke the till");
        assert_eq!(Corrections::decide(&state, &said(&commit, Ended::Hurt, "it broke the till")), Ok(vec![]), "said twice is said once");
        let second = Corrected { traced: Some(Ended::Hurt), ..said(&commit, Ended::Unknown, "it was the network") };
        let state = Corrections::replay(first.iter().chain(&Corrections::decide(&state, &second).unwrap()));
        let now = &state.changes[&"a".repeat(40)];
        assert_eq!((now.ended, now.traced), (Ended::Unknown, Some(Ended::Clean)));
    }

    #[test]
    fn a_word_has_an_author_a_reason_and_a_whole_commit() {
        let state = State::default();
        assert_eq!(Corrections::decide(&state, &said(&"a".repeat(40), Ended::Hurt, " ")), Err(Refused::NoReason));
        let nobody = Corrected { by: " ".to_owned(), ..said(&"a".repeat(40), Ended::Hurt, "why") };
        assert_eq!(Corrections::decide(&state, &nobody), Err(Refused::NoReason));
        for commit in ["HEAD", "abc1234", &"g".repeat(40), ""] {
            assert!(matches!(Corrections::decide(&state, &said(commit, Ended::Hurt, "why")), Err(Refused::NoCommit(_))), "{commit}");
        }
    }
}
