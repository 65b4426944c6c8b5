//! `tidegate risk costs`.

use super::super::Context;
use super::policy;
use crate::exit::{self, failure};
use crate::show;
use crate::steps::risk::{Folder, told};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// Of which repository.
#[derive(Debug, Args)]
pub struct CostsArgs {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
}

pub(super) fn costs(context: &Context, args: &CostsArgs) -> Result<u8> {
    let repository = context.dir.join(&args.repo);
    let Some(of) = policy(&repository)?.costs else {
        let why = "tell what mistakes cost: tidegate.yaml has no `risk.costs`: say there what a delay and an incident cost";
        return Err(failure(exit::USAGE, why));
    };
    let folder = Folder::of(&repository);
    let judged = folder.judged_changes()?;
    let moved = folder.note_moved(&show::note)?;
    let told = told(&of, &judged);
    if context.json {
        show::json(&serde_json::json!({ "changes": judged.len(), "moved_since": moved, "lines": told }))?;
        return Ok(exit::OK);
    }
    show::line(&format!("on {} later changes, in the unit of tidegate.yaml, for each change:", judged.len()))?;
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let rows = told.iter().map(|line| {
        vec![
            line.owner.clone().unwrap_or_else(|| "all others".to_owned()),
            format!("{:.3}", line.hold_from),
            number(line.there.map(|there| there.mean_cost)),
            line.there.map_or_else(|| "-".to_owned(), |there| format!("{}, {}", there.held_negatives, there.passed_positives)),
            number(line.cheapest.map(|choice| choice.best.mean_cost)),
            line.cheapest
                .map_or_else(|| "-".to_owned(), |choice| choice.best.threshold.map_or("none is held".to_owned(), |at| format!("{at:.3}"))),
            number(line.cheapest.map(|choice| choice.hold_all)),
            number(line.cheapest.map(|choice| choice.pass_all)),
        ]
    });
    let heads = ["Of", "Held from", "Costs", "Held in vain, let through", "Cheapest", "held from", "Holding all", "Holding none"];
    show::line(&show::table(&heads, rows.collect()))?;
    show::line(
        "the line that is used follows from the costs alone; the cheapest one is what these changes would have chosen, which is on the bright side",
    )?;
    Ok(exit::OK)
}
