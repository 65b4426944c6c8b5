//! Environments held against one another: whether rows of development, staging and production are of one kind, and whether a feature tells
//! where a row is from. A model that is trained on all of them can then tell the place in place of the risk.

use super::Leak;
use crate::recipe::Recipe;
use crate::{Table, split};
use serde::{Deserialize, Serialize};
use tidegate_stats::compare::categories::fisher_exact;
use tidegate_stats::distance::{ks, psi};
use tidegate_stats::multiple::{Correction, corrected};
use tidegate_stats::quantile::{bin_counts, even_edges, sorted};
use tidegate_stats::scoring;

/// Bins of equal count over the values of the first environment, and one for what is missing.
const BINS: usize = 10;
/// Share of an environment's rows, the oldest, that its own model learns from where it is judged on its own.
const OWN_SHARE: f64 = 0.8;

/// Where a change or a run is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Development.
    Dev,
    /// Staging.
    Staging,
    /// Production.
    Prod,
}

const ALL: [Environment; 3] = [Environment::Dev, Environment::Staging, Environment::Prod];

/// What is taken for another kind of rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// Rows of an environment from which on it is held against others.
    pub rows_min: usize,
    /// Population stability index from which on values count as shifted; below it a sure difference is a small one.
    pub psi_min: f64,
    /// Corrected chance (Holm, over all tests of all pairs) from which on a difference is not sure.
    pub p_value_max: f64,
    /// Area under the ROC curve with which one feature may tell two environments apart, in either direction.
    pub tells_auc_max: f64,
    /// By how much the area may be less than on the environment that was learnt from.
    pub rank_fall_max: f64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { rows_min: 50, psi_min: 0.2, p_value_max: 0.01, tells_auc_max: 0.95, rank_fall_max: 0.1 }
    }
}

/// One feature in two environments.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// Which.
    pub feature: String,
    /// Largest difference of the distributions of what is known (Kolmogorov and Smirnov); none where one has no value.
    pub statistic: Option<f64>,
    /// The lesser of the corrected chances of this difference, and of that in how much is missing.
    pub p_value: f64,
    /// Population stability index, with what is missing as a bin.
    pub psi: Option<f64>,
    /// Share that is missing, in each.
    pub missing: [f64; 2],
    /// Whether the difference is sure and not small.
    pub shifted: bool,
}

/// How well a model of one environment ranks another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// Whose rows it has learnt from.
    pub learnt: Environment,
    /// Whose rows it ranks.
    pub judged: Environment,
    /// Its area there; none where rows of one kind alone are in either.
    pub auc: Option<f64>,
    /// The area of a model of its older rows on its own younger ones.
    pub own: Option<f64>,
    /// Whether it is less by more than the limit.
    pub fallen: bool,
}

/// Two environments.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The first.
    pub one: Environment,
    /// The second.
    pub other: Environment,
    /// Rows of each.
    pub rows: [usize; 2],
    /// Share of each that hurt.
    pub base_rates: [f64; 2],
    /// Corrected chance of rates that lie as far apart (Fisher).
    pub base_rate_p_value: f64,
    /// Whether the rates differ for sure.
    pub base_rates_differ: bool,
    /// Feature by feature.
    pub features: Vec<Shift>,
    /// A model of each on the other.
    pub rankings: Vec<Ranking>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Environments that have too few rows, and are not compared.
    pub too_few: Vec<(Environment, usize)>,
    /// Each two of the others.
    pub pairs: Vec<Pair>,
    /// Features that tell where a row is from.
    pub leaks: Vec<Leak>,
}

/// Why environments are not compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("compare environments: {environments} of {rows} rows are known: name one of each row")]
pub struct NotCompared {
    /// Environments that were named.
    pub environments: usize,
    /// Rows of the table.
    pub rows: usize,
}

/// Holds the environments of a table's rows against one another; `recipe` is how models of each are trained.
///
/// # Errors
/// When there is not one environment for each row.
pub fn compare(table: &Table, environments: &[Environment], recipe: &Recipe, limits: &Limits) -> Result<Compared, NotCompared> {
    if environments.len() != table.len() {
        return Err(NotCompared { environments: environments.len(), rows: table.len() });
    }
    let of = |environment: Environment| -> (Environment, Table) {
        let rows: Vec<usize> = environments.iter().enumerate().filter(|(_, one)| **one == environment).map(|(row, _)| row).collect();
        (environment, table.pick(&rows))
    };
    let (enough, few): (Vec<_>, Vec<_>) =
        ALL.map(of).into_iter().filter(|(_, table)| !table.is_empty()).partition(|(_, table)| table.len() >= limits.rows_min);
    let mut compared =
        Compared { too_few: few.iter().map(|(one, table)| (*one, table.len())).collect(), pairs: Vec::new(), leaks: Vec::new() };
    for (at, one) in enough.iter().enumerate() {
        for other in enough.iter().skip(at + 1) {
            compared.leaks.extend((0..table.width()).filter_map(|column| tells(one, other, column, limits)));
            compared.pairs.push(pair(one, other, recipe, limits));
        }
    }
    sure(&mut compared.pairs, limits);
    Ok(compared)
}

