//! Gradient-boosted trees, by `forust-ml` (docs/decisions/0015-trees-of-our-own-training.md), as an [`Ensemble`].
//!
//! One thread and seeded: the same table, settings and seed give the same bytes. Values are rounded to 32 bits before they are
//! learnt from, since the file compares in 32 bits.

use crate::Table;
use crate::ensemble::{Ensemble, Meaning, Node, Tree, single};
use crate::monotone::{self, Way};
use forust_ml::constraints::Constraint;
use forust_ml::gradientbooster::GrowPolicy;
use forust_ml::objective::ObjectiveType;
use forust_ml::sampler::SampleMethod;
use forust_ml::{GradientBooster, Matrix};
use serde::{Deserialize, Serialize};

/// Trees of one model.
pub const TREES_MAX: usize = 10_000;
/// Splits from root to leaf: explanations are exact and fast up to here.
pub const DEPTH_MAX: usize = 12;
/// Least distance of a base rate from 0 and 1: a table of one label still has odds.
const BASE_MARGIN: f64 = 1e-4;

/// How trees are boosted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boosting {
    /// How many.
    pub trees: usize,
    /// What each adds, of what it could.
    pub rate: f32,
    /// Splits from root to leaf.
    pub depth: usize,
    /// Leaves of a tree.
    pub leaves: usize,
    /// Least weight of a leaf, in rows of a chance of one half, of which four make 1.
    pub leaf_weight: f32,
    /// Penalty on the square of leaves.
    pub l2: f32,
    /// Share of the rows that each tree sees.
    pub rows: f32,
    /// Share of the features that each tree sees.
    pub columns: f64,
    /// Where chance begins.
    pub seed: u64,
}

impl Default for Boosting {
    /// Two hundred trees of fifteen leaves: what a boosted model is where nobody tuned it.
    fn default() -> Boosting {
        Boosting { trees: 200, rate: 0.05, depth: 8, leaves: 15, leaf_weight: 5.0, l2: 1.0, rows: 1.0, columns: 1.0, seed: 0 }
    }
}

/// Why nothing was trained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotTrained {
    /// Rows of one kind teach nothing.
    #[error("train on {rows} rows, {hurt} of which hurt: rows of both kinds are needed")]
    Labels {
        /// How many rows.
        rows: usize,
        /// How many hurt.
        hurt: usize,
    },
    /// Another number of weights.
    #[error("train on {rows} rows with {weights} weights: give one positive, finite weight a row")]
    Weights {
        /// How many rows.
        rows: usize,
        /// How many usable weights.
        weights: usize,
    },
    /// A setting that means nothing.
    #[error("setting `{name}`: {expected}")]
    Setting {
        /// Which.
        name: &'static str,
        /// What is taken.
        expected: &'static str,
    },
    /// A feature that is held to a direction is not there, or is held twice.
    #[error("setting `held`: `{feature}` is no feature of the table, or is named twice: name each feature once, as the table does")]
    Held {
        /// Which.
        feature: String,
    },
    /// The library says no.
    #[error("train trees: {0}")]
    Trees(String),
}

pub(crate) fn check(table: &Table, weights: &[f64]) -> Result<(), NotTrained> {
    let hurt = table.labels().iter().filter(|label| **label).count();
    if hurt == 0 || hurt == table.len() {
        return Err(NotTrained::Labels { rows: table.len(), hurt });
    }
    let usable = weights.iter().filter(|weight| **weight > 0.0 && weight.is_finite()).count();
    if usable != weights.len() || weights.len() != table.len() {
        return Err(NotTrained::Weights { rows: table.len(), weights: usable });
    }
    Ok(())
}

impl Boosting {
    pub(crate) fn check(&self) -> Result<(), NotTrained> {
        let wrong = |name, expected| Err(NotTrained::Setting { name, expected });
        let share = |share: f64| share > 0.0 && share <= 1.0;
        match self {
            _ if self.trees == 0 || self.trees > TREES_MAX => wrong("trees", "1 to 10,000 trees"),
            _ if !(self.rate > 0.0 && self.rate <= 1.0) => wrong("rate", "above 0, at most 1"),
            _ if self.depth == 0 || self.depth > DEPTH_MAX => wrong("depth", "1 to 12 splits"),
            _ if self.leaves < 2 => wrong("leaves", "at least 2"),
            _ if !(self.leaf_weight >= 0.0 && self.leaf_weight.is_finite()) => wrong("leaf_weight", "0 or more"),
            _ if !(self.l2 >= 0.0 && self.l2.is_finite()) => wrong("l2", "0 or more"),
            _ if !share(f64::from(self.rows)) => wrong("rows", "a share above 0, at most 1"),
            _ if !share(self.columns) => wrong("columns", "a share above 0, at most 1"),
            _ => Ok(()),
        }
    }

