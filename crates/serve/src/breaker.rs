//! Whether a target is asked at all: a breaker by rate of failures, with three states.
//!
//! A closed breaker lets everything pass and looks at the failures of the last [`limits::BREAKER_WINDOW_MS`]. Where they are too many it
//! opens: nothing passes for a time that doubles with each opening. Then it is half open: one request at a time is let through, and so
//! many good answers in a row close it, while one failure opens it again. What a caller did wrong, and records that a version refuses, are
//! no failures here: they would let a caller shut a version for everybody.
//!
//! Time is an argument. Not here: who answers instead, and how it is counted.

use crate::limits;
use std::collections::VecDeque;

/// When it opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Whose failures count, in milliseconds back.
    pub window_ms: u64,
    /// Fewer answers than this say nothing.
    pub requests_min: u64,
    /// The share of failures from which it opens, in basis points.
    pub failures_bp: u64,
    /// How long it stays open the first time, in milliseconds.
    pub open_ms: u64,
    /// The longest it stays open, in milliseconds.
    pub open_ms_max: u64,
    /// Good answers in a row that close it.
    pub probes: u32,
    /// Failures in a row that open it, however few there are.
    pub in_a_row: Option<u32>,
}

impl Default for BreakerSettings {
    fn default() -> BreakerSettings {
        BreakerSettings {
            window_ms: limits::BREAKER_WINDOW_MS,
            requests_min: limits::BREAKER_REQUESTS_MIN,
            failures_bp: limits::BREAKER_FAILURES_BP,
            open_ms: limits::BREAKER_OPEN_MS,
            open_ms_max: limits::BREAKER_OPEN_MS_MAX,
            probes: limits::BREAKER_PROBES,
            in_a_row: None,
        }
    }
}

/// Whether a request may go to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Pass,
    /// It may, and tells whether the target is well again.
    Probe,
    /// It may not, for so many milliseconds yet.
    Refused {
        /// Until the next probe may be due.
        wait_ms: u64,
    },
}

/// What is told of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything passes.
    Closed,
    /// Nothing passes.
    Open,
    /// One request at a time passes.
    HalfOpen,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open { since_ms: u64, for_ms: u64 },
    HalfOpen { good: u32, probing: bool, opened_for_ms: u64 },
}

/// Answers of one part of the window.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    number: u64,
    answers: u64,
    failures: u64,
}

/// Parts of a window: how exactly its edge is kept.
const PARTS: u64 = 10;

/// One target's breaker.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
    window: VecDeque<Part>,
    /// Failures since the last good answer.
    row: u32,
    opened: u64,
}

