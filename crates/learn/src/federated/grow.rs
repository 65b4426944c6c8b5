//! Trees of sums: all nodes of a level at once, each asked first how many rows lie where, then for slopes over cells that are large
//! enough.

use super::fixed::number;
use super::lead::Lead;
use super::round::{Ask, Cells, News, Part};
use super::{CELL_ROWS_MIN, Failed, LEAF_ROWS_MIN, grid};
use crate::ensemble::{Node, Tree, single};

/// What is known of a node that may be split.
struct Open {
    node: u32,
    /// Of each column, the rows in each bin, with what is missing behind.
    counts: Vec<Vec<i64>>,
    rows: i64,
    /// Slopes and bends of its rows; of the root not known at first.
    total: Option<(i64, i64)>,
}

/// A way to part a node.
#[derive(Clone, Copy)]
struct Split {
    gain: f64,
    /// Which column of the tree.
    column: usize,
    bin: u16,
    missing_left: bool,
    left: (i64, i64),
    right: (i64, i64),
}

/// Sums of one column of one node: where each cell ends with rows, slopes and bends, and those of what is missing, if apart.
struct Column {
    cells: Vec<(u16, i64, (i64, i64))>,
    missing: Option<(i64, (i64, i64))>,
}

struct Grower<'a, 'b> {
    lead: &'a mut Lead<'b>,
    columns: Vec<usize>,
    /// What is added to bends, and what they must be, in the weight of the rows.
    l2: f64,
    least: f64,
    mean_weight: f64,
}

/// Grows one tree, and tells it to the sites.
pub(super) fn tree(lead: &mut Lead<'_>, part: Part, bag: usize, tree: usize, start: f32) -> Result<Tree, Failed> {
    let mean_weight = lead.weight(part);
    let boosting = lead.plan.recipe.boosting.clone();
    lead.tell(News::Tree { part, bag, tree, start });
    let columns = lead.plan.columns(bag, tree);
    let (l2, least) = (f64::from(boosting.l2) * mean_weight, f64::from(boosting.leaf_weight) * mean_weight);
    let mut grower = Grower { lead, columns, l2, least, mean_weight };
    let mut nodes = vec![leaf(0.0, 0.0)];
    let mut leaves = 1;
    let mut level = grower.root()?;
    for depth in 0..boosting.depth {
        let splits = grower.best(&mut level)?;
        let mut chosen: Vec<(usize, Split)> = splits.into_iter().enumerate().filter_map(|(at, split)| Some((at, split?))).collect();
        chosen.sort_by(|one, other| other.1.gain.total_cmp(&one.1.gain).then(one.0.cmp(&other.0)));
        chosen.truncate(boosting.leaves.saturating_sub(leaves));
        chosen.sort_by_key(|(at, _)| *at);
        if chosen.is_empty() {
            break;
        }
        leaves += chosen.len();
        let children: Vec<(&Open, Split, u32)> = chosen
            .iter()
            .filter_map(|(at, split)| {
                let open = level.get(*at)?;
                Some((open, *split, grower.part(&mut nodes, open, split)))
            })
            .collect();
        let last = depth + 1 == boosting.depth || leaves >= boosting.leaves;
        level = if last { Vec::new() } else { grower.next(&children)? };
    }
    let rate = boosting.rate;
    let mut told = Vec::new();
    for (at, node) in nodes.iter_mut().enumerate().filter(|(_, node)| node.children.is_none()) {
        node.value *= rate;
        told.push((u32::try_from(at).unwrap_or(u32::MAX), node.value));
    }
    grower.lead.tell(News::Leaves(told));
    Ok(Tree { nodes })
}

fn leaf(value: f64, cover: f64) -> Node {
    Node { feature: 0, value: single(value), children: None, missing_left: false, cover: single(cover) }
}

fn plus(one: (i64, i64), other: (i64, i64)) -> (i64, i64) {
    (one.0.saturating_add(other.0), one.1.saturating_add(other.1))
}

fn minus(one: (i64, i64), other: (i64, i64)) -> (i64, i64) {
    (one.0.saturating_sub(other.0), one.1.saturating_sub(other.1))
}

impl Grower<'_, '_> {
    fn root(&mut self) -> Result<Vec<Open>, Failed> {
        let counts = self.counts(&[0])?.pop().unwrap_or_default();
        let rows = counts.first().map_or(0, |counts| counts.iter().sum());
        Ok(vec![Open { node: 0, counts, rows, total: None }])
    }

