//! The tables that are printed.

use crate::{builds, data, published};
use std::path::Path;
use tidegate_learn::boost::{self, Boosting};
use tidegate_learn::evaluate::{Report, blocks, report};
use tidegate_learn::fitted::{self, Fitted, Settings};
use tidegate_learn::forest::{self, Growing};
use tidegate_learn::recipe::Recipe;
use tidegate_learn::{Table, follow, leakage, split};
use tidegate_stats::calibration::coverage;

const DAY: i64 = 86_400;
/// Days until an outcome is taken to be known, where a model is kept up.
const MATURITY_DAYS: i64 = 30;
const MISS_SHARE: f64 = 0.1;
const BLOCK_ROWS: usize = 2_000;

/// What was printed of one project.
struct Judged {
    auc: f64,
    untuned: f64,
    lines: Option<f64>,
    kept_up_auc: f64,
    kept_up_error: f64,
    error: f64,
}

const HEAD: &str = "  model                 AUC [95 %]            PR-AUC  Brier   ECE    of changes 5/10/20/50 %   of effort 5/10/20/50 %    by density 5/10/20/50 %";

fn figures(name: &str, report: &Report) {
    let one = |value: Option<f64>| value.map_or("  -  ".to_owned(), |value| format!("{value:.3}"));
    let four = |values: &[Option<f64>; 4]| values.iter().map(|value| one(*value)).collect::<Vec<_>>().join(" ");
    let auc = report.auc.as_ref().map_or("-".to_owned(), |auc| format!("{:.4} [{:.3}, {:.3}]", auc.estimate, auc.low, auc.high));
    println!(
        "  {name:20} {auc:22} {}  {}  {}   {}   {}   {}",
        one(report.average_precision),
        one(report.brier),
        one(report.calibration_error),
        four(&report.recall_of_changes),
        four(&report.recall_of_effort),
        four(&report.recall_of_effort_by_density)
    );
}

fn area(report: &Report) -> f64 {
    report.auc.as_ref().map_or(f64::NAN, |auc| auc.estimate)
}

fn each(table: &Table, of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    table.rows().map(of).collect()
}

fn judge(name: &str, train: &Table, test: &Table, settings: &Settings) -> Judged {
    let known = |table: &Table| table.base_rate().unwrap_or_default();
    println!("\n{name}: {} rows learnt from ({:.3} hurt), {} later ones judge ({:.3})", train.len(), known(train), test.len(), known(test));
    println!("{HEAD}");
    let lines = train.column("la").map(|la| report(test, &each(test, |row| row.get(la).copied().unwrap_or_default()), false));
    lines.iter().for_each(|lines| figures("lines added", lines));
    let fitted = fitted::fit(train, settings).unwrap();
    let regression = report(test, &each(test, |row| tidegate_learn::logistic::chance(fitted.blend.logistic.margin(row))), true);
    figures("logistic regression", &regression);
    let equal = vec![1.0; train.len()];
    let grown = forest::train(train, &equal, &Growing::default()).unwrap();
    figures("random forest", &report(test, &each(test, |row| f64::from(grown.margin(row)).clamp(0.0, 1.0)), true));
    let untuned = boost::train(train, &equal, &Boosting::default()).unwrap();
    let untuned = report(test, &each(test, |row| tidegate_learn::logistic::chance(f64::from(untuned.margin(row)))), true);
    figures("boosted, untuned", &untuned);
    let own = each(test, |row| fitted.probability(row));
    let fixed = report(test, &own, true);
    figures("ours", &fixed);
    let kept_up = kept_up(&fitted, test, MATURITY_DAYS);
    covers("ours", &blocks(test, &own, &fitted.thresholds, BLOCK_ROWS));
    Judged {
        auc: area(&fixed),
        untuned: area(&untuned),
        lines: lines.as_ref().map(area),
        kept_up_auc: area(&kept_up),
        kept_up_error: kept_up.calibration_error.unwrap_or(f64::NAN),
        error: fixed.calibration_error.unwrap_or(f64::NAN),
    }
}

/// The same model, whose level and label sets follow the outcomes that were known by then.
fn kept_up(fitted: &Fitted, test: &Table, days: i64) -> Report {
    let said = follow::replay(fitted, test, MISS_SHARE, days * DAY);
    let probabilities: Vec<f64> = said.iter().map(|said| said.probability).collect();
    let judged = report(test, &probabilities, true);
    figures(&format!("ours, kept up {days} d"), &judged);
    let sets: Vec<_> = said.iter().map(|said| said.labels).collect();
    let count = (test.len() / BLOCK_ROWS).max(1);
    let groups: Vec<usize> = (0..test.len()).map(|row| (row / BLOCK_ROWS).min(count - 1)).collect();
    covers(&format!("ours, kept up {days} d"), &coverage(&sets, test.labels(), &groups, 0.95).unwrap_or_default());
    judged
}

