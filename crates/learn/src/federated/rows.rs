//! What a site does with its rows: sums, and nothing else. Unmasked; [`super::Site`] puts the masks on.

use super::fixed::{fixed, number};
use super::round::{Ask, Cells, News, Part, Round};
use super::{Plan, SITE_ROWS_MIN, calibrate, grid};
use crate::ensemble::single;
use crate::logistic::{self, Logistic};
use crate::{NotATable, Table, derive};
use std::ops::Range;

/// Nodes of one tree.
const NODES_MAX: usize = 1 << (crate::boost::DEPTH_MAX + 1);

/// Why a round is not answered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unanswered {
    /// Too few rows.
    #[error("train together: this site has {0} rows, {SITE_ROWS_MIN} are the least")]
    Rows(usize),
    /// The table has other features than the plan.
    #[error("train together: this site's table has other features than the plan: {0}")]
    Features(String),
    /// Not what a table takes.
    #[error("train together: make features of others: {0}")]
    Table(#[from] NotATable),
    /// Not what a round is.
    #[error("train together: read a round: {0}: run the same release on all sides")]
    Json(String),
    /// Not the next one.
    #[error("train together: asked for round {got}, round {expected} is the next: a round is answered once; begin again")]
    Number {
        /// Its number.
        got: u64,
        /// The one that would be answered.
        expected: u64,
    },
    /// Asks for what there is not.
    #[error("train together: round {round} asks for what there is not: {why}: the coordinator is not to be trusted, or of another release")]
    Asked {
        /// Which round.
        round: u64,
        /// What.
        why: &'static str,
    },
}

/// A site's rows, and how far its trees are.
pub struct Rows {
    plan: Plan,
    table: Table,
    /// Of each row, before the cut of a site that is too large.
    weights: Vec<f64>,
    /// The same rows have the same key at every site.
    keys: Vec<u64>,
    /// Rows that are learnt from in the first part.
    earlier: usize,
    edges: Vec<Vec<f32>>,
    /// Features that the regression leaves out, by part.
    rare: Vec<(Part, usize)>,
    /// Of each feature, the bin of each row; what is missing lies behind the last.
    bins: Vec<Vec<u16>>,
    tree: Tree,
    margins: Vec<f32>,
    /// Sums of the margins of bags that are done.
    done: Vec<f64>,
    bags: usize,
}

/// The tree that grows.
#[derive(Default)]
struct Tree {
    part: Option<Part>,
    columns: Vec<usize>,
    /// Rows that it sees.
    seen: Vec<usize>,
    /// The node of each row, of those that it does not see, too.
    nodes: Vec<u32>,
    /// Whether each node is split.
    split: Vec<bool>,
    /// Slope and bend of each row, once they are asked for.
    slopes: Vec<(i64, i64)>,
}

type Answer = Result<Vec<i64>, &'static str>;

impl Rows {
    /// The rows of a table, which has the features of the plan.
    ///
    /// # Errors
    /// When they are too few, or others.
    pub fn new(table: &Table, plan: &Plan) -> Result<Rows, Unanswered> {
        if table.len() < SITE_ROWS_MIN {
            return Err(Unanswered::Rows(table.len()));
        }
        let names = table.features().iter().map(|feature| &feature.name);
        if !names.eq(plan.features.iter()) {
            return Err(Unanswered::Features(format!("it has {}, the plan {}", table.width(), plan.features.len())));
        }
        let table = derive::table(table, &plan.derived)?;
        // A site with more rows than one counts for: each weighs less.
        let share = (plan.site_rows_most as f64 / table.len() as f64).min(1.0);
        let weights = (0..table.len()).map(|row| share * weight(&table, plan, row)).collect();
        let keys = table.rows().zip(table.at()).map(|(row, at)| key(row, *at)).collect();
        let held = (table.len() as f64 * plan.held_share) as usize;
        Ok(Rows {
            plan: plan.clone(),
            weights,
            keys,
            earlier: table.len() - held,
            edges: Vec::new(),
            rare: Vec::new(),
            bins: Vec::new(),
            tree: Tree::default(),
            margins: Vec::new(),
            done: vec![0.0; table.len()],
            bags: 0,
            table,
        })
    }

    fn part(&self, part: Part) -> Range<usize> {
        0..if part == Part::Earlier { self.earlier } else { self.table.len() }
    }

