//! Shapley values of trees by tables: what [`super::explain`] computes for each row anew, computed once a leaf.
//!
//! A leaf's part in the value of a feature depends on the row in one way alone: which features on the way to it point to it. Of
//! `d` features on the way there are `2^d` such answers, and a row picks one of them. Interaction values (Lundberg and others,
//! "From local explanations to global understanding with explainable AI for trees", 2020) are tables of pairs, in the same way.

use super::forest::{Forest, Place};

/// Features on the way to one leaf, of models that have tables.
const WAY_MAX: usize = 10;
/// Numbers in all tables of a model: 256 MB.
const NUMBERS_MAX: usize = 1 << 25;
/// Rows that walk over a tree while its tables are at hand.
const BLOCK_ROWS: usize = 64;
/// A split on a feature that is new on its way.
const FRESH: u32 = 1 << 31;

/// A node, as the walk that collects answers sees it.
#[derive(Debug)]
enum Walk {
    /// Which bit its feature has on its way, and where the right child stands in the tree.
    Split { bit: u32, right: u32 },
    /// Where its tables begin, and where its features do.
    Leaf { values: u32, pairs: u32, features: u32, count: u32 },
}

/// One tree.
#[derive(Debug)]
struct Tree {
    root: usize,
    output: usize,
    walk: Vec<Walk>,
}

/// The tables of a model.
#[derive(Debug)]
pub(super) struct Tables {
    trees: Vec<Tree>,
    values: Vec<f64>,
    /// Of interactions; empty where nobody asked for them.
    pairs: Vec<f64>,
    features: Vec<u32>,
    /// What is expected of no row in particular, output after output, without the base.
    expected: Vec<f64>,
}

/// A feature on the way to a leaf, and the share of the training that goes on where it is not known.
#[derive(Clone, Copy)]
struct Known {
    feature: usize,
    share: f64,
}

impl Tables {
    /// The tables of a forest of some outputs; the error is a sentence on why there are none.
    pub(super) fn new(forest: &Forest, outputs: usize, with_pairs: bool) -> Result<Tables, String> {
        let mut tables =
            Tables { trees: Vec::new(), values: Vec::new(), pairs: Vec::new(), features: Vec::new(), expected: vec![0.0; outputs] };
        for (root, output) in forest.roots() {
            let mut tree = Tree { root, output, walk: Vec::new() };
            tables.plant(forest, root, &[], 1.0, with_pairs, &mut tree)?;
            tables.trees.push(tree);
        }
        Ok(tables)
    }

    fn plant(&mut self, forest: &Forest, at: usize, way: &[Known], share: f64, with_pairs: bool, tree: &mut Tree) -> Result<(), String> {
        match forest.place(at)? {
            Place::Leaf(value) => {
                self.expected.get_mut(tree.output).into_iter().for_each(|expected| *expected += share * value);
                let leaf = self.leaf(way, value, with_pairs)?;
                tree.walk.push(leaf);
                Ok(())
            }
            Place::Split { feature, right, left_share, right_share } => {
                let known = way.iter().position(|known| known.feature == feature);
                if known.is_none() && way.len() == WAY_MAX {
                    return Err(format!("more than {WAY_MAX} features lie on the way to a leaf"));
                }
                let bit = known.map_or_else(|| FRESH | small(way.len()), small);
                let place = tree.walk.len();
                tree.walk.push(Walk::Split { bit, right: 0 });
                let longer = |part: f64| {
                    let mut way = way.to_vec();
                    match known.and_then(|known| way.get_mut(known)) {
                        Some(known) => known.share *= part,
                        None => way.push(Known { feature, share: part }),
                    }
                    way
                };
                self.plant(forest, at + 1, &longer(left_share), share * left_share, with_pairs, tree)?;
                let stands = small(tree.walk.len());
                if let Some(Walk::Split { right, .. }) = tree.walk.get_mut(place) {
                    *right = stands;
                }
                self.plant(forest, right, &longer(right_share), share * right_share, with_pairs, tree)
            }
        }
    }

