//! `tidegate drift`: whether a table still looks as a reference did; exit code 1 when it does not, or nothing can be said.

use super::Context;
use crate::exit::{self, failure};
use crate::show::{self, progress::Progress, style};
use crate::steps::{drift_parts as parts, tables};
use anyhow::{Context as _, Result};
use clap::Args;
use std::path::{Path, PathBuf};
use tidegate_core::contract::{Profile, fields};
use tidegate_core::drift::{Correction, Method, Report, Settings, Verdict, compare};
use tidegate_data::Source;

/// What is compared, and how.
#[derive(Debug, Args)]
pub struct DriftArgs {
    /// Table that things are held against, or a profile of it (.json, made with --save)
    reference: PathBuf,
    /// Table as it is now, or a profile of it
    current: Option<PathBuf>,
    /// Write the reference's profile to this file, to compare with later
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Method of a column, as `fare=ks`, or of all that it suits, as `psi`
    #[arg(long = "method", value_name = "[COLUMN=]METHOD")]
    methods: Vec<String>,
    /// Bar of every method, where not its own
    #[arg(long)]
    threshold: Option<f64>,
    /// Correct p-values for the number of columns: bh (Benjamini-Hochberg) or holm
    #[arg(long, value_name = "HOW")]
    correct: Option<String>,
    /// The table drifted when this share of its columns did
    #[arg(long, default_value_t = 0.5)]
    drift_share: f64,
    /// A change of the share of nulls by this much is drift by itself
    #[arg(long, value_name = "SHARE")]
    null_share: Option<f64>,
    /// Judge each value of this column apart as well
    #[arg(long, value_name = "COLUMN")]
    by: Option<String>,
    /// Test these numeric columns together (mean discrepancy); give a prefix as `emb_*` for an embedding
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',')]
    joint: Vec<String>,
    /// Column of predictions: reported first
    #[arg(long, value_name = "COLUMN")]
    prediction: Option<String>,
    #[command(flatten)]
    chunks: parts::ChunkArgs,
    #[command(flatten)]
    model: parts::ModelArgs,
}

/// Everything that was found.
#[derive(Debug, serde::Serialize)]
struct Found {
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<parts::Parts>,
}

/// Carries it out.
pub fn drift(context: &Context, args: &DriftArgs) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let progress = Progress::new(context.json);
    if let Some(file) = &args.save {
        progress.now("profiling the reference");
        let profile = runtime.block_on(profiled(&context.dir.join(&args.reference)))?;
        tidegate_store::disk::replace_file(&context.dir.join(file), &serde_json::to_vec(&profile)?)?;
        progress.done(&format!("wrote the profile of {} rows to {}", profile.rows, file.display()));
    }
    let Some(current) = &args.current else {
        progress.clear();
        return match args.save {
            Some(_) => Ok(exit::OK),
            None => Err(failure(exit::USAGE, "drift: name a second table to hold against the first, or --save a profile of the first")),
        };
    };
    let found = runtime.block_on(find(context, args, current, &progress));
    progress.clear();
    let found = found?;
    if context.json {
        show::json(&found)?;
    } else {
        print(&found, args.prediction.as_deref())?;
    }
    let parts_steady = found.parts.as_ref().is_none_or(parts::Parts::steady);
    Ok(if found.report.verdict == Verdict::Steady && parts_steady { exit::OK } else { exit::NOT_PASSED })
}

async fn find(context: &Context, args: &DriftArgs, current: &Path, progress: &Progress) -> Result<Found> {
    let (before, now) = (context.dir.join(&args.reference), context.dir.join(current));
    if is_profile(&before) || is_profile(&now) {
        if args.by.is_some() || !args.joint.is_empty() || args.chunks.wanted() || args.model.wanted() {
            return Err(failure(
                exit::USAGE,
                "drift: a profile keeps columns, not rows: slices, chunks, joint tests and models need tables",
            ));
        }
        let (old, new) = (profiled(&before).await?, profiled(&now).await?);
        let (old, new) = fields(&old, &new);
        let settings = settings(args, old.keys().map(String::as_str), |n, m| old.get(n).is_some_and(|f| suits(f, m)))?;
        return Ok(Found { report: compare(&old, &new, &settings), parts: None });
    }
    progress.now("reading the reference");
    let reference = tables::read(&before).await?;
    progress.now("reading the current table");
    let current = tables::read(&now).await?;
    progress.now("comparing columns");
    let (old, new) = tables::fields(&reference, &current, (&tables::Rows::All, &tables::Rows::All));
    let settings = settings(args, old.keys().map(String::as_str), |n, m| old.get(n).is_some_and(|f| suits(f, m)))?;
    let mut report = compare(&old, &new, &settings);
    if let Some(prediction) = &args.prediction {
        let place = report.columns.iter().position(|c| c.column == *prediction);
        let place =
            place.ok_or_else(|| failure(exit::USAGE, format!("drift: there is no judged column `{prediction}` to call the prediction")))?;
        let column = report.columns.remove(place);
        report.columns.insert(0, column);
    }
    progress.now("looking at slices, chunks and models");
    let wanted =
        parts::Wanted { by: args.by.as_deref(), joint: &args.joint, chunks: &args.chunks, model: &args.model, settings: &settings };
    let parts = parts::parts(&wanted, (&reference, &current), (&old, &new))?;
    Ok(Found { report, parts: Some(parts).filter(|p| !p.is_empty()) })
}

