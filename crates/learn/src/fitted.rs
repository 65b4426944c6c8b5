//! A model with a probability: what was learnt, and what its scores meant on rows that came after those it had learnt from.
//!
//! The training part is gone through forwards: each of its later pieces is scored by a model of all rows before it. On these
//! scores, which no model has learnt from, the curve to a probability is chosen and fitted, and intervals and label sets stand.
//! The model that is kept has then learnt from all rows.

use crate::boost::NotTrained;
use crate::recipe::{Blend, Recipe};
use crate::split::expanding;
use crate::{Table, logistic};
use tidegate_stats::calibration::{Beta, Calibrator, Conformal, Method, Thresholds, Unfit, VennAbers};
use tidegate_stats::scoring;

/// Youngest pieces that tell how many changes hurt by now.
const RECENT_PIECES: usize = 2;
/// Rows that these must have, or older pieces are taken in: of fewer, chance alone moves a level by more than .03.
const RECENT_ROWS_LEAST: usize = 300;
/// By what share the loss must be less before steps are taken in place of a smooth curve.
const GAIN_LEAST: f64 = 0.01;
/// Log odds that a level may be moved.
const LEVEL_MOST: f64 = 4.0;

/// How a model is made whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How it is trained.
    pub recipe: Recipe,
    /// Where, in the training part, the pieces begin that are scored.
    pub from: f64,
    /// How many pieces.
    pub folds: usize,
    /// How long a label takes until it can be trusted.
    pub maturity_seconds: i64,
    /// Share of label sets that may miss the truth.
    pub miss_share: f64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { recipe: Recipe::default(), from: 0.6, folds: 4, maturity_seconds: 0, miss_share: 0.1 }
    }
}

/// Scores of rows that the model which gave them had not learnt from, in the order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// Margins, as chances.
    pub scores: Vec<f64>,
    /// Whether each row hurt.
    pub labels: Vec<bool>,
    /// Where each piece ends.
    pub ends: Vec<usize>,
}

/// Why there is no model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotFitted {
    /// Nothing was trained.
    #[error(transparent)]
    Trained(#[from] NotTrained),
    /// Scores do not become probabilities.
    #[error("calibrate on {rows} later rows of the training part: {why}")]
    Calibrated {
        /// How many there were.
        rows: usize,
        /// In words.
        why: Unfit,
    },
}

/// A model with a probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// What was learnt.
    pub blend: Blend,
    /// From the chance of a margin to a probability.
    pub curve: Calibrator,
    /// Intervals of probabilities.
    pub venn_abers: VennAbers,
    /// Which labels are not ruled out.
    pub thresholds: Thresholds,
    /// What it stands on.
    pub held: Held,
    /// How many of the last held rows the curve stands on.
    pub calibrated_on: usize,
}

/// Trains, and calibrates on the later pieces of the table.
///
/// # Errors
/// When nothing is trained, or rows of one kind alone are left for calibration.
pub fn fit(table: &Table, settings: &Settings) -> Result<Fitted, NotFitted> {
    let mut held = Held::default();
    // Fewer models for each piece: there are many pieces, and a score's level is what is asked of them.
    let bags = settings.recipe.bags.div_ceil(2);
    let recipe = Recipe { bags, ..settings.recipe.clone() };
    for split in expanding(table, settings.from, settings.folds, settings.maturity_seconds) {
        let blend = recipe.train(&table.slice(split.train))?;
        let piece = table.slice(split.test);
        held.scores.extend(piece.rows().map(|row| logistic::chance(blend.margin(row))));
        held.labels.extend_from_slice(piece.labels());
        held.ends.push(held.labels.len());
    }
    calibrated(settings.recipe.train(table)?, held, settings.miss_share)
}

/// A model with the probabilities that scores of held rows tell.
///
/// # Errors
/// When rows of one kind alone were held.
pub(crate) fn calibrated(blend: Blend, held: Held, miss_share: f64) -> Result<Fitted, NotFitted> {
    let failed = |why| NotFitted::Calibrated { rows: held.labels.len(), why };
    let (curve, recent) = curve(&held).map_err(failed)?;
    let (scores, labels) = held.last(recent);
    let venn_abers = VennAbers::fit(scores, labels).map_err(failed)?;
    let probabilities: Vec<f64> = scores.iter().map(|score| curve.probability(*score).unwrap_or(*score)).collect();
    let conformal = Conformal::fit(&probabilities, labels).map_err(failed)?;
    let thresholds = conformal.split(miss_share);
    let thresholds = thresholds.ok_or(NotTrained::Setting { name: "miss_share", expected: "a share from 0 to 1" })?;
    let calibrated_on = scores.len();
    Ok(Fitted { blend, curve, venn_abers, thresholds, held, calibrated_on })
}