    /// Writes the tables of a leaf.
    fn leaf(&mut self, way: &[Known], value: f64, with_pairs: bool) -> Result<Walk, String> {
        let (count, answers) = (way.len(), 1_usize << way.len());
        let pairs = if with_pairs { count * count.saturating_sub(1) / 2 } else { 0 };
        if self.values.len() + self.pairs.len() + answers * (count + pairs) > NUMBERS_MAX {
            return Err(format!("its tables have more than {NUMBERS_MAX} numbers"));
        }
        let leaf = Walk::Leaf {
            values: small(self.values.len()),
            pairs: small(self.pairs.len()),
            features: small(self.features.len()),
            count: small(count),
        };
        self.features.extend(way.iter().map(|known| small(known.feature)));
        let gain = |answer: usize, at: usize| {
            let share = way.get(at).map_or(0.0, |known| known.share);
            if answer >> at & 1 == 1 { 1.0 - share } else { -share }
        };
        for (one, answer) in (0..count).flat_map(|one| (0..answers).map(move |answer| (one, answer))) {
            self.values.push(value * gain(answer, one) * weigh(way, answer, &[one]));
        }
        for answer in 0..if with_pairs { answers } else { 0 } {
            for (one, other) in (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other))) {
                self.pairs.push(0.5 * value * gain(answer, one) * gain(answer, other) * weigh(way, answer, &[one, other]));
            }
        }
        Ok(leaf)
    }

    /// Calls back for each leaf of a tree with the answer that a row picks there.
    fn answers(tree: &Tree, forest: &Forest, row: &[f64], masks: &mut Vec<u32>, mut leaf: impl FnMut(&Walk, usize)) {
        // Each place but the root's is written before it is read: a parent stands before its children.
        masks.resize(tree.walk.len().max(masks.len()), 0);
        masks.first_mut().into_iter().for_each(|mask| *mask = 0);
        for (at, walk) in tree.walk.iter().enumerate() {
            let mask = masks.get(at).copied().unwrap_or_default();
            match walk {
                Walk::Leaf { .. } => leaf(walk, mask as usize),
                Walk::Split { bit, right } => {
                    let own = 1_u32 << (bit & !FRESH);
                    let (stays, goes) = (if bit & FRESH != 0 { mask | own } else { mask }, mask & !own);
                    let left = forest.left_at(tree.root + at, row);
                    let (to_left, to_right) = if left { (stays, goes) } else { (goes, stays) };
                    masks.get_mut(at + 1).into_iter().for_each(|mask| *mask = to_left);
                    masks.get_mut(*right as usize).into_iter().for_each(|mask| *mask = to_right);
                }
            }
        }
    }

    /// Adds what each feature adds to rows of `width - 1` values: `width` numbers for each output of each row, the last one what is
    /// expected of no row in particular.
    pub(super) fn explain(&self, forest: &Forest, rows: &[f64], width: usize, values: &mut [f64]) {
        let (outputs, features) = (self.expected.len(), width - 1);
        let mut block = Block::default();
        for (rows, values) in rows.chunks(BLOCK_ROWS * features).zip(values.chunks_mut(BLOCK_ROWS * width * outputs)) {
            block.begin(rows, features, outputs);
            for tree in &self.trees {
                self.add(tree, forest, &mut block);
            }
            // Back to rows, with what is expected behind each.
            for (row, values) in values.chunks_exact_mut(width * outputs).enumerate() {
                for (output, values) in values.chunks_exact_mut(width).enumerate() {
                    for (feature, value) in values.iter_mut().take(features).enumerate() {
                        *value += block.sums.get((output * features + feature) * block.count + row).copied().unwrap_or_default();
                    }
                    let expected = self.expected.get(output).copied().unwrap_or_default();
                    values.last_mut().into_iter().for_each(|last| *last += expected);
                }
            }
        }
    }

    /// Adds what a tree says of the rows of a block: node after node, for all rows at once.
    fn add(&self, tree: &Tree, forest: &Forest, block: &mut Block) {
        let (count, features) = (block.count, block.features);
        block.masks.resize((tree.walk.len() * count).max(block.masks.len()), 0);
        // Each place but the root's is written before it is read: a parent stands before its children.
        block.masks.iter_mut().take(count).for_each(|mask| *mask = 0);
        for (at, walk) in tree.walk.iter().enumerate() {
            let Some((own, behind)) = block.masks.get_mut(at * count..).and_then(|masks| masks.split_at_mut_checked(count)) else { return };
            match *walk {
                Walk::Leaf { values, features: first, count: ways, .. } => {
                    let answers = 1_usize << ways;
                    let table = self.values.get(values as usize..).unwrap_or_default();
                    let ways = self.features.get(first as usize..(first + ways) as usize).unwrap_or_default();
                    for (feature, table) in ways.iter().zip(table.chunks_exact(answers)) {
                        let start = (tree.output * features + *feature as usize) * count;
                        for (sum, mask) in block.sums.get_mut(start..start + count).unwrap_or_default().iter_mut().zip(&*own) {
                            *sum += table.get(*mask as usize).copied().unwrap_or_default();
                        }
                    }
                }
                Walk::Split { bit, right } => {
                    let place = 1_u32 << (bit & !FRESH);
                    let fresh = if bit & FRESH != 0 { place } else { 0 };
                    forest.lefts(tree.root + at, &block.columns, &mut block.lefts);
                    let Some((left, behind)) = behind.split_at_mut_checked(count) else { return };
                    let right = (right as usize).saturating_sub(at + 2) * count;
                    let right = behind.get_mut(right..right + count).unwrap_or_default();
                    for (((mask, goes_left), left), right) in own.iter().zip(&block.lefts).zip(left).zip(right) {
                        let (stays, goes) = (mask | fresh, mask & !place);
                        (*left, *right) = if *goes_left { (stays, goes) } else { (goes, stays) };
                    }
                }
            }
        }
    }

    /// Adds the interaction values of a row to a square of `width - 1` features for each output. What stands on its diagonal makes
    /// each line sum to the value of its feature.
    pub(super) fn interact(&self, forest: &Forest, row: &[f64], square: &mut [f64]) {
        let (features_all, mut masks) = (row.len(), Vec::new());
        for tree in &self.trees {
            let square = square.get_mut(tree.output * features_all * features_all..).unwrap_or_default();
            let mut add = |i: u32, j: u32, value: f64| {
                square.get_mut(i as usize * features_all + j as usize).into_iter().for_each(|cell| *cell += value);
            };
            Tables::answers(tree, forest, row, &mut masks, |leaf, answer| {
                let Walk::Leaf { values, pairs, features, count } = *leaf else { return };
                let (values, pairs, features, count) = (values as usize, pairs as usize, features as usize, count as usize);
                let features = self.features.get(features..features + count).unwrap_or_default();
                let table = self.values.get(values..).unwrap_or_default();
                for (feature, table) in features.iter().zip(table.chunks_exact(1 << count)) {
                    add(*feature, *feature, table.get(answer).copied().unwrap_or_default());
                }
                let line = self.pairs.get(pairs + answer * (count * count.saturating_sub(1) / 2)..).unwrap_or_default();
                let both = features.iter().enumerate().flat_map(|(at, one)| features.iter().skip(at + 1).map(move |other| (*one, *other)));
                for ((one, other), value) in both.zip(line) {
                    add(one, other, *value);
                    add(other, one, *value);
                    add(one, one, -*value);
                    add(other, other, -*value);
                }
            });
        }
    }
}

