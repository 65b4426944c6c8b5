//! `tidegate config`: what is in force and where it came from; the schema for editors.

use super::Context;
use crate::exit;
use crate::show;
use crate::workspace::{self, CONFIG_FILE};
use anyhow::Result;
use clap::Subcommand;

/// What can be asked of tidegate.yaml.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Checks tidegate.yaml and shows every problem at once
    Check,
    /// Shows every value in force with its origin
    Explain {
        /// Only what lies below this path, as `releases.default.judge`
        #[arg(default_value = "")]
        below: String,
    },
    /// Prints the JSON Schema
    Schema,
}

/// Carries it out.
pub fn config(context: &Context, command: &ConfigCommand) -> Result<u8> {
    match command {
        ConfigCommand::Schema => show::json(&tidegate_wire::config::json_schema())?,
        ConfigCommand::Check => {
            let opened = workspace::open(&context.dir)?;
            let config = &opened.config;
            if context.json {
                show::json(&serde_json::json!({ "workspace": config.name, "problems": [] }))?;
            } else {
                let counts = [
                    ("datasets", config.data.len()),
                    ("models", config.models.len()),
                    ("services", config.services.len()),
                    ("strategies", config.releases.len()),
                ];
                let words: Vec<String> = counts.iter().map(|(name, n)| format!("{n} {name}")).collect();
                show::line(&format!("{CONFIG_FILE} of `{}` holds together: {}", config.name, words.join(", ")))?;
            }
        }
        ConfigCommand::Explain { below } => {
            let opened = workspace::open(&context.dir)?;
            let text = opened.config.origins.explain(CONFIG_FILE, below);
            if context.json {
                show::json(&serde_json::json!({ "explained": text.lines().collect::<Vec<_>>() }))?
            } else {
                show::line(text.trim_end())?
            }
        }
    }
    Ok(exit::OK)
}