impl Breaker {
    /// Closed, with nothing seen.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Breaker {
        Breaker { settings, state: State::Closed, window: VecDeque::new(), row: 0, opened: 0 }
    }

    /// What it is now.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// How often it has opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Whether a request may pass now. Whoever is told [`Admission::Probe`] must [`Breaker::record`] or [`Breaker::give_up`] it.
    pub fn admit(&mut self, now_ms: u64) -> Admission {
        match &mut self.state {
            State::Closed => Admission::Pass,
            State::Open { since_ms, for_ms } => {
                let stood_ms = now_ms.saturating_sub(*since_ms);
                if stood_ms < *for_ms {
                    return Admission::Refused { wait_ms: *for_ms - stood_ms };
                }
                self.state = State::HalfOpen { good: 0, probing: true, opened_for_ms: *for_ms };
                Admission::Probe
            }
            // How long a probe takes is the target's own time limit; meanwhile a moment is as good a guess as any.
            State::HalfOpen { probing: true, .. } => Admission::Refused { wait_ms: limits::BREAKER_PROBE_WAIT_MS },
            State::HalfOpen { probing, .. } => {
                *probing = true;
                Admission::Probe
            }
        }
    }

    /// Whether it would refuse a request now; takes no probe.
    #[must_use]
    pub fn refuses(&self, now_ms: u64) -> bool {
        match self.state {
            State::Closed => false,
            State::Open { since_ms, for_ms } => now_ms.saturating_sub(since_ms) < for_ms,
            State::HalfOpen { probing, .. } => probing,
        }
    }

    /// An answer, good or failed, of a request that was let through as `admission`.
    pub fn record(&mut self, now_ms: u64, admission: Admission, good: bool) {
        match (admission, self.state) {
            (Admission::Probe, State::HalfOpen { good: before, opened_for_ms, .. }) if good => {
                let good = before + 1;
                if good >= self.settings.probes {
                    self.window.clear();
                    self.state = State::Closed;
                } else {
                    self.state = State::HalfOpen { good, probing: false, opened_for_ms };
                }
            }
            (Admission::Probe, State::HalfOpen { opened_for_ms, .. }) => {
                self.open(now_ms, opened_for_ms.saturating_mul(2).min(self.settings.open_ms_max));
            }
            (Admission::Pass, State::Closed) => self.count(now_ms, good),
            // What was asked before it opened tells nothing new.
            _ => {}
        }
    }

    /// A probe whose end is not the target's doing: the next one may come.
    pub fn give_up(&mut self, admission: Admission) {
        if let (Admission::Probe, State::HalfOpen { probing, .. }) = (admission, &mut self.state) {
            *probing = false;
        }
    }

    fn count(&mut self, now_ms: u64, good: bool) {
        let number = now_ms / (self.settings.window_ms / PARTS).max(1);
        if self.window.back().is_none_or(|part| part.number < number) {
            self.window.push_back(Part { number, ..Part::default() });
        }
        while self.window.front().is_some_and(|part| part.number.saturating_add(PARTS) <= number) {
            self.window.pop_front();
        }
        if let Some(part) = self.window.back_mut() {
            part.answers += 1;
            part.failures += u64::from(!good);
        }
        let sum = |of: fn(&Part) -> u64| self.window.iter().map(of).sum::<u64>();
        let (answers, failures) = (sum(|part| part.answers), sum(|part| part.failures));
        self.row = if good { 0 } else { self.row.saturating_add(1) };
        if self.settings.in_a_row.is_some_and(|most| self.row >= most) {
            return self.open(now_ms, self.settings.open_ms);
        }
        if !good && answers >= self.settings.requests_min && failures * 10_000 >= answers.saturating_mul(self.settings.failures_bp) {
            self.open(now_ms, self.settings.open_ms);
        }
    }

    fn open(&mut self, now_ms: u64, for_ms: u64) {
        self.window.clear();
        self.row = 0;
        self.opened += 1;
        self.state = State::Open { since_ms: now_ms, for_ms };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(breaker: &mut Breaker, now_ms: u64, good: bool) -> Admission {
        let admission = breaker.admit(now_ms);
        breaker.record(now_ms, admission, good);
        admission
    }

    #[test]
    fn it_opens_at_half_the_answers_of_a_window_and_not_before_twenty() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        for i in 0..19 {
            asked(&mut breaker, i * 10, false);
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "nineteen answers say nothing");
        asked(&mut breaker, 200, false);
        assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Open, 1));
        assert_eq!(breaker.admit(200), Admission::Refused { wait_ms: 5_000 });
        assert_eq!(breaker.admit(5_199), Admission::Refused { wait_ms: 1 });

        // A third fails: no matter how long, it stays closed.
        let mut breaker = Breaker::new(BreakerSettings::default());
        for i in 0..10_000 {
            asked(&mut breaker, i * 7, i % 3 != 0);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        // What failed before the window is forgotten.
        let mut breaker = Breaker::new(BreakerSettings::default());
        for _ in 0..19 {
            asked(&mut breaker, 0, false);
        }
        for _ in 0..10 {
            asked(&mut breaker, 10_000, true);
        }
        asked(&mut breaker, 10_001, false);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn one_at_a_time_tells_whether_it_is_well_again() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        for _ in 0..20 {
            asked(&mut breaker, 0, false);
        }
        assert_eq!(breaker.admit(5_000), Admission::Probe);
        assert!(matches!(breaker.admit(5_000), Admission::Refused { .. }), "one at a time");
        breaker.record(5_010, Admission::Probe, false);
        // Twice as long, and never longer than the longest.
        assert_eq!(breaker.admit(5_010), Admission::Refused { wait_ms: 10_000 });
        let mut now = 5_010;
        for _ in 0..6 {
            now += 60_000;
            assert_eq!(asked(&mut breaker, now, false), Admission::Probe);
        }
        assert_eq!(breaker.admit(now), Admission::Refused { wait_ms: 60_000 });
        now += 60_000;
        // One that its caller gave up says nothing.
        assert_eq!(breaker.admit(now), Admission::Probe);
        breaker.give_up(Admission::Probe);
        for good in 1..=3 {
            assert_eq!(breaker.state(), BreakerState::HalfOpen, "{good}");
            assert_eq!(asked(&mut breaker, now, true), Admission::Probe);
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(breaker.admit(now), Admission::Pass);
        // An answer of the time before does not open it again.
        breaker.record(now, Admission::Probe, false);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    proptest! {
        /// Whatever comes: at most one probe is out, an open breaker lets nothing pass before its time, and it never waits for ever.
        #[test]
        fn whatever_comes_it_keeps_its_word(steps in prop::collection::vec((0_u64..4_000, 0_u8..4), 1..300)) {
            let mut breaker = Breaker::new(BreakerSettings::default());
            let (mut now, mut out, mut refused_until) = (0, Vec::new(), 0);
            for (wait, deed) in steps {
                now += wait;
                if deed == 3 {
                    let admission = breaker.admit(now);
                    match admission {
                        Admission::Refused { wait_ms } => {
                            prop_assert!(wait_ms > 0 && wait_ms <= 60_000);
                            refused_until = if breaker.state() == BreakerState::Open { now + wait_ms } else { 0 };
                        }
                        Admission::Pass | Admission::Probe => {
                            prop_assert!(now >= refused_until);
                            out.push(admission);
                        }
                    }
                    prop_assert!(out.iter().filter(|a| **a == Admission::Probe).count() <= 1);
                } else if let Some(admission) = out.pop() {
                    match deed {
                        0 => breaker.record(now, admission, true),
                        1 => breaker.record(now, admission, false),
                        _ => breaker.give_up(admission),
                    }
                    refused_until = 0;
                }
            }
            // With every answer good it closes.
            out.into_iter().for_each(|admission| breaker.give_up(admission));
            for step in 1..=5 {
                asked(&mut breaker, now + step * 60_000, true);
            }
            prop_assert_eq!(breaker.state(), BreakerState::Closed);
        }
    }
}
