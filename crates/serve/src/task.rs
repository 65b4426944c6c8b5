//! The one place of this crate that starts background tasks, so that they can be counted by reading one file's callers.

use std::future::Future;
use tokio::task::{JoinError, JoinHandle};

/// Runs `future` beside the caller, on the runtime that the gateway was started on.
#[expect(clippy::disallowed_methods, reason = "supervisors, connections and mirrors outlive the call that starts them")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

/// Runs `work` on a thread that may take its time, and waits for it.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    tokio::task::spawn_blocking(work).await
}
