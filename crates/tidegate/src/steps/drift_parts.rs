//! What drift looks at beside columns: slices, chunks of time, the joint law, groups, and performance without labels.

use super::tables::{self, Rows};
use crate::cli::drift_word as word;
use crate::exit::{self, failure};
use crate::show::{self, style};
use anyhow::Result;
use clap::Args;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use tidegate_core::drift::{
    CHUNKS_MAX, Calibration, Estimated, Fairness, Field, GROUP_ROWS_MIN, Joint, Report, Settings, Sides, Trend, Verdict, choose, compare,
    estimate, fairness, joint, trend,
};
use tidegate_data::{Column, Table, Vectors};

/// Vectors of a table that the joint test is given.
const VECTORS_MAX: usize = 20_000;
/// Most values of a slicing column.
const SLICES_MAX: usize = 100;
/// Slices of fewer rows are not judged.
const SLICE_ROWS_MIN: u64 = 30;
/// A day.
const DAY_MS: i64 = 24 * 3_600_000;

/// How rows are cut into chunks.
#[derive(Debug, Args)]
pub struct ChunkArgs {
    /// Trend over chunks of this many rows
    #[arg(long, value_name = "ROWS", conflicts_with_all = ["chunk_number", "chunk_period"])]
    chunk_size: Option<usize>,
    /// Trend over this many chunks
    #[arg(long, value_name = "N", conflicts_with = "chunk_period")]
    chunk_number: Option<usize>,
    /// Trend by hour, day or week of --time
    #[arg(long, value_name = "PERIOD", requires = "time")]
    chunk_period: Option<String>,
    /// Column of time
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
}

impl ChunkArgs {
    /// Whether a trend is asked for.
    pub fn wanted(&self) -> bool {
        self.chunk_size.is_some() || self.chunk_number.is_some() || self.chunk_period.is_some()
    }
}

/// A model whose decisions are looked at.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// Column of a classifier's scores: its performance now is estimated without labels
    #[arg(long, value_name = "COLUMN")]
    score: Option<String>,
    /// Column of true labels (0 and 1): in the reference for the estimate, in the current table for fairness
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Scores from here on are positive decisions
    #[arg(long, value_name = "SCORE", default_value_t = 0.5)]
    decide_at: f64,
    /// Column of declared groups: fairness measures of the decisions
    #[arg(long, value_name = "COLUMN", requires = "score")]
    group: Option<String>,
}

impl ModelArgs {
    /// Whether a model is looked at.
    pub fn wanted(&self) -> bool {
        self.score.is_some()
    }
}

/// What is asked for.
pub struct Wanted<'a> {
    pub by: Option<&'a str>,
    pub joint: &'a [String],
    pub chunks: &'a ChunkArgs,
    pub model: &'a ModelArgs,
    pub settings: &'a Settings,
}

/// What was found beside the columns.
#[derive(Debug, Default, serde::Serialize)]
pub struct Parts {
    /// By value of the slicing column.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    slices: IndexMap<String, Report>,
    /// By column.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trends: Vec<Trend>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joint: Option<Joint>,
    /// In the reference, and now.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated: Option<(Estimated, Estimated)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fairness: Option<Fairness>,
}

/// Finds it.
///
/// # Errors
/// When a named column is not there or of another type.
pub fn parts(wanted: &Wanted<'_>, tables: (&Table, &Table), fields: (&IndexMap<String, Field>, &IndexMap<String, Field>)) -> Result<Parts> {
    let mut found = Parts::default();
    if let Some(by) = wanted.by {
        found.slices = slices(by, tables, wanted.settings)?;
    }
    if wanted.chunks.wanted() {
        found.trends = trends(wanted, tables, fields)?;
    }
    if !wanted.joint.is_empty() {
        found.joint = Some(joint(&joint_columns(wanted.joint, tables)?));
    }
    if let Some(score) = &wanted.model.score {
        let (estimated, fair) = model(wanted.model, score, tables)?;
        (found.estimated, found.fairness) = (estimated, fair);
    }
    Ok(found)
}

fn column<'a>(table: &'a Table, name: &str, which: &str) -> Result<&'a Column> {
    table.column(name).ok_or_else(|| {
        let known: Vec<&str> = table.columns.keys().map(String::as_str).collect();
        failure(exit::USAGE, format!("drift: the {which} has no column `{name}`; it has {}", known.join(", ")))
    })
}

