//! Trees as they come out of a trainer, and as XGBoost writes them: what `tidegate-runtime` reads, serves and explains.
//!
//! All sums are numbers of 32 bits, added tree after tree, which is how the file is answered.

use serde_json::{Value, json};

/// A split or a leaf. Children are places in the same tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Which feature is asked; of a leaf 0.
    pub feature: u32,
    /// What is below goes left. Of a leaf: its value.
    pub value: f32,
    /// Places of the children; none of a leaf.
    pub children: Option<(u32, u32)>,
    /// Whether what is missing goes left.
    pub missing_left: bool,
    /// How much of the training it saw.
    pub cover: f32,
}

/// A tree that begins at its first node.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Tree {
    /// Its nodes.
    pub nodes: Vec<Node>,
}

/// What sums mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Log odds.
    LogOdds,
    /// A value itself: a share that trees agree on.
    Value,
}

/// Trees whose leaves are summed.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    /// Values of a row.
    pub features: usize,
    /// The trees, in the order in which they are summed.
    pub trees: Vec<Tree>,
    /// Where sums begin, in the space of predictions: a probability for log odds.
    pub base: f32,
    /// What sums mean.
    pub meaning: Meaning,
}

impl Tree {
    fn leaf(&self, row: &[f64]) -> f32 {
        let mut at = 0;
        // A tree of `n` nodes is left after `n` steps at the latest, whatever its children say.
        for _ in 0..self.nodes.len() {
            let Some(node) = self.nodes.get(at) else { return 0.0 };
            let Some((left, right)) = node.children else { return node.value };
            let value = row.get(node.feature as usize).map_or(f32::NAN, |value| single(*value));
            let goes_left = if value.is_nan() { node.missing_left } else { value < node.value };
            at = if goes_left { left } else { right } as usize;
        }
        0.0
    }
}

impl Ensemble {
    /// Where sums begin.
    #[must_use]
    pub fn start(&self) -> f32 {
        match self.meaning {
            Meaning::Value => self.base,
            // As XGBoost computes it, in its width.
            Meaning::LogOdds => -libm::logf(1.0 / self.base - 1.0),
        }
    }

    /// The sum of a row.
    #[must_use]
    pub fn margin(&self, row: &[f64]) -> f32 {
        self.trees.iter().fold(self.start(), |sum, tree| sum + tree.leaf(row))
    }

    /// One ensemble that says what several say on average. They share features and meaning.
    #[must_use]
    pub fn mean(several: &[Ensemble]) -> Option<Ensemble> {
        let first = several.first()?;
        if several.iter().any(|one| (one.features, one.meaning) != (first.features, first.meaning)) {
            return None;
        }
        let share = 1.0 / several.len() as f32;
        let mut trees = Vec::new();
        for tree in several.iter().flat_map(|one| &one.trees) {
            let mut tree = tree.clone();
            tree.nodes.iter_mut().filter(|node| node.children.is_none()).for_each(|leaf| leaf.value *= share);
            trees.push(tree);
        }
        let base = several.iter().map(|one| one.base * share).sum();
        Some(Ensemble { features: first.features, trees, base, meaning: first.meaning })
    }

    /// The bytes of a model file of XGBoost 3 in JSON.
    #[must_use]
    pub fn to_xgboost_json(&self) -> Vec<u8> {
        let objective = match self.meaning {
            Meaning::LogOdds => json!({"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}}),
            Meaning::Value => json!({"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}),
        };
        let trees: Vec<Value> = self.trees.iter().enumerate().map(|(id, tree)| tree.to_json(id, self.features)).collect();
        let count = trees.len();
        let file = json!({
            "learner": {
                "attributes": {},
                "feature_names": [],
                "feature_types": [],
                "gradient_booster": {
                    "model": {
                        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": count.to_string()},
                        "iteration_indptr": (0..=count).collect::<Vec<_>>(),
                        "tree_info": vec![0; count],
                        "trees": trees,
                    },
                    "name": "gbtree",
                },
                "learner_model_param": {
                    "base_score": self.base.to_string(),
                    "boost_from_average": "1",
                    "num_class": "0",
                    "num_feature": self.features.to_string(),
                    "num_target": "1",
                },
                "objective": objective,
            },
            "version": [3, 2, 0],
        });
        file.to_string().into_bytes()
    }
}

impl Tree {
    fn to_json(&self, id: usize, features: usize) -> Value {
        let none = i64::from(i32::MAX);
        let mut parents = vec![none; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            for child in node.children.iter().flat_map(|(left, right)| [*left, *right]) {
                if let Some(parent) = parents.get_mut(child as usize) {
                    *parent = i64::try_from(at).unwrap_or(none);
                }
            }
        }
        let each = |of: &dyn Fn(&Node) -> Value| Value::Array(self.nodes.iter().map(of).collect());
        let child = |of: fn(&(u32, u32)) -> u32| each(&|node| node.children.as_ref().map_or(json!(-1), |children| json!(of(children))));
        // Only splits have a weight of their own in memory; readers look at it for leaves alone.
        json!({
            "base_weights": each(&|node| if node.children.is_none() { json!(node.value) } else { json!(0.0) }),
            "categories": [],
            "categories_nodes": [],
            "categories_segments": [],
            "categories_sizes": [],
            "default_left": each(&|node| json!(u8::from(node.missing_left && node.children.is_some()))),
            "id": id,
            "left_children": child(|children| children.0),
            "loss_changes": each(&|_| json!(0.0)),
            "parents": parents,
            "right_children": child(|children| children.1),
            "split_conditions": each(&|node| json!(node.value)),
            "split_indices": each(&|node| json!(node.feature)),
            "split_type": each(&|_| json!(0)),
            "sum_hessian": each(&|node| json!(node.cover)),
            "tree_param": {
                "num_deleted": "0",
                "num_feature": features.to_string(),
                "num_nodes": self.nodes.len().to_string(),
                "size_leaf_vector": "1",
            },
        })
    }
}

/// To the nearest number of 32 bits: what a file's thresholds are compared with.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
pub(crate) fn single(value: f64) -> f32 {
    value as f32
}
