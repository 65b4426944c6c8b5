//! `tidegate sim judges`: our judge beside those of other tools, and beside one that knows, on simulated counts.

use super::in_parallel;
use crate::cli::Context;
use crate::exit::{self, failure};
use crate::show::{self, progress::Progress};
use anyhow::Result;
use clap::Args;
use std::path::{Path, PathBuf};
use tidegate_sim::contest::picture::{self, DELAY_AIM};
use tidegate_sim::contest::{
    ALPHA, Cell, CellResult, Delay, OURS, Place, Plan, Race, cells, delay, races, run_cell, table, tune, undisturbed,
};

/// How much is simulated.
#[derive(Debug, Args)]
pub struct JudgesArgs {
    /// Runs of each cell whose candidate is harmless
    #[arg(long, default_value_t = 10_000)]
    runs: u64,
    /// Runs of each other cell
    #[arg(long, default_value_t = 500)]
    harmful_runs: u64,
    /// Seed of everything that happens
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only cells of this traffic, in requests a minute
    #[arg(long)]
    traffic: Option<f64>,
    /// Runs of each undisturbed harmful cell until both the judge and the oracle have decided
    #[arg(long, default_value_t = 1_000)]
    delay_runs: u64,
    /// Write the pictures into this folder, as SVG
    #[arg(long, value_name = "FOLDER")]
    pictures: Option<PathBuf>,
    /// Write the tables here, as Markdown
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// 1 where our judge rolls back more harmless candidates than it may, in a world that its proof speaks about.
pub fn judges(context: &Context, args: &JudgesArgs) -> Result<u8> {
    let all: Vec<Cell> = cells().into_iter().filter(|c| args.traffic.is_none_or(|t| (t - c.per_minute).abs() < 1e-9)).collect();
    if all.is_empty() || args.runs == 0 || args.harmful_runs == 0 {
        return Err(failure(exit::USAGE, "sim judges: nothing to run: give runs from 1, and a traffic of 20, 60, 600, 6000 or 60000"));
    }
    let plan = Plan { null_runs: args.runs, other_runs: args.harmful_runs, tuning_runs: args.runs.clamp(100, 2_000), seed: args.seed };
    let results = every(&plan, &all, context.json);
    let (races, delays) = (races(&results), delayed(args, &all, context.json));
    let null: Vec<&CellResult> = results.iter().filter(|r| r.cell.harmless() && r.cell.nuisance.exchangeable()).collect();
    let judge = |r: &CellResult| r.judges.iter().find(|j| j.judge == OURS).cloned();
    let over = null.iter().filter(|r| judge(r).is_some_and(|j| r.false_rollback_bound(&j, null.len()) > ALPHA)).count();
    if let Some(path) = &args.output {
        write(&context.dir.join(path), &table(&results))?;
    }
    if let Some(folder) = &args.pictures {
        pictures(&context.dir.join(folder), args.traffic, &results, &races, &delays)?;
    }
    if context.json {
        show::json(&serde_json::json!({ "cells": results, "races": races, "delays": delays, "above_alpha": over }))?;
    } else {
        summary(&results)?;
        raced(&races)?;
        delay_table(&delays)?;
        show::line(&format!("{over} of {} cells whose arms can be exchanged lie above alpha", null.len()))?;
    }
    Ok(if over == 0 { exit::OK } else { exit::NOT_PASSED })
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|e| failure(exit::OUTSIDE, format!("write {}: {e}", path.display())))
}

fn pictures(folder: &Path, traffic: Option<f64>, results: &[CellResult], races: &[Race], delays: &[Delay]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| failure(exit::OUTSIDE, format!("create {}: {e}", folder.display())))?;
    let of = traffic.map_or_else(String::new, |t| format!("-{t}"));
    let all = [
        ("false-rollbacks", picture::false_rollbacks(results)),
        ("detection", picture::detection(races)),
        ("delay", picture::delays(delays)),
    ];
    all.iter().try_for_each(|(name, svg)| write(&folder.join(format!("judges-{name}{of}.svg")), svg))
}

/// The judge beside the oracle, in the undisturbed harmful cells.
fn delayed(args: &JudgesArgs, all: &[Cell], quiet: bool) -> Vec<Delay> {
    let progress = Progress::new(quiet);
    let cells = undisturbed(all);
    let told = |done: usize| progress.now(&format!("{done} of {} cells beside the oracle", cells.len()));
    let delays = in_parallel(&cells, |cell| delay(*cell, args.delay_runs, args.seed), told);
    progress.clear();
    delays
}