fn numbers(table: &Table, name: &str, which: &str) -> Result<Vec<f64>> {
    tables::numbers(column(table, name, which)?)
        .ok_or_else(|| failure(exit::USAGE, format!("drift: column `{name}` of the {which} does not hold numbers")))
}

/// Rows by the text of a column; nulls are a slice of their own.
fn rows_by(column: &Column) -> BTreeMap<String, Vec<usize>> {
    let mut found: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for row in 0..column.len() {
        found.entry(column.text(row).unwrap_or_else(|| "(null)".to_owned())).or_default().push(row);
    }
    found
}

fn slices(by: &str, (reference, current): (&Table, &Table), settings: &Settings) -> Result<IndexMap<String, Report>> {
    let (before, now) = (rows_by(column(reference, by, "reference")?), rows_by(column(current, by, "current table")?));
    if before.len() > SLICES_MAX {
        return Err(failure(exit::USAGE, format!("drift by `{by}`: {} different values, at most {SLICES_MAX} are judged", before.len())));
    }
    let settings = Settings { rows_min: settings.rows_min.max(SLICE_ROWS_MIN), ..settings.clone() };
    let nobody = vec![];
    let judge = |(value, rows): (&String, &Vec<usize>)| {
        let later = now.get(value).unwrap_or(&nobody);
        let (mut old, mut new) = tables::fields(reference, current, (&Rows::Some(rows), &Rows::Some(later)));
        old.shift_remove(by);
        new.shift_remove(by);
        (value.clone(), compare(&old, &new, &settings))
    };
    Ok(before.iter().map(judge).collect())
}

/// Names and rows of the chunks of a table.
fn chunks(table: &Table, args: &ChunkArgs, which: &str) -> Result<Vec<(String, Vec<usize>)>> {
    let by_size = |size: usize| -> Vec<(String, Vec<usize>)> {
        let name = |from: usize, upto: usize| format!("[{from}:{}]", upto.saturating_sub(1));
        (0..table.rows)
            .step_by(size.max(1))
            .map(|from| (from, (from + size).min(table.rows)))
            .map(|(f, u)| (name(f, u), (f..u).collect()))
            .collect()
    };
    let found = match (args.chunk_size, args.chunk_number, args.chunk_period.as_deref(), args.time.as_deref()) {
        (Some(size), ..) if size > 0 => by_size(size),
        (None, Some(number), ..) if number > 0 => by_size(table.rows.div_ceil(number).max(1)),
        (None, None, Some(period), Some(time)) => by_period(column(table, time, which)?, time, period)?,
        _ => return Err(failure(exit::USAGE, "drift: chunks need a size, a number or a period above zero")),
    };
    if found.len() > CHUNKS_MAX {
        return Err(failure(exit::USAGE, format!("drift: {} chunks of the {which}, at most {CHUNKS_MAX}: make them larger", found.len())));
    }
    Ok(found)
}

fn by_period(column: &Column, name: &str, period: &str) -> Result<Vec<(String, Vec<usize>)>> {
    let Column::Instant(values) = column else {
        return Err(failure(exit::USAGE, format!("drift: column `{name}` does not hold dates or instants")));
    };
    let length = match period {
        "hour" => DAY_MS / 24,
        "day" => DAY_MS,
        "week" => 7 * DAY_MS,
        other => return Err(failure(exit::USAGE, format!("drift: there is no period `{other}`; known are hour, day, week"))),
    };
    // Weeks begin on Mondays; 1970 began on a Thursday.
    let offset = if period == "week" { 3 * DAY_MS } else { 0 };
    let mut found: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (row, at) in values.iter().enumerate() {
        if let Some(at) = at {
            found.entry((at.0 + offset).div_euclid(length)).or_default().push(row);
        }
    }
    let key = |place: i64| tidegate_core::id::At(place * length - offset).to_string();
    Ok(found.into_iter().map(|(place, rows)| (key(place), rows)).collect())
}

