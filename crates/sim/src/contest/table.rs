//! What the runs of a cell come to, and a table of it.

use super::judges::Outcome;
use super::world::TICKS_PER_MINUTE;
use super::{ALPHA, Cell};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use tidegate_stats::confidence::clopper_pearson_lower;

/// One judge in one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeResult {
    /// The judge and how it is set.
    pub judge: String,
    /// Runs that it rolled back.
    pub rolled_back: u64,
    /// Runs that it promoted.
    pub promoted: u64,
    /// Runs that ended with a hold, because the counts do not fit the split.
    pub held: u64,
    /// Median minutes to a rollback, over all runs; none where most were not rolled back.
    pub median_minutes: Option<f64>,
    /// Minutes by which nine in ten were rolled back.
    pub p90_minutes: Option<f64>,
    /// Median minutes to a promotion, over all runs.
    pub promote_minutes: Option<f64>,
    /// Users a run, on average, that met a failure of the candidate before the end.
    pub hurt: f64,
}

/// A cell with all judges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellResult {
    /// The world.
    pub cell: Cell,
    /// Runs.
    pub runs: u64,
    /// The judges.
    pub judges: Vec<JudgeResult>,
}

impl CellResult {
    pub(super) fn of(cell: Cell, runs: u64, all: Vec<(String, Vec<Outcome>)>) -> CellResult {
        let judges = all.into_iter().map(|(judge, outcomes)| JudgeResult::of(judge, &outcomes)).collect();
        CellResult { cell, runs, judges }
    }

    /// Lower bound of a judge's false-rollback rate that holds for all of `cells` cells together with 95 %.
    #[must_use]
    pub fn false_rollback_bound(&self, judge: &JudgeResult, cells: usize) -> f64 {
        clopper_pearson_lower(self.runs, judge.rolled_back, 1.0 - 0.05 / cells.max(1) as f64)
    }
}

impl JudgeResult {
    fn of(judge: String, outcomes: &[Outcome]) -> JudgeResult {
        let count = |pick: fn(&Outcome) -> bool| outcomes.iter().filter(|o| pick(o)).count() as u64;
        JudgeResult {
            judge,
            rolled_back: count(|o| o.rollback.is_some()),
            promoted: count(|o| o.promote.is_some()),
            held: count(|o| o.held && o.rollback.is_none()),
            median_minutes: minutes(outcomes, 0.5, |o| o.rollback),
            p90_minutes: minutes(outcomes, 0.9, |o| o.rollback),
            promote_minutes: minutes(outcomes, 0.5, |o| o.promote),
            hurt: outcomes.iter().map(|o| o.hurt as f64).sum::<f64>() / outcomes.len().max(1) as f64,
        }
    }
}

/// The minute by which this share of all runs had happened.
fn minutes(outcomes: &[Outcome], share: f64, pick: fn(&Outcome) -> Option<usize>) -> Option<f64> {
    let mut all: Vec<usize> = outcomes.iter().filter_map(pick).collect();
    all.sort_unstable();
    let at = libm::ceil(outcomes.len() as f64 * share) as usize;
    all.get(at.checked_sub(1)?).map(|tick| (*tick + 1) as f64 / TICKS_PER_MINUTE as f64)
}

/// The cells as Markdown, one table a cell.
#[must_use]
pub fn table(cells: &[CellResult]) -> String {
    let mut text = String::new();
    for result in cells {
        let cell = result.cell;
        let kind = if cell.harmless() { "harmless" } else { "harmful" };
        let _ = writeln!(
            text,
            "### {} requests a minute, errors {} %, candidate {} times ({kind}), {}\n",
            cell.per_minute,
            cell.base * 100.0,
            cell.ratio,
            cell.nuisance.name()
        );
        text.push_str("| judge | rolled back | median min | nine in ten | promoted | median min | held | users hurt |\n|---|---|---|---|---|---|---|---|\n");
        for j in &result.judges {
            let share = |n: u64| format!("{:.2} %", 100.0 * n as f64 / result.runs.max(1) as f64);
            let minute = |m: Option<f64>| m.map_or_else(String::new, |m| format!("{m:.1}"));
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {:.1} |",
                j.judge,
                share(j.rolled_back),
                minute(j.median_minutes),
                minute(j.p90_minutes),
                share(j.promoted),
                minute(j.promote_minutes),
                share(j.held),
                j.hurt
            );
        }
        text.push('\n');
    }
    let _ = writeln!(text, "Alpha {ALPHA}.");
    text
}
