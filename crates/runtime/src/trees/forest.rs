//! Trees as one array of nodes: built from whatever a file says, with every bound checked, then walked by rows.
//! The left child of a node stands right behind it, so a node is 16 bytes and says only where the right one is.

/// Trees in one model.
pub(super) const TREES_MAX: usize = 1 << 20;
/// Nodes of all trees, leaves included.
pub(super) const NODES_MAX: usize = 1 << 26;
/// Splits from a root to a leaf.
pub(super) const DEPTH_MAX: usize = 4096;
/// Words of 32 categories, of all splits.
pub(super) const WORDS_MAX: usize = 1 << 26;
/// Features of a model.
pub(super) const FEATURES_MAX: usize = 1 << 20;
/// Where whole numbers end that a library takes for a category.
const CATEGORY_END: f64 = 2_147_483_648.0;
/// Values that one walk over the trees keeps at hand.
const BLOCK_VALUES: usize = 1 << 14;
/// Rows of one walk over the trees.
const BLOCK_ROWS: usize = 64;

/// What a file says of one node.
pub(super) enum Said {
    /// A leaf and its value.
    Leaf(f64),
    /// A leaf whose value is linear in some features, where none of them is missing.
    Line(f64, Line),
    /// A split, with what goes left, and the places of both children in the file.
    Split { feature: usize, rule: Rule, left: usize, right: usize },
}

/// What goes left.
pub(super) enum Rule {
    /// What is at most a threshold.
    AtMost { threshold: f64, missing_left: bool, zero_is_missing: bool },
    /// What is among some categories, or what is not.
    Among { set: u32, members_left: bool, missing_left: bool, fractions_below_zero: bool },
}

/// A linear leaf.
#[derive(Debug)]
pub(super) struct Line {
    /// At the origin.
    pub(super) constant: f64,
    /// Features and their slopes.
    pub(super) slopes: Vec<(usize, f64)>,
}

const KIND: u32 = 0b11;
const AT_MOST: u32 = 0;
const AMONG: u32 = 1;
const LEAF: u32 = 2;
const MISSING_LEFT: u32 = 1 << 2;
const ZERO_IS_MISSING: u32 = 1 << 3;
const MEMBERS_LEFT: u32 = 1 << 3;
const FRACTIONS_BELOW_ZERO: u32 = 1 << 4;
/// The feature stands above the marks.
const FEATURE_SHIFT: u32 = 5;

/// One node.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// Of a split by number: what goes left is at most this. Of one by category: which set. Of a leaf: its value.
    value: f64,
    /// Feature and marks.
    rule: u32,
    /// Of a split: where the right child stands. Of a leaf: which line it has, from 1; 0 for none.
    right: u32,
}

/// The trees of a model.
#[derive(Debug, Default)]
pub(super) struct Forest {
    nodes: Vec<Node>,
    /// Where each tree begins, and to which output it adds.
    roots: Vec<(u32, u32)>,
    sets: Vec<(u32, u32)>,
    words: Vec<u32>,
    lines: Vec<Line>,
    /// How much of the training each node saw; 0 where the file does not say it. Only explanations ask.
    covers: Vec<f64>,
    features: usize,
}

/// What a row meets at a node.
pub(super) enum Step {
    /// The end, and its value.
    Leaf(f64),
    /// Two ways: where the row goes and where it does not, with the share of the training that each had.
    Split { feature: usize, taken: usize, other: usize, taken_share: f64, other_share: f64 },
}

/// What stands at a place, whatever row comes.
pub(super) enum Place {
    /// The end, and its value.
    Leaf(f64),
    /// A split. Its left child stands right behind it.
    Split { feature: usize, right: usize, left_share: f64, right_share: f64 },
}

impl Forest {
    /// No trees yet, over some features.
    pub(super) fn new(features: usize) -> Result<Forest, String> {
        if features == 0 || features > FEATURES_MAX {
            return Err(format!("it has {features} features: 1 to {FEATURES_MAX} are taken"));
        }
        Ok(Forest { features, ..Forest::default() })
    }

    /// Adds a tree of `count` nodes that begins at node 0 and adds to `output`. `node` says what the file says of a node, `covers` how much of
    /// the training each saw; none where the file does not say it.
    pub(super) fn add(
        &mut self,
        output: u32,
        count: usize,
        covers: &[f64],
        mut node: impl FnMut(usize, &mut Forest) -> Result<Said, String>,
    ) -> Result<(), String> {
        if self.roots.len() == TREES_MAX {
            return Err(format!("there are more than {TREES_MAX} trees"));
        }
        let root = self.nodes.len();
        if root.saturating_add(count) > NODES_MAX {
            return Err(format!("there are more than {NODES_MAX} nodes"));
        }
        self.roots.push((small(root), output));
        let mut seen = vec![false; count];
        // Children still to be placed: where the file has them, whose right child they are, how deep they lie.
        let mut open = vec![(0, None, 0)];
        while let Some((at, parent, depth)) = open.pop() {
            match seen.get_mut(at) {
                None => return Err(format!("a node has the child {at} of {count} nodes")),
                Some(true) => return Err("a node lies under itself or under two others".to_owned()),
                Some(seen) => *seen = true,
            }
            let place = self.nodes.len();
            if depth > DEPTH_MAX {
                return Err(format!("it is deeper than {DEPTH_MAX} splits"));
            }
            if let Some(parent) = parent.and_then(|parent: usize| self.nodes.get_mut(parent)) {
                parent.right = small(place);
            }
            let said = node(at, self)?;
            let node = self.node(said, |left, right| {
                open.push((right, Some(place), depth + 1));
                open.push((left, None, depth + 1));
            })?;
            self.nodes.push(node);
            self.covers.push(covers.get(at).copied().unwrap_or_default());
        }
        Ok(())
    }

