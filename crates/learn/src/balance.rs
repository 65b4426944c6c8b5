//! What is done about the rarer kind of rows while a model learns: nothing but weights, fewer rows of the commoner kind for each bag, or
//! rows of the rarer kind that are made.
//!
//! All of it moves the level of scores, and none of it the level of probabilities: these stand on later rows that are all real, and of which
//! none is left out. Made rows are handed to the trainers alone; no table that is split, judged or calibrated on holds one.

use crate::boost::NotTrained;
use crate::logistic::{self, Term};
use crate::{ROWS_MAX, Table};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tidegate_stats::rng::{Rng, mix};

/// Rows of the commoner kind for one of the rarer, at most: no table is further apart than that.
const COMMON_PER_RARE_MAX: f64 = 10_000.0;
/// Nearest rows among which one is drawn.
const NEIGHBOURS_MAX: usize = 64;
/// Youngest rows of the rarer kind among which neighbours are looked for: each is held against all others.
const RARE_ROWS_MAX: usize = 4_096;
/// Rows that are made.
const MADE_ROWS_MAX: usize = 65_536;
/// Deviations by which a value that is missing differs from one that is there.
const MISSING_DEVIATIONS: f64 = 1.0;

/// What is done about the rarer kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Balance {
    /// All rows are learnt from, and weighed by age and by `hurt_weight`.
    #[default]
    Weights,
    /// Each bag of trees sees all rows of the rarer kind and some of the commoner, drawn anew; the regression sees all.
    Stratified {
        /// Rows of the commoner kind for one of the rarer.
        common_per_rare: f64,
    },
    /// Rows of the rarer kind are made between those that there are (Chawla et al., "SMOTE: synthetic minority over-sampling technique",
    /// JAIR 16, 2002).
    Smote {
        /// Nearest rows among which the other end is drawn.
        neighbours: usize,
        /// Rows of the rarer kind for one of the commoner, with those that are made.
        rare_per_common: f64,
    },
}

/// A row that nobody saw, for a trainer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Made {
    pub at: i64,
    pub values: Vec<f64>,
    pub label: bool,
    pub effort: f64,
    /// What it weighs beside a real row.
    pub weight: f64,
}

impl Balance {
    pub(crate) fn is_weights(&self) -> bool {
        *self == Balance::Weights
    }

    pub(crate) fn check(&self) -> Result<(), NotTrained> {
        let wrong = |name, expected| Err(NotTrained::Setting { name, expected });
        match self {
            Balance::Stratified { common_per_rare } if !(1.0..=COMMON_PER_RARE_MAX).contains(common_per_rare) => {
                wrong("balance.common_per_rare", "1 to 10,000 rows")
            }
            Balance::Smote { neighbours, .. } if !(1..=NEIGHBOURS_MAX).contains(neighbours) => wrong("balance.neighbours", "1 to 64 rows"),
            Balance::Smote { rare_per_common, .. } if !(*rare_per_common > 0.0 && *rare_per_common <= 1.0) => {
                wrong("balance.rare_per_common", "a share above 0, at most 1")
            }
            Balance::Weights | Balance::Stratified { .. } | Balance::Smote { .. } => Ok(()),
        }
    }

    /// Rows that one bag sees, in their order; none where it sees all.
    pub(crate) fn drawn(&self, table: &Table, seed: u64) -> Option<Vec<usize>> {
        let Balance::Stratified { common_per_rare } = self else { return None };
        let (rare, mut common) = kinds(table);
        let wanted = libm::ceil(rare.len() as f64 * common_per_rare) as usize;
        if wanted >= common.len() {
            return None;
        }
        Rng::new(seed).shuffle(&mut common);
        common.truncate(wanted);
        common.extend(rare);
        common.sort_unstable();
        Some(common)
    }

    /// Rows that are made for a trainer of this table.
    pub(crate) fn made(&self, table: &Table, seed: u64) -> Vec<Made> {
        match self {
            Balance::Weights | Balance::Stratified { .. } => Vec::new(),
            Balance::Smote { neighbours, rare_per_common } => between(table, *neighbours, *rare_per_common, seed),
        }
    }
}

/// Places of the rows of the rarer kind, and of the others.
fn kinds(table: &Table) -> (Vec<usize>, Vec<usize>) {
    let of = |kind: bool| table.labels().iter().enumerate().filter(|(_, label)| **label == kind).map(|(row, _)| row).collect();
    let (hurt, clean): (Vec<usize>, Vec<usize>) = (of(true), of(false));
    if hurt.len() <= clean.len() { (hurt, clean) } else { (clean, hurt) }
}

