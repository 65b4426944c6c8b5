//! How sure the difference of two Brier scores on the same rows is.

use super::probability::proper;
use crate::fairness::Estimate;
use crate::special::normal_quantile;
use serde::{Deserialize, Serialize};

/// Fewest rows from which a variance can be had.
const ROWS_MIN: usize = 2;

/// Two Brier scores and their difference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BrierDifference {
    /// The first score.
    pub first: f64,
    /// The second one.
    pub second: f64,
    /// First less second, with its two-sided interval: below 0 the first is nearer to what happens.
    pub difference: Estimate,
}

/// The Brier scores of `first` and `second` with an interval of their difference, by the variance of the rows' differences (as
/// Diebold and Mariano compare forecasts, Journal of Business & Economic Statistics 13, 1995, for rows that do not depend on one
/// another). It is a law of large samples: below some tens of rows it is too narrow, and where every row's difference is the
/// same it has no width.
///
/// None with fewer than 2 rows, for a probability outside [0, 1], for lengths that differ, for a confidence outside (0, 1).
#[must_use]
pub fn brier_difference(first: &[f64], second: &[f64], labels: &[bool], confidence: f64) -> Option<BrierDifference> {
    let fits = proper(first, labels) && proper(second, labels) && labels.len() >= ROWS_MIN && confidence > 0.0 && confidence < 1.0;
    if !fits {
        return None;
    }
    let n = labels.len() as f64;
    let off = |said: &[f64]| -> Vec<f64> {
        let one = |(p, label): (&f64, &bool)| (p - f64::from(u8::from(*label))) * (p - f64::from(u8::from(*label)));
        said.iter().zip(labels).map(one).collect()
    };
    let (a, b) = (off(first), off(second));
    let mean = |of: &[f64]| of.iter().sum::<f64>() / n;
    let each: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
    let value = mean(&each);
    let spread = each.iter().map(|d| (d - value) * (d - value)).sum::<f64>() / (n - 1.0);
    let half = normal_quantile(0.5 + 0.5 * confidence) * libm::sqrt(spread / n);
    let difference = Estimate { value, low: (value - half).max(-1.0), high: (value + half).min(1.0) };
    Some(BrierDifference { first: mean(&a), second: mean(&b), difference })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_of_the_same_rows() {
        let labels = [true, false, false, true];
        let of = brier_difference(&[0.9, 0.1, 0.2, 0.6], &[0.5, 0.5, 0.5, 0.5], &labels, 0.95).unwrap();
        // Squares 0.01, 0.01, 0.04, 0.16 against 0.25 each: differences -0.24, -0.24, -0.21, -0.09.
        assert!((of.first - 0.055).abs() < 1e-12 && of.second == 0.25, "{of:?}");
        let half = 1.959_963_984_540_054 * (0.0051_f64 / 4.0).sqrt();
        let Estimate { value, low, high } = of.difference;
        assert!((value + 0.195).abs() < 1e-12 && (high - value - half).abs() < 1e-9 && (value - low - half).abs() < 1e-9, "{of:?}");
        assert_eq!(brier_difference(&[0.5], &[0.5], &[true], 0.95), None);
        assert_eq!(brier_difference(&[0.5, 1.5], &[0.5, 0.5], &[true, false], 0.95), None);
        assert_eq!(brier_difference(&[0.5, 0.5], &[0.5, 0.5], &[true, false], 1.0), None);
    }
}
