//! Bins of equal width over two samples, after Sturges, and the counts in them; as NumPy places and fills them.

/// Most bins; Sturges' rule needs 65 for as many values as a computer can count.
const BINS_MAX: usize = 10_000;

/// Edges of bins of equal width over both samples (sorted ascending, finite) by Sturges' rule: the width is the range
/// over log2(n) + 1, of whole numbers at least 1. None where both are empty.
#[must_use]
pub fn sturges_edges(a: &[f64], b: &[f64], whole: bool) -> Option<Vec<f64>> {
    let pick = |x: Option<&f64>, y: Option<&f64>, f: fn(f64, f64) -> f64| match (x, y) {
        (Some(&x), Some(&y)) => Some(f(x, y)),
        (x, y) => x.or(y).copied(),
    };
    let (low, high) = (pick(a.first(), b.first(), f64::min)?, pick(a.last(), b.last(), f64::max)?);
    edges_between(low, high, (a.len() + b.len()) as f64, whole)
}

/// The same edges from the extremes and the number of values alone.
#[must_use]
pub fn edges_between(low: f64, high: f64, n: f64, whole: bool) -> Option<Vec<f64>> {
    let range = high - low;
    if !range.is_finite() || n < 1.0 {
        return None;
    }
    let mut width = range / (libm::log2(n) + 1.0);
    if whole && width < 1.0 && width > 0.0 {
        width = 1.0;
    }
    let (first, last) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
    let bins = if width > 0.0 { (libm::ceil((last - first) / width) as usize).clamp(1, BINS_MAX) } else { 1 };
    let step = (last - first) / bins as f64;
    let mut edges: Vec<f64> = (0..=bins).map(|i| i as f64 * step + first).collect();
    if let Some(end) = edges.last_mut() {
        *end = last;
    }
    Some(edges)
}

/// How many of `values` (sorted ascending) lie in each bin; a bin holds its lower edge, the last one both.
#[must_use]
pub fn counts(values: &[f64], edges: &[f64]) -> Vec<u64> {
    let last = edges.len().saturating_sub(1);
    let below = |(i, edge): (usize, &f64)| {
        if i == last { values.partition_point(|v| v <= edge) } else { values.partition_point(|v| v < edge) }
    };
    let places: Vec<usize> = edges.iter().enumerate().map(below).collect();
    places.windows(2).map(|w| if let [from, to] = w { to.saturating_sub(*from) as u64 } else { 0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_their_lower_edge_and_the_last_both() {
        let edges = [0.0, 1.0, 2.0];
        assert_eq!(counts(&[0.0, 0.5, 1.0, 2.0], &edges), [2, 2]);
        assert_eq!(counts(&[-1.0, 3.0], &edges), [0, 0]);
    }

    #[test]
    fn edges_follow_sturges() {
        let values: Vec<f64> = (0..16).map(f64::from).collect();
        assert_eq!(sturges_edges(&values, &[], true).map(|e| e.len()), Some(6));
        // A range that is smaller than the number of bins: whole numbers are not split.
        let few = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0];
        assert_eq!(sturges_edges(&few, &few, true), Some(vec![0.0, 1.0, 2.0]));
        assert_eq!(sturges_edges(&few, &few, false).map(|e| e.len()), Some(6));
        assert_eq!(sturges_edges(&[3.0], &[3.0], false), Some(vec![2.5, 3.5]));
        assert_eq!(sturges_edges(&[], &[], false), None);
    }
}
