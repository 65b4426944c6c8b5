//! `tidegate risk judge`: what a person thinks of a change, before it is known how it ends.

use super::super::Context;
use super::chance;
use super::labels::all;
use crate::client;
use crate::exit::{self, failure};
use crate::show;
use crate::workspace;
use anyhow::Result;
use clap::Args;
use hyper::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use tidegate_core::correction::Ended;
use tidegate_core::worth::{COMMITS_MAX, Decision};

/// What is said of a change.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("said").required(true).multiple(true).args(["risk", "hold", "pass"])))]
pub struct JudgeArgs {
    /// The change: a revision, or a range as `main..topic`
    #[arg(value_name = "REV")]
    what: String,
    /// How likely it hurts
    #[arg(long, value_name = "CHANCE", value_parser = chance)]
    risk: Option<f64>,
    /// It waits
    #[arg(long, conflicts_with = "pass")]
    hold: bool,
    /// It does not
    #[arg(long)]
    pass: bool,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
    /// The change's own name, where it was scored with one
    #[arg(long, value_name = "NAME")]
    change: Option<String>,
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
}

pub(super) fn judge(context: &Context, args: &JudgeArgs) -> Result<u8> {
    let repository = context.dir.join(&args.repo);
    let what = format!("judge {}", args.what);
    let found = tidegate_history::commits(&repository, &args.what, COMMITS_MAX + 1)
        .map_err(|why| failure(exit::NOT_FOUND, format!("{what}: {why}")))?;
    let commits: Vec<String> = found.iter().map(ToString::to_string).collect();
    let (labels, _) = all(context, &args.repo)?;
    let known: Vec<Ended> = labels.iter().filter(|label| commits.contains(&label.commit)).map(|label| label.ended).collect();
    let ended = match known.as_slice() {
        all if all.contains(&Ended::Hurt) => Ended::Hurt,
        [] => Ended::Unknown,
        all if all.contains(&Ended::Unknown) => Ended::Unknown,
        _ => Ended::Clean,
    };
    let decision = match (args.hold, args.pass) {
        (true, _) => Some(Decision::Hold),
        (_, true) => Some(Decision::Pass),
        _ => None,
    };
    let body = json!({
        "named": args.change, "commits": commits, "risk": args.risk, "decision": decision, "reason": args.reason, "ended": ended,
    });
    let value = client::ask(&workspace::places(&repository)?, &what, Method::POST, "/api/v1/answers/judged", Some(&body))?;
    if context.json {
        show::json(&value)?;
    } else {
        let blind = value["blind"] == Value::Bool(true);
        let counts = if blind { "before the model's answer was told: it is held against it" } else { "after the model's answer was told" };
        show::line(&format!("{} is judged, {counts}", args.what))?;
    }
    Ok(exit::OK)
}
