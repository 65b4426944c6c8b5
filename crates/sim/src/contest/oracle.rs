//! How long the judge takes beside a test of the same null that is told the truth about the candidate.
//!
//! The oracle bets on one alternative only, the one whose evidence grows fastest in this world, against the whole of alpha: by
//! Wald's identity nobody who keeps the same chance of a false rollback is much faster. Runs last until both have decided, for a
//! median that is cut off at an hour says nothing. No warm-up on either side: it is the same time for both.

use super::judges::settings;
use super::world::{Counted, TICKS_PER_MINUTE, World};
use super::{ALPHA, Cell, SLACK, TOLERANCE};
use serde::{Deserialize, Serialize};
use tidegate_core::judge::{Interval, JudgeState, Mode, Offline, tick_of};
use tidegate_stats::eprocess::{Counts, Null, Payoff, payoff};
use tidegate_stats::frequent::frequent_payoff;

/// Days after which a run is given up.
pub const DAYS_MAX: usize = 7;
/// Ticks that the oracle's own time has at least: a delay that is rounded up to one tick, or two, says nothing of a ratio.
const TICKS_MIN: f64 = 30.0;
/// Seconds of a tick: the first of these that gives as many.
const TICK_SECONDS: [f64; 10] = [10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01];
/// Requests of the candidate that a shorter tick than the judge's own has at least: an arm that is empty in a tick tells nothing.
const TICK_REQUESTS_MIN: f64 = 5.0;
/// Alternatives that the oracle looks at before it chooses, and the largest multiple of the null's ratio among them.
const ALTERNATIVES: i32 = 600;
const MULTIPLE_MAX: f64 = 400.0;

/// Both delays in one cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// The world.
    pub cell: Cell,
    /// Runs.
    pub runs: u64,
    /// Seconds of a tick: the judge's 10, or fewer where those would round the delay away.
    pub tick_seconds: f64,
    /// Median minutes of the oracle; none where most runs were given up.
    pub oracle_minutes: Option<f64>,
    /// Median minutes of the judge with one guardrail.
    pub one_minutes: Option<f64>,
    /// With four, of which three see nothing wrong.
    pub four_minutes: Option<f64>,
}

impl Delay {
    /// The judge's time over the oracle's; none where either was given up.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        Some(self.one_minutes? / self.oracle_minutes?)
    }
}

/// Runs a harmful cell until both have decided, in ticks that are short beside the time that the oracle needs.
#[must_use]
pub fn delay(cell: Cell, runs: u64, seed: u64) -> Delay {
    let tick_seconds = Oracle::of(cell).tick_seconds(cell);
    // Nothing is disturbed, so a shorter tick is the same world with fewer requests in each.
    let shortened = Cell { per_minute: cell.per_minute * tick_seconds / TICK_SECONDS[0], ..cell };
    let mut found = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs {
        let (oracle, one, four) = race(shortened, tidegate_stats::rng::mix(seed ^ tidegate_stats::rng::mix(run)));
        found.0.push(oracle);
        found.1.push(one);
        found.2.push(four);
    }
    let minutes = |ticks| median(ticks).map(|ticks| ticks as f64 * tick_seconds / 60.0);
    Delay { cell, runs, tick_seconds, oracle_minutes: minutes(found.0), one_minutes: minutes(found.1), four_minutes: minutes(found.2) }
}

