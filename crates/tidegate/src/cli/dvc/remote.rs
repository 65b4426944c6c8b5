//! `tidegate remote`.

use super::Context;
use crate::exit::{self, failure};
use crate::show;
use anyhow::Result;
use clap::Subcommand;
use tidegate_build::data::Repo;

/// What can be done with remotes.
#[derive(Debug, Subcommand)]
pub enum RemoteCommand {
    /// Lists remotes
    List,
    /// Adds a remote
    Add {
        /// Its name
        name: String,
        /// A directory, s3://, gs://, azure:// or http(s)://
        url: String,
        /// Make it the default one
        #[arg(short, long)]
        default: bool,
        /// Replace one of this name
        #[arg(short, long)]
        force: bool,
        /// In the configuration that Git does not see
        #[arg(long)]
        local: bool,
    },
    /// Sets a key of a remote, as endpointurl; secrets belong into --local
    Modify {
        /// The remote
        name: String,
        /// The key
        key: String,
        /// The value
        value: Option<String>,
        /// Take the key away
        #[arg(short, long)]
        unset: bool,
        /// In the configuration that Git does not see
        #[arg(long)]
        local: bool,
    },
    /// Shows or sets the default remote
    Default {
        /// The remote; shown when none is named
        name: Option<String>,
        /// Have none
        #[arg(short, long)]
        unset: bool,
        /// In the configuration that Git does not see
        #[arg(long)]
        local: bool,
    },
    /// Removes a remote from the configuration; what it holds stays
    Remove {
        /// The remote
        name: String,
        /// In the configuration that Git does not see
        #[arg(long)]
        local: bool,
    },
}

/// Carries it out.
pub fn remote(context: &Context, repo: &Repo, command: &RemoteCommand) -> Result<u8> {
    match command {
        RemoteCommand::List => {
            let default = repo.default_remote().unwrap_or_default().to_owned();
            if context.json {
                let rows = repo
                    .remotes()
                    .into_iter()
                    .map(|(name, url)| serde_json::json!({ "default": name == default, "name": name, "url": url }));
                show::json(&rows.collect::<Vec<_>>())?;
            } else {
                for (name, url) in repo.remotes() {
                    show::line(&format!("{name}\t{url}{}", if name == default { "\t(default)" } else { "" }))?;
                }
            }
        }
        RemoteCommand::Add { name, url, default, force, local } => repo.remote_add(name, url, *default, *force, *local)?,
        RemoteCommand::Modify { name, key, value, unset, local } => {
            let value = value.as_deref().filter(|_| !unset);
            if value.is_none() && !unset {
                return Err(failure(exit::USAGE, format!("remote modify {name} {key}: give a value, or --unset")));
            }
            repo.remote_modify(name, key, value, *local)?;
        }
        RemoteCommand::Default { name: None, unset: false, .. } => {
            show::line(repo.default_remote().unwrap_or("No default remote set"))?;
        }
        RemoteCommand::Default { name, unset, local } => repo.remote_default(name.as_deref().filter(|_| !unset), *local)?,
        RemoteCommand::Remove { name, local } => repo.remote_remove(name, *local)?,
    }
    Ok(exit::OK)
}
