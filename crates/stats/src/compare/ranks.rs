//! Tests by ranks and by distribution functions: Mann-Whitney, Anderson-Darling, energy distance.

use super::Tested;
use crate::tails::normal_tail;

/// A run of equal values among both samples.
#[derive(Clone, Copy, Debug)]
pub struct Tie {
    /// The value.
    pub value: f64,
    /// How often it is in the first sample, and in the second.
    pub counts: (usize, usize),
}

/// The different values of two sorted samples, ascending.
#[must_use]
pub fn ties(a: &[f64], b: &[f64]) -> Vec<Tie> {
    let (mut i, mut j) = (0, 0);
    let mut found = Vec::new();
    loop {
        let value = match (a.get(i), b.get(j)) {
            (Some(&x), Some(&y)) => x.min(y),
            (Some(&x), None) => x,
            (None, Some(&y)) => y,
            (None, None) => return found,
        };
        let run = |values: &[f64], from: usize| values.get(from..).map_or(0, |rest| rest.iter().take_while(|v| **v <= value).count());
        let counts = (run(a, i), run(b, j));
        i += counts.0;
        j += counts.1;
        found.push(Tie { value, counts });
    }
}

/// Up to this size of the smaller sample, and without ties, Mann and Whitney's law is counted out.
const EXACT_VALUES_MAX: usize = 8;
/// Most pairs of values that are counted out; it takes about their square.
const EXACT_PAIRS_MAX: usize = 10_000;

/// What a test by ranks is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alternative {
    /// Whether one sample lies above or below the other.
    TwoSided,
    /// Whether the first sample lies below the second.
    Less,
}

/// Mann and Whitney's U of the first sample, with correction for continuity and ties.
#[must_use]
pub fn mann_whitney(a: &[f64], b: &[f64], alternative: Alternative) -> Option<Tested> {
    let (n, m) = (a.len(), b.len());
    if n == 0 || m == 0 {
        return None;
    }
    let (mut before, mut twice_ranks, mut tie_term) = (0usize, 0u128, 0.0);
    let mut tied = false;
    for tie in ties(a, b) {
        let t = tie.counts.0 + tie.counts.1;
        // Twice the middle rank of the run, so that sums stay whole.
        twice_ranks += tie.counts.0 as u128 * (2 * before + t + 1) as u128;
        before += t;
        tied |= t > 1;
        tie_term += cube_less(t);
    }
    let least = n as u128 * (n as u128 + 1);
    let u = 0.5 * twice_ranks.saturating_sub(least) as f64;
    let pairs = n as f64 * m as f64;
    let (judged, sides) = match alternative {
        Alternative::TwoSided => (u.max(pairs - u), 2.0),
        Alternative::Less => (pairs - u, 1.0),
    };
    let exact = n.min(m) <= EXACT_VALUES_MAX && !tied && n * m <= EXACT_PAIRS_MAX;
    let p_value = if exact {
        sides * mann_whitney_tail(n.min(m), n.max(m), judged as usize)
    } else {
        let all = (n + m) as f64;
        let spread = libm::sqrt(pairs / 12.0 * ((all + 1.0) - tie_term / (all * (all - 1.0))));
        sides * normal_tail((judged - 0.5 * pairs - 0.5) / spread)
    };
    Some(Tested { statistic: u, p_value: if p_value.is_nan() { 1.0 } else { p_value.clamp(0.0, 1.0) } })
}

fn cube_less(t: usize) -> f64 {
    let t = t as f64;
    t * t * t - t
}

/// Chance that U of sizes `n` and `m` is at least `u`: shares of the lattice paths by their area, one step a value.
fn mann_whitney_tail(n: usize, m: usize, u: usize) -> f64 {
    // rows[i][s]: share of the ways in which the first i values of the smaller sample stand `s` values of the other
    // in front, as the Gaussian binomial coefficient's recursion in m counts them.
    let size = n * m + 1;
    let mut rows = vec![vec![0.0_f64; size]; n + 1];
    if let Some(first) = rows.first_mut().and_then(|r| r.first_mut()) {
        *first = 1.0;
    }
    for i in 1..=n {
        if let Some(cell) = rows.get_mut(i).and_then(|r| r.first_mut()) {
            *cell = 1.0;
        }
    }
    for j in 1..=m {
        for i in 1..=n {
            // The last of all values is of the larger sample (nothing is added) or of the smaller (it stands behind j).
            let total = (i + j) as f64;
            let (head, tail) = rows.split_at_mut(i);
            let (Some(fewer), Some(row)) = (head.last(), tail.first_mut()) else { continue };
            for s in (0..=(i * j)).rev() {
                let behind = if s >= j { fewer.get(s - j).copied().unwrap_or(0.0) } else { 0.0 };
                if let Some(cell) = row.get_mut(s) {
                    *cell = (j as f64 / total) * *cell + (i as f64 / total) * behind;
                }
            }
        }
    }
    rows.last().map_or(1.0, |row| row.iter().skip(u).sum())
}

/// Square of the L2 distance of the distribution functions, integrated over the values; its root times the root of two
/// is Székely's energy distance as one number.
#[must_use]
pub fn energy_distance(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let (mut i, mut j, mut sum) = (0usize, 0usize, 0.0);
    let mut before: Option<f64> = None;
    for tie in ties(a, b) {
        if let Some(last) = before {
            let gap = i as f64 / a.len() as f64 - j as f64 / b.len() as f64;
            sum += gap * gap * (tie.value - last);
        }
        i += tie.counts.0;
        j += tie.counts.1;
        before = Some(tie.value);
    }
    Some(libm::sqrt(2.0 * sum))
}