/// The ticks after which oracle, one guardrail and four decided.
fn race(cell: Cell, seed: u64) -> (usize, usize, usize) {
    let mut world = World::new(cell, seed);
    let mut oracle = Oracle::of(cell);
    let (one, four) = (settings(1), settings(4));
    let state = |settings| JudgeState::new(settings, 1, Mode::Canary, &Offline::default());
    let (mut of_one, mut of_four) = (state(&one), state(&four));
    let mut ends = [None; 3];
    for number in 0..DAYS_MAX * 24 * 60 * TICKS_PER_MINUTE {
        let counted = world.tick();
        let interval = Interval { candidate: counted.candidate, control: counted.control };
        oracle.observe(&counted, cell);
        if ends[1].is_none() {
            of_one.observe(&tick_of(&one, number as u64, counted.share, interval));
        }
        of_four.observe(&tick_of(&four, number as u64, counted.share, interval));
        for (end, reached) in ends.iter_mut().zip([oracle.reached(), of_one.rolled_back(), of_four.rolled_back()]) {
            if reached && end.is_none() {
                *end = Some(number + 1);
            }
        }
        if ends.iter().all(Option::is_some) {
            break;
        }
    }
    let [oracle, one, four] = ends.map(|end| end.unwrap_or(usize::MAX));
    (oracle, one, four)
}

fn median(mut ticks: Vec<usize>) -> Option<usize> {
    ticks.sort_unstable();
    ticks.get(ticks.len() / 2).copied().filter(|middle| *middle != usize::MAX)
}

/// The test that knows.
pub(super) struct Oracle {
    alternative: Alternative,
    log: f64,
}

/// What it bets on.
#[derive(Clone, Copy)]
enum Alternative {
    /// A ratio of rare rates.
    Rare(f64),
    /// A multiple of the null's odds, at the pooled rate that this world has.
    Frequent(f64),
}

const NULL: Null = Null { ratio: TOLERANCE, slack: SLACK };

impl Alternative {
    fn payoff(self, cell: Cell, rho: f64) -> Option<Payoff> {
        match self {
            Alternative::Rare(ratio) => Some(payoff(NULL, ratio, rho)),
            Alternative::Frequent(multiple) => {
                let pooled = rho * cell.base * cell.ratio + (1.0 - rho) * cell.base;
                frequent_payoff(NULL, multiple, rho, pooled)
            }
        }
    }

    /// Mean growth of the evidence with each request.
    fn growth(self, cell: Cell, rho: f64) -> f64 {
        let (p1, p0) = (cell.base * cell.ratio, cell.base);
        self.payoff(cell, rho)
            .map_or(f64::NEG_INFINITY, |pay| rho * (p1 * pay.hit1 + pay.trial1) + (1.0 - rho) * (p0 * pay.hit0 + pay.trial0))
    }
}

impl Oracle {
    pub(super) fn of(cell: Cell) -> Oracle {
        let rho = super::world::SHARE;
        let multiples = (1..=ALTERNATIVES).map(|i| libm::pow(MULTIPLE_MAX, f64::from(i) / f64::from(ALTERNATIVES)));
        let all = multiples.flat_map(|m| [Alternative::Rare(TOLERANCE * m), Alternative::Frequent(m)]);
        let best = all.max_by(|a, b| a.growth(cell, rho).total_cmp(&b.growth(cell, rho)));
        Oracle { alternative: best.unwrap_or(Alternative::Rare(cell.ratio)), log: 0.0 }
    }

    /// The longest tick of which its expected time has enough.
    fn tick_seconds(&self, cell: Cell) -> f64 {
        let growth = self.alternative.growth(cell, super::world::SHARE) * cell.per_minute / 60.0;
        let expected = -libm::log(ALPHA) / growth;
        let enough = |tick: &f64| tick * cell.per_minute / 60.0 * super::world::SHARE >= TICK_REQUESTS_MIN;
        let mut shortest = TICK_SECONDS[0];
        for tick in TICK_SECONDS.into_iter().filter(enough) {
            shortest = tick;
            if tick * TICKS_MIN <= expected {
                break;
            }
        }
        shortest
    }

    pub(super) fn observe(&mut self, counted: &Counted, cell: Cell) {
        let ((n1, s1), (n0, s0)) = (counted.candidate, counted.control);
        let counts = Counts { n1, s1, n0, s0 };
        if counts.comparable()
            && let Some(pay) = self.alternative.payoff(cell, counts.share())
        {
            self.log += pay.of(counts);
        }
    }

    pub(super) fn reached(&self) -> bool {
        self.log >= -libm::log(ALPHA)
    }
}
