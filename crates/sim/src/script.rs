//! Worlds that are written down instead of drawn: one question each, told as a story.

use crate::ab;
use crate::guilty;
use crate::halted;
use crate::people;
use crate::regions;
use crate::scenario::{Scenario, Truth};
use crate::signatures;
use crate::story::Story;
use crate::train;
use crate::world::World;
use tidegate_stats::rng::Rng;

/// The tick in which a scripted freeze begins: users see the candidate by then.
const FREEZE_TICK: u64 = 4;
/// How long it lasts: five minutes.
const FREEZE_TICKS: u64 = 30;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// A freeze begins while users see a good candidate: it stays at its weight, and goes on afterwards.
    Freeze,
    /// The same with a harmful one: it goes back in the freeze.
    HarmInFreeze,
    /// An author tries to approve their own change.
    OwnChange,
    /// The glass is broken in an emergency, and ends by itself.
    BrokenGlass,
    /// A breaker halts an environment with two releases under way.
    Halted,
    /// Two releases at once, one of which is guilty.
    Guilty,
    /// A train of four services whose last release is harmful.
    Train,
    /// A train that is refused for a signature, and one that stands still for one.
    Signatures,
    /// An A/B test of a harmful variant, a better one and one that is no different.
    Ab,
    /// One version in staging and two regions, harmful in the second.
    Regions,
}

/// Plays a script.
#[must_use]
pub fn play(script: Script) -> Story {
    let frozen = Scenario { freeze: Some((FREEZE_TICK, FREEZE_TICKS)), ..Scenario::calm() };
    let world = |scenario| World::of(0, Rng::new(0), scenario, None);
    match script {
        Script::Freeze => world(frozen),
        // Harm begins with the first users: the shadow is left out, which would find it.
        Script::HarmInFreeze => world(Scenario { truth: Truth::Harmful, shadow: false, freeze: Some((2, FREEZE_TICKS)), ..frozen }),
        Script::OwnChange => people::own_change(),
        Script::BrokenGlass => people::broken_glass(),
        Script::Halted => halted::environment(),
        Script::Guilty => guilty::one_of_two(),
        Script::Train => train::back_past_what_cannot_be_undone(),
        Script::Signatures => signatures::refused_and_stopped(),
        Script::Ab => ab::one_of_each(),
        Script::Regions => regions::harm_in_the_second_region(),
    }
}
