//! `tidegate reproduce`: a recorded run once more, compared byte by byte.

use super::Context;
use super::recorder::Recorder;
use super::run::print_from;
use crate::daemon::events::Bus;
use crate::exit;
use crate::show::{self, style};
use crate::steps::reproduce::{self, Reproduced};
use crate::workspace;
use anyhow::Result;
use clap::Args;
use tidegate_build::reproduce::Otherwise;

/// What to run again.
#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// The run, as `workspace-3`
    run: String,
}

/// Carries it out.
pub fn reproduce(context: &Context, args: &ReproduceArgs) -> Result<u8> {
    let opened = workspace::open(&context.dir)?;
    let state = reproduce::recorded(&opened.places, &args.run)?;
    let bus = Bus::new();
    let printer = print_from(&bus, context.json);
    let recorder = Recorder::new(&opened, bus.clone());
    let done = reproduce::reproduce(&opened, &args.run, &state, &recorder, &bus);
    recorder.close();
    drop(bus);
    let _ = printer.join();
    report(context, &done?)
}

fn report(context: &Context, done: &Reproduced) -> Result<u8> {
    let same = done.otherwise.is_empty();
    if context.json {
        let row = |o: &Otherwise| {
            serde_json::json!({
                "path": o.path,
                "recorded": o.recorded,
                "now": o.now,
                "first": o.parting.as_ref().map(|p| serde_json::json!({ "file": p.file, "offset": p.offset, "line": p.line })),
            })
        };
        show::json(&serde_json::json!({
            "run": done.run,
            "by": done.by,
            "compared": done.compared,
            "reproduced": same && done.compared > 0,
            "otherwise": done.otherwise.iter().map(row).collect::<Vec<_>>(),
            "notes": done.notes,
        }))?;
    } else {
        for note in &done.notes {
            show::note(&format!("note: {note}"));
        }
        for o in &done.otherwise {
            show::line(&format!("{} {}", style::bad("differs:"), words(o)))?;
        }
        if same {
            show::line(&format!("{}: {} outputs, the same bytes", done.run, done.compared))?;
        } else {
            show::note(&format!("the second run's files are in {}", done.tree.display()));
        }
    }
    if done.compared == 0 {
        show::note("nothing was compared: the run recorded no output");
    }
    Ok(if same && done.compared > 0 { exit::OK } else { exit::NOT_PASSED })
}

/// What differs, and from where on.
fn words(o: &Otherwise) -> String {
    let Some(now) = &o.now else { return format!("{}: it was {} and is not there", o.path, o.recorded.digest.short()) };
    let digests = format!("{}: it was {} and is {}", o.path, o.recorded.digest.short(), now.digest.short());
    match &o.parting {
        Some(p) => match p.offset {
            Some(offset) => format!("{digests}; {} from byte {offset}, line {}", p.file, p.line),
            None => format!("{digests}; {} is in one of both alone, or not kept", p.file),
        },
        None => format!("{digests}; the cache does not have what it was"),
    }
}
