//! `tidegate risk train`.

use super::super::Context;
use super::{policy, reading};
use crate::clock;
use crate::exit;
use crate::show::{self, progress::Progress, style};
use crate::steps::risk::{self as step, Beside, From, Trained};
use crate::workspace;
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tidegate_learn::evaluate::Report;
use tidegate_learn::leakage::Leak;
use tidegate_learn::leakage::environments::{Compared, Environment};

/// What is learnt from, by `train` and by `recalibrate`.
#[derive(Debug, Args)]
pub struct LearnArgs {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// Up to this revision
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    tip: String,
    /// Write the model here as well, with golden requests, figures for gates and its card: what a pipeline hands over
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// How something is made of a history: of which repository, what is taken, where it tells how far it is.
type Make<T> = fn(&Path, &From<'_>, &Progress) -> Result<T>;

/// Makes it, and tells what came of it.
pub(super) fn learn<T: Serialize>(context: &Context, args: &LearnArgs, make: Make<T>, told: fn(&T) -> Result<()>) -> Result<u8> {
    let repository = context.dir.join(&args.repo);
    let policy = policy(&repository)?;
    let beside = Beside::of(&workspace::places(&repository)?, clock::now().0)?;
    let out = args.out.as_ref().map(|out| context.dir.join(out));
    let from = From { tip: &args.tip, beside: &beside, policy: &policy, out: out.as_deref() };
    let progress = Progress::new(context.json);
    let made = make(&repository, &from, &progress);
    progress.clear();
    let made = made?;
    if context.json {
        show::json(&made)?;
    } else {
        told(&made)?;
    }
    Ok(exit::OK)
}

pub(super) fn train(context: &Context, args: &LearnArgs) -> Result<u8> {
    let make: Make<Trained> =
        |repository, from, progress| step::train(repository, from, &reading(progress), &|what| progress.now(what), &show::note);
    learn(context, args, make, told)
}

fn told(trained: &Trained) -> Result<()> {
    show::line(&format!(
        "{} commits ({} read now): {} were fixed later, {} are clean, {} are too young to tell, {} have no label",
        trained.changes, trained.read, trained.fixed, trained.clean, trained.unlabelled, trained.excluded
    ))?;
    let told = if trained.delays == 0 { "taken, too few fixes tell it".to_owned() } else { format!("{} fixes tell it", trained.delays) };
    show::line(&format!("a change without a fix is called clean after {:.0} days ({told})", trained.maturity_days))?;
    for line in super::labels::sources(&trained.labels) {
        show::line(&line)?;
    }
    if trained.opted_out > 0 {
        show::line(&format!("{} changes are left out: their owners have opted out", trained.opted_out))?;
    }
    if trained.reviewed > 0 {
        show::line(&format!("of {} changes that are learnt from a forge told how they were reviewed", trained.reviewed))?;
    }
    if !trained.left_out.is_empty() {
        show::line(&format!("not learnt from, since too few changes have them: {}", trained.left_out.join(", ")))?;
    }
    if trained.scenarios > 0 {
        let scenarios = trained.scenarios;
        show::line(&format!(
            "few hurt: {scenarios} failures that nobody saw, made of two changes each, are learnt from with little weight"
        ))?;
    }
    if trained.shallow {
        show::note("the clone is shallow: the history begins where it was cut; `git fetch --unshallow` gives the rest");
    }
    show::line(&format!(
        "on the {} newest of them, having learnt from the earlier ones ({:.0} % hurt):",
        trained.model.rows,
        trained.model.base_rate * 100.0
    ))?;
    let rows = [
        ("model", &trained.model),
        ("regression alone", &trained.regression),
        ("random forest", &trained.forest),
        ("lines added", &trained.lines_added),
    ];
    let heads = ["", "AUC", "95 %", "PR-AUC", "Brier", "ECE", "Recall at 5, 10, 20 % of changes", "of effort"];
    show::line(&show::table(&heads, rows.into_iter().map(|(name, of)| figures(name, of)).collect()))?;
    let better = trained.model.auc.zip(trained.lines_added.auc).is_some_and(|(model, lines)| model.estimate > lines.estimate);
    if !better {
        show::line(&style::warn("the model is no better than the number of lines added: do not lean on it"))?;
    }
    if let Some(reasons) = trained.reasons.as_ref().filter(|reasons| reasons.drifted) {
        let (feature, was, is) = reasons.shares.first().cloned().unwrap_or_default();
        let moved = format!("{feature} was {:.0} % of what moved it and is {:.0} %", was * 100.0, is * 100.0);
        show::line(&style::warn(&format!(
            "reasons drift (agreement {:.2}): {moved}: look whether the work is another one",
            reasons.agreement
        )))?;
    }
    for line in trained.environments.iter().flat_map(environments) {
        show::line(&line)?;
    }
    let told_apart = trained.environments.iter().flat_map(|compared| &compared.leaks);
    for leak in trained.leaks.iter().chain(told_apart) {
        show::line(&style::warn(&leaked(leak)))?;
    }
    Ok(())
}

/// What was found where changes of several environments are learnt from.
fn environments(compared: &Compared) -> Vec<String> {
    let name = |environment: &Environment| format!("{environment:?}").to_lowercase();
    let few = compared.too_few.iter().map(|(one, rows)| format!("{rows} changes with a known end in {} are too few to compare", name(one)));
    let mut lines: Vec<String> = few.collect();
    for pair in &compared.pairs {
        let (one, other) = (name(&pair.one), name(&pair.other));
        let [rows, rows_there] = pair.rows;
        let [rate, rate_there] = pair.base_rates.map(|rate| rate * 100.0);
        let differ = if pair.base_rates_differ { "they differ" } else { "no sure difference" };
        lines.push(format!(
            "{rows} changes with a known end in {one}, {rows_there} in {other}: {rate:.0} % and {rate_there:.0} % hurt there ({differ})"
        ));
        let shifted: Vec<&str> = pair.features.iter().filter(|shift| shift.shifted).map(|shift| shift.feature.as_str()).collect();
        if !shifted.is_empty() {
            lines.push(style::warn(&format!("they are of another kind by {}", shifted.join(", "))));
        }
        for ranking in pair.rankings.iter().filter(|ranking| ranking.fallen) {
            let (learnt, judged) = (name(&ranking.learnt), name(&ranking.judged));
            let (auc, own) = (ranking.auc.unwrap_or(f64::NAN), ranking.own.unwrap_or(f64::NAN));
            lines.push(style::warn(&format!(
                "what was learnt from {learnt} ranks {judged} with an AUC of {auc:.2}, its own with {own:.2}: do not take the one for the other"
            )));
        }
    }
    lines
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
        Leak::TellsEnvironment { feature, auc, .. } => {
            format!("{feature} alone tells the environment of a row (AUC {auc:.2}): leave it out, or train for each environment")
        }
    }
}
