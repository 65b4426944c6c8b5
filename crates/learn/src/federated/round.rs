//! What is asked of all sites, and told to them before.

use crate::logistic::Logistic;
use serde::{Deserialize, Serialize};

/// Which rows of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// All but its youngest ones, which judge what was learnt from these.
    Earlier,
    /// All.
    All,
}

/// One question, the same for every site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// One more than that of the round before.
    pub number: u64,
    /// What has been decided since, in its order.
    pub news: Vec<News>,
    /// What sums are asked for.
    pub ask: Ask,
    /// How many numbers the answer has.
    pub values: usize,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum News {
    /// Where the values of each feature are cut.
    Edges(Vec<Vec<f32>>),
    /// Features that so few rows of this part have that the regression leaves them out: sums of them would be of single rows.
    Rare(Part, Vec<u16>),
    /// A tree begins.
    Tree {
        /// Of which rows.
        part: Part,
        /// Which time that trees are boosted.
        bag: usize,
        /// Which tree of it.
        tree: usize,
        /// The log odds before its first tree.
        start: f32,
    },
    /// Rows of a node part: its children are the next two nodes.
    Split {
        /// Which node.
        node: u32,
        /// By which feature.
        feature: u16,
        /// Rows of this bin and those before it go left.
        bin: u16,
        /// Whether what is missing goes left.
        missing_left: bool,
    },
    /// The tree is done: what each of its leaves adds.
    Leaves(Vec<(u32, f32)>),
}

/// Sums that are asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// Rows, weights and outcomes; for each feature the rows in each cell of the grid; and how many of the earlier rows have it.
    Spread,
    /// Rows in the parts of these cells, for each feature.
    Parts(Vec<Vec<u16>>),
    /// For each feature the weight of what is known, and the sum of its logarithms.
    Means(Part),
    /// For each feature the sum of the squares about these means.
    Squares(Part, Vec<f64>),
    /// A step of the regression: gradient, and the upper triangle of the curvature.
    Step(Part, Logistic),
    /// Rows in each bin of each feature of the tree, for each of these nodes.
    Counts(Vec<u32>),
    /// Sums of slopes and bends over these cells.
    Slopes(Vec<Cells>),
    /// Rows that were held out, by their score.
    Scores(Logistic),
    /// How many of them hurt, in cells that end here.
    Outcomes(Vec<u16>),
}

/// Cells of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cells {
    /// Which node.
    pub node: u32,
    /// For each feature of the tree where its cells end, in bins; none where the feature is not asked.
    pub ends: Vec<Vec<u16>>,
    /// For each feature of the tree whether what is missing has a cell of its own, behind the others; else it lies in the first one.
    pub missing: Vec<bool>,
}

impl Cells {
    /// Numbers of its answer.
    #[must_use]
    pub fn values(&self) -> usize {
        self.ends
            .iter()
            .zip(&self.missing)
            .filter(|(ends, _)| !ends.is_empty())
            .map(|(ends, missing)| 2 * (ends.len() + usize::from(*missing)))
            .sum()
    }
}
