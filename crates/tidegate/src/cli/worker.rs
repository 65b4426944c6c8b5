//! `tidegate worker`: what the gateway starts for each version and role.

use crate::exit::{self, failure};
use anyhow::Result;
use clap::Args;

/// The gateway's own words.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// Arguments, as the gateway writes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Carries it out.
pub fn worker(args: &WorkerArgs) -> Result<u8> {
    tidegate_serve::worker::main(args.arguments.clone()).map_err(|e| failure(exit::OUTSIDE, e.to_string()))?;
    Ok(exit::OK)
}
