//! `tidegate status` in a DVC repository.

use super::sync::Reach;
use super::{Context, open};
use crate::exit;
use crate::show;
use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};
use tidegate_build::data::{Repo, StatusOptions};

/// What to look at. Without any of this, and with a tidegate.yaml, the status is that of the loop.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    reach: Reach,
    /// The status of data and pipeline, even where there is a tidegate.yaml
    #[arg(long)]
    data: bool,
    /// Compare the cache with the remote; branches, tags, commits and requests at once mean something with this alone
    #[arg(short, long)]
    cloud: bool,
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
        self.data || self.cloud || self.quiet || self.reach.remote.is_some() || !self.reach.targets.is_empty()
    }
}

/// Carries it out.
pub fn status(context: &Context, args: &StatusArgs) -> Result<u8> {
    let repo = open(context)?;
    let answer = if args.cloud || args.reach.remote.is_some() { cloud(&repo, args)? } else { local(&repo, args)? };
    if args.quiet {
        return Ok(if answer.is_empty() { exit::OK } else { exit::NOT_PASSED });
    }
    if context.json {
        show::json(&answer)?;
    } else if !answer.is_empty() {
        print(&Value::Object(answer), if args.cloud { 1 } else { 0 })?;
    } else if repo.is_empty()? {
        show::line("There are no data or pipelines tracked in this project yet.")?;
    } else if args.cloud || args.reach.remote.is_some() {
        let name = args.reach.remote.as_deref().or(repo.default_remote()).unwrap_or_default();
        show::line(&format!("Cache and remote '{name}' are in sync."))?;
    } else {
        show::line("Data and pipelines are up to date.")?;
    }
    Ok(exit::OK)
}

fn local(repo: &Repo, args: &StatusArgs) -> Result<Map<String, Value>> {
    let options = StatusOptions { recursive: args.reach.recursive, with_deps: args.reach.with_deps };
    let value = repo.status(&args.reach.targets, &options)?;
    Ok(value.as_object().cloned().unwrap_or_default())
}

fn cloud(repo: &Repo, args: &StatusArgs) -> Result<Map<String, Value>> {
    let answer = repo.cloud_status(&args.reach.targets, &args.reach.options())?;
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
