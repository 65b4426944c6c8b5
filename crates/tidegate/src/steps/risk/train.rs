//! A model of risk of a repository, and how good it was on changes that came after those it had learnt from.

use super::card::{Facts, card};
use super::environments::environments;
use super::judged::JudgedChange;
use super::labels::{Beside, Labelled, Sources, labels};
use super::leaks::leaks;
use super::moved::moved;
use super::offer::{Figures, offer};
use super::reviews::Reviews;
use super::worded::Worded;
use super::{Folder, For, History, Owners, columns};
use crate::exit::{self, failure};
use anyhow::Result;
use serde::Serialize;
use std::path::Path;
use tidegate_core::correction::Ended;
use tidegate_history::{Change, ChangeNumber, Label, Mined};
use tidegate_learn::ends::{Ends, as_believed};
use tidegate_learn::evaluate::{Report, report};
use tidegate_learn::fitted::{self, Settings};
use tidegate_learn::forest::{self, Growing};
use tidegate_learn::leakage::Leak;
use tidegate_learn::leakage::environments::Compared;
use tidegate_learn::reasons::Drift;
use tidegate_learn::words::{Sayings, Through, Worded as Said, through};
use tidegate_learn::{Row, Table, derive, recalibrate, risk_model, scenario, split};
use tidegate_stats::calibration::Thresholds;
use tidegate_store::disk;
use tidegate_wire::config::RiskPolicy;

/// Fewest changes with a known end that are learnt from.
const ROWS_MIN: usize = 300;
/// Fewest of each kind among them, so that the later part has some too.
const KIND_MIN: usize = 40;
/// Share of the changes, the oldest, that are learnt from for the figures; the model that is kept has learnt from all.
const TRAIN_SHARE: f64 = 0.8;

/// What was trained.
#[derive(Debug, Serialize)]
pub struct Trained {
    /// How many commits were read, and how many are known.
    pub read: usize,
    /// Of all changes.
    pub changes: usize,
    /// Who says what became of them.
    pub labels: Sources,
    /// Changes of owners who have opted out.
    pub opted_out: usize,
    /// Changes that are learnt from of which a forge told who reviewed them, or when they were proposed.
    pub reviewed: usize,
    /// Features that too few of them have, and that are not learnt from.
    pub left_out: Vec<String>,
    /// Failures that nobody saw, which were learnt from beside the changes since few of these hurt.
    pub scenarios: usize,
    /// By the history alone: how many were fixed later, are old enough to be called clean, are too young to tell, or have no label.
    pub fixed: usize,
    /// See `fixed`.
    pub clean: usize,
    /// See `fixed`.
    pub unlabelled: usize,
    /// See `fixed`.
    pub excluded: usize,
    /// Days after which a change without a fix is called clean.
    pub maturity_days: f64,
    /// How many fixes tell it.
    pub delays: usize,
    /// Whether the clone is shallow, and the history ends early.
    pub shallow: bool,
    /// The model on the later changes, having learnt from the earlier ones.
    pub model: Report,
    /// Regression alone on the same changes.
    pub regression: Report,
    /// A random forest on the same changes.
    pub forest: Report,
    /// The number of lines added, on the same changes: what any model must be better than.
    pub lines_added: Report,
    /// What would make these figures a lie; none found is empty.
    pub leaks: Vec<Leak>,
    /// What became of changes in each environment, held against one another; none where deployments tell of no two.
    pub environments: Option<Compared>,
    /// Whether the newest changes are risky for the reasons of earlier ones; none where too few tell.
    pub reasons: Option<Drift>,
}

/// How the number of lines added does on changes.
pub(super) fn lines_added(of: &Table) -> Report {
    let la = of.column("la");
    let lines: Vec<f64> = of.rows().map(|row| la.and_then(|la| row.get(la)).copied().unwrap_or_default()).collect();
    report(of, &lines, false)
}

/// What is learnt from.
pub struct From<'a> {
    /// Up to this revision.
    pub tip: &'a str,
    /// What people and deliveries say.
    pub beside: &'a Beside,
    /// What mistakes cost, and whose changes are left out.
    pub policy: &'a RiskPolicy,
    /// Where the model is written as well, with what its registration needs.
    pub out: Option<&'a Path>,
}

