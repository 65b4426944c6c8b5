//! `tidegate gc`.

use super::{Context, bar::Bar};
use crate::exit;
use crate::show;
use anyhow::Result;
use clap::Args;
use tidegate_build::data::{GcOptions, Repo, Scope};

/// What to keep, and from where to remove the rest.
#[derive(Debug, Args)]
pub struct GcArgs {
    /// Keep what the workspace uses
    #[arg(short, long)]
    workspace: bool,
    /// Keep what the tips of all branches use
    #[arg(short = 'a', long)]
    all_branches: bool,
    /// Keep what all tags use
    #[arg(short = 'T', long)]
    all_tags: bool,
    /// Keep what all commits use
    #[arg(short = 'A', long)]
    all_commits: bool,
    /// Keep what experiments use
    #[arg(long)]
    all_experiments: bool,
    /// Keep what this revision uses
    #[arg(long, value_name = "REVISION")]
    rev: Option<String>,
    /// So many commits from the revision, or from each branch, back
    #[arg(short, long, value_name = "NUMBER")]
    num: Option<usize>,
    /// Remove from the remote too
    #[arg(short, long)]
    cloud: bool,
    /// The remote; the default one when none is named
    #[arg(short, long, value_name = "NAME", requires = "cloud")]
    remote: Option<String>,
    /// Requests at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// Only say what would be removed
    #[arg(long)]
    dry: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Go on where a commit or a listing cannot be read, taking it as using nothing
    #[arg(long)]
    skip_failed: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// Carries it out.
pub fn gc(context: &Context, repo: &Repo, args: &GcArgs) -> Result<u8> {
    let scope = Scope {
        all_branches: args.all_branches,
        all_tags: args.all_tags,
        all_commits: args.all_commits,
        all_experiments: args.all_experiments,
        rev: args.rev.clone(),
        num: args.num,
        skip_failed: args.skip_failed,
    };
    let options =
        GcOptions { workspace: args.workspace, scope, cloud: args.cloud, remote: args.remote.clone(), jobs: args.jobs, dry: args.dry };
    let quiet = context.json || args.quiet;
    if !args.force && !args.dry && !confirmed(repo, &options)? {
        show::note("nothing was removed: answer `y`, or use --force");
        return Ok(exit::REFUSED);
    }
    let report = repo.gc(&options, &Bar::new(quiet))?;
    let (objects, bytes) = report.cache;
    if context.json {
        let answer = serde_json::json!({ "removed": objects, "bytes": bytes, "removed_from_remote": report.remote, "unfinished": report.unfinished, "dry": args.dry });
        show::json(&answer)?;
    } else if !args.quiet {
        let verb = if args.dry { "would be removed" } else { "removed" };
        let cache = if objects == 0 {
            "No unused 'local' cache to remove.".to_owned()
        } else {
            format!("{objects} objects ({bytes} bytes) {verb} from the cache.")
        };
        show::line(&cache)?;
        match report.remote {
            None => {}
            Some(0) => show::line("No unused cache to remove from remote.")?,
            Some(n) => show::line(&format!("{n} objects {verb} from the remote."))?,
        }
    }
    Ok(exit::OK)
}

/// Says what would go and asks; without a terminal the answer is no.
fn confirmed(repo: &Repo, options: &GcOptions) -> Result<bool> {
    use std::io::IsTerminal as _;
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let report = repo.gc(&GcOptions { dry: true, ..options.clone() }, &Bar::new(true))?;
    let (objects, bytes) = report.cache;
    let remote = report.remote.map_or(String::new(), |n| format!(" and {n} of the remote"));
    show::note(&format!("{objects} objects of the cache ({bytes} bytes){remote} will be removed. Go on? [y/N]"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
