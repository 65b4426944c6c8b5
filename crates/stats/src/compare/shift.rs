//! By how much one sample lies above another: the Hodges-Lehmann shift with its interval by Mann and Whitney's test.

use crate::special::normal_quantile;
use crate::zero::zero;

/// How exactly a shift is found, in the samples' own unit: that of R's `wilcox.test`, whose answers these are.
const TOLERANCE: f64 = 1e-4;

/// A shift and its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The Hodges-Lehmann estimate: at this shift the ranks of both samples are in balance.
    pub estimate: f64,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
}

/// Mann and Whitney's statistic of `x - shift` against `y` as a normal deviate, with correction for continuity and ties.
/// None without values, with one that is not a number, or when all are equal.
#[must_use]
pub fn rank_deviate(x: &[f64], y: &[f64], shift: f64) -> Option<f64> {
    let (n, m) = (x.len() as f64, y.len() as f64);
    let mut all: Vec<(f64, bool)> = x.iter().map(|v| (v - shift, true)).chain(y.iter().map(|v| (*v, false))).collect();
    if x.is_empty() || y.is_empty() || all.iter().any(|(v, _)| v.is_nan()) {
        return None;
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut tie_term, mut before) = (0.0, 0.0, 0.0);
    // Zeros of both signs are one value, so runs are told by `==`.
    #[expect(clippy::float_cmp, reason = "ties are exact")]
    for run in all.chunk_by(|a, b| a.0 == b.0) {
        let size = run.len() as f64;
        let ours = run.iter().filter(|(_, of_x)| *of_x).count() as f64;
        rank_sum += ours * (before + (size + 1.0) / 2.0);
        tie_term += size * size * size - size;
        before += size;
    }
    let above = rank_sum - n * (n + 1.0) / 2.0 - n * m / 2.0;
    let spread = libm::sqrt(n * m / 12.0 * ((n + m + 1.0) - tie_term / ((n + m) * (n + m - 1.0))));
    let continuity = if above == 0.0 { 0.0 } else { libm::copysign(0.5, above) };
    (spread > 0.0).then(|| (above - continuity) / spread)
}

/// By how much `x` lies above `y`, with an interval at `confidence`. None where [`rank_deviate`] has none.
///
/// As R finds it, and Kayenta after it: in steps of an absolute tolerance, so that samples below about 1e-4 have no
/// shift that could be told from zero.
#[must_use]
pub fn rank_shift(x: &[f64], y: &[f64], confidence: f64) -> Option<Shift> {
    let least = x.iter().copied().fold(f64::INFINITY, f64::min) - y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max) - y.iter().copied().fold(f64::INFINITY, f64::min);
    rank_deviate(x, y, least)?;
    rank_deviate(x, y, most)?;
    let deviate = |shift: f64, wanted: f64| rank_deviate(x, y, shift).map_or(f64::NAN, |z| z - wanted);
    let bound = |wanted: f64| {
        if deviate(least, wanted) <= 0.0 {
            return Some(least);
        }
        if deviate(most, wanted) >= 0.0 {
            return Some(most);
        }
        zero(least, most, TOLERANCE, |shift| deviate(shift, wanted))
    };
    let z = normal_quantile((1.0 - confidence) / 2.0);
    Some(Shift { estimate: zero(least, most, TOLERANCE, |shift| deviate(shift, 0.0))?, lower: bound(-z)?, upper: bound(z)? })
}

/// How often a value of `x` lies above one of `y`, ties by half: the common-language effect size of McGraw and Wong (1992).
#[must_use]
pub fn chance_above(x: &[f64], y: &[f64]) -> Option<f64> {
    let pairs = x.len() as f64 * y.len() as f64;
    if pairs == 0.0 {
        return None;
    }
    let mut sorted: Vec<f64> = y.to_vec();
    sorted.sort_by(f64::total_cmp);
    let below = |v: f64| sorted.partition_point(|w| *w < v) as f64;
    let up_to = |v: f64| sorted.partition_point(|w| *w <= v) as f64;
    Some(x.iter().map(|&v| (below(v) + up_to(v)) / 2.0).sum::<f64>() / pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_found_with_its_interval() {
        // R: wilcox.test(c(10, 20, 30, 40), 1:4, conf.int = TRUE, exact = FALSE)
        let shift = rank_shift(&[10.0, 20.0, 30.0, 40.0], &[1.0, 2.0, 3.0, 4.0], 0.95).unwrap();
        assert!((shift.lower - 6.0).abs() < 1e-6 && (shift.upper - 39.0).abs() < 1e-6, "{shift:?}");
        assert!((shift.estimate - 22.5).abs() < 1e-6, "{shift:?}");
    }

    #[test]
    fn what_has_no_shift_has_none() {
        assert_eq!(rank_shift(&[], &[1.0], 0.95), None);
        assert_eq!(rank_shift(&[1.0], &[], 0.95), None);
        assert_eq!(rank_shift(&[1.0, 1.0], &[1.0, 1.0], 0.95), None);
        assert_eq!(rank_shift(&[f64::NAN], &[1.0], 0.95), None);
        assert_eq!(chance_above(&[], &[1.0]), None);
    }

    #[test]
    fn chances_count_ties_by_half() {
        assert_eq!(chance_above(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), Some(0.5));
        assert_eq!(chance_above(&[2.0], &[1.0, 2.0, 3.0, 0.0]), Some(2.5 / 4.0));
    }
}