    /// Rows in each bin of each column, for each node.
    fn counts(&mut self, nodes: &[u32]) -> Result<Vec<Vec<Vec<i64>>>, Failed> {
        let strides: Vec<usize> = self.columns.iter().map(|column| self.lead.bins(*column) + 1).collect();
        let whole: usize = strides.iter().sum();
        let sums = self.lead.ask(Ask::Counts(nodes.to_vec()), whole * nodes.len())?;
        grid::counts(self.lead.round(), &sums)?;
        let mut all = Vec::new();
        for sums in sums.chunks(whole.max(1)) {
            let mut rest = sums;
            let mut own = Vec::new();
            for stride in &strides {
                let (some, behind) = rest.split_at((*stride).min(rest.len()));
                own.push(some.to_vec());
                rest = behind;
            }
            self.lead.agree(own.iter().map(|counts| counts.iter().sum()), None, "rows of a node by one feature and by another")?;
            all.push(own);
        }
        Ok(all)
    }

    /// The cells that a node is asked for; none where no feature has two.
    fn cells(&self, open: &Open) -> Cells {
        let mut cells = Cells { node: open.node, ends: Vec::new(), missing: Vec::new() };
        for counts in &open.counts {
            let (missing, known) = counts.split_last().map_or((0, &[][..]), |(missing, known)| (*missing, known));
            // Too few that are missing lie with the first bin.
            let apart = missing >= CELL_ROWS_MIN;
            let first = if apart { 0 } else { missing };
            let ends =
                grid::merged(known.iter().enumerate().map(|(at, count)| if at == 0 { count + first } else { *count }), CELL_ROWS_MIN);
            let useful = ends.len() > 1;
            cells.ends.push(if useful { ends } else { Vec::new() });
            cells.missing.push(useful && apart);
        }
        cells
    }

    /// The best split of each node of a level, where there is one.
    fn best(&mut self, level: &mut [Open]) -> Result<Vec<Option<Split>>, Failed> {
        let asked: Vec<Option<Cells>> =
            level.iter().map(|open| Some(self.cells(open)).filter(|cells| open.rows >= 2 * LEAF_ROWS_MIN && cells.values() > 0)).collect();
        let all: Vec<Cells> = asked.iter().flatten().cloned().collect();
        if all.is_empty() {
            return Ok(vec![None; level.len()]);
        }
        let values = all.iter().map(Cells::values).sum();
        let sums = self.lead.ask(Ask::Slopes(all), values)?;
        let mut pairs = sums.as_chunks::<2>().0.iter().map(|[slope, bend]| (*slope, *bend));
        let mut splits = Vec::new();
        for (open, cells) in level.iter_mut().zip(&asked) {
            let Some(cells) = cells else {
                splits.push(None);
                continue;
            };
            let columns: Vec<Option<Column>> = open
                .counts
                .iter()
                .zip(cells.ends.iter().zip(&cells.missing))
                .map(|(counts, (ends, missing))| column(counts, ends, *missing, &mut pairs))
                .collect();
            let totals = || columns.iter().flatten().map(Column::total);
            self.lead.agree(
                totals().map(|total| total.0),
                open.total.map(|total| total.0),
                "slopes of a node by one feature and by another",
            )?;
            self.lead.agree(
                totals().map(|total| total.1),
                open.total.map(|total| total.1),
                "bends of a node by one feature and by another",
            )?;
            open.total = totals().next();
            splits.push(self.split(open, &columns));
        }
        Ok(splits)
    }

    fn split(&self, open: &Open, columns: &[Option<Column>]) -> Option<Split> {
        let total = open.total?;
        let mut best: Option<Split> = None;
        for (at, column) in columns.iter().enumerate().filter_map(|(at, column)| Some((at, column.as_ref()?))) {
            let missing = column.missing.unwrap_or_default();
            // What is missing goes where it gains more; where nothing is, to the larger side.
            let (mut rows, mut left) = (0, (0, 0));
            let (_, cells) = column.cells.split_last()?;
            for (end, count, sums) in cells {
                rows += count;
                left = plus(left, *sums);
                let ways = if column.missing.is_some() { &[false, true][..] } else { &[false][..] };
                for with in ways {
                    let (rows, left) = if *with { (rows + missing.0, plus(left, missing.1)) } else { (rows, left) };
                    let right = minus(total, left);
                    let missing_left = if column.missing.is_some() { *with } else { self.left_by_default(open, at, rows) };
                    let Some(gain) = self.gain(total, left, right, rows.min(open.rows - rows)) else { continue };
                    if best.as_ref().is_none_or(|best| gain > best.gain) {
                        best = Some(Split { gain, column: at, bin: end - 1, missing_left, left, right });
                    }
                }
            }
        }
        best
    }

