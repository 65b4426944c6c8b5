//! What the model and what people said of changes, as facts: each said once, nothing taken back, nothing said after the end is known.
//!
//! A change is known by the name that whoever asks gives it (the number of a pull request), or by its first commit, so that what is
//! pushed on top of it is the same change and is not drawn anew.

use super::ledger::holds;
use super::lot::{Arm, Trial, arm};
use crate::correction::Ended;
use crate::id::{At, Digest};
use crate::line::line;
use crate::machine::Machine;
use crate::risk::Way;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Changes of which something was said.
const CHANGES_MAX: usize = 100_000;
/// Commits of all of them.
const ALL_COMMITS_MAX: usize = 1_000_000;
/// Commits of one.
pub const COMMITS_MAX: usize = 1_000;
/// Answers of models about one change.
pub const ANSWERS_MAX: usize = 100;
/// Longest reason that is kept, in bytes.
const REASON_BYTES_MAX: usize = 4_096;
/// Longest name of a change, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// Digits of a whole commit: SHA-1's and SHA-256's.
const COMMIT_DIGITS: [usize; 2] = [40, 64];

/// What is spoken of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The name that it was given; none where its commits tell which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// Whole commits, newest first.
    pub commits: Vec<String>,
}

/// What mistakes about a change cost when something was said of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// Of holding it, where it would have done no harm.
    pub delay: f64,
    /// Of letting it through, where it does harm.
    pub incident: f64,
}

/// What a model says of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Its commits, newest first.
    pub commits: Vec<String>,
    /// How likely it hurts.
    pub probability: f64,
    /// Lower and upper end.
    pub interval: [f64; 2],
    /// Which way it would go by that.
    pub way: Way,
    /// From which risk on it is held; none where nobody said what mistakes cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_from: Option<f64>,
    /// What mistakes cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub costs: Option<Costs>,
    /// Digest of the model's file.
    pub model: Digest,
    /// Digest of the table that the model has learnt from.
    pub training: String,
    /// The newest change that it has learnt from was made then: of what is not newer it says nothing that could be held against the end.
    pub learnt_until: At,
    /// Digest of what tidegate.yaml said of risks.
    pub policy: Digest,
    /// Who decides, where that was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<Arm>,
    /// The share of changes that the model decided about when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_share: Option<f64>,
    /// When.
    pub at: At,
}

/// Whether a change waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It does.
    Hold,
    /// It does not.
    Pass,
}

/// What somebody says of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opinion {
    /// Its commits, newest first.
    pub commits: Vec<String>,
    /// How likely it hurts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<f64>,
    /// Whether it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Whether it was said before the model's answer was told.
    pub blind: bool,
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: At,
}

/// What somebody, or a model, says.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A model answers. Its commits are those of the subject.
    Answer {
        /// The name that the change was given.
        named: Option<String>,
        /// What it says.
        answer: Answer,
    },
    /// Somebody judges; whether that is blind is told from what was said before.
    Judge {
        /// The name that the change was given.
        named: Option<String>,
        /// What they say.
        opinion: Opinion,
        /// What became of the change, as far as that is known.
        ended: Ended,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A model answered.
    Answered {
        /// The change.
        change: String,
        /// What it said.
        #[serde(flatten)]
        answer: Answer,
    },
    /// Somebody judged.
    Judged {
        /// The change.
        change: String,
        /// What they said.
        #[serde(flatten)]
        opinion: Opinion,
    },
}

/// Why nothing was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Commits have whole names.
    #[error(
        "record what was said of a change: `{0}` is no whole commit: give its 40 or 64 hexadecimal digits, as `git rev-parse` tells them"
    )]
    NoCommit(String),
    /// Of nothing, or of too much.
    #[error("record what was said of a change: it has {0} commits; from 1 to {COMMITS_MAX} can be one change: name a shorter range")]
    Commits(usize),
    /// A name is one line.
    #[error(
        "record what was said of a change: give it a name of 1 to {NAME_BYTES_MAX} bytes without control characters, as the number of a pull request"
    )]
    Name,
    /// It must be a chance.
    #[error("record what was said of a change: a risk is a chance: give a number from 0 to 1")]
    Chance,
    /// Who and why are recorded.
    #[error("judge a change: say who and why: it is recorded")]
    NoReason,
    /// Something must be said.
    #[error("judge a change: say how likely it hurts, or whether it waits")]
    Nothing,
    /// Who speaks afterwards has it easy.
    #[error(
        "judge a change: what became of it is known already: what is said now is no judgement; `tidegate risk label` says what became of it"
    )]
    Ended,
    /// Several changes are no change.
    #[error("judge a change: these commits belong to {0} changes of which something was said already: judge each alone")]
    Several(usize),
    /// Enough is said of one.
    #[error("record what was said of a change: models have answered {ANSWERS_MAX} times about it, as often as may be")]
    Often,
    /// Enough is said.
    #[error(
        "record what was said of a change: of {CHANGES_MAX} changes with {ALL_COMMITS_MAX} commits something was said, as much as there may be"
    )]
    Full,
}

