//! One server of an upstream: asked over its connections, left when it goes away.

use super::connection::{Connections, Lost, Outgoing, Reply};
use super::health::Health;
use crate::breaker::Admission;
use crate::clock;
use crate::language::Tap;
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A server with what is known of it.
pub struct Replica {
    pub connections: Connections,
    pub standby: bool,
    /// The head of a prediction, to the number of bytes of its body.
    pub predict: Bytes,
    health: Mutex<Health>,
    in_flight: AtomicUsize,
    /// Told when it is taken out: who waits for it need not wait longer.
    left: Notify,
    pub counted: ReplicaCounts,
}

/// What became of requests that went to a server.
#[derive(Debug, Default)]
pub struct ReplicaCounts {
    pub answered: AtomicU64,
    pub failed: AtomicU64,
    /// Requests that came because another server had not answered.
    pub retried: AtomicU64,
}

/// What is told of a server.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub well: bool,
    pub wrong: bool,
    pub in_flight: u64,
    pub ejected: u64,
    pub answered: u64,
    pub failed: u64,
    pub retried: u64,
}

/// A request under way. Dropped without a word, it says nothing of how the server is.
pub struct UnderWay<'r> {
    replica: &'r Replica,
    admission: Admission,
    good: Option<bool>,
}

impl UnderWay<'_> {
    /// It was answered well, or failed.
    pub fn was(mut self, good: bool) {
        self.good = Some(good);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.replica.in_flight.fetch_sub(1, Ordering::Relaxed);
        let counted = &self.replica.counted;
        match self.good {
            Some(true) => counted.answered.fetch_add(1, Ordering::Relaxed),
            Some(false) => counted.failed.fetch_add(1, Ordering::Relaxed),
            None => 0,
        };
        self.replica.health().settle(clock::steady_ms(), self.admission, self.good);
    }
}

impl Replica {
    pub fn new(connections: Connections, standby: bool, predict: Bytes, health: Health) -> Replica {
        Replica {
            connections,
            standby,
            predict,
            health: Mutex::new(health),
            in_flight: AtomicUsize::new(0),
            left: Notify::new(),
            counted: ReplicaCounts::default(),
        }
    }

    pub fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests that it answers now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests of users that it has answered.
    pub fn answered(&self) -> u64 {
        self.counted.answered.load(Ordering::Relaxed)
    }

    /// What is told of it.
    pub fn told(&self) -> Server {
        let health = self.health();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Server {
            well: health.well(clock::steady_ms()),
            wrong: health.wrong(),
            in_flight: self.in_flight() as u64,
            ejected: health.ejected(),
            answered: read(&self.counted.answered),
            failed: read(&self.counted.failed),
            retried: read(&self.counted.retried),
        }
    }

    /// Begins a request, whatever its breaker says: who is chosen was chosen by it.
    pub fn begin(&self) -> UnderWay<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        UnderWay { replica: self, admission: self.health().admit(clock::steady_ms()), good: None }
    }

    /// Nobody waits for it any longer.
    pub fn leave(&self) {
        self.connections.forget();
        self.left.notify_waiters();
    }

    /// Sends a request; none when the server was taken out before it answered.
    pub async fn send(&self, request: &Outgoing, tap: Option<&mut Tap<'_>>) -> Option<Result<Reply, Lost>> {
        let left = self.left.notified();
        tokio::pin!(left);
        // Registered before the request goes out, so that no notice is missed.
        left.as_mut().enable();
        // Taken out between the choice and now: the notice was for others.
        if !self.health().right_so_far() {
            return None;
        }
        tokio::select! {
            reply = self.connections.send(request, tap) => Some(reply),
            () = left => None,
        }
    }
}
