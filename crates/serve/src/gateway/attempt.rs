//! One attempt at one target: whatever becomes of it, it is counted exactly once.

use crate::clock;
use crate::counts::{Kind, Result as Counted};
use crate::frame::{Answer, Body, Outcome};
use crate::plan::PlanTarget;
use crate::pool::NoAnswer;
use std::time::{Duration, Instant};

/// An attempt on its way. Dropped before its end - the client went away - it counts as not answered in time: a
/// version that makes its users give up must not look better for it.
pub struct Attempt<'a> {
    target: &'a PlanTarget,
    kind: Kind,
    start: Instant,
    open: bool,
}

/// An answer with the time it took.
pub struct Timed {
    pub answer: Answer,
    pub latency_us: f64,
}

/// Why there is none.
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
}

/// Asks `target` and counts what came of it.
pub async fn attempt(target: &PlanTarget, kind: Kind, body: &Body, deadline: Duration) -> Result<Timed, Unanswered> {
    let attempt = Attempt { target, kind, start: clock::now(), open: true };
    let result = target.slot.ask(body, deadline).await;
    let latency_us = clock::elapsed_us(attempt.start);
    match result {
        Ok(answer) => {
            match answer.outcome {
                Outcome::Answered => {
                    target.counts.work().answered(&answer.work, latency_us, clock::wall_ms());
                    attempt.count(Counted::Answered(latency_us));
                }
                Outcome::ClientFault => attempt.count(Counted::ClientFault),
                Outcome::Refused | Outcome::Failed => attempt.failed(),
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
            attempt.failed();
            Err(match why {
                NoAnswer::Full => Unanswered::Full,
                NoAnswer::Late => Unanswered::Late,
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
        if self.open {
            self.target.counts.work().failed(clock::elapsed_us(self.start));
            self.target.counts.add(self.kind, Counted::Error);
        }
    }
}