    fn node(&mut self, said: Said, mut children: impl FnMut(usize, usize)) -> Result<Node, String> {
        let (value, line) = match said {
            Said::Split { feature, rule, left, right } => {
                if feature >= self.features {
                    return Err(format!("a split is on feature {feature} of {}", self.features));
                }
                children(left, right);
                let (value, marks) = rule.marks();
                if value.is_nan() {
                    return Err("a threshold is not a number".to_owned());
                }
                return Ok(Node { value, rule: small(feature) << FEATURE_SHIFT | marks, right: 0 });
            }
            Said::Leaf(value) => (value, 0),
            Said::Line(value, line) => {
                if line.slopes.iter().any(|(feature, _)| *feature >= self.features) {
                    return Err(format!("a linear leaf is on a feature that is not one of {}", self.features));
                }
                let numbers = line.slopes.iter().map(|(_, slope)| *slope).chain([line.constant]);
                if numbers.into_iter().any(|number| !number.is_finite()) {
                    return Err("a linear leaf has a coefficient that is not finite".to_owned());
                }
                self.lines.push(line);
                (value, small(self.lines.len()))
            }
        };
        if !value.is_finite() {
            return Err("a leaf has a value that is not finite".to_owned());
        }
        Ok(Node { value, rule: LEAF, right: line })
    }

    /// Adds a set of categories by the words of its bits.
    pub(super) fn set(&mut self, words: impl ExactSizeIterator<Item = u32>) -> Result<u32, String> {
        let start = self.words.len();
        if start.saturating_add(words.len()) > WORDS_MAX {
            return Err(format!("splits by category have more than {} categories", WORDS_MAX * 32));
        }
        self.words.extend(words);
        self.sets.push((small(start), small(self.words.len())));
        Ok(small(self.sets.len() - 1))
    }

    /// Where each tree begins, and to which output it adds.
    pub(super) fn roots(&self) -> impl Iterator<Item = (usize, usize)> {
        self.roots.iter().map(|(root, output)| (*root as usize, *output as usize))
    }

    /// What a row meets at a node; the error is a sentence on why it cannot be explained.
    pub(super) fn step(&self, at: usize, row: &[f64]) -> Result<Step, String> {
        let node = self.nodes.get(at).ok_or("a node is not there")?;
        if node.rule & KIND == LEAF {
            return if node.right == 0 {
                Ok(Step::Leaf(node.value))
            } else {
                Err("its leaves are linear, which is not explained".to_owned())
            };
        }
        let (feature, right) = ((node.rule >> FEATURE_SHIFT) as usize, node.right as usize);
        let (taken, other) = if self.goes_left(node, row) { (at + 1, right) } else { (right, at + 1) };
        let cover = |at: usize| self.covers.get(at).copied().filter(|cover| *cover > 0.0 && cover.is_finite());
        let all = cover(at).zip(cover(taken)).zip(cover(other));
        let ((whole, taken_cover), other_cover) = all.ok_or("the file does not say how much of the training each node saw")?;
        Ok(Step::Split { feature, taken, other, taken_share: taken_cover / whole, other_share: other_cover / whole })
    }

    /// What stands at a place, whatever row comes: a leaf's value, or a split's feature with its right child and the shares of
    /// the training that went left and right.
    pub(super) fn place(&self, at: usize) -> Result<Place, String> {
        // A row of nothing goes either way; both shares are the same for every row.
        Ok(match self.step(at, &[])? {
            Step::Leaf(value) => Place::Leaf(value),
            Step::Split { feature, taken, taken_share, other, other_share } if taken == at + 1 => {
                Place::Split { feature, right: other, left_share: taken_share, right_share: other_share }
            }
            Step::Split { feature, taken, taken_share, other_share, .. } => {
                Place::Split { feature, right: taken, left_share: other_share, right_share: taken_share }
            }
        })
    }

    /// Whether a row goes left at a place.
    pub(super) fn left_at(&self, at: usize, row: &[f64]) -> bool {
        self.nodes.get(at).is_some_and(|node| self.goes_left(node, row))
    }