/// How many cells we are first in, and where not.
fn raced(races: &[Race]) -> Result<()> {
    let count = |place: Place| races.iter().filter(|r| r.place() == place).count();
    let mut over: Vec<f64> = races.iter().filter_map(|r| Some(r.ours_minutes? / r.best.as_ref()?.1)).collect();
    over.sort_by(f64::total_cmp);
    let median = over.get(over.len() / 2).map_or_else(String::new, |m| format!("; our time over theirs, median {m:.2}"));
    show::line(&format!(
        "harmful worlds, beside every other that keeps to alpha in the same world: first {}, level {}, behind {}, found by nobody {}{median}",
        count(Place::First),
        count(Place::Level),
        count(Place::Behind),
        count(Place::Nobody)
    ))?;
    let behind = races.iter().filter(|r| r.place() == Place::Behind);
    let rows = behind.map(|r| {
        let minutes = |m: Option<f64>| m.map_or_else(|| "not within the hour".to_owned(), |m| format!("{m:.1} min"));
        let (name, best) = r.best.clone().map_or_else(Default::default, |(name, best)| (name, Some(best)));
        vec![told(r.cell), r.cell.nuisance.name().to_owned(), minutes(r.ours_minutes), minutes(best), name]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() { Ok(()) } else { show::line(&show::table(&["behind in", "disturbance", "ours", "soonest", "which"], rows)) }
}

fn told(cell: Cell) -> String {
    format!("{} a minute, {} % x {}", cell.per_minute, cell.base * 100.0, cell.ratio)
}

/// A row a cell, and the largest ratio.
fn delay_table(delays: &[Delay]) -> Result<()> {
    let minutes = |m: Option<f64>| {
        m.map_or_else(|| "over a week".to_owned(), |m| if m < 1.0 { format!("{:.1} s", m * 60.0) } else { format!("{m:.1} min") })
    };
    let rows = delays.iter().map(|d| {
        let ratio = d.ratio().map_or_else(String::new, |r| format!("{r:.2}"));
        vec![
            told(d.cell),
            format!("{} s", d.tick_seconds),
            minutes(d.oracle_minutes),
            minutes(d.one_minutes),
            ratio,
            minutes(d.four_minutes),
        ]
    });
    let head = ["harmful, undisturbed", "tick", "oracle", "one guardrail", "ratio", "four"];
    show::line(&show::table(&head, rows.collect()))?;
    let compared = delays.iter().filter(|d| d.ratio().is_some());
    let beyond = compared.clone().filter(|d| d.ratio().is_some_and(|r| r > DELAY_AIM)).count();
    show::line(&format!("{beyond} of {} cells need more than {DELAY_AIM} times the oracle's time", compared.count()))
}

/// All cells, on all cores, in their order.
fn every(plan: &Plan, all: &[Cell], quiet: bool) -> Vec<CellResult> {
    let progress = Progress::new(quiet);
    let mut worlds: Vec<(f64, f64)> = all.iter().map(|cell| (cell.per_minute, cell.base)).collect();
    worlds.dedup();
    progress.now("tuning the counters of the others");
    let tuned = in_parallel(&worlds, |(per_minute, base)| ((*per_minute, *base), tune(plan, *per_minute, *base)), |_| {});
    let of =
        |cell: &Cell| tuned.iter().find(|(world, _)| *world == (cell.per_minute, cell.base)).map_or_else(Default::default, |(_, c)| *c);
    let told = |done: usize| progress.now(&format!("{done} of {} cells", all.len()));
    let results = in_parallel(all, |cell| run_cell(plan, of(cell), *cell), told);
    progress.clear();
    results
}

/// A row a judge: over all cells.
fn summary(results: &[CellResult]) -> Result<()> {
    let Some(first) = results.first() else { return Ok(()) };
    let share = |of: &dyn Fn(&CellResult) -> bool, at: usize| {
        let (rolled, runs) = results
            .iter()
            .filter(|r| of(r))
            .fold((0, 0), |(rolled, runs), r| (rolled + r.judges.get(at).map_or(0, |j| j.rolled_back), runs + r.runs));
        if runs == 0 { String::new() } else { format!("{:.2} %", 100.0 * rolled as f64 / runs as f64) }
    };
    let rows = first.judges.iter().enumerate().map(|(at, judge)| {
        vec![
            judge.judge.clone(),
            share(&|r| r.cell.harmless() && r.cell.nuisance.exchangeable(), at),
            share(&|r| r.cell.harmless() && !r.cell.nuisance.exchangeable(), at),
            share(&|r| !r.cell.harmless() && r.cell.nuisance.exchangeable(), at),
        ]
    });
    show::line(&show::table(
        &["judge", "harmless rolled back", "the same, arms disturbed apart", "harmful found within the hour"],
        rows.collect(),
    ))
}
