//! Failures that nobody saw are learnt from where real ones are few, with little weight, and are nowhere else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop where something is not as it should be")]

use tidegate_learn::boost::Boosting;
use tidegate_learn::evaluate::report;
use tidegate_learn::federated::{Plan, pooled};
use tidegate_learn::fitted::{self, Settings};
use tidegate_learn::leakage::{self, Limits};
use tidegate_learn::recipe::Recipe;
use tidegate_learn::scenario::{self, HURT_FEW, ROWS_EACH};
use tidegate_learn::{NotATable, RiskModel, Row, SYNTHETIC_MAX, Synthetic, Table, derive, risk_model, split};
use tidegate_stats::rng::Rng;

const NAMES: [&str; 9] = ["la", "ld", "nf", "entropy", "exp", "minor", "file_faults", "folder_fixes", "test_files"];

/// Changes of which so many hurt, in no way that their features tell.
fn sparse(rows: usize, hurt: usize, seed: u64) -> Table {
    let mut rng = Rng::new(seed);
    let mut table = Table::new(NAMES).unwrap();
    for at in 0..rows {
        let counts = [80.0, 30.0, 3.0, 1.0, 300.0, 2.0, 1.5, 9.0].map(|mean| rng.exponential(mean).round());
        let values: Vec<f64> = counts.into_iter().chain([rng.uniform()]).collect();
        table.push(&Row { at: at as i64 * 3_600, values: &values, label: at % (rows / hurt) == 0, effort: counts[0] }).unwrap();
    }
    table
}

fn settings() -> Settings {
    Settings {
        recipe: Recipe { boosting: Boosting { trees: 30, ..Recipe::default().boosting }, bags: 2, ..Recipe::default() },
        ..Settings::default()
    }
}

/// A table, and the same with scenarios beside its rows.
fn both(rows: usize, hurt: usize) -> (Table, Table) {
    let real = sparse(rows, hurt, 1);
    let mut marked = real.clone();
    assert_eq!(scenario::add(&mut marked, 7).unwrap(), 3 * ROWS_EACH);
    (real, marked)
}

#[test]
fn a_scenario_is_made_of_two_rows_of_the_table() {
    let (real, marked) = both(600, 60);
    assert_eq!(scenario::names(&real).count(), 3);
    let column = |name: &str| real.column(name).unwrap();
    for (at, row) in marked.synthetic().iter().enumerate() {
        let [place, other] = row.parents.map(|parent| real.row(parent));
        for (column, value) in row.values.iter().enumerate() {
            assert!([place[column], other[column]].contains(value) || (NAMES[column] == "test_files" && *value == 0.0), "{row:?}");
        }
        if at < ROWS_EACH {
            // Large, without tests, in files that were often faulty.
            assert!(row.values[column("la")] > 100.0 && row.values[column("file_faults")] > 1.0, "{row:?}");
            assert_eq!((row.values[column("test_files")], row.effort), (0.0, real.effort()[row.parents[1]]));
        }
    }
    let mut again = real.clone();
    scenario::add(&mut again, 7).unwrap();
    assert_eq!(again, marked, "the same seed makes the same");
    // Where enough hurt, or nothing is there of which they are made, there are none.
    let mut many = sparse(600, HURT_FEW, 1);
    assert_eq!(scenario::add(&mut many, 7).unwrap(), 0);
    let mut other = Table::new(["x"]).unwrap();
    other.push(&Row { at: 0, values: &[1.0], label: true, effort: 0.0 }).unwrap();
    assert_eq!(scenario::add(&mut other, 7).unwrap(), 0);
}

#[test]
fn no_split_leak_or_report_sees_them() {
    let (real, marked) = both(600, 60);
    assert_eq!((marked.len(), marked.labels(), marked.base_rate()), (real.len(), real.labels(), real.base_rate()));
    assert_eq!(split::holdout(&marked, 0.8, 0), split::holdout(&real, 0.8, 0));
    assert_eq!(split::expanding(&marked, 0.6, 4, 86_400), split::expanding(&real, 0.6, 4, 86_400));
    let scores: Vec<f64> = real.rows().map(|row| row[0] / 1e4).collect();
    assert_eq!(report(&marked, &scores, true), report(&real, &scores, true));
    let parts = split::holdout(&marked, 0.8, 0);
    assert_eq!(leakage::check(&marked, &[], &Limits::default()), leakage::check(&real, &[], &Limits::default()));
    let again = |table: &Table| leakage::duplicates(&parts, &Limits::default(), |row| leakage::values(table, row));
    assert_eq!(again(&marked), again(&real));
    assert_ne!(marked.digest(), real.digest(), "another model is trained of it");
}

