//! The file of a model of risk, and what it says of a change.
//!
//! [`RiskModel::write`] and [`RiskModel::read`] are the file; [`RiskModel::score`] answers. It is served as any other kind of model file is. Its trees stand in the file as XGBoost writes them, so that they can be served alone, too.

mod derive;
mod file;
mod line;
mod reasons;
mod score;
mod served;

pub use derive::{Derived, How, row};
pub use file::{BadModel, FORMAT, MODEL_BYTES_MAX};
pub use line::{Logistic, Term, chance, log};
pub use reasons::{Pairs, Together};
pub use score::{Contribution, Score, WrongRow};
pub(crate) use served::{contributions, is_risk, run, signature};

use crate::TreeModel;
use serde::{Deserialize, Serialize};
use tidegate_stats::calibration::{Calibrator, Thresholds, VennAbers};

/// Features of one model, with those that are made.
pub const FEATURES_MAX: usize = 512;

/// What a model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// How many rows.
    pub rows: usize,
    /// Share of them that hurt.
    pub base_rate: f64,
    /// When the first one happened, in seconds.
    pub from: i64,
    /// When the last one happened.
    pub until: i64,
    /// How long a label took until it was trusted.
    pub maturity_seconds: i64,
    /// BLAKE3 of the table, as [`Table::digest`].
    pub digest: String,
    /// How many later rows of the training part probabilities stand on.
    pub calibrated_on: usize,
    /// How its probabilities were brought up since; not written where they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalibrated: Option<Recalibration>,
    /// How many rows that nobody saw it has learnt from beside them; not written where there are none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub synthetic: usize,
}

/// How probabilities were brought up to what became of changes since a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recalibration {
    /// When the last change happened whose end they know, in seconds.
    pub until: i64,
    /// By how much log odds are moved from where the training had them.
    pub moved: f64,
}

impl Training {
    /// When the last change happened whose end the model knows in whatever way.
    #[must_use]
    pub fn known_until(&self) -> i64 {
        self.recalibrated.map_or(self.until, |since| since.until.max(self.until))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what is asked whether to write takes a reference")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// A risk from which on a change is treated in some way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// What it is called.
    pub name: String,
    /// The least probability that it takes.
    pub from: f64,
}

/// What a file says; see there for the order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskParts {
    /// Version of the file.
    pub format: u32,
    /// What a row has, in this order.
    pub features: Vec<String>,
    /// What is made of it, behind it.
    pub derived: Vec<Derived>,
    /// What it was trained on.
    pub training: Training,
    /// From which risk on a change is treated in some way, ascending.
    pub thresholds: Vec<Threshold>,
    /// How much of the margin is the line's.
    pub logistic_share: f64,
    /// The line.
    pub logistic: Logistic,
    /// From the chance of a margin to a probability.
    pub curve: Calibrator,
    /// Intervals of probabilities.
    pub venn_abers: VennAbers,
    /// Which labels are not ruled out.
    pub label_sets: Thresholds,
    /// Scores of rows that were not learnt from, ascending.
    pub ranks: Vec<f64>,
    /// What stands for a missing value of each feature of a row, ascending.
    pub stand_ins: Vec<Vec<f64>>,
}

/// A model of risk.
#[derive(Debug)]
pub struct RiskModel {
    parts: RiskParts,
    trees: TreeModel,
    /// As they stand in the file.
    trees_json: Vec<u8>,
}

impl RiskModel {
    /// Of its parts and its trees, as XGBoost writes them.
    ///
    /// # Errors
    /// When they do not fit each other.
    pub fn of(parts: RiskParts, trees_json: Vec<u8>) -> Result<RiskModel, BadModel> {
        file::check(&parts)?;
        let trees = TreeModel::read(&trees_json).map_err(|why| BadModel::Member { member: "trees", why: why.to_string() })?;
        let width = parts.features.len() + parts.derived.len();
        if trees.features() != width {
            let why = format!("take {} values: one of each of the {width} features is needed", trees.features());
            return Err(BadModel::Member { member: "trees", why });
        }
        Ok(RiskModel { parts, trees, trees_json })
    }

    /// Names of what a row has, in its order.
    #[must_use]
    pub fn features(&self) -> &[String] {
        &self.parts.features
    }

    /// Features that move nothing: no tree asks for them, the line has nothing of them, and nothing that is made of them does.
    #[must_use]
    pub fn unused(&self) -> Vec<&str> {
        let parts = &self.parts;
        let moves = |column: usize| {
            let line = parts.logistic_share > 0.0
                && parts.logistic.terms.get(column).is_some_and(|term| term.coefficient != 0.0 && term.deviation > 0.0);
            line || self.trees.uses(column)
        };
        let made = |column: usize| {
            let of = parts.derived.iter().enumerate().filter(|(_, one)| one.first == column || one.second == column);
            of.map(|(at, _)| parts.features.len() + at).any(moves)
        };
        let idle = |(column, _): &(usize, &String)| !moves(*column) && !made(*column);
        parts.features.iter().enumerate().filter(idle).map(|(_, name)| name.as_str()).collect()
    }

    /// The same model with other probabilities: its trees, its line and its ranks stay. `outcomes` is how many they stand on; without `since` it is
    /// as it was trained.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn recalibrated(
        &self,
        curve: Calibrator,
        venn_abers: VennAbers,
        label_sets: Thresholds,
        outcomes: usize,
        since: Option<Recalibration>,
    ) -> Result<RiskModel, BadModel> {
        let training = Training { calibrated_on: outcomes, recalibrated: since, ..self.parts.training.clone() };
        RiskModel::of(RiskParts { training, curve, venn_abers, label_sets, ..self.parts.clone() }, self.trees_json.clone())
    }

    /// What it was trained on.
    #[must_use]
    pub fn training(&self) -> &Training {
        &self.parts.training
    }

    /// From which risk on a change is treated in some way, ascending.
    #[must_use]
    pub fn thresholds(&self) -> &[Threshold] {
        &self.parts.thresholds
    }

    /// The trees alone, as a model file of XGBoost: registered and served as any other. They take a row with what is made of it behind it,
    /// and say what they would without the regression and the curve.
    #[must_use]
    pub fn trees_file(&self) -> &[u8] {
        &self.trees_json
    }
}
