//! `tidegate risk recalibrate`.

use super::super::Context;
use super::{policy, reading};
use crate::clock;
use crate::exit;
use crate::show::{self, progress::Progress};
use crate::steps::risk::{self as step, Asked, Beside, Recalibrated};
use crate::workspace;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use tidegate_learn::evaluate::Report;

/// What is brought up, and to what.
#[derive(Debug, Args)]
pub struct RecalibrateArgs {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// With what became of changes up to this revision
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    tip: String,
    /// Write the model here as well, with golden requests, figures for gates and its card: what a pipeline hands over
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn recalibrate(context: &Context, args: &RecalibrateArgs) -> Result<u8> {
    let repository = context.dir.join(&args.repo);
    let policy = policy(&repository)?;
    let beside = Beside::of(&workspace::places(&repository)?, clock::now().0)?;
    let out = args.out.as_ref().map(|out| context.dir.join(out));
    let asked = Asked { tip: &args.tip, beside: &beside, policy: &policy, out: out.as_deref() };
    let progress = Progress::new(context.json);
    let done = step::recalibrate(&repository, &asked, &reading(&progress), &show::note);
    progress.clear();
    let done = done?;
    if context.json {
        show::json(&done)?;
        return Ok(exit::OK);
    }
    told(&done)?;
    Ok(exit::OK)
}

fn told(done: &Recalibrated) -> Result<()> {
    let Some(said) = &done.said else {
        return show::line(&format!(
            "no change since the training has an end that can be trusted ({:.0} days): the model is as it was trained",
            done.maturity_days
        ));
    };
    show::line(&format!(
        "{} changes since the training have an end that is known: {:.1} % hurt, {:.1} % of those that were learnt from did",
        done.outcomes,
        said.kept_up.base_rate * 100.0,
        done.base_rate * 100.0
    ))?;
    show::line(&format!(
        "log odds are moved by {:+.2}; level, intervals and label sets stand on the newest outcomes, {} at most; what is ranked stays",
        done.moved, done.calibrated_on
    ))?;
    show::line("what was said of them before their ends were known:")?;
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let row = |name: &str, of: &Report, covered: usize| {
        let share = covered as f64 / of.rows.max(1) as f64;
        vec![name.to_owned(), number(of.brier), number(of.calibration_error), format!("{:.1} %", share * 100.0)]
    };
    let rows = vec![
        row("as it was trained", &said.left_alone, said.left_alone_covered),
        row("recalibrated as outcomes came", &said.kept_up, said.kept_up_covered),
    ];
    show::line(&show::table(&["", "Brier", "ECE", "label sets with the truth"], rows))
}
