//! A fitted model as the file that is kept, served and scored with: `tidegate_runtime::risk`.

use crate::derive::Derived;
use crate::fitted::Fitted;
use crate::{Table, scenario};
use tidegate_runtime::risk::{FORMAT, RiskModel, RiskParts, Threshold, Training};

/// Values that stand for one that is missing: the least, the greatest, and between them at these shares of the training.
pub(crate) const STAND_INS: [f64; 7] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];
/// Places at which the scores of the training are kept, for the rank of a new one.
const RANKS: usize = 1_000;

/// Why a fitted model is none of a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("make a model of risk: {0}")]
pub struct NotAModel(String);

/// Makes a model of what was fitted to `table` with what `derived` made of its features.
///
/// # Errors
/// When the fitted model is of other features.
pub fn risk_model(
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
        recalibrated: None,
        synthetic: scenario::learnt_from(table),
    };
    let features = table.features().iter().map(|feature| feature.name.clone()).collect();
    let stand_ins = (0..table.width()).map(|column| stand_ins(table, column)).collect();
    assembled(features, derived, fitted, training, stand_ins, thresholds)
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
        return Err(NotAModel(format!("its trees take {trees} values, the features and what is made of them are {width}")));
    }
    let mut scores = fitted.held.scores.clone();
    scores.sort_by(f64::total_cmp);
    let parts = RiskParts {
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
    RiskModel::of(parts, fitted.blend.trees.to_xgboost_json()).map_err(|why| NotAModel(why.to_string()))
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
