//! `tidegate run`: brings the pipeline up to date. Where nothing changed it only looks at file times.

use super::Context;
use super::exp;
use super::recorder::Recorder;
use crate::clock;
use crate::daemon::events::{Bus, Happening};
use crate::daemon::start;
use crate::exit::{self, failure};
use crate::show::{self, progress::Progress, style};
use crate::steps::build::{self, Choices, Wanted};
use crate::steps::experiment::{self, Experiment};
use crate::steps::sweep::Sweep;
use crate::workspace::{self, Opened};
use anyhow::Result;
use clap::Args;
use tidegate_build::{Cancel, Scope, StageOutcome, StageStatus, StatusRequest};
use tidegate_core::pipeline::sweep::combinations;

/// What to run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Stages, groups (`train` for `train@a`), files (`sub/dvc.yaml`, `sub/dvc.yaml:train`, `data.dvc`) or outputs; all of
    /// the folder's dvc.yaml when none is named
    targets: Vec<String>,
    /// Set a parameter before the run, as `train.lr=0.1` or `conf.toml:rate=0.1`; several values, as `lr=0.1,0.01` or
    /// `depth=range(2,6)`, make an experiment of each combination
    #[arg(short = 'S', long = "set-param", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Run stages even if they are up to date
    #[arg(short, long)]
    force: bool,
    /// Run stages that need one that ran, even if what it wrote is the same as before
    #[arg(long)]
    force_downstream: bool,
    /// The targets alone, without what they need
    #[arg(short, long, conflicts_with_all = ["downstream", "pipeline", "all_pipelines"])]
    single_item: bool,
    /// The targets and all that needs them
    #[arg(long, conflicts_with_all = ["pipeline", "all_pipelines"])]
    downstream: bool,
    /// All that hangs together with the targets
    #[arg(short, long)]
    pipeline: bool,
    /// All pipelines of the repository
    #[arg(short = 'P', long)]
    all_pipelines: bool,
    /// Say what would run, and run nothing
    #[arg(long, alias = "dry-run")]
    dry: bool,
    /// After a failure go on with what does not need the failed stage
    #[arg(short, long)]
    keep_going: bool,
    /// Run what earlier runs with the same inputs could give
    #[arg(long)]
    no_run_cache: bool,
    /// A file that is missing but recorded counts as unchanged
    #[arg(long)]
    allow_missing: bool,
    /// Stages, or experiments, at once; as many as there are cores when not said
    #[arg(short, long)]
    jobs: Option<usize>,
    /// Run as an experiment of this name, beside the workspace; several are numbered
    #[arg(short, long, value_name = "NAME")]
    name: Option<String>,
    /// Only put the experiments into the queue
    #[arg(long)]
    queue: bool,
    /// Run the experiments of the queue, and those that were interrupted
    #[arg(long, conflicts_with_all = ["targets", "set", "name", "queue"])]
    run_all: bool,
}

impl RunArgs {
    fn choices(&self) -> Choices {
        Choices {
            scope: self.scope(),
            all_pipelines: self.all_pipelines,
            force_downstream: self.force_downstream,
            keep_going: self.keep_going,
            no_run_cache: self.no_run_cache,
            allow_missing: self.allow_missing,
        }
    }

    fn scope(&self) -> Scope {
        match (self.single_item, self.downstream, self.pipeline) {
            (true, ..) => Scope::Only,
            (_, true, _) => Scope::Downstream,
            (.., true) => Scope::Connected,
            _ => Scope::Needed,
        }
    }
}

/// Carries it out.
pub fn run(context: &Context, args: &RunArgs) -> Result<u8> {
    let opened = workspace::open(&context.dir)?;
    if opened.config.pipeline.is_none() {
        return Err(failure(exit::USAGE, "run the pipeline: tidegate.yaml names none: set `pipeline: dvc.yaml`"));
    }
    if args.dry {
        return dry(context, args, &opened);
    }
    let combinations = combinations(&args.set).map_err(|e| failure(exit::USAGE, e.to_string()))?;
    if args.run_all || args.queue || args.name.is_some() || combinations.len() > 1 {
        return experiments(context, args, &opened, combinations);
    }
    let bus = Bus::new();
    let printer = print_from(&bus, context.json);
    let env = start::environment(&opened, &bus)?;
    let recorder = Recorder::new(&opened, bus.clone());
    let wanted = Wanted {
        root: &opened.places.root,
        change: "workspace",
        targets: args.targets.clone(),
        overrides: args.set.clone(),
        force: args.force,
        jobs: args.jobs,
        choices: args.choices(),
        cache: None,
        code: None,
    };
    let built = build::build(&wanted, &opened.config, env.as_ref(), &recorder, &bus, &Cancel::default(), false);
    recorder.close();
    drop(bus);
    let _ = printer.join();
    report(context, &built?)
}

/// Prints what the bus tells until it is gone.
pub fn print_from(bus: &Bus, json: bool) -> std::thread::JoinHandle<()> {
    let mut heard = bus.listen();
    let progress = Progress::new(json);
    std::thread::spawn(move || {
        while let Ok(happening) = heard.blocking_recv() {
            match happening {
                Happening::Progress(text) => progress.now(&text),
                Happening::Done(text) | Happening::Trouble(text) => progress.done(&text),
                Happening::Rollout { .. } | Happening::Page { .. } => {}
            }
        }
        progress.clear();
    })
}

