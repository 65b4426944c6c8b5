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

/// How a gateway stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nobody goes on here: who looks is told so first.
    Stops,
    /// Another process has the listener, and lets clients in: they are not told to go elsewhere, and what is under way has all its time.
    HandsOver,
}

/// Runs the phases.
pub async fn run(shared: &Shared, phase: &watch::Sender<Phase>, mut server: JoinHandle<usize>, ending: Ending) -> DrainReport {
    let timings = shared.settings.timings;
    // `connection: close` on every answer, while still accepting.
    shared.closing.store(true, Ordering::SeqCst);
    let mut finish_ms = timings.finish_ms;
    match ending {
        Ending::Stops => {
            // Not ready at once: those who look whether it is go elsewhere.
            shared.draining.store(true, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(timings.announce_ms)).await;
        }
        Ending::HandsOver => {
            let plan = shared.plan.load();
            let targets = plan.by_model.values().flat_map(|route| &route.targets);
            let longest_ms = targets
                .filter(|t| t.slot.remote.get().is_some_and(|remote| remote.speaks_openai()))
                .map(|t| t.slot.spec.conduct.generate.whole_ms_max)
                .max();
            finish_ms = finish_ms.max(longest_ms.unwrap_or_default());
        }
    }
    for (next, ms) in [(Phase::Lingering, timings.linger_ms), (Phase::Closing, finish_ms)] {
        phase.send_replace(next);
        if let Ok(ended) = tokio::time::timeout(Duration::from_millis(ms), &mut server).await {
            return DrainReport { cut: ended.unwrap_or(0) };
        }
    }
    phase.send_replace(Phase::Cutting);
    DrainReport { cut: server.await.unwrap_or(0) }
}
