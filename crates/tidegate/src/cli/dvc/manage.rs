//! `tidegate remove`, `move`, `unprotect`, `commit`.

use super::{Context, add};
use crate::exit;
use crate::show;
use anyhow::Result;
use clap::Args;
use tidegate_build::data::Repo;

/// What to track no more.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// .dvc files
    #[arg(required = true)]
    targets: Vec<String>,
    /// The data goes from the workspace too
    #[arg(long)]
    outs: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// Carries it out.
pub fn remove(context: &Context, repo: &Repo, args: &RemoveArgs) -> Result<u8> {
    let removed = repo.remove(&args.targets, args.outs, &|text| show::note(text))?;
    let shown: Vec<String> = removed.iter().map(|path| repo.shown(path)).collect();
    if context.json {
        show::json(&serde_json::json!({ "removed": shown, "outs": args.outs }))?;
    } else if !args.quiet {
        let what = if args.outs { "removed and no longer tracked" } else { "no longer tracked" };
        shown.iter().try_for_each(|path| show::line(&format!("{path}: {what}")))?;
    }
    Ok(exit::OK)
}

/// What to give another name.
#[derive(Debug, Args)]
pub struct MoveArgs {
    /// Tracked data
    src: String,
    /// Its new path, or a directory to put it in
    dst: String,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// Carries it out.
pub fn rename(context: &Context, repo: &Repo, args: &MoveArgs) -> Result<u8> {
    let (old, new) = repo.rename(&args.src, &args.dst, &|text| show::note(text))?;
    let (old, new) = (repo.shown(&old), repo.shown(&new));
    if context.json {
        show::json(&serde_json::json!({ "from": old, "to": new }))?;
    } else if !args.quiet {
        show::line(&format!("{old} is now {new}"))?;
    }
    Ok(exit::OK)
}

/// What to make changeable.
#[derive(Debug, Args)]
pub struct UnprotectArgs {
    /// Files and directories
    #[arg(required = true)]
    targets: Vec<String>,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// Carries it out.
pub fn unprotect(context: &Context, repo: &Repo, args: &UnprotectArgs) -> Result<u8> {
    let files = repo.unprotect(&args.targets, &|text| show::note(text))?;
    if context.json {
        show::json(&serde_json::json!({ "unprotected": files }))?;
    } else if !args.quiet {
        show::line(&format!("{files} files can be changed now"))?;
    }
    Ok(exit::OK)
}

/// What to record.
#[derive(Debug, Args)]
pub struct CommitArgs {
    /// Tracked paths, .dvc files, stages; all when none is named
    targets: Vec<String>,
    /// Record what changed without being asked
    #[arg(short, long)]
    force: bool,
    /// What a stage needs too
    #[arg(short = 'd', long)]
    with_deps: bool,
    /// All that is tracked below a directory
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// Carries it out.
pub fn commit(context: &Context, repo: &Repo, args: &CommitArgs) -> Result<u8> {
    let select = (args.recursive, args.with_deps);
    let done = repo.commit(&args.targets, select, args.force, &|text| show::note(text))?;
    add::report(context, repo, &done, args.quiet)
}
