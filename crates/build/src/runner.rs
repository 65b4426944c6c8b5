//! A run: stages started as the plan allows, the lock file kept up with what has ended.

use crate::cache::Cache;
use crate::code::{CodeState, code_state};
use crate::env::Env;
use crate::error::{BuildError, StageError};
use crate::guard::Guard;
use crate::index::Index;
use crate::lock::{Lock, dvc_lock};
use crate::observe::{Event, Observer};
use crate::report::{RunReport, StageOutcome, StageReport};
use crate::stage::{Done, How, Job, Times, all_params, work};
use crate::tree::Eyes;
use crate::workspace::{Workspace, load};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tidegate_core::id::At;
use tidegate_core::pipeline::{Progress, plan};
use tidegate_core::run::{Outcome, Start};
use tidegate_wire::dvc::LockFile;

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
    /// Run stages even if they are up to date.
    pub force: bool,
    /// Stops the run.
    pub cancel: Cancel,
    /// The cache's folder; the workspace's own when none.
    pub cache_dir: Option<&'a Path>,
    /// Name of the change that asks, for the record.
    pub change: &'a str,
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
            force: false,
            cancel: Cancel::default(),
            cache_dir: None,
            change: "",
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
    crate::overrides::apply(&first_look.root, &request.params_overrides, observer)?;
    let workspace = if held.waited || !request.params_overrides.is_empty() {
        load(request.root, request.pipeline, request.cache_dir)?
    } else {
        first_look
    };
    let mut run = Run::new(request, &workspace, clock)?;
    observer.event(&Event::Begun { stages: run.progress.iter().filter(|p| **p == Progress::Pending).count() });
    let driven = run.drive(observer);
    run.index.save();
    driven?;
    let (metrics, unread) = crate::metrics::read(&workspace);
    for message in unread {
        observer.event(&Event::Warning { message });
    }
    let report = run.report(started, metrics);
    drop(held);
    Ok(report)
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
    lock: LockFile,
    lock_text: String,
    order: Vec<String>,
    code: Option<CodeState>,
    ended: Vec<Option<(Result<Done, StageError>, Times)>>,
}

enum Message {
    Told(Event),
    Ended(usize, Box<Result<Done, StageError>>, Times),
}

impl<'a> Run<'a> {
    fn new(request: &'a RunRequest<'a>, workspace: &'a Workspace, clock: &'a (dyn Fn() -> At + Sync)) -> Result<Run<'a>, BuildError> {
        let selected = workspace.graph.select(&request.targets)?;
        let (lock, lock_text) = workspace.read_lock()?;
        let stages = workspace.graph.stages();
        let progress = selected.iter().map(|&s| if s { Progress::Pending } else { Progress::Unwanted }).collect();
        Ok(Run {
            request,
            workspace,
            clock,
            index: Index::open(&workspace.state("index")),
            cache: Cache::new(&workspace.cache),
            guard: Guard::default(),
            progress,
            lock,
            lock_text,
            order: workspace.graph.order().iter().filter_map(|&i| stages.get(i)).map(|s| s.name.clone()).collect(),
            code: None,
            ended: stages.iter().map(|_| None).collect(),
        })
    }

    fn drive(&mut self, observer: &mut dyn Observer) -> Result<(), BuildError> {
        // The threads see these; the rest of `self` is this thread's alone.
        let (workspace, request, clock) = (self.workspace, self.request, self.clock);
        let index = std::mem::replace(&mut self.index, Index::open(Path::new("")));
        let cache = std::mem::replace(&mut self.cache, Cache::new(Path::new("")));
        let guard = std::mem::take(&mut self.guard);
        let result = std::thread::scope(|scope| {
            let (send, receive) = sync_channel::<Message>(MESSAGES_MAX);
            loop {
                let plan = if request.cancel.is_cancelled() {
                    let running = self.progress.contains(&Progress::Running);
                    tidegate_core::pipeline::Plan { finished: !running, ..Default::default() }
                } else {
                    plan(&workspace.graph, &self.progress, request.jobs)
                };
                if plan.finished {
                    return Ok(());
                }
                for i in plan.start {
                    let Some(spec) = workspace.graph.stages().get(i) else { continue };
                    self.progress[i] = Progress::Running;
                    let recorded = self.lock.get(&spec.name);
                    let send = send.clone();
                    let (index, cache, guard) = (&index, &cache, &guard);
                    scope.spawn(move || {
                        let tell = teller(&send);
                        let eyes = Eyes { root: &workspace.root, index, clock };
                        let (env, cancel, force) = (request.env, &*request.cancel.0, request.force);
                        let started = clock();
                        let job = Job { spec, recorded, eyes, cache, env, guard, cancel, force, tell: &tell };
                        // A thread that ended without a word would be waited for without end.
                        let result = catch_unwind(AssertUnwindSafe(|| work(&job)))
                            .unwrap_or_else(|_| Err(StageError::Broken { stage: spec.name.clone() }));
                        let _ = send.send(Message::Ended(i, Box::new(result), Times { started, ended: clock() }));
                    });
                }
                self.hear(&receive, observer)?;
            }
        });
        self.index = index;
        self.cache = cache;
        result
    }

    /// Waits for a message, takes all that are there, then writes the lock file once.
    fn hear(&mut self, receive: &Receiver<Message>, observer: &mut dyn Observer) -> Result<(), BuildError> {
        let mut next = receive.recv().ok();
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
        self.write_lock()
    }

    /// The first stage that has something to do makes this a run worth recording.
    fn start(&mut self, observer: &mut dyn Observer) {
        let code = code_state(&self.workspace.root, &self.workspace.written());
        self.workspace.hide_cache();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let start = Start {
            pipeline: self.workspace.file.clone(),
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
        let stage = self.workspace.graph.stages().get(i).map(|s| s.name.clone()).unwrap_or_default();
        match &result {
            Ok(done) => {
                self.progress[i] = Progress::Done;
                if let Some(recorded) = &done.recorded {
                    self.lock.set(&stage, recorded, &self.order);
                    self.ignore_outputs(i, observer);
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
    fn ignore_outputs(&self, i: usize, observer: &mut dyn Observer) {
        let (Some(spec), true) = (self.workspace.graph.stages().get(i), self.workspace.uses_git()) else { return };
        for out in spec.outs.iter().filter(|o| o.cache) {
            let path = spec.from_workspace(&out.path);
            if let Err(error) = crate::code::ignore(&self.workspace.root, &path) {
                observer.event(&Event::Warning { message: format!("`{path}` is not in .gitignore: {error}") });
            }
        }
    }

    fn write_lock(&mut self) -> Result<(), BuildError> {
        let text = self.lock.render();
        if text == self.lock_text {
            return Ok(());
        }
        let path = self.workspace.lock_path();
        let _held = self.workspace.dvc.as_deref().and_then(dvc_lock);
        crate::atomic::write(&path, text.as_bytes(), true).map_err(BuildError::io("write", &path))?;
        self.lock_text = text;
        Ok(())
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
            stages.push(stage_report(stage, self.ended.get_mut(i).and_then(Option::take), ended));
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
