//! The file of a model of risk, and what it says of a change.
//!
//! [`RiskModel::of`] makes it of a [`Fitted`] and the table it was trained on; [`RiskModel::write`] and [`RiskModel::read`] are the file;
//! [`RiskModel::score`] answers. Its trees stand in the file as XGBoost writes them, so that they can be served alone, too.

mod file;
mod score;

pub use file::{BadModel, FORMAT, MODEL_BYTES_MAX};
pub use score::{Contribution, Score, WrongRow};

use crate::Table;
use crate::derive::Derived;
use crate::fitted::Fitted;
use crate::logistic::Logistic;
use serde::{Deserialize, Serialize};
use tidegate_runtime::TreeModel;
use tidegate_stats::calibration::{Calibrator, Thresholds, VennAbers};

/// Values that stand for one that is missing: the least, the greatest, and between them at these shares of the training.
const STAND_INS: [f64; 7] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];
/// Places at which the scores of the training are kept, for the rank of a new one.
const RANKS: usize = 1_000;

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
struct Parts {
    format: u32,
    /// What a row has, in this order.
    features: Vec<String>,
    /// What is made of it, behind it.
    derived: Vec<Derived>,
    training: Training,
    thresholds: Vec<Threshold>,
    logistic_share: f64,
    logistic: Logistic,
    curve: Calibrator,
    venn_abers: VennAbers,
    label_sets: Thresholds,
    /// Scores of rows that were not learnt from, ascending.
    ranks: Vec<f64>,
    /// What stands for a missing value of each feature of a row, ascending.
    stand_ins: Vec<Vec<f64>>,
}

/// A model of risk.
#[derive(Debug)]
pub struct RiskModel {
    parts: Parts,
    trees: TreeModel,
    /// As they stand in the file.
    trees_json: Vec<u8>,
}

/// Why a fitted model is none of a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("make a model of risk: {0}")]
pub struct NotAModel(String);

impl RiskModel {
    /// Makes a model of what was fitted to `table` with what `derived` made of its features.
    ///
    /// # Errors
    /// When the fitted model is of other features.
    pub fn of(
        table: &Table,
        derived: &[Derived],
        fitted: &Fitted,
        maturity_seconds: i64,
        thresholds: &[Threshold],
    ) -> Result<RiskModel, NotAModel> {
        let training = Training {
            rows: table.len(),
            base_rate: table.base_rate().unwrap_or_default(),
            from: table.at().first().copied().unwrap_or_default(),
            until: table.at().last().copied().unwrap_or_default(),
            maturity_seconds,
            digest: table.digest(),
            calibrated_on: fitted.calibrated_on,
        };
        let features = table.features().iter().map(|feature| feature.name.clone()).collect();
        let stand_ins = (0..table.width()).map(|column| stand_ins(table, column)).collect();
        RiskModel::assembled(features, derived, fitted, training, stand_ins, thresholds)
    }

    /// Makes a model of its parts.
    pub(crate) fn assembled(
        features: Vec<String>,
        derived: &[Derived],
        fitted: &Fitted,
        training: Training,
        stand_ins: Vec<Vec<f64>>,
        thresholds: &[Threshold],
    ) -> Result<RiskModel, NotAModel> {
        let width = features.len() + derived.len();
        if fitted.blend.trees.features != width {
            let trees = fitted.blend.trees.features;
            return Err(NotAModel(format!("its trees take {trees} values, the table and what is made of it have {width}")));
        }
        let trees_json = fitted.blend.trees.to_xgboost_json();
        let trees = TreeModel::read(&trees_json).map_err(|why| NotAModel(why.to_string()))?;
        let mut scores = fitted.held.scores.clone();
        scores.sort_by(f64::total_cmp);
        let parts = Parts {
            format: FORMAT,
            features,
            derived: derived.to_vec(),
            training,
            thresholds: thresholds.to_vec(),
            logistic_share: fitted.blend.logistic_share,
            logistic: fitted.blend.logistic.clone(),
            curve: fitted.curve.clone(),
            venn_abers: fitted.venn_abers.clone(),
            label_sets: fitted.thresholds,
            ranks: (0..=RANKS).filter_map(|at| quantile(&scores, at as f64 / RANKS as f64)).collect(),
            stand_ins,
        };
        file::check(&parts).map_err(|why| NotAModel(why.to_string()))?;
        Ok(RiskModel { parts, trees, trees_json })
    }

    /// Names of what a row has, in its order.
    #[must_use]
    pub fn features(&self) -> &[String] {
        &self.parts.features
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

/// The value at a share of ascending ones.
fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    ascending.get(libm::round(share * last as f64) as usize).copied()
}

/// What stands for a missing value; of a feature that never had one, 0.
fn stand_ins(table: &Table, column: usize) -> Vec<f64> {
    let mut known: Vec<f64> = table.values(column).filter(|value| !value.is_nan()).collect();
    known.sort_by(f64::total_cmp);
    let mut stand_ins: Vec<f64> = STAND_INS.iter().filter_map(|share| quantile(&known, *share)).collect();
    stand_ins.dedup();
    if stand_ins.is_empty() { vec![0.0] } else { stand_ins }
}
