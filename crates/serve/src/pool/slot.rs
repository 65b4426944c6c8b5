//! One target's place in the pool: what runs there, in which state, and the way to ask it.

use crate::breaker::{Admission, Breaker, BreakerSettings, BreakerState};
use crate::clock;
use crate::conduct::Conduct;
use crate::frame::{Answer, Body, Form, Hello, Outcome};
use crate::language::Outlet;
use crate::limits::ANSWER_MS_MAX;
use crate::pool::link::{Link, NotSent};
use crate::pool::local::Local;
use crate::pool::memory;
use crate::pool::queue::Priority;
use crate::remote::{Remote, Upstream};
use arc_swap::ArcSwapOption;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tidegate_core::route::TargetId;
use tidegate_core::scan::Kind;
use tokio::sync::{Notify, watch};

/// What a version of ours says to a request to a language model.
const NO_LANGUAGE: &str = "the model answers tensors alone: ask it at /v2/models";

/// What is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSpec {
    /// Service, version, role.
    pub target: TargetId,
    /// The model's name in the protocol.
    pub model: String,
    /// Directory of the version: `model.onnx`, `transform.json`, `golden.json`; or `remote.json` and `golden.json`.
    pub dir: PathBuf,
    /// Who answers, where no worker of ours does: the upstream that `remote.json` names.
    pub upstream: Option<Upstream>,
    /// How it answers.
    pub conduct: Conduct,
}

impl TargetSpec {
    /// A version in a directory that a worker of ours answers, as services do that say nothing else.
    #[must_use]
    pub fn new(target: TargetId, model: impl Into<String>, dir: impl Into<PathBuf>) -> TargetSpec {
        TargetSpec { target, model: model.into(), dir: dir.into(), upstream: None, conduct: Conduct::default() }
    }
}

/// The way to whoever answers.
#[derive(Clone, Debug)]
pub enum Way {
    /// A worker of ours.
    Worker(Arc<Link>),
    /// This process.
    Local(Arc<Local>),
    /// Servers elsewhere.
    Remote(Arc<Remote>),
}

/// Where a target stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// Its worker loads the version and answers its golden requests.
    Starting,
    /// Golden answers were right; it answers.
    Ready,
    /// Its worker died; it is started again after a wait.
    Restarting {
        /// How it ended.
        why: String,
        /// Deaths within the window of [`crate::limits::CRASHES_MAX`].
        deaths: usize,
    },
    /// No server of its upstream is well; it is ready again when one is.
    Away {
        /// What they do instead.
        why: String,
    },
    /// It is not started again before it is unloaded and ensured anew.
    Failed {
        /// Why.
        why: String,
    },
    /// It finishes what is in flight and takes nothing new.
    Draining,
    /// It is gone.
    Unloaded,
}

/// Why a target gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It takes nothing new.
    Draining,
    /// No worker is ready.
    NotReady,
    /// Too many requests wait in it.
    Full,
    /// The request does not fit a frame.
    Long,
    /// The worker died while it had the request.
    Died,
    /// The deadline passed.
    Late,
    /// Who asked has left before anything came.
    Left,
}

/// One target.
#[derive(Debug)]
pub struct Slot {
    pub(crate) spec: TargetSpec,
    pub(crate) state: watch::Sender<TargetState>,
    pub(crate) way: ArcSwapOption<Way>,
    /// The servers of its upstream, where it has one, also while none of them is well.
    pub(crate) remote: OnceLock<Arc<Remote>>,
    pub(crate) hello: ArcSwapOption<Hello>,
    pub(crate) ever_ready: AtomicBool,
    /// Whether the present route table needs it: then it is not unloaded.
    pub(crate) routed: AtomicBool,
    pub(crate) draining: AtomicBool,
    pub(crate) in_flight: AtomicU64,
    pub(crate) idle: Notify,
    pub(crate) stop: watch::Sender<bool>,
    /// It is to be tried again though it has failed.
    pub(crate) again: Notify,
    /// How often it was.
    pub(crate) revivals: AtomicU64,
    pub(crate) restarts: AtomicU64,
    /// What loading it into this process added, in bytes; 0 where it is not in it.
    pub(crate) loaded_bytes: AtomicU64,
    /// The most that it was seen to take.
    pub(crate) peak_bytes: AtomicU64,
    /// The worker's process; 0 when none runs.
    pub(crate) process: AtomicU32,
    /// Raised when answers that it gave may have been wrong: none of before is given again.
    pub(crate) epoch: AtomicU64,
    breaker: Mutex<Breaker>,
    /// Requests that its breaker let others answer.
    pub(crate) diverted: AtomicU64,
    /// How often each kind was found in its texts, in the order of [`Kind::ALL`].
    pub(crate) found: [AtomicU64; Kind::ALL.len()],
}

