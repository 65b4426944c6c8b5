//! Epps and Singleton's test: whether two samples have the same characteristic function at two points.

use super::Tested;
use crate::quantile::{Interpolation, quantile, sorted};
use crate::tails::chi_square_tail;

/// The points, in half interquartile ranges.
const POINTS: [f64; 2] = [0.4, 0.8];
/// Cosine and sine at each point.
const SIZE: usize = 4;
/// Fewest values of a sample.
const VALUES_MIN: usize = 5;
/// Below this many values on both sides the statistic is corrected.
const CORRECTED_BELOW: usize = 25;
/// Eigenvalues below this share of the largest are rounding: the covariance cannot be inverted.
const RELATIVE_MIN: f64 = 1e-12;

type Matrix = [[f64; SIZE]; SIZE];

/// Epps and Singleton's W2 (Journal of Statistical Computation and Simulation 26, 1986); none with fewer than five values,
/// where the middle half of all values is one value, or where there are too few different ones for the statistic's law.
#[must_use]
pub fn epps_singleton(a: &[f64], b: &[f64]) -> Option<Tested> {
    if a.len() < VALUES_MIN || b.len() < VALUES_MIN {
        return None;
    }
    let all = sorted(&[a, b].concat());
    let scale = (quantile(&all, 0.75, Interpolation::Linear)? - quantile(&all, 0.25, Interpolation::Linear)?) / 2.0;
    if scale <= 0.0 {
        return None;
    }
    let (first, second) = (waves(a, scale), waves(b, scale));
    let (n, m) = (a.len() as f64, b.len() as f64);
    let mut covariance = [[0.0; SIZE]; SIZE];
    for (i, row) in covariance.iter_mut().enumerate() {
        for (j, cell) in row.iter_mut().enumerate() {
            *cell = (n + m) / n * first.1[i][j] + (n + m) / m * second.1[i][j];
        }
    }
    let gap: Vec<f64> = first.0.iter().zip(second.0).map(|(x, y)| x - y).collect();
    let (values, vectors) = eigen(covariance);
    let largest = values.iter().fold(0.0, |m: f64, v| m.max(libm::fabs(*v)));
    let mut statistic = 0.0;
    for (j, value) in values.iter().enumerate() {
        if *value <= RELATIVE_MIN * largest {
            return None;
        }
        let along: f64 = (0..SIZE).map(|i| vectors[i][j] * gap[i]).sum();
        statistic += along * along / value;
    }
    statistic *= n + m;
    if a.len().max(b.len()) < CORRECTED_BELOW {
        statistic /= 1.0 + libm::pow(n + m, -0.45) + 10.1 * (libm::pow(n, -1.7) + libm::pow(m, -1.7));
    }
    Some(Tested { statistic, p_value: chi_square_tail(statistic.max(0.0), SIZE as f64) })
}

/// Means and biased covariances of cosines and sines at the points.
fn waves(values: &[f64], scale: f64) -> ([f64; SIZE], Matrix) {
    let wave = |v: f64| -> [f64; SIZE] {
        let [s, t] = POINTS.map(|p| p / scale * v);
        [libm::cos(s), libm::cos(t), libm::sin(s), libm::sin(t)]
    };
    let n = values.len() as f64;
    let rows: Vec<[f64; SIZE]> = values.iter().map(|v| wave(*v)).collect();
    let mut mean = [0.0; SIZE];
    for row in &rows {
        for (sum, x) in mean.iter_mut().zip(row) {
            *sum += x / n;
        }
    }
    let mut covariance = [[0.0; SIZE]; SIZE];
    for row in &rows {
        for (i, line) in covariance.iter_mut().enumerate() {
            for (j, cell) in line.iter_mut().enumerate() {
                *cell += (row[i] - mean[i]) * (row[j] - mean[j]) / n;
            }
        }
    }
    (mean, covariance)
}

/// Sweeps of Jacobi's method: it converges quadratically, so that these are many.
const SWEEPS: usize = 60;

/// Eigenvalues of a symmetric matrix and, in columns, its eigenvectors, by Jacobi's rotations.
fn eigen(mut m: Matrix) -> ([f64; SIZE], Matrix) {
    let mut vectors = [[0.0; SIZE]; SIZE];
    for (i, row) in vectors.iter_mut().enumerate() {
        row[i] = 1.0;
    }
    for _ in 0..SWEEPS {
        for p in 0..SIZE {
            for q in p + 1..SIZE {
                if m[p][q] == 0.0 {
                    continue;
                }
                let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
                let sign = if theta >= 0.0 { 1.0 } else { -1.0 };
                let t = sign / (libm::fabs(theta) + libm::sqrt(theta * theta + 1.0));
                let c = 1.0 / libm::sqrt(t * t + 1.0);
                let s = t * c;
                for row in &mut m {
                    let (x, y) = (row[p], row[q]);
                    (row[p], row[q]) = (c * x - s * y, s * x + c * y);
                }
                let (x, y) = (m[p], m[q]);
                m[p] = std::array::from_fn(|k| c * x[k] - s * y[k]);
                m[q] = std::array::from_fn(|k| s * x[k] + c * y[k]);
                for row in &mut vectors {
                    let (x, y) = (row[p], row[q]);
                    (row[p], row[q]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    ([m[0][0], m[1][1], m[2][2], m[3][3]], vectors)
}