    /// Sums over these rows, as integers.
    ///
    /// # Errors
    /// When the round tells or asks for what there is not.
    pub fn answer(&mut self, round: &Round) -> Result<Vec<i64>, Unanswered> {
        let asked = |why| Unanswered::Asked { round: round.number, why };
        for news in &round.news {
            self.learn(news).map_err(asked)?;
        }
        let values = self.sums(&round.ask).map_err(asked)?;
        if values.len() == round.values { Ok(values) } else { Err(asked("another number of sums than it says")) }
    }

    fn learn(&mut self, news: &News) -> Result<(), &'static str> {
        match news {
            News::Edges(edges) => self.cut(edges),
            News::Rare(part, features) => self.leave_out(*part, features),
            News::Tree { part, bag, tree, start } => self.plant(*part, *bag, *tree, *start),
            News::Split { node, feature, bin, missing_left } => self.split(*node, usize::from(*feature), *bin, *missing_left),
            News::Leaves(leaves) => self.add(leaves),
        }
    }

    fn cut(&mut self, edges: &[Vec<f32>]) -> Result<(), &'static str> {
        if !self.edges.is_empty() || edges.len() != self.table.width() {
            return Err("edges of other features, or a second time");
        }
        if edges.iter().any(|edges| edges.len() > 2 * super::BINS_MAX || !edges.is_sorted_by(|one, next| one < next)) {
            return Err("edges that are too many, or not ascending");
        }
        let bin = |edges: &Vec<f32>, value: f64| {
            let at = if value.is_nan() { edges.len() + 1 } else { edges.partition_point(|edge| *edge <= single(value)) };
            u16::try_from(at).unwrap_or(u16::MAX)
        };
        self.bins = edges.iter().enumerate().map(|(f, edges)| self.table.values(f).map(|value| bin(edges, value)).collect()).collect();
        self.edges = edges.to_vec();
        Ok(())
    }

    fn leave_out(&mut self, part: Part, features: &[u16]) -> Result<(), &'static str> {
        if features.len() > self.table.width() || features.iter().any(|feature| usize::from(*feature) >= self.table.width()) {
            return Err("features that are not there are left out");
        }
        self.rare.extend(features.iter().map(|feature| (part, usize::from(*feature))));
        Ok(())
    }

    fn plant(&mut self, part: Part, bag: usize, tree: usize, start: f32) -> Result<(), &'static str> {
        if self.edges.is_empty() || bag >= self.plan.bags(part) || tree >= self.plan.recipe.boosting.trees {
            return Err("a tree that the plan has not");
        }
        if tree == 0 {
            if self.tree.part == Some(part) {
                self.finish_bag();
            } else {
                self.done.iter_mut().for_each(|done| *done = 0.0);
                self.bags = 0;
            }
            self.margins = vec![start; self.table.len()];
        }
        let (draw, share) = (self.plan.draw(bag, tree), f64::from(self.plan.recipe.boosting.rows));
        let drawn = |row: &usize| self.keys.get(*row).is_some_and(|key| unit(tidegate_stats::rng::mix(key ^ draw)) < share);
        let seen = self.part(part).filter(drawn).collect();
        let columns = self.plan.columns(bag, tree);
        self.tree = Tree { part: Some(part), columns, seen, nodes: vec![0; self.table.len()], split: vec![false], slopes: Vec::new() };
        Ok(())
    }

    fn finish_bag(&mut self) {
        self.done.iter_mut().zip(&self.margins).for_each(|(done, margin)| *done += f64::from(*margin));
        self.bags += 1;
    }

    fn split(&mut self, node: u32, feature: usize, bin: u16, missing_left: bool) -> Result<(), &'static str> {
        let children = u32::try_from(self.tree.split.len()).unwrap_or(u32::MAX);
        let (Some(bins), Some(edges)) = (self.bins.get(feature), self.edges.get(feature)) else { return Err("a split by no feature") };
        match self.tree.split.get_mut(node as usize) {
            Some(split) if !*split && usize::from(bin) < edges.len() && children as usize + 2 <= NODES_MAX => *split = true,
            _ => return Err("a split of no node, a second time, or beyond the last edge"),
        }
        let missing = edges.len() + 1;
        for (at, of) in self.tree.nodes.iter_mut().zip(bins) {
            if *at == node {
                let left = if usize::from(*of) == missing { missing_left } else { *of <= bin };
                *at = children + u32::from(!left);
            }
        }
        self.tree.split.extend([false, false]);
        Ok(())
    }

    fn add(&mut self, leaves: &[(u32, f32)]) -> Result<(), &'static str> {
        let mut values = vec![None; self.tree.split.len()];
        for (node, value) in leaves {
            match values.get_mut(*node as usize) {
                Some(cell) if value.is_finite() => *cell = Some(*value),
                _ => return Err("a leaf that is no node, or no number"),
            }
        }
        for (margin, node) in self.margins.iter_mut().zip(&self.tree.nodes) {
            *margin += values.get(*node as usize).copied().flatten().unwrap_or_default();
        }
        self.tree.slopes.clear();
        Ok(())
    }

    fn sums(&mut self, ask: &Ask) -> Answer {
        match ask {
            Ask::Spread => Ok(self.spread()),
            Ask::Parts(cells) => self.parts(cells),
            Ask::Means(part) => Ok(self.means(*part)),
            Ask::Squares(part, means) => Ok(self.squares(*part, means)),
            Ask::Step(part, at) => self.step(*part, at),
            Ask::Counts(nodes) => self.counts(nodes),
            Ask::Slopes(cells) => self.slopes(cells),
            Ask::Scores(logistic) => self.scores(logistic),
            Ask::Outcomes(ends) => self.outcomes(ends),
        }
    }

    /// Of both parts the rows, their weight, and the weight of those that hurt; of all those that hurt; and the grid of each feature,
    /// with what is missing behind it; and of each how many of the earlier rows have it.
    fn spread(&self) -> Vec<i64> {
        let mut sums = Vec::new();
        for part in [Part::Earlier, Part::All] {
            let rows = self.part(part);
            let weight = |row: usize| self.weights.get(row).map_or(0, |weight| fixed(*weight));
            let hurt = |row: &usize| self.table.labels().get(*row) == Some(&true);
            sums.extend([
                rows.len() as i64,
                rows.clone().map(weight).sum(),
                rows.clone().filter(hurt).map(weight).sum(),
                rows.filter(hurt).count() as i64,
            ]);
        }
        for feature in 0..self.table.width() {
            let mut counts = vec![0; grid::CELLS + 1];
            for value in self.table.values(feature) {
                counts.get_mut(grid::cell(value).unwrap_or(grid::CELLS)).into_iter().for_each(|count| *count += 1);
            }
            sums.extend(counts);
        }
        sums.extend((0..self.table.width()).map(|feature| self.known(Part::Earlier, feature).count() as i64));
        sums
    }

    fn parts(&self, cells: &[Vec<u16>]) -> Answer {
        if cells.len() != self.table.width() {
            return Err("parts of other features");
        }
        let mut sums = Vec::new();
        for (feature, cells) in cells.iter().enumerate() {
            let mut counts = vec![0; cells.len() * grid::PARTS];
            for value in self.table.values(feature) {
                let at = grid::cell(value).and_then(|cell| cells.iter().position(|one| usize::from(*one) == cell));
                let count = at.and_then(|at| counts.get_mut(at * grid::PARTS + grid::part(value)));
                count.into_iter().for_each(|count| *count += 1);
            }
            sums.extend(counts);
        }
        Ok(sums)
    }

    /// Logarithms and weights of a feature's values; of one that is left out none.
    fn known(&self, part: Part, feature: usize) -> impl Iterator<Item = (f64, f64)> {
        let rows = if self.rare.contains(&(part, feature)) { 0 } else { self.part(part).len() };
        self.table
            .values(feature)
            .zip(&self.weights)
            .take(rows)
            .filter(|(value, _)| !value.is_nan())
            .map(|(value, w)| (logistic::log(value), *w))
    }

    fn means(&self, part: Part) -> Vec<i64> {
        let of = |feature| self.known(part, feature).fold([0, 0], |[whole, sum], (log, w)| [whole + fixed(w), sum + fixed(w * log)]);
        (0..self.table.width()).flat_map(of).collect()
    }

    fn squares(&self, part: Part, means: &[f64]) -> Vec<i64> {
        let of = |(feature, mean): (usize, &f64)| self.known(part, feature).map(|(log, w)| fixed(w * (log - mean) * (log - mean))).sum();
        means.iter().enumerate().map(of).collect()
    }

    fn step(&self, part: Part, at: &Logistic) -> Answer {
        if at.terms.len() != self.table.width() {
            return Err("a regression of other features");
        }
        let width = at.terms.len() + 1;
        let mut sums = vec![0; width + width * (width + 1) / 2];
        let (gradient, triangle) = sums.split_at_mut(width);
        for row in self.part(part) {
            let Some(weight) = self.weights.get(row) else { continue };
            let design = super::regress::design(at, self.table.row(row));
            let chance = logistic::chance(at.margin(self.table.row(row)));
            let label = f64::from(u8::from(self.table.labels().get(row) == Some(&true)));
            let (pull, bend) = (weight * (label - chance), weight * chance * (1.0 - chance));
            gradient.iter_mut().zip(&design).for_each(|(sum, x)| *sum += fixed(pull * x));
            let mut cells = triangle.iter_mut();
            for (at, x) in design.iter().enumerate() {
                design.iter().skip(at).zip(cells.by_ref()).for_each(|(other, sum)| *sum += fixed(bend * x * other));
            }
        }
        Ok(sums)
    }

    fn stride(&self, feature: usize) -> usize {
        self.edges.get(feature).map_or(0, |edges| edges.len() + 2)
    }

    /// For each node its place among those that are asked for.
    fn places(&self, nodes: impl Iterator<Item = u32>) -> Result<Vec<Option<usize>>, &'static str> {
        let mut places = vec![None; self.tree.split.len()];
        for (place, node) in nodes.enumerate() {
            match places.get_mut(node as usize) {
                Some(cell @ None) if self.tree.split.get(node as usize) == Some(&false) => *cell = Some(place),
                _ => return Err("a node that is not there, is split, or is asked for twice"),
            }
        }
        Ok(places)
    }

    fn counts(&self, nodes: &[u32]) -> Answer {
        let places = self.places(nodes.iter().copied())?;
        let strides: Vec<usize> = self.tree.columns.iter().map(|column| self.stride(*column)).collect();
        let whole: usize = strides.iter().sum();
        let mut sums = vec![0; whole * nodes.len()];
        let mut begin = 0;
        for (column, stride) in self.tree.columns.iter().zip(&strides) {
            let Some(bins) = self.bins.get(*column) else { continue };
            for row in &self.tree.seen {
                let place = self.tree.nodes.get(*row).and_then(|node| places.get(*node as usize)).copied().flatten();
                let (Some(place), Some(bin)) = (place, bins.get(*row)) else { continue };
                sums.get_mut(place * whole + begin + usize::from(*bin)).into_iter().for_each(|count| *count += 1);
            }
            begin += stride;
        }
        Ok(sums)
    }

    /// Slopes and bends of the rows that the tree sees, at the margins before it.
    fn bend(&mut self) {
        if self.tree.slopes.is_empty() {
            let of = |row: usize| {
                let margin = self.margins.get(row).map_or(0.0, |margin| f64::from(*margin));
                let (chance, weight) = (logistic::chance(margin), self.weights.get(row).copied().unwrap_or_default());
                let label = f64::from(u8::from(self.table.labels().get(row) == Some(&true)));
                (fixed(weight * (chance - label)), fixed(weight * chance * (1.0 - chance)))
            };
            self.tree.slopes = (0..self.table.len()).map(of).collect();
        }
    }

    fn slopes(&mut self, cells: &[Cells]) -> Answer {
        let places = self.places(cells.iter().map(|cells| cells.node))?;
        self.bend();
        let mut sums = vec![(0, 0); cells.iter().map(|cells| cells.values() / 2).sum()];
        // For each node and feature, which sum each bin belongs to.
        let mut begin = 0;
        let mut homes: Vec<Vec<Vec<usize>>> = vec![Vec::new(); self.tree.columns.len()];
        for node in cells {
            if node.ends.len() != self.tree.columns.len() || node.missing.len() != node.ends.len() {
                return Err("cells of other features");
            }
            for ((column, home), (ends, missing)) in self.tree.columns.iter().zip(&mut homes).zip(node.ends.iter().zip(&node.missing)) {
                let own = home_of(self.stride(*column), ends, *missing, begin)?;
                begin += if ends.is_empty() { 0 } else { ends.len() + usize::from(*missing) };
                home.push(own);
            }
        }
        for (column, homes) in self.tree.columns.iter().zip(&homes) {
            let Some(bins) = self.bins.get(*column) else { continue };
            for row in &self.tree.seen {
                let place = self.tree.nodes.get(*row).and_then(|node| places.get(*node as usize)).copied().flatten();
                let home = place.and_then(|place| homes.get(place)).zip(bins.get(*row)).and_then(|(home, bin)| home.get(usize::from(*bin)));
                let sum = home.and_then(|home| sums.get_mut(*home));
                if let (Some(sum), Some((slope, bend))) = (sum, self.tree.slopes.get(*row)) {
                    *sum = (sum.0 + slope, sum.1 + bend);
                }
            }
        }
        Ok(sums.into_iter().flat_map(|(slope, bend)| [slope, bend]).collect())
    }

    /// The score of each row that was held out, of the trees of the first part and this regression.
    fn held(&self, logistic: &Logistic) -> impl Iterator<Item = usize> {
        let share = self.plan.recipe.logistic_share;
        let rows = self.earlier..self.table.len();
        rows.map(move |row| {
            let last = self.margins.get(row).map_or(0.0, |margin| f64::from(*margin));
            let trees = (self.done.get(row).copied().unwrap_or_default() + last) / (self.bags + 1) as f64;
            calibrate::cell((1.0 - share) * trees + share * logistic.margin(self.table.row(row)))
        })
    }

    fn scores(&mut self, logistic: &Logistic) -> Answer {
        if logistic.terms.len() != self.table.width() || self.tree.part != Some(Part::Earlier) {
            return Err("scores of a model that is not there");
        }
        let mut counts = vec![0; calibrate::CELLS];
        let scores: Vec<usize> = self.held(logistic).collect();
        for cell in &scores {
            counts.get_mut(*cell).into_iter().for_each(|count| *count += 1);
        }
        self.keep_scores(scores);
        Ok(counts)
    }

    fn keep_scores(&mut self, scores: Vec<usize>) {
        self.tree.seen = scores;
        self.tree.part = None;
    }

    fn outcomes(&self, ends: &[u16]) -> Answer {
        if self.tree.part.is_some() || ends.last().map(|end| usize::from(*end)) != Some(calibrate::CELLS) {
            return Err("outcomes before scores, or of other cells");
        }
        let mut sums = vec![0; ends.len()];
        for (cell, label) in self.tree.seen.iter().zip(self.table.labels().iter().skip(self.earlier)) {
            let at = ends.partition_point(|end| usize::from(*end) <= *cell);
            sums.get_mut(at).into_iter().for_each(|sum| *sum += i64::from(*label));
        }
        Ok(sums)
    }
}