/// Levels of Anderson and Darling's table, and its coefficients for them (Scholz and Stephens 1987, table 2, extended).
const AD_LEVELS: [f64; 7] = [0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001];
const AD_B0: [f64; 7] = [0.675, 1.281, 1.645, 1.96, 2.326, 2.573, 3.085];
const AD_B1: [f64; 7] = [-0.245, 0.25, 0.678, 1.149, 1.822, 2.364, 3.615];
const AD_B2: [f64; 7] = [-0.105, -0.305, -0.362, -0.391, -0.396, -0.345, -0.154];

/// Scholz and Stephens' two-sample Anderson-Darling statistic by midranks, standardised; the p-value is interpolated in
/// their table and lies within 0.001 and 0.25. None where all values are equal.
#[must_use]
pub fn anderson_darling(a: &[f64], b: &[f64]) -> Option<Tested> {
    let groups = ties(a, b);
    if a.is_empty() || b.is_empty() || groups.len() < 2 {
        return None;
    }
    let all = (a.len() + b.len()) as f64;
    let mut sums = (0.0, 0.0);
    let (mut before, mut of) = (0usize, (0usize, 0usize));
    let part = |cumulative: f64, size: f64, ahead: f64, inner: f64| {
        let gap = all * cumulative - size * ahead;
        inner * gap * gap
    };
    for tie in &groups {
        let t = (tie.counts.0 + tie.counts.1) as f64;
        let ahead = before as f64 + 0.5 * t;
        let inner = t / all / (ahead * (all - ahead) - all * t / 4.0);
        sums.0 += part(of.0 as f64 + 0.5 * tie.counts.0 as f64, a.len() as f64, ahead, inner);
        sums.1 += part(of.1 as f64 + 0.5 * tie.counts.1 as f64, b.len() as f64, ahead, inner);
        before += tie.counts.0 + tie.counts.1;
        of = (of.0 + tie.counts.0, of.1 + tie.counts.1);
    }
    let raw = (all - 1.0) / all * (sums.0 / a.len() as f64 + sums.1 / b.len() as f64);
    let statistic = (raw - 1.0) / libm::sqrt(anderson_variance(a.len(), b.len()));
    Some(Tested { statistic, p_value: anderson_p(statistic) })
}

/// Variance of the statistic of two samples (Scholz and Stephens, equation 4, with k = 2).
fn anderson_variance(n: usize, m: usize) -> f64 {
    let count = n + m;
    let all = count as f64;
    let inverse = 1.0 / n as f64 + 1.0 / m as f64;
    let harmonic: f64 = (1..count).map(|j| 1.0 / j as f64).sum();
    let mut g = 0.0;
    let mut tail = 0.0;
    for i in (1..count.saturating_sub(1)).rev() {
        // tail: sum over j of i+1..N-1 of 1/j; the outer weight is 1/(N - i).
        tail += 1.0 / (i + 1) as f64;
        g += tail / (count - i) as f64;
    }
    let k = 2.0;
    let va = (4.0 * g - 6.0) * (k - 1.0) + (10.0 - 6.0 * g) * inverse;
    let vb = (2.0 * g - 4.0) * k * k + 8.0 * harmonic * k + (2.0 * g - 14.0 * harmonic - 4.0) * inverse - 8.0 * harmonic + 4.0 * g - 6.0;
    let vc =
        (6.0 * harmonic + 2.0 * g - 2.0) * k * k + (4.0 * harmonic - 4.0 * g + 6.0) * k + (2.0 * harmonic - 6.0) * inverse + 4.0 * harmonic;
    let vd = (2.0 * harmonic + 6.0) * k * k - 4.0 * harmonic * k;
    (va * all * all * all + vb * all * all + vc * all + vd) / ((all - 1.0) * (all - 2.0) * (all - 3.0))
}

fn anderson_p(statistic: f64) -> f64 {
    let critical: Vec<f64> = AD_B0.iter().zip(AD_B1).zip(AD_B2).map(|((b0, b1), b2)| b0 + b1 + b2).collect();
    let (low, high) = (critical.first().copied().unwrap_or(0.0), critical.last().copied().unwrap_or(0.0));
    if statistic < low {
        return AD_LEVELS[0];
    }
    if statistic > high {
        return AD_LEVELS[6];
    }
    let logs: Vec<f64> = AD_LEVELS.iter().map(|p| libm::log(*p)).collect();
    let [c0, c1, c2] = parabola(&critical, &logs);
    libm::exp(c0 + c1 * statistic + c2 * statistic * statistic)
}

/// The parabola of least squares through the points.
fn parabola(x: &[f64], y: &[f64]) -> [f64; 3] {
    let n = x.len() as f64;
    let middle = x.iter().sum::<f64>() / n;
    // Orthogonal polynomials 1, u, u² - s u - q around the middle: no system to solve.
    let u: Vec<f64> = x.iter().map(|v| v - middle).collect();
    let s2: f64 = u.iter().map(|v| v * v).sum();
    let s3: f64 = u.iter().map(|v| v * v * v).sum();
    let (slope, level) = (s3 / s2, s2 / n);
    let w: Vec<f64> = u.iter().map(|v| v * v - slope * v - level).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (c0, c1, c2) = (y.iter().sum::<f64>() / n, dot(&u, y) / s2, dot(&w, y) / dot(&w, &w));
    // Back from c0 + c1 u + c2 (u² - slope u - level), u = x - middle.
    let (b0, b1) = (c0 - c2 * level, c1 - c2 * slope);
    [b0 - b1 * middle + c2 * middle * middle, b1 - 2.0 * c2 * middle, c2]
}