/// What was said of one change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spoken {
    /// By models, oldest first.
    pub answers: Vec<Answer>,
    /// The newest word of somebody.
    pub opinion: Option<Opinion>,
    /// The newest word that was said before the model's answer was told.
    pub blind: Option<Opinion>,
}

impl Spoken {
    /// Who decides, as it was drawn when the first answer came.
    #[must_use]
    pub fn arm(&self) -> Option<Arm> {
        self.answers.first().and_then(|answer| answer.arm)
    }

    /// The answer that counts: the first about the commits as they were last, whatever other models said of the same ones afterwards.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        let newest = self.answers.last()?.commits.first();
        self.answers.iter().find(|answer| answer.commits.first() == newest)
    }

    /// Whether somebody who asks was told what the model says.
    #[must_use]
    pub fn told(&self) -> bool {
        let open = self.arm() != Some(Arm::People) || self.opinion.is_some();
        open && !self.answers.is_empty()
    }

    /// Commits that were spoken of last.
    #[must_use]
    pub fn commits(&self) -> &[String] {
        let answered = self.answers.last().map(|answer| (answer.at, &answer.commits));
        let judged = self.opinion.as_ref().map(|opinion| (opinion.at, &opinion.commits));
        answered.into_iter().chain(judged).max_by_key(|(at, _)| *at).map_or(&[], |(_, commits)| commits.as_slice())
    }
}

/// Which changes some commits belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One, known or not, by its name.
    One(String),
    /// Several of which something was said: what is said of all of them is said of none.
    Several(BTreeSet<String>),
}

/// What whoever asks about a change is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stand {
    /// Who decides; none where it is not drawn, and for several changes at once.
    pub arm: Option<Arm>,
    /// What the model says is kept back: people decide, and nobody has.
    pub kept_back: bool,
    /// Whether people hold it, where they decide and have.
    pub held: Option<bool>,
}

/// All that was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// By the name of the change.
    pub changes: BTreeMap<String, Spoken>,
    /// The change of each commit.
    of: BTreeMap<String, String>,
}

impl State {
    /// Which changes are meant: the one that is named; else those to which the commits belong; else one that is known by the oldest
    /// of them.
    #[must_use]
    pub fn standing(&self, subject: &Subject) -> Standing {
        if let Some(name) = &subject.named {
            return Standing::One(name.clone());
        }
        let mut known: BTreeSet<String> = subject.commits.iter().filter_map(|commit| self.of.get(commit)).cloned().collect();
        match (known.len(), subject.commits.last()) {
            (0, oldest) => Standing::One(oldest.cloned().unwrap_or_default()),
            (1, _) => Standing::One(known.pop_first().unwrap_or_default()),
            _ => Standing::Several(known),
        }
    }

    /// What whoever asks about these commits is told while a lot is drawn: of several changes at once nothing, where it is kept back of
    /// one of them.
    #[must_use]
    pub fn stand(&self, subject: &Subject, trial: &Trial) -> Stand {
        let of = |change: &String| {
            let spoken = self.changes.get(change);
            let drawn = spoken.filter(|spoken| !spoken.answers.is_empty()).map_or_else(|| Some(arm(trial, change)), Spoken::arm);
            let said = spoken.filter(|_| drawn == Some(Arm::People)).and_then(|spoken| spoken.opinion.as_ref());
            let hold_from = spoken.and_then(Spoken::answer).and_then(|answer| answer.hold_from);
            let held = said.map(|said| holds(said, hold_from) == Some(true));
            Stand { arm: drawn, kept_back: drawn == Some(Arm::People) && said.is_none(), held }
        };
        match self.standing(subject) {
            Standing::One(change) => of(&change),
            Standing::Several(changes) => Stand { kept_back: changes.iter().any(|change| of(change).kept_back), ..Stand::default() },
        }
    }

    fn spoke(&mut self, change: &str, commits: &[String]) -> &mut Spoken {
        for commit in commits {
            self.of.insert(commit.clone(), change.to_owned());
        }
        self.changes.entry(change.to_owned()).or_default()
    }
}

/// What was said of all changes of a workspace.
#[derive(Clone, Copy, Debug)]
pub struct Said;

impl Said {
    /// The one stream of its records.
    pub const STREAM: &'static str = "worth/changes";
}

