//! Commands, facts, state, `decide` and `evolve` of one slice.

use super::Session;
use crate::id::At;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A session holds it from now on.
    Taken {
        /// Who.
        holder: Session,
        /// The holder that was gone, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        over: Option<Session>,
        /// When.
        at: At,
    },
    /// Its holder let it go.
    GivenUp {
        /// Who.
        holder: Session,
        /// When.
        at: At,
    },
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Hold it.
    Take {
        /// Who.
        by: Session,
        /// The holder that is gone, if there is one.
        over: Option<Session>,
        /// When.
        at: At,
    },
    /// Let it go.
    GiveUp {
        /// Who.
        by: Session,
        /// When.
        at: At,
    },
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Somebody else came first.
    #[error("take a slice: {0} holds it: look again")]
    HeldBy(Session),
    /// It is not this session's.
    #[error("give up a slice: it is not held by {0}: nothing is to be done")]
    NotHeld(Session),
}

/// A slice's fold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// How many facts there are: what is written under an older number is refused.
    pub fence: u64,
    /// Who holds it.
    pub holder: Option<Session>,
    /// Since when it is held, or free.
    pub since: At,
}

/// The slices, each a stream.
#[derive(Clone, Copy, Debug)]
pub struct Slices;

impl Slices {
    /// The name of a slice's stream.
    #[must_use]
    pub fn stream(slice: u32) -> String {
        format!("{}/{slice:02}", Slices::KIND)
    }
}

impl Machine for Slices {
    const KIND: &'static str = "lease";
    type State = Slice;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &Slice, command: &Command) -> Result<Vec<Event>, Refused> {
        match (command, &state.holder) {
            (Command::Take { by, .. }, Some(holder)) if holder == by => Ok(vec![]),
            (Command::Take { over, .. }, Some(holder)) if over.as_ref() != Some(holder) => Err(Refused::HeldBy(holder.clone())),
            (Command::Take { by, at, .. }, holder) => Ok(vec![Event::Taken { holder: by.clone(), over: holder.clone(), at: *at }]),
            (Command::GiveUp { by, at }, Some(holder)) if holder == by => Ok(vec![Event::GivenUp { holder: by.clone(), at: *at }]),
            (Command::GiveUp { by, .. }, _) => Err(Refused::NotHeld(by.clone())),
        }
    }

    fn evolve(state: Slice, event: &Event) -> Slice {
        let fence = state.fence + 1;
        match event {
            Event::Taken { holder, at, .. } => Slice { fence, holder: Some(holder.clone()), since: *at },
            Event::GivenUp { at, .. } => Slice { fence, holder: None, since: *at },
        }
    }
}
