//! `tidegate risk`: how likely a change is to hurt, from the repository's own history.

mod costs;
mod drill;
mod fairness;
mod judge;
mod labels;
mod recalibrate;
mod record;
mod review;
mod score;
mod train;
mod worth;

use super::Context;
use super::federate::{FederateCommand, federate};
use crate::exit::{self, failure};
use crate::show::progress::Progress;
use crate::workspace::{self, CONFIG_FILE};
use anyhow::Result;
use clap::Subcommand;
use std::path::Path;
use tidegate_wire::config::RiskPolicy;

/// Share of changes that are taken to be held where nothing says from which risk on.
const HELD_SHARE: f64 = 0.2;

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum RiskCommand {
    /// Reads a git repository and learns which changes hurt; tells how good that is on later changes
    Train(train::LearnArgs),
    /// Brings the model's probabilities up to what became of changes since its training; what it ranks stays as it was learnt
    Recalibrate(train::LearnArgs),
    /// Scores a commit, or each commit of a range: probability, interval, rank, reasons, what would lower it
    Score(score::ScoreArgs),
    /// What became of each change, who says so, and who says otherwise
    Labels(labels::LabelsArgs),
    /// Says what became of a change, with a reason; the next training learns from it
    Label(labels::LabelArgs),
    /// Says how likely a change hurts, or whether it waits, before it is known; the model is held against it
    Judge(judge::JudgeArgs),
    /// Says after a failure which change caused it, or lists failures that nobody has looked into; the next training learns from it
    Review(review::ReviewArgs),
    /// What the model came to: failures and delays way by way, against people, with intervals
    Worth(worth::WorthArgs),
    /// From which risk on holding a change is the cheaper mistake, by the costs of tidegate.yaml
    Costs(costs::CostsArgs),
    /// Plants a bad change and a harmless one in a copy of the repository, and tells whether they are told apart
    Drill(drill::DrillArgs),
    /// What the model stands on, for whoever must answer for it: origin, assumptions, figures, features
    Card(drill::CardArgs),
    /// Trains one model with other repositories, whose changes stay where they are
    #[command(subcommand)]
    Federate(FederateCommand),
    /// How evenly changes of teams, parts, tenures and seasons are held, and how well scores fit each
    Fairness(fairness::FairnessArgs),
}

/// Carries it out.
pub fn risk(context: &Context, command: &RiskCommand) -> Result<u8> {
    match command {
        RiskCommand::Train(args) => train::train(context, args),
        RiskCommand::Recalibrate(args) => recalibrate::recalibrate(context, args),
        RiskCommand::Score(args) => score::score(context, args),
        RiskCommand::Labels(args) => labels::list(context, args),
        RiskCommand::Label(args) => labels::label(context, args),
        RiskCommand::Judge(args) => judge::judge(context, args),
        RiskCommand::Review(args) => review::review(context, args),
        RiskCommand::Worth(args) => worth::worth(context, args),
        RiskCommand::Costs(args) => costs::costs(context, args),
        RiskCommand::Drill(args) => drill::drill(context, args),
        RiskCommand::Card(args) => drill::card(context, args),
        RiskCommand::Federate(command) => federate(context, command),
        RiskCommand::Fairness(args) => fairness::fairness(context, args),
    }
}

fn chance(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|chance| (0.0..=1.0).contains(chance)).ok_or_else(|| "a chance is a number from 0 to 1".to_owned())
}

/// `risk` of the repository's tidegate.yaml; a repository need not have one. What is said there, and in CODEOWNERS, is of the whole repository.
pub(super) fn policy(repository: &Path) -> Result<RiskPolicy> {
    let whole = repository.canonicalize().unwrap_or_else(|_| repository.to_owned());
    if let Some(top) = whole.ancestors().find(|folder| folder.join(".git").exists()).filter(|top| *top != whole) {
        let why = format!(
            "{} is a folder of the repository {}: risk is of a whole repository; name it with --repo",
            whole.display(),
            top.display()
        );
        return Err(failure(exit::USAGE, why));
    }
    if repository.join(CONFIG_FILE).exists() { Ok(workspace::open(repository)?.config.risk) } else { Ok(RiskPolicy::default()) }
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
