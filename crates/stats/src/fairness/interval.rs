//! Intervals of differences and ratios of shares, from the intervals of the shares.

use super::counts::Share;
use serde::{Deserialize, Serialize};

/// A figure with its two-sided interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A sum of independent shares, each times a number. For one share less another it is Newcombe's hybrid score interval
/// (Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine 17, 1998, method
/// 10); for more the same reasoning (Zou and Donner, Statistics in Medicine 27, 2008). None where a share is.
#[must_use]
pub fn sum(terms: &[(f64, Share)]) -> Option<Estimate> {
    let (mut value, mut down, mut up) = (0.0, 0.0, 0.0);
    for (factor, share) in terms {
        let p = share.estimate?;
        let (below, above) = (factor * (p - share.low), factor * (share.high - p));
        value += factor * p;
        let (below, above) = if *factor >= 0.0 { (below, above) } else { (above, below) };
        down += below * below;
        up += above * above;
    }
    Some(Estimate { value, low: value - libm::sqrt(down), high: value + libm::sqrt(up) })
}

/// One independent share over another (Donner and Zou, "Closed-form confidence intervals for functions of the normal mean and
/// standard deviation", Statistical Methods in Medical Research 21, 2012, their interval of a ratio). None where a share is, or
/// the one below is 0.
pub(super) fn quotient(above: Share, below: Share) -> Option<Estimate> {
    let (p, q) = (above.estimate?, below.estimate.filter(|q| *q > 0.0)?);
    let product = p * q;
    let bent = |end: f64, share: f64| end * (2.0 * share - end);
    let root = |of: f64| libm::sqrt((product * product - of).max(0.0));
    let (low_above, high_above) = (bent(above.low, p), bent(above.high, p));
    let (low_below, high_below) = (bent(below.low, q), bent(below.high, q));
    // Written so that it holds also where the upper end below is more than twice the share, and the usual form is 0 over 0.
    let low = if low_above > 0.0 { low_above / (product + root(low_above * high_below)) } else { 0.0 };
    let high = (product + root(high_above * low_below)) / low_below;
    Some(Estimate { value: p / q, low: low.min(p / q), high: high.max(p / q) })
}
