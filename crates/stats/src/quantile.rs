//! Exact quantiles of values at hand.

use crate::special::beta_inc;
use serde::{Deserialize, Serialize};

/// What to answer when a quantile falls between two values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// A straight line between the neighbours (type 7 of Hyndman and Fan; NumPy's default).
    #[default]
    Linear,
    /// The lower neighbour.
    Lower,
    /// The higher neighbour.
    Higher,
    /// The nearer neighbour; in the middle, the one at the even position.
    Nearest,
    /// Half-way between the neighbours.
    Midpoint,
}

/// The `q`-quantile of values that are sorted ascending; none without values or for q outside [0, 1].
#[must_use]
pub fn quantile(sorted: &[f64], q: f64, interpolation: Interpolation) -> Option<f64> {
    if q.is_nan() || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let last = sorted.len().checked_sub(1)?;
    let position = q * last as f64;
    let below = libm::floor(position);
    let part = position - below;
    let low = *sorted.get(below as usize)?;
    let high = if part > 0.0 { *sorted.get(below as usize + 1).unwrap_or(&low) } else { low };
    Some(match interpolation {
        Interpolation::Linear => low + (high - low) * part,
        Interpolation::Lower => low,
        Interpolation::Higher => high,
        Interpolation::Nearest => *sorted.get(libm::rint(position) as usize).unwrap_or(&high),
        Interpolation::Midpoint => low + (high - low) * 0.5,
    })
}

/// An interval of the median from order statistics, which asks nothing of the law that values come from: none where so few values have none of
/// this confidence (David and Nagaraja, Order Statistics, 2003, section 7.1).
#[must_use]
pub fn median_interval(sorted: &[f64], confidence: f64) -> Option<(f64, f64)> {
    let (n, tail) = (sorted.len(), 0.5 - 0.5 * confidence);
    // The chance that fewer than k of n values lie below the median.
    let fewer = |k: usize| if k == 0 { 0.0 } else { beta_inc((n - k + 1) as f64, k as f64, 0.5) };
    let k = (1..=n / 2).take_while(|k| fewer(*k) <= tail).last()?;
    Some((*sorted.get(k - 1)?, *sorted.get(n - k)?))
}

/// Sorts ascending, with NaN left out.
#[must_use]
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut kept: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    kept.sort_by(f64::total_cmp);
    kept
}

/// Edges that cut sorted values into at most `bins` bins of about equal count: strictly ascending inner edges.
///
/// A value belongs to the first bin whose edge is at least as large, else to the last bin.
#[must_use]
pub fn even_edges(sorted: &[f64], bins: usize) -> Vec<f64> {
    let mut edges: Vec<f64> = Vec::new();
    for i in 1..bins {
        let Some(edge) = quantile(sorted, i as f64 / bins as f64, Interpolation::Linear) else { return edges };
        if edges.last().is_none_or(|&e| edge > e) {
            edges.push(edge);
        }
    }
    edges
}

/// Counts per bin for the edges of [`even_edges`]; NaN is left out.
#[must_use]
pub fn bin_counts(values: &[f64], edges: &[f64]) -> Vec<u64> {
    let mut counts = vec![0u64; edges.len() + 1];
    for v in values.iter().filter(|v| !v.is_nan()) {
        if let Some(count) = counts.get_mut(edges.partition_point(|e| e < v)) {
            *count += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::{Interpolation, bin_counts, even_edges, median_interval, quantile, sorted};

    #[test]
    fn an_interval_of_the_median_is_by_order_statistics() {
        let of = |n: u32| median_interval(&(1..=n).map(f64::from).collect::<Vec<_>>(), 0.95);
        // Tables of order statistics: positions 1 and 6 of 6, 2 and 9 of 10, 6 and 15 of 20, 40 and 61 of 100; five have none.
        assert_eq!((of(0), of(1), of(5)), (None, None, None));
        assert_eq!((of(6), of(10), of(20), of(100)), (Some((1.0, 6.0)), Some((2.0, 9.0)), Some((6.0, 15.0)), Some((40.0, 61.0))));
    }

    #[test]
    fn agrees_with_numpy() {
        // numpy 2.4 np.quantile([1, 2, 4, 8, 16, 32], q, method=..)
        let xs = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
        let q = |q, i| quantile(&xs, q, i).unwrap();
        assert_eq!(q(0.5, Interpolation::Linear), 6.0);
        assert_eq!(q(0.9, Interpolation::Linear), 24.0);
        assert_eq!(q(0.5, Interpolation::Lower), 4.0);
        assert_eq!(q(0.5, Interpolation::Higher), 8.0);
        assert_eq!(q(0.5, Interpolation::Nearest), 4.0);
        assert_eq!(q(0.9, Interpolation::Nearest), 16.0);
        assert_eq!(q(0.5, Interpolation::Midpoint), 6.0);
        assert_eq!((q(0.0, Interpolation::Linear), q(1.0, Interpolation::Linear)), (1.0, 32.0));
    }

    #[test]
    fn nothing_to_say() {
        assert_eq!(quantile(&[], 0.5, Interpolation::Linear), None);
        assert_eq!(quantile(&[1.0], 1.5, Interpolation::Linear), None);
        assert_eq!(quantile(&[1.0], f64::NAN, Interpolation::Linear), None);
    }

    #[test]
    fn bins_hold_every_value_once() {
        let values = sorted(&[3.0, f64::NAN, 1.0, 1.0, 1.0, 2.0, 9.0]);
        let edges = even_edges(&values, 4);
        assert!(edges.windows(2).all(|w| w[0] < w[1]));
        let counts = bin_counts(&values, &edges);
        assert_eq!(counts.iter().sum::<u64>(), 6);
        assert_eq!(counts.len(), edges.len() + 1);
    }
}
