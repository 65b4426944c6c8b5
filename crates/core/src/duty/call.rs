//! A call for a person as a machine: who is called first, who next when nobody answers in time, and what a person decided against
//! the judge. Each step is one fact, once.

use crate::id::At;
use crate::judge::Assessment;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};

/// Most duties of an escalation, the first one included.
pub const LEVELS_MAX: usize = 10;
/// Longest text, in characters.
const TEXT_CHARS_MAX: usize = 1_000;

/// Whom a call goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The duty.
    pub duty: String,
    /// Who is on it now; nobody where its rotation has not begun.
    pub person: Option<String>,
}

/// What a person wanted against the judge, with the verdict of that moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// Who.
    pub by: String,
    /// `promote` or `abort`.
    pub wanted: String,
    /// Why.
    pub reason: String,
    /// What the judge said then.
    pub assessment: Box<Assessment>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody is called.
    Called {
        /// What for.
        what: String,
        /// Of which service.
        service: String,
        /// Whom; nobody where no duty is configured, and it is kept all the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Step>,
        /// The next one is called then; nobody is where this is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<At>,
        /// Where a person and the judge disagreed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disagreement: Option<Disagreement>,
        /// When.
        at: At,
    },
    /// Nobody answered: the next one is called.
    Escalated {
        /// How often that happened, from 1.
        level: usize,
        /// What for.
        what: String,
        /// Of which service.
        service: String,
        /// Whom.
        to: Step,
        /// The next one is called then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<At>,
        /// When.
        at: At,
    },
    /// Somebody saw to it.
    Answered {
        /// Who, where it is told; what was called for may have passed without a word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// What they say.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        finding: String,
        /// When.
        at: At,
    },
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Somebody is needed: whom to call, in their order.
    Call {
        /// What for.
        what: String,
        /// Of which service.
        service: String,
        /// Whom, in their order.
        steps: Vec<Step>,
        /// How long each has.
        after_ms: u64,
        /// Where a person and the judge disagreed.
        disagreement: Option<Disagreement>,
        /// When.
        at: At,
    },
    /// Nobody is needed any more: what was called for has passed.
    Pass {
        /// When.
        at: At,
    },
    /// A person answers for what another one did against the judge.
    Answer {
        /// Who.
        by: String,
        /// What they found.
        finding: String,
        /// When.
        at: At,
    },
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is nobody to call.
    #[error("call a person: no duty is named")]
    Nobody,
    /// Nobody was called.
    #[error("answer a call: there is none of this name, or it was answered")]
    NotCalled,
    /// Whose decision it was.
    #[error("answer a call: {name} decided that, and somebody else must look at it")]
    Own {
        /// Who.
        name: String,
    },
    /// What was found must be said.
    #[error("answer a call: say in at most {TEXT_CHARS_MAX} characters what you found")]
    NoFinding,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// What for.
    pub what: String,
    /// Of which service.
    pub service: String,
    /// Who was called, in their order.
    pub called: Vec<Step>,
    /// Whose decision against the judge it is about.
    pub decided_by: Option<String>,
    /// Since when.
    pub since: At,
    /// The next one is called then.
    pub next: Option<At>,
    /// When somebody saw to it.
    pub answered: Option<At>,
}

impl Call {
    /// Whether the same may be called for again: it has passed, and was no decision, which is answered for once.
    fn may_come_again(&self) -> bool {
        self.answered.is_some() && self.decided_by.is_none()
    }
}

/// Calls for people; their streams are `duty/<kind>/<subject>`.
#[derive(Clone, Copy, Debug)]
pub struct Calls;

impl Machine for Calls {
    const KIND: &'static str = "duty";
    type State = Option<Call>;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &Option<Call>, command: &Command) -> Result<Vec<Event>, Refused> {
        match (state, command) {
            // What has passed may come again: whoever is on duty then is called anew.
            (call, Command::Call { what, service, steps, after_ms, disagreement, at })
                if call.as_ref().is_none_or(Call::may_come_again) =>
            {
                let to = steps.first().cloned();
                if to.is_none() && disagreement.is_none() {
                    return Err(Refused::Nobody);
                }
                let next = (steps.len().min(LEVELS_MAX) > 1).then(|| at.plus_ms(*after_ms));
                let (what, service, disagreement) = (cut(what), service.clone(), disagreement.clone());
                Ok(vec![Event::Called { what, service, to, next, disagreement, at: *at }])
            }
            (Some(call), Command::Call { steps, after_ms, at, .. }) => {
                let due = call.answered.is_none() && call.next.is_some_and(|next| next <= *at);
                let level = call.called.len();
                // By name: who is on which duty, and who is left out, is another list each time.
                let is_new = |step: &&Step| call.called.iter().all(|called| called.duty != step.duty);
                let mut others = steps.iter().filter(is_new).take(LEVELS_MAX.saturating_sub(level));
                let Some(to) = others.next().filter(|_| due) else { return Ok(vec![]) };
                let next = others.next().map(|_| at.plus_ms(*after_ms));
                let (what, service) = (call.what.clone(), call.service.clone());
                Ok(vec![Event::Escalated { level, what, service, to: to.clone(), next, at: *at }])
            }
            (Some(call), Command::Pass { at }) if call.answered.is_none() => {
                Ok(vec![Event::Answered { by: None, finding: String::new(), at: *at }])
            }
            (_, Command::Pass { .. }) | (None, Command::Call { .. }) => Ok(vec![]),
            (Some(call), Command::Answer { by, finding, at }) if call.answered.is_none() => {
                if call.decided_by.as_ref() == Some(by) {
                    return Err(Refused::Own { name: by.clone() });
                }
                if finding.trim().is_empty() || finding.chars().count() > TEXT_CHARS_MAX {
                    return Err(Refused::NoFinding);
                }
                Ok(vec![Event::Answered { by: Some(by.clone()), finding: finding.clone(), at: *at }])
            }
            (_, Command::Answer { .. }) => Err(Refused::NotCalled),
        }
    }

    fn evolve(state: Option<Call>, event: &Event) -> Option<Call> {
        match event {
            Event::Called { what, service, to, next, disagreement, at } => Some(Call {
                what: what.clone(),
                service: service.clone(),
                called: to.iter().cloned().collect(),
                decided_by: disagreement.as_ref().map(|d| d.by.clone()),
                since: *at,
                next: *next,
                answered: None,
            }),
            Event::Escalated { to, next, .. } => state.map(|mut call| {
                call.called.push(to.clone());
                call.next = *next;
                call
            }),
            Event::Answered { at, .. } => state.map(|call| Call { answered: Some(*at), next: None, ..call }),
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}
