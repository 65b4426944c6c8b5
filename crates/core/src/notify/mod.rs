//! Notifications: what of all that happens people and tools are told, and how a storm of it becomes few messages.
//!
//! Not here: how a message is written (`wire::notify`), who carries it, and how often that is tried.

mod storm;
#[cfg(test)]
mod tests;
mod topic;

pub use storm::{GATHER_MS, LISTED_MAX, Limits, Storm, Turn, listed};
pub use topic::{About, Topic};

use crate::id::At;
use serde::Serialize;

/// Something that happened, for whoever wants to hear of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its position in the journal.
    pub position: u64,
    /// When.
    pub at: At,
    /// What it is about.
    pub topic: Topic,
    /// Of which service; of none in particular where this is none.
    pub service: Option<String>,
    /// What happened to what, as `late-arrival/2`.
    pub subject: String,
    /// In words.
    pub text: String,
}

/// Longest wait between two attempts to deliver a message.
pub const PAUSE_MS_MAX: u64 = 5 * 60_000;
/// After so long a message is given up.
pub const GIVE_UP_MS: u64 = 24 * 3_600_000;

/// How long to wait after `tries` attempts in a row that failed.
#[must_use]
pub fn pause_ms(tries: u32) -> u64 {
    1_000_u64.checked_shl(tries.saturating_sub(1)).filter(|_| tries < 20).unwrap_or(PAUSE_MS_MAX).min(PAUSE_MS_MAX)
}
