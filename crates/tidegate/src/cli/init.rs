//! `tidegate init`: a tidegate.yaml for a repository that exists.

use super::Context;
use crate::exit::{self, failure};
use crate::show;
use crate::workspace::{self, CONFIG_FILE};
use anyhow::Result;
use clap::Args;

/// Where and how.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Print it, write nothing
    #[arg(long)]
    print: bool,
}

/// Carries it out.
pub fn init(context: &Context, args: &InitArgs) -> Result<u8> {
    let root = workspace::root_of(&context.dir)?;
    let scan = workspace::scan(&root)?;
    let text = tidegate_wire::config::init(&scan);
    let path = root.join(CONFIG_FILE);
    if args.print {
        show::line(text.trim_end())?;
        return Ok(exit::OK);
    }
    if path.exists() {
        return Err(failure(
            exit::REFUSED,
            format!("write {}: it exists: edit it, or see with --print what would be written", path.display()),
        ));
    }
    tidegate_store::disk::replace_file(&path, text.as_bytes())?;
    if context.json {
        show::json(&serde_json::json!({ "wrote": path, "stages": scan.stages.len(), "metrics": scan.metrics.len() }))?;
    } else {
        show::line(&format!(
            "wrote {} ({} stages found); next: read it, then `tidegate config check`, `tidegate run`",
            path.display(),
            scan.stages.len()
        ))?;
    }
    Ok(exit::OK)
}
