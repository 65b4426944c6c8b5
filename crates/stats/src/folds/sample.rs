//! Weights of classes, and fewer rows of the frequent one.

use super::{Refused, TrainingRows};
use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// What a row of each class counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassWeights {
    /// A negative row.
    pub negative: f64,
    /// A positive row.
    pub positive: f64,
}

impl ClassWeights {
    /// The weight of a row.
    #[must_use]
    pub fn of(&self, label: bool) -> f64 {
        if label { self.positive } else { self.negative }
    }
}

/// Rows of each class among the rows learned from: negative, positive.
fn counts(labels: &[bool], rows: &TrainingRows) -> Result<(usize, usize), Refused> {
    let mut counts = (0usize, 0usize);
    for place in rows.places() {
        match labels.get(*place) {
            Some(true) => counts.1 += 1,
            Some(false) => counts.0 += 1,
            None => return Err(Refused::Lengths { table: labels.len(), other: *place }),
        }
    }
    Ok(counts)
}

/// Weights under which both classes of the rows learned from count the same, and all rows together as many as there are:
/// n / (2 n_class) (King and Zeng, "Logistic regression in rare events data", Political Analysis 9, 2001).
///
/// A model learned with them tells no probabilities until it is calibrated on rows without weights.
///
/// # Errors
/// [`Refused::Lengths`], [`Refused::TooFew`] where a class is empty.
pub fn balanced_weights(labels: &[bool], rows: &TrainingRows) -> Result<ClassWeights, Refused> {
    let (negative, positive) = counts(labels, rows)?;
    if negative == 0 || positive == 0 {
        return Err(Refused::TooFew { have: 0, need: 1 });
    }
    let n = (negative + positive) as f64;
    Ok(ClassWeights { negative: n / (2.0 * negative as f64), positive: n / (2.0 * positive as f64) })
}

/// All rows of the rarer class, and of the other so many, drawn without putting back, that the rarer one is `share` of all.
///
/// Where it is that already, all rows stay. The same seed draws the same rows.
///
/// # Errors
/// [`Refused::Share`] (not within (0, 0.5]), [`Refused::Lengths`], [`Refused::TooFew`] where a class is empty.
pub fn stratified_sample(labels: &[bool], rows: &TrainingRows, share: f64, seed: u64) -> Result<TrainingRows, Refused> {
    if !(share > 0.0 && share <= 0.5) {
        return Err(Refused::Share { value: share });
    }
    let (negative, positive) = counts(labels, rows)?;
    let rarer = negative.min(positive);
    if rarer == 0 {
        return Err(Refused::TooFew { have: 0, need: 1 });
    }
    let rare_label = positive <= negative;
    let (mut kept, mut others): (Vec<usize>, Vec<usize>) = rows.places().iter().partition(|place| labels.get(**place) == Some(&rare_label));
    let wanted = libm::ceil(rarer as f64 * (1.0 - share) / share) as usize;
    Rng::new(seed).shuffle(&mut others);
    kept.extend(others.into_iter().take(wanted));
    Ok(TrainingRows::within(kept))
}
