//! `tidegate add`, `tidegate import-url`.

use super::{Context, bar::Bar, globbed};
use crate::exit;
use crate::show;
use anyhow::Result;
use clap::Args;
use tidegate_build::data::{AddOptions, Added, ImportOptions, Repo};

/// What to add.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Files and directories
    #[arg(required = true)]
    targets: Vec<String>,
    /// Write the .dvc file, leave the cache alone
    #[arg(long)]
    no_commit: bool,
    /// Targets are patterns with * and ?
    #[arg(long)]
    glob: bool,
    /// Leave files as they are where the cache is linked
    #[arg(long)]
    no_relink: bool,
    /// A text that is kept in the .dvc file
    #[arg(long, value_name = "TEXT")]
    desc: Option<String>,
    /// Replace a .dvc file that is there (always done)
    #[arg(short, long)]
    force: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// Carries it out.
pub fn add(context: &Context, repo: &Repo, args: &AddArgs) -> Result<u8> {
    let targets = globbed(context, &args.targets, args.glob)?;
    let options = AddOptions { no_commit: args.no_commit, no_relink: args.no_relink };
    let added = repo.add(&targets, &options, &|text| show::note(text))?;
    if let Some(desc) = &args.desc {
        for one in &added {
            repo.annotate(&one.file, "desc", desc)?;
        }
    }
    report(context, repo, &added, args.quiet)
}

/// Says what `.dvc` files say something else now.
pub fn report(context: &Context, repo: &Repo, added: &[Added], quiet: bool) -> Result<u8> {
    if context.json {
        let rows = added.iter().map(|a| {
            serde_json::json!({ "path": repo.shown(&a.path), "file": repo.shown(&a.file), "md5": a.md5, "size": a.size_bytes, "nfiles": a.files, "changed": a.changed })
        });
        show::json(&rows.collect::<Vec<_>>())?;
        return Ok(exit::OK);
    }
    let changed: Vec<String> = added.iter().filter(|a| a.changed).map(|a| repo.shown(&a.file)).collect();
    if quiet {
    } else if changed.is_empty() {
        show::line("nothing changed: the .dvc files say already what is there")?;
    } else {
        show::line(&format!("To track the changes with git, run:\n\n\tgit add {}", changed.join(" ")))?;
    }
    Ok(exit::OK)
}

/// What to import.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Where from: a path, http(s)://, s3://, gs://, azure:// or remote://NAME/PATH
    url: String,
    /// Where to
    out: Option<String>,
    /// Replace what is there
    #[arg(short, long)]
    force: bool,
    /// A text that is kept in the .dvc file
    #[arg(long, value_name = "TEXT")]
    desc: Option<String>,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// Carries it out.
pub fn import(context: &Context, repo: &Repo, args: &ImportArgs) -> Result<u8> {
    let options = ImportOptions { out: args.out.clone(), force: args.force, desc: args.desc.clone() };
    let added = repo.import_url(&args.url, &options, &Bar::new(context.json || args.quiet))?;
    report(context, repo, &[added], args.quiet)
}