fn trends(
    wanted: &Wanted<'_>,
    (reference, current): (&Table, &Table),
    (old, new): (&IndexMap<String, Field>, &IndexMap<String, Field>),
) -> Result<Vec<Trend>> {
    let (before, now) = (chunks(reference, wanted.chunks, "reference")?, chunks(current, wanted.chunks, "current table")?);
    let mut found = vec![];
    for (name, column) in &reference.columns {
        let kind = tables::kind(column);
        let key = if kind == tables::Kind::Length { format!("length({name})") } else { name.clone() };
        let (Some(whole), Some(there), Some(later)) = (old.get(&key), new.get(&key), current.columns.get(name)) else { continue };
        let Some(method) = wanted.settings.methods.get(&key).copied().or_else(|| choose(whole, there)) else { continue };
        let cut = |of: &Column, chunks: &[(String, Vec<usize>)]| -> Vec<(String, Field)> {
            chunks.iter().filter_map(|(key, rows)| Some((key.clone(), tables::field(of, kind, &Rows::Some(rows))?))).collect()
        };
        found.push(trend(&key, method, whole, &cut(column, &before), &cut(later, &now)));
    }
    Ok(found)
}

fn joint_columns(names: &[String], (reference, current): (&Table, &Table)) -> Result<Vec<Sides>> {
    let mut wanted: Vec<String> = vec![];
    for name in names {
        match name.strip_suffix('*') {
            None => wanted.push(name.clone()),
            Some(prefix) => wanted.extend(reference.columns.keys().filter(|c| c.starts_with(prefix)).cloned()),
        }
    }
    if wanted.is_empty() {
        return Err(failure(exit::USAGE, format!("drift: no column of the reference is called {}", names.join(", "))));
    }
    let vectors = |table: &Table| wanted.iter().any(|n| matches!(table.column(n), Some(Column::Vectors(_))));
    // Of many vectors some, evenly: the joint test draws a few hundred rows anyway.
    let step = |table: &Table| if vectors(table) { table.rows.div_ceil(VECTORS_MAX).max(1) } else { 1 };
    let (before, now) = (step(reference), step(current));
    let mut sides = vec![];
    for name in &wanted {
        match (reference.column(name), current.column(name)) {
            (Some(Column::Vectors(old)), Some(Column::Vectors(new))) if old.width == new.width => {
                sides.extend((0..old.width).map(|i| (format!("{name}[{i}]"), component(old, i, before), component(new, i, now))));
            }
            (Some(Column::Vectors(old)), Some(Column::Vectors(new))) => {
                let why = format!("drift: vectors of `{name}` have {} numbers in the reference and {} now", old.width, new.width);
                return Err(failure(exit::USAGE, why));
            }
            _ => {
                let (old, new) = (numbers(reference, name, "reference")?, numbers(current, name, "current table")?);
                sides.push((name.clone(), old.into_iter().step_by(before).collect(), new.into_iter().step_by(now).collect()));
            }
        }
    }
    Ok(sides)
}

/// A component of every `step`th vector.
fn component(vectors: &Vectors, i: usize, step: usize) -> Vec<f64> {
    let value = |r: usize| vectors.row(r).and_then(|v| v.get(i)).map_or(f64::NAN, |x| f64::from(*x));
    (0..vectors.rows).step_by(step).map(value).collect()
}

type Modelled = (Option<(Estimated, Estimated)>, Option<Fairness>);

fn model(args: &ModelArgs, score: &str, (reference, current): (&Table, &Table)) -> Result<Modelled> {
    let (before, now) = (numbers(reference, score, "reference")?, numbers(current, score, "current table")?);
    let labels = |table: &Table, name: &str| -> Option<Vec<bool>> {
        let values = tables::numbers(table.column(name)?)?;
        values.iter().all(|v| !v.is_nan()).then(|| values.iter().map(|v| *v > 0.5).collect())
    };
    let mut estimated = None;
    if let Some(label) = &args.label {
        let truth = labels(reference, label).ok_or_else(|| {
            failure(exit::USAGE, format!("drift: column `{label}` of the reference does not hold a label, 0 or 1, in every row"))
        })?;
        let calibration = Calibration::fit(&before, &truth)
            .ok_or_else(|| failure(exit::USAGE, format!("drift: column `{score}` of the reference holds no scores to calibrate by")))?;
        let performance = |scores: &[f64]| {
            let there: Vec<f64> = scores.iter().copied().filter(|s| s.is_finite()).collect();
            let chances: Vec<f64> = there.iter().map(|s| calibration.chance(*s)).collect();
            estimate(&there, &chances, args.decide_at)
        };
        estimated = Some((performance(&before), performance(&now)));
    }
    let fair = match &args.group {
        None => None,
        Some(group) => {
            let groups = column(current, group, "current table")?;
            let groups: Vec<String> = (0..groups.len()).map(|r| groups.text(r).unwrap_or_else(|| "(null)".to_owned())).collect();
            let decisions: Vec<bool> = now.iter().map(|s| *s >= args.decide_at).collect();
            let truth = args.label.as_ref().and_then(|l| labels(current, l));
            Some(fairness(&groups, truth.as_deref(), &decisions, GROUP_ROWS_MIN))
        }
    };
    Ok((estimated, fair))
}

