//! `tidegate metrics show|diff`, `tidegate params diff`.

use super::Context;
use crate::exit;
use crate::show;
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use tidegate_build::data::{Repo, Scope, Values, ValuesDiff, diff_values};

/// Digits behind the point where none are asked for.
const PRECISION: usize = 5;

/// What can be asked of metrics.
#[derive(Debug, Subcommand)]
pub enum MetricsCommand {
    /// Shows metrics
    Show(ShowArgs),
    /// Compares metrics of two revisions
    Diff(DiffArgs),
}

/// What can be asked of parameters.
#[derive(Debug, Subcommand)]
pub enum ParamsCommand {
    /// Compares parameters of two revisions
    Diff(ParamsArgs),
}

/// What to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Files; all that are declared when none is named
    targets: Vec<String>,
    /// Of all branches too
    #[arg(short = 'a', long)]
    all_branches: bool,
    /// Of all tags too
    #[arg(short = 'T', long)]
    all_tags: bool,
    /// Of all commits too
    #[arg(short = 'A', long)]
    all_commits: bool,
    /// A table in Markdown
    #[arg(long)]
    md: bool,
    /// Digits behind the point
    #[arg(long, value_name = "DIGITS")]
    precision: Option<usize>,
}

/// What to compare.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The old revision
    #[arg(default_value = "HEAD")]
    a_rev: String,
    /// The new one; the workspace when none is named
    b_rev: Option<String>,
    /// Files; all that are declared when none is named
    #[arg(long, num_args = 0.., value_name = "PATHS")]
    targets: Vec<String>,
    /// What is the same too
    #[arg(long)]
    all: bool,
    /// A table in Markdown
    #[arg(long)]
    md: bool,
    /// Leave out the files' paths
    #[arg(long)]
    no_path: bool,
    /// Digits behind the point
    #[arg(long, value_name = "DIGITS")]
    precision: Option<usize>,
}

/// What to compare.
#[derive(Debug, Args)]
pub struct ParamsArgs {
    #[command(flatten)]
    common: DiffArgs,
    /// Only parameters that stages name
    #[arg(long)]
    deps: bool,
}

/// Carries it out.
pub fn metrics(context: &Context, repo: &Repo, command: &MetricsCommand) -> Result<u8> {
    match command {
        MetricsCommand::Show(args) => metrics_show(context, repo, args),
        MetricsCommand::Diff(args) => {
            let [old, new] = repo.metrics_between(&args.a_rev, args.b_rev.as_deref(), &args.targets)?;
            print_diff(context, repo, args, "Metric", true, &old, &new)
        }
    }
}

/// Carries it out.
pub fn params(context: &Context, repo: &Repo, command: &ParamsCommand) -> Result<u8> {
    let ParamsCommand::Diff(args) = command;
    let common = &args.common;
    let [old, new] = repo.params_between(&common.a_rev, common.b_rev.as_deref(), &common.targets, args.deps)?;
    print_diff(context, repo, common, "Param", false, &old, &new)
}

fn metrics_show(context: &Context, repo: &Repo, args: &ShowArgs) -> Result<u8> {
    let scope = Scope { all_branches: args.all_branches, all_tags: args.all_tags, all_commits: args.all_commits, ..Scope::default() };
    let states = repo.metrics(&args.targets, &scope)?;
    let mut failed = false;
    let mut answer = Map::new();
    let mut rows = Vec::new();
    for (state, values) in &states {
        let mut files = Map::new();
        for (path, value) in values {
            let path = repo.shown(path);
            match value {
                Ok(value) => {
                    let mut flat = Vec::new();
                    flatten("", value, &mut flat);
                    let cells = flat.into_iter().map(|(key, value)| vec![state.clone(), path.clone(), key, cell(&value, args.precision)]);
                    rows.extend(cells);
                    files.insert(path, json!({ "data": value }));
                }
                Err(why) => {
                    failed = true;
                    if !context.json {
                        show::note(&format!("metrics are not read: {why}"));
                    }
                    files.insert(path, json!({ "error": { "type": "Unreadable", "msg": why } }));
                }
            }
        }
        answer.insert(state.clone(), json!({ "data": files }));
    }
    if context.json {
        show::json(&Value::Object(answer))?;
    } else {
        let heads = ["Revision", "Path", "Metric", "Value"];
        if scope.is_empty() {
            rows.iter_mut().for_each(|row| drop(row.remove(0)));
            show_table(&heads[1..], rows, args.md)?;
        } else {
            show_table(&heads, rows, args.md)?;
        }
    }
    Ok(if failed { exit::NOT_PASSED } else { exit::OK })
}

fn print_diff(context: &Context, repo: &Repo, args: &DiffArgs, title: &str, changes: bool, old: &Values, new: &Values) -> Result<u8> {
    for (path, why) in old.iter().chain(new).filter_map(|(path, v)| Some((path, v.as_ref().err()?))) {
        if !context.json {
            show::note(&format!("{path} is not read: {why}"));
        }
    }
    let diff: ValuesDiff = diff_values(old, new, args.all).into_iter().map(|(path, rows)| (repo.shown(&path), rows)).collect();
    if context.json {
        show::json(&diff)?;
        return Ok(exit::OK);
    }
    let (a, b) = (args.a_rev.as_str(), args.b_rev.as_deref().unwrap_or("workspace"));
    let mut heads = vec!["Path", title, a, b];
    if changes {
        heads.push("Change");
    }
    let mut rows = Vec::new();
    for (path, values) in &diff {
        for (key, row) in values {
            let mut cells = vec![path.clone(), key.clone(), cell(&row["old"], args.precision), cell(&row["new"], args.precision)];
            if changes {
                cells.push(row.get("diff").map_or_else(|| "-".to_owned(), |d| cell(d, args.precision)));
            }
            rows.push(cells);
        }
    }
    if args.no_path {
        heads.remove(0);
        rows.iter_mut().for_each(|row| drop(row.remove(0)));
    }
    show_table(&heads, rows, args.md)?;
    Ok(exit::OK)
}

/// A table for people, or in Markdown; nothing without rows.
pub fn show_table(heads: &[&str], rows: Vec<Vec<String>>, markdown: bool) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    if !markdown {
        return show::line(&show::table(heads, rows));
    }
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    show::line(&line(&heads.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>()))?;
    show::line(&format!("|{}", "---|".repeat(heads.len())))?;
    rows.iter().try_for_each(|row| show::line(&line(row)))
}

/// A value in a cell of a table.
pub fn cell(value: &Value, precision: Option<usize>) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(n) if n.is_f64() => {
            let float = n.as_f64().unwrap_or(f64::NAN);
            let digits = precision.unwrap_or(PRECISION);
            let text = format!("{float:.digits$}");
            let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
            // What vanishes at this precision is shown whole.
            if text.trim_start_matches('-') == "0" && float != 0.0 { format!("{float:e}") } else { text }
        }
        other => other.to_string(),
    }
}

/// Keys with dots, in order.
pub fn flatten(prefix: &str, value: &Value, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, inner, out);
            }
        }
        other => out.push((prefix.to_owned(), other.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::cell;
    use serde_json::json;

    #[test]
    fn numbers_are_short_and_never_lie_about_zero() {
        assert_eq!(cell(&json!(0.123456789), None), "0.12346");
        assert_eq!(cell(&json!(1e-9), None), "1e-9");
        assert_eq!(cell(&json!(2.0), None), "2");
        assert_eq!(cell(&json!(0.126), Some(2)), "0.13");
    }
}
