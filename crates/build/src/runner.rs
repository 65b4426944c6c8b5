//! A run: stages started as the plan allows, the lock file kept up with what has ended.

use crate::cache::Cache;
use crate::code::{CodeState, code_state};
use crate::dvclock::DvcLocks;
use crate::env::Env;
use crate::error::{BuildError, StageError};
use crate::guard::Guard;
use crate::index::Index;
use crate::lock::Lock;
use crate::lockfiles::LockFiles;
use crate::observe::{Event, Observer};
use crate::report::{RunReport, StageOutcome, StageReport};
use crate::stage::{Choices, Done, How, Job, Times, all_params, work};
use crate::tree::Eyes;
use crate::workspace::{Workspace, load};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tidegate_core::id::At;
use tidegate_core::pipeline::{Progress, Scope, ready};
use tidegate_core::run::{Outcome, Start};

/// Shortest time between two writings of the lock files while stages run.
const WAVE_MS: u64 = 200;
/// Messages of stages in flight.
const MESSAGES_MAX: usize = 1024;

/// Stops a run from another thread: stages that run are ended, no other starts.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct RunRequest<'a> {
    /// The workspace.
    pub root: &'a Path,
    /// The pipeline's file, seen from there; `dvc.yaml` when none.
    pub pipeline: Option<&'a str>,
    /// Stages, groups or outputs to bring up to date, with all that they need; all when empty.
    pub targets: Vec<String>,
    /// `key=value` or `file:key=value`, written into the parameter files before the run.
    pub params_overrides: Vec<String>,
    /// Most stages that run at once.
    pub jobs: usize,
    /// The environment that commands run in.
    pub env: Option<&'a Env>,
    /// Which stages come with the targets.
    pub scope: Scope,
    /// All pipelines of the repository, not the one in the given folder alone.
    pub all_pipelines: bool,
    /// Run stages even if they are up to date.
    pub force: bool,
    /// Run stages that need one that ran, even if what it wrote is the same as before.
    pub force_downstream: bool,
    /// After a failure go on with what does not need the failed stage.
    pub keep_going: bool,
    /// Do not look for earlier runs with the same inputs.
    pub no_run_cache: bool,
    /// A file that is missing but recorded counts as unchanged.
    pub allow_missing: bool,
    /// Stops the run.
    pub cancel: Cancel,
    /// The cache's folder; the workspace's own when none.
    pub cache_dir: Option<&'a Path>,
    /// Name of the change that asks, for the record.
    pub change: &'a str,
    /// The code, for the record; asked of Git at the root when none.
    pub code: Option<&'a CodeState>,
}