/// Which sum each bin belongs to; of a feature that is not asked, none.
fn home_of(stride: usize, ends: &[u16], missing: bool, begin: usize) -> Result<Vec<usize>, &'static str> {
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    if !ends.is_sorted_by(|one, next| one < next) || ends.last().map(|end| usize::from(*end) + 1) != Some(stride) {
        return Err("cells that are not ascending, or end elsewhere than the bins");
    }
    let mut home: Vec<usize> = (0..stride - 1).map(|bin| begin + ends.partition_point(|end| usize::from(*end) <= bin)).collect();
    home.push(if missing { begin + ends.len() } else { begin });
    Ok(home)
}

/// How much a row counts: 1 for a new one.
fn weight(table: &Table, plan: &Plan, row: usize) -> f64 {
    let age_days = table.at().get(row).map_or(0.0, |at| plan.as_of.saturating_sub(*at).max(0) as f64 / 86_400.0);
    let aged = plan.recipe.half_life_days.map_or(1.0, |half| libm::exp2(-(age_days / half).min(40.0)));
    if table.labels().get(row) == Some(&true) { aged * plan.recipe.hurt_weight } else { aged }
}

/// What rows are drawn by: the same for the same row, wherever it is.
fn key(row: &[f64], at: i64) -> u64 {
    let bits = |value: &f64| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
    row.iter().map(bits).fold(at.cast_unsigned(), |key, bits| tidegate_stats::rng::mix(key ^ bits))
}

/// A number in [0, 1).
fn unit(drawn: u64) -> f64 {
    (drawn >> 11) as f64 / (1_u64 << 53) as f64
}

/// Weighed sums in rows of weight 1.
pub(super) fn per_row(sum: i64, mean_weight: f64) -> f64 {
    number(sum) / mean_weight
}
