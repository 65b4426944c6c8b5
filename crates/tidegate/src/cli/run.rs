//! `tidegate run`: brings the pipeline up to date. Where nothing changed it only looks at file times.

use super::Context;
use crate::client;
use crate::daemon::control::Control;
use crate::daemon::events::{Bus, Happening};
use crate::daemon::owner;
use crate::daemon::seal::Sealer;
use crate::daemon::start;
use crate::exit::{self, failure};
use crate::show::{self, progress::Progress, style};
use crate::steps::build::{self, Record, Wanted};
use crate::workspace::{self, Opened, Places};
use anyhow::Result;
use clap::Args;
use hyper::Method;
use std::cell::RefCell;
use tidegate_build::{Cancel, StageOutcome};
use tidegate_core::run::{Event as Fact, Start};
use tidegate_store::Keys;
use tidegate_store::disk::Guard;

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

/// The journal of a workspace, opened by the first record and not before; through `tidegate up` where that has it.
struct Lazy<'a> {
    opened: &'a Opened,
    bus: Bus,
    held: RefCell<Option<(Control, Sealer, Guard)>>,
}

impl Lazy<'_> {
    fn control(&self) -> Result<Control> {
        let mut held = self.held.borrow_mut();
        if let Some((control, _, _)) = held.as_ref() {
            return Ok(control.clone());
        }
        let places = &self.opened.places;
        places.make()?;
        let guard = owner::take(places)?;
        let keys = Keys::open(&places.keys(), &self.opened.config.name)?;
        let (control, _) = Control::start(&places.journal(), &places.blobs())?;
        let sealer = Sealer::start(places, keys.signer(), self.bus.clone())?;
        *held = Some((control.clone(), sealer, guard));
        Ok(control)
    }

    /// Whether a `tidegate up` has the journal: then it records for us.
    fn up(&self) -> Option<&Places> {
        let places = &self.opened.places;
        (self.held.borrow().is_none() && owner::is_up(places)).then_some(places)
    }
}

impl Record for Lazy<'_> {
    fn begin(&self, change: &str, start: Box<Start>) -> Result<String> {
        let Some(places) = self.up() else { return self.control()?.begin(change, start) };
        let body = serde_json::json!({ "change": change, "start": start });
        let answer = client::ask(places, "record a run", Method::POST, "/api/v1/runs", Some(&body))?;
        answer["id"].as_str().map(str::to_owned).ok_or_else(|| failure(exit::OUTSIDE, "record a run: the answer has no id"))
    }

    fn facts(&self, id: &str, facts: Vec<Fact>) -> Result<()> {
        let Some(places) = self.up() else { return self.control()?.facts(id, facts) };
        client::ask(places, "record a run", Method::POST, &format!("/api/v1/runs/{id}/facts"), Some(&serde_json::to_value(facts)?))
            .map(drop)
    }

    fn newest(&self, change: &str) -> Result<Option<String>> {
        self.control()?.newest(change)
    }
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
    let lazy = Lazy { opened: &opened, bus: bus.clone(), held: RefCell::new(None) };
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
    let built = build::build(&wanted, &opened.config, env.as_ref(), &lazy, &bus, &Cancel::default(), false);
    if let Some((control, sealer, guard)) = lazy.held.into_inner() {
        drop(control);
        sealer.stop();
        drop(guard);
    }
    drop(lazy.bus);
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