    /// Where the few that are missing lie in the first bin they must go left; where there are none, the larger side takes them.
    fn left_by_default(&self, open: &Open, column: usize, left_rows: i64) -> bool {
        let missing = open.counts.get(column).and_then(|counts| counts.last()).copied().unwrap_or_default();
        missing > 0 || 2 * left_rows >= open.rows
    }

    fn gain(&self, total: (i64, i64), left: (i64, i64), right: (i64, i64), fewest: i64) -> Option<f64> {
        if fewest < LEAF_ROWS_MIN || number(left.1.min(right.1)) < self.least {
            return None;
        }
        let score = |(slope, bend): (i64, i64)| number(slope) * number(slope) / (number(bend) + self.l2);
        let gain = score(left) + score(right) - score(total);
        (gain > 0.0 && gain.is_finite()).then_some(gain)
    }

    fn leaf_of(&self, sums: (i64, i64)) -> Node {
        let value = -number(sums.0) / (number(sums.1) + self.l2);
        leaf(if value.is_finite() { value } else { 0.0 }, number(sums.1) / self.mean_weight)
    }

    /// Makes a split of a leaf; where its children are.
    fn part(&mut self, nodes: &mut Vec<Node>, open: &Open, split: &Split) -> u32 {
        let children = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        let feature = self.columns.get(split.column).copied().unwrap_or_default();
        let value = self.lead.edge(feature, split.bin);
        let cover = open.total.map_or(0.0, |total| number(total.1) / self.mean_weight);
        let feature = u16::try_from(feature).unwrap_or(u16::MAX);
        if let Some(node) = nodes.get_mut(open.node as usize) {
            let (feature, children) = (u32::from(feature), Some((children, children + 1)));
            *node = Node { feature, value, children, missing_left: split.missing_left, cover: single(cover) };
        }
        nodes.extend([self.leaf_of(split.left), self.leaf_of(split.right)]);
        self.lead.tell(News::Split { node: open.node, feature, bin: split.bin, missing_left: split.missing_left });
        children
    }

    /// The children of a level: the left ones are asked for, the right ones are what is left.
    fn next(&mut self, children: &[(&Open, Split, u32)]) -> Result<Vec<Open>, Failed> {
        let left: Vec<u32> = children.iter().map(|(.., node)| *node).collect();
        let counts = self.counts(&left)?;
        let mut level = Vec::new();
        for ((parent, split, node), counts) in children.iter().zip(counts) {
            let rest = |(parent, own): (&Vec<i64>, &Vec<i64>)| parent.iter().zip(own).map(|(all, own)| all - own).collect::<Vec<i64>>();
            let right: Vec<Vec<i64>> = parent.counts.iter().zip(&counts).map(rest).collect();
            if right.iter().flatten().any(|count| *count < 0) {
                return Err(self.lead.wrong("a part has more rows than the whole".to_owned()));
            }
            let rows = counts.first().map_or(0, |counts| counts.iter().sum());
            level.push(Open { node: *node, counts, rows, total: Some(split.left) });
            level.push(Open { node: *node + 1, counts: right, rows: parent.rows - rows, total: Some(split.right) });
        }
        Ok(level)
    }
}

impl Column {
    fn total(&self) -> (i64, i64) {
        self.cells.iter().map(|(.., sums)| *sums).chain(self.missing.map(|(_, sums)| sums)).fold((0, 0), plus)
    }
}

/// The sums of one column, taken from those that are left; none where it was not asked.
fn column(counts: &[i64], ends: &[u16], missing: bool, sums: &mut impl Iterator<Item = (i64, i64)>) -> Option<Column> {
    if ends.is_empty() {
        return None;
    }
    let (absent, known) = counts.split_last()?;
    let mut begin = 0;
    let mut cells = Vec::new();
    for end in ends {
        let rows: i64 = known.get(begin..usize::from(*end))?.iter().sum();
        let with = if begin == 0 && !missing { *absent } else { 0 };
        cells.push((*end, rows + with, sums.next()?));
        begin = usize::from(*end);
    }
    let missing = if missing { Some((*absent, sums.next()?)) } else { None };
    Some(Column { cells, missing })
}
