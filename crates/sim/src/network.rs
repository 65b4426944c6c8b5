//! Messages between driver and data plane: lost, doubled, delayed, and therefore out of order.

use crate::scenario::Scenario;
use std::collections::BTreeMap;
use tidegate_stats::rng::Rng;

/// What happens next, in order of time, ties in order of sending.
#[derive(Debug)]
pub(crate) struct Network<H> {
    queue: BTreeMap<(i64, u64), H>,
    sent: u64,
    pub(crate) calm: bool,
}

impl<H: Clone> Network<H> {
    pub(crate) fn new() -> Network<H> {
        Network { queue: BTreeMap::new(), sent: 0, calm: false }
    }

    /// Something that happens for certain.
    pub(crate) fn at(&mut self, ms: i64, what: H) {
        self.sent += 1;
        self.queue.insert((ms, self.sent), what);
    }

    /// A message.
    pub(crate) fn send(&mut self, rng: &mut Rng, scenario: &Scenario, now_ms: i64, what: H) {
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
    pub(crate) fn next(&mut self) -> Option<(i64, H)> {
        self.queue.pop_first().map(|((ms, _), what)| (ms, what))
    }
}