/// Rows that go over the trees together, feature after feature.
#[derive(Default)]
struct Block {
    count: usize,
    features: usize,
    columns: Vec<f64>,
    /// What each feature adds, of each output.
    sums: Vec<f64>,
    /// Which features point to a node, of each row, node after node.
    masks: Vec<u32>,
    lefts: Vec<bool>,
}

impl Block {
    fn begin(&mut self, rows: &[f64], features: usize, outputs: usize) {
        (self.count, self.features) = (rows.len() / features, features);
        self.columns.clear();
        for feature in 0..features {
            self.columns.extend(rows.chunks_exact(features).map(|row| row.get(feature).copied().unwrap_or(f64::NAN)));
        }
        self.sums.clear();
        self.sums.resize(features * outputs * self.count, 0.0);
        self.lefts.clear();
        self.lefts.resize(self.count, false);
    }
}

/// How the sets of known features weigh on average that hold none of those `without`: Shapley's weights of the remaining players.
fn weigh(way: &[Known], answer: usize, without: &[usize]) -> f64 {
    // How much weight is on sets of each size.
    let mut sizes = vec![1.0];
    for (at, known) in way.iter().enumerate().filter(|(at, _)| !without.contains(at)) {
        let points = if answer >> at & 1 == 1 { 1.0 } else { 0.0 };
        sizes.push(0.0);
        for size in (0..sizes.len()).rev() {
            let smaller = size.checked_sub(1).and_then(|size| sizes.get(size)).copied().unwrap_or(0.0);
            sizes.get_mut(size).into_iter().for_each(|weight| *weight = *weight * known.share + smaller * points);
        }
    }
    // s! (n - s)! / (n + 1)! for sets of size s among n others: one over (n + 1) times n over s.
    let others = sizes.len() - 1;
    let (mut sum, mut choose) = (0.0, 1.0);
    for (size, weight) in sizes.iter().enumerate() {
        sum += weight / (choose * count(others + 1));
        choose = choose * count(others - size) / count(size + 1);
    }
    sum
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn count(n: usize) -> f64 {
    f64::from(small(n))
}
