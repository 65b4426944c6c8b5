//! Scores of a version on its reference inputs, by record id: what skew is measured against, and how versions are
//! compared on the same rows.

use crate::columns::{self, As};
use crate::daemon::evidence::OfflineScores;
use crate::exit::{self, failure};
use anyhow::Result;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tidegate_runtime::Version;
use tidegate_wire::config::{Model, ReferenceFrom};

/// The reference file of a model, where it names one.
pub fn reference_path(model: &Model) -> Option<&str> {
    match &model.reference.as_ref()?.from {
        ReferenceFrom::Path(path) => Some(path),
        ReferenceFrom::Stage(_) => None,
    }
}

/// The reference file of a model within a work tree; a stage stands for its first output.
///
/// # Errors
/// When the stage is unknown or writes nothing.
pub fn reference_file(root: &Path, model: &Model) -> Result<Option<String>> {
    let Some(reference) = &model.reference else { return Ok(None) };
    match &reference.from {
        ReferenceFrom::Path(path) => Ok(Some(path.clone())),
        ReferenceFrom::Stage(stage) => {
            let workspace = tidegate_build::load(root, None, None)?;
            let found = workspace.graph.stages().iter().find(|s| s.name == *stage).and_then(|s| s.outs.first().map(|o| o.path.clone()));
            found.map(Some).ok_or_else(|| failure(exit::USAGE, format!("find the reference inputs: stage `{stage}` writes nothing")))
        }
    }
}

/// Names of the model's inputs, in the order in which it takes them.
pub fn input_columns(version: &Version) -> Result<Vec<String>> {
    let transform = version
        .transform()
        .ok_or_else(|| failure(exit::USAGE, "score reference inputs: the version has no transform that names its inputs"))?;
    Ok(transform.inputs().flat_map(|(_, _, columns)| columns.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>()).collect())
}

/// Scores of every row of a reference file, by id.
///
/// # Errors
/// When the file lacks an input of the version, or the version cannot score.
pub async fn scores(version: Arc<Version>, file: &Path, id: &str) -> Result<OfflineScores> {
    let columns = input_columns(&version)?;
    let mut wanted: Vec<(&str, As)> = columns.iter().map(|c| (c.as_str(), As::Numbers)).collect();
    wanted.push((id, As::Texts));
    let table = columns::read(file, &wanted).await?;
    let id = id.to_owned();
    tokio::task::spawn_blocking(move || {
        let inputs = columns.iter().map(|c| table.numbers(c)).collect::<Result<Vec<_>>>()?;
        let mut rows = Vec::with_capacity(table.rows * columns.len());
        for row in 0..table.rows {
            rows.extend(inputs.iter().map(|column| column.get(row).copied().unwrap_or(f64::NAN) as f32));
        }
        let scores = version.score_inputs(&rows, columns.len())?;
        let ids = table.texts(&id)?;
        let found: HashMap<String, f64> = ids.iter().zip(scores).filter_map(|(id, score)| Some((id.clone()?, score))).collect();
        Ok(Arc::new(found))
    })
    .await?
}
