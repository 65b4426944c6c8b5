//! `tidegate checkout`.

use super::{Context, summary};
use crate::exit;
use crate::show::{self, style};
use anyhow::Result;
use clap::Args;
use tidegate_build::data::{CheckoutOptions, CheckoutReport, Repo};

/// What to check out.
#[derive(Debug, Args)]
pub struct CheckoutArgs {
    /// Tracked paths, .dvc files, stages; all when none is named
    targets: Vec<String>,
    /// Print sums instead of paths
    #[arg(long)]
    summary: bool,
    /// What a stage needs too
    #[arg(short = 'd', long)]
    with_deps: bool,
    /// All that is tracked below a directory
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Throw away what is not saved
    #[arg(short, long)]
    force: bool,
    /// Make links and copies anew
    #[arg(long)]
    relink: bool,
    /// What is not in the cache is left out
    #[arg(long)]
    allow_missing: bool,
}

/// Carries it out.
pub fn checkout(context: &Context, repo: &Repo, args: &CheckoutArgs) -> Result<u8> {
    let options = CheckoutOptions {
        force: args.force,
        relink: args.relink,
        recursive: args.recursive,
        with_deps: args.with_deps,
        allow_missing: args.allow_missing,
    };
    let report = repo.checkout(&args.targets, &options, &|text| show::note(text))?;
    if context.json {
        show::json(&as_json(repo, &report))?;
    } else if args.summary {
        let words = sums(&report);
        show::line(if words.is_empty() { "No changes." } else { &words })?;
    } else {
        print(repo, &report)?;
    }
    if args.relink && !context.json {
        show::line("Relinked successfully")?;
    }
    Ok(exit::OK)
}

fn sums(report: &CheckoutReport) -> String {
    let [added, modified, deleted] = report.files;
    summary(&[("modified", modified), ("added", added), ("deleted", deleted)])
}

/// The lists, and the sums of files.
pub fn as_json(repo: &Repo, report: &CheckoutReport) -> serde_json::Value {
    let shown = |paths: &[String]| paths.iter().map(|p| repo.shown(p)).collect::<Vec<_>>();
    let [added, modified, deleted] = report.files;
    serde_json::json!({
        "added": shown(&report.added), "modified": shown(&report.modified), "deleted": shown(&report.deleted),
        "stats": { "added": added, "modified": modified, "deleted": deleted },
    })
}

/// A line a path, as DVC prints them.
pub fn print(repo: &Repo, report: &CheckoutReport) -> Result<()> {
    let lists = [(style::warn("M"), &report.modified), (style::good("A"), &report.added), (style::bad("D"), &report.deleted)];
    for (sign, paths) in lists {
        for path in paths {
            show::line(&format!("{sign}\t{}", repo.shown(path)))?;
        }
    }
    Ok(())
}
