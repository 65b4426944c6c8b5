//! Holds the live inputs of a service against the rows that its version was trained on.

use super::offline;
use crate::columns::{self, As};
use crate::daemon::plane::Plane;
use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use std::path::Path;
use std::sync::Arc;
use tidegate_core::id::At;
use tidegate_core::model::ModelVersion;
use tidegate_core::watch::{DriftFinding, DriftMethod, DriftRule, Samples, judge_drift};
use tidegate_runtime::Version;
use tidegate_store::{Lake, PredictionFilter, PredictionRow};
use tidegate_wire::config::{Drift, DriftMethod as Configured};

/// A day of events.
const DAY_MS: i64 = 24 * 3_600_000;

/// The rows that a version was trained on, column by column.
pub struct Reference {
    /// Columns that are watched, with their place among the inputs.
    pub columns: Vec<(String, usize)>,
    /// Their values.
    pub values: Vec<Vec<f64>>,
    /// The rule.
    pub rule: DriftRule,
    /// Length of the window.
    pub window_ms: u64,
}

/// Reads the reference of a version.
///
/// # Errors
/// When a watched column is not among the inputs, or the file lacks it.
pub async fn reference(version: &Version, drift: &Drift, file: &Path) -> Result<Reference> {
    let inputs = offline::input_columns(version)?;
    let watched: Vec<String> = match &drift.columns {
        // A version that does not take an input cannot drift in it.
        Some(columns) => columns.iter().filter(|c| inputs.contains(c)).cloned().collect(),
        None => inputs.clone(),
    };
    if watched.is_empty() {
        return Err(failure(exit::USAGE, "watch for drift: none of the named columns is an input of the version"));
    }
    let wanted: Vec<(&str, As)> = watched.iter().map(|c| (c.as_str(), As::Numbers)).collect();
    let table = columns::read(file, &wanted).await?;
    let values = watched.iter().map(|c| table.numbers(c).map(<[f64]>::to_vec)).collect::<Result<_>>()?;
    let place = |column: &String| inputs.iter().position(|i| i == column).unwrap_or(usize::MAX);
    let method = match drift.method {
        Configured::Ks => DriftMethod::Ks,
        Configured::Psi => DriftMethod::Psi,
    };
    let rule = DriftRule { method, threshold: drift.threshold, min_rows: u64::from(drift.min_rows) };
    Ok(Reference { columns: watched.iter().map(|c| (c.clone(), place(c))).collect(), values, rule, window_ms: drift.window_ms })
}

/// Reads the reference of a registered version.
///
/// # Errors
/// When it has none, or as [`reference`].
pub async fn reference_of(plane: &Plane, version: &ModelVersion, drift: &Drift) -> Result<Reference> {
    reference_for(plane, version, &version.version, drift).await
}

/// The rows that `version` was trained on, to hold inputs of `serving` against them, which is of the same model.
///
/// # Errors
/// As [`reference_of`].
pub async fn reference_for(plane: &Plane, version: &ModelVersion, serving: &str, drift: &Drift) -> Result<Reference> {
    let digest = version.profile.as_ref().context("watch for drift: the version was registered without reference rows")?;
    // The blob has no name with an ending, and the columnar engine goes by it.
    let file = plane.versions().join(&version.model).join(format!("{}.reference.parquet", version.version));
    if !file.exists() {
        let bytes = tidegate_port::Blobs::get(plane.blobs(), digest)?;
        tidegate_store::disk::replace_file(&file, &bytes)?;
    }
    let dir = plane.directory(&version.model, serving).await?;
    let opened = tokio::task::spawn_blocking(move || Version::open(&dir)).await??;
    reference(&opened, drift, &file).await
}

/// Judges the window that ends with the last whole day of live events. None before there is a day.
///
/// # Errors
/// When the lake cannot be read.
pub async fn judge(lake: Arc<Lake>, service: &str, version: &str, reference: Arc<Reference>) -> Result<Option<DriftFinding>> {
    let filter = PredictionFilter { service: Some(service.to_owned()), version: Some(version.to_owned()), ..PredictionFilter::default() };
    let version = version.to_owned();
    tokio::task::spawn_blocking(move || {
        let rows = live_rows(&lake, &filter)?;
        let Some(newest) = rows.iter().filter_map(|r| r.event_time).max() else { return Ok(None) };
        let until = At(newest.0.div_euclid(DAY_MS) * DAY_MS);
        let from = At(until.0.saturating_sub_unsigned(reference.window_ms));
        let mut samples: Vec<Samples> = reference
            .columns
            .iter()
            .zip(&reference.values)
            .map(|((c, _), v)| Samples { column: c.clone(), reference: v.clone(), live: vec![] })
            .collect();
        for row in rows.iter().filter(|r| r.event_time.is_some_and(|t| t >= from && t < until)) {
            for ((_, place), sample) in reference.columns.iter().zip(&mut samples) {
                if let Some(value) = row.inputs.get(*place) {
                    sample.live.push(f64::from(*value));
                }
            }
        }
        Ok(Some(judge_drift(&version, &reference.rule, (from, until), &samples)))
    })
    .await?
}

fn live_rows(lake: &Lake, filter: &PredictionFilter) -> Result<Vec<PredictionRow>> {
    let mut rows = vec![];
    for row in lake.read_predictions(filter)? {
        let row = row?;
        // Copies that no user saw are not traffic.
        if row.role != crate::daemon::telemetry::MIRRORED && row.status == 200 {
            rows.push(row);
        }
    }
    Ok(rows)
}
