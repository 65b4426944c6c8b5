//! What people say became of a change, where they know better than what was traced: a label with a reason, which is recorded and can be
//! said anew, of one change or, after a failure, of those that went out with it. Not here: what is traced (`history`, `delivery`), and
//! which of them counts.

mod review;

pub use review::{NAMED_MAX, Review};

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
    /// The failure whose review says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<String>,
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: At,
}

/// What somebody says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// What became of one change.
    Correct(Corrected),
    /// What a failure came from.
    Review(Review),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody said it.
    Corrected(Corrected),
    /// Somebody found what a failure came from.
    Reviewed(Review),
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
    /// It must be known of what it is.
    #[error("review a failure: name the incident or the deployment, in at most 200 bytes")]
    NoName,
    /// Of nothing, or of too much.
    #[error("review a failure: it names {0} changes; name what caused it, and at most {NAMED_MAX} in all")]
    Named(usize),
    /// One or the other.
    #[error("review a failure: {0} cannot have caused it and have nothing to do with it")]
    Both(String),
    /// Enough is said.
    #[error("correct the label of a change: {CHANGES_MAX} have been corrected, as many as there may be")]
    Full,
}

/// The newest word on each change, by its commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// By commit.
    pub changes: BTreeMap<String, Corrected>,
    /// The newest review of each failure.
    pub reviews: BTreeMap<String, Review>,
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
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        match command {
            Command::Correct(said) => Ok(corrected(state, said)?.into_iter().map(Event::Corrected).collect()),
            Command::Review(said) => Ok(review::reviewed(state, said)?.into_iter().map(Event::Reviewed).collect()),
        }
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::Corrected(said) => {
                state.changes.insert(said.commit.clone(), said.clone());
            }
            Event::Reviewed(review) => review::evolve(&mut state, review),
        }
        state
    }
}

/// A whole commit as it is kept.
fn commit(text: &str) -> Result<String, Refused> {
    let commit = text.trim().to_ascii_lowercase();
    let fits = COMMIT_DIGITS.contains(&commit.len()) && commit.bytes().all(|b| b.is_ascii_hexdigit());
    if fits { Ok(commit) } else { Err(Refused::NoCommit(line(text, 100))) }
}

