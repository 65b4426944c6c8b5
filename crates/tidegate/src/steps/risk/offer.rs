//! A model as a pipeline hands it over: the file, golden requests, figures that gates can ask for, and its card.

use anyhow::{Context as _, Result};
use serde_json::json;
use std::path::Path;
use tidegate_learn::evaluate::Report;
use tidegate_learn::{RiskModel, Table};
use tidegate_runtime::{Expect, Golden, GoldenRequest, Tensor, TensorData, Tolerance};
use tidegate_store::disk;

/// Rows that are asked again before and while it serves.
const GOLDEN_ROWS: usize = 16;

/// Figures that gates can ask for.
pub struct Figures<'a> {
    /// Of the model, on changes whose end it did not know.
    pub model: &'a Report,
    /// Of the number of lines added, on the same ones.
    pub lines_added: &'a Report,
    /// How many leaks were found in the training.
    pub leaks: usize,
}

/// Writes `model.json`, `golden.json`, `metrics.json` and `card.md` into a folder.
///
/// # Errors
/// When they cannot be written.
pub fn offer(folder: &Path, model: &RiskModel, table: &Table, figures: &Figures<'_>, card: &str) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    let (of, auc) = (figures.model, figures.model.auc);
    let metrics = json!({
        "auc": auc.map(|auc| auc.estimate), "auc_low": auc.map(|auc| auc.low), "auc_high": auc.map(|auc| auc.high),
        "average_precision": of.average_precision, "brier": of.brier, "calibration_error": of.calibration_error,
        "lines_added_auc": figures.lines_added.auc.map(|auc| auc.estimate), "rows": of.rows, "leaks": figures.leaks,
    });
    let files = [
        ("model.json", model.write()?),
        ("golden.json", golden(table)?),
        ("metrics.json", serde_json::to_vec_pretty(&metrics)?),
        ("card.md", card.as_bytes().to_vec()),
    ];
    for (name, bytes) in files {
        disk::replace_file(&folder.join(name), &bytes)?;
    }
    Ok(())
}

/// Rows from all of the history, of which nothing is missing. The answers are recorded when the version is registered.
fn golden(table: &Table) -> Result<Vec<u8>> {
    let whole: Vec<&[f64]> = table.rows().filter(|row| row.iter().all(|value| value.is_finite())).collect();
    let step = whole.len().div_ceil(GOLDEN_ROWS).max(1);
    let width = i64::try_from(table.width())?;
    let request = |(place, row): (usize, &&[f64])| GoldenRequest {
        id: format!("change-{place}"),
        record: None,
        inputs: vec![Tensor::new("features", vec![1, width], TensorData::Fp64(row.to_vec()))],
        expect: Expect::default(),
        tolerance: Tolerance::default(),
    };
    let requests = whole.iter().step_by(step).enumerate().map(request).collect();
    Ok(serde_json::to_vec_pretty(&Golden::new(requests))?)
}