    fn booster(&self, features: usize) -> GradientBooster {
        // The library rounds the number of features down, to none where there are few.
        let least = 1.0 / features as f64 + 1e-9;
        let mut booster = GradientBooster::default();
        booster.objective_type = ObjectiveType::LogLoss;
        booster.iterations = self.trees;
        booster.learning_rate = self.rate;
        booster.max_depth = self.depth;
        booster.max_leaves = self.leaves;
        booster.min_leaf_weight = self.leaf_weight;
        booster.l2 = self.l2;
        booster.subsample = self.rows;
        booster.sample_method = if self.rows < 1.0 { SampleMethod::Random } else { SampleMethod::None };
        booster.colsample_bytree = self.columns.max(least).min(1.0);
        booster.grow_policy = GrowPolicy::LossGuide;
        booster.initialize_base_score = false;
        booster.parallel = false;
        booster.seed = self.seed;
        booster
    }
}

/// Values column after column in 32 bits, as the library wants them.
pub(crate) fn columns(table: &Table) -> Vec<f64> {
    (0..table.width()).flat_map(|column| table.values(column).map(|value| f64::from(single(value)))).collect()
}

/// Boosts trees on the log odds of the label.
///
/// # Errors
/// When the rows are of one kind, the weights do not fit, or a setting means nothing.
pub fn train(table: &Table, weights: &[f64], settings: &Boosting) -> Result<Ensemble, NotTrained> {
    train_held(table, weights, settings, &[])
}

/// The same, with features that are held to a direction: one way a column, or none at all.
pub(crate) fn train_held(table: &Table, weights: &[f64], settings: &Boosting, ways: &[Option<Way>]) -> Result<Ensemble, NotTrained> {
    settings.check()?;
    check(table, weights)?;
    let (whole, hurt) =
        weights.iter().zip(table.labels()).fold((0.0, 0.0), |(whole, hurt), (w, label)| (whole + w, if *label { hurt + w } else { hurt }));
    let base = single((hurt / whole).clamp(BASE_MARGIN, 1.0 - BASE_MARGIN));
    let mut ensemble = Ensemble { features: table.width(), trees: Vec::new(), base, meaning: Meaning::LogOdds };
    let mut booster = settings.booster(table.width());
    booster.base_score = f64::from(ensemble.start());
    let labels: Vec<f64> = table.labels().iter().map(|label| f64::from(u8::from(*label))).collect();
    let mut values = columns(table);
    if ways.iter().any(Option::is_some) {
        booster.monotone_constraints =
            Some(ways.iter().enumerate().filter_map(|(column, way)| Some((column, constraint((*way)?)))).collect());
        let left_out = ways.iter().enumerate().filter(|(_, way)| **way == Some(Way::Nothing)).map(|(column, _)| column);
        // What is one value everywhere is never asked for.
        left_out.for_each(|column| {
            values.iter_mut().skip(column * table.len()).take(table.len()).for_each(|value| *value = 0.0);
        });
    }
    fit(&mut booster, &values, (table.len(), table.width()), &labels, weights)?;
    ensemble.trees = booster.trees.iter().map(tree).collect::<Result<_, _>>()?;
    ensemble.trees.iter_mut().for_each(|tree| monotone::hold(tree, ways));
    Ok(ensemble)
}

fn constraint(way: Way) -> Constraint {
    match way {
        Way::Raises => Constraint::Positive,
        Way::Lowers => Constraint::Negative,
        Way::Nothing => Constraint::Unconstrained,
    }
}

pub(crate) fn fit(
    booster: &mut GradientBooster,
    values: &[f64],
    (rows, width): (usize, usize),
    labels: &[f64],
    weights: &[f64],
) -> Result<(), NotTrained> {
    let matrix = Matrix::new(values, rows, width);
    booster.fit(&matrix, labels, weights, None).map_err(|why| NotTrained::Trees(why.to_string()))
}

/// A tree of the library as ours.
pub(crate) fn tree(from: &forust_ml::tree::Tree) -> Result<Tree, NotTrained> {
    let place = |n: usize| u32::try_from(n).map_err(|_| NotTrained::Trees(format!("a node stands at {n}")));
    let mut nodes = Vec::with_capacity(from.nodes.len());
    for node in &from.nodes {
        let children = if node.is_leaf { None } else { Some((place(node.left_child)?, place(node.right_child)?)) };
        nodes.push(Node {
            feature: if node.is_leaf { 0 } else { place(node.split_feature)? },
            value: if node.is_leaf { node.weight_value } else { threshold(node.split_value) },
            missing_left: node.missing_node == node.left_child,
            cover: node.hessian_sum,
            children,
        });
    }
    Ok(Tree { nodes })
}

/// The least number of 32 bits that is no less: values of 32 bits lie below both, or below none.
fn threshold(cut: f64) -> f32 {
    let near = single(cut);
    if f64::from(near) < cut { near.next_up() } else { near }
}
