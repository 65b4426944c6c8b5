//! Messages between driver and data plane: lost, doubled, delayed, and therefore out of order.

use crate::plane::Answer;
use crate::scenario::Scenario;
use std::collections::BTreeMap;
use tidegate_core::judge::Tick;
use tidegate_core::rollout::{Effect, Role};
use tidegate_stats::rng::Rng;

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// An effect reaches the data plane.
    Effect(Effect),
    /// The data plane is asked for its kept evidence.
    Resend(u64),
    /// An answer reaches the driver.
    Answer(Answer),
    /// Evidence reaches the driver.
    Evidence(Vec<Tick>),
    /// A worker has finished loading, or not.
    Loaded { role: Role, generation: u64 },
    /// The data plane ends a tick.
    Tick,
    /// The driver is to be woken.
    Wake,
    /// The driver comes back after a crash.
    DriverUp,
}

/// What happens next, in order of time, ties in order of sending.
#[derive(Debug, Default)]
pub(crate) struct Network {
    queue: BTreeMap<(i64, u64), Happening>,
    sent: u64,
    pub(crate) calm: bool,
}

impl Network {
    /// Something that happens for certain.
    pub(crate) fn at(&mut self, ms: i64, what: Happening) {
        self.sent += 1;
        self.queue.insert((ms, self.sent), what);
    }

    /// A message.
    pub(crate) fn send(&mut self, rng: &mut Rng, scenario: &Scenario, now_ms: i64, what: Happening) {
        if self.calm {
            return self.at(now_ms + 10, what);
        }
        if rng.chance(scenario.lost) {
            return;
        }
        if rng.chance(scenario.doubled) {
            let delay = 1 + rng.below(scenario.delay_ms * 3);
            self.at(now_ms + delay as i64, what.clone());
        }
        let delay = 1 + rng.below(scenario.delay_ms);
        self.at(now_ms + delay as i64, what);
    }

    /// The next thing that happens.
    pub(crate) fn next(&mut self) -> Option<(i64, Happening)> {
        self.queue.pop_first().map(|((ms, _), what)| (ms, what))
    }
}
