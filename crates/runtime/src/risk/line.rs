//! A line through the logarithms of the features, which gives log odds.
//!
//! Sizes and counts have long tails: a feature `x` enters as `ln(1 + x)`, with the sign of `x`, less its mean and over its
//! deviation. What is missing stands at the mean and adds nothing.

use serde::{Deserialize, Serialize};

/// Least deviation that is divided by: a feature that never moves adds nothing.
const DEVIATION_LEAST: f64 = 1e-9;

/// A fitted regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logistic {
    /// Log odds at the means.
    pub intercept: f64,
    /// One of each feature.
    pub terms: Vec<Term>,
}

/// What one feature adds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Mean of its logarithm.
    pub mean: f64,
    /// Deviation of its logarithm.
    pub deviation: f64,
    /// Log odds a deviation.
    pub coefficient: f64,
}

/// `ln(1 + |x|)` with the sign of `x`.
#[must_use]
pub fn log(value: f64) -> f64 {
    libm::copysign(libm::log1p(value.abs()), value)
}

impl Term {
    /// What a value adds to the log odds.
    #[must_use]
    pub fn of(&self, value: f64) -> f64 {
        self.coefficient * self.scaled(value)
    }

    /// Its logarithm less the mean, over the deviation; 0 where it is missing.
    #[must_use]
    pub fn scaled(&self, value: f64) -> f64 {
        if value.is_nan() || self.deviation < DEVIATION_LEAST { 0.0 } else { (log(value) - self.mean) / self.deviation }
    }
}

impl Logistic {
    /// The log odds of a row.
    #[must_use]
    pub fn margin(&self, row: &[f64]) -> f64 {
        self.terms.iter().zip(row).fold(self.intercept, |sum, (term, value)| sum + term.of(*value))
    }

    /// What each feature adds to the log odds, beside the intercept.
    pub fn contributions<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.terms.iter().zip(row).map(|(term, value)| term.of(*value))
    }
}

/// `1 / (1 + exp(-x))`.
#[must_use]
pub fn chance(margin: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-margin))
}
