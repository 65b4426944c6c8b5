//! SMOTE: synthetic rows of the rarer class, each somewhere on the line between a row and one of its neighbours.

use super::{Refused, TrainingRows};
use crate::rng::Rng;

/// Most rows of the rarer class: every pair of them is measured.
pub const MINORITY_ROWS_MAX: usize = 20_000;
/// Most neighbours of a row.
pub const NEIGHBOURS_MAX: usize = 100;

/// How to make synthetic rows (Chawla, Bowyer, Hall and Kegelmeyer, "SMOTE: synthetic minority over-sampling technique", JAIR 16,
/// 2002).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smote {
    /// Neighbours among which one is drawn, 5 in the paper; fewer where the class has no more rows.
    pub neighbours: usize,
    /// Rows of the rarer class over rows of the other afterwards, within (0, 1].
    pub ratio: f64,
    /// Seed of the draws.
    pub seed: u64,
}

/// A synthetic row. It is of the rarer class, and never judges: it has no place among the rows of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Synthetic {
    /// Its features.
    pub features: Vec<f64>,
    /// Its label.
    pub label: bool,
    /// The rows of the table between which it lies.
    pub between: (usize, usize),
}

impl Smote {
    /// Synthetic rows that fill the rarer class of the rows learned from up to the ratio; none where it is reached already.
    ///
    /// Neighbours are the nearest rows of the class by Euclid's distance of the features as they are given: scale them first.
    /// Of rows equally far the earlier one is nearer. Rows take turns as starting point, in drawn order. The same seed makes the
    /// same rows.
    ///
    /// # Errors
    /// [`Refused::Share`] (ratio), [`Refused::Lengths`] (also for rows of different width), [`Refused::Number`],
    /// [`Refused::TooFew`] (an empty class, fewer than two rows of the rarer one, no neighbour asked for), [`Refused::TooMany`]
    /// ([`MINORITY_ROWS_MAX`], [`NEIGHBOURS_MAX`]).
    pub fn rows(&self, table: &[Vec<f64>], labels: &[bool], rows: &TrainingRows) -> Result<Vec<Synthetic>, Refused> {
        let (minority, label, others) = self.checked(table, labels, rows)?;
        let wanted = (libm::floor(others as f64 * self.ratio) as usize).saturating_sub(minority.len());
        let features = |place: usize| table.get(place).map_or(&[][..], Vec::as_slice);
        let mut rng = Rng::new(self.seed);
        let mut turns: Vec<usize> = (0..minority.len()).collect();
        rng.shuffle(&mut turns);
        let mut made = Vec::with_capacity(wanted);
        let mut nearest: Vec<Option<Vec<usize>>> = vec![None; minority.len()];
        for turn in turns.iter().cycle().take(wanted) {
            let Some((start, cell)) = minority.get(*turn).copied().zip(nearest.get_mut(*turn)) else { break };
            let near = cell.get_or_insert_with(|| neighbours(start, &minority, self.neighbours, &features));
            let Some(end) = near.get(rng.below(near.len() as u64) as usize).copied() else { break };
            let part = rng.uniform();
            let line = features(start).iter().zip(features(end)).map(|(from, to)| from + part * (to - from));
            made.push(Synthetic { features: line.collect(), label, between: (start, end) });
        }
        Ok(made)
    }

    /// Places of the rarer class, its label, and how many rows the other has.
    fn checked(&self, table: &[Vec<f64>], labels: &[bool], rows: &TrainingRows) -> Result<(Vec<usize>, bool, usize), Refused> {
        if !(self.ratio > 0.0 && self.ratio <= 1.0) {
            return Err(Refused::Share { value: self.ratio });
        }
        if table.len() != labels.len() {
            return Err(Refused::Lengths { table: table.len(), other: labels.len() });
        }
        if self.neighbours == 0 {
            return Err(Refused::TooFew { have: 0, need: 1 });
        }
        if self.neighbours > NEIGHBOURS_MAX {
            return Err(Refused::TooMany { have: self.neighbours, most: NEIGHBOURS_MAX });
        }
        let width = table.first().map_or(0, Vec::len);
        for place in rows.places() {
            let row = table.get(*place).filter(|row| row.len() == width).ok_or(Refused::Lengths { table: table.len(), other: *place })?;
            if row.iter().any(|v| !v.is_finite()) {
                return Err(Refused::Number { row: *place });
            }
        }
        let (positive, negative): (Vec<usize>, Vec<usize>) = rows.places().iter().partition(|place| labels.get(**place) == Some(&true));
        let label = positive.len() <= negative.len();
        let (minority, majority) = if label { (positive, negative) } else { (negative, positive) };
        if minority.len() < 2 {
            return Err(Refused::TooFew { have: minority.len(), need: 2 });
        }
        if minority.len() > MINORITY_ROWS_MAX {
            return Err(Refused::TooMany { have: minority.len(), most: MINORITY_ROWS_MAX });
        }
        Ok((minority, label, majority.len()))
    }
}

/// The nearest other rows of the class, nearest first.
fn neighbours<'a>(start: usize, minority: &[usize], count: usize, features: &impl Fn(usize) -> &'a [f64]) -> Vec<usize> {
    let squared = |place: usize| features(start).iter().zip(features(place)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let mut others: Vec<(f64, usize)> = minority.iter().filter(|place| **place != start).map(|place| (squared(*place), *place)).collect();
    let order = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if others.len() > count {
        others.select_nth_unstable_by(count - 1, order);
        others.truncate(count);
    }
    others.sort_by(order);
    others.into_iter().map(|(_, place)| place).collect()
}
