//! `tidegate status` in a DVC repository.

use super::{Context, open};
use crate::exit;
use crate::show;
use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};
use tidegate_build::data::{Repo, Scope, StatusOptions, SyncOptions};

/// What to look at. Without any of this, and with a tidegate.yaml, the status is that of the loop.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Tracked paths, .dvc files, stages; all when none is named
    targets: Vec<String>,
    /// The status of data and pipeline, even where there is a tidegate.yaml
    #[arg(long)]
    data: bool,
    /// Compare the cache with the remote
    #[arg(short, long)]
    cloud: bool,
    /// The remote; the default one when none is named
    #[arg(short, long, value_name = "NAME")]
    remote: Option<String>,
    /// With --cloud: of all branches too
    #[arg(short = 'a', long)]
    all_branches: bool,
    /// With --cloud: of all tags too
    #[arg(short = 'T', long)]
    all_tags: bool,
    /// With --cloud: of all commits too
    #[arg(short = 'A', long)]
    all_commits: bool,
    /// What a stage needs too
    #[arg(short = 'd', long)]
    with_deps: bool,
    /// All that is tracked below a directory
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Requests at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// Print nothing; the exit code is 1 when something changed
    #[arg(short, long)]
    quiet: bool,
    /// Taken for DVC's sake
    #[arg(long)]
    no_updates: bool,
}

impl StatusArgs {
    /// Whether data is asked for in so many words.
    pub fn asks_for_data(&self) -> bool {
        self.data || self.cloud || self.quiet || self.remote.is_some() || !self.targets.is_empty()
    }
}

/// Carries it out.
pub fn status(context: &Context, args: &StatusArgs) -> Result<u8> {
    let repo = open(context)?;
    let answer = if args.cloud || args.remote.is_some() { cloud(&repo, args)? } else { local(&repo, args)? };
    if args.quiet {
        return Ok(if answer.is_empty() { exit::OK } else { exit::NOT_PASSED });
    }
    if context.json {
        show::json(&answer)?;
    } else if !answer.is_empty() {
        print(&Value::Object(answer), if args.cloud { 1 } else { 0 })?;
    } else if repo.is_empty()? {
        show::line("There are no data or pipelines tracked in this project yet.")?;
    } else if args.cloud || args.remote.is_some() {
        let name = args.remote.as_deref().or(repo.default_remote()).unwrap_or_default();
        show::line(&format!("Cache and remote '{name}' are in sync."))?;
    } else {
        show::line("Data and pipelines are up to date.")?;
    }
    Ok(exit::OK)
}

fn local(repo: &Repo, args: &StatusArgs) -> Result<Map<String, Value>> {
    let options = StatusOptions { recursive: args.recursive, with_deps: args.with_deps };
    let value = repo.status(&args.targets, &options)?;
    Ok(value.as_object().cloned().unwrap_or_default())
}

fn cloud(repo: &Repo, args: &StatusArgs) -> Result<Map<String, Value>> {
    let scope = Scope { all_branches: args.all_branches, all_tags: args.all_tags, all_commits: args.all_commits, ..Scope::default() };
    let options = SyncOptions {
        remote: args.remote.clone(),
        jobs: args.jobs,
        recursive: args.recursive,
        with_deps: args.with_deps,
        scope,
        ..SyncOptions::default()
    };
    let answer = repo.cloud_status(&args.targets, &options)?;
    Ok(answer.into_iter().map(|(name, word)| (name, json!(word))).collect())
}

/// As DVC prints it.
fn print(value: &Value, indent: usize) -> Result<()> {
    let tabs = "\t".repeat(indent);
    match value {
        Value::String(text) => show::line(&format!("{tabs}{text}"))?,
        Value::Array(items) => items.iter().try_for_each(|item| print(item, indent))?,
        Value::Object(map) => {
            for (key, inner) in map {
                match inner {
                    Value::String(word) => show::line(&format!("{tabs}{:<20}{key}", format!("{word}:")))?,
                    other => {
                        show::line(&format!("{tabs}{key}:"))?;
                        print(other, indent + 1)?;
                    }
                }
            }
        }
        _ => {}
    }
    Ok(())
}