impl<'a> RunRequest<'a> {
    /// All of the workspace at `root`, as many stages at once as there are cores.
    #[must_use]
    pub fn new(root: &'a Path) -> RunRequest<'a> {
        RunRequest {
            root,
            pipeline: None,
            targets: Vec::new(),
            params_overrides: Vec::new(),
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            env: None,
            scope: Scope::Needed,
            all_pipelines: false,
            force: false,
            force_downstream: false,
            keep_going: false,
            no_run_cache: false,
            allow_missing: false,
            cancel: Cancel::default(),
            cache_dir: None,
            change: "",
            code: None,
        }
    }
}

/// Brings a workspace up to date. A stage that fails does not make this an error: see [`RunReport::outcome`] and
/// [`RunReport::failure`]; what succeeded before it is recorded.
///
/// # Errors
/// When nothing could be run: a file is wrong, stages form a cycle, a target is unknown.
pub fn run(request: &RunRequest<'_>, clock: &(dyn Fn() -> At + Sync), observer: &mut dyn Observer) -> Result<RunReport, BuildError> {
    let started = clock();
    // Everything that can be wrong is told before waiting for anybody.
    let first_look = load(request.root, request.pipeline, request.cache_dir)?;
    let lock_path = first_look.state("build.lock");
    let own = format!("a run that began at {started}");
    let held = Lock::take(&lock_path, &own, &request.cancel.0, observer)?;
    crate::overrides::apply(&first_look.base, &first_look.root, &request.params_overrides, observer)?;
    let workspace = if held.waited || !request.params_overrides.is_empty() {
        load(request.root, request.pipeline, request.cache_dir)?
    } else {
        first_look
    };
    for message in workspace.warnings() {
        observer.event(&Event::Warning { message });
    }
    let mut run = Run::new(request, &workspace, clock)?;
    observer.event(&Event::Begun { stages: run.progress.iter().filter(|p| **p == Progress::Pending).count() });
    let driven = run.drive(observer);
    run.index.save();
    let kept = run.write(observer);
    run.ignore_outputs(observer);
    driven.and(kept)?;
    let (metrics, unread) = crate::metrics::read(&workspace);
    for message in unread {
        observer.event(&Event::Warning { message });
    }
    let report = run.report(started, metrics);
    drop(held);
    Ok(report)
}

/// The stages that are asked for. Where nothing is named, those of the pipeline in the given folder with all that they need,
/// or all stages where that folder has none.
pub(crate) fn selected(workspace: &Workspace, targets: &[String], scope: Scope, all: bool) -> Result<Vec<bool>, BuildError> {
    let graph = &workspace.graph;
    if !targets.is_empty() {
        return Ok(graph.select(&workspace.targets(targets), scope)?);
    }
    let has_own = graph.stages().iter().any(|s| s.file == workspace.file);
    if all || (!has_own && !workspace.beside.contains_key(&workspace.file)) {
        return Ok(graph.select(&[], scope)?);
    }
    if !has_own {
        return Ok(vec![false; graph.stages().len()]);
    }
    Ok(graph.select(std::slice::from_ref(&workspace.file), Scope::Needed)?)
}

/// A run in progress.
struct Run<'a> {
    request: &'a RunRequest<'a>,
    workspace: &'a Workspace,
    clock: &'a (dyn Fn() -> At + Sync),
    index: Index,
    cache: Cache,
    guard: Guard,
    progress: Vec<Progress>,
    files: LockFiles,
    /// When they were last written.
    written: At,
    /// DVC's own.
    locks: DvcLocks,
    code: Option<CodeState>,
    ended: Vec<Option<(Result<Done, StageError>, Times)>>,
    /// Outputs that the cache owns and that this run made or found.
    owned: Vec<String>,
}

enum Message {
    Told(Event),
    Ended(usize, Box<Result<Done, StageError>>, Times),
}

