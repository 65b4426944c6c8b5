//! What else can be asked of a model about one row: its log odds alone, where it lies among others, and which features move the odds together.

use super::{RiskModel, WrongRow};
use crate::TreeModel;

/// The trees of a model, ready to say what features add together. It is made once: its tables are larger than those of single features.
#[derive(Debug)]
pub struct Pairs(TreeModel);

/// What two features add to the log odds together, beyond what each adds alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Together {
    /// The one.
    pub first: String,
    /// The other.
    pub second: String,
    /// What they add. It is part of what is told of each of the two, half in each.
    pub log_odds: f64,
}

impl RiskModel {
    /// The log odds of a row before calibration: what contributions sum to.
    ///
    /// # Errors
    /// When the row is none of the model's.
    pub fn log_odds(&self, row: &[f64]) -> Result<f64, WrongRow> {
        let missing = self.missing(row)?;
        Ok(self.margin(&self.complete(row, &missing, true)))
    }

    /// Where a row lies among others: each value and each that is made of them as its logarithm, less the mean of the training and over its deviation. What
    /// is missing lies at the mean.
    ///
    /// # Errors
    /// When the row is none of the model's.
    pub fn scaled(&self, row: &[f64]) -> Result<Vec<f64>, WrongRow> {
        self.missing(row)?;
        let whole = super::row(row, &self.parts.derived);
        Ok(self.parts.logistic.terms.iter().zip(&whole).map(|(term, value)| term.scaled(*value)).collect())
    }

    /// Makes ready for [`RiskModel::together`].
    ///
    /// # Errors
    /// When its trees are too wide for it.
    pub fn pairs(&self) -> Result<Pairs, WrongRow> {
        let trees = TreeModel::read(&self.trees_json).and_then(TreeModel::with_interactions);
        Ok(Pairs(trees.map_err(|why| WrongRow::Trees(why.to_string()))?))
    }

    /// What pairs of features add to the log odds of a row, most first; those that add nothing are left out. The line has none: its terms are
    /// added.
    ///
    /// # Errors
    /// When the row is none of the model's.
    pub fn together(&self, pairs: &Pairs, row: &[f64]) -> Result<Vec<Together>, WrongRow> {
        let missing = self.missing(row)?;
        let whole = super::row(&self.complete(row, &missing, true), &self.parts.derived);
        let square = pairs.0.interactions(&whole).map_err(|why| WrongRow::Trees(why.to_string()))?;
        let width = whole.len();
        let names: Vec<&String> = self.parts.features.iter().chain(self.parts.derived.iter().map(|one| &one.name)).collect();
        let at = |line: usize, column: usize| square.get(line * width + column).copied().unwrap_or_default();
        let mut found = Vec::new();
        for (line, first) in names.iter().enumerate() {
            for (column, second) in names.iter().enumerate().skip(line + 1) {
                let log_odds = (1.0 - self.parts.logistic_share) * (at(line, column) + at(column, line));
                if log_odds != 0.0 {
                    found.push(Together { first: (*first).clone(), second: (*second).clone(), log_odds });
                }
            }
        }
        found.sort_by(|one, other| other.log_odds.abs().total_cmp(&one.log_odds.abs()));
        Ok(found)
    }
}