/// Mines and trains.
///
/// # Errors
/// When there is no repository, or too little is known of it.
pub fn train(repository: &Path, from: &From<'_>, seen: &dyn Fn(usize, usize), now: &dyn Fn(&str), note: &dyn Fn(&str)) -> Result<Trained> {
    let folder = Folder::of(repository);
    let _alone = folder.alone("train a model of risk")?;
    let History { mined, worded } = folder.mine(repository, from.tip, For::Keeping, seen, note)?;
    let owners = Owners::known(repository, from.policy, "train a model of risk", note)?;
    let (labels, sources) = labels(&mined, from.beside);
    let reviews = from.beside.told().reviews(&mined);
    let also = Also { worded: &worded, reviews: &reviews };
    let mut learnt = enough(rows(&mined, &labels, &owners, Some(&also))?)?;
    let scenarios = scenario::add(&mut learnt.table, 0)?;
    let settings = Settings { maturity_seconds: mined.maturity.age_s, ..Settings::default() };
    now("learning from the earlier changes, judged on the later ones");
    let made = derive::of_changes(&learnt.table);
    let whole = derive::table(&learnt.table, &made)?;
    let Judged { model, regression, forest, lines_added, leaks, thresholds, said } = judged(&learnt, &whole, &worded, &settings)?;
    let environments = environments(&mined, from.beside.told(), &learnt, &settings.recipe)?;
    let Learnt { table, changes, sayings, opted_out, reviewed, left_out, .. } = learnt;
    let later = changes.iter().rev().take(said.len()).rev().zip(&said);
    let judged = later.map(|(change, (probability, hurt))| JudgedChange {
        commit: change.id.to_string(),
        at_s: change.at_s,
        probability: *probability,
        hurt: *hurt,
    });
    let judged: Vec<JudgedChange> = judged.collect();
    now("learning from all changes");
    let fitted = fitted::fit(&whole, &settings)?;
    let kept = risk_model(&table, &made, &fitted, mined.maturity.age_s, &[])?;
    disk::replace_file(&folder.model(), &kept.write()?)?;
    folder.keep_said(&kept, &sayings)?;
    folder.keep_judged(&kept, thresholds, judged)?;
    folder.keep_held(&kept, &recalibrate::Trained::of(&fitted, settings.miss_share), leaks.len())?;
    let moved = moved(&kept, &table, &made);
    let facts = Facts { model: &kept, mined: &mined, labels: &sources, opted_out, shares: &moved.shares, judged: (&model, &lines_added) };
    let card = card(&facts);
    disk::replace_file(&folder.card(), card.as_bytes())?;
    let count = |is: fn(&Label) -> bool| mined.changes().iter().filter(|change| is(&change.label)).count();
    let trained = Trained {
        read: mined.read,
        changes: mined.changes().len(),
        labels: sources,
        opted_out,
        reviewed,
        left_out,
        scenarios,
        fixed: count(|label| matches!(label, Label::Fixed { .. })),
        clean: count(|label| *label == Label::Clean),
        unlabelled: count(|label| *label == Label::Unlabelled),
        excluded: count(|label| matches!(label, Label::Excluded(_))),
        maturity_days: mined.maturity.age_s as f64 / 86_400.0,
        delays: mined.maturity.delays,
        shallow: mined.shallow,
        model,
        regression,
        forest,
        lines_added,
        leaks,
        environments,
        reasons: moved.drift,
    };
    if let Some(out) = from.out {
        let figures = Figures { model: &trained.model, lines_added: &trained.lines_added, leaks: trained.leaks.len() };
        offer(out, &kept, &table, &figures, &card)?;
    }
    Ok(trained)
}

/// Changes with their rows, oldest first.
pub(super) struct Learnt<'m> {
    /// What is learnt from.
    pub table: Table,
    /// The changes, one a row.
    pub changes: Vec<&'m Change>,
    /// What was believed of each.
    pub ends: Vec<Ends>,
    /// What words said by the end.
    pub sayings: Sayings,
    /// When the newest of what words said of each change was known.
    words_known_at: Vec<i64>,
    /// How many were left out because their owners have opted out.
    pub opted_out: usize,
    /// Of how many a forge told something.
    pub reviewed: usize,
    /// Features that too few of them have.
    pub left_out: Vec<String>,
}

/// What is known beside what was measured, of each change.
pub(super) struct Also<'a> {
    pub worded: &'a Worded,
    pub reviews: &'a Reviews,
}

