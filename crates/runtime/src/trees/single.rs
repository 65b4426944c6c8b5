//! A model of trees in memory, for who has its bytes and asks for sums and reasons rather than for an answer.

use super::shapley::Tables;
use super::{Summed, Trees};
use crate::Format;
use tidegate_core::model::Datatype;

/// Why trees are not read or explained, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TreeFault(String);

/// Trees of one output, ready to be summed and explained.
#[derive(Debug)]
pub struct TreeModel {
    trees: Trees,
    tables: Option<Tables>,
    with_pairs: bool,
}

impl TreeModel {
    /// Reads a model that XGBoost has written as JSON, or that looks as if.
    ///
    /// # Errors
    /// When it is none, or has several outputs.
    pub fn read(bytes: &[u8]) -> Result<TreeModel, TreeFault> {
        let trees = Trees::read(Format::XgboostJson, bytes).map_err(TreeFault)?;
        if trees.outputs != 1 {
            return Err(TreeFault(format!("it has {} outputs: one is taken", trees.outputs)));
        }
        // Where there are no tables, explanations are computed row by row.
        let tables = match &trees.summed {
            Summed::Forest(forest) => Tables::new(forest, 1, false).ok(),
            Summed::Line(_) => None,
        };
        Ok(TreeModel { trees, tables, with_pairs: false })
    }

    /// Makes ready for [`TreeModel::interactions`].
    ///
    /// # Errors
    /// When its trees are too wide for tables, or do not say how much of the training each node saw.
    pub fn with_interactions(mut self) -> Result<TreeModel, TreeFault> {
        let Summed::Forest(forest) = &self.trees.summed else {
            return Err(TreeFault("a linear model has no interactions".to_owned()));
        };
        self.tables = Some(Tables::new(forest, 1, true).map_err(TreeFault)?);
        self.with_pairs = true;
        Ok(self)
    }

    /// Values of a row.
    #[must_use]
    pub fn features(&self) -> usize {
        self.trees.features
    }

    /// Whether any tree asks for a feature; a linear model asks for all.
    #[must_use]
    pub fn uses(&self, feature: usize) -> bool {
        match &self.trees.summed {
            Summed::Forest(forest) => forest.asks(feature),
            Summed::Line(_) => feature < self.trees.features,
        }
    }

    /// The sums of rows, before any link, in the width in which they are answered; a last row that is not whole is left out.
    #[must_use]
    pub fn margins(&self, rows: &[f64]) -> Vec<f64> {
        self.trees.sums(&mut rows.to_vec(), self.trees.datatype)
    }

    /// The same sums in 64 bits: what contributions sum to. They differ from the answer's by its rounding, tree after tree.
    #[must_use]
    pub fn exact_margins(&self, rows: &[f64]) -> Vec<f64> {
        self.trees.sums(&mut rows.to_vec(), Datatype::Fp64)
    }

    /// What each feature adds to the sums of rows: `features + 1` numbers a row, the last one what is expected of no row in
    /// particular. They sum to [`TreeModel::exact_margins`].
    ///
    /// # Errors
    /// When rows are not whole, or the trees are not ones that are explained.
    pub fn contributions(&self, rows: &[f64]) -> Result<Vec<f64>, TreeFault> {
        let features = self.trees.features;
        if !rows.len().is_multiple_of(features) {
            return Err(TreeFault(format!("{} values are no rows of {features}", rows.len())));
        }
        let (Some(tables), Summed::Forest(forest)) = (&self.tables, &self.trees.summed) else {
            let rows = rows.chunks_exact(features).map(|row| self.trees.contributions(row).map_err(TreeFault));
            return Ok(rows.collect::<Result<Vec<_>, _>>()?.concat());
        };
        let mut values = vec![0.0; rows.len() / features * (features + 1)];
        tables.explain(forest, rows, features + 1, &mut values);
        let base = self.trees.base.first().copied().unwrap_or_default();
        for values in values.chunks_exact_mut(features + 1) {
            values.last_mut().into_iter().for_each(|last| *last += base);
        }
        Ok(values)
    }

    /// How features add to the sum of a row together: a square of `features` lines, symmetric; each line sums to what its feature adds.
    ///
    /// # Errors
    /// When the row has another length, or the model was not made ready.
    pub fn interactions(&self, row: &[f64]) -> Result<Vec<f64>, TreeFault> {
        let features = self.trees.features;
        if row.len() != features {
            return Err(TreeFault(format!("a row has {} values, the model takes {features}", row.len())));
        }
        match (&self.tables, &self.trees.summed) {
            (Some(tables), Summed::Forest(forest)) if self.with_pairs => {
                let mut square = vec![0.0; features * features];
                tables.interact(forest, row, &mut square);
                Ok(square)
            }
            _ => Err(TreeFault("make it ready for interactions first".to_owned())),
        }
    }
}
