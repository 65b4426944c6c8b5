//! Maximum mean discrepancy: whether rows of many columns come from one joint law, by kernels and permutation.
//!
//! Gretton and others (JMLR 13, 2012), the unbiased estimate with a Gaussian kernel whose width is the median distance.
//! Sees shifts that no column shows alone. Not here: which rows are drawn from a large table.

use super::Tested;
use crate::rng::Rng;

/// Most rows a side: the test takes the square of their sum, times the permutations.
pub const ROWS_MAX: usize = 500;
/// Permutations: the least p-value is 1 / (permutations + 1).
pub const PERMUTATIONS: u32 = 499;

/// The squared discrepancy of two samples of rows, and its chance by permutation; columns should have like scales.
/// None with fewer than two rows a side, rows of different lengths, or more than [`ROWS_MAX`] rows.
#[must_use]
pub fn mean_discrepancy(a: &[Vec<f64>], b: &[Vec<f64>], seed: u64) -> Option<Tested> {
    let (n, m) = (a.len(), b.len());
    if n < 2 || m < 2 || n.max(m) > ROWS_MAX {
        return None;
    }
    let rows: Vec<&[f64]> = a.iter().chain(b).map(Vec::as_slice).collect();
    let width = rows.first()?.len();
    if width == 0 || rows.iter().any(|r| r.len() != width || r.iter().any(|v| !v.is_finite())) {
        return None;
    }
    let kernel = kernel(&rows);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let observed = discrepancy(&kernel, &order, n);
    let mut rng = Rng::new(seed);
    let mut as_large = 0u32;
    for _ in 0..PERMUTATIONS {
        rng.shuffle(&mut order);
        if discrepancy(&kernel, &order, n) >= observed {
            as_large += 1;
        }
    }
    Some(Tested { statistic: observed, p_value: f64::from(as_large + 1) / f64::from(PERMUTATIONS + 1) })
}

/// Gaussian kernel of all pairs, its width the median of the distances.
fn kernel(rows: &[&[f64]]) -> Vec<Vec<f64>> {
    let distance = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
    let mut all: Vec<f64> =
        rows.iter().enumerate().flat_map(|(i, x)| rows.iter().skip(i + 1).map(|y| distance(x, y)).collect::<Vec<_>>()).collect();
    all.sort_unstable_by(f64::total_cmp);
    let median = all.get(all.len() / 2).copied().unwrap_or(1.0).max(f64::MIN_POSITIVE);
    rows.iter().map(|x| rows.iter().map(|y| libm::exp(-distance(x, y) / median)).collect()).collect()
}

/// The unbiased estimate for the first `n` rows of an order against the others.
fn discrepancy(kernel: &[Vec<f64>], order: &[usize], n: usize) -> f64 {
    let (first, second) = order.split_at(n.min(order.len()));
    let mut own = vec![0.0; order.len()];
    for place in first {
        if let Some(cell) = own.get_mut(*place) {
            *cell = 1.0;
        }
    }
    let (mut within, mut across, mut beside) = (0.0, 0.0, 0.0);
    for (i, row) in kernel.iter().enumerate() {
        let mine: f64 = row.iter().zip(&own).map(|(k, o)| k * o).sum();
        let all: f64 = row.iter().sum();
        let diagonal = row.get(i).copied().unwrap_or(1.0);
        if own.get(i).is_some_and(|o| *o > 0.5) {
            within += mine - diagonal;
            across += all - mine;
        } else {
            beside += all - mine - diagonal;
        }
    }
    let (n, m) = (first.len() as f64, second.len() as f64);
    within / (n * (n - 1.0)) + beside / (m * (m - 1.0)) - 2.0 * across / (n * m)
}
