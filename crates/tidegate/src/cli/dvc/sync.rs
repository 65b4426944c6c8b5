//! `tidegate push`, `pull`, `fetch`.

use super::{Context, bar::Bar, checkout, globbed, summary};
use crate::exit;
use crate::show;
use anyhow::Result;
use clap::Args;
use tidegate_build::data::{Repo, Scope, SyncOptions};

/// Which data, and where it goes or comes from: what `status --cloud` asks too.
#[derive(Debug, Args)]
pub struct Reach {
    /// Tracked paths, .dvc files, stages; all when none is named
    pub targets: Vec<String>,
    /// The remote; the default one when none is named
    #[arg(short, long, value_name = "NAME")]
    pub remote: Option<String>,
    /// Transfers at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// Of all branches too
    #[arg(short = 'a', long)]
    all_branches: bool,
    /// Of all tags too
    #[arg(short = 'T', long)]
    all_tags: bool,
    /// Of all commits too
    #[arg(short = 'A', long)]
    all_commits: bool,
    /// What a stage needs too
    #[arg(short = 'd', long)]
    pub with_deps: bool,
    /// All that is tracked below a directory
    #[arg(short = 'R', long)]
    pub recursive: bool,
}

impl Reach {
    /// The same for the library.
    pub fn options(&self) -> SyncOptions {
        SyncOptions {
            remote: self.remote.clone(),
            jobs: self.jobs,
            recursive: self.recursive,
            with_deps: self.with_deps,
            scope: Scope { all_branches: self.all_branches, all_tags: self.all_tags, all_commits: self.all_commits, ..Scope::default() },
            ..SyncOptions::default()
        }
    }
}

/// What all three ask.
#[derive(Debug, Args)]
pub struct Common {
    #[command(flatten)]
    reach: Reach,
    /// Targets are patterns with * and ?
    #[arg(long)]
    glob: bool,
    /// The records of the run-cache too
    #[arg(long)]
    run_cache: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

impl Common {
    fn options(&self) -> SyncOptions {
        SyncOptions { run_cache: self.run_cache, ..self.reach.options() }
    }
}

/// What to send.
#[derive(Debug, Args)]
pub struct PushArgs {
    #[command(flatten)]
    common: Common,
}

/// What to bring.
#[derive(Debug, Args)]
pub struct FetchArgs {
    #[command(flatten)]
    common: Common,
}

/// What to bring and check out.
#[derive(Debug, Args)]
pub struct PullArgs {
    #[command(flatten)]
    common: Common,
    /// Throw away what is not saved
    #[arg(short, long)]
    force: bool,
    /// What is missing is left out
    #[arg(long)]
    allow_missing: bool,
}

/// Carries it out.
pub fn push(context: &Context, repo: &Repo, args: &PushArgs) -> Result<u8> {
    let targets = globbed(context, &args.common.reach.targets, args.common.glob)?;
    let report = repo.push(&targets, &args.common.options(), &Bar::new(context.json || args.common.quiet))?;
    told(context, "pushed", report.moved, args.common.quiet)
}

/// Carries it out.
pub fn fetch(context: &Context, repo: &Repo, args: &FetchArgs) -> Result<u8> {
    let targets = globbed(context, &args.common.reach.targets, args.common.glob)?;
    let report = repo.fetch(&targets, &args.common.options(), &Bar::new(context.json || args.common.quiet))?;
    told(context, "fetched", report.moved, args.common.quiet)
}

/// Carries it out.
pub fn pull(context: &Context, repo: &Repo, args: &PullArgs) -> Result<u8> {
    let targets = globbed(context, &args.common.reach.targets, args.common.glob)?;
    let options = SyncOptions { force: args.force, allow_missing: args.allow_missing, ..args.common.options() };
    let report = repo.pull(&targets, &options, &Bar::new(context.json || args.common.quiet))?;
    if context.json {
        let mut value = checkout::as_json(repo, &report.checkout);
        value["stats"]["fetched"] = report.moved.into();
        show::json(&value)?;
        return Ok(exit::OK);
    }
    if !args.common.quiet {
        checkout::print(repo, &report.checkout)?;
        let [added, modified, deleted] = report.checkout.files;
        let words = summary(&[("modified", modified), ("added", added), ("deleted", deleted), ("fetched", report.moved)]);
        show::line(if words.is_empty() { "Everything is up to date." } else { &words })?;
    }
    Ok(exit::OK)
}

fn told(context: &Context, word: &str, moved: u64, quiet: bool) -> Result<u8> {
    if context.json {
        show::json(&serde_json::json!({ "stats": { word: moved } }))?;
    } else if !quiet {
        let words = summary(&[(word, moved)]);
        show::line(if words.is_empty() { "Everything is up to date." } else { &words })?;
    }
    Ok(exit::OK)
}