impl<'a> Run<'a> {
    fn new(request: &'a RunRequest<'a>, workspace: &'a Workspace, clock: &'a (dyn Fn() -> At + Sync)) -> Result<Run<'a>, BuildError> {
        let selected = selected(workspace, &request.targets, request.scope, request.all_pipelines)?;
        let progress = selected.iter().map(|&s| if s { Progress::Pending } else { Progress::Unwanted }).collect();
        Ok(Run {
            request,
            workspace,
            clock,
            index: Index::open(&workspace.state("index")),
            cache: Cache::new(&workspace.cache),
            guard: Guard::default(),
            progress,
            files: LockFiles::read(workspace)?,
            written: At(0),
            locks: DvcLocks::new(workspace.dvc.as_deref()),
            code: None,
            ended: workspace.graph.stages().iter().map(|_| None).collect(),
            owned: Vec::new(),
        })
    }

    fn drive(&mut self, observer: &mut dyn Observer) -> Result<(), BuildError> {
        // The threads see these; the rest of `self` is this thread's alone.
        let (workspace, request, clock) = (self.workspace, self.request, self.clock);
        let index = std::mem::replace(&mut self.index, Index::open(Path::new("")));
        let cache = std::mem::replace(&mut self.cache, Cache::new(Path::new("")));
        let locks = std::mem::replace(&mut self.locks, DvcLocks::new(None));
        let guard = std::mem::take(&mut self.guard);
        let choices = Choices { no_run_cache: request.no_run_cache, allow_missing: request.allow_missing };
        let result = std::thread::scope(|scope| {
            let (send, receive) = sync_channel::<Message>(MESSAGES_MAX);
            loop {
                let (start, finished) = if request.cancel.is_cancelled() {
                    (Vec::new(), !self.progress.contains(&Progress::Running))
                } else {
                    ready(&workspace.graph, &self.progress, request.jobs, request.keep_going)
                };
                if finished {
                    return Ok(());
                }
                for i in start {
                    let Some(spec) = workspace.graph.stages().get(i) else { continue };
                    self.progress[i] = Progress::Running;
                    let recorded = self.files.get(workspace, spec);
                    let force = request.force || (request.force_downstream && self.needs_one_that_ran(i));
                    let send = send.clone();
                    let (index, cache, guard, locks) = (&index, &cache, &guard, &locks);
                    scope.spawn(move || {
                        let tell = teller(&send);
                        let eyes = Eyes { root: &workspace.root, index, clock };
                        let (env, cancel) = (request.env, &*request.cancel.0);
                        let started = clock();
                        let job = Job { spec, recorded, eyes, cache, env, guard, cancel, force, choices, locks, tell: &tell };
                        // A thread that ended without a word would be waited for without end.
                        let result = catch_unwind(AssertUnwindSafe(|| work(&job)))
                            .unwrap_or_else(|_| Err(StageError::Broken { stage: spec.name.clone() }));
                        let _ = send.send(Message::Ended(i, Box::new(result), Times { started, ended: clock() }));
                    });
                }
                self.hear(&receive, &locks, observer)?;
            }
        });
        self.index = index;
        self.cache = cache;
        self.locks = locks;
        result
    }

    fn needs_one_that_ran(&self, i: usize) -> bool {
        let ran = |n: &usize| matches!(self.ended.get(*n), Some(Some((Ok(Done { how: How::Ran { .. }, .. }), _))));
        self.workspace.graph.needs(i).iter().any(ran)
    }

    /// Waits for a message and takes all that are there; writes the lock files if that was not done for a while. What a
    /// crash takes away in between is in the run-cache.
    fn hear(&mut self, receive: &Receiver<Message>, locks: &DvcLocks, observer: &mut dyn Observer) -> Result<(), BuildError> {
        let mut next = if self.files.is_dirty() {
            // Nobody may say a word for hours, and what has ended should be on the disk.
            receive.recv_timeout(Duration::from_millis(WAVE_MS)).ok()
        } else {
            receive.recv().ok()
        };
        while let Some(message) = next {
            match message {
                Message::Told(event) => {
                    if self.code.is_none() && matches!(event, Event::StageStarted { .. } | Event::StageRestored { .. }) {
                        self.start(observer);
                    }
                    observer.event(&event);
                }
                Message::Ended(i, result, times) => self.end(i, *result, times, observer),
            }
            next = receive.try_recv().ok();
        }
        let now = (self.clock)();
        if self.files.is_dirty() && now.since_ms(self.written) >= WAVE_MS {
            self.written = now;
            self.files.write(self.workspace, locks, &mut |holder| observer.event(&Event::WaitingForLock { holder }))?;
        }
        Ok(())
    }

    fn write(&mut self, observer: &mut dyn Observer) -> Result<(), BuildError> {
        self.files.write(self.workspace, &self.locks, &mut |holder| observer.event(&Event::WaitingForLock { holder }))
    }

    /// The first stage that has something to do makes this a run worth recording.
    fn start(&mut self, observer: &mut dyn Observer) {
        let code = self.request.code.cloned().unwrap_or_else(|| code_state(&self.workspace.root, &self.workspace.written()));
        self.workspace.hide_state();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let start = Start {
            pipeline: self.workspace.from_base(&self.workspace.file),
            code: code.revision.clone(),
            dirty: code.dirty.clone(),
            environment: self.request.env.map(|e| e.digest.clone()),
            params: self.params(),
            targets: self.request.targets.clone(),
            change: self.request.change.to_owned(),
            hardware: format!("{} {}, {cores} cores", std::env::consts::OS, std::env::consts::ARCH),
        };
        self.code = Some(code);
        observer.event(&Event::RunStarted { start: Box::new(start) });
    }

    fn params(&self) -> serde_json::Value {
        let stages = self.workspace.graph.stages().iter().zip(&self.progress);
        all_params(stages.filter(|(_, p)| **p != Progress::Unwanted).map(|(s, _)| s), &self.workspace.root)
    }

    fn end(&mut self, i: usize, result: Result<Done, StageError>, times: Times, observer: &mut dyn Observer) {
        let Some(spec) = self.workspace.graph.stages().get(i) else { return };
        let stage = spec.name.clone();
        match &result {
            Ok(done) => {
                self.progress[i] = Progress::Done;
                if let Some(recorded) = &done.recorded {
                    self.files.set(self.workspace, spec, recorded);
                    self.owned.extend(spec.outs.iter().filter(|o| o.cache).map(|o| spec.from_workspace(&o.path)));
                }
                match done.how {
                    How::Skipped(why) => observer.event(&Event::StageSkipped { stage, why }),
                    How::Restored(_) => {}
                    How::Ran { duration_ms } => observer.event(&Event::StageFinished { stage, duration_ms }),
                }
            }
            Err(error) => {
                self.progress[i] = Progress::Failed;
                observer.event(&Event::StageFailed { stage, message: error.to_string() });
            }
        }
        self.ended[i] = Some((result, times));
    }

    /// In a repository of DVC and Git, what the cache owns is not Git's.
    fn ignore_outputs(&self, observer: &mut dyn Observer) {
        if !self.workspace.uses_git() {
            return;
        }
        if let Err(error) = crate::code::ignore(&self.workspace.root, &self.owned) {
            let message = format!("outputs are not in .gitignore: {}", BuildError::from(error));
            observer.event(&Event::Warning { message });
        }
    }

    fn report(mut self, started: At, metrics: indexmap::IndexMap<String, serde_json::Value>) -> RunReport {
        let ended = (self.clock)();
        let params = self.params();
        let mut stages = Vec::new();
        for &i in self.workspace.graph.order() {
            if self.progress.get(i).is_none_or(|p| *p == Progress::Unwanted) {
                continue;
            }
            let stage = self.workspace.graph.stages().get(i).map(|s| s.name.clone()).unwrap_or_default();
            let mut report = stage_report(stage, self.ended.get_mut(i).and_then(Option::take), ended);
            if !self.workspace.base.is_empty() {
                for facts in [&mut report.deps, &mut report.outs] {
                    *facts = std::mem::take(facts).into_iter().map(|(p, f)| (self.workspace.from_base(&p), f)).collect();
                }
            }
            stages.push(report);
        }
        let failed = stages.iter().find(|s| matches!(&s.outcome, StageOutcome::Failed(e) if !matches!(e, StageError::Cancelled { .. })));
        let outcome = match failed {
            Some(stage) => Outcome::Failed { stage: stage.stage.clone() },
            None if stages.iter().any(|s| matches!(s.outcome, StageOutcome::Failed(_) | StageOutcome::NotReached)) => Outcome::Cancelled,
            None => Outcome::Succeeded,
        };
        let environment = self.request.env.map(|e| e.digest.clone());
        RunReport { outcome, stages, params, metrics, code: self.code, environment, started, ended }
    }
}

fn stage_report(stage: String, ended: Option<(Result<Done, StageError>, Times)>, now: At) -> StageReport {
    let (result, times) = match ended {
        Some(ended) => ended,
        None => {
            let (reasons, deps, outs) = Default::default();
            return StageReport { stage, outcome: StageOutcome::NotReached, reasons, deps, outs, started: now, ended: now };
        }
    };
    let (started, ended) = (times.started, times.ended);
    match result {
        Ok(Done { how, reasons, deps, outs, .. }) => {
            let outcome = match how {
                How::Skipped(why) => StageOutcome::Skipped(why),
                How::Restored(from) => StageOutcome::Restored(from),
                How::Ran { duration_ms } => StageOutcome::Ran { duration_ms },
            };
            StageReport { stage, outcome, reasons, deps, outs, started, ended }
        }
        Err(error) => {
            let (reasons, deps, outs) = Default::default();
            StageReport { stage, outcome: StageOutcome::Failed(error), reasons, deps, outs, started, ended }
        }
    }
}

fn teller(send: &SyncSender<Message>) -> impl Fn(Event) + Sync + '_ {
    move |event| {
        let _ = send.send(Message::Told(event));
    }
}
