//! Random forests: trees that each see some rows and some features, and whose shares are averaged.

use crate::Table;
use crate::boost::{self, NotTrained, TREES_MAX};
use crate::ensemble::{Ensemble, Meaning, Tree};
use forust_ml::GradientBooster;
use forust_ml::gradientbooster::GrowPolicy;
use forust_ml::objective::ObjectiveType;
use tidegate_stats::rng::Rng;

/// How a forest is grown.
#[derive(Clone, Debug, PartialEq)]
pub struct Growing {
    /// How many trees.
    pub trees: usize,
    /// Splits from root to leaf.
    pub depth: usize,
    /// Least number of rows in a leaf.
    pub leaf_rows: f32,
    /// Share of the features that each tree sees.
    pub columns: f64,
    /// Where chance begins.
    pub seed: u64,
}

impl Default for Growing {
    fn default() -> Growing {
        Growing { trees: 100, depth: 10, leaf_rows: 5.0, columns: 0.6, seed: 0 }
    }
}

/// Grows a forest; its sums are shares of rows that hurt. Rows are drawn with replacement, by a weight that counts them.
///
/// # Errors
/// When the rows are of one kind, the weights do not fit, or a setting means nothing.
pub fn train(table: &Table, weights: &[f64], settings: &Growing) -> Result<Ensemble, NotTrained> {
    boost::check(table, weights)?;
    let wrong = |name, expected| Err(NotTrained::Setting { name, expected });
    if settings.trees == 0 || settings.trees > TREES_MAX {
        return wrong("trees", "1 to 10,000 trees");
    }
    if settings.depth == 0 || settings.depth > boost::DEPTH_MAX {
        return wrong("depth", "1 to 12 splits");
    }
    if !(settings.columns > 0.0 && settings.columns <= 1.0) {
        return wrong("columns", "a share above 0, at most 1");
    }
    let labels: Vec<f64> = table.labels().iter().map(|label| f64::from(u8::from(*label))).collect();
    let mut rng = Rng::new(settings.seed);
    let mut grown = Ensemble { features: table.width(), trees: Vec::new(), base: 0.0, meaning: Meaning::Value };
    for number in 0..settings.trees {
        let mut drawn = vec![0_u32; table.len()];
        for _ in 0..table.len() {
            let row = usize::try_from(rng.below(table.len() as u64)).unwrap_or_default();
            drawn.get_mut(row).into_iter().for_each(|count| *count += 1);
        }
        let tree = one(table, &labels, weights, &drawn, settings, number as u64)?;
        grown.trees.push(tree);
    }
    let share = 1.0 / settings.trees as f32;
    let leaves = grown.trees.iter_mut().flat_map(|tree| &mut tree.nodes).filter(|node| node.children.is_none());
    leaves.for_each(|leaf| leaf.value *= share);
    Ok(grown)
}

/// A tree of the rows that were drawn.
fn one(table: &Table, labels: &[f64], weights: &[f64], drawn: &[u32], settings: &Growing, number: u64) -> Result<Tree, NotTrained> {
    let kept: Vec<usize> = drawn.iter().enumerate().filter(|(_, count)| **count > 0).map(|(row, _)| row).collect();
    let at = |values: &[f64], row: usize| values.get(row).copied().unwrap_or_default();
    let values: Vec<f64> = (0..table.width())
        .flat_map(|column| kept.iter().map(move |row| (column, *row)))
        .map(|(column, row)| f64::from(crate::ensemble::single(table.row(row).get(column).copied().unwrap_or(f64::NAN))))
        .collect();
    let labels: Vec<f64> = kept.iter().map(|row| at(labels, *row)).collect();
    let counts = kept.iter().map(|row| at(weights, *row) * f64::from(drawn.get(*row).copied().unwrap_or_default()));
    let counts: Vec<f64> = counts.collect();
    let least = 1.0 / table.width() as f64 + 1e-9;
    let mut booster = GradientBooster::default();
    booster.objective_type = ObjectiveType::SquaredLoss;
    booster.iterations = 1;
    booster.learning_rate = 1.0;
    booster.max_depth = settings.depth;
    booster.min_leaf_weight = settings.leaf_rows;
    booster.l2 = 0.0;
    booster.colsample_bytree = settings.columns.max(least).min(1.0);
    booster.grow_policy = GrowPolicy::DepthWise;
    booster.base_score = 0.0;
    booster.initialize_base_score = false;
    booster.parallel = false;
    booster.seed = settings.seed ^ tidegate_stats::rng::mix(number);
    boost::fit(&mut booster, &values, (kept.len(), table.width()), &labels, &counts)?;
    booster.trees.first().map_or_else(|| Err(NotTrained::Trees("no tree grew".to_owned())), boost::tree)
}