#[test]
fn no_curve_interval_or_label_set_stands_on_them() {
    let (real, marked) = both(600, 60);
    let (without, with) = (fitted::fit(&real, &settings()).unwrap(), fitted::fit(&marked, &settings()).unwrap());
    assert_ne!(with.blend, without.blend, "they are learnt from");
    assert_eq!((&with.held.labels, &with.held.ends), (&without.held.labels, &without.held.ends));
    assert_eq!((with.held.scores.len(), with.calibrated_on), (without.held.scores.len(), without.calibrated_on));
    // Each piece's scores are of a model whose scenarios are made of rows before it alone.
    let mut from = 0;
    for piece in split::expanding(&marked, settings().from, settings().folds, 0) {
        let earlier = marked.slice(piece.train.clone());
        assert!(earlier.synthetic().iter().all(|row| row.parents.iter().all(|parent| *parent < piece.train.end)));
        assert!(earlier.synthetic().len() < marked.synthetic().len());
        let blend = Recipe { bags: 1, ..settings().recipe }.train(&earlier).unwrap();
        for (row, score) in marked.slice(piece.test.clone()).rows().zip(&with.held.scores[from..]) {
            assert_eq!(tidegate_learn::logistic::chance(blend.margin(row)), *score);
        }
        from += piece.test.len();
    }
}

#[test]
fn where_enough_hurt_they_are_not_learnt_from() {
    let real = sparse(2_000, HURT_FEW, 3);
    let mut marked = real.clone();
    marked.push_synthetic(Synthetic { values: vec![9e5; NAMES.len()], effort: 1.0, parents: [1, 2] }).unwrap();
    let recipe = settings().recipe;
    assert_eq!(recipe.train(&marked).unwrap(), recipe.train(&real).unwrap());
    let few = marked.slice(0..1_000);
    assert_ne!(recipe.train(&few).unwrap(), recipe.train(&real.slice(0..1_000)).unwrap());
    assert_eq!((scenario::learnt_from(&marked), scenario::learnt_from(&few)), (0, 1));
}

#[test]
fn the_file_says_how_many_and_older_files_are_read() {
    let (real, marked) = both(600, 60);
    let made = derive::of_changes(&real);
    let bytes = |table: &Table| {
        let fitted = fitted::fit(&derive::table(table, &made).unwrap(), &settings()).unwrap();
        risk_model(table, &made, &fitted, 0, &[]).unwrap().write().unwrap()
    };
    let (without, with) = (bytes(&real), bytes(&marked));
    assert!(!String::from_utf8_lossy(&without).contains("synthetic"), "a file without any is written as before");
    assert_eq!(RiskModel::read(&without).unwrap().training().synthetic, 0);
    let read = RiskModel::read(&with).unwrap();
    assert_eq!((read.training().synthetic, read.training().rows), (3 * ROWS_EACH, 600));
    assert_eq!(read.training().base_rate, real.base_rate().unwrap());
    assert_eq!(read.write().unwrap(), with);
}

#[test]
fn sites_that_train_together_leave_them_out() {
    let (real, marked) = both(600, 60);
    let mut plan = Plan::of(NAMES, *real.at().last().unwrap()).unwrap();
    plan.recipe.boosting.trees = 5;
    assert_eq!(pooled(&plan, &marked).unwrap(), pooled(&plan, &real).unwrap());
}

#[test]
fn rows_that_are_none_are_refused() {
    let (_, mut table) = both(600, 60);
    let row = |values: Vec<f64>, parents| Synthetic { values, effort: 1.0, parents };
    let nine = || vec![1.0; NAMES.len()];
    assert_eq!(table.push_synthetic(row(nine(), [0, 600])), Err(NotATable::Synthetic(60)));
    assert!(matches!(table.push_synthetic(row(vec![1.0], [0, 1])), Err(NotATable::Width { got: 1, .. })));
    assert!(matches!(table.push_synthetic(row(vec![f64::INFINITY; 9], [0, 1])), Err(NotATable::Infinite { .. })));
    while table.synthetic().len() < SYNTHETIC_MAX {
        table.push_synthetic(row(nine(), [0, 1])).unwrap();
    }
    assert_eq!(table.push_synthetic(row(nine(), [0, 1])), Err(NotATable::Synthetic(SYNTHETIC_MAX)));
}
