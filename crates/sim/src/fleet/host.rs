//! The process and the machine of one replica: its clocks, its way to the journal, whether it runs.

use super::Fault;
use crate::plane::EPOCH_MS;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tidegate_core::id::At;
use tidegate_core::lease::{BEAT_MS, LEASE_MS, MARGIN_MS, Session, Uptime};
use tidegate_core::rollout::Rollouts;
use tidegate_engine::replica::{Now, Replica};
use tidegate_port::memory::{MemoryBlobs, MemoryJournal};
use tidegate_port::{Appended, Failure, FailureKind, Fence, Journal, JournalError, NewEvent, Record};
use tidegate_stats::rng::Rng;

/// Sessions that one process may use up: the numbers of the next one are beyond.
const SESSIONS_PER_START: u64 = 1_000;

/// The journal as one replica reaches it.
pub(super) struct Reached {
    pub(super) journal: MemoryJournal,
    pub(super) cut: Arc<AtomicBool>,
    pub(super) fault: Option<Fault>,
}

impl Reached {
    fn reach(&self, operation: &'static str) -> Result<(), JournalError> {
        if !self.cut.load(Ordering::Relaxed) {
            return Ok(());
        }
        let detail = "it is out of reach: try again".to_owned();
        Err(Failure { kind: FailureKind::Transient, operation, object: "journal".to_owned(), detail }.into())
    }
}

impl Journal for Reached {
    fn append_under(
        &mut self,
        fence: Option<&Fence>,
        stream: &str,
        expected_seq: u64,
        key: Option<&str>,
        at: At,
        events: &[NewEvent],
    ) -> Result<Appended, JournalError> {
        self.reach("append to journal")?;
        let fence = fence.filter(|_| self.fault != Some(Fault::DropsFences));
        self.journal.append_under(fence, stream, expected_seq, key, at, events)
    }

    fn read_stream(&mut self, stream: &str, from_seq: u64) -> Result<Vec<Record>, JournalError> {
        self.reach("read journal")?;
        self.journal.read_stream(stream, from_seq)
    }

    fn read_all(&mut self, from_position: u64, limit: usize) -> Result<Vec<Record>, JournalError> {
        self.reach("read journal")?;
        self.journal.read_all(from_position, limit)
    }

    fn streams(&mut self, prefix: &str) -> Result<Vec<String>, JournalError> {
        self.reach("read journal")?;
        self.journal.streams(prefix)
    }
}

pub(super) struct Host {
    pub(super) name: String,
    starts: u64,
    /// None while the process is down.
    pub(super) replica: Option<Replica<Reached, MemoryBlobs, Rollouts>>,
    /// Out of reach of the journal and of the beats.
    pub(super) cut: Arc<AtomicBool>,
    /// Until when the process stands still.
    pub(super) still_until: Option<i64>,
    /// The clock that never jumps: where it began, and its rate in thousandths.
    offset_ms: u64,
    rate: u64,
    /// How long the whole machine stood still, and that clock with it.
    pub(super) stopped_ms: u64,
    /// What that clock showed when it last stood still.
    pub(super) slept_at: Uptime,
    /// Until when its beats get lost, though it reaches the journal.
    pub(super) deaf_until: i64,
    /// The clock of dates minus the true one.
    pub(super) skew_ms: i64,
    pub(super) wake_ms: Option<i64>,
    /// When the newest beat that was answered had been sent, by the clock that never jumps.
    pub(super) renewed: Uptime,
}

impl Host {
    pub(super) fn draw(index: usize, fault: Option<Fault>, rng: &mut Rng) -> Host {
        let fast = fault == Some(Fault::ClockRunsFast) && index == 0;
        Host {
            name: format!("replica-{index}"),
            starts: 0,
            replica: None,
            cut: Arc::new(AtomicBool::new(false)),
            still_until: None,
            offset_ms: rng.below(1_000_000_000),
            // a twentieth in either direction: clocks of computers keep within a thousandth
            rate: if fast { 3_000 } else { 950 + rng.below(101) },
            stopped_ms: 0,
            slept_at: Uptime(0),
            deaf_until: EPOCH_MS,
            skew_ms: rng.below(4_001) as i64 - 2_000,
            wake_ms: None,
            renewed: Uptime(0),
        }
    }

    pub(super) fn start(&mut self, journal: &MemoryJournal, blobs: &MemoryBlobs, fault: Option<Fault>) {
        self.starts += 1;
        let session = Session { replica: self.name.clone(), number: self.starts * SESSIONS_PER_START };
        let reached = Reached { journal: journal.clone(), cut: self.cut.clone(), fault };
        self.replica = Some(Replica::new(reached, blobs.clone(), session));
        self.renewed = Uptime(0);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    pub(super) fn set_cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }

    /// Nothing is wrong with it.
    pub(super) fn sound(&self) -> bool {
        self.replica.is_some() && !self.is_cut() && self.still_until.is_none()
    }

    pub(super) fn at(&self, now_ms: i64) -> At {
        At(now_ms + self.skew_ms)
    }

    pub(super) fn uptime(&self, now_ms: i64) -> Uptime {
        let ran = u64::try_from(now_ms - EPOCH_MS).unwrap_or(0).saturating_sub(self.stopped_ms);
        Uptime(self.offset_ms + ran * self.rate / 1_000)
    }

    pub(super) fn now(&self, now_ms: i64) -> Now {
        Now { at: self.at(now_ms), uptime: self.uptime(now_ms) }
    }

    /// What it takes for now when it is about to act; with the fault planted, its lease has always been renewed a moment ago.
    pub(super) fn now_to_act(&self, now_ms: i64, fault: Option<Fault>) -> Now {
        let now = self.now(now_ms);
        let late = self.renewed > Uptime(0) && now.uptime.since_ms(self.renewed) >= LEASE_MS - MARGIN_MS;
        if late && fault == Some(Fault::ActsAfterItsEnd) { Now { uptime: self.renewed.plus_ms(BEAT_MS), ..now } } else { now }
    }

    /// True milliseconds until its clock has run so far.
    pub(super) fn true_ms(&self, ms: u64) -> i64 {
        (ms * 1_000 / self.rate) as i64
    }
}
