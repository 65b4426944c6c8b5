//! `tidegate data status`, `tidegate diff`.

use super::Context;
use crate::exit;
use crate::show::{self, style};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use tidegate_build::data::{DataStatus, DataStatusOptions, Diff, DiffRow, Repo};

/// What can be asked of data.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Shows what changed between the last commit, the .dvc files, the cache and the workspace
    Status(DataStatusArgs),
}

/// What to look at.
#[derive(Debug, Args)]
pub struct DataStatusArgs {
    /// Tracked paths; all when none is named
    targets: Vec<String>,
    /// Files of directories one by one
    #[arg(long)]
    granular: bool,
    /// What did not change too
    #[arg(long)]
    unchanged: bool,
    /// Files that neither Git nor DVC keeps
    #[arg(long, value_name = "no|all", num_args = 0..=1, default_value = "no", default_missing_value = "all", value_parser = ["no", "all"])]
    untracked_files: String,
    /// What the remote lacks
    #[arg(long)]
    not_in_remote: bool,
    /// The remote; the default one when none is named
    #[arg(short, long, value_name = "NAME")]
    remote: Option<String>,
    /// Taken for DVC's sake: the remote is always asked
    #[arg(long)]
    no_remote_refresh: bool,
}

/// Carries it out.
pub fn data(context: &Context, repo: &Repo, command: &DataCommand) -> Result<u8> {
    let DataCommand::Status(args) = command;
    let options = DataStatusOptions {
        granular: args.granular,
        not_in_remote: args.not_in_remote,
        remote: args.remote.clone(),
        untracked: args.untracked_files == "all",
    };
    let mut status = repo.data_status(&args.targets, &options)?;
    if !args.unchanged {
        status.unchanged.clear();
    }
    if context.json {
        show::json(&as_json(&status))?
    } else {
        print(&status)?
    }
    Ok(exit::OK)
}

fn as_json(status: &DataStatus) -> Value {
    let mut answer = Map::new();
    let mut put = |key: &str, value: Value, empty: bool| {
        if !empty {
            answer.insert(key.to_owned(), value);
        }
    };
    put("not_in_cache", json!(status.not_in_cache), status.not_in_cache.is_empty());
    put("not_in_remote", json!(status.not_in_remote), status.not_in_remote.is_empty());
    put("committed", json!(status.committed), status.committed.is_empty());
    put("uncommitted", json!(status.uncommitted), status.uncommitted.is_empty());
    put("untracked", json!(status.untracked), status.untracked.is_empty());
    put("unchanged", json!(status.unchanged), status.unchanged.is_empty());
    Value::Object(answer)
}

fn print(status: &DataStatus) -> Result<()> {
    let plain = |paths: &[String]| paths.to_vec();
    let by_kind = |lists: &indexmap::IndexMap<String, Vec<Value>>| -> Vec<String> {
        let rows = lists.iter().flat_map(|(kind, values)| values.iter().map(move |v| format!("{kind}: {}", path_of(v))));
        rows.collect()
    };
    let parts = [
        ("Not in remote", "use \"tidegate push <file>...\" to upload files", plain(&status.not_in_remote)),
        ("Not in cache", "use \"tidegate fetch <file>...\" to download files", plain(&status.not_in_cache)),
        ("DVC committed changes", "git commit the corresponding dvc files to update the repo", by_kind(&status.committed)),
        (
            "DVC uncommitted changes",
            "use \"tidegate add <file>...\" to track changes, \"tidegate checkout <file>...\" to discard them",
            by_kind(&status.uncommitted),
        ),
        ("Untracked files", "use \"git add <file> ...\" or \"tidegate add <file>...\"", plain(&status.untracked)),
        ("DVC unchanged files", "", plain(&status.unchanged)),
    ];
    let mut any = false;
    for (head, hint, rows) in parts.iter().filter(|(_, _, rows)| !rows.is_empty()) {
        if any {
            show::line("")?;
        }
        any = true;
        show::line(&format!("{}:", style::strong(head)))?;
        if !hint.is_empty() {
            show::line(&style::quiet(&format!("  ({hint})")))?;
        }
        for row in rows {
            show::line(&format!("        {row}"))?;
        }
    }
    if !any {
        show::line("No changes.")?;
    }
    if status.git_dirty {
        let other = if any { "other " } else { "" };
        show::line(&style::quiet(&format!("(there are {other}changes not tracked by dvc, use \"git status\" to see)")))?;
    }
    Ok(())
}

