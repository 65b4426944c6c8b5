//! The joint shift: rows of several columns drawn, put on one scale, and tested by mean discrepancy.
//!
//! Sees what no column shows alone, as a correlation that turned. Seeded: the same rows give the same answer.

use serde::{Deserialize, Serialize};
use tidegate_stats::compare::kernel::{ROWS_MAX, mean_discrepancy};
use tidegate_stats::compare::means::moments;
use tidegate_stats::rng::Rng;

/// Seed of the draw and of the permutations.
const SEED: u64 = 0x6a6f_696e;
/// The joint law drifted when the chance is below this.
pub const JOINT_P_VALUE: f64 = 0.05;

/// What the test gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Joint {
    /// The columns.
    pub columns: Vec<String>,
    /// Rows that were drawn of the reference and of the current rows; rows with a null are left out.
    pub rows: (u64, u64),
    /// Squared mean discrepancy; none when there was nothing to compare.
    pub statistic: Option<f64>,
    /// Its chance by permutation.
    pub p_value: Option<f64>,
    /// Whether the joint law drifted.
    pub drifted: bool,
}

/// A column's name with its values in the reference and now, NaN for null.
pub type Sides = (String, Vec<f64>, Vec<f64>);

/// Tests columns of equal length together.
#[must_use]
pub fn joint(columns: &[Sides]) -> Joint {
    let names = columns.iter().map(|c| c.0.clone()).collect();
    let scales: Vec<(f64, f64)> = columns.iter().map(|(_, values, _)| scale(values)).collect();
    let mut rng = Rng::new(SEED);
    let reference: Vec<&[f64]> = columns.iter().map(|c| c.1.as_slice()).collect();
    let current: Vec<&[f64]> = columns.iter().map(|c| c.2.as_slice()).collect();
    let (a, b) = (draw(&reference, &scales, &mut rng), draw(&current, &scales, &mut rng));
    let found = mean_discrepancy(&a, &b, SEED);
    Joint {
        columns: names,
        rows: (a.len() as u64, b.len() as u64),
        statistic: found.map(|f| f.statistic),
        p_value: found.map(|f| f.p_value),
        drifted: found.is_some_and(|f| f.p_value < JOINT_P_VALUE),
    }
}

/// Mean and deviation of the finite values.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn scale(values: &[f64]) -> (f64, f64) {
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    if finite.is_empty() {
        return (0.0, 1.0);
    }
    let (mean, squares) = moments(&finite);
    let deviation = libm::sqrt(squares / finite.len() as f64);
    (mean, if deviation > 0.0 { deviation } else { 1.0 })
}

/// At most [`ROWS_MAX`] rows without nulls, on one scale.
fn draw(columns: &[&[f64]], scales: &[(f64, f64)], rng: &mut Rng) -> Vec<Vec<f64>> {
    let rows = columns.iter().map(|c| c.len()).min().unwrap_or(0);
    let mut order: Vec<usize> = (0..rows).filter(|row| columns.iter().all(|c| c.get(*row).is_some_and(|v| v.is_finite()))).collect();
    rng.shuffle(&mut order);
    order.truncate(ROWS_MAX);
    let value = |column: &[f64], (mean, deviation): (f64, f64), row: usize| (column.get(row).copied().unwrap_or(mean) - mean) / deviation;
    order.into_iter().map(|row| columns.iter().zip(scales).map(|(c, s)| value(c, *s, row)).collect()).collect()
}
