//! Stopping without loss, in phases. A client that keeps its connection learns from `connection: close` to open
//! another one elsewhere; a connection is closed under a client only when it has been idle through all of this.

use crate::gateway::Shared;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the gateway does with connections; only ever rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// All is well.
    Serving,
    /// New connections are not accepted; open ones may send their last request.
    Lingering,
    /// Idle connections are closed, the others finish what is in flight.
    Closing,
    /// What is still open is cut.
    Cutting,
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that were cut with a request in flight, because the last deadline passed.
    pub cut: usize,
}

/// Runs the phases.
pub async fn run(shared: &Shared, phase: &watch::Sender<Phase>, mut server: JoinHandle<usize>, announced: bool) -> DrainReport {
    let timings = shared.settings.timings;
    // Not ready at once, and `connection: close` on every answer, while still accepting: those who look whether it is ready go elsewhere.
    shared.draining.store(true, Ordering::SeqCst);
    if announced {
        tokio::time::sleep(Duration::from_millis(timings.announce_ms)).await;
    }
    for (next, ms) in [(Phase::Lingering, timings.linger_ms), (Phase::Closing, timings.finish_ms)] {
        phase.send_replace(next);
        if let Ok(ended) = tokio::time::timeout(Duration::from_millis(ms), &mut server).await {
            return DrainReport { cut: ended.unwrap_or(0) };
        }
    }
    phase.send_replace(Phase::Cutting);
    DrainReport { cut: server.await.unwrap_or(0) }
}
