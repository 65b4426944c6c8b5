//! What each target was asked and how it answered: deltas for the judge, totals for people.
//!
//! One short lock for each answer keeps requests, errors and latencies of one moment together: a delta never holds
//! an error without its request, and every answer is in exactly one delta.

use crate::exemplars::{self, Exemplars};
use crate::language::{Generated, TokenCounts};
use crate::work::WorkTotals;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_core::judge::{ArmCounts, LatencyHistogram, Measure};
use tidegate_core::route::TargetId;

/// Buckets of [`LatencyHistogram`]: the bucket of an unbounded latency is the last one.
pub const BUCKETS: usize = LATENCY_BUCKETS as usize;
const LATENCY_BUCKETS: u16 = 26 * 16 + 1;

/// How a request came to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The split chose it: what the judge compares.
    First,
    /// Another target gave no answer; never counted for the judge.
    Retry,
    /// The caller named the version, or asked for a preview of it; never counted for the judge.
    Direct,
    /// A copy that no user sees.
    Mirrored,
}

/// How a target dealt with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Result {
    /// Answered, after so many microseconds.
    Answered(f64),
    /// Failed, refused, late, or its worker died.
    Error,
    /// The caller's doing: counts for nothing but itself.
    ClientFault,
}

/// Live requests of one target since the gateway's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveTotals {
    /// All of them, of whatever kind and end.
    pub requests: u64,
    /// Answered.
    pub answered: u64,
    /// Failed, refused, late, or the worker died.
    pub errors: u64,
    /// The caller's doing.
    pub client_faults: u64,
    /// Of the requests: retries of others' failures.
    pub retries: u64,
    /// Of the requests: those that named the version or asked for a preview.
    pub direct: u64,
    /// Sum of the latencies of answered ones, in microseconds.
    pub latency_us: u64,
}

/// What one target was asked since the last time somebody took its counts.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetCounts {
    /// Which.
    pub target: TargetId,
    /// First attempts chosen by the split.
    pub live: ArmCounts,
    /// Mirrored copies.
    pub mirrored: ArmCounts,
    /// First attempts that were the caller's fault; in neither of the above.
    pub client_faults: u64,
}

#[derive(Debug)]
struct Dense {
    requests: u64,
    errors: u64,
    buckets: Box<[u32; BUCKETS]>,
    generated: Measured,
}

/// What was measured of generated answers: few a second, so kept sparse.
type Measured = BTreeMap<Measure, LatencyHistogram>;

fn measure(all: &mut Measured, generated: &Generated) {
    let each = [(Measure::FirstToken, generated.first_token_us), (Measure::TokenTime, generated.token_us), (Measure::Cost, generated.cost)];
    for (measure, value) in each {
        if let Some(value) = value {
            all.entry(measure).or_default().record(value);
        }
    }
}

/// What generated answers took since the gateway's start, for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GeneratedTotals {
    /// Answers.
    pub answers: u64,
    /// Tokens, as servers told of them or as events counted.
    pub tokens: TokenCounts,
    /// Sum of times to the first token and of costs; each with how many there are, in the histograms.
    pub first_token_us: f64,
    /// Sum of mean times between tokens.
    pub token_us: f64,
    /// Millionths of the unit of prices.
    pub cost: f64,
    /// The three as histograms.
    pub measured: BTreeMap<Measure, LatencyHistogram>,
}

impl GeneratedTotals {
    fn add(&mut self, generated: &Generated) {
        self.answers += 1;
        self.tokens.input = self.tokens.input.saturating_add(generated.tokens.input);
        self.tokens.output = self.tokens.output.saturating_add(generated.tokens.output);
        self.first_token_us += generated.first_token_us.unwrap_or_default();
        self.token_us += generated.token_us.unwrap_or_default();
        self.cost += generated.cost.unwrap_or_default();
        measure(&mut self.measured, generated);
    }
}

impl Default for Dense {
    fn default() -> Dense {
        Dense { requests: 0, errors: 0, buckets: Box::new([0; BUCKETS]), generated: Measured::new() }
    }
}

