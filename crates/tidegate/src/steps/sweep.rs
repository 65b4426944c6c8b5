//! Runs experiments, several at once. One that was interrupted goes on where it was; one that is done has nothing to do.

use super::build::{self, Built, Choices, Record, Wanted};
use super::experiment::{Ended, Experiment};
use crate::daemon::events::Bus;
use crate::workspace::Opened;
use anyhow::Result;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tidegate_build::env::Env;
use tidegate_build::{Cancel, CodeState, code_state};

/// Gives each worker a place to record its runs.
pub type Records<'a> = dyn Fn() -> Box<dyn Record + 'a> + Sync + 'a;

/// What to run, and how.
pub struct Sweep<'a> {
    /// The workspace.
    pub opened: &'a Opened,
    /// The environment that commands run in.
    pub env: Option<&'a Env>,
    /// Experiments at once; as many as there are cores when not said.
    pub parallel: Option<usize>,
    /// Run stages even if they are up to date.
    pub force: bool,
    /// The rest of what can be asked of a run.
    pub choices: Choices,
}

/// What all workers share.
struct Shared<'a> {
    sweep: &'a Sweep<'a>,
    pipeline: Option<&'a str>,
    cache: PathBuf,
    code: CodeState,
    base: Option<String>,
    /// Stages at once in each experiment.
    jobs: usize,
    waiting: Mutex<VecDeque<Experiment>>,
    done: Mutex<Vec<Experiment>>,
    all: usize,
    bus: &'a Bus,
}

impl Sweep<'_> {
    /// Runs the experiments; the answer has all of them, by name, as they ended.
    ///
    /// # Errors
    /// When the workspace or the journal cannot be read. An experiment that fails is no error: it ends with its failure.
    pub fn run(&self, experiments: Vec<Experiment>, records: &Records<'_>, bus: &Bus) -> Result<Vec<Experiment>> {
        let root = &self.opened.places.root;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let parallel = self.parallel.unwrap_or(cores).clamp(1, experiments.len().max(1));
        let pipeline = build::pipeline_file(&self.opened.config)?;
        let code = code_of(root, pipeline)?;
        let shared = Shared {
            sweep: self,
            pipeline,
            cache: tidegate_build::load(root, pipeline, None)?.cache,
            base: base(&code),
            code,
            jobs: (cores / parallel).max(1),
            all: experiments.len(),
            waiting: Mutex::new(experiments.into()),
            done: Mutex::new(Vec::new()),
            bus,
        };
        std::thread::scope(|scope| {
            let work = || shared.work(&*records());
            let workers: Vec<_> = (0..parallel).map(|_| scope.spawn(work)).collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("run an experiment: its thread ended"))))
        })?;
        let mut done = shared.done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(done)
    }
}

impl Shared<'_> {
    fn work(&self, record: &dyn Record) -> Result<()> {
        loop {
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(mut experiment) = next else { return Ok(()) };
            self.bus.progress(format!("experiment {} ({}) runs", experiment.name, experiment.asked.overrides.join(" ")));
            let before = experiment.ended.clone();
            experiment.forget_end()?;
            experiment.prepare(&self.sweep.opened.places.root, self.pipeline, self.base.as_deref())?;
            let ended = match self.build(&experiment, record) {
                Ok(built) => ended(&built, before),
                Err(error) => {
                    Ended { run: None, failure: Some(format!("{error:#}")), params: serde_json::Value::Null, metrics: Default::default() }
                }
            };
            experiment.end(ended)?;
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push(experiment.clone());
            self.bus.done(format!("  experiment {} {} ({} of {})", experiment.name, experiment.state(), done.len(), self.all));
        }
    }

    fn build(&self, experiment: &Experiment, record: &dyn Record) -> Result<Built> {
        let sweep = self.sweep;
        let wanted = Wanted {
            root: &experiment.tree(),
            change: &experiment.change(),
            targets: experiment.asked.targets.clone(),
            overrides: experiment.asked.overrides.clone(),
            force: sweep.force,
            jobs: Some(self.jobs),
            choices: sweep.choices,
            cache: Some(&self.cache),
            code: Some(&self.code),
        };
        // Its stages are told to nobody: lines of several experiments at once would be read by nobody either.
        build::build(&wanted, &sweep.opened.config, sweep.env, record, &Bus::new(), &Cancel::default(), false)
    }
}

fn ended(built: &Built, before: Option<Ended>) -> Ended {
    let failure = built.report.failure().map(|error| {
        let tail: String = error.tail().iter().map(|line| format!("\n  | {line}")).collect();
        format!("{error}{tail}")
    });
    Ended {
        run: built.run.clone().or_else(|| before.and_then(|b| b.run)),
        failure,
        params: built.report.params.clone(),
        metrics: built.report.metrics.clone(),
    }
}

/// The code of the workspace, what its pipeline writes left out.
pub fn code_of(root: &Path, pipeline: Option<&str>) -> Result<CodeState> {
    let workspace = tidegate_build::load(root, pipeline, None)?;
    let stages = workspace.graph.stages().iter();
    let written = stages.flat_map(|stage| stage.outs.iter().map(|out| workspace.from_base(&stage.from_workspace(&out.path))));
    Ok(code_state(root, &written.collect::<Vec<_>>()))
}

/// What tells one state of the workspace from another; none without Git.
fn base(code: &CodeState) -> Option<String> {
    let dirty = code.dirty.as_ref().map(|digest| format!("+{digest}")).unwrap_or_default();
    (code.revision != "none").then(|| format!("{}{dirty}", code.revision))
}
