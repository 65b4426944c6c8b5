//! `tidegate plots show|diff`.

use super::Context;
use crate::exit;
use crate::show;
use anyhow::Result;
use clap::{Args, Subcommand};
use indexmap::IndexMap;
use serde_json::{Value, json};
use tidegate_build::data::{PlotRow, Repo, vega_lite};

/// What can be asked of plots.
#[derive(Debug, Subcommand)]
pub enum PlotsCommand {
    /// Shows the plots of the workspace
    Show(ShowArgs),
    /// Compares the plots of revisions
    Diff(DiffArgs),
}

/// What to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Files; all that are declared when none is named
    targets: Vec<String>,
}

/// What to compare.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Files; all that are declared when none is named
    #[arg(long, num_args = 0.., value_name = "PATHS")]
    targets: Vec<String>,
    /// Revisions; HEAD and the workspace when none is named
    revisions: Vec<String>,
}

/// Carries it out.
pub fn plots(context: &Context, repo: &Repo, command: &PlotsCommand) -> Result<u8> {
    let (targets, revisions) = match command {
        PlotsCommand::Show(args) => (&args.targets, vec!["workspace".to_owned()]),
        PlotsCommand::Diff(args) => {
            let mut revisions = if args.revisions.is_empty() { vec!["HEAD".to_owned()] } else { args.revisions.clone() };
            if revisions.len() == 1 {
                revisions.insert(0, "workspace".to_owned());
            }
            (&args.targets, revisions)
        }
    };
    let mut plots: IndexMap<String, Vec<(String, Vec<PlotRow>)>> = IndexMap::new();
    let mut errors = Vec::new();
    for revision in &revisions {
        for (path, rows) in repo.plots(Some(revision), targets)? {
            match rows {
                Ok(rows) => plots.entry(repo.shown(&path)).or_default().push((revision.clone(), rows)),
                Err(why) => errors.push(json!({ "name": path, "rev": revision, "msg": why })),
            }
        }
    }
    if context.json {
        print_json(&plots, &errors)?;
    } else {
        for error in &errors {
            show::note(&format!("{} of {} is not read: {}", error["name"], error["rev"], error["msg"]));
        }
        print_text(&plots)?;
    }
    Ok(exit::OK)
}

fn print_json(plots: &IndexMap<String, Vec<(String, Vec<PlotRow>)>>, errors: &[Value]) -> Result<()> {
    let data = plots.iter().map(|(path, states)| {
        let revisions: Vec<&String> = states.iter().map(|(revision, _)| revision).collect();
        (format!("dvc.yaml::{path}"), json!([{ "type": "vega", "revisions": revisions, "content": vega_lite(path, states) }]))
    });
    let mut answer = json!({ "data": Value::Object(data.collect()) });
    if !errors.is_empty() {
        answer["errors"] = json!(errors);
    }
    show::json(&answer)
}

fn print_text(plots: &IndexMap<String, Vec<(String, Vec<PlotRow>)>>) -> Result<()> {
    let mut rows = Vec::new();
    for (path, states) in plots {
        for (revision, points) in states {
            let column = points.first().and_then(|row| row.keys().next_back().cloned()).unwrap_or_default();
            let number = |row: &PlotRow| match row.get(&column)? {
                Value::String(text) => text.trim().parse().ok(),
                other => other.as_f64(),
            };
            let values: Vec<f64> = points.iter().filter_map(number).collect();
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let text = |v: Option<f64>| v.filter(|v| v.is_finite()).map_or_else(|| "-".to_owned(), |v| format!("{v}"));
            rows.push(vec![
                path.clone(),
                revision.clone(),
                column,
                points.len().to_string(),
                text(values.first().copied()),
                text(values.last().copied()),
                text(Some(low)),
                text(Some(high)),
                spark(&values, low, high),
            ]);
        }
    }
    if rows.is_empty() {
        return show::line("no plots are declared");
    }
    show::line(&show::table(&["Path", "Revision", "Column", "Rows", "First", "Last", "Low", "High", ""], rows))
}

/// The run of the values in a few characters.
fn spark(values: &[f64], low: f64, high: f64) -> String {
    const WIDTH: usize = 24;
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let width = values.len().min(WIDTH);
    let range = if high > low { high - low } else { 1.0 };
    let at = |i: usize| values.get(i * values.len() / width.max(1)).copied().unwrap_or(low);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 7")]
    let step = |v: f64| STEPS[(((v - low) / range * 7.0).round().clamp(0.0, 7.0)) as usize];
    (0..width).map(|i| step(at(i))).collect()
}