impl Dense {
    fn add(&mut self, result: Result) {
        match result {
            Result::Answered(us) => {
                self.requests += 1;
                if let Some(count) = self.buckets.get_mut(usize::from(LatencyHistogram::bucket_of(us))) {
                    *count = count.saturating_add(1);
                }
            }
            Result::Error => {
                self.requests += 1;
                self.errors += 1;
            }
            Result::ClientFault => {}
        }
    }

    fn take(&mut self) -> ArmCounts {
        let mut latency = LatencyHistogram::default();
        for (bucket, count) in (0_u16..).zip(self.buckets.iter_mut()).filter(|b| *b.1 > 0) {
            latency.add(bucket, std::mem::take(count));
        }
        ArmCounts {
            requests: std::mem::take(&mut self.requests),
            errors: std::mem::take(&mut self.errors),
            latency,
            generated: std::mem::take(&mut self.generated),
            ..ArmCounts::default()
        }
    }
}

#[derive(Debug)]
struct State {
    live: Dense,
    mirrored: Dense,
    client_faults: u64,
    totals: LiveTotals,
    total_buckets: Box<[u64; BUCKETS]>,
    mirrored_total: u64,
}

/// One target's counts.
#[derive(Debug)]
pub struct Counts {
    pub target: TargetId,
    state: Mutex<State>,
    work: Mutex<WorkTotals>,
    generated: Mutex<GeneratedTotals>,
    /// Requests whose trace is recorded, for people alone.
    pub exemplars: Exemplars,
}

/// One target's totals, for people.
#[derive(Debug)]
pub struct Totals {
    pub target: TargetId,
    pub live: LiveTotals,
    pub buckets: Box<[u64; BUCKETS]>,
    pub mirrored: u64,
    pub work: WorkTotals,
    pub generated: GeneratedTotals,
    pub exemplars: exemplars::Each,
}

impl Counts {
    fn new(target: TargetId) -> Counts {
        let state = State {
            live: Dense::default(),
            mirrored: Dense::default(),
            client_faults: 0,
            totals: LiveTotals::default(),
            total_buckets: Box::new([0; BUCKETS]),
            mirrored_total: 0,
        };
        let (work, generated, exemplars) = (Mutex::default(), Mutex::default(), Exemplars::default());
        Counts { target, state: Mutex::new(state), work, generated, exemplars }
    }

    /// Additions cannot panic half-way, so a poisoned lock holds sound counts.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What live requests took; for people alone, so under a lock of its own.
    pub fn work(&self) -> MutexGuard<'_, WorkTotals> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one request.
    pub fn add(&self, kind: Kind, result: Result) {
        let mut state = self.state();
        let state = &mut *state;
        if kind == Kind::Mirrored {
            state.mirrored_total += 1;
            state.mirrored.add(result);
            return;
        }
        if kind == Kind::First {
            state.live.add(result);
            state.client_faults += u64::from(result == Result::ClientFault);
        }
        let totals = &mut state.totals;
        totals.requests += 1;
        totals.retries += u64::from(kind == Kind::Retry);
        totals.direct += u64::from(kind == Kind::Direct);
        match result {
            Result::Answered(us) => {
                totals.answered += 1;
                totals.latency_us = totals.latency_us.saturating_add(us as u64);
                if let Some(count) = state.total_buckets.get_mut(usize::from(LatencyHistogram::bucket_of(us))) {
                    *count += 1;
                }
            }
            Result::Error => totals.errors += 1,
            Result::ClientFault => totals.client_faults += 1,
        }
    }

    /// Adds what a language model took for an answer.
    pub fn add_generated(&self, kind: Kind, generated: &Generated) {
        {
            let mut state = self.state();
            match kind {
                Kind::First => measure(&mut state.live.generated, generated),
                Kind::Mirrored => measure(&mut state.mirrored.generated, generated),
                Kind::Retry | Kind::Direct => {}
            }
        }
        if kind != Kind::Mirrored {
            self.generated().add(generated);
        }
    }

