//! Laws of Kolmogorov's and Smirnov's largest distance: of two samples, and of one against a known law.
//!
//! Two samples of at most 10,000 values have their exact law; larger ones that of one sample of n m / (n + m) values.

use crate::special::ln_gamma;

/// Up to this many values in the larger sample the law of two samples is exact.
pub const EXACT_VALUES_MAX: usize = 10_000;
/// From 2 n m / (n + m) d² on, a p-value is below e^-70, and the limit law's value serves.
const EXPONENT_MAX: f64 = 70.0;

/// Chance that two samples of `n` and `m` values of one continuous law differ by at least `widest` / (n m).
#[must_use]
pub fn two_samples(n: usize, m: usize, widest: u128) -> f64 {
    if widest == 0 {
        return 1.0;
    }
    let distance = widest as f64 / (n as f64 * m as f64);
    let size = n as f64 * m as f64 / (n as f64 + m as f64);
    let exponent = 2.0 * size * distance * distance;
    if n.max(m) > EXACT_VALUES_MAX {
        return one_sample(libm::rint(size), distance);
    }
    if exponent > EXPONENT_MAX {
        return (2.0 * libm::exp(-exponent)).min(1.0);
    }
    exact(n, m, widest)
}

/// Share of lattice paths from (0, 0) to (n, m), all equally likely, that somewhere are `widest` or more off the diagonal.
fn exact(n: usize, m: usize, widest: u128) -> f64 {
    // row[j]: share of the paths to (i, j) that stayed inside. Outside the band it is 0, and only the band is visited.
    let mut row = vec![0.0_f64; m + 1];
    let reach = usize::try_from(widest.saturating_sub(1) / n.max(1) as u128).unwrap_or(m).saturating_add(1);
    for i in 0..=n {
        let middle = usize::try_from(i as u128 * m as u128 / n.max(1) as u128).unwrap_or(m);
        let (from, to) = (middle.saturating_sub(reach + 1), middle.saturating_add(reach + 1).min(m));
        // What left the band below must not be carried along.
        if let Some(cell) = from.checked_sub(1).and_then(|before| row.get_mut(before)) {
            *cell = 0.0;
        }
        let mut left = 0.0;
        for (j, cell) in row.iter_mut().enumerate().take(to + 1).skip(from) {
            let here = if i == 0 && j == 0 {
                1.0
            } else {
                let total = (i + j) as f64;
                (i as f64 / total) * *cell + (j as f64 / total) * left
            };
            let inside = (i as u128 * m as u128).abs_diff(j as u128 * n as u128) < widest;
            left = if inside { here } else { 0.0 };
            *cell = left;
        }
    }
    (1.0 - row.last().copied().unwrap_or(0.0)).clamp(0.0, 1.0)
}

/// Chance that the distribution function of `n` values is `d` or more off the law's at some point, by the choices of
/// Simard and L'Ecuyer (Journal of Statistical Software 39, 2011): exact for small n, Pelz and Good's series beside it.
#[must_use]
pub fn one_sample(n: f64, d: f64) -> f64 {
    if n.is_nan() || d.is_nan() || n < 1.0 {
        return f64::NAN;
    }
    let t = n * d;
    if d >= 1.0 {
        return 0.0;
    }
    if t <= 0.5 {
        return 1.0;
    }
    if t <= 1.0 {
        // n! / n^n (2t - 1)^n (Ruben and Gambino).
        return (1.0 - libm::exp(ln_gamma(n + 1.0) - n * libm::log(n) + n * libm::log(2.0 * t - 1.0))).clamp(0.0, 1.0);
    }
    if t >= n - 1.0 {
        return (2.0 * libm::pow(1.0 - d, n)).clamp(0.0, 1.0);
    }
    let square = t * d;
    let far = if n <= 140.0 { square > 4.0 } else { square >= 2.2 };
    if d >= 0.5 || far {
        return if square >= 370.0 { 0.0 } else { (2.0 * smirnov(n, d)).clamp(0.0, 1.0) };
    }
    let inside = if n <= 140.0 || (n <= 100_000.0 && n * libm::pow(d, 1.5) <= 1.4) { durbin(n as u64, d) } else { pelz_good(n, d) };
    (1.0 - inside).clamp(0.0, 1.0)
}

/// Chance that the distribution function of `n` values is `d` or more above the law's somewhere (Smirnov's formula).
fn smirnov(n: f64, d: f64) -> f64 {
    let top = libm::floor(n * (1.0 - d));
    let (mut sum, mut j) = (0.0, 0.0);
    while j <= top {
        let (above, below) = (d + j / n, 1.0 - d - j / n);
        let ways = ln_gamma(n + 1.0) - ln_gamma(j + 1.0) - ln_gamma(n - j + 1.0);
        let rest = if n - j > 0.0 { (n - j) * libm::log(below.max(0.0)) } else { 0.0 };
        sum += libm::exp(ways + (j - 1.0) * libm::log(above) + rest);
        j += 1.0;
    }
    d * sum
}

/// Scale by which numbers are kept from under- and overflow, as a power of two.
const SCALE: i32 = 128;

