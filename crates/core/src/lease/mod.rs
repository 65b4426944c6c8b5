//! Leases: who drives which rollouts, when several replicas of the control plane share one journal.
//!
//! ```text
//!           Taken                       Taken, over a session that is gone
//!   free ───────────▶ held by a session ──────▶ held by another
//!     ▲                    │
//!     └──── GivenUp ───────┘        each of these facts is one more fence
//! ```
//!
//! **Slices.** Services are shared out by [`slice_of`] their name among [`SLICES`] slices; who holds a slice drives all rollouts of its
//! services. So a hand-over is one fact however many rollouts there are.
//!
//! **What is a fact, and what is not.** Who took a slice, from whom and when is worth keeping: a fact of the machine [`Slices`], one
//! stream a slice. How many facts that stream holds is the fencing number: it only grows, and the journal itself refuses what a holder
//! writes under an older one. That a replica still lives is told every [`BEAT_MS`] and worth nothing a minute later: a [`Beat`] lies in
//! one row a replica beside the journal, and there is one for all slices that the replica holds.
//!
//! **Clocks.** No clock of one replica is compared with that of another. A holder acts until [`LEASE_MS`] less [`MARGIN_MS`] have passed
//! since it sent a beat that was acknowledged ([`Tenure`]); another takes over when it has seen no new beat for [`LEASE_MS`] and
//! [`MARGIN_MS`] ([`Watch`]). Both times are measured on clocks that never jump ([`Uptime`]) and may run apart by a sixth. A session that
//! once stopped acting never acts again: its replica goes on as a new session. So "gone" stays true however late it is acted upon.
//!
//! A machine that stands still between its look at the clock and its deed is beyond every clock: that is what the fencing number is for,
//! and the generations of effects.
//! Not here: where beats and facts lie, who carries a plan out.

mod machine;
mod seat;
mod share;
mod tenure;
#[cfg(test)]
mod tests;
mod watch;

pub use machine::{Command, Event, Refused, Slice, Slices};
pub use seat::{SEAT, sit};
pub use share::{Step, plan};
pub use tenure::{Sent, Tenure};
pub use watch::Watch;

use serde::{Deserialize, Serialize};

/// Into how many slices services are shared out, and so how many replicas can have work. Part of what the journal means: never changed.
pub const SLICES: u32 = 64;
/// How long a lease lasts without a new beat.
pub const LEASE_MS: u64 = 12_000;
/// A holder stops this long before the end of its lease, and a taker waits this long after it: room for clocks that run apart.
pub const MARGIN_MS: u64 = 2_000;
/// How often a replica beats, and looks at the others' beats.
pub const BEAT_MS: u64 = 2_000;
/// What a dead holder held is taken over within this time of its last beat, where nothing else fails meanwhile: a beat until that one
/// was seen, the wait, a beat until the next look.
pub const TAKEN_OVER_WITHIN_MS: u64 = LEASE_MS + MARGIN_MS + 2 * BEAT_MS;

/// Milliseconds of a clock that only runs forward, from a start of its own: worth nothing to another replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uptime(pub u64);

impl Uptime {
    /// This moment moved by `ms` milliseconds.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Uptime {
        Uptime(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; zero when `earlier` is later.
    #[must_use]
    pub fn since_ms(self, earlier: Uptime) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A replica from when it began to beat until it was too late with a beat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Session {
    /// The replica's name, one of its own in the workspace.
    pub replica: String,
    /// Tells sessions of one replica apart; later ones have higher numbers.
    pub number: u64,
}

impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (session {})", self.replica, self.number)
    }
}

/// The newest sign of life of a session, as it lies beside the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Whose.
    pub session: Session,
    /// How many it sent, with this one.
    pub count: u64,
    /// Whether its lease stood when it was sent: a replica that nobody answers takes no share.
    pub ready: bool,
}

/// The slice of a service.
#[must_use]
pub fn slice_of(service: &str) -> u32 {
    let hash = blake3::hash(service.as_bytes());
    hash.as_bytes().iter().take(4).fold(0u32, |sum, byte| (sum << 8) | u32::from(*byte)) % SLICES
}
