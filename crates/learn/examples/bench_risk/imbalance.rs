//! What is done about the rarer kind of rows, and features that are held to a direction, beside one another: on inner folds of the earlier four
//! fifths of the training parts, by which settings are chosen, and on the later rows, which choose nothing.

use crate::{data, published};
use std::path::Path;
use tidegate_learn::balance::Balance;
use tidegate_learn::evaluate::report;
use tidegate_learn::fitted::{self, Settings};
use tidegate_learn::recipe::Recipe;
use tidegate_learn::{Table, derive, monotone, split};

/// Share of a training part on which settings are chosen.
const INNER_SHARE: f64 = 0.8;
/// Where, in that share, the inner folds begin, and how many there are.
const INNER_FROM: f64 = 0.6;
const INNER_FOLDS: usize = 2;

/// Area under the ROC curve, average precision, calibration error.
type Figures = [f64; 3];

struct Way {
    name: &'static str,
    hurt_weight: Option<f64>,
    balance: Balance,
    held: bool,
}

const WAYS: [Way; 6] = [
    Way { name: "none", hurt_weight: Some(1.0), balance: Balance::Weights, held: false },
    // As much as makes both kinds weigh the same.
    Way { name: "weights", hurt_weight: None, balance: Balance::Weights, held: false },
    Way { name: "stratified 1:1", hurt_weight: Some(1.0), balance: Balance::Stratified { common_per_rare: 1.0 }, held: false },
    Way { name: "stratified 2:1", hurt_weight: Some(1.0), balance: Balance::Stratified { common_per_rare: 2.0 }, held: false },
    Way { name: "SMOTE 1:1", hurt_weight: Some(1.0), balance: Balance::Smote { neighbours: 5, rare_per_common: 1.0 }, held: false },
    Way { name: "held features", hurt_weight: Some(1.0), balance: Balance::Weights, held: true },
];

impl Way {
    fn settings(&self, base: &Settings, plain: &Table, train: &Table) -> Settings {
        let rate = train.base_rate().unwrap_or(0.5);
        let hurt_weight = self.hurt_weight.unwrap_or((1.0 - rate) / rate);
        let held = if self.held { monotone::of_changes(plain, &derive::of_changes(plain)) } else { Vec::new() };
        Settings { recipe: Recipe { hurt_weight, balance: self.balance, held, ..base.recipe.clone() }, ..base.clone() }
    }
}

fn figures(train: &Table, test: &Table, settings: &Settings) -> Figures {
    let fitted = fitted::fit(train, settings).unwrap();
    let said = report(test, &test.rows().map(|row| fitted.probability(row)).collect::<Vec<f64>>(), true);
    [said.auc.map(|auc| auc.estimate), said.average_precision, said.calibration_error].map(|value| value.unwrap_or(f64::NAN))
}

fn mean(all: &[Figures]) -> Figures {
    [0, 1, 2].map(|figure| all.iter().filter_map(|one| one.get(figure)).sum::<f64>() / all.len().max(1) as f64)
}

fn told(figures: &Figures) -> String {
    figures.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join("  ")
}

/// A set's projects: name, rows that are learnt from, rows that judge; both as they are, without what is made of them.
fn compare(title: &str, projects: &[(&str, Table, Table)], base: &Settings) {
    println!("\n{title}: AUC, PR-AUC and ECE on inner folds of the earlier four fifths of the training part; on the later rows");
    let mut all: Vec<(Vec<Figures>, Vec<Figures>)> = WAYS.iter().map(|_| (Vec::new(), Vec::new())).collect();
    for (name, plain, later) in projects {
        println!("{name}: {:.3} hurt", plain.base_rate().unwrap_or_default());
        let (train, test) = (data::derived(plain), data::derived(later));
        for (way, (inner, outer)) in WAYS.iter().zip(&mut all) {
            let settings = way.settings(base, plain, &train);
            let early = train.slice(split::holdout(&train, INNER_SHARE, 0).train);
            let folds = split::expanding(&early, INNER_FROM, INNER_FOLDS, 0);
            let folds: Vec<Figures> =
                folds.into_iter().map(|fold| figures(&early.slice(fold.train), &early.slice(fold.test), &settings)).collect();
            inner.push(mean(&folds));
            outer.push(figures(&train, &test, &settings));
            let last = |of: &[Figures]| of.last().map(told).unwrap_or_default();
            println!("  {:16} {}   |   {}", way.name, last(inner), last(outer));
        }
    }
    println!("mean of {}", projects.len());
    for (way, (inner, outer)) in WAYS.iter().zip(&all) {
        println!("  {:16} {}   |   {}", way.name, told(&mean(inner)), told(&mean(outer)));
    }
}

pub fn run(folder: &Path) {
    println!("\n== what is done about the rarer kind of rows");
    let issta21 = published::ISSTA21.iter().filter_map(|(project, _)| {
        let table = data::issta21(folder, project)?;
        let split = split::holdout(&table, 0.8, 0);
        Some((*project, table.slice(split.train), table.slice(split.test)))
    });
    compare("ISSTA'21", &issta21.collect::<Vec<_>>(), &Settings::default());
    let apachejit = published::APACHEJIT.iter().filter_map(|(project, _)| {
        let (table, rows) = data::apachejit_plain(folder, project)?;
        Some((*project, table.slice(0..rows), table.slice(rows..table.len())))
    });
    let recipe = Recipe { half_life_days: None, ..Recipe::default() };
    compare("ApacheJIT", &apachejit.collect::<Vec<_>>(), &Settings { recipe, ..Settings::default() });
}
