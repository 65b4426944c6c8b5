//! What would make a figure a lie: features from the future, rows on both sides of a split, a feature that knows the answer,
//! or the environment ([`environments`]).

pub mod environments;

use self::environments::Environment;
use crate::Table;
use crate::split::Split;
use serde::Serialize;
use std::collections::HashSet;
use std::hash::Hash;
use tidegate_stats::scoring;

/// What is taken for a leak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// Rows in which a feature may be younger than the row.
    pub future_rows_max: usize,
    /// Share of judging rows that may stand among the rows learnt from, value for value.
    pub duplicate_share_max: f64,
    /// Area under the ROC curve that a feature may have alone, in either direction.
    pub feature_auc_max: f64,
}

impl Default for Limits {
    fn default() -> Limits {
        // Nothing honest that is known before a change is out tells its fate this well: published models reach 0.94 at most.
        Limits { future_rows_max: 0, duplicate_share_max: 0.05, feature_auc_max: 0.95 }
    }
}

/// When the values of a feature were known.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownAt {
    /// Which feature.
    pub feature: String,
    /// In seconds, row by row.
    pub at: Vec<i64>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "leak", rename_all = "kebab-case")]
pub enum Leak {
    /// Values that became known after their rows.
    Future {
        /// Which feature.
        feature: String,
        /// In how many rows.
        rows: usize,
        /// The first of them.
        first: usize,
        /// By how much at most.
        seconds_most: i64,
    },
    /// Times that are not there for every row: nothing can be said of the feature.
    Untimed {
        /// Which feature.
        feature: String,
        /// Times that there are.
        times: usize,
        /// Rows of the table.
        rows: usize,
    },
    /// Judging rows that were learnt from.
    Duplicates {
        /// How many.
        rows: usize,
        /// Of all judging rows.
        share: f64,
    },
    /// A feature that alone tells too much.
    TooGood {
        /// Which feature.
        feature: String,
        /// Its area, in the direction that is the better one.
        auc: f64,
    },
    /// A feature whose values tell where a row is from.
    TellsEnvironment {
        /// Which feature.
        feature: String,
        /// One environment.
        one: Environment,
        /// The one that it is told from.
        other: Environment,
        /// Its area, in the direction that is the better one.
        auc: f64,
    },
}

/// Looks for leaks; none found is an empty list. Features without times are taken to be of their row.
#[must_use]
pub fn check(table: &Table, known_at: &[KnownAt], limits: &Limits) -> Vec<Leak> {
    let future = known_at.iter().filter_map(|known| future(table, known, limits));
    let too_good = (0..table.width()).filter_map(|column| too_good(table, column, limits));
    future.chain(too_good).collect()
}

fn future(table: &Table, known: &KnownAt, limits: &Limits) -> Option<Leak> {
    let feature = known.feature.clone();
    if known.at.len() != table.len() {
        return Some(Leak::Untimed { feature, times: known.at.len(), rows: table.len() });
    }
    let late = || known.at.iter().zip(table.at()).enumerate().filter(|(_, (known, row))| known > row);
    let rows = late().count();
    let (first, seconds_most) = (late().next()?.0, late().map(|(_, (known, row))| known.saturating_sub(*row)).max()?);
    (rows > limits.future_rows_max).then_some(Leak::Future { feature, rows, first, seconds_most })
}

/// Looks for judging rows that were learnt from: those whose content is one of a row of the training. A row without content is like no other.
#[must_use]
pub fn duplicates<C: Hash + Eq>(split: &Split, limits: &Limits, content: impl Fn(usize) -> Option<C>) -> Option<Leak> {
    let learnt: HashSet<C> = split.train.clone().filter_map(&content).collect();
    let rows = split.test.clone().filter_map(&content).filter(|one| learnt.contains(one)).count();
    let share = rows as f64 / split.test.len().max(1) as f64;
    (share > limits.duplicate_share_max).then_some(Leak::Duplicates { rows, share })
}

/// The values of a row, as the content by which [`duplicates`] tells rows apart.
#[must_use]
pub fn values(table: &Table, row: usize) -> Option<Vec<u64>> {
    (row < table.len()).then(|| table.row(row).iter().map(|value| value.to_bits()).collect())
}

fn too_good(table: &Table, column: usize, limits: &Limits) -> Option<Leak> {
    // What is missing is told apart too, below everything: whether a value is there may be the leak.
    let values: Vec<f64> = table.values(column).map(|value| if value.is_nan() { f64::MIN } else { value }).collect();
    let auc = scoring::auc(&values, table.labels())?;
    let auc = auc.max(1.0 - auc);
    let feature = table.features().get(column)?.name.clone();
    (auc > limits.feature_auc_max).then_some(Leak::TooGood { feature, auc })
}

#[cfg(test)]
mod tests {
    use super::{KnownAt, Leak, Limits, check, duplicates, values};
    use crate::split::holdout;
    use crate::{Row, Table};
    use tidegate_stats::rng::Rng;

    fn table(rows: usize, of: impl Fn(usize, bool, &mut Rng) -> Vec<f64>) -> Table {
        let mut rng = Rng::new(4);
        let mut table = Table::new(["a", "b"]).unwrap();
        for row in 0..rows {
            let label = rng.chance(0.3);
            let values = of(row, label, &mut rng);
            table.push(&Row { at: row as i64 * 60, values: &values, label, effort: 1.0 }).unwrap();
        }
        table
    }

    #[test]
    fn honest_tables_have_no_leaks() {
        let table = table(400, |_, label, rng| vec![rng.normal() + f64::from(u8::from(label)), rng.normal()]);
        let known = KnownAt { feature: "a".to_owned(), at: table.at().to_vec() };
        assert_eq!(check(&table, &[known], &Limits::default()), []);
        assert_eq!(duplicates(&holdout(&table, 0.8, 0), &Limits::default(), |row| values(&table, row)), None);
    }

    #[test]
    fn each_leak_is_named() {
        let table = table(400, |row, label, _| vec![(row % 3) as f64, f64::from(u8::from(label))]);
        let mut at = table.at().to_vec();
        at[7] += 90;
        let known = [KnownAt { feature: "a".to_owned(), at }, KnownAt { feature: "b".to_owned(), at: vec![0] }];
        let found = check(&table, &known, &Limits::default());
        assert_eq!(
            found,
            [
                Leak::Future { feature: "a".to_owned(), rows: 1, first: 7, seconds_most: 90 },
                Leak::Untimed { feature: "b".to_owned(), times: 1, rows: 400 },
                Leak::TooGood { feature: "b".to_owned(), auc: 1.0 },
            ]
        );
        let split = holdout(&table, 0.8, 0);
        let again = duplicates(&split, &Limits::default(), |row| values(&table, row));
        assert_eq!(again, Some(Leak::Duplicates { rows: 80, share: 1.0 }));
        assert_eq!(duplicates(&split, &Limits::default(), |_| None::<u8>), None, "rows without content are like no other");
    }

    #[test]
    fn a_value_that_is_missing_where_it_hurt_is_a_leak() {
        let table = table(400, |_, label, rng| vec![if label { f64::NAN } else { rng.normal() }, rng.normal()]);
        let found = check(&table, &[], &Limits::default());
        assert_eq!(found, [Leak::TooGood { feature: "a".to_owned(), auc: 1.0 }]);
    }
}
