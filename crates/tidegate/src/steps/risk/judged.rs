//! The later changes that a model was judged on, with what it had said of them: figures of fairness and of cost come from these, for on
//! what a model has learnt from it always looks good.

use super::Folder;
use crate::exit::{self, failure};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tidegate_learn::RiskModel;
use tidegate_stats::calibration::Thresholds;
use tidegate_store::disk;

/// Version of the file.
const FORMAT: u32 = 3;
/// Longest file that is read.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgedChange {
    /// Its commit.
    pub commit: String,
    /// When it was committed, in seconds since 1970.
    pub at_s: i64,
    /// What was said.
    pub probability: f64,
    /// What became of it.
    pub hurt: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    /// Digest of the table that the model has learnt from.
    model: String,
    /// From which strangeness on a label was ruled out.
    thresholds: Thresholds,
    changes: Vec<JudgedChange>,
}

impl Folder {
    /// Keeps them.
    pub(super) fn keep_judged(&self, model: &RiskModel, thresholds: Thresholds, changes: Vec<JudgedChange>) -> Result<()> {
        let file = File { format: FORMAT, model: model.training().digest.clone(), thresholds, changes };
        Ok(disk::replace_file(&self.judged(), &serde_json::to_vec(&file)?)?)
    }

    /// What the kept model was judged on.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn judged_changes(&self) -> Result<Vec<JudgedChange>> {
        Ok(self.judged_with()?.0)
    }

    /// The same, with what their label sets were made by.
    ///
    /// # Errors
    /// As of [`Folder::judged_changes`].
    pub fn judged_with(&self) -> Result<(Vec<JudgedChange>, Thresholds)> {
        let path = self.judged();
        let advice = "run `tidegate risk train` first";
        let length = std::fs::metadata(&path).map_err(|_| failure(exit::NOT_FOUND, format!("there is no {}: {advice}", path.display())))?;
        if length.len() > BYTES_MAX {
            return Err(failure(exit::USAGE, format!("read {}: it is longer than {BYTES_MAX} bytes: {advice}", path.display())));
        }
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let file: File =
            serde_json::from_slice(&bytes).map_err(|why| failure(exit::USAGE, format!("read {}: {why}: {advice}", path.display())))?;
        let fits = file.changes.iter().all(|change| (0.0..=1.0).contains(&change.probability));
        if file.model != self.read()?.training().digest {
            let why = format!("{} is of another model than {}: {advice}", path.display(), self.model().display());
            return Err(failure(exit::USAGE, why));
        }
        if file.format != FORMAT || !fits {
            return Err(failure(exit::USAGE, format!("read {}: it is of another version: {advice}", path.display())));
        }
        Ok((file.changes, file.thresholds))
    }
}
