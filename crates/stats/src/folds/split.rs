//! Splits: by time, forward through time, and by chance within each class.

use super::Refused;
use crate::rng::Rng;

/// Most folds of one table.
pub const FOLDS_MAX: usize = 1000;

/// Places of the rows that are learned from, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingRows(Vec<usize>);

/// Places of the rows that judge, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationRows(Vec<usize>);

impl TrainingRows {
    /// The places.
    #[must_use]
    pub fn places(&self) -> &[usize] {
        &self.0
    }

    /// Of places that stand in the same rows already.
    pub(super) fn within(mut places: Vec<usize>) -> TrainingRows {
        places.sort_unstable();
        TrainingRows(places)
    }

    /// Parts these rows once more, as for calibration: those with the latest instants, `share` of them, judge, and rows within
    /// `gap` before the first of these are left out.
    ///
    /// # Errors
    /// [`Refused::Share`] (not within (0, 1)), [`Refused::Lengths`], [`Refused::TooFew`] where a side would be empty.
    pub fn hold_out_last(&self, instants: &[i64], share: f64, gap: i64) -> Result<Split, Refused> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Refused::Share { value: share });
        }
        let at = |place: &usize| instants.get(*place).copied().ok_or(Refused::Lengths { table: instants.len(), other: *place });
        let mut times = self.0.iter().map(at).collect::<Result<Vec<i64>, Refused>>()?;
        times.sort_unstable();
        let kept = libm::floor(times.len() as f64 * (1.0 - share)) as usize;
        let boundary = *times.get(kept).ok_or(Refused::TooFew { have: times.len(), need: 2 })?;
        parted(&self.0, instants, boundary, i64::MAX, gap)
    }
}

impl EvaluationRows {
    /// The places.
    #[must_use]
    pub fn places(&self) -> &[usize] {
        &self.0
    }
}

/// Rows to learn from and rows to judge by; none is in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Rows to learn from.
    pub training: TrainingRows,
    /// Rows to judge by.
    pub evaluation: EvaluationRows,
}

/// Rows before `boundary` less the gap learn, those from it up to before `end` judge.
fn parted(places: &[usize], instants: &[i64], boundary: i64, end: i64, gap: i64) -> Result<Split, Refused> {
    let at = |place: &usize| instants.get(*place).copied().unwrap_or(i64::MAX);
    let before = boundary.saturating_sub(gap.max(0));
    let training: Vec<usize> = places.iter().copied().filter(|place| at(place) < before).collect();
    let judges = |place: &usize| at(place) >= boundary && (at(place) < end || end == i64::MAX);
    let evaluation: Vec<usize> = places.iter().copied().filter(judges).collect();
    let fewest = training.len().min(evaluation.len());
    if fewest == 0 {
        return Err(Refused::TooFew { have: fewest, need: 1 });
    }
    Ok(Split { training: TrainingRows(training), evaluation: EvaluationRows(evaluation) })
}

impl Split {
    /// Rows before `boundary` learn, rows from it on judge; rows within `gap` before it do neither, so that a label that takes
    /// that long to come cannot be known too early. Instants in any unit.
    ///
    /// # Errors
    /// [`Refused::TooFew`] where a side is empty.
    pub fn at(instants: &[i64], boundary: i64, gap: i64) -> Result<Split, Refused> {
        parted(&(0..instants.len()).collect::<Vec<_>>(), instants, boundary, i64::MAX, gap)
    }

    /// As [`Split::at`], with the boundary at the row that follows the first `share` of rows by time; rows of one instant stay
    /// together, on the side that judges.
    ///
    /// # Errors
    /// [`Refused::Share`] (not within (0, 1)), [`Refused::TooFew`] where a side is empty.
    pub fn by_time(instants: &[i64], share: f64, gap: i64) -> Result<Split, Refused> {
        TrainingRows((0..instants.len()).collect()).hold_out_last(instants, 1.0 - share, gap)
    }

    /// Walks forward: time is cut at `folds` + 1 parts of equally many rows; each part but the first judges what is learned from
    /// all rows before it and the gap. A part that no row precedes, or that is empty because one instant has many rows, is left out.
    ///
    /// # Errors
    /// [`Refused::TooMany`] over [`FOLDS_MAX`], [`Refused::TooFew`] without a fold or where no part is left.
    pub fn forward(instants: &[i64], folds: usize, gap: i64) -> Result<Vec<Split>, Refused> {
        let n = instants.len();
        check_folds(folds, n)?;
        let mut times = instants.to_vec();
        times.sort_unstable();
        let cut = |part: usize| times.get(part * n / (folds + 1)).copied().unwrap_or(i64::MAX);
        let places: Vec<usize> = (0..n).collect();
        let splits: Vec<Split> = (1..=folds).filter_map(|part| parted(&places, instants, cut(part), cut(part + 1), gap).ok()).collect();
        if splits.is_empty() { Err(Refused::TooFew { have: 0, need: 1 }) } else { Ok(splits) }
    }

    /// Folds by chance, each with the same share of positives as nearly as can be: every row judges once. Not for rows that
    /// follow one another in time.
    ///
    /// # Errors
    /// [`Refused::TooMany`] over [`FOLDS_MAX`], [`Refused::TooFew`] with fewer than two folds or with fewer rows of a class
    /// than folds.
    pub fn stratified(labels: &[bool], folds: usize, seed: u64) -> Result<Vec<Split>, Refused> {
        check_folds(folds, labels.len())?;
        if folds < 2 {
            return Err(Refused::TooFew { have: folds, need: 2 });
        }
        let mut rng = Rng::new(seed);
        let mut fold_of = vec![0usize; labels.len()];
        for class in [false, true] {
            let mut places: Vec<usize> = (0..labels.len()).filter(|place| labels.get(*place) == Some(&class)).collect();
            if places.len() < folds {
                return Err(Refused::TooFew { have: places.len(), need: folds });
            }
            rng.shuffle(&mut places);
            for (turn, place) in places.iter().enumerate() {
                if let Some(fold) = fold_of.get_mut(*place) {
                    // The rarer class starts at the other end, so that odd rows of both do not meet in the first fold.
                    *fold = if class { folds - 1 - turn % folds } else { turn % folds };
                }
            }
        }
        let of = |fold: usize, inside: bool| {
            let taken = fold_of.iter().enumerate().filter(move |(_, f)| (**f == fold) == inside);
            taken.map(|(place, _)| place).collect::<Vec<_>>()
        };
        let split = |fold| Split { training: TrainingRows(of(fold, false)), evaluation: EvaluationRows(of(fold, true)) };
        Ok((0..folds).map(split).collect())
    }
}

fn check_folds(folds: usize, rows: usize) -> Result<(), Refused> {
    if folds > FOLDS_MAX {
        return Err(Refused::TooMany { have: folds, most: FOLDS_MAX });
    }
    if folds == 0 || rows <= folds { Err(Refused::TooFew { have: rows, need: folds + 1 }) } else { Ok(()) }
}