fn suits(field: &tidegate_core::drift::Field, method: Method) -> bool {
    match field {
        tidegate_core::drift::Field::Numbers(_) => method.suits_numbers(),
        tidegate_core::drift::Field::Categories(_) => method.suits_categories(),
    }
}

fn is_profile(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "json")
}

/// A stored profile, or that of a table.
async fn profiled(path: &Path) -> Result<Profile> {
    if !is_profile(path) {
        return Ok(tidegate_data::profile(&Source::at(path), &[]).await?);
    }
    let text = std::fs::read_to_string(path).map_err(|e| {
        failure(exit::NOT_FOUND, format!("read the profile {}: {e}: make it with `tidegate drift TABLE --save FILE`", path.display()))
    })?;
    serde_json::from_str(&text).map_err(|e| {
        failure(exit::USAGE, format!("read the profile {}: {e}: make it anew with `tidegate drift TABLE --save FILE`", path.display()))
    })
}

fn settings<'a>(args: &DriftArgs, columns: impl Iterator<Item = &'a str>, suits: impl Fn(&str, Method) -> bool) -> Result<Settings> {
    let names: Vec<&str> = columns.collect();
    let method = |text: &str| {
        Method::from_name(text).ok_or_else(|| {
            let known: Vec<&str> = Method::all().map(Method::name).collect();
            failure(exit::USAGE, format!("drift: there is no method `{text}`; known are {}", known.join(", ")))
        })
    };
    let mut found =
        Settings { threshold: args.threshold, drift_share: args.drift_share, null_share: args.null_share, ..Settings::default() };
    for given in &args.methods {
        match given.split_once('=') {
            None => {
                let chosen = method(given)?;
                found.methods.extend(names.iter().filter(|n| suits(n, chosen)).map(|n| ((*n).to_owned(), chosen)));
            }
            Some((column, name)) if names.contains(&column) => drop(found.methods.insert(column.to_owned(), method(name)?)),
            Some((column, _)) => return Err(failure(exit::USAGE, format!("drift: the reference has no judged column `{column}`"))),
        }
    }
    found.correction = match args.correct.as_deref() {
        None => Correction::None,
        Some("bh") => Correction::BenjaminiHochberg,
        Some("holm") => Correction::Holm,
        Some(other) => return Err(failure(exit::USAGE, format!("drift: there is no correction `{other}`; known are bh, holm"))),
    };
    Ok(found)
}

/// A verdict in a word.
pub fn word(verdict: Verdict) -> String {
    match verdict {
        Verdict::Drift => style::bad("drift"),
        Verdict::Steady => style::good("steady"),
        Verdict::CannotTell => style::warn("cannot tell"),
    }
}

fn print(found: &Found, prediction: Option<&str>) -> Result<()> {
    for column in &found.report.columns {
        let mark = if Some(column.column.as_str()) == prediction { " (prediction)" } else { "" };
        let (before, now) = column.nulls;
        let nulls = if (before - now).abs() >= 0.005 {
            format!("; nulls {:.1} % before, {:.1} % now", before * 100.0, now * 100.0)
        } else {
            String::new()
        };
        let error = if column.error > 0.0 { format!("; distribution known to {:.4}", column.error) } else { String::new() };
        show::line(&format!("{}{mark}: {}: {}{nulls}{error}", style::strong(&column.column), word(column.verdict), column.why))?;
    }
    if let Some(parts) = &found.parts {
        parts.print()?;
    }
    let (drifted, judged) = found.report.drifted;
    show::line(&format!(
        "{}: {drifted} of {judged} judged columns drifted; the table drifts from a share of {}",
        word(found.report.verdict),
        found.report.drift_share
    ))
}