type Place = (Environment, Table);

fn pair(one: &Place, other: &Place, recipe: &Recipe, limits: &Limits) -> Pair {
    let hurt = |table: &Table| table.labels().iter().filter(|label| **label).count() as u64;
    let counts = |table: &Table| (hurt(table), table.len() as u64 - hurt(table));
    let tested = fisher_exact(counts(&one.1), counts(&other.1));
    Pair {
        one: one.0,
        other: other.0,
        rows: [one.1.len(), other.1.len()],
        base_rates: [&one.1, &other.1].map(|table| table.base_rate().unwrap_or_default()),
        base_rate_p_value: tested.map_or(1.0, |tested| tested.p_value),
        base_rates_differ: false,
        features: (0..one.1.width()).map(|column| shift(&one.1, &other.1, column)).collect(),
        rankings: vec![ranking(one, other, recipe, limits), ranking(other, one, recipe, limits)],
    }
}

/// One feature; its chance is not yet corrected for the number of tests.
fn shift(one: &Table, other: &Table, column: usize) -> Shift {
    let known = |table: &Table| sorted(&table.values(column).filter(|value| !value.is_nan()).collect::<Vec<f64>>());
    let (first, second) = (known(one), known(other));
    let (gone, gone_there) = (one.len() - first.len(), other.len() - second.len());
    let edges = even_edges(&first, BINS);
    let bins = |values: &[f64], gone: usize| {
        let mut counts = bin_counts(values, &edges);
        counts.push(gone as u64);
        counts
    };
    let distance = ks(&first, &second);
    let absent = fisher_exact((gone as u64, first.len() as u64), (gone_there as u64, second.len() as u64));
    let chance = distance.as_ref().map_or(1.0, |ks| ks.p_value).min(absent.map_or(1.0, |tested| tested.p_value));
    Shift {
        feature: one.features().get(column).map(|feature| feature.name.clone()).unwrap_or_default(),
        statistic: distance.map(|ks| ks.statistic),
        // Two tests of one feature: the lesser chance counts twice.
        p_value: (2.0 * chance).min(1.0),
        psi: psi(&bins(&first, gone), &bins(&second, gone_there)),
        missing: [gone as f64 / one.len().max(1) as f64, gone_there as f64 / other.len().max(1) as f64],
        shifted: false,
    }
}

fn ranking(learnt: &Place, judged: &Place, recipe: &Recipe, limits: &Limits) -> Ranking {
    let area = |train: &Table, test: &Table| {
        let blend = recipe.train(train).ok()?;
        scoring::auc(&test.rows().map(|row| blend.margin(row)).collect::<Vec<f64>>(), test.labels())
    };
    let parts = split::holdout(&learnt.1, OWN_SHARE, 0);
    let own = area(&learnt.1.slice(parts.train), &learnt.1.slice(parts.test));
    let auc = area(&learnt.1, &judged.1);
    let fallen = auc.zip(own).is_some_and(|(auc, own)| own - auc > limits.rank_fall_max);
    Ranking { learnt: learnt.0, judged: judged.0, auc, own, fallen }
}

/// Whether one feature alone tells two environments apart; what is missing counts as a value below all.
fn tells(one: &Place, other: &Place, column: usize, limits: &Limits) -> Option<Leak> {
    let values = |table: &Table| table.values(column).map(|value| if value.is_nan() { f64::MIN } else { value }).collect::<Vec<f64>>();
    let is_other: Vec<bool> = (0..one.1.len() + other.1.len()).map(|row| row >= one.1.len()).collect();
    let auc = scoring::auc(&[values(&one.1), values(&other.1)].concat(), &is_other)?;
    let auc = auc.max(1.0 - auc);
    let feature = one.1.features().get(column)?.name.clone();
    (auc > limits.tells_auc_max).then_some(Leak::TellsEnvironment { feature, one: one.0, other: other.0, auc })
}

