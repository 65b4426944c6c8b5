//! One change: why, how sure, what would lower it, which earlier ones are like it, what became of its files before.

use super::TRAIN;
use super::desk::Shown;
use super::overview::{at, label, scored};
use crate::steps::risk::{BELOW, Kept, lower, lowered, meaning, sure, way_of};
use std::collections::HashMap;
use tidegate_console::view::risk::{FileHistory, NearLine, PairRow, RiskChange, RiskLabel, RiskSaid, SimilarRow, Waterfall, WaterfallStep};
use tidegate_core::correction::Ended;
use tidegate_core::id::At;
use tidegate_history::{Change, ChangeNumber, PathNumber};
use tidegate_learn::{Row, Score, Table, lime, reasons, similar};

/// Features that have a bar of their own.
const STEPS: usize = 9;
/// Features of the line that are told.
const WEIGHTS: usize = 8;
/// Pairs that are told.
const PAIRS: usize = 6;
/// Similar changes that are told.
const SIMILAR: usize = 10;
/// Newest changes with a known end among which similar ones are looked for.
const SIMILAR_AMONG_MAX: usize = 20_000;
/// Newest changes of which the line's surroundings are made.
const BACKGROUND_MAX: usize = 1_000;
/// The line is the same each time.
const SEED: u64 = 0;
/// Lines that are drawn near a change, to see whether they agree.
const LINES: u64 = 5;
/// Changes that the line asks.
const SAMPLES: usize = 1_000;
/// Files that are told.
const FILES_MAX: usize = 20;
/// Earlier changes that hurt that are told of each.
const HURT_MAX: usize = 5;

/// The view of the change that these digits name; or why there is none.
pub fn view(shown: &Shown, kept: &Kept, digits: &str) -> Result<RiskChange, String> {
    let unread = || {
        let tip = kept.mined.tip().to_string();
        format!("There is no such change among those that were read, up to {tip}: `{TRAIN}` reads what is new.")
    };
    let number = kept.mined.named(digits).ok_or_else(unread)?;
    let change = kept.mined.changes().get(number.0 as usize).ok_or_else(unread)?;
    if !scored(change) {
        return Err("This commit has no risk of its own: it is a merge, or touches no file.".to_owned());
    }
    let owners = kept.owners.of_change(&kept.mined, change);
    if kept.owners.opted_out(&owners) {
        return Err("This change is not scored: an owner of its paths has opted out.".to_owned());
    }
    if shown.keeps_back(number, &change.id) {
        return Err("What the model says of this change is kept back: people decide about it, by lot, and nobody has yet.".to_owned());
    }
    let row = kept.row(change, &shown.reviews);
    let score = kept.model.score(&row).map_err(|why| format!("{why}."))?;
    let (hold_from, way) = way_of(&score, &shown.opened.config.risk, &owners);
    let (similar, similar_among) = similar_to(shown, kept, number, change, &row);
    Ok(RiskChange {
        commit: change.id.to_string(),
        at: at(change.at_s),
        said: RiskSaid { probability: score.probability, interval: score.interval, way },
        hold_from,
        rank: score.rank,
        sure: sure(score.labels).to_owned(),
        missing: score.missing.clone(),
        waterfall: waterfall(&score),
        lower: lower(&lowered(&kept.model, &row, BELOW), kept.model.features()),
        line: line(shown, kept, number, &row),
        together: together(shown, kept, &row),
        label: shown.labels.get(&number).map(label),
        similar,
        similar_among,
        files: files(shown, kept, number, change),
        files_more: change.files.len().saturating_sub(FILES_MAX),
        owners: owners.into_iter().collect(),
    })
}

fn waterfall(score: &Score) -> Waterfall {
    let (told, others) = score.contributions.split_at(STEPS.min(score.contributions.len()));
    let step = |one: &tidegate_learn::Contribution| WaterfallStep {
        feature: one.feature.clone(),
        meaning: meaning(&one.feature),
        value: one.value,
        assumed: one.assumed,
        log_odds: one.log_odds,
    };
    Waterfall {
        base: score.base,
        steps: told.iter().map(step).collect(),
        rest: others.iter().map(|one| one.log_odds).sum(),
        rest_features: others.len(),
        margin: score.margin,
        probability: score.probability,
    }
}

/// Changes whose end is known, with where they lie; those that nobody has opted out of.
fn scaled<'s>(shown: &'s Shown, kept: &Kept) -> &'s [(ChangeNumber, Vec<f64>)] {
    shown.scaled.get_or_init(|| {
        let mut known: Vec<ChangeNumber> =
            shown.labels.iter().filter(|(_, label)| label.ended != Ended::Unknown).map(|(number, _)| *number).collect();
        known.sort_unstable();
        let newest = known.iter().skip(known.len().saturating_sub(SIMILAR_AMONG_MAX));
        let place = |number: &ChangeNumber| {
            let change = kept.mined.changes().get(number.0 as usize)?;
            if kept.owners.opted_out(&kept.owners.of_change(&kept.mined, change)) {
                return None;
            }
            Some((*number, kept.model.scaled(&kept.row(change, &shown.reviews)).ok()?))
        };
        newest.filter_map(place).collect()
    })
}

