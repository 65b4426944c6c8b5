//! `tidegate dag`.

use super::Context;
use crate::exit;
use crate::show;
use anyhow::Result;
use clap::Args;
use tidegate_build::data::{DagOptions, Repo};

/// What to show, and how.
#[derive(Debug, Args)]
pub struct DagArgs {
    /// A stage or an output; everything when none is named
    target: Option<String>,
    /// In the language of Graphviz
    #[arg(long)]
    dot: bool,
    /// In the language of Mermaid
    #[arg(long)]
    mermaid: bool,
    /// In the language of Mermaid, for Markdown
    #[arg(long)]
    md: bool,
    /// All that is connected with the target
    #[arg(long)]
    full: bool,
    /// Outputs instead of stages
    #[arg(short, long)]
    outs: bool,
}

/// Carries it out.
pub fn dag(context: &Context, repo: &Repo, args: &DagArgs) -> Result<u8> {
    let dag = repo.dag(&DagOptions { outs: args.outs, full: args.full, target: args.target.clone() })?;
    if context.json {
        show::json(&serde_json::json!({ "nodes": dag.nodes, "edges": dag.edges }))?;
    } else if args.dot {
        show::line(&dag.dot())?;
    } else if args.md {
        show::line(&format!("```mermaid\n{}\n```", dag.mermaid()))?;
    } else if args.mermaid {
        show::line(&dag.mermaid())?;
    } else {
        dag.lines().iter().try_for_each(|line| show::line(line))?;
    }
    Ok(exit::OK)
}
