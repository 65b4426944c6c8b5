//! The tables that are printed.

use crate::{builds, data, published};
use std::path::Path;
use tidegate_learn::boost::{self, Boosting};
use tidegate_learn::ends::Ends;
use tidegate_learn::evaluate::{Report, blocks, report};
use tidegate_learn::fitted::{self, Fitted, Settings};
use tidegate_learn::forest::{self, Growing};
use tidegate_learn::recalibrate::{Outcome, Trained, replay};
use tidegate_learn::recipe::Recipe;
use tidegate_learn::{Table, leakage, split};
use tidegate_stats::calibration::{LabelSet, coverage};

const DAY: i64 = 86_400;
/// Days until an outcome is taken to be known, where a model is trained anew, and after which it is.
const MATURITY_DAYS: i64 = 30;
const ANEW_DAYS: i64 = 30;
const BLOCK_ROWS: usize = 2_000;

/// What was printed of one project.
struct Judged {
    auc: f64,
    untuned: f64,
    lines: Option<f64>,
    kept_up_auc: f64,
    kept_up_error: f64,
    anew_auc: f64,
    anew_error: f64,
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

/// Judges on the rows of a table from one on.
fn judge(name: &str, table: &Table, from: usize, settings: &Settings) -> Judged {
    let (train, test) = (&table.slice(0..from), &table.slice(from..table.len()));
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
    let kept_up = kept_up(&fitted, test, settings);
    let anew = trained_anew(table, from, settings);
    covers("ours", &blocks(test, &own, &fitted.thresholds, BLOCK_ROWS));
    Judged {
        auc: area(&fixed),
        untuned: area(&untuned),
        lines: lines.as_ref().map(area),
        kept_up_auc: area(&kept_up),
        kept_up_error: kept_up.calibration_error.unwrap_or(f64::NAN),
        anew_auc: area(&anew),
        anew_error: anew.calibration_error.unwrap_or(f64::NAN),
        error: fixed.calibration_error.unwrap_or(f64::NAN),
    }
}

/// The same model, recalibrated with the outcomes that could be trusted by then, as `risk recalibrate` each day does.
fn kept_up(fitted: &Fitted, test: &Table, settings: &Settings) -> Report {
    let outcomes: Vec<Outcome> = (test.at().iter().zip(test.rows()).zip(test.labels()))
        .map(|((at, row), hurt)| Outcome { at: *at, score: fitted.score(row), ends: Ends::new(Some(*hurt)) })
        .collect();
    let (said, _) = replay(Trained::of(fitted, settings.miss_share), &outcomes, MATURITY_DAYS * DAY);
    let sets: Vec<LabelSet> = said.iter().map(|said| said.labels).collect();
    told("ours, recalibrated", test, &said.iter().map(|said| said.probability).collect::<Vec<f64>>(), &sets)
}

fn told(name: &str, test: &Table, probabilities: &[f64], sets: &[LabelSet]) -> Report {
    let judged = report(test, probabilities, true);
    figures(name, &judged);
    let count = (test.len() / BLOCK_ROWS).max(1);
    let groups: Vec<usize> = (0..test.len()).map(|row| (row / BLOCK_ROWS).min(count - 1)).collect();
    covers(name, &coverage(sets, test.labels(), &groups, 0.95).unwrap_or_default());
    judged
}

/// Models that are trained anew every 30 days on what could be trusted by then, as `risk train` on a schedule does.
fn trained_anew(whole: &Table, from: usize, settings: &Settings) -> Report {
    let settings = Settings { maturity_seconds: MATURITY_DAYS * DAY, ..settings.clone() };
    let test = &whole.slice(from..whole.len());
    let (mut probabilities, mut sets, mut last): (Vec<f64>, Vec<_>, Option<(i64, Fitted)>) = (vec![], vec![], None);
    for (at, row) in test.at().iter().zip(test.rows()) {
        if last.as_ref().is_none_or(|(trained, _)| at - trained >= ANEW_DAYS * DAY) {
            let known = whole.slice(0..whole.before(at - settings.maturity_seconds));
            last = Some((*at, fitted::fit(&known, &settings).unwrap()));
        }
        let Some((_, fitted)) = &last else { continue };
        let probability = fitted.probability(row);
        probabilities.push(probability);
        sets.push(fitted.thresholds.labels(probability));
    }
    told("ours, trained anew", test, &probabilities, &sets)
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
        "\nmean AUC: ours {:.4}, recalibrated {:.4}, trained anew {:.4}, boosted untuned {:.4}, lines added {}; mean ECE: ours {:.4}, recalibrated {:.4}, trained anew {:.4}",
        mean(|one| one.auc),
        mean(|one| one.kept_up_auc),
        mean(|one| one.anew_auc),
        mean(|one| one.untuned),
        if lines.is_nan() { "-".to_owned() } else { format!("{lines:.4}") },
        mean(|one| one.error),
        mean(|one| one.kept_up_error),
        mean(|one| one.anew_error),
    );
    let above = |of: fn(&Judged) -> bool| all.iter().filter(|one| of(one)).count();
    println!(
        "of {}: above untuned {}, recalibrated too {}, trained anew {}; above lines added {}",
        all.len(),
        above(|one| one.auc > one.untuned),
        above(|one| one.kept_up_auc > one.untuned),
        above(|one| one.anew_auc > one.untuned),
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
        let limits = leakage::Limits::default();
        let mut leaks = leakage::check(&table, &[], &limits);
        leaks.extend(leakage::duplicates(&split, &limits, |row| leakage::values(&table, row)));
        all.push(judge(project, &table, split.test.start, &Settings::default()));
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
        all.push(judge(project, &table, rows, &settings));
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
        all.push(judge(project, &table, split.test.start, &settings));
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
