//! Keeps rollouts going: inputs in, what shall be done out.
//!
//! The host feeds [`Input`]s and does what [`Output`]s say; it calls [`RolloutDriver::handle`] with `Wake` no later
//! than [`RolloutDriver::next_wake`]. Everything may be lost, repeated or late: effects are asked for until they
//! are answered, answers of an older generation change nothing, evidence is asked for again from where it broke.
//! After a crash [`RolloutDriver::recover`] and the evidence that the host kept give the same state.
//! Not here: what is decided (`core::rollout`), how traffic moves and workers run.

mod driver;
mod fold;
mod hold;
#[cfg(test)]
mod tests;

pub use driver::{DriverError, EFFECT_RETRY_MS, RolloutDriver};
pub use tidegate_core::rollout::EVIDENCE_TICKS_MAX;

use serde::{Deserialize, Serialize};
use tidegate_core::judge::Tick;
use tidegate_core::rollout::{Command, Effect, Event, Rollouts};

/// A rollout by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RolloutId {
    /// Service.
    pub service: String,
    /// Its number within the service, from 1.
    pub number: u64,
}

impl RolloutId {
    /// The name of its stream.
    #[must_use]
    pub fn stream(&self) -> String {
        Rollouts::stream(&self.service, self.number)
    }

    /// The rollout of a stream's name.
    #[must_use]
    pub fn of_stream(stream: &str) -> Option<RolloutId> {
        let mut parts = stream.split('/');
        let (Some("rollout"), Some(service), Some(number), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        Some(RolloutId { service: service.to_owned(), number: number.parse().ok()? })
    }
}

impl std::fmt::Display for RolloutId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rollout {} of {}", self.number, self.service)
    }
}

/// What wakes the driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A person's command, or the data plane's answer to an effect.
    Command {
        /// The rollout.
        rollout: RolloutId,
        /// Makes a repeated command harmless; answers need none.
        key: Option<String>,
        /// It.
        command: Command,
    },
    /// Ticks that were counted, in order.
    Evidence {
        /// The rollout.
        rollout: RolloutId,
        /// They.
        ticks: Vec<Tick>,
    },
    /// Time passed.
    Wake,
}

/// What the host shall do or know.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Do this, and answer; doing it twice is harmless. Order between rollouts of a service: the higher
    /// number wins, and within one the higher generation.
    Do {
        /// The rollout.
        rollout: RolloutId,
        /// It.
        effect: Effect,
    },
    /// This happened and is durable. A journal that failed after writing tells nothing here: who needs every
    /// fact reads the journal.
    Happened {
        /// The rollout.
        rollout: RolloutId,
        /// In order.
        events: Vec<Event>,
    },
    /// Hand in the kept ticks again, from this sequence on.
    ResendEvidence {
        /// The rollout.
        rollout: RolloutId,
        /// The first one missing.
        from_seq: u64,
    },
    /// Something failed that is tried again by itself at the next wake.
    Trouble {
        /// The rollout.
        rollout: RolloutId,
        /// What, in words.
        detail: String,
    },
}
