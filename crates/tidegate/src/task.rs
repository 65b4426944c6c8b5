//! The one place of the binary that starts background tasks, so that they can be counted by reading one file's callers.

use std::future::Future;
use tokio::task::JoinHandle;

/// Runs `future` beside the caller.
#[expect(clippy::disallowed_methods, reason = "what serves, counts and follows outlives the call that starts it")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}
