//! Commands, facts, state, `decide` and `evolve` of one deployment that is held.

use super::{Answer, Finding, Outcome, Source, Target};
use crate::id::At;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};

/// How often a tool is told that something waits: GitHub takes ten reports of a deployment.
pub const STATUSES_MAX: u32 = 8;
/// Most findings of one question that are kept; those that answer it come on top.
pub const FOUND_MAX: u32 = 100;
/// Longest text of a question or a finding, in characters.
pub const TEXT_CHARS_MAX: usize = 1_000;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A tool asked whether it may deploy.
    Asked {
        /// What is held.
        target: Target,
        /// What the tool says of it.
        source: Source,
        /// The service that it is.
        service: String,
        /// The tool's id of the message.
        delivery: String,
        /// What waits by then is a no.
        until: At,
        /// When.
        at: At,
    },
    /// Something else was found than before.
    Found {
        /// What.
        finding: Finding,
        /// The version that it is about, once that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// When.
        at: At,
    },
    /// The tool took what was found last.
    Told {
        /// When.
        at: At,
    },
    /// The tool was told what became of it.
    Reported {
        /// What.
        outcome: Outcome,
        /// Why it did not take it, where it did not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
        /// When.
        at: At,
    },
    /// The tool did not take it, and is told no more.
    GivenUp {
        /// Why.
        why: String,
        /// When.
        at: At,
    },
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Hold a deployment; once held, nothing.
    Ask {
        /// What is held.
        target: Target,
        /// What the tool says of it.
        source: Source,
        /// The service that it is.
        service: String,
        /// The tool's id of the message.
        delivery: String,
        /// How long it may wait.
        within_ms: u64,
        /// When.
        at: At,
    },
    /// Keep what was found.
    Find {
        /// What.
        finding: Finding,
        /// The version that it is about.
        version: Option<String>,
        /// When.
        at: At,
    },
    /// The tool took it.
    Tell {
        /// When.
        at: At,
    },
    /// The tool was told what became of it, and took it or will not.
    Report {
        /// What.
        outcome: Outcome,
        /// Why it will not.
        refused: Option<String>,
        /// When.
        at: At,
    },
    /// It will not.
    GiveUp {
        /// Why.
        why: String,
        /// When.
        at: At,
    },
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing is held.
    #[error("deployment: nobody asked about it")]
    NotAsked,
    /// Texts that are kept for ever must be short.
    #[error("deployment: {0} has more than {TEXT_CHARS_MAX} characters")]
    TooLong(&'static str),
}

/// A deployment that is held, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// What is held.
    pub target: Target,
    /// What the tool says of it.
    pub source: Source,
    /// The service that it is.
    pub service: String,
    /// When it was asked.
    pub since: At,
    /// What waits by then is a no.
    pub until: At,
    /// The version that it is about, from when it was first known.
    pub version: Option<String>,
    /// What was found last, and how often something else was.
    pub finding: Option<Finding>,
    /// How often something else was found.
    pub found: u32,
    /// How often the tool was told that it waits.
    pub statuses: u32,
    /// What was found last was told, or given up.
    pub told: bool,
    /// Why the tool is told no more.
    pub given_up: Option<String>,
    /// What the tool was told last of what became of it.
    pub reported: Option<Outcome>,
}

impl Held {
    /// The answer, once there is one: a no stays, and whatever was told.
    #[must_use]
    pub fn answer(&self) -> Option<&Finding> {
        self.finding.as_ref().filter(|f| f.answer != Answer::Waits)
    }

    /// Whether something else may still be found: until the tool takes a yes, it is no more than what was found last.
    #[must_use]
    pub fn may_change(&self) -> bool {
        self.answer().is_none_or(|f| f.answer == Answer::Yes && !self.told)
    }

    /// What the tool is to be told now.
    #[must_use]
    pub fn to_tell(&self) -> Option<&Finding> {
        let news = self.finding.as_ref().filter(|_| !self.told)?;
        let may_be_told = news.answer != Answer::Waits || self.statuses < self.target.statuses_max();
        may_be_told.then_some(news)
    }

    /// Whether it was let through: what becomes of it can be told.
    #[must_use]
    pub fn was_let_through(&self) -> bool {
        self.told && self.given_up.is_none() && self.answer().is_some_and(|f| f.answer == Answer::Yes)
    }

    /// Whether nothing more happens to it by itself.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.answer().is_some() && self.told
    }
}

