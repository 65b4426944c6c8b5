//! The gateway: HTTP in, the right worker, an answer out; everything else beside the request's path.
//!
//! It holds the last good route table and never asks anybody for it. Not here: who decides about routes.

mod about;
mod access;
mod attempt;
mod coding;
mod content;
mod drain;
mod endpoints;
mod fallback;
mod feedback;
mod generate;
mod grpc;
mod handle;
mod infer;
mod language;
mod listen;
mod metrics;
mod predict;
mod reply;
mod repository;
mod sequence;
mod settings;
mod statistics;
mod tls;
mod traced;

use crate::cache::Cache;
use crate::counts::Book;
use crate::frame::Body;
use crate::limits;
use crate::log::Log;
use crate::mirror::{Mirror, Sinks};
use crate::plan::{Ground, Plan};
use crate::pool::WorkerPool;
use crate::record::{FeedbackRecord, Pair, PredictionRecord};
use crate::sequence::Book as Sequences;
use crate::task;
use crate::trace::Tracer;
use crate::{LiveTotals, TargetCounts, clock};
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_core::route::{Problem, RouteTable, TargetId, check};
use tidegate_core::scan::Rules;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

#[cfg(fuzzing)]
pub(crate) use coding::{Coding, Fault};
pub use drain::DrainReport;
pub use endpoints::{ENDPOINTS, Endpoint, EndpointRow};
pub use fallback::outputs as declared_outputs;
#[cfg(fuzzing)]
pub(crate) use feedback::items as feedback_items;
#[cfg(fuzzing)]
pub(crate) use grpc::Raw;
pub use grpc::{METHODS, Method, MethodRow};
pub(crate) use infer::form_said;
pub use listen::GatewayError;
pub(crate) use reply::status_of;
pub use settings::{GatewaySettings, Given, Key, Timings, TlsFiles, Tokens};

use drain::{Ending, Phase};

/// What the control plane reads, each from a bounded channel.
#[derive(Debug)]
pub struct Outputs {
    /// Answered requests, live and mirrored, for the lake.
    pub records: mpsc::Receiver<PredictionRecord>,
    /// Labels, for the lake.
    pub feedback: mpsc::Receiver<FeedbackRecord>,
    /// Mirrored requests with both answers, for the judge.
    pub pairs: mpsc::Receiver<Pair>,
}

/// Where prediction records go; what does not fit is dropped and counted.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    sender: mpsc::Sender<PredictionRecord>,
    dropped: Arc<AtomicU64>,
    /// Where lines of them are written, if anywhere.
    log: Option<Arc<Log>>,
}

impl Records {
    /// Never waits. Of the request, which is looked through as the version's service has it, a line may tell inputs.
    pub fn offer(&self, record: PredictionRecord, body: &Body, scan: &Rules) {
        if let Some(log) = &self.log {
            log.offer(&record, body, scan);
        }
        if self.sender.try_send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What every request sees.
#[derive(Debug)]
pub(crate) struct Shared {
    pub settings: GatewaySettings,
    pub pool: WorkerPool,
    pub plan: ArcSwap<Plan>,
    pub book: Book,
    pub cache: Cache,
    /// Answers that stand in for others where nobody can answer.
    pub kept: Cache,
    pub sequences: Sequences,
    pub mirror: Mirror,
    pub records: Records,
    /// Where traces are recorded.
    pub tracer: Option<Arc<Tracer>>,
    pub feedback: mpsc::Sender<FeedbackRecord>,
    /// Requests being answered.
    pub active: AtomicUsize,
    pub shed: AtomicU64,
    /// It is being stopped: nobody should send requests here.
    pub draining: AtomicBool,
    /// Connections are being closed after their answers.
    pub closing: AtomicBool,
    /// Those who watch whether it is ready.
    pub watchers: AtomicUsize,
    /// Made request identifiers: the start's time and a number.
    pub started_us: u128,
    pub requests: AtomicU64,
}

/// A route table that was not applied; the one before still stands.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It says something impossible.
    #[error("apply routes of generation {generation}: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// Its generation.
        generation: u64,
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
    /// It is older than what stands.
    #[error("apply routes of generation {generation}: generation {standing} stands already: a stale answer is refused")]
    Stale {
        /// Its generation.
        generation: u64,
        /// What stands.
        standing: u64,
    },
    /// It differs from what stands under the same generation.
    #[error("apply routes of generation {generation}: other routes stand under the same generation: raise it")]
    Conflict {
        /// Its generation.
        generation: u64,
    },
    /// It routes to what cannot answer.
    #[error("apply routes of generation {generation}: {why}")]
    Target {
        /// Its generation.
        generation: u64,
        /// Why.
        why: String,
    },
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    server: Mutex<Option<JoinHandle<usize>>>,
    /// Another handle to what it listens on, to be given to another process.
    listener: Mutex<Option<std::net::TcpListener>>,
    opened: Arc<Notify>,
    applying: Mutex<()>,
}

impl Gateway {
    /// Listens and serves, on the runtime that it is called on. Nothing is routed before [`Gateway::apply`].
    ///
    /// # Errors
    /// When the port is taken or the settings cannot be served by.
    pub async fn start(settings: GatewaySettings, pool: WorkerPool) -> Result<(Gateway, Outputs), GatewayError> {
        let door = settings.tls.clone().map(tls::Door::new).transpose().map_err(|why| GatewayError::Tls { why })?;
        let given = settings.given.as_ref().and_then(settings::Given::take);
        let closed = given.is_some();
        let listener = listen::bind(&settings, given).await?;
        let listen = |source| GatewayError::Listen { address: settings.listen, source };
        let address = listener.local_addr().map_err(listen)?;
        let own = listener.into_std().map_err(listen)?;
        let another = own.try_clone().map_err(listen)?;
        let listener = TcpListener::from_std(own).map_err(listen)?;
        let tracer = settings.traces.clone().map(Tracer::start).transpose().map_err(|why| GatewayError::Traces { why })?;
        let (records, records_out) = mpsc::channel(limits::RECORDS_MAX);
        let (feedback, feedback_out) = mpsc::channel(limits::FEEDBACK_MAX);
        let (pairs, pairs_out) = mpsc::channel(limits::PAIRS_MAX);
        let log = settings.log.clone().map(Log::start).transpose().map_err(|why| GatewayError::Log { why })?;
        let records = Records { sender: records, dropped: Arc::default(), log };
        let deadline = Duration::from_millis(settings.timings.answer_ms_max);
        let shared = Arc::new(Shared {
            mirror: Mirror::start(Sinks { pairs, records: records.clone(), deadline }),
            cache: Cache::new(settings.cache_bytes_max),
            kept: Cache::new(settings.cache_bytes_max),
            sequences: Sequences::default(),
            settings,
            pool,
            plan: ArcSwap::default(),
            book: Book::default(),
            records,
            tracer,
            feedback,
            active: AtomicUsize::new(0),
            shed: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            watchers: AtomicUsize::new(0),
            started_us: clock::wall_us(),
            requests: AtomicU64::new(0),
        });
        let (phase, opened) = (watch::Sender::new(Phase::Serving), Arc::<Notify>::default());
        let server = task::spawn(listen::serve(
            listener,
            door.map(Arc::new),
            Arc::clone(&shared),
            phase.subscribe(),
            closed.then(|| Arc::clone(&opened)),
        ));
        let outputs = Outputs { records: records_out, feedback: feedback_out, pairs: pairs_out };
        Ok((
            Gateway {
                shared,
                address,
                phase,
                server: Mutex::new(Some(server)),
                listener: Mutex::new(Some(another)),
                opened,
                applying: Mutex::default(),
            },
            outputs,
        ))
    }