/// Rows between those of the rarer kind and their neighbours: time, effort and values all lie as far along.
fn between(table: &Table, neighbours: usize, rare_per_common: f64, seed: u64) -> Vec<Made> {
    let (rare, common) = kinds(table);
    let wanted = libm::ceil(common.len() as f64 * rare_per_common) as usize;
    let count = wanted.saturating_sub(rare.len()).min(MADE_ROWS_MAX).min(ROWS_MAX - table.len());
    let rare = rare.get(rare.len().saturating_sub(RARE_ROWS_MAX)..).unwrap_or_default();
    if rare.len() < 2 {
        return Vec::new();
    }
    let equal = vec![1.0; table.len()];
    let terms: Vec<Term> = (0..table.width()).map(|column| logistic::scale(table, &equal, column)).collect();
    let scaled: Vec<Vec<f64>> = rare.iter().map(|row| place(table.row(*row), &terms)).collect();
    // Of what is counted there is no half; flags are 0 or 1.
    let whole: Vec<bool> =
        (0..table.width()).map(|column| table.values(column).all(|value| value.is_nan() || value.fract() == 0.0)).collect();
    let mut rng = Rng::new(mix(seed));
    let mut near: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut order: Vec<usize> = (0..rare.len()).collect();
    rng.shuffle(&mut order);
    let mut made = Vec::with_capacity(count);
    for first in order.into_iter().cycle().take(count) {
        let near = near.entry(first).or_insert_with(|| nearest(&scaled, first, neighbours));
        let drawn = usize::try_from(rng.below(near.len() as u64)).unwrap_or_default();
        let along = rng.uniform();
        let second = near.get(drawn).and_then(|place| rare.get(*place));
        if let (Some(first), Some(second)) = (rare.get(first), second) {
            made.push(one(table, (*first, *second), along, &whole));
        }
    }
    made
}

/// Where a row stands, in deviations of the logarithms; what is missing stays so.
fn place(row: &[f64], terms: &[Term]) -> Vec<f64> {
    row.iter().zip(terms).map(|(value, term)| if value.is_nan() { f64::NAN } else { term.scaled(*value) }).collect()
}

/// The nearest others, by the sum of squared differences.
fn nearest(scaled: &[Vec<f64>], of: usize, count: usize) -> Vec<usize> {
    let Some(own) = scaled.get(of) else { return Vec::new() };
    let far = |(one, other): (&f64, &f64)| match (one.is_nan(), other.is_nan()) {
        (true, true) => 0.0,
        (false, false) => (one - other) * (one - other),
        _ => MISSING_DEVIATIONS * MISSING_DEVIATIONS,
    };
    let others = scaled.iter().enumerate().filter(|(at, _)| *at != of);
    let mut others: Vec<(f64, usize)> = others.map(|(at, other)| (own.iter().zip(other).map(far).sum(), at)).collect();
    let order = |one: &(f64, usize), other: &(f64, usize)| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1));
    if others.len() > count {
        others.select_nth_unstable_by(count, order);
        others.truncate(count);
    }
    others.sort_by(order);
    others.into_iter().map(|(_, at)| at).collect()
}

