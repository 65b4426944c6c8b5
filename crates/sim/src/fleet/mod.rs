//! Several replicas on one journal: they share the rollouts of several services, while processes crash and stand still, clocks run
//! apart, beats are lost and the journal is out of reach of some. Then everything heals.
//!
//! The checkers of single rollouts watch each service as ever, so nothing may change for a rollout because its driver changes. A checker
//! of its own ([`checker`]) watches who acts. Not here: every order of beats and looks, see [`explore`].

mod checker;
pub mod explore;
mod eyes;
mod host;
mod storm;
#[cfg(test)]
mod tests;
mod world;

use crate::story::Story;

/// A mistake of replicas that somebody could make; each must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A holder does not see the end of its lease, nor looks again who holds what.
    ActsAfterItsEnd,
    /// The journal takes facts under an old fencing number.
    DropsFences,
    /// A clock runs three times as fast, further apart than the margin allows: its replica takes over too early.
    ClockRunsFast,
    /// Whoever is silent is taken to live.
    NeverTakesOver,
    /// Others are not seen, so nothing is handed over to who comes.
    KeepsEverything,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 5] =
        [Fault::ActsAfterItsEnd, Fault::DropsFences, Fault::ClockRunsFast, Fault::NeverTakesOver, Fault::KeepsEverything];

    /// The rule that it breaks.
    #[must_use]
    pub fn breaks(self) -> &'static str {
        match self {
            Fault::ActsAfterItsEnd => checker::ALONE,
            Fault::DropsFences => checker::HOLDER_WRITES,
            Fault::ClockRunsFast => checker::LEASE_LASTS,
            Fault::NeverTakesOver => checker::DRIVEN_AGAIN,
            Fault::KeepsEverything => checker::EVEN,
        }
    }
}

/// Runs the replicas of `seed`, with a fault planted or without, and tells what happened.
#[must_use]
pub fn run(seed: u64, fault: Option<Fault>) -> Story {
    world::World::run(seed, fault)
}
