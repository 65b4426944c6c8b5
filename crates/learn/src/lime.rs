//! A line beside any model near one row (Ribeiro, Singh and Guestrin, "Why should I trust you?", KDD 2016): which of the row's values
//! carry the answer, how far that can be said by a line at all, and with which seed.
//!
//! Rows near by keep some of the values and take the others from rows of a background. It is an estimate: trees have exact values.

use crate::{Table, logistic};
use serde::Serialize;
use tidegate_stats::rng::Rng;

/// Rows that are asked near one.
pub const SAMPLES_MAX: usize = 100_000;
/// Penalty on the square of weights, in rows.
const L2: f64 = 1.0;

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How many rows are asked.
    pub samples: usize,
    /// How far from the row another one counts: the share of values that differ, over this, as a bell.
    pub width: f64,
    /// Where chance begins.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { samples: 2_000, width: 0.75, seed: 0 }
    }
}

/// The line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Local {
    /// What the line says where no value is the row's.
    pub intercept: f64,
    /// What each value of the row adds.
    pub weights: Vec<f64>,
    /// Share of the model's variance near by that the line has: near 0 it explains nothing.
    pub r_squared: f64,
    /// The seed it was drawn with.
    pub seed: u64,
}

/// Draws the line near a row; none without a background of the same width, without samples, or where the model gives no number.
#[must_use]
pub fn explain(row: &[f64], background: &Table, settings: &Settings, model: impl Fn(&[f64]) -> f64) -> Option<Local> {
    let width = row.len();
    if background.width() != width || background.is_empty() || !(1..=SAMPLES_MAX).contains(&settings.samples) {
        return None;
    }
    let mut rng = Rng::new(settings.seed);
    let mut samples = Vec::with_capacity(settings.samples);
    for number in 0..settings.samples {
        let other = background.row(usize::try_from(rng.below(background.len() as u64)).ok()?);
        // The row itself stands first: the line must be right there before anywhere else.
        let kept: Vec<bool> = (0..width).map(|_| number == 0 || rng.chance(0.5)).collect();
        let near: Vec<f64> = kept.iter().zip(row.iter().zip(other)).map(|(kept, (own, other))| if *kept { *own } else { *other }).collect();
        let away = kept.iter().filter(|kept| !**kept).count() as f64 / width as f64;
        let weight = libm::exp(-(away * away) / (settings.width * settings.width));
        let said = model(&near);
        if !said.is_finite() {
            return None;
        }
        samples.push((kept, said, weight));
    }
    let coefficients = line(&samples, width);
    let (intercept, weights) = coefficients.split_first()?;
    let r_squared = r_squared(&samples, *intercept, weights);
    Some(Local { intercept: *intercept, weights: weights.to_vec(), r_squared, seed: settings.seed })
}

type Sample = (Vec<bool>, f64, f64);

fn line(samples: &[Sample], width: usize) -> Vec<f64> {
    let side = width + 1;
    let (mut matrix, mut right) = (vec![0.0; side * side], vec![0.0; side]);
    for (kept, said, weight) in samples {
        let design: Vec<f64> = std::iter::once(1.0).chain(kept.iter().map(|kept| f64::from(u8::from(*kept)))).collect();
        for (x, (line, right)) in design.iter().zip(matrix.chunks_exact_mut(side).zip(&mut right)) {
            *right += weight * x * said;
            line.iter_mut().zip(&design).for_each(|(cell, other)| *cell += weight * x * other);
        }
    }
    for at in 1..side {
        matrix.get_mut(at * side + at).into_iter().for_each(|cell| *cell += L2);
    }
    logistic::solve(matrix, right)
}

fn r_squared(samples: &[Sample], intercept: f64, weights: &[f64]) -> f64 {
    let whole: f64 = samples.iter().map(|(_, _, weight)| weight).sum();
    let mean = samples.iter().map(|(_, said, weight)| said * weight).sum::<f64>() / whole;
    let (mut left, mut all) = (0.0, 0.0);
    for (kept, said, weight) in samples {
        let line = kept.iter().zip(weights).filter(|(kept, _)| **kept).fold(intercept, |sum, (_, weight)| sum + weight);
        left += weight * (said - line) * (said - line);
        all += weight * (said - mean) * (said - mean);
    }
    if all > 0.0 { 1.0 - left / all } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::{Settings, explain};
    use crate::{Row, Table};
    use tidegate_stats::rng::Rng;

    fn background() -> Table {
        let mut rng = Rng::new(9);
        let mut table = Table::new(["a", "b", "c"]).unwrap();
        for at in 0..300 {
            let values = [rng.normal(), rng.normal(), rng.normal()];
            table.push(&Row { at, values: &values, label: at % 2 == 0, effort: 1.0 }).unwrap();
        }
        table
    }

    #[test]
    fn a_model_that_is_a_line_is_found_again() {
        let settings = Settings { samples: 20_000, ..Settings::default() };
        let local = explain(&[2.0, -1.0, 5.0], &background(), &settings, |row| 3.0 * row[0] + row[1] + 0.0 * row[2]).unwrap();
        // The background's means are near 0, so a value adds its slope times itself.
        assert!((local.weights[0] - 6.0).abs() < 0.6, "{local:?}");
        assert!((local.weights[1] + 1.0).abs() < 0.4, "{local:?}");
        assert!(local.weights[2].abs() < 0.2, "{local:?}");
        assert!(local.r_squared > 0.4, "{local:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_line() {
        let draw = |seed| explain(&[1.0, 1.0, 1.0], &background(), &Settings { seed, ..Settings::default() }, |row| row[0] * row[1]);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn what_cannot_be_asked_has_no_line() {
        assert_eq!(explain(&[1.0], &background(), &Settings::default(), |_| 0.0), None);
        assert_eq!(explain(&[1.0, 2.0, 3.0], &background(), &Settings::default(), |_| f64::NAN), None);
    }
}
