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
    turns: Arc<Semaphore>,
    /// Requests that wait or are in the model, also those whose askers have given up.
    places: Arc<Semaphore>,
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
        let (turns, places) = (Arc::new(Semaphore::new(threads.get())), Arc::new(Semaphore::new(WORKER_QUEUE_MAX)));
        Ok(Local { version, turns, places, typical_us: AtomicU64::new(IN_PLACE_US_MAX) })
    }

    /// What it says of itself.
    pub fn hello(&self) -> Hello {
        self.version.hello()
    }

    /// Answers a request: on the spot where that takes no time to speak of, else on a thread of its own.
    pub async fn ask(self: &Arc<Self>, body: &Body, deadline: Duration) -> Result<Answer, NoAnswer> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| NoAnswer::Full)?;
        let answered = async {
            // As many as there are sessions: nobody in the model waits for another. The semaphore is never closed.
            let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| NoAnswer::NotReady)?;
            if self.is_quick(body) {
                return Ok(self.answer(body));
            }
            let (local, body) = (Arc::clone(self), body.clone());
            let answer = task::aside(move || {
                // Given back when the model is done, whoever still waits: no more threads are in it than there are turns.
                let _held = (place, turn);
                local.answer(&body)
            });
            answer.await.map_err(|_| NoAnswer::Died)
        };
        tokio::time::timeout(deadline, answered).await.map_err(|_| NoAnswer::Late)?
    }

    /// Whether a golden request is still answered right. One that gets no turn within `within` shows that the model is stuck.
    pub async fn golden(self: &Arc<Self>, turn: u64, within: Duration) -> Result<Answer, NoAnswer> {
        let asked = async {
            let held = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| NoAnswer::NotReady)?;
            let local = Arc::clone(self);
            let answer = task::aside(move || {
                let _held = held;
                caught(|| local.version.golden(turn))
            });
            answer.await.map_err(|_| NoAnswer::Died)
        };
        let stuck = || Answer::error(Outcome::Failed, &format!("it gave no answer to a golden request for {} ms", within.as_millis()));
        tokio::time::timeout(within, asked).await.unwrap_or_else(|_| Ok(stuck()))
    }

    /// Who asks for reasons is not quick; the word may be spelt with escapes.
    fn is_quick(&self, body: &Body) -> bool {
        let short = body.bytes.len() <= IN_PLACE_BYTES_MAX && self.typical_us.load(Ordering::Relaxed) < IN_PLACE_US_MAX;
        short && [&b"explain"[..], b"\\u"].iter().all(|word| memmem::find(&body.bytes, word).is_none())
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
