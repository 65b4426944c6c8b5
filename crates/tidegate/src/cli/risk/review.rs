//! `tidegate risk review`: what a failure came from, and which failures nobody has looked into.

use super::super::Context;
use super::labels::{known, one_commit};
use super::reading;
use crate::client;
use crate::clock;
use crate::exit::{self, unknown};
use crate::past;
use crate::show::{self, progress::Progress};
use crate::steps::risk::{Beside, Failure, Folder, Labelled, Told, failures, labels};
use crate::workspace::{self, Places};
use anyhow::Result;
use clap::Args;
use hyper::Method;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_core::correction::{Corrections, Ended};
use tidegate_core::id::At;

/// Failures that an error names.
const NAMED_MAX: usize = 10;
/// Digits of a commit that are shown.
const DIGITS: usize = 12;
/// Commits of a failure that are shown to people.
const SHOWN_MAX: usize = 8;

/// What was found.
#[derive(Debug, Args)]
pub struct ReviewArgs {
    /// The failure: an incident, a deployment as `shop@1a2b3c4d5e6f`, or the commit that was deployed
    #[arg(value_name = "INCIDENT|DEPLOYMENT", required_unless_present = "open", conflicts_with = "open")]
    failure: Option<String>,
    /// Changes that caused it
    #[arg(long, value_name = "REV", num_args = 1.., required_unless_present = "open")]
    cause: Vec<String>,
    /// Changes that had nothing to do with it
    #[arg(long, value_name = "REV", num_args = 1..)]
    clears: Vec<String>,
    /// Why; it is recorded
    #[arg(long, required_unless_present = "open")]
    reason: Option<String>,
    /// What was found, or where it is written
    #[arg(long)]
    finding: Option<String>,
    /// The failure is one that no other tool has told of
    #[arg(long, conflicts_with = "open")]
    elsewhere: bool,
    /// List failures that were not reviewed, newest first, with the changes that went out
    #[arg(long)]
    open: bool,
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
}

pub(super) fn review(context: &Context, args: &ReviewArgs) -> Result<u8> {
    let repository = context.dir.join(&args.repo);
    let places = workspace::places(&repository)?;
    let (all, labels) = known_failures(context, args, &places)?;
    if args.open {
        return open(context, all);
    }
    let (name, reason) = (args.failure.as_deref().unwrap_or_default(), args.reason.as_deref().unwrap_or_default());
    let what = format!("review {name}");
    let found = all.iter().find(|failure| failure.is(name));
    if found.is_none() && !args.elsewhere {
        let names: Vec<String> = all.iter().take(NAMED_MAX).map(|failure| failure.name.clone()).collect();
        return Err(unknown(&what, name, &names).context("say --elsewhere where no other tool has told of it"));
    }
    let mut traced: BTreeMap<String, Ended> = BTreeMap::new();
    let mut commits = |revisions: &[String]| -> Result<Vec<String>> {
        let one = |revision: &String| {
            let commit = one_commit(&repository, revision, &format!("{what}: {revision}"))?;
            traced.insert(commit.clone(), known(&labels, &commit, &format!("{what}: {revision}"))?.ended);
            if found.is_some_and(|failure| !failure.changes.is_empty() && !failure.changes.contains(&commit)) {
                show::note(&format!("{revision} is not among the changes that went out then"));
            }
            Ok(commit)
        };
        revisions.iter().map(one).collect()
    };
    let (causes, cleared) = (commits(&args.cause)?, commits(&args.clears)?);
    let of = found.map_or(name, |failure| failure.name.as_str());
    let body = json!({ "of": of, "causes": causes, "cleared": cleared, "traced": traced, "reason": reason, "finding": args.finding });
    let value = client::ask(&places, &what, Method::POST, "/api/v1/reviews", Some(&body))?;
    if context.json {
        show::json(&value)?;
    } else {
        let short = |all: &[String]| all.iter().map(|commit| commit.chars().take(DIGITS).collect()).collect::<Vec<String>>().join(", ");
        let clean = if cleared.is_empty() { String::new() } else { format!("; {} had nothing to do with it", short(&cleared)) };
        show::line(&format!("{of} is reviewed: {} hurt{clean}", short(&causes)))?;
    }
    Ok(exit::OK)
}

fn known_failures(context: &Context, args: &ReviewArgs, places: &Places) -> Result<(Vec<Failure>, Vec<Labelled>)> {
    let repository = context.dir.join(&args.repo);
    let progress = Progress::new(context.json);
    let mined = Folder::of(&repository).history(&repository, &reading(&progress), &show::note);
    progress.clear();
    let (mined, now) = (mined?, clock::now().0);
    let said = past::state::<Corrections>(places, Corrections::STREAM)?;
    let told = Told::to(places, now)?;
    let all = failures(&mined, &told.deployed, &said);
    let (labels, _) = labels(&mined, &Beside::new(said, told));
    Ok((all, labels.into_iter().map(|(_, label)| label).collect()))
}

fn open(context: &Context, mut all: Vec<Failure>) -> Result<u8> {
    all.retain(|failure| !failure.reviewed);
    if context.json {
        show::json(&json!({ "failures": all }))?;
        return Ok(exit::OK);
    }
    if all.is_empty() {
        show::line("every failure that other tools told of was reviewed")?;
        return Ok(exit::OK);
    }
    let rows = all.iter().map(|failure| {
        let mut out: Vec<String> = failure.changes.iter().take(SHOWN_MAX).map(|commit| commit.chars().take(DIGITS).collect()).collect();
        if failure.changes.len() > SHOWN_MAX {
            out.push(format!("{} more", failure.changes.len() - SHOWN_MAX));
        }
        let out = if out.is_empty() { "not known".to_owned() } else { out.join(", ") };
        vec![At(failure.at_ms).to_string(), failure.name.clone(), failure.deployment.clone(), failure.fate.words().to_owned(), out]
    });
    show::line(&show::table(&["Deployed", "Failure", "Deployment", "What became of it", "Changes that went out"], rows.collect()))?;
    show::line("`tidegate risk review FAILURE --cause REV --reason WHY` says what it came from")?;
    Ok(exit::OK)
}
