//! A version that answers in the gateway's own process: no process is woken for a request, and a crash of the model would be the gateway's.
//!
//! Only a stable version does so, and only where its service says `in_process`: it has served its users from a process of its own before.

use crate::clock;
use crate::frame::{Answer, Body, Hello, Outcome};
use crate::limits::{IN_PLACE_BYTES_MAX, IN_PLACE_US_MAX, WORKER_QUEUE_MAX};
use crate::pool::NoAnswer;
use crate::task;
use crate::worker::{Answerer, LoadedVersion, WorkerArguments};
use memchr::memmem;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A loaded version.
#[derive(Debug)]
pub struct Local {
    version: LoadedVersion,
    /// Threads that may be in the model at a time.
    turns: Semaphore,
    waiting: AtomicU64,
    /// What a request takes, in microseconds.
    typical_us: AtomicU64,
}

impl Local {
    /// Loads a version and asks its golden requests; a sentence where it does not come up.
    pub fn open(arguments: &WorkerArguments) -> Result<Local, String> {
        let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        let version = LoadedVersion::open(arguments, threads)?;
        let hello = version.hello();
        if !hello.ready {
            return Err(hello.why);
        }
        Ok(Local { version, turns: Semaphore::new(threads.get()), waiting: AtomicU64::new(0), typical_us: AtomicU64::new(IN_PLACE_US_MAX) })
    }

    /// What it says of itself.
    pub fn hello(&self) -> Hello {
        self.version.hello()
    }

    /// Answers a request: on the spot where that takes no time to speak of, else on a thread of its own.
    pub async fn ask(self: &Arc<Self>, body: &Body, deadline: Duration) -> Result<Answer, NoAnswer> {
        if self.waiting.fetch_add(1, Ordering::SeqCst) >= WORKER_QUEUE_MAX as u64 {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return Err(NoAnswer::Full);
        }
        let place = Place(&self.waiting);
        // Whoever is a thread of the model waits for no other: there are as many sessions as threads.
        let turn = tokio::time::timeout(deadline, self.turns.acquire()).await.map_err(|_| NoAnswer::Late)?;
        // The semaphore is never closed.
        let _turn = turn.map_err(|_| NoAnswer::NotReady)?;
        let answer = if self.is_quick(body) {
            self.answer(body)
        } else {
            let (local, body) = (Arc::clone(self), body.clone());
            let answered = tokio::time::timeout(deadline, task::aside(move || local.answer(&body))).await;
            answered.map_err(|_| NoAnswer::Late)?.map_err(|_| NoAnswer::Died)?
        };
        drop(place);
        Ok(answer)
    }

    /// Whether a golden request is still answered right.
    pub async fn golden(self: &Arc<Self>, turn: u64) -> Result<Answer, NoAnswer> {
        let local = Arc::clone(self);
        task::aside(move || caught(|| local.version.golden(turn))).await.map_err(|_| NoAnswer::Died)
    }

    fn is_quick(&self, body: &Body) -> bool {
        let short = body.bytes.len() <= IN_PLACE_BYTES_MAX && self.typical_us.load(Ordering::Relaxed) < IN_PLACE_US_MAX;
        short && memmem::find(&body.bytes, b"explain").is_none()
    }

    fn answer(&self, body: &Body) -> Answer {
        let started = clock::now();
        let answer = caught(|| self.version.answer(body));
        // A float beyond the range of the integer becomes its end.
        let took_us = clock::elapsed_us(started) as u64;
        let before = self.typical_us.load(Ordering::Relaxed);
        self.typical_us.store((before.saturating_mul(7).saturating_add(took_us)) / 8, Ordering::Relaxed);
        answer
    }
}

/// What panics has failed; the gateway goes on.
fn caught(answer: impl FnOnce() -> Answer) -> Answer {
    catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| Answer::error(Outcome::Failed, "the version failed"))
}

/// A place among those that wait.
struct Place<'w>(&'w AtomicU64);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