/// A request that a draining target waits for.
struct InFlight<'a>(&'a Slot);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Slot {
    /// A place for `spec`, in which nothing runs yet.
    pub fn new(spec: TargetSpec, breaker: BreakerSettings) -> Arc<Slot> {
        Arc::new(Slot {
            spec,
            state: watch::Sender::new(TargetState::Starting),
            way: ArcSwapOption::empty(),
            remote: OnceLock::new(),
            hello: ArcSwapOption::empty(),
            ever_ready: AtomicBool::new(false),
            routed: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            in_flight: AtomicU64::new(0),
            idle: Notify::new(),
            stop: watch::Sender::new(false),
            again: Notify::new(),
            revivals: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            loaded_bytes: AtomicU64::new(0),
            peak_bytes: AtomicU64::new(0),
            process: AtomicU32::new(0),
            epoch: AtomicU64::new(0),
            breaker: Mutex::new(Breaker::new(breaker)),
            diverted: AtomicU64::new(0),
            found: Default::default(),
        })
    }

    /// Every process that runs it now.
    pub fn processes(&self) -> Vec<u32> {
        let worker = Some(self.process.load(Ordering::SeqCst)).filter(|process| *process != 0);
        let servers = self.remote.get().and_then(|remote| remote.children.as_ref()).into_iter().flat_map(|children| children.processes());
        worker.into_iter().chain(servers).collect()
    }

    /// Bytes that it takes now and the most that it took, of all its processes; of one in this process what loading it added.
    pub fn memory(&self) -> Option<(u64, u64)> {
        let in_process = self.loaded_bytes.load(Ordering::Relaxed);
        if in_process > 0 {
            return Some((in_process, in_process));
        }
        let worker = Some(self.process.load(Ordering::SeqCst)).filter(|process| *process != 0);
        let groups: Vec<u32> =
            self.remote.get().and_then(|remote| remote.children.as_ref()).into_iter().flat_map(|children| children.processes()).collect();
        let all: Vec<u32> = worker.into_iter().chain(memory::of_groups(&groups)).collect();
        let now: u64 = all.iter().filter_map(|process| memory::held(*process)).sum();
        let peak: u64 = all.iter().filter_map(|process| memory::peak(*process)).sum();
        (now > 0).then(|| (now, self.peak_bytes.fetch_max(peak.max(now), Ordering::Relaxed).max(peak).max(now)))
    }

    /// From now on it is asked this way.
    pub fn begin(&self, way: Way) {
        self.ever_ready.store(true, Ordering::SeqCst);
        self.way.store(Some(Arc::new(way)));
    }

