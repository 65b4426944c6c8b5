//! Logistic regression on the logarithms of the features, by Newton's method, with a penalty on the squares of its coefficients.
//!
//! Sizes and counts have long tails: a feature `x` enters as `ln(1 + x)`, with the sign of `x`, less its mean and over its
//! deviation. What is missing stands at the mean and adds nothing.

use crate::Table;
use crate::boost::{self, NotTrained};
use crate::monotone::Way;
pub use tidegate_runtime::risk::{Logistic, Term, chance, log};

/// Steps after which it is taken as it is.
const STEPS_MAX: usize = 50;
/// A step that moves no coefficient further has arrived.
const STEP_LEAST: f64 = 1e-9;

/// Mean and deviation of a feature's logarithm, over what is there.
pub(crate) fn scale(table: &Table, weights: &[f64], column: usize) -> Term {
    let known = || table.values(column).zip(weights).filter(|(value, _)| !value.is_nan()).map(|(value, weight)| (log(value), *weight));
    let whole: f64 = known().map(|(_, weight)| weight).sum();
    let mean = if whole > 0.0 { known().map(|(value, weight)| value * weight).sum::<f64>() / whole } else { 0.0 };
    let spread = known().map(|(value, weight)| (value - mean) * (value - mean) * weight).sum::<f64>();
    let deviation = if whole > 0.0 { libm::sqrt(spread / whole) } else { 0.0 };
    Term { mean, deviation, coefficient: 0.0 }
}

/// Fits by Newton's method; `l2` is the penalty on half the square of each coefficient, in rows.
///
/// # Errors
/// When the rows are of one kind, or the weights do not fit.
pub fn train(table: &Table, weights: &[f64], l2: f64) -> Result<Logistic, NotTrained> {
    train_held(table, weights, l2, &[])
}

/// The same, with features that are held to a direction: one way a column, or none at all. A coefficient that comes out with the wrong sign
/// is 0, and the others are fitted anew, until none does.
pub(crate) fn train_held(table: &Table, weights: &[f64], l2: f64, ways: &[Option<Way>]) -> Result<Logistic, NotTrained> {
    boost::check(table, weights)?;
    if !(l2 > 0.0 && l2.is_finite()) {
        return Err(NotTrained::Setting { name: "l2", expected: "above 0: without it, features that say the same have no answer" });
    }
    let mut terms: Vec<Term> = (0..table.width()).map(|column| scale(table, weights, column)).collect();
    let width = terms.len() + 1;
    let mut design = Vec::with_capacity(table.len() * width);
    for row in table.rows() {
        design.push(1.0);
        design.extend(terms.iter().zip(row).map(|(term, value)| term.scaled(*value)));
    }
    let mut out: Vec<usize> = (0..terms.len()).filter(|term| ways.get(*term) == Some(&Some(Way::Nothing))).collect();
    let mut coefficients = Vec::new();
    // Each turn but the last leaves out one feature or more.
    for _ in 0..=terms.len() {
        coefficients = steps(&mut design, &out, (table.labels(), weights), l2);
        let slopes = coefficients.iter().skip(1).zip(ways).enumerate();
        out = slopes.filter(|(_, (slope, way))| way.is_some_and(|way| way.is_against(**slope))).map(|(term, _)| term).collect();
        if out.is_empty() {
            break;
        }
    }
    let (intercept, slopes) = coefficients.split_first().map_or((0.0, &[][..]), |(first, rest)| (*first, rest));
    terms.iter_mut().zip(slopes).for_each(|(term, slope)| term.coefficient = *slope);
    Ok(Logistic { intercept, terms })
}

/// Newton's steps from nothing, without the features that are left out: they stay out of the design, and get 0.
fn steps(design: &mut [f64], out: &[usize], (labels, weights): (&[bool], &[f64]), l2: f64) -> Vec<f64> {
    let width = design.len() / labels.len().max(1);
    for row in design.chunks_exact_mut(width) {
        out.iter().for_each(|term| row.get_mut(term + 1).into_iter().for_each(|cell| *cell = 0.0));
    }
    let mut coefficients = vec![0.0; width];
    for _ in 0..STEPS_MAX {
        let step = newton(design, labels, weights, &coefficients, l2);
        let longest = step.iter().fold(0.0_f64, |longest, step| longest.max(step.abs()));
        // Far steps overshoot where the odds are steep: they are held to one deviation's worth of odds.
        let held = if longest > 4.0 { 4.0 / longest } else { 1.0 };
        coefficients.iter_mut().zip(&step).for_each(|(coefficient, step)| *coefficient += held * step);
        if longest < STEP_LEAST {
            break;
        }
    }
    coefficients
}

/// One step: the gradient over the curvature.
fn newton(design: &[f64], labels: &[bool], weights: &[f64], coefficients: &[f64], l2: f64) -> Vec<f64> {
    let width = coefficients.len();
    let (mut gradient, mut curvature) = (vec![0.0; width], vec![0.0; width * width]);
    for ((row, label), weight) in design.chunks_exact(width).zip(labels).zip(weights) {
        let margin: f64 = row.iter().zip(coefficients).map(|(x, c)| x * c).sum();
        let chance = chance(margin);
        let (pull, bend) = (weight * (f64::from(u8::from(*label)) - chance), weight * chance * (1.0 - chance));
        for (x, (gradient, line)) in row.iter().zip(gradient.iter_mut().zip(curvature.chunks_exact_mut(width))) {
            *gradient += pull * x;
            line.iter_mut().zip(row).for_each(|(cell, other)| *cell += bend * x * other);
        }
    }
    for (at, (gradient, coefficient)) in gradient.iter_mut().zip(coefficients).enumerate() {
        // The intercept is free; the small share keeps the system solvable where every chance is near 0 or 1.
        let penalty = if at == 0 { 1e-9 } else { l2 };
        *gradient -= penalty * coefficient;
        curvature.get_mut(at * width + at).into_iter().for_each(|cell| *cell += penalty);
    }
    solve(curvature, gradient)
}

/// Solves a symmetric, positive system by Cholesky's decomposition.
pub(crate) fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Vec<f64> {
    let width = right.len();
    let at = |matrix: &[f64], i: usize, j: usize| matrix.get(i * width + j).copied().unwrap_or_default();
    for i in 0..width {
        for j in 0..=i {
            let before: f64 = (0..j).map(|k| at(&matrix, i, k) * at(&matrix, j, k)).sum();
            let rest = at(&matrix, i, j) - before;
            let value = if i == j { libm::sqrt(rest.max(1e-300)) } else { rest / at(&matrix, j, j) };
            matrix.get_mut(i * width + j).into_iter().for_each(|cell| *cell = value);
        }
    }
    for i in 0..width {
        let before: f64 = (0..i).map(|k| at(&matrix, i, k) * right.get(k).copied().unwrap_or_default()).sum();
        let value = (right.get(i).copied().unwrap_or_default() - before) / at(&matrix, i, i);
        right.get_mut(i).into_iter().for_each(|cell| *cell = value);
    }
    for i in (0..width).rev() {
        let behind: f64 = (i + 1..width).map(|k| at(&matrix, k, i) * right.get(k).copied().unwrap_or_default()).sum();
        let value = (right.get(i).copied().unwrap_or_default() - behind) / at(&matrix, i, i);
        right.get_mut(i).into_iter().for_each(|cell| *cell = value);
    }
    right
}