impl Machine for Said {
    const KIND: &'static str = "worth";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        match command {
            Command::Answer { named, answer } => answered(state, named.as_ref(), answer),
            Command::Judge { named, opinion, ended } => judged(state, named.as_ref(), opinion, *ended),
        }
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::Answered { change, answer } => state.spoke(change, &answer.commits).answers.push(answer.clone()),
            Event::Judged { change, opinion } => {
                let spoken = state.spoke(change, &opinion.commits);
                if opinion.blind {
                    spoken.blind = Some(opinion.clone());
                }
                spoken.opinion = Some(opinion.clone());
            }
        }
        state
    }
}

/// The subject as it is kept.
fn subject(named: Option<&String>, commits: &[String]) -> Result<Subject, Refused> {
    if commits.is_empty() || commits.len() > COMMITS_MAX {
        return Err(Refused::Commits(commits.len()));
    }
    let whole = |commit: &String| {
        let digits = commit.trim().to_ascii_lowercase();
        let fits = COMMIT_DIGITS.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if fits { Ok(digits) } else { Err(Refused::NoCommit(line(commit, 100))) }
    };
    let fits = |name: &String| !name.trim().is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    if named.is_some_and(|name| !fits(name)) {
        return Err(Refused::Name);
    }
    let commits = commits.iter().map(whole).collect::<Result<_, _>>()?;
    Ok(Subject { named: named.map(|name| name.trim().to_owned()), commits })
}

fn room(state: &State, change: &str, commits: &[String]) -> Result<(), Refused> {
    let new = commits.iter().filter(|commit| !state.of.contains_key(*commit)).count();
    let full = !state.changes.contains_key(change) && state.changes.len() >= CHANGES_MAX;
    if full || state.of.len() + new > ALL_COMMITS_MAX { Err(Refused::Full) } else { Ok(()) }
}

fn answered(state: &State, named: Option<&String>, answer: &Answer) -> Result<Vec<Event>, Refused> {
    let subject = subject(named, &answer.commits)?;
    let chances = [answer.probability, answer.interval[0], answer.interval[1]];
    if !chances.iter().chain(&answer.hold_from).chain(&answer.model_share).all(|chance| (0.0..=1.0).contains(chance)) {
        return Err(Refused::Chance);
    }
    // Of several changes at once nobody decides: there is nothing to keep.
    let Standing::One(change) = state.standing(&subject) else { return Ok(vec![]) };
    let known = state.changes.get(&change);
    let same = |before: &Answer| {
        before.commits.first() == subject.commits.first() && before.model == answer.model && before.policy == answer.policy
    };
    if known.is_some_and(|spoken| spoken.answers.iter().any(same)) {
        return Ok(vec![]);
    }
    if known.is_some_and(|spoken| spoken.answers.len() >= ANSWERS_MAX) {
        return Err(Refused::Often);
    }
    room(state, &change, &subject.commits)?;
    // Who decides was drawn once.
    let drawn = known.and_then(|spoken| spoken.answers.first()).unwrap_or(answer);
    let answer = Answer { commits: subject.commits, arm: drawn.arm, model_share: drawn.model_share, ..answer.clone() };
    Ok(vec![Event::Answered { change, answer }])
}

fn judged(state: &State, named: Option<&String>, opinion: &Opinion, ended: Ended) -> Result<Vec<Event>, Refused> {
    let subject = subject(named, &opinion.commits)?;
    let reason = line(&opinion.reason, REASON_BYTES_MAX);
    if opinion.by.trim().is_empty() || reason.is_empty() {
        return Err(Refused::NoReason);
    }
    if opinion.risk.is_some_and(|risk| !(0.0..=1.0).contains(&risk)) {
        return Err(Refused::Chance);
    }
    if opinion.risk.is_none() && opinion.decision.is_none() {
        return Err(Refused::Nothing);
    }
    if ended != Ended::Unknown {
        return Err(Refused::Ended);
    }
    let change = match state.standing(&subject) {
        Standing::One(change) => change,
        Standing::Several(changes) => return Err(Refused::Several(changes.len())),
    };
    room(state, &change, &subject.commits)?;
    let known = state.changes.get(&change);
    let blind = !known.is_some_and(Spoken::told);
    let opinion = Opinion { commits: subject.commits, reason, blind, ..opinion.clone() };
    let same = |before: &Opinion| Opinion { at: opinion.at, blind, ..before.clone() } == opinion;
    if known.and_then(|spoken| spoken.opinion.as_ref()).is_some_and(same) {
        return Ok(vec![]);
    }
    Ok(vec![Event::Judged { change, opinion }])
}
