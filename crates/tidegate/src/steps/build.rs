//! Brings a work tree up to date by its pipeline, and records the run.

use crate::clock;
use crate::daemon::control::Control;
use crate::daemon::events::Bus;
use crate::exit::{self, failure};
use anyhow::Result;
use indexmap::IndexMap;
use std::cell::RefCell;
use std::path::Path;
use tidegate_build::{Cancel, CodeState, Event, RunReport, RunRequest, Scope, env::Env};
use tidegate_core::machine::Machine as _;
use tidegate_core::model::Lineage;
use tidegate_core::pipeline::Reason;
use tidegate_core::run::{Command, Event as Fact, Outcome, Phase, Runs, Start};
use tidegate_port::Journal as _;
use tidegate_wire::config::{Pipeline, Workspace};

/// What to build.
pub struct Wanted<'a> {
    /// The work tree.
    pub root: &'a Path,
    /// Name of the change.
    pub change: &'a str,
    /// Stages; all when empty.
    pub targets: Vec<String>,
    /// Parameters to set.
    pub overrides: Vec<String>,
    /// Run stages even if they are up to date.
    pub force: bool,
    /// Stages at once.
    pub jobs: Option<usize>,
    /// The rest of what can be asked of a run.
    pub choices: Choices,
    /// Cache that is shared with the workspace, for work trees of changes.
    pub cache: Option<&'a Path>,
    /// The code that such a work tree was copied from.
    pub code: Option<&'a CodeState>,
}

/// What can be asked of a run beside its targets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices {
    /// Which stages come with the targets.
    pub scope: Scope,
    /// All pipelines of the repository.
    pub all_pipelines: bool,
    /// Run what needs a stage that ran, whatever that wrote.
    pub force_downstream: bool,
    /// Go on after a failure with what does not need the failed stage.
    pub keep_going: bool,
    /// Do not look for earlier runs with the same inputs.
    pub no_run_cache: bool,
    /// What is missing but recorded counts as unchanged.
    pub allow_missing: bool,
}

/// A work tree that is up to date.
#[derive(Debug)]
pub struct Built {
    /// The run's id; none when there was nothing to do and nobody asked for a record.
    pub run: Option<String>,
    /// What was done.
    pub report: RunReport,
}

impl Built {
    /// Where what it wrote comes from.
    pub fn lineage(&self, change: &str) -> Lineage {
        let code = self.report.code.as_ref().map_or("none".to_owned(), |c| match &c.dirty {
            Some(dirty) => format!("{}+dirty:{}", c.revision, dirty.short()),
            None => c.revision.clone(),
        });
        let data: IndexMap<String, String> = self.report.inputs().into_iter().map(|(path, fact)| (path, fact.digest.to_string())).collect();
        Lineage {
            run: self.run.clone().unwrap_or_default(),
            code,
            data,
            environment: self.report.environment.as_ref().map(ToString::to_string),
            params: self.report.params.clone(),
            change: change.to_owned(),
        }
    }

    /// All metrics in one object.
    pub fn metrics(&self) -> serde_json::Value {
        let mut all = serde_json::Map::new();
        for value in self.report.metrics.values() {
            if let serde_json::Value::Object(fields) = value {
                all.extend(fields.clone());
            }
        }
        serde_json::Value::Object(all)
    }
}

/// Where runs are recorded; opened only when there is something to record.
pub trait Record {
    /// Begins a run of `change` and gives its id.
    ///
    /// # Errors
    /// When the journal cannot be reached.
    fn begin(&self, change: &str, start: Box<Start>) -> Result<String>;
    /// Records facts of a run.
    ///
    /// # Errors
    /// When the journal cannot be reached.
    fn facts(&self, id: &str, facts: Vec<Fact>) -> Result<()>;
    /// The newest run of `change` that succeeded.
    ///
    /// # Errors
    /// When the journal cannot be reached.
    fn newest(&self, change: &str) -> Result<Option<String>>;
}

impl Record for Control {
    fn begin(&self, change: &str, start: Box<Start>) -> Result<String> {
        let next = ids_of(self, change)?.last().and_then(|id| id.rsplit_once('-')?.1.parse::<u64>().ok()).unwrap_or(0) + 1;
        let id = format!("{}-{next}", slug(change));
        self.execute_blocking::<Runs>(stream(&id), Command::Start(start, clock::now()))?;
        Ok(id)
    }

    fn facts(&self, id: &str, facts: Vec<Fact>) -> Result<()> {
        for fact in facts {
            self.execute_blocking::<Runs>(stream(id), Command::Record(fact))?;
        }
        Ok(())
    }