/// Corrects all chances for their number, and says what is sure.
fn sure(pairs: &mut [Pair], limits: &Limits) {
    let chances = pairs.iter().flat_map(|pair| pair.features.iter().map(|shift| shift.p_value).chain([pair.base_rate_p_value]));
    let mut corrected = corrected(&chances.collect::<Vec<f64>>(), Correction::Holm).into_iter();
    for pair in pairs {
        for (shift, chance) in pair.features.iter_mut().zip(corrected.by_ref()) {
            shift.p_value = chance;
            shift.shifted = chance <= limits.p_value_max && shift.psi.is_some_and(|psi| psi >= limits.psi_min);
        }
        if let Some(chance) = corrected.next() {
            pair.base_rate_p_value = chance;
            pair.base_rates_differ = chance <= limits.p_value_max;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Row;
    use crate::boost::Boosting;
    use tidegate_stats::rng::Rng;

    fn recipe() -> Recipe {
        Recipe { boosting: Boosting { trees: 20, ..Boosting::default() }, bags: 1, ..Recipe::default() }
    }

    /// Rows of three environments in turn, as `of` makes them.
    fn rows(count: usize, of: impl Fn(Environment, &mut Rng) -> (Vec<f64>, f64)) -> (Table, Vec<Environment>) {
        let mut rng = Rng::new(21);
        let mut table = Table::new(["la", "host"]).unwrap();
        let mut environments = Vec::new();
        for row in 0..count {
            let environment = ALL[row % 3];
            let (values, odds) = of(environment, &mut rng);
            let label = rng.chance(crate::logistic::chance(odds));
            table.push(&Row { at: row as i64, values: &values, label, effort: 1.0 }).unwrap();
            environments.push(environment);
        }
        (table, environments)
    }

    #[test]
    fn environments_of_one_kind_are_told_as_such() {
        let (table, environments) = rows(1_800, |_, rng| {
            let la = rng.normal();
            (vec![la, if rng.chance(0.1) { f64::NAN } else { rng.normal() }], 1.5 * la - 1.0)
        });
        let found = compare(&table, &environments, &recipe(), &Limits::default()).unwrap();
        assert_eq!((found.pairs.len(), found.leaks.as_slice(), found.too_few.as_slice()), (3, &[][..], &[][..]));
        for pair in &found.pairs {
            assert_eq!(pair.rows, [600, 600]);
            assert!(!pair.base_rates_differ && pair.features.iter().all(|shift| !shift.shifted), "{pair:?}");
            assert!(pair.rankings.iter().all(|one| !one.fallen && one.auc.unwrap() > 0.7), "{pair:?}");
        }
    }

    #[test]
    fn what_was_planted_in_one_environment_is_found_there_alone() {
        // Production has larger changes, hurts more, for other reasons, and its host is another one.
        let (table, environments) = rows(1_800, |environment, rng| match environment {
            Environment::Prod => {
                let la = rng.normal() + 1.0;
                (vec![la, 9.0 + rng.normal()], 1.0 - 1.5 * (la - 1.0))
            }
            Environment::Dev | Environment::Staging => {
                let la = rng.normal();
                (vec![la, rng.normal()], 1.5 * la - 1.0)
            }
        });
        let found = compare(&table, &environments, &recipe(), &Limits::default()).unwrap();
        let told: Vec<_> = found
            .leaks
            .iter()
            .map(|leak| match leak {
                Leak::TellsEnvironment { feature, one, other, auc } => (feature.as_str(), *one, *other, *auc > 0.99),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [("host", Environment::Dev, Environment::Prod, true), ("host", Environment::Staging, Environment::Prod, true)]);
        for pair in &found.pairs {
            let planted = pair.other == Environment::Prod;
            assert!(pair.base_rates_differ == planted && pair.features.iter().all(|shift| shift.shifted == planted), "{pair:?}");
            assert!(pair.rankings.iter().all(|one| one.fallen == planted), "{pair:?}");
        }
    }

    #[test]
    fn what_is_missing_in_one_environment_alone_is_a_shift() {
        let (table, environments) = rows(900, |environment, rng| {
            let gone = environment == Environment::Staging && rng.chance(0.5);
            (vec![rng.normal(), if gone { f64::NAN } else { rng.normal() }], -1.0)
        });
        let found = compare(&table, &environments, &recipe(), &Limits::default()).unwrap();
        for pair in &found.pairs {
            let planted = pair.one == Environment::Staging || pair.other == Environment::Staging;
            let shifted: Vec<bool> = pair.features.iter().map(|shift| shift.shifted).collect();
            assert_eq!(shifted, [false, planted], "{pair:?}");
        }
    }

    #[test]
    fn few_rows_are_not_compared_and_none_are_left_unnamed() {
        let (table, mut environments) = rows(300, |_, rng| (vec![rng.normal(), 1.0], -1.0));
        environments.iter_mut().skip(30).filter(|one| **one == Environment::Prod).for_each(|one| *one = Environment::Dev);
        let found = compare(&table, &environments, &recipe(), &Limits::default()).unwrap();
        assert_eq!((found.pairs.len(), found.too_few.as_slice()), (1, &[(Environment::Prod, 10)][..]));
        environments.pop();
        let refused = compare(&table, &environments, &recipe(), &Limits::default()).unwrap_err();
        assert_eq!(refused.to_string(), "compare environments: 299 of 300 rows are known: name one of each row");
    }
}
