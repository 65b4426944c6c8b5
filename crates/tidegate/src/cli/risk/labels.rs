//! `tidegate risk labels` and `risk label`.

use super::super::Context;
use super::reading;
use crate::client;
use crate::clock;
use crate::exit::{self, failure};
use crate::show::{self, progress::Progress};
use crate::steps::risk::{Beside, By, Folder, Labelled, Sources, labels};
use crate::workspace;
use anyhow::Result;
use clap::{Args, ValueEnum};
use hyper::Method;
use serde_json::json;
use std::path::PathBuf;
use tidegate_core::correction::Ended;

/// Which are shown.
#[derive(Debug, Args)]
pub struct LabelsArgs {
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// Only those of which two sources say different things
    #[arg(long)]
    conflicts: bool,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
}

/// What became of it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    /// It did harm
    Hurt,
    /// It did none
    Clean,
    /// It cannot be told: nothing is learnt from it
    Unknown,
}

/// What is said of a change.
#[derive(Debug, Args)]
pub struct LabelArgs {
    /// The change: a revision of one commit
    #[arg(value_name = "REV")]
    revision: String,
    /// What became of it
    #[arg(value_enum)]
    ended: Word,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
    /// The repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
}

/// All labels of a repository, oldest first.
pub(super) fn all(context: &Context, repo: &std::path::Path) -> Result<(Vec<Labelled>, Sources)> {
    let repository = context.dir.join(repo);
    let beside = Beside::of(&workspace::places(&repository)?, clock::now().0)?;
    let progress = Progress::new(context.json);
    let mined = Folder::of(&repository).history(&repository, &reading(&progress), &show::note);
    progress.clear();
    let (labels, sources) = labels(&mined?, &beside);
    Ok((labels.into_iter().map(|(_, label)| label).collect(), sources))
}

pub(super) fn list(context: &Context, args: &LabelsArgs) -> Result<u8> {
    let (mut labels, sources) = all(context, &args.repo)?;
    labels.retain(|label| !args.conflicts || label.against.is_some());
    let shown = labels.split_off(labels.len().saturating_sub(args.limit as usize));
    if context.json {
        show::json(&json!({ "sources": sources, "labels": shown }))?;
        return Ok(exit::OK);
    }
    let rows = shown.iter().map(|label| {
        let by = match label.by {
            By::Person => "person",
            By::Delivery => "delivery",
            By::History => "history",
        };
        let against = label.against.as_ref().map(|why| format!("; yet {why}")).unwrap_or_default();
        vec![label.commit.chars().take(12).collect(), words(label.ended).to_owned(), by.to_owned(), format!("{}{against}", label.why)]
    });
    show::line(&show::table(&["Commit", "Ended", "By", "Why"], rows.collect()))?;
    for line in self::sources(&sources) {
        show::line(&line)?;
    }
    Ok(exit::OK)
}

/// What became of a change, in words.
pub(super) fn words(ended: Ended) -> &'static str {
    match ended {
        Ended::Hurt => "hurt",
        Ended::Clean => "clean",
        Ended::Unknown => "not known",
    }
}

/// How labels came about, in sentences.
pub(super) fn sources(of: &Sources) -> Vec<String> {
    let mut lines = vec![];
    if of.deployments > 0 || of.people > 0 {
        lines.push(format!(
            "labels: {} by people, {} by deliveries ({} deployments name a commit), {} by the history alone; {} kept apart; of {} two sources say different things",
            of.people, of.deliveries, of.deployments, of.history, of.apart, of.conflicts
        ));
    }
    if let Some(noise) = of.noise {
        lines.push(format!(
            "of {} labels that people looked at, {} were wrong: {:.0} to {:.0} %, rather less of all",
            noise.looked_at,
            noise.wrong,
            noise.low * 100.0,
            noise.high * 100.0
        ));
    }
    lines
}

/// The label of a commit.
pub(super) fn known<'l>(labels: &'l [Labelled], commit: &str, what: &str) -> Result<&'l Labelled> {
    let found = labels.iter().find(|label| label.commit == commit);
    found.ok_or_else(|| {
        let why = "it has no label that could be wrong: it is a merge, touches nothing or too much, or is not below HEAD";
        failure(exit::NOT_FOUND, format!("{what}: {why}"))
    })
}

/// The one commit that a revision names.
pub(super) fn one_commit(repository: &std::path::Path, revision: &str, what: &str) -> Result<String> {
    let found = tidegate_history::commits(repository, revision, 2).map_err(|why| failure(exit::NOT_FOUND, format!("{what}: {why}")))?;
    let [commit] = found.as_slice() else { return Err(failure(exit::USAGE, format!("{what}: name one commit"))) };
    Ok(commit.to_string())
}

pub(super) fn label(context: &Context, args: &LabelArgs) -> Result<u8> {
    let repository = context.dir.join(&args.repo);
    let what = format!("say what became of {}", args.revision);
    let commit = one_commit(&repository, &args.revision, &what)?;
    let ended = match args.ended {
        Word::Hurt => Ended::Hurt,
        Word::Clean => Ended::Clean,
        Word::Unknown => Ended::Unknown,
    };
    // What was traced goes with it: how often that is wrong is told from it.
    let (labels, _) = all(context, &args.repo)?;
    let known = known(&labels, &commit, &what)?;
    let body = json!({ "ended": ended, "reason": args.reason, "traced": known.ended });
    let path = format!("/api/v1/corrections/{commit}");
    let value = client::ask(&workspace::places(&repository)?, &what, Method::POST, &path, Some(&body))?;
    if context.json {
        show::json(&value)?;
    } else {
        show::line(&format!("{} is {}; it was {}: {}", &commit[..12], words(ended), words(known.ended), known.why))?;
    }
    Ok(exit::OK)
}
