//! Student's test of two means.

use super::Tested;
use crate::tails::student_two_sided;

/// A sum that carries what rounding loses (Neumaier): values far from 0 with small differences keep these.
fn exact_sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for v in values {
        let next = sum + v;
        lost += if libm::fabs(sum) >= libm::fabs(v) { (sum - next) + v } else { (v - next) + sum };
        sum = next;
    }
    sum + lost
}

/// Mean and sum of squared distances from it.
#[must_use]
pub fn moments(values: &[f64]) -> (f64, f64) {
    let mean = exact_sum(values.iter().copied()) / values.len() as f64;
    (mean, exact_sum(values.iter().map(|v| (v - mean) * (v - mean))))
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