impl Held {
    /// The last pieces.
    fn last(&self, pieces: usize) -> (&[f64], &[bool]) {
        self.between(self.ends.len().saturating_sub(pieces), self.ends.len())
    }

    /// Where the youngest pieces before `to` begin, not before `from`.
    fn recent(&self, from: usize, to: usize) -> usize {
        let mut start = to.saturating_sub(RECENT_PIECES).max(from);
        while start > from && self.between(start, to).0.len() < RECENT_ROWS_LEAST {
            start -= 1;
        }
        start
    }

    /// From one piece up to another.
    fn between(&self, from: usize, to: usize) -> (&[f64], &[bool]) {
        let place = |piece: usize| piece.checked_sub(1).and_then(|piece| self.ends.get(piece)).copied().unwrap_or(0);
        let rows = place(from)..place(to);
        (self.scores.get(rows.clone()).unwrap_or_default(), self.labels.get(rows).unwrap_or_default())
    }
}

/// A curve to probabilities, and how many of the last pieces its level stands on. The shape of a curve is slow to change and wants many
/// rows; how many changes hurt moves, and is taken from the youngest pieces.
fn curve(held: &Held) -> Result<(Calibrator, usize), Unfit> {
    let last = held.ends.len();
    // What would have done best on the last piece, fitted before it.
    let (scores, labels) = held.last(1);
    let loss = |curve: &Calibrator| {
        let probabilities: Vec<f64> = scores.iter().map(|score| curve.probability(*score).unwrap_or(*score)).collect();
        scoring::brier(&probabilities, labels).unwrap_or(f64::INFINITY)
    };
    let before = |of: fn(&Held, usize, usize) -> Result<Calibrator, Unfit>| of(held, 0, last.saturating_sub(1)).map(|curve| loss(&curve));
    let isotonic_is_better = match (before(isotonic), before(levelled)) {
        (Ok(isotonic), Ok(beta)) => isotonic < beta * (1.0 - GAIN_LEAST),
        _ => false,
    };
    let fitted = if isotonic_is_better { isotonic(held, 0, last) } else { levelled(held, 0, last) };
    Ok((fitted?, last - held.recent(0, last)))
}

fn isotonic(held: &Held, from: usize, to: usize) -> Result<Calibrator, Unfit> {
    let (scores, labels) = held.between(held.recent(from, to), to);
    Method::Isotonic.fit(scores, labels)
}

/// A beta curve over all pieces, moved to the level of the youngest ones.
fn levelled(held: &Held, from: usize, to: usize) -> Result<Calibrator, Unfit> {
    let (scores, labels) = held.between(from, to);
    let mut curve = Beta::fit(scores, labels)?;
    let (scores, labels) = held.between(held.recent(from, to), to);
    curve.c += level(&curve, scores, labels);
    Ok(Calibrator::Beta(curve))
}

/// By how much log odds move so that as many rows are expected to hurt as did; none where no amount would do.
pub(crate) fn level(curve: &Beta, scores: &[f64], labels: &[bool]) -> f64 {
    let hurt = labels.iter().filter(|label| **label).count() as f64;
    let expected = |by: f64| {
        let moved = Beta { c: curve.c + by, ..*curve };
        scores.iter().filter_map(|score| moved.probability(*score)).sum::<f64>()
    };
    let (mut low, mut high) = (-LEVEL_MOST, LEVEL_MOST);
    if !(expected(low)..=expected(high)).contains(&hurt) {
        return 0.0;
    }
    // Each step halves what is left of the range: forty leave less than a float tells.
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if expected(middle) < hurt { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

impl Fitted {
    /// The chance that its margin says, before calibration.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        logistic::chance(self.blend.margin(row))
    }

    /// The probability that a row hurts.
    #[must_use]
    pub fn probability(&self, row: &[f64]) -> f64 {
        let score = self.score(row);
        self.curve.probability(score).unwrap_or(score)
    }
}
