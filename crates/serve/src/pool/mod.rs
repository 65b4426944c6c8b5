//! The pool: one worker process for each target, started again when it dies, unloaded when nobody routes to it.
//!
//! Calls name the wanted end state ([`WorkerPool::ensure`]) and may be repeated. What happens is told by
//! [`PoolEvent`]s and always readable as [`TargetState`]. Not here: which target gets which request.

mod link;
mod local;
mod log;
mod memory;
mod process;
mod queue;
mod slot;
mod supervise;

use crate::breaker::BreakerSettings;
use crate::limits;
use crate::task;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidegate_core::route::TargetId;
use tokio::sync::mpsc;

pub(crate) use log::LogFile;
pub(crate) use process::Process;
pub use queue::Priority;
pub(crate) use slot::{NoAnswer, Slot, Way};
pub use slot::{TargetSpec, TargetState};
pub(crate) use supervise::{restart_ms, set, stopped, wait};

/// How workers are started and for how long they are borne with.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// The program: the running binary itself.
    pub program: PathBuf,
    /// Its first arguments, as `worker`; `--dir D --library L --model M --version V --role R` follow.
    pub arguments: Vec<OsString>,
    /// ONNX Runtime's shared library.
    pub library: PathBuf,
    /// See [`limits::START_MS_MAX`].
    pub start_ms_max: u64,
    /// See [`limits::STALL_MS_MAX`].
    pub stall_ms_max: u64,
    /// See [`limits::UNLOAD_MS_MAX`].
    pub unload_ms_max: u64,
    /// See [`limits::CRASHES_MAX`].
    pub crashes_max: usize,
    /// See [`limits::RESTART_MS_MIN`].
    pub restart_ms_min: u64,
    /// See [`limits::MEMORY_LOOK_MS`].
    pub memory_look_ms: u64,
    /// When others answer for a version that fails.
    pub breaker: BreakerSettings,
}

impl PoolSettings {
    /// The default limits.
    #[must_use]
    pub fn new(program: PathBuf, arguments: Vec<OsString>, library: PathBuf) -> PoolSettings {
        PoolSettings {
            program,
            arguments,
            library,
            start_ms_max: limits::START_MS_MAX,
            stall_ms_max: limits::STALL_MS_MAX,
            unload_ms_max: limits::UNLOAD_MS_MAX,
            crashes_max: limits::CRASHES_MAX,
            restart_ms_min: limits::RESTART_MS_MIN,
            memory_look_ms: limits::MEMORY_LOOK_MS,
            breaker: BreakerSettings::default(),
        }
    }
}

/// What happened to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolEvent {
    /// Golden answers were right; it can be given weight.
    Ready {
        /// Which.
        target: TargetId,
    },
    /// It will not become ready: a golden answer differs, it cannot be loaded, or it died too often.
    Failed {
        /// Which.
        target: TargetId,
        /// Why.
        why: String,
    },
    /// Its worker died and is started again.
    Died {
        /// Which.
        target: TargetId,
        /// How it ended.
        why: String,
    },
    /// No server of its upstream is well; it is ready again when one is.
    Away {
        /// Which.
        target: TargetId,
        /// What they do instead.
        why: String,
    },
    /// It took more memory than it may; another worker has taken its place, and it ended when it had answered.
    Replaced {
        /// Which.
        target: TargetId,
        /// How much it took.
        why: String,
    },
    /// It is gone.
    Unloaded {
        /// Which.
        target: TargetId,
    },
}

/// A target that cannot be ensured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnsureError {
    /// Something else runs under this name.
    #[error("load {target}: it runs from another directory: unload it first")]
    Other {
        /// Which.
        target: TargetId,
    },
    /// It is being unloaded.
    #[error("load {target}: it is being unloaded: try again when it is gone")]
    Draining {
        /// Which.
        target: TargetId,
    },
    /// Too many targets.
    #[error("load {target}: {} targets are loaded, at most that many: unload one first", limits::WORKERS_MAX)]
    TooMany {
        /// Which.
        target: TargetId,
    },
}