/// Asks for an experiment of each combination, and runs them unless they are only to wait.
fn experiments(context: &Context, args: &RunArgs, opened: &Opened, combinations: Vec<Vec<String>>) -> Result<u8> {
    opened.places.make()?;
    let asked = if args.run_all {
        Experiment::all(&opened.places)?.into_iter().filter(|e| e.ended.is_none()).collect()
    } else {
        let several = combinations.len() > 1;
        let named = combinations.into_iter().enumerate().map(|(i, overrides)| {
            let name = match &args.name {
                Some(name) if several => format!("{name}-{}", i + 1),
                Some(name) => name.clone(),
                None => experiment::name_of(&overrides, &args.targets),
            };
            Experiment::ask(&opened.places, &name, overrides, args.targets.clone())
        });
        named.collect::<Result<Vec<_>>>()?
    };
    if args.queue || asked.is_empty() {
        exp::list_of(context, &asked)?;
        let hint = if args.queue { "`tidegate run --run-all` runs them" } else { "no experiment waits" };
        show::note(hint);
        return Ok(exit::OK);
    }
    let bus = Bus::new();
    let printer = print_from(&bus, context.json);
    let env = start::environment(opened, &bus)?;
    let recorder = Recorder::new(opened, bus.clone());
    // One process has the journal: this one, or the `tidegate up` that every worker asks.
    let control = if recorder.up().is_some() { None } else { Some(recorder.control()?) };
    let records = || -> Box<dyn build::Record + '_> {
        match &control {
            Some(control) => Box::new(control.clone()),
            None => Box::new(Recorder::new(opened, bus.clone())),
        }
    };
    let sweep = Sweep { opened, env: env.as_ref(), parallel: args.jobs, force: args.force, choices: args.choices() };
    let done = sweep.run(asked, &records, &bus);
    drop(control);
    recorder.close();
    drop(bus);
    let _ = printer.join();
    exp::report(context, &done?)
}

/// What would run. A stage behind one that would run may turn out to be up to date.
fn dry(context: &Context, args: &RunArgs, opened: &Opened) -> Result<u8> {
    if !args.set.is_empty() {
        return Err(failure(exit::USAGE, "say what would run: `--set-param` would write into the parameter files: leave it out"));
    }
    let request = StatusRequest {
        pipeline: build::pipeline_file(&opened.config)?,
        targets: args.targets.clone(),
        scope: args.scope(),
        all_pipelines: args.all_pipelines,
        force: args.force,
    };
    let statuses = tidegate_build::status_of(&opened.places.root, &request, &clock::now)?;
    if context.json {
        let stages: Vec<_> = statuses
            .iter()
            .map(|s| serde_json::json!({ "stage": s.stage, "would_run": would_run(s), "why": build::words(&s.reasons) }))
            .collect();
        show::json(&serde_json::json!({ "stages": stages }))?;
        return Ok(exit::OK);
    }
    for status in &statuses {
        let word = if would_run(status) { "would run" } else { "has nothing to do" };
        let why = if status.reasons.is_empty() { String::new() } else { format!(": {}", build::words(&status.reasons)) };
        show::line(&format!("{} {word}{why}", status.stage))?;
    }
    Ok(exit::OK)
}

fn would_run(status: &StageStatus) -> bool {
    !status.reasons.is_empty() && !status.frozen
}

fn report(context: &Context, built: &build::Built) -> Result<u8> {
    let report = &built.report;
    let count = |wanted: fn(&StageOutcome) -> bool| report.stages.iter().filter(|s| wanted(&s.outcome)).count();
    let ran = count(|o| matches!(o, StageOutcome::Ran { .. }));
    let restored = count(|o| matches!(o, StageOutcome::Restored(_)));
    let skipped = count(|o| matches!(o, StageOutcome::Skipped(_)));
    if context.json {
        let stages: Vec<_> = report
            .stages
            .iter()
            .map(|s| serde_json::json!({ "stage": s.stage, "outcome": outcome(&s.outcome), "why": build::words(&s.reasons) }))
            .collect();
        show::json(&serde_json::json!({ "run": built.run, "stages": stages, "metrics": report.metrics, "up_to_date": report.is_no_op() }))?;
    } else if report.is_no_op() {
        show::line(&format!("everything is up to date ({skipped} stages)"))?;
    } else {
        show::line(&format!(
            "{ran} stages ran, {restored} restored from the cache, {skipped} had nothing to do{}",
            built.run.as_ref().map_or(String::new(), |id| format!("; run {id}"))
        ))?;
    }
    match report.failure() {
        None => Ok(exit::OK),
        Some(error) => {
            if !context.json {
                show::note(&format!("{} {error}", style::bad("error:")));
                for line in error.tail() {
                    show::note(&format!("  | {line}"));
                }
            }
            Ok(exit::NOT_PASSED)
        }
    }
}

fn outcome(outcome: &StageOutcome) -> &'static str {
    match outcome {
        StageOutcome::Skipped(_) => "up_to_date",
        StageOutcome::Restored(_) => "restored",
        StageOutcome::Ran { .. } => "ran",
        StageOutcome::Failed(_) => "failed",
        StageOutcome::NotReached => "not_reached",
    }
}