/// The nearest earlier changes whose end is known, and among how many.
fn similar_to(shown: &Shown, kept: &Kept, number: ChangeNumber, change: &Change, own: &[f64]) -> (Vec<SimilarRow>, usize) {
    let Ok(own) = kept.model.scaled(own) else { return (vec![], 0) };
    let before = |other: &ChangeNumber| *other < number && kept.mined.changes().get(other.0 as usize).is_some_and(|o| o.at_s < change.at_s);
    let earlier: Vec<&(ChangeNumber, Vec<f64>)> = scaled(shown, kept).iter().filter(|(other, _)| before(other)).collect();
    let near = similar::nearest(&own, earlier.iter().map(|(_, place)| place.as_slice()), SIMILAR);
    let told = |near: similar::Near| {
        let (number, _) = earlier.get(near.row)?;
        let other = kept.mined.changes().get(number.0 as usize)?;
        Some(SimilarRow {
            commit: other.id.to_string(),
            at: at(other.at_s),
            distance: near.distance,
            probability: kept.model.probability(&kept.row(other, &shown.reviews)).ok()?,
            label: label(shown.labels.get(number)?),
        })
    };
    (near.into_iter().filter_map(told).collect(), earlier.len())
}

/// A line through the log odds near the change; around it are the newest changes whose end is known, without itself.
fn line(shown: &Shown, kept: &Kept, number: ChangeNumber, own: &[f64]) -> Option<NearLine> {
    let names = kept.model.features();
    let mut background = Table::new(names.iter().map(String::as_str)).ok()?;
    let others = scaled(shown, kept).iter().rev().map(|(other, _)| *other).filter(|other| *other != number);
    for other in others.take(BACKGROUND_MAX) {
        let change = kept.mined.changes().get(other.0 as usize)?;
        // A table wants rows in the order of time, which the line does not look at.
        let values = kept.row(change, &shown.reviews);
        background.push(&Row { at: 0, values: &values, label: false, effort: 0.0 }).ok()?;
    }
    let settings = lime::Settings { samples: SAMPLES, seed: SEED, ..lime::Settings::default() };
    let draw = |seed| {
        let settings = lime::Settings { seed, ..settings };
        lime::explain(own, &background, &settings, |row| kept.model.log_odds(row).unwrap_or(f64::NAN))
    };
    let local = draw(SEED)?;
    let others = (1..LINES).filter_map(|more| draw(SEED + more)).map(|line| line.weights);
    let lines: Vec<Vec<f64>> = std::iter::once(local.weights.clone()).chain(others).collect();
    let stability = reasons::stability(&lines, WEIGHTS);
    let mut weights: Vec<(String, f64)> = names.iter().cloned().zip(local.weights).collect();
    weights.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    weights.truncate(WEIGHTS);
    Some(NearLine { r_squared: local.r_squared, seed: local.seed, samples: settings.samples, stability, weights })
}

fn together(shown: &Shown, kept: &Kept, row: &[f64]) -> Vec<PairRow> {
    let pairs = shown.pairs.get_or_init(|| kept.model.pairs().ok());
    let found = pairs.as_ref().and_then(|pairs| kept.model.together(pairs, row).ok()).unwrap_or_default();
    let told = |one: tidegate_learn::Together| PairRow { first: one.first, second: one.second, log_odds: one.log_odds };
    found.into_iter().take(PAIRS).map(told).collect()
}

/// What happened to each of its files before, under the names that they have now or had.
fn files(shown: &Shown, kept: &Kept, number: ChangeNumber, change: &Change) -> Vec<FileHistory> {
    let shown_files: Vec<&tidegate_history::File> = change.files.iter().take(FILES_MAX).collect();
    let mut place: HashMap<PathNumber, usize> = HashMap::new();
    for (at, file) in shown_files.iter().enumerate() {
        place.extend(std::iter::once(file.path).chain(file.from).map(|path| (path, at)));
    }
    let text = |path: PathNumber| String::from_utf8_lossy(kept.mined.path(path)).into_owned();
    let mut told: Vec<FileHistory> =
        shown_files.iter().map(|file| FileHistory { path: text(file.path), earlier: 0, hurt: 0, newest_hurt: vec![] }).collect();
    let earlier = (0u32..).map(ChangeNumber).zip(kept.mined.changes()).take(number.0 as usize);
    let earlier: Vec<(ChangeNumber, &Change)> = earlier.filter(|(_, other)| !other.merge() && other.at_s <= change.at_s).collect();
    for (other, past) in earlier.into_iter().rev() {
        let mut touched: Vec<usize> = past
            .files
            .iter()
            .flat_map(|file| std::iter::once(file.path).chain(file.from))
            .filter_map(|path| place.get(&path).copied())
            .collect();
        touched.sort_unstable();
        touched.dedup();
        let said: Option<RiskLabel> = shown.labels.get(&other).filter(|said| said.ended == Ended::Hurt).map(label);
        for at_file in touched {
            let Some(file) = told.get_mut(at_file) else { continue };
            count(file, past.id.to_string(), at(past.at_s), said.clone());
        }
    }
    told
}

fn count(file: &mut FileHistory, commit: String, at: At, hurt: Option<RiskLabel>) {
    file.earlier += 1;
    let Some(said) = hurt else { return };
    file.hurt += 1;
    if file.newest_hurt.len() < HURT_MAX {
        file.newest_hurt.push((commit, at, said));
    }
}