fn path_of(value: &Value) -> String {
    match value {
        Value::String(path) => path.clone(),
        other => format!("{} -> {}", other["old"].as_str().unwrap_or("?"), other["new"].as_str().unwrap_or("?")),
    }
}

/// What to compare.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The old revision
    #[arg(default_value = "HEAD")]
    a_rev: String,
    /// The new one; the workspace when none is named
    b_rev: Option<String>,
    /// Tracked paths; all when none is named
    #[arg(long, num_args = 0.., value_name = "PATHS")]
    targets: Vec<String>,
    /// Show digests
    #[arg(long)]
    show_hash: bool,
    /// A table in Markdown
    #[arg(long)]
    md: bool,
    /// Leave out what is not in the cache
    #[arg(long)]
    hide_missing: bool,
}

/// Carries it out.
pub fn diff(context: &Context, repo: &Repo, args: &DiffArgs) -> Result<u8> {
    let mut diff = repo.diff(&args.a_rev, args.b_rev.as_deref(), &args.targets)?;
    if args.hide_missing || args.b_rev.is_some() {
        diff.shift_remove("not in cache");
    }
    if context.json {
        let lists = diff
            .iter()
            .map(|(word, rows)| ((*word).to_owned(), Value::Array(rows.iter().map(|row| row_json(word, row, args.show_hash)).collect())));
        show::json(&Value::Object(lists.collect()))?;
    } else if args.md {
        markdown(&diff, args.show_hash)?;
    } else {
        text(&diff, args.show_hash)?;
    }
    Ok(exit::OK)
}

fn row_json(word: &str, row: &DiffRow, hashes: bool) -> Value {
    let path = match word {
        "renamed" => json!({ "old": row.old_path, "new": row.new_path }),
        _ => json!(row.old_path.as_ref().or(row.new_path.as_ref())),
    };
    let mut value = json!({ "path": path });
    if hashes {
        value["hash"] = match word {
            "modified" => json!({ "old": row.old_hash, "new": row.new_hash }),
            _ => json!(row.old_hash.as_ref().or(row.new_hash.as_ref())),
        };
    }
    value
}

fn words(word: &str, row: &DiffRow) -> (String, String) {
    let short = |hash: &Option<String>| hash.as_deref().map_or(String::new(), |h| h.chars().take(8).collect());
    let old = row.old_path.clone().or(row.new_path.clone()).unwrap_or_default();
    let path = if word == "renamed" { format!("{old} -> {}", row.new_path.clone().unwrap_or_default()) } else { old };
    let hash = if word == "modified" {
        format!("{}..{}", short(&row.old_hash), short(&row.new_hash))
    } else {
        short(&row.old_hash.clone().or(row.new_hash.clone()))
    };
    (path, hash)
}

const ORDER: [&str; 5] = ["added", "deleted", "renamed", "modified", "not in cache"];

fn markdown(diff: &Diff, hashes: bool) -> Result<()> {
    let head = if hashes { "| Status | Hash | Path |\n|---|---|---|" } else { "| Status | Path |\n|---|---|" };
    show::line(head)?;
    for word in ORDER {
        for row in diff.get(word).into_iter().flatten() {
            let (path, hash) = words(word, row);
            show::line(&if hashes { format!("| {word} | {hash} | {path} |") } else { format!("| {word} | {path} |") })?;
        }
    }
    Ok(())
}

fn text(diff: &Diff, hashes: bool) -> Result<()> {
    let mut sums = Vec::new();
    for word in ORDER {
        let rows = diff.get(word).map_or(&[][..], Vec::as_slice);
        if rows.is_empty() {
            continue;
        }
        let (first, rest) = word.split_at(1);
        show::line(&format!("{}:", style::strong(&format!("{}{rest}", first.to_uppercase()))))?;
        let mut files = 0;
        for row in rows {
            let (path, hash) = words(word, row);
            files += usize::from(!path.ends_with('/'));
            show::line(&if hashes { format!("    {hash}  {path}") } else { format!("    {path}") })?;
        }
        show::line("")?;
        if files > 0 {
            sums.push(format!("{files} {word}"));
        }
    }
    if !sums.is_empty() {
        show::line(&format!("files summary: {}", sums.join(", ")))?;
    }
    Ok(())
}
