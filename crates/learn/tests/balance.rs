//! Few rows that hurt: what is drawn, made or weighed for the trainers stays with them, and probabilities stay right.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop where something is not as it should be")]

use tidegate_learn::balance::Balance;
use tidegate_learn::boost::{Boosting, NotTrained};
use tidegate_learn::evaluate::report;
use tidegate_learn::federated::{Failed, Plan};
use tidegate_learn::fitted::{self, Fitted, Settings};
use tidegate_learn::recipe::Recipe;
use tidegate_learn::{Row, Table, logistic, split};
use tidegate_stats::rng::Rng;

/// Changes of which one in ten hurts; some values are missing, one is a flag.
fn rare(rows: usize, seed: u64) -> Table {
    let mut rng = Rng::new(seed);
    let mut table = Table::new(["la", "exp", "fix", "age"]).unwrap();
    for at in 0..rows {
        let (la, exp) = (rng.exponential(80.0).round(), rng.exponential(300.0).round());
        let fix = f64::from(u8::from(rng.chance(0.3)));
        let age = if rng.chance(0.15) { f64::NAN } else { rng.exponential(20.0) };
        let odds = -3.0 + 0.9 * ((1.0 + la).ln() - 4.0) - 0.3 * ((1.0 + exp).ln() - 5.0) + 0.7 * fix;
        let label = rng.chance(logistic::chance(odds));
        table.push(&Row { at: at as i64 * 3_600, values: &[la, exp, fix, age], label, effort: la }).unwrap();
    }
    table
}

fn settings(balance: Balance, hurt_weight: f64) -> Settings {
    let boosting = Boosting { trees: 40, ..Recipe::default().boosting };
    Settings { recipe: Recipe { boosting, bags: 2, balance, hurt_weight, ..Recipe::default() }, ..Settings::default() }
}

const STRATIFIED: Balance = Balance::Stratified { common_per_rare: 1.5 };
const SMOTE: Balance = Balance::Smote { neighbours: 5, rare_per_common: 0.5 };

fn mean(of: &Table, fitted: &dyn Fn(&[f64]) -> f64) -> f64 {
    of.rows().map(fitted).sum::<f64>() / of.len() as f64
}

#[test]
fn probabilities_are_right_however_rows_are_balanced() {
    let table = rare(8_000, 1);
    let parts = split::holdout(&table, 0.8, 0);
    let (train, test) = (table.slice(parts.train), table.slice(parts.test));
    let hurt = test.base_rate().unwrap();
    for (balance, hurt_weight) in [(Balance::Weights, 1.0), (Balance::Weights, 5.0), (STRATIFIED, 1.0), (SMOTE, 1.0)] {
        let fitted = fitted::fit(&train, &settings(balance, hurt_weight)).unwrap();
        let scores = mean(&test, &|row| fitted.score(row));
        let probabilities: Vec<f64> = test.rows().map(|row| fitted.probability(row)).collect();
        let said = report(&test, &probabilities, true);
        if (balance, hurt_weight) != (Balance::Weights, 1.0) {
            assert!(scores > 1.4 * hurt, "{balance:?}: the margins' level moved: {scores} {hurt}");
        }
        let level = probabilities.iter().sum::<f64>() / test.len() as f64;
        assert!((level - hurt).abs() < 0.02, "{balance:?} {hurt_weight}: {level} {hurt}");
        assert!(said.calibration_error.unwrap() < 0.03 && said.auc.unwrap().estimate > 0.65, "{balance:?} {hurt_weight}");
    }
}

/// The rows that probabilities stand on, and those that judge, are the table's own.
fn stands_on_real_rows(table: &Table, settings: &Settings, fitted: &Fitted) {
    let splits = split::expanding(table, settings.from, settings.folds, settings.maturity_seconds);
    let labels: Vec<bool> = splits.iter().flat_map(|split| table.slice(split.test.clone()).labels().to_vec()).collect();
    assert_eq!(fitted.held.labels, labels);
    let recipe = Recipe { bags: settings.recipe.bags.div_ceil(2), ..settings.recipe.clone() };
    let scores = splits.iter().flat_map(|split| {
        // A model of the rows before a piece alone, which says the same of its rows.
        let blend = recipe.train(&table.slice(split.train.clone())).unwrap();
        table.slice(split.test.clone()).rows().map(|row| logistic::chance(blend.margin(row))).collect::<Vec<f64>>()
    });
    assert_eq!(fitted.held.scores, scores.collect::<Vec<f64>>());
}

#[test]
fn no_row_that_is_made_is_calibrated_on_or_judges() {
    let table = rare(1_500, 2);
    let before = table.digest();
    for balance in [STRATIFIED, SMOTE] {
        let settings = settings(balance, 1.0);
        let fitted = fitted::fit(&table, &settings).unwrap();
        stands_on_real_rows(&table, &settings, &fitted);
        assert_eq!((table.len(), table.digest()), (1_500, before.clone()));
        // What later rows are moves nothing that was learnt before them.
        let mut other = table.slice(0..1_200);
        for at in 1_200..1_500 {
            other.push(&Row { at: table.at()[at], values: &[9e6, 9e6, 1.0, at as f64], label: at % 2 == 0, effort: 0.0 }).unwrap();
        }
        let again = fitted::fit(&other, &settings).unwrap();
        let first = split::expanding(&table, settings.from, settings.folds, 0)[0].test.len();
        assert_eq!(fitted.held.scores[..first], again.held.scores[..first]);
        assert_eq!(fitted, fitted::fit(&table, &settings).unwrap(), "the same twice");
    }
}

#[test]
fn settings_that_mean_nothing_are_refused_by_name() {
    let table = rare(300, 3);
    let cases = [
        (Balance::Stratified { common_per_rare: 0.5 }, "balance.common_per_rare"),
        (Balance::Stratified { common_per_rare: f64::NAN }, "balance.common_per_rare"),
        (Balance::Smote { neighbours: 0, rare_per_common: 0.5 }, "balance.neighbours"),
        (Balance::Smote { neighbours: 65, rare_per_common: 0.5 }, "balance.neighbours"),
        (Balance::Smote { neighbours: 5, rare_per_common: 1.5 }, "balance.rare_per_common"),
    ];
    for (balance, named) in cases {
        let refused = settings(balance, 1.0).recipe.train(&table).unwrap_err();
        assert!(matches!(refused, NotTrained::Setting { name, .. } if name == named), "{refused}");
    }
    let mut plan = Plan::of(["la"], 0).unwrap();
    plan.recipe.balance = SMOTE;
    assert!(matches!(plan.check(), Err(Failed::Plan { member: "recipe.balance", .. })));
}

#[test]
fn a_recipe_without_them_is_written_as_before() {
    let written = serde_json::to_value(Recipe::default()).unwrap();
    assert!(written.get("balance").is_none() && written.get("held").is_none());
    assert_eq!(serde_json::from_value::<Recipe>(written).unwrap(), Recipe::default());
    let stratified = Recipe { balance: STRATIFIED, ..Recipe::default() };
    let written = serde_json::to_value(&stratified).unwrap();
    assert_eq!(written["balance"], serde_json::json!({"stratified": {"common_per_rare": 1.5}}));
    assert_eq!(serde_json::from_value::<Recipe>(written).unwrap(), stratified);
}