/// The word as it is kept; none where it is no news.
fn corrected(state: &State, said: &Corrected) -> Result<Option<Corrected>, Refused> {
    let reason = line(said.reason.trim(), REASON_BYTES_MAX);
    if said.by.trim().is_empty() || reason.is_empty() {
        return Err(Refused::NoReason);
    }
    let commit = commit(&said.commit)?;
    match state.changes.get(&commit) {
        Some(before) if before.ended == said.ended && before.reason == reason => return Ok(None),
        None if state.changes.len() >= CHANGES_MAX => return Err(Refused::Full),
        _ => {}
    }
    // What was traced before the first correction is what the correction is held against.
    let traced = state.changes.get(&commit).map_or(said.traced, |before| before.traced);
    Ok(Some(Corrected { commit, reason, traced, review: None, ..said.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn correct(state: &State, said: &Corrected) -> Result<Vec<Event>, Refused> {
        Corrections::decide(state, &Command::Correct(said.clone()))
    }

    fn said(commit: &str, ended: Ended, reason: &str) -> Corrected {
        Corrected {
            commit: commit.to_owned(),
            ended,
            traced: Some(Ended::Clean),
            review: None,
            by: "ada".to_owned(),
            reason: reason.to_owned(),
            at: At(1),
        }
    }

    #[test]
    fn the_newest_word_counts_and_the_first_trace_stays() {
        let commit = "A".repeat(40);
        let first = correct(&State::default(), &said(&commit, Ended::Hurt, "it broke the till\n")).unwrap();
        let state = Corrections::replay(&first);
        assert_eq!(state.changes[&"a".repeat(40)].reason, "it broke the till");
        assert_eq!(correct(&state, &said(&commit, Ended::Hurt, "it broke the till")), Ok(vec![]), "said twice is said once");
        let second = Corrected { traced: Some(Ended::Hurt), ..said(&commit, Ended::Unknown, "it was the network") };
        let state = Corrections::replay(first.iter().chain(&correct(&state, &second).unwrap()));
        let now = &state.changes[&"a".repeat(40)];
        assert_eq!((now.ended, now.traced), (Ended::Unknown, Some(Ended::Clean)));
    }

    #[test]
    fn a_word_has_an_author_a_reason_and_a_whole_commit() {
        let state = State::default();
        assert_eq!(correct(&state, &said(&"a".repeat(40), Ended::Hurt, " ")), Err(Refused::NoReason));
        let nobody = Corrected { by: " ".to_owned(), ..said(&"a".repeat(40), Ended::Hurt, "why") };
        assert_eq!(correct(&state, &nobody), Err(Refused::NoReason));
        for commit in ["HEAD", "abc1234", &"g".repeat(40), ""] {
            assert!(matches!(correct(&state, &said(commit, Ended::Hurt, "why")), Err(Refused::NoCommit(_))), "{commit}");
        }
    }
    fn review(of: &str, causes: &str, cleared: &str) -> Review {
        let all = |digits: &str| digits.chars().map(|digit| digit.to_string().repeat(40)).collect::<Vec<_>>();
        Review {
            of: of.to_owned(),
            causes: all(causes),
            cleared: all(cleared),
            traced: [("a".repeat(40), Ended::Clean)].into(),
            finding: None,
            by: "ada".to_owned(),
            reason: "the log says so".to_owned(),
            at: At(5),
        }
    }

    fn reviews(state: State, said: &Review) -> State {
        Corrections::decide(&state, &Command::Review(said.clone())).unwrap().iter().fold(state, Corrections::evolve)
    }

    fn ended(state: &State) -> Vec<(char, Ended, Option<&str>)> {
        let one = |(commit, said)| -> (char, Ended, Option<&str>) {
            let (commit, said): (&String, &Corrected) = (commit, said);
            (commit.chars().next().unwrap(), said.ended, said.review.as_deref())
        };
        state.changes.iter().map(one).collect()
    }

    #[test]
    fn a_review_is_one_fact_and_tells_of_every_change_that_it_names() {
        let said = review("INC-7", "a", "bc");
        let events = Corrections::decide(&State::default(), &Command::Review(said.clone())).unwrap();
        assert_eq!(events.len(), 1);
        let text = serde_json::to_string(&events[0]).unwrap();
        assert!(text.starts_with(r#"{"event":"reviewed","of":"INC-7","causes":["aaaa"#), "{text}");
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), events[0]);
        let state = reviews(State::default(), &said);
        let inc7 = Some("INC-7");
        assert_eq!(ended(&state), [('a', Ended::Hurt, inc7), ('b', Ended::Clean, inc7), ('c', Ended::Clean, inc7)]);
        assert_eq!(state.changes[&"a".repeat(40)].traced, Some(Ended::Clean));
        assert_eq!(Corrections::decide(&state, &Command::Review(said)), Ok(vec![]), "said twice is said once");
        // Another finding takes its place; a word on one change stands above it.
        let state = reviews(state, &review("INC-7", "b", ""));
        assert_eq!(ended(&state), [('b', Ended::Hurt, inc7)]);
        let word = correct(&state, &self::said(&"b".repeat(40), Ended::Unknown, "nobody knows")).unwrap();
        let state = word.iter().fold(state, Corrections::evolve);
        assert_eq!(ended(&state), [('b', Ended::Unknown, None)]);
        assert_eq!(state.reviews.len(), 1, "it was reviewed all the same");
    }

    #[test]
    fn who_hurt_once_is_not_cleared_by_another_failure() {
        let state = reviews(reviews(State::default(), &review("INC-7", "a", "")), &review("INC-8", "b", "a"));
        assert_eq!(ended(&state), [('a', Ended::Hurt, Some("INC-7")), ('b', Ended::Hurt, Some("INC-8"))]);
        assert!(state.reviews["INC-8"].cleared.is_empty(), "what is recorded is what counts");
        let state = reviews(reviews(State::default(), &review("INC-7", "b", "a")), &review("INC-8", "a", ""));
        assert_eq!(ended(&state)[0], ('a', Ended::Hurt, Some("INC-8")), "and who was cleared once can hurt later");
    }

    #[test]
    fn a_review_names_a_failure_and_its_cause() {
        let refused = |said: Review| Corrections::decide(&State::default(), &Command::Review(said)).unwrap_err();
        assert_eq!(refused(review("INC-7", "", "b")), Refused::Named(1));
        assert_eq!(refused(review("INC-7", "a", "a")), Refused::Both("a".repeat(40)));
        assert_eq!(refused(review(" ", "a", "")), Refused::NoName);
        assert_eq!(refused(review(&"n".repeat(201), "a", "")), Refused::NoName);
        assert!(matches!(refused(review("INC-7", "x", "")), Refused::NoCommit(_)));
        assert_eq!(refused(Review { reason: " ".to_owned(), ..review("INC-7", "a", "") }), Refused::NoReason);
        let many = Review { causes: vec!["a".repeat(40); NAMED_MAX + 1], ..review("INC-7", "a", "") };
        assert_eq!(refused(many), Refused::Named(NAMED_MAX + 1));
    }
}