/// Durbin's matrix, powered as Marsaglia, Tsang and Wang do (Journal of Statistical Software 8, 2003).
fn durbin(n: u64, d: f64) -> f64 {
    let t = n as f64 * d;
    let k = libm::ceil(t) as usize;
    let (m, h) = (2 * k - 1, libm::ceil(t) - t);
    let mut matrix = vec![0.0; m * m];
    let factorial: Vec<f64> = (0..=m)
        .scan(1.0, |f, i| {
            Some({
                *f *= (i.max(1)) as f64;
                *f
            })
        })
        .collect();
    let over = |i: usize| 1.0 / factorial.get(i).copied().unwrap_or(1.0);
    for i in 0..m {
        for j in 0..m {
            let power = i + 1;
            if let (Some(cell), true) = (matrix.get_mut(i * m + j), power >= j) {
                *cell = over(power - j);
            }
        }
    }
    let edge = |i: usize| libm::pow(h, (i + 1) as f64) * over(i + 1);
    for i in 0..m {
        for place in [i * m, (m - 1) * m + (m - 1 - i)] {
            if let Some(cell) = matrix.get_mut(place) {
                *cell -= edge(i);
            }
        }
    }
    if let Some(corner) = matrix.get_mut((m - 1) * m) {
        let both = if 2.0 * h - 1.0 > 0.0 { libm::pow(2.0 * h - 1.0, m as f64) } else { 0.0 };
        // The corner lost h^m twice, as Durbin has it, and gets back what was counted in both.
        *corner = (1.0 - 2.0 * libm::pow(h, m as f64) + both) * over(m);
    }
    let (power, mut exponent) = powered(matrix, m, n);
    let mut chance = power.get((k - 1) * m + k - 1).copied().unwrap_or(0.0);
    for i in 1..=n {
        chance *= i as f64 / n as f64;
        if libm::fabs(chance) < libm::ldexp(1.0, -SCALE) {
            chance = libm::ldexp(chance, SCALE);
            exponent -= SCALE;
        }
    }
    libm::ldexp(chance, exponent)
}

/// A square matrix to the power `n`, times a power of two that is given with it.
fn powered(mut base: Vec<f64>, m: usize, n: u64) -> (Vec<f64>, i32) {
    let mut result: Vec<f64> = (0..m * m).map(|i| if i % (m + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let (mut exponent, mut base_exponent, mut left) = (0, 0, n);
    while left > 0 {
        if left % 2 == 1 {
            result = product(&result, &base, m);
            exponent += base_exponent;
            if result.iter().fold(0.0_f64, |a, b| a.max(libm::fabs(*b))) > libm::ldexp(1.0, SCALE) {
                result.iter_mut().for_each(|v| *v = libm::ldexp(*v, -SCALE));
                exponent += SCALE;
            }
        }
        base = product(&base, &base, m);
        base_exponent *= 2;
        if base.get((m / 2) * m + m / 2).is_some_and(|v| libm::fabs(*v) > libm::ldexp(1.0, SCALE)) {
            base.iter_mut().for_each(|v| *v = libm::ldexp(*v, -SCALE));
            base_exponent += SCALE;
        }
        left /= 2;
    }
    (result, exponent)
}

fn product(a: &[f64], b: &[f64], m: usize) -> Vec<f64> {
    let mut c = vec![0.0; m * m];
    for (row, out) in a.chunks(m).zip(c.chunks_mut(m)) {
        for (x, line) in row.iter().zip(b.chunks(m)) {
            for (cell, y) in out.iter_mut().zip(line) {
                *cell += x * y;
            }
        }
    }
    c
}

/// Pelz and Good's series for the chance of staying within `d` (JRSS B 38, 1976): four terms in 1 / √n.
fn pelz_good(n: f64, d: f64) -> f64 {
    let pi2 = core::f64::consts::PI * core::f64::consts::PI;
    let (pi4, pi6) = (pi2 * pi2, pi2 * pi2 * pi2);
    let root = libm::sqrt(2.0 * core::f64::consts::PI);
    let z = libm::sqrt(n) * d;
    let [z2, z3, z4, z6, z7, z8, z10] = [2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 10.0].map(|e| libm::pow(z, e));
    let terms = libm::ceil(16.0 * z / core::f64::consts::PI).max(1.0) as u32;
    let mut k = [0.0_f64; 4];
    for i in (1..=terms).rev() {
        let odd = 2.0 * f64::from(i) - 1.0;
        let (m2, m4, m6) = (odd * odd, libm::pow(odd, 4.0), libm::pow(odd, 6.0));
        let q = libm::exp(-m2 * pi2 / (8.0 * z2));
        k[0] += q;
        k[1] += q * (-z2 + pi2 / 4.0 * m2);
        k[2] += q * (6.0 * z6 + 2.0 * z4 + (2.0 * z4 - 5.0 * z2) * pi2 / 4.0 * m2 + pi4 * (1.0 - 2.0 * z2) / 16.0 * m4);
        k[3] += q
            * (-30.0 * z6 - 90.0 * z8
                + pi2 * (135.0 * z4 - 96.0 * z6) / 4.0 * m2
                + pi4 * (212.0 * z4 - 60.0 * z2) / 16.0 * m4
                + pi6 * (5.0 - 30.0 * z2) / 64.0 * m6);
    }
    let under = [z, 6.0 * z4, 72.0 * z7, 6480.0 * z10];
    for (value, below) in k.iter_mut().zip(under) {
        *value *= root / below;
    }
    for i in 1..=terms {
        let i2 = f64::from(i) * f64::from(i);
        let q = libm::exp(-pi2 * i2 / (2.0 * z2));
        k[2] -= i2 * q * pi2 * root / (36.0 * z3);
        k[3] += (3.0 * z2 - pi2 * i2) * i2 * q * pi2 * root / (216.0 * z6);
    }
    k[0] + k[1] / libm::sqrt(n) + k[2] / n + k[3] / (n * libm::sqrt(n))
}