fn covers(name: &str, groups: &[tidegate_stats::calibration::GroupCoverage]) {
    for group in groups {
        println!(
            "  {name}: label sets at 90 % held the truth in {:.3} of {} rows [{:.3}, {:.3}]",
            group.share, group.rows, group.low, group.high
        );
    }
}

fn means(all: &[Judged]) {
    let mean = |of: fn(&Judged) -> f64| all.iter().map(of).sum::<f64>() / all.len().max(1) as f64;
    // Builds have no lines of their own.
    let lines = mean(|one| one.lines.unwrap_or(f64::NAN));
    println!(
        "\nmean AUC: ours {:.4}, kept up {:.4}, boosted untuned {:.4}, lines added {}; mean ECE: ours {:.4}, kept up {:.4}",
        mean(|one| one.auc),
        mean(|one| one.kept_up_auc),
        mean(|one| one.untuned),
        if lines.is_nan() { "-".to_owned() } else { format!("{lines:.4}") },
        mean(|one| one.error),
        mean(|one| one.kept_up_error),
    );
    let above = |of: fn(&Judged) -> bool| all.iter().filter(|one| of(one)).count();
    println!(
        "of {}: above untuned {}, kept up too {}; above lines added {}",
        all.len(),
        above(|one| one.auc > one.untuned),
        above(|one| one.kept_up_auc > one.untuned),
        above(|one| one.lines.is_some_and(|lines| one.auc > lines)),
    );
}

pub fn issta21(folder: &Path) {
    println!("== ISSTA'21, changes with Kamei's features: the first four fifths of time learn, the last judges");
    let mut all = Vec::new();
    for (project, areas) in published::ISSTA21 {
        let Some(table) = data::issta21(folder, project) else {
            println!("skipped: {project} is not in {}", folder.display());
            continue;
        };
        let table = data::derived(&table);
        let split = split::holdout(&table, 0.8, 0);
        let leaks = leakage::check(&table, &[], &split, &leakage::Limits::default());
        all.push(judge(project, &table.slice(split.train), &table.slice(split.test), &Settings::default()));
        let [lines, deep, cc, kamei, belief] = areas;
        println!(
            "  published, of the last fifth of the whole set: LApredict {lines}, DeepJIT {deep}, CC2Vec {cc}, LR-JIT {kamei}, DBN {belief}"
        );
        println!("  leaks: {leaks:?}");
    }
    means(&all);
}

pub fn apachejit(folder: &Path) {
    println!("\n== ApacheJIT, the authors' split and features");
    let recipe = Recipe { half_life_days: None, ..Recipe::default() };
    let settings = Settings { recipe, ..Settings::default() };
    let mut all = Vec::new();
    for (project, forest) in published::APACHEJIT {
        let Some((table, rows)) = data::apachejit(folder, project) else {
            println!("skipped: {project} is not in {}", folder.display());
            continue;
        };
        all.push(judge(project, &table.slice(0..rows), &table.slice(rows..table.len()), &settings));
        println!("  published: random forest {forest}");
    }
    means(&all);
}

pub fn travis(folder: &Path) {
    println!("\n== TravisTorrent, builds with their past: the first four fifths of time learn, the last judges");
    let settings = Settings::default();
    let mut all = Vec::new();
    for (project, boosted, previous) in published::TRAVIS {
        let Some(table) = builds::travis(folder, project) else {
            println!("skipped: {project} is not in {}", folder.display());
            continue;
        };
        let split = split::holdout(&table, 0.8, 0);
        all.push(judge(project, &table.slice(split.train), &table.slice(split.test), &settings));
        println!("  measured elsewhere: boosted trees with history {boosted}, previous outcome alone {previous}");
    }
    means(&all);
}

/// Windows that grow, with a gap in which labels were not known.
pub fn windows(folder: &Path) {
    println!("\n== ISSTA'21 in windows that grow, labels known after {MATURITY_DAYS} days");
    for (project, _) in published::ISSTA21 {
        let Some(table) = data::issta21(folder, project) else { continue };
        let table = data::derived(&table);
        println!("{project}");
        for split in split::expanding(&table, 0.5, 4, MATURITY_DAYS * DAY) {
            let (train, test) = (table.slice(split.train), table.slice(split.test));
            let settings = Settings { maturity_seconds: MATURITY_DAYS * DAY, ..Settings::default() };
            let fitted = fitted::fit(&train, &settings).unwrap();
            figures(&format!("{} then {}", train.len(), test.len()), &report(&test, &each(&test, |row| fitted.probability(row)), true));
        }
    }
}
