//! `tidegate sim`: one seed of the simulated world, as a story.

use super::Context;
use crate::exit;
use crate::show;
use anyhow::Result;
use clap::Args;

/// Which world.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// Seed of everything that happens
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Carries it out.
pub fn sim(context: &Context, args: &SimArgs) -> Result<u8> {
    let story = tidegate_sim::run(args.seed, None);
    if context.json {
        show::json(
            &serde_json::json!({ "seed": args.seed, "sound": story.violations.is_empty(), "violations": story.violations.iter().map(|v| format!("{}: {}", v.rule, v.found)).collect::<Vec<_>>(), "story": story.lines }),
        )?;
    } else {
        show::line(story.to_string().trim_end())?;
    }
    Ok(if story.violations.is_empty() { exit::OK } else { exit::NOT_PASSED })
}
