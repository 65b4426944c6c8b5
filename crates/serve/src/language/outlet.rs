//! The way of an answer to its client while it comes.

use super::Meter;
use crate::clock;
use crate::limits::{STREAM_CLIENT_MS_MAX, STREAM_PIECES_MAX};
use bytes::Bytes;
use hyper::header::HeaderValue;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long parts of an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// To the first token.
    pub first: Duration,
    /// From one piece to the next.
    pub idle: Duration,
    /// To the end.
    pub whole: Duration,
}

/// How often it is looked whether a client has taken what it was sent.
const LOOK: Duration = Duration::from_millis(50);

/// Where an answer goes while it comes. One answer goes through it: a second server is asked only while nothing has.
#[derive(Debug)]
pub struct Outlet {
    pieces: mpsc::Sender<Bytes>,
    patience: Patience,
    start: Instant,
    state: Mutex<State>,
    version: Arc<Mutex<Option<HeaderValue>>>,
}

#[derive(Debug)]
struct State {
    begun: bool,
    /// When what comes next has taken too long; none while it is the client who takes its time.
    due: Option<Instant>,
}

/// The client's end of an outlet.
#[derive(Debug)]
pub struct Client {
    /// What comes.
    pub pieces: mpsc::Receiver<Bytes>,
    version: Arc<Mutex<Option<HeaderValue>>>,
}

impl Client {
    /// Who answers.
    #[must_use]
    pub fn version(&self) -> Option<HeaderValue> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Outlet {
    /// An outlet, and its client's end.
    #[must_use]
    pub fn new(patience: Patience) -> (Outlet, Client) {
        let (pieces, end) = mpsc::channel(STREAM_PIECES_MAX);
        let start = clock::now();
        let state = Mutex::new(State { begun: false, due: Some(start + patience.first) });
        let version = Arc::<Mutex<_>>::default();
        let client = Client { pieces: end, version: Arc::clone(&version) };
        (Outlet { pieces, patience, start, state, version }, client)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of who is asked.
    pub fn asks(&self, version: &HeaderValue) {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version.clone());
    }

    /// Whether anything has gone through it.
    pub fn begun(&self) -> bool {
        self.state().begun
    }

    /// Passes bytes on, and says whether the first token has come; false when the client has left, or does not take them in time.
    pub async fn pass(&self, bytes: Bytes, spoken: bool) -> bool {
        if !bytes.is_empty() {
            {
                let mut state = self.state();
                state.begun = true;
                state.due = None;
            }
            // However slowly it is read, it ends.
            let left = (self.start + self.patience.whole).saturating_duration_since(clock::now());
            let within = left.min(Duration::from_millis(STREAM_CLIENT_MS_MAX));
            if within.is_zero() || self.pieces.send_timeout(bytes, within).await.is_err() {
                return false;
            }
        }
        let (now, Patience { first, idle, whole }) = (clock::now(), self.patience);
        let next = if spoken { now + idle } else { self.start + first };
        self.state().due = Some(next.min(self.start + whole));
        true
    }

    /// Passes on the last word of an answer that has failed, also when its time is over.
    pub async fn last(&self, bytes: Bytes) {
        // A client that has left, or does not read, learns nothing more.
        let _ = self.pieces.send_timeout(bytes, Duration::from_millis(STREAM_CLIENT_MS_MAX)).await;
    }

    /// Returns when the client has left.
    pub async fn left(&self) {
        self.pieces.closed().await;
    }

    /// Returns when what comes next has taken too long.
    pub async fn overdue(&self) {
        loop {
            let due = self.state().due;
            match due {
                Some(due) if clock::now() >= due => return,
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// What reads a stream as it passes through an outlet.
#[derive(Debug)]
pub struct Tap<'o> {
    outlet: &'o Outlet,
    meter: Meter,
    asked: Instant,
}

/// Why nothing more is passed on.
#[derive(Debug, PartialEq, Eq)]
pub enum Shut {
    /// The client has left.
    Left,
    /// What comes is no stream.
    Unreadable(String),
}

impl<'o> Tap<'o> {
    /// A tap on an outlet, from now on.
    #[must_use]
    pub fn new(outlet: &'o Outlet, meter: Meter) -> Tap<'o> {
        Tap { outlet, meter, asked: clock::now() }
    }

    /// Takes bytes of the answer.
    ///
    /// # Errors
    /// When nothing more can be passed on.
    pub async fn take(&mut self, bytes: &[u8]) -> Result<(), Shut> {
        let passed = self.meter.take(bytes, clock::elapsed_us(self.asked)).map_err(Shut::Unreadable)?;
        if self.outlet.pass(passed.into(), self.meter.spoken()).await { Ok(()) } else { Err(Shut::Left) }
    }

    /// What was read.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }
}
