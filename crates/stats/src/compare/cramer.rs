//! Cramér and von Mises' test of two samples: counted out for small ones, by the limit law for others.

use super::Tested;
use super::ranks::ties;
use crate::special::ln_gamma;
use std::collections::BTreeMap;

/// Up to this many values in the larger sample the law is counted out.
const EXACT_VALUES_MAX: usize = 20;
/// Terms of the limit law below this end its series.
const TERM_MIN: f64 = 1e-7;
/// Below this normalised statistic the chance is 1 to more digits than a float has.
const STATISTIC_MIN: f64 = 0.003;
/// Most terms of the limit law's series.
const TERMS_MAX: u32 = 1_000;

/// Anderson's statistic T of two samples with midranks for ties (Annals of Mathematical Statistics 33, 1962, equation 9),
/// and its chance; none with fewer than two values in one.
#[must_use]
pub fn cramer_von_mises(a: &[f64], b: &[f64]) -> Option<Tested> {
    let (n, m) = (a.len(), b.len());
    if n < 2 || m < 2 {
        return None;
    }
    let u = rank_sum(a, b);
    let (k, all) = (n as f64 * m as f64, (n + m) as f64);
    let statistic = u / (k * all) - (4.0 * k - 1.0) / (6.0 * all);
    let p_value = if n.max(m) <= EXACT_VALUES_MAX {
        counted(u, n, m)
    } else {
        let expected = (1.0 + 1.0 / all) / 6.0;
        let squares = (n as f64) * (n as f64) + (m as f64) * (m as f64);
        let variance = (all + 1.0) * (4.0 * k * all - 3.0 * squares - 2.0 * k) / (45.0 * all * all * 4.0 * k);
        let normed = 1.0 / 6.0 + (statistic - expected) / libm::sqrt(45.0 * variance);
        if normed < STATISTIC_MIN { 1.0 } else { (1.0 - limit_cdf(normed)).max(0.0) }
    };
    Some(Tested { statistic, p_value })
}

/// n Σ (rank of the i-th of the first − i)² + m Σ (rank of the j-th of the second − j)².
fn rank_sum(a: &[f64], b: &[f64]) -> f64 {
    let (mut i, mut j) = (0usize, 0usize);
    let (mut first, mut second) = (0.0, 0.0);
    let part = |from: usize, times: usize, rank: f64| -> f64 {
        (from + 1..=from + times).map(|place| (rank - place as f64) * (rank - place as f64)).sum()
    };
    for tie in ties(a, b) {
        let (x, y) = tie.counts;
        let rank = (i + j) as f64 + 0.5 * (x + y + 1) as f64;
        first += part(i, x, rank);
        second += part(j, y, rank);
        i += x;
        j += y;
    }
    a.len() as f64 * first + b.len() as f64 * second
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Share of the ways to mix both samples whose statistic is at least as large (Xiao, Gordon, Yakovlev, Journal of
/// Statistical Software 17, 2006: a path through the lattice sums (a v − b u)²).
fn counted(u: f64, n: usize, m: usize) -> f64 {
    // m of the paper is the first sample's size.
    let (m, n) = (n as u64, m as u64);
    let lcm = m / gcd(m, n) * n;
    let (a, b) = ((lcm / m) as i64, (lcm / n) as i64);
    let mn = (m * n) as f64;
    let least = libm::floor((lcm * lcm * (m + n)) as f64 * (6.0 * u - mn * (4.0 * mn - 1.0)) / (6.0 * mn * mn));
    // ways[v]: how many paths to (u, v) have each sum.
    let mut ways: Vec<BTreeMap<i64, f64>> = vec![BTreeMap::new(); m as usize + 1];
    for row in 0..=n as i64 {
        let mut left: BTreeMap<i64, f64> = BTreeMap::new();
        for (v, cell) in ways.iter_mut().enumerate() {
            let mut here: BTreeMap<i64, f64> = if row == 0 && v == 0 { BTreeMap::from([(0, 1.0)]) } else { std::mem::take(cell) };
            for (sum, count) in &left {
                *here.entry(*sum).or_default() += count;
            }
            let step = a * v as i64 - b * row;
            left = here.into_iter().map(|(sum, count)| (sum + step * step, count)).collect();
            cell.clone_from(&left);
        }
    }
    let Some(all) = ways.last() else { return 1.0 };
    let total: f64 = all.values().sum();
    all.iter().filter(|(sum, _)| **sum as f64 >= least).map(|(_, count)| count).sum::<f64>() / total
}

/// Distribution function of the limit law (Csörgő and Faraway, JRSS B 58, 1996, equation 1.2), terms down to 1e-7.
fn limit_cdf(x: f64) -> f64 {
    let mut total = 0.0;
    for k in 0..TERMS_MAX {
        let k = f64::from(k);
        let weight = libm::exp(ln_gamma(k + 0.5) - ln_gamma(k + 1.0)) / (libm::pow(core::f64::consts::PI, 1.5) * libm::sqrt(x));
        let y = 4.0 * k + 1.0;
        let q = y * y / (16.0 * x);
        let term = weight * libm::sqrt(y) * libm::exp(-q) * bessel_k_quarter(q);
        total += term;
        if libm::fabs(term) < TERM_MIN {
            break;
        }
    }
    total
}

/// Step and number of steps of the integral below: beyond them its terms are 0.
const STEP: f64 = 1.0 / 64.0;
const STEPS: u32 = 2_048;

/// The modified Bessel function K of order 1/4: the integral over t of exp(-x cosh t) cosh(t / 4), by the trapezoid rule,
/// which converges faster than any power on it.
fn bessel_k_quarter(x: f64) -> f64 {
    let value = |t: f64| libm::exp(-x * libm::cosh(t)) * libm::cosh(0.25 * t);
    let mut sum = 0.5 * value(0.0);
    for i in 1..STEPS {
        let term = value(f64::from(i) * STEP);
        sum += term;
        if term < sum * 1e-18 {
            break;
        }
    }
    sum * STEP
}
