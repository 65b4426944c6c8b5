//! Logistic regression by Newton's steps, whose gradient and curvature are sums of all sites.

use super::fixed::number;
use super::lead::Lead;
use super::round::{Ask, Part};
use super::{Failed, rows};
use crate::logistic::{self, Logistic, Term};

/// Deviations from the mean that count: further out, a row weighs as one there.
const DEVIATIONS_MAX: f64 = 16.0;
/// Steps after which it is taken as it is.
const STEPS_MAX: usize = 20;
/// A step that moves no coefficient further has arrived: sums are of integers, and tell no more.
const STEP_LEAST: f64 = 1e-5;
/// A step is held to one deviation's worth of odds.
const STEP_MOST: f64 = 4.0;

/// What a row is multiplied with.
pub(super) fn design(at: &Logistic, row: &[f64]) -> Vec<f64> {
    let scaled = at.terms.iter().zip(row).map(|(term, value)| term.scaled(*value).clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX));
    std::iter::once(1.0).chain(scaled).collect()
}

pub(super) fn train(lead: &mut Lead<'_>, part: Part) -> Result<Logistic, Failed> {
    let (width, mean_weight) = (lead.plan.width(), lead.weight(part));
    let sums = lead.ask(Ask::Means(part), 2 * width)?;
    let mean = |pair: &[i64; 2]| if pair[0] > 0 { number(pair[1]) / number(pair[0]) } else { 0.0 };
    let known = sums.as_chunks::<2>().0;
    let means: Vec<f64> = known.iter().map(mean).collect();
    let squares = lead.ask(Ask::Squares(part, means.clone()), width)?;
    let deviation = |(sum, pair): (&i64, &[i64; 2])| if pair[0] > 0 { libm::sqrt((number(*sum) / number(pair[0])).max(0.0)) } else { 0.0 };
    let deviations = squares.iter().zip(known).map(deviation);
    let terms = means.iter().zip(deviations).map(|(mean, deviation)| Term { mean: *mean, deviation, coefficient: 0.0 });
    let mut at = Logistic { intercept: 0.0, terms: terms.collect() };
    let size = width + 1;
    for _ in 0..STEPS_MAX {
        let sums = lead.ask(Ask::Step(part, at.clone()), size + size * (size + 1) / 2)?;
        let sums: Vec<f64> = sums.into_iter().map(|sum| rows::per_row(sum, mean_weight)).collect();
        let step = step(&sums, &at, lead.plan.recipe.l2);
        let longest = step.iter().fold(0.0_f64, |longest, step| longest.max(step.abs()));
        let held = if longest > STEP_MOST { STEP_MOST / longest } else { 1.0 };
        let mut steps = step.into_iter().map(|step| held * step);
        at.intercept += steps.next().unwrap_or_default();
        at.terms.iter_mut().zip(steps).for_each(|(term, step)| term.coefficient += step);
        if longest < STEP_LEAST {
            break;
        }
    }
    let finite = at.terms.iter().map(|term| term.coefficient).chain([at.intercept]).all(f64::is_finite);
    if finite { Ok(at) } else { Err(lead.wrong("the regression has no end".to_owned())) }
}

/// The gradient over the curvature, with the penalty.
fn step(sums: &[f64], at: &Logistic, l2: f64) -> Vec<f64> {
    let size = at.terms.len() + 1;
    let (gradient, triangle) = sums.split_at(size.min(sums.len()));
    let mut curvature = vec![0.0; size * size];
    let mut cells = triangle.iter();
    for i in 0..size {
        for (j, cell) in (i..size).zip(cells.by_ref()) {
            for place in [i * size + j, j * size + i] {
                curvature.get_mut(place).into_iter().for_each(|one| *one = *cell);
            }
        }
    }
    let coefficients = std::iter::once(at.intercept).chain(at.terms.iter().map(|term| term.coefficient));
    let mut right = gradient.to_vec();
    for (i, (gradient, coefficient)) in right.iter_mut().zip(coefficients).enumerate() {
        // The intercept is free, as where all rows are in one place.
        let penalty = if i == 0 { 1e-9 } else { l2 };
        *gradient -= penalty * coefficient;
        curvature.get_mut(i * size + i).into_iter().for_each(|cell| *cell += penalty);
    }
    logistic::solve(curvature, right)
}
