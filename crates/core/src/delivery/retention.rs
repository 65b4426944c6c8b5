//! What was removed of the events of a source because its policy says so: how much, and from before when. Its stream is `events/SOURCE`.
//!
//! It is recorded before anything is removed, so that nothing is gone of which there is no record. Not here: the events themselves, which are
//! in the lake.

use crate::id::At;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// The machine.
#[derive(Debug)]
pub struct Retention;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Expired {
    /// Events had come in too long ago.
    Expired {
        /// So many, with those that were kept aside.
        rows: u64,
        /// All that had come in before this time.
        before: At,
        /// How long events are kept, in milliseconds.
        keep_ms: u64,
        /// When.
        at: At,
    },
}

/// What somebody wants: that these go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// So many; of none nothing is recorded.
    pub rows: u64,
    /// All that had come in before this time.
    pub before: At,
    /// How long events are kept, in milliseconds.
    pub keep_ms: u64,
    /// When.
    pub at: At,
}

impl Machine for Retention {
    const KIND: &'static str = "events";
    /// How many went in all.
    type State = u64;
    type Command = Expiry;
    type Event = Expired;
    type Refused = Infallible;

    fn decide(_: &u64, command: &Expiry) -> Result<Vec<Expired>, Infallible> {
        let Expiry { rows, before, keep_ms, at } = *command;
        Ok(if rows == 0 { vec![] } else { vec![Expired::Expired { rows, before, keep_ms, at }] })
    }

    fn evolve(state: u64, event: &Expired) -> u64 {
        match event {
            Expired::Expired { rows, .. } => state.saturating_add(*rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_recorded_and_nothing_is_no_record() {
        let of = |rows| Expiry { rows, before: At(5), keep_ms: 7, at: At(12) };
        assert_eq!(Retention::decide(&0, &of(0)), Ok(vec![]));
        let events = Retention::decide(&0, &of(3)).unwrap();
        assert_eq!(serde_json::to_string(&events[0]).unwrap(), r#"{"event":"expired","rows":3,"before":5,"keep_ms":7,"at":12}"#);
        assert_eq!(Retention::replay(events.iter().chain(&events)), 6);
    }
}
