//! `tidegate judge batches` and `tidegate judge labels`: labels that come late, looked at a few times on the way to a plan.

use super::{Context, Result, WorseWord, code, word, wrong};
use crate::show::{self, style};
use crate::workspace::read_text;
use clap::Args;
use std::path::{Path, PathBuf};
use tidegate_core::judge::{Batch, BatchAssessment, BatchSettings, Look, judge_batches};
use tidegate_wire::batches::{batches, joined};

/// Batches of labels.
#[derive(Debug, Args)]
pub struct BatchesArgs {
    /// Table, one row a batch: `candidate_n`, `candidate_hits`, `control_n`, `control_hits`; or with `_mean` and `_sd` in place of hits
    file: PathBuf,
    #[command(flatten)]
    harm: BatchHarm,
}

/// Labels one by one.
#[derive(Debug, Args)]
pub struct LabelsArgs {
    /// What was served: a table with id and arm (candidate or control)
    #[arg(long, value_name = "FILE")]
    served: PathBuf,
    /// The labels in the order of their arrival: a table with id and label (a number, true or false)
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Labels between two looks
    #[arg(long, default_value_t = 500)]
    every: usize,
    #[command(flatten)]
    harm: BatchHarm,
}

/// What harm means, and the plan.
#[derive(Debug, Args)]
struct BatchHarm {
    /// Labels of each arm that are planned: the last look is taken then
    #[arg(long, value_name = "LABELS")]
    planned: u64,
    /// Which direction is worse
    #[arg(long, value_enum, default_value = "higher")]
    worse: WorseWord,
    /// Worse by no more than this is harmless, in the unit of the labels
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    slack: f64,
    /// Worse by this much is harmful
    #[arg(long, value_name = "DIFFERENCE")]
    harm: f64,
    /// Chance that a harmless candidate is called harmful at any look
    #[arg(long, default_value_t = 0.01)]
    alpha: f64,
    /// Chance that a harmful candidate is called harmless at any look
    #[arg(long, default_value_t = 0.05)]
    beta: f64,
    /// Spend the chances evenly over the looks, for early decisions; otherwise most is kept for the last ones
    #[arg(long)]
    even: bool,
}

impl BatchHarm {
    fn settings(&self, shares: bool) -> BatchSettings {
        BatchSettings {
            alpha: self.alpha,
            beta: self.beta,
            slack: self.slack,
            harm_slack: self.harm,
            lower_is_worse: matches!(self.worse, WorseWord::Lower),
            planned: self.planned,
            spend_evenly: self.even,
            shares,
        }
    }
}

fn text(context: &Context, path: &Path) -> Result<(String, String)> {
    Ok((path.display().to_string(), read_text(&context.dir.join(path))?))
}

pub(super) fn of_batches(context: &Context, args: &BatchesArgs) -> Result<u8> {
    let (name, table) = text(context, &args.file)?;
    let found = batches(&name, &table).map_err(wrong)?;
    tell(context, &args.harm.settings(found.shares), &found.batches, &[])
}

pub(super) fn of_labels(context: &Context, args: &LabelsArgs) -> Result<u8> {
    let (served, labels) = (text(context, &args.served)?, text(context, &args.labels)?);
    let found = joined((&served.0, &served.1), (&labels.0, &labels.1), args.every).map_err(wrong)?;
    let beside = [
        (found.waiting.0, "requests of the candidate have no label yet"),
        (found.waiting.1, "requests of the control have no label yet"),
        (found.strangers, "labels belong to no request that was served"),
        (found.repeated, "labels were for a request that had one: the first counts"),
    ];
    tell(context, &args.harm.settings(found.shares), &found.batches, &beside)
}

fn tell(context: &Context, settings: &BatchSettings, batches: &[Batch], beside: &[(u64, &str)]) -> Result<u8> {
    let found = judge_batches(settings, batches).map_err(wrong)?;
    if context.json {
        let notes: Vec<_> = beside.iter().map(|(count, what)| serde_json::json!({ "count": count, "what": what })).collect();
        show::json(&serde_json::json!({ "assessment": found, "notes": notes }))?;
    } else {
        print(&found)?;
        for (count, what) in beside.iter().filter(|(count, _)| *count > 0) {
            show::line(&format!("  {}", style::quiet(&format!("{count} {what}"))))?;
        }
    }
    Ok(code(&found.verdict))
}

fn print(found: &BatchAssessment) -> Result<()> {
    show::line(&format!("{}  {}", word(&found.verdict), found.summary))?;
    show::line(&style::quiet("  look  labels             of plan  worse by    harm: z, needs    harmless: z, needs"))?;
    for (number, look) in (1_u64..).zip(&found.looks) {
        let mark = if Some(number) == found.decided_at { "◀" } else { "" };
        show::line(&format!("{} {mark}", row(number, look)))?;
    }
    Ok(())
}

fn row(number: u64, look: &Look) -> String {
    let labels = format!("{} / {}", look.labels.0, look.labels.1);
    let worse = look.worse_by.map_or_else(|| "-".to_owned(), |by| format!("{by:+.5}"));
    let pair = |reached: Option<(f64, f64)>| reached.map_or_else(|| "-".to_owned(), |(z, needs)| format!("{z:.2}, {needs:.2}"));
    let share = format!("{:.0} %", 100.0 * look.information);
    format!("  {number:>4}  {labels:<17}  {share:>7}  {worse:<10}  {:<16}  {:<18}", pair(look.harm), pair(look.harmless))
}