    /// Whether it can be asked.
    pub fn ready(&self) -> bool {
        self.way.load().is_some() && !self.draining.load(Ordering::SeqCst)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request may come now. What is admitted must be [`Slot::settle`]d.
    pub fn admit(&self) -> Admission {
        self.breaker().admit(clock::steady_ms())
    }

    /// Whether its breaker would let nothing come now.
    pub fn refuses(&self) -> bool {
        self.breaker().refuses(clock::steady_ms())
    }

    /// What became of an admitted request: a good answer, a failure, or nothing that says how the version is.
    pub fn settle(&self, admission: Admission, good: Option<bool>) {
        let mut breaker = self.breaker();
        let before = breaker.opened();
        match good {
            Some(good) => breaker.record(clock::steady_ms(), admission, good),
            None => breaker.give_up(admission),
        }
        if breaker.opened() > before {
            tracing::warn!(target = %self.spec.target, "too many failures: others answer for it until one of its answers is good again");
        }
    }

    /// Whether its breaker is not closed, and how often it has opened.
    pub fn broken(&self) -> (bool, u64) {
        let breaker = self.breaker();
        (breaker.state() != BreakerState::Closed, breaker.opened())
    }

    /// Asks whoever answers, until `deadline` has passed.
    ///
    /// What a language model answers goes through the `outlet` while it comes, where there is one.
    pub async fn ask(&self, body: &Body, priority: Priority, deadline: Duration, outlet: Option<&Outlet>) -> Result<Answer, NoAnswer> {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let _in_flight = InFlight(self);
        // After the count was raised: whoever drains either sees the count or is seen here.
        if self.draining.load(Ordering::SeqCst) {
            return Err(NoAnswer::Draining);
        }
        let Some(way) = self.way.load_full() else { return Err(NoAnswer::NotReady) };
        let deadline = match &*way {
            Way::Remote(remote) if remote.speaks_openai() => self.patience(body, deadline),
            _ => deadline,
        };
        let answer = match &*way {
            Way::Remote(remote) => remote.ask(body, deadline, outlet).await,
            _ if matches!(body.form, Form::Language(_)) => Ok(Answer::error(Outcome::ClientFault, NO_LANGUAGE)),
            Way::Worker(link) => self.ask_worker(link, body, priority, deadline).await,
            Way::Local(local) => local.ask(body, deadline).await,
        }?;
        for (kind, count) in &answer.found.0 {
            self.found.get(*kind as usize).into_iter().for_each(|found| {
                found.fetch_add(u64::from(*count), Ordering::Relaxed);
            });
        }
        Ok(answer)
    }

    /// What a language model may take: by tensors and for a shadow too, unless who asks waits less long than anybody does.
    fn patience(&self, body: &Body, deadline: Duration) -> Duration {
        let usual = matches!(body.form, Form::Language(_)) || deadline >= Duration::from_millis(ANSWER_MS_MAX);
        if usual { deadline.max(Duration::from_millis(self.spec.conduct.generate.whole_ms_max)) } else { deadline }
    }

    /// Asks a worker whether a golden request is still answered right.
    pub async fn ask_worker_golden(&self, link: &Arc<Link>, turn: u64, within: Duration) -> Result<Answer, NoAnswer> {
        self.ask_worker(link, &Body::golden(turn), Priority::Interactive, within).await
    }

    async fn ask_worker(&self, link: &Arc<Link>, body: &Body, priority: Priority, deadline: Duration) -> Result<Answer, NoAnswer> {
        let wait = deadline.min(Duration::from_millis(self.spec.conduct.queue_ms_max));
        let mut ticket = link.ask(body, priority, wait).map_err(|why| match why {
            NotSent::Closed => NoAnswer::NotReady,
            NotSent::Full => NoAnswer::Full,
            NotSent::Long => NoAnswer::Long,
        })?;
        let mut came = tokio::time::timeout(wait, ticket.answer()).await;
        // Who has had no turn in so long is sent away, as one is at once whose wait can be told beforehand.
        if came.is_err() && !ticket.waits() {
            came = tokio::time::timeout(deadline.saturating_sub(wait), ticket.answer()).await;
        }
        match came {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(NoAnswer::Died),
            // It had no turn: that says nothing about its version.
            Err(_) if ticket.waits() => Err(NoAnswer::Full),
            Err(_) => Err(NoAnswer::Late),
        }
    }

    /// Takes nothing new and waits for what is in flight, at most `limit`.
    pub async fn drain(&self, limit: Duration) {
        self.draining.store(true, Ordering::SeqCst);
        let idle = async {
            loop {
                let notified = self.idle.notified();
                tokio::pin!(notified);
                // Registered before the count is read, so that the last one's notice is not missed.
                notified.as_mut().enable();
                if self.in_flight.load(Ordering::SeqCst) == 0 {
                    return;
                }
                notified.await;
            }
        };
        if tokio::time::timeout(limit, idle).await.is_err() {
            tracing::warn!(target = %self.spec.target, "unload: requests are still in flight at the limit; they are cut");
        }
    }
}
