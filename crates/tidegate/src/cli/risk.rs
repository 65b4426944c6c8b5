//! `tidegate risk`: how likely a change is to hurt, from the repository's own history.

use super::Context;
use super::federate::{FederateCommand, federate};
use super::report::{Service, send};
use crate::exit;
use crate::show::{self, progress::Progress, style};
use crate::steps::risk as step;
use anyhow::Result;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tidegate_learn::evaluate::Report;
use tidegate_learn::leakage::Leak;
use tidegate_wire::comment::Comment;

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum RiskCommand {
    /// Reads a git repository and learns which changes were fixed later; tells how good that is on later changes
    Train(TrainArgs),
    /// Scores a commit, or each commit of a range: probability, interval, rank, reasons, what would lower it
    Score(ScoreArgs),
    /// Trains one model with other repositories, whose changes stay where they are
    #[command(subcommand)]
    Federate(FederateCommand),
}

/// What is learnt from.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// Up to this revision
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    tip: String,
}

/// What is scored.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// A revision, or a range as `main..topic`
    #[arg(value_name = "REV", default_value = "HEAD", allow_hyphen_values = true)]
    what: String,
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// End with exit code 1 where the risk of any of them is this or more
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    fail_at: Option<f64>,
    /// What would lower a risk is looked for until it is below this
    #[arg(long, value_name = "CHANCE", value_parser = chance, default_value = "0.2")]
    below: f64,
    /// Post it as a comment, or bring the one that is there up to date
    #[arg(long, value_enum, value_name = "SERVICE")]
    comment: Option<Service>,
    /// Where the comment goes: pr/NUMBER or commit/DIGEST; told by the CI's environment when not given
    #[arg(long, value_name = "TARGET", requires = "comment")]
    target: Option<String>,
}

fn chance(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|chance| (0.0..=1.0).contains(chance)).ok_or_else(|| "a chance is a number from 0 to 1".to_owned())
}

/// Carries it out.
pub fn risk(context: &Context, command: &RiskCommand) -> Result<u8> {
    match command {
        RiskCommand::Train(args) => train(context, args),
        RiskCommand::Score(args) => score(context, args),
        RiskCommand::Federate(command) => federate(context, command),
    }
}

/// Between two words of progress, commits that are read.
const STEP: usize = 500;

/// Tells how much of a history is read.
pub(super) fn reading(progress: &Progress) -> impl Fn(usize, usize) {
    move |done, total| {
        if done.is_multiple_of(STEP) || done == total {
            progress.now(&format!("reading the history: {done} of {total} commits"));
        }
    }
}

fn train(context: &Context, args: &TrainArgs) -> Result<u8> {
    let progress = Progress::new(context.json);
    let seen = reading(&progress);
    let trained = step::train(&context.dir.join(&args.repo), &args.tip, &seen, &|what| progress.now(what), &show::note);
    progress.clear();
    let trained = trained?;
    if context.json {
        show::json(&trained)?;
        return Ok(exit::OK);
    }
    show::line(&format!(
        "{} commits ({} read now): {} were fixed later, {} are clean, {} are too young to tell, {} have no label",
        trained.changes, trained.read, trained.fixed, trained.clean, trained.unlabelled, trained.excluded
    ))?;
    let told = if trained.delays == 0 { "taken, too few fixes tell it".to_owned() } else { format!("{} fixes tell it", trained.delays) };
    show::line(&format!("a change without a fix is called clean after {:.0} days ({told})", trained.maturity_days))?;
    if trained.shallow {
        show::note("the clone is shallow: the history begins where it was cut; `git fetch --unshallow` gives the rest");
    }
    show::line(&format!(
        "on the {} newest of them, having learnt from the earlier ones ({:.0} % hurt):",
        trained.model.rows,
        trained.model.base_rate * 100.0
    ))?;
    let rows = [("model", &trained.model), ("regression alone", &trained.regression), ("lines added", &trained.lines_added)];
    let heads = ["", "AUC", "95 %", "PR-AUC", "Brier", "ECE", "Recall at 5, 10, 20 % of changes", "of effort"];
    show::line(&show::table(&heads, rows.into_iter().map(|(name, of)| figures(name, of)).collect()))?;
    let better = trained.model.auc.zip(trained.lines_added.auc).is_some_and(|(model, lines)| model.estimate > lines.estimate);
    if !better {
        show::line(&style::warn("the model is no better than the number of lines added: do not lean on it"))?;
    }
    for leak in &trained.leaks {
        show::line(&style::warn(&leaked(leak)))?;
    }
    Ok(exit::OK)
}

fn figures(name: &str, of: &Report) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    let shares = |recall: &[Option<f64>]| recall.iter().take(3).map(|r| number(*r)).collect::<Vec<_>>().join(", ");
    let interval = of.auc.map_or_else(|| "-".to_owned(), |auc| format!("{:.3} to {:.3}", auc.low, auc.high));
    vec![
        name.to_owned(),
        number(of.auc.map(|auc| auc.estimate)),
        interval,
        number(of.average_precision),
        number(of.brier),
        number(of.calibration_error),
        shares(&of.recall_of_changes),
        shares(&of.recall_of_effort),
    ]
}

fn leaked(leak: &Leak) -> String {
    match leak {
        Leak::Future { feature, rows, .. } => format!("{feature} was known only later in {rows} rows: these figures cannot be trusted"),
        Leak::Untimed { feature, .. } => format!("it is not known when {feature} was known"),
        Leak::Duplicates { rows, share } => {
            format!("{rows} of the judging changes ({:.0} %) are equal to ones that were learnt from", share * 100.0)
        }
        Leak::TooGood { feature, auc } => {
            format!("{feature} alone tells the end of a change (AUC {auc:.2}): look whether it is known before")
        }
    }
}

fn score(context: &Context, args: &ScoreArgs) -> Result<u8> {
    let progress = Progress::new(context.json);
    let seen = reading(&progress);
    let wanted = step::Wanted { what: &args.what, below: args.below, decides: args.fail_at.is_some() };
    let scored = step::score(&context.dir.join(&args.repo), &wanted, &seen, &show::note);
    progress.clear();
    let scored = scored?;
    let highest = scored.highest();
    let failed = args.fail_at.is_some_and(|limit| highest >= limit);
    let posted = args.comment.map(|service| {
        let revision = scored.all().next().map(|first| first.commit.clone()).unwrap_or_default();
        let comment = Comment { report: step::markdown(&scored), title: "tidegate risk".to_owned(), revision, link: None };
        send(service, args.target.as_deref(), &comment)
    });
    let posted = posted.transpose()?;
    if context.json {
        show::json(
            &serde_json::json!({ "highest": highest, "passed": !failed, "comment": posted, "whole": scored.whole, "changes": scored.changes }),
        )?;
    } else {
        for one in scored.all() {
            show::line(&step::lines(one).join("\n"))?;
        }
        if let (true, Some(limit)) = (failed, args.fail_at) {
            show::line(&style::bad(&format!("the highest risk is {highest:.2}: {limit} or more does not pass")))?;
        }
        if let Some(posted) = &posted {
            show::line(posted)?;
        }
    }
    Ok(if failed { exit::NOT_PASSED } else { exit::OK })
}