/// A target that cannot be unloaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnloadError {
    /// The route table needs it.
    #[error("unload {target}: the present routes send requests to it: apply routes without it first")]
    Routed {
        /// Which.
        target: TargetId,
    },
}

#[derive(Debug)]
struct Inner {
    settings: PoolSettings,
    slots: Mutex<BTreeMap<TargetId, Arc<Slot>>>,
    events: mpsc::Sender<PoolEvent>,
}

/// Worker processes by target. Cloning gives another handle to the same pool.
#[derive(Clone, Debug)]
pub struct WorkerPool(Arc<Inner>);

impl WorkerPool {
    /// An empty pool, and what happens in it.
    #[must_use]
    pub fn new(settings: PoolSettings) -> (WorkerPool, mpsc::Receiver<PoolEvent>) {
        let (events, receiver) = mpsc::channel(limits::POOL_EVENTS_MAX);
        (WorkerPool(Arc::new(Inner { settings, slots: Mutex::default(), events })), receiver)
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<TargetId, Arc<Slot>>> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn slot(&self, target: &TargetId) -> Option<Arc<Slot>> {
        self.slots().get(target).cloned()
    }

    /// Every slot, in the order of targets.
    pub(crate) fn all(&self) -> Vec<Arc<Slot>> {
        self.slots().values().cloned().collect()
    }

    /// Loads a target unless it is loaded; [`WorkerPool::settled`] waits for what becomes of it.
    ///
    /// Must be called on the runtime that serves.
    ///
    /// # Errors
    /// When something else runs under its name, it is being unloaded, or the pool is full.
    pub fn ensure(&self, spec: TargetSpec) -> Result<(), EnsureError> {
        let target = spec.target.clone();
        let mut slots = self.slots();
        if let Some(slot) = slots.get(&target) {
            return match () {
                () if slot.draining.load(Ordering::SeqCst) => Err(EnsureError::Draining { target }),
                () if slot.spec != spec => Err(EnsureError::Other { target }),
                () => Ok(()),
            };
        }
        if slots.len() >= limits::WORKERS_MAX {
            return Err(EnsureError::TooMany { target });
        }
        let slot = Slot::new(spec, self.0.settings.breaker);
        slots.insert(target, Arc::clone(&slot));
        task::spawn(supervise::supervise(slot, self.0.settings.clone(), self.0.events.clone()));
        Ok(())
    }

    /// Tries a target that has failed anew, from the start; one that has not is left alone.
    pub fn revive(&self, target: &TargetId) {
        let Some(slot) = self.slot(target) else { return };
        let failed = slot.state.send_if_modified(|state| {
            let failed = matches!(state, TargetState::Failed { .. });
            if failed {
                slot.revivals.fetch_add(1, Ordering::SeqCst);
                *state = TargetState::Starting;
            }
            failed
        });
        if failed {
            slot.again.notify_one();
        }
    }

    /// Whether a target is loaded from this directory.
    #[must_use]
    pub fn is_loaded(&self, target: &TargetId, dir: &Path) -> bool {
        self.slot(target).is_some_and(|slot| slot.spec.dir == dir && !slot.draining.load(Ordering::SeqCst))
    }

    /// Where a target stands; none when it was never ensured or is gone.
    #[must_use]
    pub fn state(&self, target: &TargetId) -> Option<TargetState> {
        self.slot(target).map(|s| s.state.borrow().clone())
    }

    /// Where every target stands.
    #[must_use]
    pub fn states(&self) -> Vec<(TargetId, TargetState)> {
        self.slots().iter().map(|(t, s)| (t.clone(), s.state.borrow().clone())).collect()
    }

    /// The process that runs a target now.
    #[must_use]
    pub fn process(&self, target: &TargetId) -> Option<u32> {
        self.slot(target).map(|s| s.process.load(Ordering::SeqCst)).filter(|p| *p != 0)
    }

    /// Every process that runs a target now: its worker's, or the servers' that were started for it.
    #[must_use]
    pub fn processes(&self, target: &TargetId) -> Vec<u32> {
        self.slot(target).map(|slot| slot.processes()).unwrap_or_default()
    }

    /// Requests that a target has been asked and has not answered.
    #[must_use]
    pub fn in_flight(&self, target: &TargetId) -> u64 {
        self.slot(target).map_or(0, |s| s.in_flight.load(Ordering::SeqCst))
    }

    /// How often a target's worker was started again.
    #[must_use]
    pub fn restarts(&self, target: &TargetId) -> u64 {
        self.slot(target).map_or(0, |s| s.restarts.load(Ordering::SeqCst))
    }

    /// Waits until a target is ready, has failed or is gone; none when it was never ensured.
    pub async fn settled(&self, target: &TargetId) -> Option<TargetState> {
        let mut state = self.slot(target)?.state.subscribe();
        let settled = |s: &TargetState| matches!(s, TargetState::Ready | TargetState::Failed { .. } | TargetState::Unloaded);
        // The sender lives in the slot, which the supervisor holds until it has set `Unloaded`.
        Some(state.wait_for(settled).await.map_or(TargetState::Unloaded, |s| s.clone()))
    }

    /// Unloads a target: it takes nothing new, finishes what is in flight, ends. Not loaded is fine.
    ///
    /// # Errors
    /// When the present route table needs it.
    pub async fn unload(&self, target: &TargetId) -> Result<(), UnloadError> {
        let slot = {
            // Under the lock that a route table is claimed under: it is routed or it drains, never both.
            let slots = self.slots();
            let Some(slot) = slots.get(target) else { return Ok(()) };
            if slot.routed.load(Ordering::SeqCst) {
                return Err(UnloadError::Routed { target: target.clone() });
            }
            slot.draining.store(true, Ordering::SeqCst);
            Arc::clone(slot)
        };
        self.end(&slot).await;
        Ok(())
    }

    /// Keeps targets from being unloaded, all or none; why not, when one is being unloaded already.
    pub(crate) fn claim(&self, targets: &[&TargetId]) -> Result<(), String> {
        let slots = self.slots();
        for target in targets {
            if slots.get(*target).is_none_or(|s| s.draining.load(Ordering::SeqCst)) {
                return Err(format!("{target} is being unloaded"));
            }
        }
        for target in targets {
            if let Some(slot) = slots.get(*target) {
                slot.routed.store(true, Ordering::SeqCst);
            }
        }
        Ok(())
    }

    /// Lets targets be unloaded again.
    pub(crate) fn release(&self, which: impl Fn(&TargetId) -> bool) {
        for (_, slot) in self.slots().iter().filter(|s| which(s.0)) {
            slot.routed.store(false, Ordering::SeqCst);
        }
    }

    async fn end(&self, slot: &Arc<Slot>) {
        slot.state.send_replace(TargetState::Draining);
        slot.drain(Duration::from_millis(self.0.settings.unload_ms_max)).await;
        slot.stop.send_replace(true);
        let mut state = slot.state.subscribe();
        // The supervisor sets `Unloaded` last, whatever happens; a closed channel means the same.
        let _ = state.wait_for(|s| *s == TargetState::Unloaded).await;
        let mut slots = self.slots();
        if slots.get(&slot.spec.target).is_some_and(|s| Arc::ptr_eq(s, slot)) {
            slots.remove(&slot.spec.target);
        }
    }

    /// Ends every worker, whatever is routed: the gateway has stopped.
    pub async fn shutdown(&self) {
        let ends: Vec<_> = self
            .all()
            .into_iter()
            .map(|slot| {
                let pool = self.clone();
                task::spawn(async move { pool.end(&slot).await })
            })
            .collect();
        for end in ends {
            // A task that panicked has dropped its child, which kills it.
            let _ = end.await;
        }
    }
}