    /// Lets clients in where the listener was given by another process, which lets them in until then.
    pub fn open(&self) {
        self.opened.notify_one();
    }

    /// What it listens on, to be given to a process that goes on; none once it stops.
    ///
    /// # Errors
    /// When the system has no more handles.
    pub fn listener(&self) -> std::io::Result<Option<std::net::TcpListener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(std::net::TcpListener::try_clone).transpose()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The pool whose workers answer.
    #[must_use]
    pub fn pool(&self) -> &WorkerPool {
        &self.shared.pool
    }

    /// The route table that stands.
    #[must_use]
    pub fn table(&self) -> RouteTable {
        self.shared.plan.load().table.clone()
    }

    /// Swaps the route table whole. When this returns, the next request of every connection goes by it.
    ///
    /// # Errors
    /// When it is invalid, stale, or gives weight to a target that was never ready; the one before stands then.
    pub fn apply(&self, table: RouteTable) -> Result<(), ApplyError> {
        let _one_at_a_time = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = table.generation;
        let before = self.shared.plan.load_full();
        let standing = before.table.generation;
        if generation < standing {
            return Err(ApplyError::Stale { generation, standing });
        }
        if generation == standing && table != before.table {
            return Err(ApplyError::Conflict { generation });
        }
        let problems = check(&table);
        if !problems.is_empty() {
            return Err(ApplyError::Invalid { generation, problems });
        }
        let pool = &self.shared.pool;
        let ground = Ground { pool, book: &self.shared.book, seed: self.shared.settings.seed, before: &before };
        let plan = Plan::new(table, &ground).map_err(|why| ApplyError::Target { generation, why: why.to_string() })?;
        let needed: Vec<&TargetId> = plan.table.routes.values().flat_map(|r| r.needed()).collect();
        if let Err(why) = pool.claim(&needed) {
            return Err(ApplyError::Target { generation, why });
        }
        let plan = Arc::new(plan);
        self.shared.plan.store(Arc::clone(&plan));
        pool.release(|target| !plan.needs(target));
        Ok(())
    }

    /// What a service's targets were asked since the last call; each first attempt is in exactly one answer.
    #[must_use]
    pub fn take_counts(&self, service: &str) -> Vec<TargetCounts> {
        self.shared.book.take(service)
    }

    /// Live requests of each of a service's targets since the start, those without weight now included.
    #[must_use]
    pub fn totals(&self, service: &str) -> Vec<(TargetId, LiveTotals)> {
        let totals = self.shared.book.totals().into_iter();
        totals.filter(|t| t.target.service == service).map(|t| (t.target, t.live)).collect()
    }

    /// Stops in phases, so that nothing is lost: says that it will (not ready, `connection: close`), stops
    /// accepting, lets open connections send their last request, finishes what is in flight, closes.
    /// Workers are left running: [`WorkerPool::shutdown`] ends them.
    /// A second call does nothing.
    pub async fn shutdown(&self) -> DrainReport {
        self.end(Ending::Stops).await
    }

    /// Stops as [`Gateway::shutdown`] does when another process has its listener and lets clients in: nobody is told to go elsewhere, for
    /// they come to the other one.
    pub async fn leave(&self) -> DrainReport {
        self.end(Ending::HandsOver).await
    }

    async fn end(&self, ending: Ending) -> DrainReport {
        drop(self.listener.lock().unwrap_or_else(PoisonError::into_inner).take());
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        let report = match server {
            Some(server) => drain::run(&self.shared, &self.phase, server, ending).await,
            None => DrainReport { cut: 0 },
        };
        if let Some(tracer) = &self.shared.tracer {
            tracer.stop().await;
        }
        if let Some(log) = &self.shared.records.log {
            log.stop().await;
        }
        report
    }
}
