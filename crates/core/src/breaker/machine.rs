//! Commands, facts, state, `decide` and `evolve` of one breaker.

use super::WATCH;
use crate::id::At;
use crate::line::line;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};

/// Longest text that is kept of a reason, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;
/// Most reasons that are kept.
const REASONS_MAX: usize = 20;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Nothing goes forward from now on.
    Tripped {
        /// Who.
        by: String,
        /// Why.
        why: Vec<String>,
        /// When.
        at: At,
    },
    /// Releases go on.
    Closed {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Halt everything.
    Trip {
        /// Who.
        by: String,
        /// Why.
        why: Vec<String>,
        /// When.
        at: At,
    },
    /// Let releases go on.
    Close {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Who and why are recorded.
    #[error("{0} a breaker: say who and why: it is recorded")]
    NoReason(&'static str),
    /// It is not tripped.
    #[error("close a breaker: it is not tripped")]
    Closed,
}

/// Why nothing goes forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tripped {
    /// Who.
    pub by: String,
    /// Why.
    pub why: Vec<String>,
    /// Since when.
    pub since: At,
}

/// A breaker's fold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// Set while nothing goes forward.
    pub tripped: Option<Tripped>,
}

/// A breaker.
#[derive(Clone, Copy, Debug)]
pub struct Breaker;

impl Machine for Breaker {
    const KIND: &'static str = "breaker";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        let said = |by: &str, text: &str| !by.trim().is_empty() && !text.trim().is_empty();
        match command {
            // The first reason stands: what came later is on the page of the signals. Only a person takes over from them.
            Command::Trip { by, .. } if state.tripped.as_ref().is_some_and(|t| t.by != WATCH || by == WATCH) => Ok(vec![]),
            Command::Trip { by, why, at } => {
                let why: Vec<String> =
                    why.iter().filter(|w| !w.trim().is_empty()).take(REASONS_MAX).map(|w| line(w, TEXT_BYTES_MAX)).collect();
                if !said(by, &why.concat()) {
                    return Err(Refused::NoReason("trip"));
                }
                Ok(vec![Event::Tripped { by: by.clone(), why, at: *at }])
            }
            Command::Close { by, reason, .. } if !said(by, reason) => Err(Refused::NoReason("close")),
            Command::Close { .. } if state.tripped.is_none() => Err(Refused::Closed),
            Command::Close { by, reason, at } => Ok(vec![Event::Closed { by: by.clone(), reason: line(reason, TEXT_BYTES_MAX), at: *at }]),
        }
    }

    fn evolve(_: State, event: &Event) -> State {
        match event {
            Event::Tripped { by, why, at } => State { tripped: Some(Tripped { by: by.clone(), why: why.clone(), since: *at }) },
            Event::Closed { .. } => State { tripped: None },
        }
    }
}
