//! A model with a probability: what was learnt, and what its scores meant on rows that came after those it had learnt from.
//!
//! The training part is gone through forwards: each of its later pieces is scored by a model of all rows before it. On these
//! scores, which no model has learnt from, the curve to a probability is chosen and fitted, and intervals and label sets stand.
//! The model that is kept has then learnt from all rows.

use crate::boost::NotTrained;
use crate::recipe::{Blend, Recipe};
use crate::split::expanding;
use crate::{Table, logistic};
use tidegate_stats::calibration::{Beta, Calibrator, Conformal, Thresholds, Unfit, VennAbers};

/// Youngest pieces that intervals and label sets stand on.
const RECENT_PIECES: usize = 2;
/// Rows that these must have, or older pieces are taken in: of fewer, chance alone moves a level by more than .03.
const RECENT_ROWS_LEAST: usize = 300;
/// How strongly the curve is drawn to the scores as they are: beside a thousand rows it hardly moves, of a few hundred its bends are chance.
const PULL: f64 = 100.0;
/// Pieces after which a row tells half as much of how many changes hurt by now.
const LEVEL_HALF_LIFE_PIECES: f64 = 2.0;
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
    let curve = curve(&held).map_err(failed)?;
    let (scores, labels) = held.recent();
    let venn_abers = VennAbers::fit(scores, labels).map_err(failed)?;
    let probabilities: Vec<f64> = scores.iter().map(|score| curve.probability(*score).unwrap_or(*score)).collect();
    let conformal = Conformal::fit(&probabilities, labels).map_err(failed)?;
    let thresholds = conformal.split(miss_share);
    let thresholds = thresholds.ok_or(NotTrained::Setting { name: "miss_share", expected: "a share from 0 to 1" })?;
    let calibrated_on = scores.len();
    Ok(Fitted { blend, curve, venn_abers, thresholds, held, calibrated_on })
}

impl Held {
    /// The youngest pieces, and older ones where these have few rows.
    fn recent(&self) -> (&[f64], &[bool]) {
        let last = self.ends.len();
        let mut start = last.saturating_sub(RECENT_PIECES);
        while start > 0 && self.between(start, last).0.len() < RECENT_ROWS_LEAST {
            start -= 1;
        }
        self.between(start, last)
    }

    /// From one piece up to another.
    fn between(&self, from: usize, to: usize) -> (&[f64], &[bool]) {
        let place = |piece: usize| piece.checked_sub(1).and_then(|piece| self.ends.get(piece)).copied().unwrap_or(0);
        let rows = place(from)..place(to);
        (self.scores.get(rows.clone()).unwrap_or_default(), self.labels.get(rows).unwrap_or_default())
    }
}

/// A curve to probabilities: a beta curve over all pieces, drawn to the scores as they are, whose level is that of the pieces, the youngest
/// most. The shape of a curve is slow to change and wants many rows; how many changes hurt moves.
fn curve(held: &Held) -> Result<Calibrator, Unfit> {
    let mut curve = Beta::fit_near_identity(&held.scores, &held.labels, PULL)?;
    let newest = held.ends.len().saturating_sub(1);
    let mut weights = Vec::with_capacity(held.labels.len());
    for (piece, end) in held.ends.iter().enumerate() {
        weights.resize(*end, libm::exp2(-((newest - piece) as f64) / LEVEL_HALF_LIFE_PIECES));
    }
    curve.c += weighted_level(&curve, &held.scores, &held.labels, &weights);
    Ok(Calibrator::Beta(curve))
}

/// By how much log odds move so that as many rows are expected to hurt as did; as far as they may where that would not do.
pub(crate) fn level(curve: &Beta, scores: &[f64], labels: &[bool]) -> f64 {
    weighted_level(curve, scores, labels, &vec![1.0; scores.len()])
}

fn weighted_level(curve: &Beta, scores: &[f64], labels: &[bool], weights: &[f64]) -> f64 {
    // Rows with a probability: of others it is not known what is expected. Of none there is no level.
    let rows: Vec<(f64, bool, f64)> = (scores.iter().zip(labels).zip(weights))
        .filter(|((score, _), _)| curve.probability(**score).is_some())
        .map(|((score, label), weight)| (*score, *label, *weight))
        .collect();
    if rows.is_empty() {
        return 0.0;
    }
    let hurt: f64 = rows.iter().filter(|(_, label, _)| *label).map(|(_, _, weight)| weight).sum();
    let expected = |by: f64| {
        let moved = Beta { c: curve.c + by, ..*curve };
        rows.iter().filter_map(|(score, _, weight)| Some(weight * moved.probability(*score)?)).sum::<f64>()
    };
    let (mut low, mut high) = (-LEVEL_MOST, LEVEL_MOST);
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