/// Deployments that other tools hold.
#[derive(Clone, Copy, Debug)]
pub struct Deployments;

impl Machine for Deployments {
    const KIND: &'static str = "deployment";
    type State = Option<Held>;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &Option<Held>, command: &Command) -> Result<Vec<Event>, Refused> {
        match (state, command) {
            (_, Command::Ask { target, source, service, delivery, within_ms, at }) => {
                if state.as_ref().is_some_and(|held| is_repeated(held, target)) {
                    return Ok(vec![]);
                }
                short("the source", [&source.git_ref, &source.sha, &source.login].into_iter().flatten())?;
                short("the delivery", [delivery, service].into_iter())?;
                let (target, source, service, delivery) = (target.clone(), source.clone(), service.clone(), delivery.clone());
                Ok(vec![Event::Asked { target, source, service, delivery, until: at.plus_ms(*within_ms), at: *at }])
            }
            (None, Command::Find { .. } | Command::Tell { .. } | Command::Report { .. } | Command::GiveUp { .. }) => Err(Refused::NotAsked),
            (Some(held), Command::Find { finding, version, at }) => Ok(found(held, finding, version.as_ref(), *at)),
            (Some(held), Command::Tell { at }) => Ok(if held.to_tell().is_some() { vec![Event::Told { at: *at }] } else { vec![] }),
            (Some(held), Command::Report { outcome, refused, at }) => {
                let news = held.was_let_through() && held.reported != Some(*outcome);
                let refused = refused.as_deref().map(cut);
                Ok(if news { vec![Event::Reported { outcome: *outcome, refused, at: *at }] } else { vec![] })
            }
            (Some(held), Command::GiveUp { why, at }) => {
                Ok(if held.to_tell().is_some() { vec![Event::GivenUp { why: cut(why), at: *at }] } else { vec![] })
            }
        }
    }

    fn evolve(state: Option<Held>, event: &Event) -> Option<Held> {
        match event {
            Event::Asked { target, source, service, until, at, .. } => Some(Held {
                target: target.clone(),
                source: source.clone(),
                service: service.clone(),
                since: *at,
                until: *until,
                version: None,
                finding: None,
                found: 0,
                statuses: 0,
                told: true,
                given_up: None,
                reported: None,
            }),
            Event::Reported { outcome, .. } => state.map(|held| Held { reported: Some(*outcome), ..held }),
            Event::Found { finding, version, .. } => state.map(|held| Held {
                finding: Some(finding.clone()),
                version: held.version.clone().or_else(|| version.clone()),
                found: held.found.saturating_add(1),
                told: false,
                given_up: None,
                ..held
            }),
            Event::Told { .. } => state.map(|held| {
                let waits = held.answer().is_none();
                Held { told: true, statuses: held.statuses.saturating_add(u32::from(waits)), ..held }
            }),
            Event::GivenUp { why, .. } => state.map(|held| {
                let waits = held.answer().is_none();
                Held { told: true, statuses: held.statuses.saturating_add(u32::from(waits)), given_up: Some(why.clone()), ..held }
            }),
        }
    }
}

/// Whether a question is the one that is held already: the same deployment, whatever message it came by. After a no GitLab lets
/// people ask about the same again.
fn is_repeated(held: &Held, target: &Target) -> bool {
    let denied = held.answer().is_some_and(|f| f.answer == Answer::No) && held.told;
    held.target == *target && !(denied && target.may_be_retried())
}

fn found(held: &Held, finding: &Finding, version: Option<&String>, at: At) -> Vec<Event> {
    if !held.may_change() {
        return vec![];
    }
    let waits = finding.answer == Answer::Waits;
    let (answer, why) = if waits && at >= held.until {
        (Answer::No, format!("it waited until {} in vain: {}", held.until, finding.why))
    } else {
        (finding.answer, finding.why.clone())
    };
    let finding = Finding { answer, why: cut(&why) };
    // A yes is taken back however much was found: there is one at most for each attempt to tell it.
    let is_kept = answer != Answer::Waits || held.found < FOUND_MAX || held.answer().is_some();
    let news = held.finding.as_ref() != Some(&finding) && is_kept;
    if news { vec![Event::Found { finding, version: version.cloned(), at }] } else { vec![] }
}

fn short<'a>(what: &'static str, mut texts: impl Iterator<Item = &'a String>) -> Result<(), Refused> {
    if texts.all(|text| text.chars().count() <= TEXT_CHARS_MAX) { Ok(()) } else { Err(Refused::TooLong(what)) }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}