    fn newest(&self, change: &str) -> Result<Option<String>> {
        for id in ids_of(self, change)?.into_iter().rev() {
            if matches!(self.state_blocking::<Runs>(stream(&id))?.phase, Phase::Finished(Outcome::Succeeded)) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}

/// The pipeline's file; an inline pipeline is not run yet and says so.
pub fn pipeline_file(config: &Workspace) -> Result<Option<&str>> {
    match &config.pipeline {
        None => Ok(None),
        Some(Pipeline::File(file)) => Ok(Some(file)),
        Some(Pipeline::Inline(_)) => Err(failure(
            exit::USAGE,
            "run the pipeline: `pipeline` holds stages written in tidegate.yaml: move them to a dvc.yaml and name it",
        )),
    }
}

/// Runs what is not up to date. `must_record` gives a run id even when nothing had to run.
pub fn build(
    wanted: &Wanted<'_>,
    config: &Workspace,
    env: Option<&Env>,
    record: &dyn Record,
    bus: &Bus,
    cancel: &Cancel,
    must_record: bool,
) -> Result<Built> {
    let mut request = RunRequest::new(wanted.root);
    request.pipeline = pipeline_file(config)?;
    request.targets.clone_from(&wanted.targets);
    request.params_overrides.clone_from(&wanted.overrides);
    request.env = env;
    request.force = wanted.force;
    request.cancel = cancel.clone();
    request.cache_dir = wanted.cache;
    request.change = wanted.change;
    request.code = wanted.code;
    request.scope = wanted.choices.scope;
    request.all_pipelines = wanted.choices.all_pipelines;
    request.force_downstream = wanted.choices.force_downstream;
    request.keep_going = wanted.choices.keep_going;
    request.no_run_cache = wanted.choices.no_run_cache;
    request.allow_missing = wanted.choices.allow_missing;
    if let Some(jobs) = wanted.jobs {
        request.jobs = jobs.max(1);
    }
    let begun: RefCell<Option<Result<String>>> = RefCell::new(None);
    let mut hear = |event: &Event| {
        if let Event::RunStarted { start } = event {
            *begun.borrow_mut() = Some(record.begin(wanted.change, start.clone()));
        }
        tell(bus, event);
    };
    let report = tidegate_build::run(&request, &clock::now, &mut hear)?;
    let mut run = begun.into_inner().transpose()?;
    if run.is_none() && must_record {
        run = Some(known_or_new(record, wanted.change, &report, wanted.root)?);
    } else if let Some(id) = &run {
        record.facts(id, report.facts())?;
    }
    Ok(Built { run, report })
}

fn stream(id: &str) -> String {
    format!("{}/{id}", Runs::KIND)
}

fn ids_of(control: &Control, change: &str) -> Result<Vec<String>> {
    let prefix = format!("{}/{}-", Runs::KIND, slug(change));
    let streams = control.call_blocking(move |driver| driver.engine().journal().streams(&prefix))??;
    // Only a number may follow: `fix-2-1` is a run of `fix-2`.
    let length = stream(&slug(change)).len() + 1;
    let numbered = |s: &String| s.get(length..).and_then(|n| n.parse::<u64>().ok());
    let mut ids: Vec<String> = streams.into_iter().filter(|s| numbered(s).is_some()).collect();
    ids.sort_by_key(numbered);
    Ok(ids.into_iter().filter_map(|s| s.split_once('/').map(|(_, id)| id.to_owned())).collect())
}

/// The newest run of the change; one is recorded when there is none, as after `.tidegate` was moved away.
fn known_or_new(record: &dyn Record, change: &str, report: &RunReport, root: &Path) -> Result<String> {
    if let Some(id) = record.newest(change)? {
        return Ok(id);
    }
    let code = tidegate_build::code_state(root, &report.outputs().keys().cloned().collect::<Vec<_>>());
    let start = Start {
        pipeline: "dvc.yaml".to_owned(),
        code: code.revision,
        dirty: code.dirty,
        environment: report.environment.clone(),
        params: report.params.clone(),
        change: change.to_owned(),
        ..Start::default()
    };
    let id = record.begin(change, Box::new(start))?;
    record.facts(&id, report.facts())?;
    Ok(id)
}

/// A name that can stand in a stream's name.
pub fn slug(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let trimmed = clean.trim_matches('-');
    if trimmed.is_empty() { "workspace".to_owned() } else { trimmed.to_owned() }
}

/// Why a stage runs, in words.
pub fn words(reasons: &[Reason]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn tell(bus: &Bus, event: &Event) {
    match event {
        // Also where there is no terminal: a job that stands still must say why.
        Event::WaitingForLock { holder } => bus.done(format!("waiting for {holder} to let go of the work tree")),
        Event::StageStarted { stage, reasons } => bus.progress(format!("stage {stage} runs: {}", words(reasons))),
        Event::StageLine { stage, line, .. } => bus.progress(format!("stage {stage}: {line}")),
        Event::StageRestored { stage, .. } => bus.done(format!("  stage {stage}: restored from the cache")),
        Event::StageFinished { stage, duration_ms } => bus.done(format!("  stage {stage}: ran {:.1} s", *duration_ms as f64 / 1000.0)),
        Event::StageFailed { stage, message } => bus.done(format!("  stage {stage}: failed: {message}")),
        Event::EnvironmentStarted { requirements, .. } => {
            bus.done(format!("making the Python environment ({requirements} packages, once)"))
        }
        Event::EnvironmentLine { line } => bus.progress(format!("environment: {line}")),
        Event::Warning { message } => bus.done(format!("  note: {message}")),
        Event::EnvironmentReady { .. }
        | Event::Begun { .. }
        | Event::ParameterSet { .. }
        | Event::RunStarted { .. }
        | Event::StageCommand { .. }
        | Event::StageSkipped { .. } => {}
    }
}

/// Marks runs whose process died as interrupted.
pub fn mark_interrupted(control: &Control) -> Result<()> {
    let prefix = format!("{}/", Runs::KIND);
    let streams = control.call_blocking(move |driver| driver.engine().journal().streams(&prefix))??;
    for stream in streams {
        let state = control.state_blocking::<Runs>(stream.clone())?;
        if state.phase == tidegate_core::run::Phase::Running {
            control.execute_blocking::<Runs>(stream, Command::Interrupt(clock::now()))?;
        }
    }
    Ok(())
}
