//! One attempt at one target: whatever becomes of it, it is counted exactly once.

use crate::breaker::Admission;
use crate::clock;
use crate::counts::{Kind, Result as Counted};
use crate::exemplars::Exemplar;
use crate::frame::{Answer, Body, Outcome};
use crate::language::Outlet;
use crate::plan::PlanTarget;
use crate::pool::{NoAnswer, Priority};
use crate::trace::{self, Trace};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// An attempt on its way. Dropped before its end - the client went away - it counts as not answered in time: a
/// version that makes its users give up must not look better for it.
pub struct Attempt<'a> {
    target: &'a PlanTarget,
    kind: Kind,
    start: Instant,
    open: bool,
    admission: Admission,
    /// What the target's breaker is told: a good answer, a failure, or nothing.
    good: Option<bool>,
}

/// What a target is asked.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    pub body: &'a Body,
    pub priority: Priority,
    pub deadline: Duration,
    /// Where what a language model answers goes while it comes.
    pub outlet: Option<&'a Outlet>,
}

/// An answer with the time it took.
pub struct Timed {
    pub answer: Answer,
    pub latency_us: f64,
}

/// Why there is none.
#[derive(Clone, Copy)]
pub enum Unanswered {
    /// The target is being unloaded: choose again; nothing was counted.
    Draining,
    /// Another target may answer.
    Gone,
    /// Too many wait in this worker.
    Full,
    /// The request does not fit a frame.
    Long,
    /// The deadline passed.
    Late,
    /// Its breaker is open, and another target answers.
    Broken,
}

/// Asks `target` and counts what came of it. An open breaker is passed over: whoever calls knows that nobody else can answer.
pub async fn attempt(target: &PlanTarget, kind: Kind, wish: Wish<'_>) -> Result<Timed, Unanswered> {
    admitted(target, kind, wish, target.slot.admit()).await
}

/// As [`attempt`]; where the target's breaker is open and `others` can answer, it is not asked. That counts as an error of the target
/// all the same: it was drawn and could not answer, and a version must not look better because its users are spared it.
pub async fn attempt_or_divert(target: &PlanTarget, wish: Wish<'_>, others: impl FnOnce() -> bool) -> Result<Timed, Unanswered> {
    let admission = target.slot.admit();
    if matches!(admission, Admission::Refused { .. }) && others() {
        target.slot.diverted.fetch_add(1, Ordering::Relaxed);
        target.counts.add(Kind::First, Counted::Error);
        trace::attempt(&Trace::current(), target, Kind::First).spared();
        return Err(Unanswered::Broken);
    }
    admitted(target, Kind::First, wish, admission).await
}

async fn admitted(target: &PlanTarget, kind: Kind, wish: Wish<'_>, admission: Admission) -> Result<Timed, Unanswered> {
    let mut attempt = Attempt { target, kind, start: clock::now(), open: true, admission, good: None };
    if let Some(outlet) = wish.outlet {
        outlet.asks(&target.header);
    }
    let mut span = trace::attempt(&Trace::current(), target, kind);
    let result = span.within(target.slot.ask(wish.body, wish.priority, wish.deadline, wish.outlet)).await;
    let latency_us = clock::elapsed_us(attempt.start);
    span.came(&result);
    match result {
        Ok(answer) => {
            match answer.outcome {
                Outcome::Answered => {
                    attempt.good = Some(true);
                    target.counts.work().answered(&answer.work, latency_us, clock::wall_ms());
                    if let Some(generated) = &answer.generated {
                        target.counts.add_generated(kind, generated);
                    }
                    if let Some(trace) = span.trace().recorded() {
                        target.counts.exemplars.put(Exemplar { trace, latency_us, at_ms: clock::wall_ms() });
                    }
                    attempt.count(Counted::Answered(latency_us));
                }
                Outcome::ClientFault => attempt.count(Counted::ClientFault),
                Outcome::Refused => attempt.failed(),
                Outcome::Failed => {
                    attempt.good = Some(false);
                    attempt.failed();
                }
            }
            Ok(Timed { answer, latency_us })
        }
        Err(NoAnswer::Draining) => {
            attempt.forget();
            Err(Unanswered::Draining)
        }
        Err(NoAnswer::Long) => {
            attempt.count(Counted::ClientFault);
            Err(Unanswered::Long)
        }
        Err(why) => {
            // A worker that is full or being started again says nothing about its version.
            attempt.good = matches!(why, NoAnswer::Died | NoAnswer::Late).then_some(false);
            attempt.failed();
            Err(match why {
                NoAnswer::Full => Unanswered::Full,
                NoAnswer::Late | NoAnswer::Left => Unanswered::Late,
                NoAnswer::NotReady | NoAnswer::Died | NoAnswer::Draining | NoAnswer::Long => Unanswered::Gone,
            })
        }
    }
}

impl Attempt<'_> {
    fn count(mut self, result: Counted) {
        self.open = false;
        self.target.counts.add(self.kind, result);
    }

    /// Dropped: it counts as an error.
    fn failed(self) {}

    fn forget(mut self) {
        self.open = false;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.target.slot.settle(self.admission, self.good);
        if self.open {
            self.target.counts.work().failed(clock::elapsed_us(self.start));
            self.target.counts.add(self.kind, Counted::Error);
        }
    }
}