    fn generated(&self) -> MutexGuard<'_, GeneratedTotals> {
        self.generated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> TargetCounts {
        let mut state = self.state();
        TargetCounts {
            target: self.target.clone(),
            live: state.live.take(),
            mirrored: state.mirrored.take(),
            client_faults: std::mem::take(&mut state.client_faults),
        }
    }

    /// Since the gateway's start.
    pub fn totals(&self) -> Totals {
        let (work, generated) = (self.work().clone(), self.generated().clone());
        let state = self.state();
        Totals {
            target: self.target.clone(),
            live: state.totals,
            buckets: state.total_buckets.clone(),
            mirrored: state.mirrored_total,
            work,
            generated,
            exemplars: self.exemplars.all(),
        }
    }
}

/// Every target that was ever routed; they stay, so that nothing counted is lost when a route changes.
#[derive(Debug, Default)]
pub struct Book(Mutex<BTreeMap<TargetId, Arc<Counts>>>);

impl Book {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TargetId, Arc<Counts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A target's counts, made when it is first seen.
    pub fn of(&self, target: &TargetId) -> Arc<Counts> {
        Arc::clone(self.lock().entry(target.clone()).or_insert_with(|| Arc::new(Counts::new(target.clone()))))
    }

    /// What a service's targets were asked since the last call, in the order of targets.
    pub fn take(&self, service: &str) -> Vec<TargetCounts> {
        self.lock().values().filter(|c| c.target.service == service).map(|c| c.take()).collect()
    }

    /// Every target's totals, in the order of targets.
    pub fn totals(&self) -> Vec<Totals> {
        self.lock().values().map(|c| c.totals()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::route::Role;

    #[test]
    fn the_last_bucket_is_the_last() {
        assert_eq!(usize::from(LatencyHistogram::bucket_of(f64::INFINITY)), BUCKETS - 1);
    }

    #[test]
    fn only_first_attempts_reach_the_judge_and_each_once() {
        let book = Book::default();
        let target = TargetId::new("s", "1", Role::Stable);
        let counts = book.of(&target);
        counts.add(Kind::First, Result::Answered(100.0));
        counts.add(Kind::First, Result::Error);
        counts.add(Kind::First, Result::ClientFault);
        counts.add(Kind::Retry, Result::Answered(5.0));
        counts.add(Kind::Direct, Result::Error);
        counts.add(Kind::Mirrored, Result::Answered(7.0));
        let taken = book.take("s").remove(0);
        assert_eq!((taken.live.requests, taken.live.errors, taken.live.latency.total()), (2, 1, 1));
        assert_eq!((taken.mirrored.requests, taken.mirrored.errors, taken.client_faults), (1, 0, 1));
        let nothing = book.take("s").remove(0);
        assert_eq!((nothing.live, nothing.mirrored), (ArmCounts::default(), ArmCounts::default()));
        let expected = LiveTotals { requests: 5, answered: 2, errors: 2, client_faults: 1, retries: 1, direct: 1, latency_us: 105 };
        assert_eq!(book.totals().remove(0).live, expected);
        assert!(book.take("other").is_empty());
    }

    #[test]
    fn nothing_is_lost_between_two_takings() {
        const EACH: u64 = 20_000;
        let book = Arc::new(Book::default());
        let counts = book.of(&TargetId::new("s", "1", Role::Stable));
        let adders: Vec<_> = (0..4)
            .map(|i| {
                let counts = Arc::clone(&counts);
                std::thread::spawn(move || {
                    (0..EACH).for_each(|n| counts.add(Kind::First, if n % 4 == i { Result::Error } else { Result::Answered(n as f64) }))
                })
            })
            .collect();
        let (mut requests, mut errors, mut answered) = (0, 0, 0);
        let mut take = || {
            let taken = book.take("s").remove(0).live;
            assert_eq!(taken.requests, taken.errors + taken.latency.total());
            requests += taken.requests;
            errors += taken.errors;
            answered += taken.latency.total();
        };
        while adders.iter().any(|a| !a.is_finished()) {
            take();
        }
        take();
        assert_eq!((requests, errors, answered), (4 * EACH, EACH, 3 * EACH));
    }
}