/// Changes whose end is known and would be known of each: a young one that hurt is left out as a young one that did not.
///
/// With what is known beside, that is features, too: what words said at the time, what a forge told by the time it let a change in. Those that are
/// not known of every change are learnt from where enough of the newest have them. Without it, the table has what every history has.
pub(super) fn rows<'m>(
    mined: &'m Mined,
    labels: &[(ChangeNumber, Labelled)],
    owners: &Owners,
    also: Option<&Also<'_>>,
) -> Result<Learnt<'m>> {
    let last_s = mined.maturity.as_of_s.saturating_sub(mined.maturity.age_s);
    let change = |number: &ChangeNumber| mined.changes().get(number.0 as usize);
    let known = labels.iter().filter_map(|(number, labelled)| Some((change(number)?, labelled)));
    let mut known: Vec<(&Change, &Labelled)> =
        known.filter(|(change, labelled)| labelled.ended != Ended::Unknown && change.at_s <= last_s).collect();
    let before = known.len();
    if owners.any_opted_out() {
        known.retain(|(change, _)| !owners.opted_out(&owners.of_change(mined, change)));
    }
    let opted_out = before - known.len();
    known.sort_by_key(|(change, _)| change.at_s);
    let words = |change: &Change| also.and_then(|also| also.worded.of(&change.id)).map(Vec::as_slice).unwrap_or_default();
    let each: Vec<Said<'_>> =
        known.iter().map(|(change, labelled)| Said { at: change.at_s, words: words(change), ends: &labelled.ends }).collect();
    // All of them are old enough; what people said of them after the newest commit counts from now on.
    let Through { said, known_at: words_known_at, sayings } = through(&each, mined.maturity.age_s, i64::MAX);
    let names = columns::names(also.is_some());
    let row = |((change, _), said): (&(&Change, &Labelled), f64)| {
        let beside = also.map(|also| std::iter::once(said).chain(also.reviews.values(&change.id)));
        change.features.values().into_iter().chain(beside.into_iter().flatten()).collect()
    };
    let whole: Vec<Vec<f64>> = known.iter().zip(said).map(row).collect();
    let chosen = columns::chosen(&names, &whole, also.is_some());
    let mut table = Table::new(chosen.iter().filter_map(|at| names.get(*at)).copied())?;
    for ((change, labelled), row) in known.iter().zip(&whole) {
        let values: Vec<f64> = chosen.iter().filter_map(|at| row.get(*at)).copied().collect();
        let effort = change.features.la + change.features.ld;
        table.push(&Row { at: change.at_s, values: &values, label: labelled.ended == Ended::Hurt, effort })?;
    }
    let told = |change: &Change| also.is_some_and(|also| also.reviews.values(&change.id).iter().any(|value| !value.is_nan()));
    let (changes, ends): (Vec<&Change>, Vec<Ends>) = known.into_iter().map(|(change, labelled)| (change, labelled.ends.clone())).unzip();
    let reviewed = changes.iter().filter(|change| told(change)).count();
    let left_out = names.iter().enumerate().filter(|(at, _)| !chosen.contains(at)).map(|(_, name)| (*name).to_owned()).collect();
    Ok(Learnt { table, changes, ends, sayings, words_known_at, opted_out, reviewed, left_out })
}

/// The same, where they are enough for a model.
fn enough(learnt: Learnt<'_>) -> Result<Learnt<'_>> {
    let (rows, hurt) = (learnt.table.len(), learnt.table.labels().iter().filter(|label| **label).count());
    if rows < ROWS_MIN || hurt.min(rows - hurt) < KIND_MIN {
        let why = format!(
            "train a model of risk: not enough evidence: {rows} changes have an end that is known, {hurt} of them hurt; {ROWS_MIN} and {KIND_MIN} of each kind are the least. Fetch the whole history (`git fetch --unshallow`), or come again when the repository is older"
        );
        return Err(failure(exit::NOT_PASSED, why));
    }
    Ok(learnt)
}

/// What a model of the earlier changes is worth on the later ones.
struct Judged {
    model: Report,
    regression: Report,
    forest: Report,
    lines_added: Report,
    leaks: Vec<Leak>,
    thresholds: Thresholds,
    /// What was said of each later change, and what became of it.
    said: Vec<(f64, bool)>,
}

/// `whole` is the table with what is made of its features. The earlier changes are learnt from as they were known when the first of the later
/// ones was made: a fault that showed later than that is not in the figures.
fn judged(learnt: &Learnt<'_>, whole: &Table, worded: &Worded, settings: &Settings) -> Result<Judged> {
    let Learnt { table, changes, ends, .. } = learnt;
    let parts = split::holdout(whole, TRAIN_SHARE, settings.maturity_seconds);
    let leaks = leaks(table, (changes, &learnt.words_known_at), worded, &parts);
    let (earlier, later) = (whole.slice(parts.train.clone()), whole.slice(parts.test));
    let judges_from = later.at().first().copied().unwrap_or(i64::MAX);
    let earlier = as_believed(&earlier, ends.get(parts.train).unwrap_or_default(), judges_from)?;
    let fitted = fitted::fit(&earlier, settings)
        .map_err(|why| failure(exit::NOT_PASSED, format!("train a model of risk: not enough evidence in the earlier changes: {why}")))?;
    let each = |of: &dyn Fn(&[f64]) -> f64| later.rows().map(of).collect::<Vec<f64>>();
    let probabilities = each(&|row| fitted.probability(row));
    let model = report(&later, &probabilities, true);
    let regression = report(&later, &each(&|row| tidegate_learn::logistic::chance(fitted.blend.logistic.margin(row))), true);
    let grown = forest::train(&earlier, &settings.recipe.weights(&earlier), &Growing::default())?;
    let forest = report(&later, &each(&|row| f64::from(grown.margin(row))), true);
    let lines = lines_added(&later);
    let said = probabilities.into_iter().zip(later.labels().iter().copied()).collect();
    Ok(Judged { model, regression, forest, lines_added: lines, leaks, thresholds: fitted.thresholds, said })
}
