//! What a model says of one change. What is not known of it never lowers its risk.
//!
//! A missing value is answered for by values that the training had, from its least to its greatest: feature after feature, in
//! their order, the one that makes the risk highest is taken. The lower end of the interval comes from the ones that make it
//! lowest, so it is wider by all that the value would have told.

use super::{RiskModel, chance};
use serde::Serialize;
use tidegate_stats::calibration::LabelSet;

/// What is said of a change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// The probability that it hurts.
    pub probability: f64,
    /// Where that probability lies, by what is left open: lower and upper end.
    pub interval: [f64; 2],
    /// Share of the training's later changes that scored no higher.
    pub rank: f64,
    /// Whether it can be told, to the level of the model: hurts, does not, either, or like nothing that was seen.
    pub labels: LabelSet,
    /// Names of features that were missing.
    pub missing: Vec<String>,
    /// Log odds before anything is known of a change.
    pub base: f64,
    /// What each feature adds to the log odds, most first. With `base` they sum to `margin`.
    pub contributions: Vec<Contribution>,
    /// The log odds, before calibration.
    pub margin: f64,
}

/// What one feature adds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// Which.
    pub feature: String,
    /// Its value, or what stands for it.
    pub value: f64,
    /// What it adds to the log odds.
    pub log_odds: f64,
    /// Whether another value stands for it, or for one that it is made of.
    pub assumed: bool,
}

/// A row that is none of the model's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongRow {
    /// Of another length.
    #[error("score a change: it has {got} values, the model takes {expected}; see its `features`")]
    Width {
        /// Values that it has.
        got: usize,
        /// Values that the model takes.
        expected: usize,
    },
    /// Neither a number nor missing.
    #[error("score a change: `{0}` is infinite; leave out what is not known")]
    Infinite(String),
    /// Its trees do not say why.
    #[error("score a change: {0}")]
    Trees(String),
}

impl RiskModel {
    pub(super) fn margin(&self, row: &[f64]) -> f64 {
        let row = super::row(row, &self.parts.derived);
        let trees = self.trees.exact_margins(&row).first().copied().unwrap_or_default();
        (1.0 - self.parts.logistic_share) * trees + self.parts.logistic_share * self.parts.logistic.margin(&row)
    }

    /// The row with values in place of those that are missing: those that make the risk highest, or lowest.
    pub(super) fn complete(&self, row: &[f64], missing: &[usize], highest: bool) -> Vec<f64> {
        let mut row = row.to_vec();
        let middle = |column: usize| self.parts.stand_ins.get(column).and_then(|some| some.get(some.len() / 2)).copied();
        for column in missing {
            row.get_mut(*column).into_iter().for_each(|cell| *cell = middle(*column).unwrap_or_default());
        }
        for column in missing {
            let mut best: Option<(f64, f64)> = None;
            for value in self.parts.stand_ins.get(*column).into_iter().flatten() {
                row.get_mut(*column).into_iter().for_each(|cell| *cell = *value);
                let margin = if highest { self.margin(&row) } else { -self.margin(&row) };
                if best.is_none_or(|(most, _)| margin > most) {
                    best = Some((margin, *value));
                }
            }
            row.get_mut(*column).into_iter().for_each(|cell| *cell = best.map_or(*cell, |(_, value)| value));
        }
        row
    }

    /// The probability that a change hurts, and nothing else: what is asked many times over.
    ///
    /// # Errors
    /// When the row is none of the model's.
    pub fn probability(&self, row: &[f64]) -> Result<f64, WrongRow> {
        let missing = self.missing(row)?;
        Ok(self.calibrated(self.margin(&self.complete(row, &missing, true))))
    }

    /// Everything that is said of a change.
    ///
    /// # Errors
    /// When the row is none of the model's.
    pub fn score(&self, row: &[f64]) -> Result<Score, WrongRow> {
        let missing = self.missing(row)?;
        let highest = self.complete(row, &missing, true);
        let margin = self.margin(&highest);
        let probability = self.calibrated(margin);
        let lowest = if missing.is_empty() { margin } else { self.margin(&self.complete(row, &missing, false)) };
        let ends = |margin: f64| self.parts.venn_abers.interval(chance(margin));
        // The curve is smooth where the interval has steps: it may lie beside it, and is part of it all the same.
        let low = ends(lowest).map_or(0.0, |ends| ends.low).min(probability).min(self.calibrated(lowest));
        let high = ends(margin).map_or(1.0, |ends| ends.high).max(probability);
        let score = chance(margin);
        let below = self.parts.ranks.partition_point(|other| *other <= score);
        let (base, contributions) = self.contributions(&highest, &missing)?;
        Ok(Score {
            probability,
            interval: [low, high],
            rank: below as f64 / self.parts.ranks.len() as f64,
            labels: self.parts.label_sets.labels(probability),
            missing: missing.iter().filter_map(|column| self.parts.features.get(*column).cloned()).collect(),
            base,
            contributions,
            margin,
        })
    }

    pub(super) fn missing(&self, row: &[f64]) -> Result<Vec<usize>, WrongRow> {
        let expected = self.parts.features.len();
        if row.len() != expected {
            return Err(WrongRow::Width { got: row.len(), expected });
        }
        if let Some((name, _)) = self.parts.features.iter().zip(row).find(|(_, value)| value.is_infinite()) {
            return Err(WrongRow::Infinite(name.clone()));
        }
        Ok(row.iter().enumerate().filter(|(_, value)| value.is_nan()).map(|(column, _)| column).collect())
    }

    fn calibrated(&self, margin: f64) -> f64 {
        let score = chance(margin);
        self.parts.curve.probability(score).unwrap_or(score)
    }

    fn contributions(&self, row: &[f64], missing: &[usize]) -> Result<(f64, Vec<Contribution>), WrongRow> {
        let (parts, whole) = (&self.parts, super::row(row, &self.parts.derived));
        let trees = self.trees.contributions(&whole).map_err(|why| WrongRow::Trees(why.to_string()))?;
        let share = parts.logistic_share;
        let base = (1.0 - share) * trees.last().copied().unwrap_or_default() + share * parts.logistic.intercept;
        let own = parts.features.iter().enumerate().map(|(column, name)| (name, missing.contains(&column)));
        let made = parts.derived.iter().map(|one| (&one.name, missing.contains(&one.first) || missing.contains(&one.second)));
        let added = trees.iter().zip(parts.logistic.contributions(&whole)).map(|(tree, line)| (1.0 - share) * tree + share * line);
        let named = own.chain(made).zip(whole.iter().zip(added));
        let mut contributions: Vec<Contribution> = named
            .map(|((feature, assumed), (value, log_odds))| Contribution { feature: feature.clone(), value: *value, log_odds, assumed })
            .collect();
        contributions.sort_by(|one, other| other.log_odds.abs().total_cmp(&one.log_odds.abs()));
        Ok((base, contributions))
    }
}
