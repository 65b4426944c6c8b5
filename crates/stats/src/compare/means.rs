//! Student's test of two means.

use super::Tested;
use crate::tails::student_two_sided;

/// Mean and sum of squared distances from it.
#[must_use]
pub fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, values.iter().map(|v| (v - mean) * (v - mean)).sum())
}

/// Student's two-sided test that both means are equal, with a common variance; none where no value differs.
#[must_use]
pub fn t_test(a: &[f64], b: &[f64]) -> Option<Tested> {
    let (n, m) = (a.len() as f64, b.len() as f64);
    if n < 1.0 || m < 1.0 || n + m < 3.0 {
        return None;
    }
    let (first, second) = (moments(a), moments(b));
    let freedom = n + m - 2.0;
    let spread = libm::sqrt((first.1 + second.1) / freedom * (1.0 / n + 1.0 / m));
    if spread <= 0.0 {
        return None;
    }
    let statistic = (first.0 - second.0) / spread;
    Some(Tested { statistic, p_value: student_two_sided(statistic, freedom) })
}