    /// Which rows of a block go left at a place; `columns` has the block's values, feature after feature.
    pub(super) fn lefts(&self, at: usize, columns: &[f64], lefts: &mut [bool]) {
        let Some(node) = self.nodes.get(at) else { return };
        let start = (node.rule >> FEATURE_SHIFT) as usize * lefts.len();
        let column = columns.get(start..start + lefts.len()).unwrap_or_default();
        if node.rule & KIND == AT_MOST {
            lefts.iter_mut().zip(column).for_each(|(left, value)| *left = node.left(*value));
        } else {
            lefts.iter_mut().zip(column).for_each(|(left, value)| *left = self.among(node, *value));
        }
    }

    /// Whether any split or linear leaf asks for a feature.
    pub(super) fn asks(&self, feature: usize) -> bool {
        let splits = self.nodes.iter().any(|node| node.rule & KIND != LEAF && (node.rule >> FEATURE_SHIFT) as usize == feature);
        splits || self.lines.iter().any(|line| line.slopes.iter().any(|(one, slope)| *one == feature && *slope != 0.0))
    }

    /// How many trees there are.
    pub(super) fn trees(&self) -> usize {
        self.roots.len()
    }

    /// Adds what the trees say of rows of `features` values to their sums, `outputs` a row, tree after tree.
    pub(super) fn add_to(&self, rows: &[f64], outputs: usize, sums: &mut [f64], round: impl Fn(f64) -> f64 + Copy) {
        let rows_at_once = (BLOCK_VALUES / self.features).clamp(1, BLOCK_ROWS);
        let blocks = rows.chunks(rows_at_once * self.features).zip(sums.chunks_mut(rows_at_once * outputs));
        for (rows, sums) in blocks {
            for (root, output) in &self.roots {
                let output = *output as usize;
                for (row, sums) in rows.chunks_exact(self.features).zip(sums.chunks_exact_mut(outputs)) {
                    if let Some(sum) = sums.get_mut(output) {
                        *sum = round(*sum + self.of(*root, row));
                    }
                }
            }
        }
    }

    /// What the tree at `root` says of a row.
    fn of(&self, root: u32, row: &[f64]) -> f64 {
        let mut at = root as usize;
        // `add` has made every path end at a leaf; a place that is not there would end it too.
        while let Some(node) = self.nodes.get(at) {
            if node.rule & KIND == LEAF {
                return if node.right == 0 { node.value } else { self.line(node, row) };
            }
            at = if self.goes_left(node, row) { at + 1 } else { node.right as usize };
        }
        0.0
    }

    fn goes_left(&self, node: &Node, row: &[f64]) -> bool {
        let value = row.get((node.rule >> FEATURE_SHIFT) as usize).copied().unwrap_or(f64::NAN);
        if node.rule & KIND == AT_MOST { node.left(value) } else { self.among(node, value) }
    }

    fn among(&self, node: &Node, value: f64) -> bool {
        if value.is_nan() {
            return node.rule & MISSING_LEFT != 0;
        }
        let marked = |mark| node.rule & mark != 0;
        // Between -1 and 0 one library sees category 0 and the other none.
        let is_category = if marked(FRACTIONS_BELOW_ZERO) { value > -1.0 } else { value >= 0.0 };
        let member = is_category && value < CATEGORY_END && self.holds(node.value as u32, value as u32);
        member == marked(MEMBERS_LEFT)
    }

    fn holds(&self, set: u32, category: u32) -> bool {
        let Some((start, end)) = self.sets.get(set as usize) else { return false };
        let words = self.words.get(*start as usize..*end as usize).unwrap_or(&[]);
        words.get((category / 32) as usize).is_some_and(|word| word >> (category % 32) & 1 == 1)
    }

    fn line(&self, node: &Node, row: &[f64]) -> f64 {
        let Some(line) = self.lines.get(node.right as usize - 1) else { return node.value };
        let mut sum = line.constant;
        for (feature, slope) in &line.slopes {
            match row.get(*feature) {
                Some(value) if !value.is_nan() => sum += slope * value,
                _ => return node.value,
            }
        }
        sum
    }
}

impl Node {
    fn left(&self, value: f64) -> bool {
        let missing = value.is_nan() || self.rule & ZERO_IS_MISSING != 0 && value == 0.0;
        if missing { self.rule & MISSING_LEFT != 0 } else { value <= self.value }
    }
}

impl Rule {
    fn marks(&self) -> (f64, u32) {
        let mark = |is: bool, mark: u32| if is { mark } else { 0 };
        match *self {
            Rule::AtMost { threshold, missing_left, zero_is_missing } => {
                (threshold, AT_MOST | mark(missing_left, MISSING_LEFT) | mark(zero_is_missing, ZERO_IS_MISSING))
            }
            Rule::Among { set, members_left, missing_left, fractions_below_zero } => {
                let marks = mark(members_left, MEMBERS_LEFT) | mark(fractions_below_zero, FRACTIONS_BELOW_ZERO);
                (f64::from(set), AMONG | mark(missing_left, MISSING_LEFT) | marks)
            }
        }
    }
}

/// A place or count; all of them are bounded far below 2^32 by the limits above.
fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
