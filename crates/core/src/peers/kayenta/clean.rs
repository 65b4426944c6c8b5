//! What is done to the values of an arm before they are judged.

use serde::{Deserialize, Serialize};
use tidegate_stats::quantile::{Interpolation, quantile, sorted};

/// What a value that is missing (NaN) becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// It is left out.
    #[default]
    Remove,
    /// It counts as zero.
    Replace,
}

/// What becomes of outliers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outliers {
    /// They stay.
    #[default]
    Keep,
    /// Those beyond `factor` inter-quartile ranges of the quartiles, and beyond the 1st and 99th percentile, are left out.
    Remove {
        /// Ranges beyond the quartiles.
        factor: f64,
    },
}

impl Missing {
    /// Carries it out.
    pub(super) fn apply(self, values: &[f64]) -> Vec<f64> {
        match self {
            Missing::Remove => values.iter().copied().filter(|v| !v.is_nan()).collect(),
            Missing::Replace => values.iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect(),
        }
    }
}

impl Outliers {
    /// Carries it out.
    pub(super) fn apply(self, values: Vec<f64>) -> Vec<f64> {
        match self {
            Outliers::Keep => values,
            Outliers::Remove { factor } => {
                let outlying = iqr_outliers(&values, factor, true);
                values.into_iter().zip(outlying).filter(|(_, out)| !out).map(|(v, _)| v).collect()
            }
        }
    }
}

/// Which values lie beyond `factor` inter-quartile ranges of the quartiles; `lenient`: and beyond the 1st and 99th
/// percentile too.
#[must_use]
pub fn iqr_outliers(values: &[f64], factor: f64, lenient: bool) -> Vec<bool> {
    let ascending = sorted(values);
    let at = |q: f64| quantile(&ascending, q, Interpolation::Linear);
    let (Some(low), Some(high), Some(least), Some(most)) = (at(0.25), at(0.75), at(0.01), at(0.99)) else {
        return vec![false; values.len()];
    };
    let reach = factor * (high - low);
    let (mut floor, mut ceiling) = (low - reach, high + reach);
    if lenient {
        floor = floor.min(least);
        ceiling = ceiling.max(most);
    }
    values.iter().map(|v| *v < floor || *v > ceiling).collect()
}

/// Which values lie more than `k` standard deviations (of the population) from the mean.
#[must_use]
pub fn k_sigma_outliers(values: &[f64], k: f64) -> Vec<bool> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let spread = libm::sqrt(values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n);
    values.iter().map(|v| libm::fabs(v - mean) > k * spread).collect()
}
