//! `tidegate risk score`.

use super::super::Context;
use super::super::report::{Service, mark, send};
use super::{chance, policy, reading};
use crate::exit::{self, failure};
use crate::show::{self, progress::Progress, style};
use crate::steps::risk::{self as step, Answered};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use tidegate_adapters::status::Status;
use tidegate_core::risk::Way;
use tidegate_wire::comment::Comment;

/// The name of the mark.
const MARK: &str = "tidegate/risk";

/// What is scored.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// A revision, or a range as `main..topic`
    #[arg(value_name = "REV", default_value = "HEAD", allow_hyphen_values = true)]
    what: String,
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// End with exit code 1 where the risk of any of them is this or more; `costs`: where `risk.costs` of tidegate.yaml hold it
    #[arg(long, value_name = "CHANCE|costs", value_parser = limit)]
    fail_at: Option<Limit>,
    /// What would lower a risk is looked for until it is below this
    #[arg(long, value_name = "CHANCE", value_parser = chance, default_value_t = step::BELOW)]
    below: f64,
    /// Post it as a comment, or bring the one that is there up to date
    #[arg(long, value_enum, value_name = "SERVICE")]
    comment: Option<Service>,
    /// Where the comment goes: pr/NUMBER or commit/DIGEST; told by the CI's environment when not given
    #[arg(long, value_name = "TARGET", requires = "comment")]
    target: Option<String>,
    /// Set the mark `tidegate/risk` beside the newest commit: passed, or not by --fail-at
    #[arg(long, value_enum, value_name = "SERVICE", requires = "fail_at")]
    mark: Option<Service>,
}

/// What does not pass.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    Chance(f64),
    Costs,
}

fn limit(text: &str) -> Result<Limit, String> {
    if text == "costs" { Ok(Limit::Costs) } else { chance(text).map(Limit::Chance).map_err(|why| format!("{why}, or `costs`")) }
}

pub(super) fn score(context: &Context, args: &ScoreArgs) -> Result<u8> {
    let repository = context.dir.join(&args.repo);
    let policy = policy(&repository)?;
    if args.fail_at == Some(Limit::Costs) && policy.costs.is_none() {
        let why = "score --fail-at costs: tidegate.yaml has no `risk.costs`: say there what a delay and an incident cost";
        return Err(failure(exit::USAGE, why));
    }
    let progress = Progress::new(context.json);
    let wanted = step::Wanted { what: &args.what, below: args.below, decides: args.fail_at.is_some(), policy: &policy, reviewed: None };
    let scored = step::score(&repository, &wanted, &reading(&progress), &show::note);
    progress.clear();
    let scored = scored?;
    // What is not scored does not pass where something is decided.
    let failed = over(&scored, args.fail_at) || args.fail_at.is_some() && scored.undecided();
    let verdict = verdict(&scored, args.fail_at, failed);
    let newest = || scored.newest.clone();
    let posted = args.comment.map(|service| {
        let comment = Comment { report: step::markdown(&scored), title: "tidegate risk".to_owned(), revision: newest(), link: None };
        send(service, args.target.as_deref(), &comment)
    });
    let posted = posted.transpose()?;
    if let Some(service) = args.mark {
        mark(service, &Status { commit: newest(), passed: !failed, name: MARK.to_owned(), description: verdict.clone(), link: None })?;
    }
    if context.json {
        show::json(&serde_json::json!({
            "highest": scored.highest(), "passed": !failed, "verdict": verdict, "comment": posted,
            "whole": scored.whole, "changes": scored.changes, "opted_out": scored.opted_out,
            "undecided": scored.mixed,
        }))?;
    } else {
        for one in scored.all() {
            show::line(&step::lines(one).join("\n"))?;
        }
        if args.fail_at.is_some() {
            show::line(&if failed { style::bad(&verdict) } else { style::good(&verdict) })?;
        } else if scored.all().next().is_none() || scored.undecided() {
            show::line(&verdict)?;
        }
        if let Some(posted) = &posted {
            show::line(posted)?;
        }
    }
    Ok(if failed { exit::NOT_PASSED } else { exit::OK })
}

/// Whether a risk is above a limit.
fn over(scored: &Answered, limit: Option<Limit>) -> bool {
    match limit {
        Some(Limit::Chance(limit)) => scored.highest() >= limit,
        Some(Limit::Costs) => scored.held(),
        None => false,
    }
}

/// What it comes to, in a sentence.
fn verdict(scored: &Answered, limit: Option<Limit>, failed: bool) -> String {
    if scored.undecided() && !over(scored, limit) {
        let word = if limit.is_some() { "not decided: " } else { "" };
        let others = scored.all().next().map(|_| format!("; the highest risk of what is scored is {:.2}", scored.highest()));
        return format!("{word}{}; it goes the standard way{}", step::not_scored(scored).unwrap_or_default(), others.unwrap_or_default());
    }
    let Some(riskiest) = scored.all().max_by(|a, b| a.score.probability.total_cmp(&b.score.probability)) else {
        return format!("{} commits are not scored: their owners have opted out, and they go the standard way", scored.opted_out.len());
    };
    let highest = riskiest.score.probability;
    let words = match (limit, failed) {
        (Some(Limit::Chance(limit)), true) if highest >= limit => {
            format!("the highest risk is {highest:.2}: {limit} or more does not pass")
        }
        (Some(Limit::Costs), true) if scored.held() => {
            let held = scored.all().filter(|one| one.way == Way::Held).count();
            format!("the highest risk is {highest:.2}: {held} held, since waiting costs less than letting them through")
        }
        _ => format!("the highest risk is {highest:.2}, higher than {:.0} % of this repository's changes", riskiest.score.rank * 100.0),
    };
    match scored.opted_out.len() {
        0 => words,
        not => format!("{words}; {not} more are not scored, since an owner has opted out"),
    }
}
