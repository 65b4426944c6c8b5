//! A feature that is held to a direction keeps it through trees, regression and curve, whatever the rows say.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop where something is not as it should be")]

use proptest::prelude::*;
use tidegate_learn::boost::{Boosting, NotTrained};
use tidegate_learn::federated::{Failed, Plan};
use tidegate_learn::fitted::{self, Settings};
use tidegate_learn::monotone::{self, Held, Way};
use tidegate_learn::recipe::Recipe;
use tidegate_learn::{Row, Table, derive, logistic, risk_model};
use tidegate_stats::rng::Rng;

const NAMES: [&str; 8] = ["la", "ld", "nf", "lt", "nuc", "entropy", "file_faults", "test_files"];

/// Changes whose end goes up and down with each feature: without being held, none would keep a direction.
fn contrary(rows: usize, seed: u64) -> Table {
    let mut rng = Rng::new(seed);
    let mut table = Table::new(NAMES).unwrap();
    for at in 0..rows {
        let values = drawn(&mut rng, 0.1);
        let waves: f64 = values.iter().map(|value| if value.is_nan() { 0.0 } else { libm::sin(3.0 * libm::log1p(*value)) }).sum();
        let down = if values[0] > 60.0 { -1.5 } else { 0.5 } + if values[7] > 0.5 { 1.5 } else { 0.0 };
        let label = rng.chance(logistic::chance(waves + down - 0.5));
        table.push(&Row { at: at as i64 * 3_600, values: &values, label, effort: 1.0 }).unwrap();
    }
    table
}

fn drawn(rng: &mut Rng, missing: f64) -> Vec<f64> {
    let mut values = vec![
        rng.exponential(80.0).round(),
        rng.exponential(30.0).round(),
        1.0 + rng.poisson(2.0) as f64,
        rng.exponential(400.0).round(),
        rng.poisson(4.0) as f64,
        rng.exponential(1.0),
        rng.poisson(1.0) as f64,
        rng.uniform(),
    ];
    values.iter_mut().for_each(|value| *value = if rng.chance(missing) { f64::NAN } else { *value });
    values
}

fn settings(held: Vec<Held>) -> Settings {
    let boosting = Boosting { trees: 30, depth: 5, rows: 0.7, columns: 0.8, ..Recipe::default().boosting };
    Settings { recipe: Recipe { boosting, bags: 2, held, ..Recipe::default() }, ..Settings::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_two_rows_that_differ_in_a_held_feature_alone_break_its_order(seed in any::<u64>()) {
        let table = contrary(700, seed);
        let made = derive::of_changes(&table);
        let held = monotone::of_changes(&table, &made);
        let whole = derive::table(&table, &made).unwrap();
        let fitted = fitted::fit(&whole, &settings(held.clone())).unwrap();
        let model = risk_model(&table, &made, &fitted, 0, &[]).unwrap();
        let mut rng = Rng::new(seed ^ 1);
        for _ in 0..400 {
            let row = drawn(&mut rng, 0.1);
            for one in &held {
                // What is made follows what it is made of.
                let Some(column) = table.column(&one.feature) else { continue };
                let (mut less, mut more) = (row.clone(), row.clone());
                (less[column], more[column]) = (row[column].min(rng.exponential(50.0)), rng.exponential(50.0));
                if less[column].is_nan() || less[column] >= more[column] {
                    continue;
                }
                if one.way == Way::Lowers {
                    std::mem::swap(&mut less, &mut more);
                }
                let rows = [derive::row(&less, &made), derive::row(&more, &made)];
                let [low, high] = rows.each_ref().map(|row| fitted.blend.margin(row));
                prop_assert!(low <= high + 1e-12, "{} {less:?} {low} {more:?} {high}", one.feature);
                let [low, high] = rows.each_ref().map(|row| fitted.probability(row));
                prop_assert!(low <= high + 1e-12, "{} {less:?} {low} {more:?} {high}", one.feature);
                if row.iter().all(|value| !value.is_nan()) {
                    let (low, high) = (model.probability(&less).unwrap(), model.probability(&more).unwrap());
                    prop_assert!(low <= high + 1e-9, "{} in the file: {less:?} {low} {more:?} {high}", one.feature);
                }
            }
        }
    }
}

#[test]
fn without_being_held_the_order_is_broken() {
    let table = contrary(700, 5);
    let fitted = fitted::fit(&table, &settings(Vec::new())).unwrap();
    let mut rng = Rng::new(6);
    let broken = (0..400).filter(|_| {
        let (mut less, mut more) = (drawn(&mut rng, 0.0), Vec::new());
        less[0] = less[0].min(40.0);
        more.clone_from(&less);
        more[0] = 90.0;
        fitted.probability(&more) < fitted.probability(&less) - 0.05
    });
    assert!(broken.count() > 50, "the rows say that larger changes are safer");
}

#[test]
fn what_is_made_of_held_features_goes_their_way_or_is_left_out() {
    let table = Table::new(NAMES).unwrap();
    let made = derive::of_changes(&table);
    let held = monotone::of_changes(&table, &made);
    let ways: Vec<(&str, Way)> = held.iter().map(|held| (held.feature.as_str(), held.way)).collect();
    assert_eq!(
        ways,
        [
            ("la", Way::Raises),
            ("nf", Way::Raises),
            ("entropy", Way::Raises),
            ("file_faults", Way::Raises),
            ("test_files", Way::Lowers),
            ("churn", Way::Raises),
            ("la_per_lt", Way::Raises),
            ("la_per_nf", Way::Nothing),
            ("ld_per_la", Way::Lowers),
            ("nuc_per_nf", Way::Lowers),
            ("lt_of_nf", Way::Raises),
        ]
    );
    let table = contrary(400, 3);
    let whole = derive::table(&table, &made).unwrap();
    let blend = settings(held).recipe.train(&whole).unwrap();
    let left_out = whole.column("la_per_nf").unwrap();
    assert_eq!(blend.logistic.terms[left_out].coefficient, 0.0);
    let asked = blend.trees.trees.iter().flat_map(|tree| &tree.nodes).filter(|node| node.children.is_some());
    assert!(asked.clone().count() > 100 && asked.clone().all(|node| node.feature as usize != left_out));
}

#[test]
fn features_that_are_not_there_and_sites_that_cannot_hold_are_refused_by_name() {
    let table = contrary(200, 9);
    let held = |names: &[&str]| names.iter().map(|name| Held { feature: (*name).to_owned(), way: Way::Raises }).collect::<Vec<_>>();
    for names in [&["lines"][..], &["la", "la"]] {
        let refused = settings(held(names)).recipe.train(&table).unwrap_err();
        assert_eq!(refused, NotTrained::Held { feature: names[0].to_owned() });
    }
    let mut plan = Plan::of(NAMES, 0).unwrap();
    plan.recipe.held = held(&["la"]);
    assert!(matches!(plan.check(), Err(Failed::Plan { member: "recipe.held", .. })));
}