/// The row that lies so far along from one to another. A value that is missing in either is as it is in the first.
fn one(table: &Table, (first, second): (usize, usize), along: f64, whole: &[bool]) -> Made {
    let number = |of: &[f64], row: usize| of.get(row).copied().unwrap_or_default();
    let time = |row: usize| table.at().get(row).copied().unwrap_or_default();
    let point = |from: f64, to: f64| {
        let point = from + along * (to - from);
        // Ends that are further apart than a number tells have none between them.
        if point.is_finite() { point } else { from }
    };
    let values = table.row(first).iter().zip(table.row(second)).zip(whole).map(|((from, to), whole)| match to.is_nan() {
        true => *from,
        false if *whole => libm::round(point(*from, *to)),
        false => point(*from, *to),
    });
    let (earlier, later) = (time(first).min(time(second)), time(first).max(time(second)));
    let at = (point(time(first) as f64, time(second) as f64) as i64).clamp(earlier, later);
    let effort = point(number(table.effort(), first), number(table.effort(), second)).max(0.0);
    Made { at, values: values.collect(), label: table.labels().get(first).copied().unwrap_or_default(), effort, weight: 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Row;
    use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

    fn table(rows: usize, seed: u64) -> Table {
        let mut rng = Rng::new(seed);
        let mut table = Table::new(["count", "flag", "share", "age"]).unwrap();
        for at in 0..rows {
            let gone = rng.chance(0.2);
            let flag = f64::from(u8::from(rng.chance(0.4)));
            let values = [rng.poisson(9.0) as f64, flag, rng.uniform(), if gone { f64::NAN } else { rng.exponential(3.0) }];
            table.push(&Row { at: at as i64 * 60, values: &values, label: rng.chance(0.15), effort: values[0] }).unwrap();
        }
        table
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn made_rows_lie_between_two_that_are_there(seed in any::<u64>(), neighbours in 1usize..8) {
            let table = table(250, seed);
            let (rare, common) = kinds(&table);
            let smote = Balance::Smote { neighbours, rare_per_common: 0.8 };
            let made = smote.made(&table, seed);
            let again = smote.made(&table, seed);
            prop_assert!(format!("{made:?}") == format!("{again:?}"), "the same twice");
            prop_assert_eq!(made.len() + rare.len(), libm::ceil(0.8 * common.len() as f64) as usize);
            let inside = |value: f64, ends: [f64; 2]| ends[0].min(ends[1]) <= value && value <= ends[0].max(ends[1]);
            for one in &made {
                prop_assert!(one.label && one.values[0].fract() == 0.0 && (one.values[1] == 0.0 || one.values[1] == 1.0));
                // Some two of the rarer kind hold it between them, in time and effort too.
                let between = rare.iter().any(|first| rare.iter().any(|second| {
                    let rows = [table.row(*first), table.row(*second)];
                    let value = |column: usize| rows.map(|row| row[column]);
                    inside(one.at as f64, [*first, *second].map(|row| table.at()[row] as f64))
                        && inside(one.effort, [*first, *second].map(|row| table.effort()[row]))
                        && [0, 1, 2].iter().all(|column| inside(one.values[*column], value(*column)))
                        && (one.values[3].is_nan() == rows[0][3].is_nan())
                        && (one.values[3].is_nan() || rows[1][3].is_nan() || inside(one.values[3], value(3)))
                }));
                prop_assert!(between, "{one:?}");
            }
        }

        #[test]
        fn a_bag_has_all_of_the_rarer_kind_and_as_many_others_as_it_says(seed in any::<u64>()) {
            let table = table(250, seed);
            let (rare, common) = kinds(&table);
            let Some(drawn) = (Balance::Stratified { common_per_rare: 2.0 }).drawn(&table, seed) else {
                prop_assert!(common.len() <= 2 * rare.len());
                return Ok(());
            };
            prop_assert!(drawn.windows(2).all(|two| two[0] < two[1]));
            prop_assert_eq!(drawn.len(), 3 * rare.len());
            prop_assert!(rare.iter().all(|row| drawn.contains(row)));
            let other = (Balance::Stratified { common_per_rare: 2.0 }).drawn(&table, seed ^ 1).unwrap();
            prop_assert!(drawn != other, "each bag has others");
        }
    }

    #[test]
    fn neighbours_are_the_nearest_and_what_is_missing_is_as_far_as_it_says() {
        let scaled = [vec![0.0, 0.0], vec![0.5, 0.0], vec![0.0, f64::NAN], vec![3.0, 0.0], vec![f64::NAN, f64::NAN]];
        assert_eq!(nearest(&scaled, 0, 9), [1, 2, 4, 3]);
        assert_eq!(nearest(&scaled, 2, 2), [0, 4], "missing beside missing is no distance, one and one are one");
        assert_eq!(nearest(&scaled, 7, 2), [0; 0]);
    }

    #[test]
    fn ends_too_far_apart_and_one_row_alone_make_nothing_that_is_no_number() {
        let mut far = Table::new(["x"]).unwrap();
        for (at, value) in [f64::MAX, f64::MIN, 0.5, 1.5, 2.5].into_iter().enumerate() {
            far.push(&Row { at: at as i64, values: &[value], label: at < 2, effort: f64::MAX }).unwrap();
        }
        let made = Balance::Smote { neighbours: 3, rare_per_common: 1.0 }.made(&far, 1);
        assert!(made.len() == 1 && made.iter().all(|one| one.values[0].is_finite() && one.effort.is_finite()));
        let one = far.slice(1..5);
        assert_eq!(Balance::Smote { neighbours: 3, rare_per_common: 1.0 }.made(&one, 1), []);
    }
}
