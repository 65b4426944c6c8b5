//! `tidegate run`: brings the pipeline up to date. Where nothing changed it only looks at file times.

use super::Context;
use super::recorder::Recorder;
use crate::daemon::events::{Bus, Happening};
use crate::daemon::start;
use crate::exit::{self, failure};
use crate::show::{self, progress::Progress, style};
use crate::steps::build::{self, Wanted};
use crate::workspace;
use anyhow::Result;
use clap::Args;
use tidegate_build::{Cancel, StageOutcome};

/// What to run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Stages or outputs; all when none is named
    targets: Vec<String>,
    /// Set a parameter before the run, as `train.lr=0.1`
    #[arg(short = 'S', long = "set-param", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Run stages even if they are up to date
    #[arg(short, long)]
    force: bool,
    /// Stages at once
    #[arg(short, long)]
    jobs: Option<usize>,
}

/// Carries it out.
pub fn run(context: &Context, args: &RunArgs) -> Result<u8> {
    let opened = workspace::open(&context.dir)?;
    if opened.config.pipeline.is_none() {
        return Err(failure(exit::USAGE, "run the pipeline: tidegate.yaml names none: set `pipeline: dvc.yaml`"));
    }
    let bus = Bus::new();
    let mut heard = bus.listen();
    let progress = Progress::new(context.json);
    let env = start::environment(&opened, &bus)?;
    let recorder = Recorder::new(&opened, bus.clone());
    let wanted = Wanted {
        root: &opened.places.root,
        change: "workspace",
        targets: args.targets.clone(),
        overrides: args.set.clone(),
        force: args.force,
        jobs: args.jobs,
        cache: None,
    };
    let printer = std::thread::spawn(move || {
        while let Ok(happening) = heard.blocking_recv() {
            match happening {
                Happening::Progress(text) => progress.now(&text),
                Happening::Done(text) | Happening::Trouble(text) => progress.done(&text),
                Happening::Rollout { .. } | Happening::Page { .. } => {}
            }
        }
        progress.clear();
    });
    let built = build::build(&wanted, &opened.config, env.as_ref(), &recorder, &bus, &Cancel::default(), false);
    recorder.close();
    drop(bus);
    let _ = printer.join();
    report(context, &built?)
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
