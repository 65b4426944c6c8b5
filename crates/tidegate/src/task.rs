//! The one place of the binary that starts background tasks, so that they can be counted by reading one file's callers.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinHandle};

/// Those that run; ended ones are taken out now and then.
static RUNNING: Mutex<Vec<AbortHandle>> = Mutex::new(Vec::new());
/// So many are kept before ended ones are looked for.
const LOOK_FROM: usize = 256;
/// How long ended ones are waited for, looked at so often.
const END_LOOKS: u32 = 500;
const END_LOOK: Duration = Duration::from_millis(10);

/// Runs `future` beside the caller.
#[expect(clippy::disallowed_methods, reason = "what serves, counts and follows outlives the call that starts it")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = tokio::spawn(future);
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if running.len() >= LOOK_FROM && running.len().is_power_of_two() {
        running.retain(|task| !task.is_finished());
    }
    running.push(task.abort_handle());
    task
}

/// Ends all of them where they wait next; false where one goes on all the same.
pub async fn end_all() -> bool {
    let tasks = std::mem::take(&mut *RUNNING.lock().unwrap_or_else(PoisonError::into_inner));
    tasks.iter().for_each(AbortHandle::abort);
    for _ in 0..END_LOOKS {
        if tasks.iter().all(AbortHandle::is_finished) {
            return true;
        }
        tokio::time::sleep(END_LOOK).await;
    }
    false
}