impl Parts {
    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty() && self.trends.is_empty() && self.joint.is_none() && self.estimated.is_none() && self.fairness.is_none()
    }

    /// Whether neither the joint law nor a slice drifted.
    pub fn steady(&self) -> bool {
        self.joint.as_ref().is_none_or(|j| j.p_value.is_some() && !j.drifted) && self.slices.values().all(|r| r.verdict != Verdict::Drift)
    }

    /// Prints for people.
    pub fn print(&self) -> Result<()> {
        for (value, report) in &self.slices {
            let (drifted, judged) = report.drifted;
            show::line(&format!(
                "  slice {}: {}: {drifted} of {judged} judged columns drifted",
                style::strong(value),
                word(report.verdict)
            ))?;
        }
        for trend in &self.trends {
            let alerts: Vec<&str> = trend.analysis.iter().filter(|c| c.alert).map(|c| c.key.as_str()).collect();
            let n = trend.analysis.len();
            let told = if alerts.is_empty() {
                format!("no alert in {n} chunks")
            } else {
                format!("alerts in {} of {n} chunks: {}", alerts.len(), alerts.join(", "))
            };
            show::line(&format!("  trend of {}: {told} ({})", style::strong(&trend.column), trend.method.label()))?;
        }
        if let Some(joint) = &self.joint {
            let told = joint
                .p_value
                .map_or("not enough complete rows".to_owned(), |p| format!("p {p:.4} on {} and {} rows", joint.rows.0, joint.rows.1));
            let answer = if joint.p_value.is_none() {
                Verdict::CannotTell
            } else if joint.drifted {
                Verdict::Drift
            } else {
                Verdict::Steady
            };
            show::line(&format!("  joint law of {} columns: {}: {told}", joint.columns.len(), word(answer)))?;
        }
        let number = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.4}"));
        if let Some((before, now)) = &self.estimated {
            let rows = [
                ("accuracy", before.accuracy, now.accuracy),
                ("precision", before.precision, now.precision),
                ("recall", before.recall, now.recall),
                ("f1", before.f1, now.f1),
                ("roc_auc", before.roc_auc, now.roc_auc),
            ];
            let rows = rows.into_iter().map(|(n, b, a)| vec![n.to_owned(), number(b), number(a)]).collect();
            show::line("  estimated performance (CBPE): true while scores mean what they meant")?;
            show::line(&show::table(&["metric", "reference", "now"], rows))?;
        }
        if let Some(fair) = &self.fairness {
            let mark = |judged: bool| if judged { "" } else { " (too few rows)" };
            let rows = fair
                .groups
                .iter()
                .map(|g| {
                    vec![
                        format!("{}{}", g.group, mark(g.judged)),
                        g.count.to_string(),
                        number(g.selection_rate),
                        number(g.true_positive_rate),
                        number(g.false_positive_rate),
                    ]
                })
                .collect();
            show::line(&show::table(&["group", "rows", "selection rate", "true positive rate", "false positive rate"], rows))?;
            show::line(&format!(
                "  demographic parity difference {}, ratio {}; equal opportunity difference {}; equalized odds difference {}",
                number(fair.demographic_parity_difference),
                number(fair.demographic_parity_ratio),
                number(fair.equal_opportunity_difference),
                number(fair.equalized_odds_difference)
            ))?;
        }
        Ok(())
    }
}
