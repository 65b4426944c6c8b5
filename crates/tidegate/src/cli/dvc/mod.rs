//! Data commands under the names that DVC's users know, with DVC's flags; `--json` in DVC's shapes. One file a command.

mod add;
mod bar;
mod changes;
mod checkout;
mod dag;
mod gc;
mod manage;
mod plots;
mod remote;
pub mod status;
mod sync;
pub mod values;

use super::Context;
use crate::exit::{self, failure};
use anyhow::Result;
use clap::Subcommand;
use tidegate_build::data::{DataError, Repo};

/// What can be done with data.
#[derive(Debug, Subcommand)]
pub enum DvcCommand {
    /// Takes files and directories into the cache and writes their .dvc files
    Add(add::AddArgs),
    /// Makes the workspace what the .dvc files say
    Checkout(checkout::CheckoutArgs),
    /// Sends objects to a remote
    Push(sync::PushArgs),
    /// Brings objects from a remote and checks them out
    Pull(sync::PullArgs),
    /// Brings objects from a remote into the cache
    Fetch(sync::FetchArgs),
    /// Removes objects that nothing uses
    Gc(gc::GcArgs),
    /// Stops tracking data: removes its .dvc file
    #[command(visible_alias = "rm")]
    Remove(manage::RemoveArgs),
    /// Gives tracked data another name
    #[command(visible_alias = "mv")]
    Move(manage::MoveArgs),
    /// Makes files that are links into the cache copies that can be changed
    Unprotect(manage::UnprotectArgs),
    /// Records what tracked data is now, and takes it into the cache
    Commit(manage::CommitArgs),
    /// Brings a file or directory from elsewhere and tracks it
    ImportUrl(add::ImportArgs),
    /// Shows what changed between commit, .dvc files, cache and workspace
    #[command(subcommand)]
    Data(changes::DataCommand),
    /// Shows which tracked data differs between two revisions
    Diff(changes::DiffArgs),
    /// Compares parameters of two revisions
    #[command(subcommand)]
    Params(values::ParamsCommand),
    /// Shows and compares metrics
    #[command(subcommand)]
    Metrics(values::MetricsCommand),
    /// Shows and compares plots
    #[command(subcommand)]
    Plots(plots::PlotsCommand),
    /// Shows which stage stands on which
    Dag(dag::DagArgs),
    /// Lists and changes remotes
    #[command(subcommand)]
    Remote(remote::RemoteCommand),
}

/// Carries it out.
pub fn dvc(context: &Context, command: &DvcCommand) -> Result<u8> {
    let repo = open(context)?;
    match command {
        DvcCommand::Add(args) => add::add(context, &repo, args),
        DvcCommand::Checkout(args) => checkout::checkout(context, &repo, args),
        DvcCommand::Push(args) => sync::push(context, &repo, args),
        DvcCommand::Pull(args) => sync::pull(context, &repo, args),
        DvcCommand::Fetch(args) => sync::fetch(context, &repo, args),
        DvcCommand::Gc(args) => gc::gc(context, &repo, args),
        DvcCommand::Remove(args) => manage::remove(context, &repo, args),
        DvcCommand::Move(args) => manage::rename(context, &repo, args),
        DvcCommand::Unprotect(args) => manage::unprotect(context, &repo, args),
        DvcCommand::Commit(args) => manage::commit(context, &repo, args),
        DvcCommand::ImportUrl(args) => add::import(context, &repo, args),
        DvcCommand::Data(command) => changes::data(context, &repo, command),
        DvcCommand::Diff(args) => changes::diff(context, &repo, args),
        DvcCommand::Params(command) => values::params(context, &repo, command),
        DvcCommand::Metrics(command) => values::metrics(context, &repo, command),
        DvcCommand::Plots(command) => plots::plots(context, &repo, command),
        DvcCommand::Dag(args) => dag::dag(context, &repo, args),
        DvcCommand::Remote(command) => remote::remote(context, &repo, command),
    }
}

/// The repository that the command is about.
pub fn open(context: &Context) -> Result<Repo, DataError> {
    Repo::open(&context.dir, crate::surroundings::surroundings())
}

/// A list for DVC's targets: patterns are matched against what is in the directory they name.
fn globbed(context: &Context, targets: &[String], glob: bool) -> Result<Vec<String>> {
    if !glob {
        return Ok(targets.to_vec());
    }
    let mut found = Vec::new();
    for target in targets {
        let (folder, pattern) = target.rsplit_once('/').unwrap_or(("", target));
        if folder.contains(['*', '?', '[']) {
            return Err(failure(exit::USAGE, format!("{target}: a pattern may stand in the last part of a path only")));
        }
        let directory = context.dir.join(folder);
        let entries = std::fs::read_dir(&directory).map_err(|e| failure(exit::NOT_FOUND, format!("list {}: {e}", directory.display())))?;
        let mut names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort_unstable();
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let hits =
            names.into_iter().filter(|n| matches(pattern.as_bytes(), n.as_bytes()) && (!n.starts_with('.') || pattern.starts_with('.')));
        let before = found.len();
        found.extend(hits.map(|n| format!("{prefix}{n}")));
        if found.len() == before {
            return Err(failure(exit::NOT_FOUND, format!("{target} matches nothing")));
        }
    }
    Ok(found)
}

/// Whether a name fits a pattern of `*` and `?`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => matches(rest, name) || name.split_first().is_some_and(|(_, n)| matches(pattern, n)),
        (Some((b'?', rest)), Some((_, n))) => matches(rest, n),
        (Some((p, rest)), Some((c, n))) => p == c && matches(rest, n),
        _ => false,
    }
}

/// `2 files added and 1 file deleted`.
fn summary(counts: &[(&str, u64)]) -> String {
    let words: Vec<String> =
        counts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} file{} {word}", if *n == 1 { "" } else { "s" })).collect();
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, summary};

    #[test]
    fn patterns_and_sums_read_as_people_write_them() {
        assert!(matches(b"*.c?v", b"a.csv") && !matches(b"*.c?v", b"a.cv") && matches(b"**", b""));
        assert_eq!(summary(&[("added", 2), ("modified", 0), ("deleted", 1)]), "2 files added and 1 file deleted");
        assert_eq!(summary(&[("added", 0)]), "");
    }
}
