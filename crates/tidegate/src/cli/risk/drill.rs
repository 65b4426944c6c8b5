//! `tidegate risk drill` and `risk card`.

use super::super::Context;
use super::{HELD_SHARE, policy, reading};
use crate::exit;
use crate::show::{self, progress::Progress, style};
use crate::steps::risk::{self as step, Folder, riskiest};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use tidegate_learn::recalibrate::shifted;

/// Of which repository.
#[derive(Debug, Args)]
pub struct DrillArgs {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
}

/// Of which repository.
#[derive(Debug, Args)]
pub struct CardArgs {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
}

pub(super) fn drill(context: &Context, args: &DrillArgs) -> Result<u8> {
    let repository = context.dir.join(&args.repo);
    let policy = policy(&repository)?;
    let folder = Folder::of(&repository);
    // Planted changes are scored by the model as it is now.
    let from = shifted(riskiest(&folder.judged_changes()?, HELD_SHARE), folder.moved()?);
    let progress = Progress::new(context.json);
    let drilled = step::drill(&repository, &policy, from, &reading(&progress), &|what| progress.now(what), &show::note);
    progress.clear();
    let drilled = drilled?;
    let passed = drilled.passed();
    if context.json {
        show::json(&serde_json::json!({ "passed": passed, "planted": drilled.planted }))?;
    } else {
        for one in &drilled.planted {
            let word = match (one.caught, one.bad) {
                (true, true) => style::good("held, as it should be"),
                (true, false) => style::good("let through, as it should be"),
                (false, true) => style::bad("let through: a bad change would pass"),
                (false, false) => style::bad("held: a harmless change would wait"),
            };
            show::line(&format!("{}: risk {:.2}, held from {:.2}: {word}", one.what, one.probability, one.hold_from))?;
        }
    }
    Ok(if passed { exit::OK } else { exit::NOT_PASSED })
}

pub(super) fn card(context: &Context, args: &CardArgs) -> Result<u8> {
    let text = Folder::of(&context.dir.join(&args.repo)).read_card()?;
    if context.json {
        show::json(&serde_json::json!({ "card": text }))?
    } else {
        show::line(text.trim_end())?
    }
    Ok(exit::OK)
}
