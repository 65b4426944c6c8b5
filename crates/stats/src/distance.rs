//! Distances between two samples, or two histograms: what drift is measured by.

/// A two-sample Kolmogorov-Smirnov test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ks {
    /// Largest difference of the two distribution functions.
    pub statistic: f64,
    /// Chance of at least this difference when both samples come from one continuous law: exact up to 10,000 values in
    /// the larger sample, beyond them that of one sample of n m / (n + m) values.
    pub p_value: f64,
}

/// Kolmogorov and Smirnov's test of two samples sorted ascending; none when one is empty or holds a NaN.
#[must_use]
pub fn ks(a: &[f64], b: &[f64]) -> Option<Ks> {
    if a.is_empty() || b.is_empty() || a.iter().chain(b).any(|v| v.is_nan()) {
        return None;
    }
    let (n, m) = (a.len(), b.len());
    let (mut i, mut j) = (0, 0);
    // In integers, |i m - j n|, so that the exact law compares without rounding.
    let mut widest = 0u128;
    while let (Some(&x), Some(&y)) = (a.get(i), b.get(j)) {
        let v = if x <= y { x } else { y };
        i += a.get(i..).map_or(0, |rest| rest.iter().take_while(|&&t| t <= v).count());
        j += b.get(j..).map_or(0, |rest| rest.iter().take_while(|&&t| t <= v).count());
        widest = widest.max((i as u128 * m as u128).abs_diff(j as u128 * n as u128));
    }
    let statistic = widest as f64 / (n as f64 * m as f64);
    let p_value = crate::compare::kolmogorov::two_samples(n, m, widest);
    Some(Ks { statistic, p_value })
}

/// Tail of Kolmogorov's limit law.
#[must_use]
pub fn kolmogorov_tail(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return 1.0;
    }
    if x < 1.0 {
        // The dual series converges fast where the plain one does not.
        let pi = core::f64::consts::PI;
        let front = libm::sqrt(2.0 * pi) / x;
        let term = |k: f64| libm::exp(-(2.0 * k - 1.0) * (2.0 * k - 1.0) * pi * pi / (8.0 * x * x));
        let sum: f64 = (1..=8).map(|k| term(f64::from(k))).sum();
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    let mut sum = 0.0;
    for k in 1..=40 {
        let k = f64::from(k);
        let sign = if k % 2.0 == 1.0 { 1.0 } else { -1.0 };
        sum += sign * libm::exp(-2.0 * k * k * x * x);
    }
    (2.0 * sum).clamp(0.0, 1.0)
}

/// A share of nothing is taken as this, so that an empty bin makes a large index and not an infinite one.
const SHARE_MIN: f64 = 1e-4;

/// Population stability index of two histograms over the same bins; none when they differ in bins or are empty.
#[must_use]
pub fn psi(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (p, q) = shares(reference, current)?;
    let term = |(&a, &b): (&f64, &f64)| {
        let (a, b) = (a.max(SHARE_MIN), b.max(SHARE_MIN));
        (b - a) * libm::log(b / a)
    };
    Some(p.iter().zip(&q).map(term).sum())
}

/// Jensen-Shannon distance (the root of the divergence in bits, so 0 to 1) of two histograms over the same bins.
#[must_use]
pub fn jensen_shannon(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (p, q) = shares(reference, current)?;
    let part = |a: f64, m: f64| if a > 0.0 { a * libm::log2(a / m) } else { 0.0 };
    let sum: f64 = p.iter().zip(&q).map(|(&a, &b)| part(a, 0.5 * (a + b)) + part(b, 0.5 * (a + b))).sum();
    Some(libm::sqrt((0.5 * sum).clamp(0.0, 1.0)))
}

fn shares(reference: &[u64], current: &[u64]) -> Option<(Vec<f64>, Vec<f64>)> {
    if reference.len() != current.len() {
        return None;
    }
    let share = |counts: &[u64]| {
        let total: u64 = counts.iter().sum();
        if total == 0 { None } else { Some(counts.iter().map(|&c| c as f64 / total as f64).collect::<Vec<_>>()) }
    };
    Some((share(reference)?, share(current)?))
}

/// Wasserstein's first distance of two samples sorted ascending: the area between their distribution functions.
#[must_use]
pub fn wasserstein(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.is_empty() || b.is_empty() || a.iter().chain(b).any(|v| !v.is_finite()) {
        return None;
    }
    let (mut i, mut j) = (0, 0);
    let mut area = 0.0;
    let mut before: Option<f64> = None;
    loop {
        let next = match (a.get(i), b.get(j)) {
            (Some(&x), Some(&y)) => x.min(y),
            (Some(&x), None) => x,
            (None, Some(&y)) => y,
            (None, None) => return Some(area),
        };
        if let Some(last) = before {
            area += libm::fabs(i as f64 / a.len() as f64 - j as f64 / b.len() as f64) * (next - last);
        }
        while a.get(i).is_some_and(|&x| x <= next) {
            i += 1;
        }
        while b.get(j).is_some_and(|&y| y <= next) {
            j += 1;
        }
        before = Some(next);
    }
}

/// Smallest standard deviation that [`wasserstein_normed`] divides by.
const DEVIATION_MIN: f64 = 1e-3;

/// Wasserstein's distance in standard deviations of the reference (the first sample; population deviation).
#[must_use]
pub fn wasserstein_normed(reference: &[f64], current: &[f64]) -> Option<f64> {
    let distance = wasserstein(reference, current)?;
    let n = reference.len() as f64;
    let mean = reference.iter().sum::<f64>() / n;
    let variance = reference.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    Some(distance / libm::sqrt(variance).max(DEVIATION_MIN))
}
