//! The file: JSON, written in one way, read strictly.

use super::{FEATURES_MAX, RiskModel, RiskParts};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The version of the file that is written, and read.
pub const FORMAT: u32 = 1;
/// Longest file that is read.
pub const MODEL_BYTES_MAX: usize = 64 << 20;
/// Thresholds of one model.
const THRESHOLDS_MAX: usize = 16;

/// Why a file is no model of risk.
#[derive(Debug, thiserror::Error)]
pub enum BadModel {
    /// Too long.
    #[error("read a model of risk: it has {0} bytes, at most {MODEL_BYTES_MAX} are read")]
    Long(usize),
    /// Not what is written.
    #[error("read a model of risk: {0}; train it anew, or fetch it anew where it came from")]
    Json(#[from] serde_json::Error),
    /// Of another version.
    #[error("read a model of risk: `format` is {0}, this release reads {FORMAT}: train it anew with this release")]
    Format(u32),
    /// A member that does not fit.
    #[error("read a model of risk: `{member}` {why}")]
    Member {
        /// Which.
        member: &'static str,
        /// What was expected.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Box<RawValue>,
    trees: Box<RawValue>,
}

#[derive(Serialize)]
struct Written<'a> {
    model: &'a RiskParts,
    trees: &'a RawValue,
}

/// The version alone: another one may have other members.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

pub(super) fn check(parts: &RiskParts) -> Result<(), BadModel> {
    let wrong = |member, why: String| Err(BadModel::Member { member, why });
    let (features, width) = (parts.features.len(), parts.features.len() + parts.derived.len());
    if features == 0 || width > FEATURES_MAX {
        return wrong("features", format!("are {features}, with `derived` {width}: 1 to {} are taken", FEATURES_MAX));
    }
    if let Some(name) = parts.features.iter().enumerate().find(|(at, name)| parts.features.iter().take(*at).any(|one| one == *name)) {
        return wrong("features", format!("names `{}` twice", name.1));
    }
    if let Some(one) = parts.derived.iter().find(|one| one.first >= features || one.second >= features) {
        return wrong("derived", format!("makes `{}` of a feature that is not there: places are 0 to {}", one.name, features - 1));
    }
    if parts.logistic.terms.len() != width {
        return wrong("logistic", format!("has {} terms: one of each of the {width} features is needed", parts.logistic.terms.len()));
    }
    let numbers = parts.logistic.terms.iter().flat_map(|term| [term.mean, term.deviation, term.coefficient]);
    if numbers.chain([parts.logistic.intercept]).any(|number| !number.is_finite()) {
        return wrong("logistic", "has a number that is not finite".to_owned());
    }
    if !(0.0..=1.0).contains(&parts.logistic_share) {
        return wrong("logistic_share", format!("is {}: a share from 0 to 1 is needed", parts.logistic_share));
    }
    if !(0.0..=1.0).contains(&parts.training.base_rate) {
        return wrong("training.base_rate", format!("is {}: a share from 0 to 1 is needed", parts.training.base_rate));
    }
    if parts.training.from > parts.training.until {
        return wrong("training.from", "lies behind `training.until`".to_owned());
    }
    if parts.stand_ins.len() != features || parts.stand_ins.iter().any(|some| some.is_empty() || !ascending(some)) {
        return wrong("stand_ins", format!("must have, for each of the {features} features, one finite value or more, ascending"));
    }
    if parts.ranks.is_empty() || !ascending(&parts.ranks) {
        return wrong("ranks", "must be finite scores, ascending".to_owned());
    }
    let from: Vec<f64> = parts.thresholds.iter().map(|threshold| threshold.from).collect();
    if from.len() > THRESHOLDS_MAX || !ascending(&from) || from.iter().any(|from| !(0.0..=1.0).contains(from)) {
        return wrong("thresholds", format!("must be at most {THRESHOLDS_MAX} probabilities, ascending by `from`"));
    }
    Ok(())
}

fn ascending(values: &[f64]) -> bool {
    values.iter().all(|value| value.is_finite()) && values.is_sorted()
}

impl RiskModel {
    /// The bytes of the file; the same model gives the same bytes.
    ///
    /// # Errors
    /// When a part cannot be written, which none that was made or read here does.
    pub fn write(&self) -> Result<Vec<u8>, BadModel> {
        let text = String::from_utf8_lossy(&self.trees_json).into_owned();
        let trees = RawValue::from_string(text)?;
        Ok(serde_json::to_vec(&Written { model: &self.parts, trees: &trees })?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is too long, of another version, or has a member that is missing, unknown or does not fit.
    pub fn read(bytes: &[u8]) -> Result<RiskModel, BadModel> {
        if bytes.len() > MODEL_BYTES_MAX {
            return Err(BadModel::Long(bytes.len()));
        }
        let file: File = serde_json::from_slice(bytes)?;
        let Versioned { format } = serde_json::from_str(file.model.get())?;
        if format != FORMAT {
            return Err(BadModel::Format(format));
        }
        let parts: RiskParts = serde_json::from_str(file.model.get())?;
        RiskModel::of(parts, file.trees.get().as_bytes().to_vec())
    }
}
