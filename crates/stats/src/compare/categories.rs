//! Tests on counts of categories: chi-square, G, two proportions, Fisher's exact test.
//!
//! Both histograms are over the same categories.

use super::Tested;
use crate::tails::{chi_square_tail, normal_tail};

fn sum(counts: &[u64]) -> f64 {
    counts.iter().map(|c| *c as f64).sum()
}

/// What the reference lets expect of as many values as there are now; none where a side is empty or bins differ.
fn expected(reference: &[u64], current: &[u64]) -> Option<Vec<f64>> {
    let (from, to) = (sum(reference), sum(current));
    if reference.len() != current.len() || from <= 0.0 || to <= 0.0 {
        return None;
    }
    Some(reference.iter().map(|c| *c as f64 * (to / from)).collect())
}

/// Pearson's chi-square of the current counts against the reference's shares, taken as known. A category that the
/// reference lacks makes the statistic infinite.
#[must_use]
pub fn chi_square(reference: &[u64], current: &[u64]) -> Option<Tested> {
    let expected = expected(reference, current)?;
    let term = |(e, o): (&f64, &u64)| {
        let gap = *o as f64 - e;
        if *e > 0.0 {
            gap * gap / e
        } else if *o > 0 {
            f64::INFINITY
        } else {
            0.0
        }
    };
    let statistic = expected.iter().zip(current).map(term).sum();
    by_chi_square(statistic, reference.len())
}

/// The likelihood ratio G of the current counts against the reference's shares, taken as known.
#[must_use]
pub fn g_test(reference: &[u64], current: &[u64]) -> Option<Tested> {
    let expected = expected(reference, current)?;
    let term = |(e, o): (&f64, &u64)| match (*e, *o as f64) {
        (_, 0.0) => 0.0,
        (0.0, _) => f64::INFINITY,
        (e, o) => 2.0 * o * libm::log(o / e),
    };
    let statistic = expected.iter().zip(current).map(term).sum();
    by_chi_square(statistic, reference.len())
}

fn by_chi_square(statistic: f64, categories: usize) -> Option<Tested> {
    let p_value = chi_square_tail(statistic.max(0.0), categories.checked_sub(1)? as f64);
    (!p_value.is_nan()).then_some(Tested { statistic, p_value })
}

/// Two-sided test that the share of the first category is the same in both, with the pooled share. One category alone is
/// no difference.
#[must_use]
pub fn z_test(reference: &[u64], current: &[u64]) -> Option<Tested> {
    let (n, m) = (sum(reference), sum(current));
    if n <= 0.0 || m <= 0.0 || reference.len() != current.len() {
        return None;
    }
    let rest = |counts: &[u64]| sum(counts) - counts.first().map_or(0.0, |c| *c as f64);
    let (p, q) = (rest(reference) / n, rest(current) / m);
    let pooled = (p * n + q * m) / (n + m);
    let spread = libm::sqrt(pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m));
    if spread <= 0.0 {
        return Some(Tested { statistic: 0.0, p_value: 1.0 });
    }
    let statistic = (p - q) / spread;
    Some(Tested { statistic, p_value: (2.0 * normal_tail(libm::fabs(statistic))).min(1.0) })
}

/// Fisher's exact test of two rows of two counts, two-sided: the chance of all tables with the same margins that are at
/// most as likely. The statistic is the odds ratio.
#[must_use]
pub fn fisher_exact(first: (u64, u64), second: (u64, u64)) -> Option<Tested> {
    let ((a, b), (c, d)) = (first, second);
    let (row, column) = (a.checked_add(b)?, a.checked_add(c)?);
    let all = row.checked_add(c)?.checked_add(d)?;
    if all == 0 {
        return None;
    }
    let (low, high) = ((row + column).saturating_sub(all), row.min(column));
    // Chances relative to the table's own: neighbours differ by a ratio of whole numbers.
    let ratio = |x: u64| ((row - x) as f64 * (column - x) as f64) / ((x + 1) as f64 * (all + x + 1 - row - column) as f64);
    let (mut total, mut rare) = (1.0, 1.0);
    let mut take = |weight: f64| {
        total += weight;
        // The same chance, rounded otherwise, counts as the same.
        if weight <= 1.0 + 1e-14 {
            rare += weight;
        }
    };
    let mut weight = 1.0;
    for x in a..high {
        weight *= ratio(x);
        take(weight);
    }
    weight = 1.0;
    for x in (low..a).rev() {
        weight /= ratio(x);
        take(weight);
    }
    let statistic = if b as f64 * c as f64 > 0.0 { a as f64 * d as f64 / (b as f64 * c as f64) } else { f64::INFINITY };
    Some(Tested { statistic, p_value: if total.is_finite() { (rare / total).min(1.0) } else { 0.0 } })
}
