//! Judges side by side on simulated counts whose truth is known: how often each rolls back what is harmless, how soon it
//! finds what is not, and how many users meet it meanwhile.
//!
//! A cell is one world (traffic, rate of errors, how much worse the candidate is, and what disturbs the counts). All judges
//! see the same counts. Thresholds and counters are also re-tuned, on other seeds, to a false-rollback rate of at most
//! alpha in the undisturbed world of the same traffic, which is more than a user of theirs can do.

mod judges;
mod oracle;
pub mod picture;
mod race;
mod table;
mod world;

pub use table::{CellResult, JudgeResult, table};
pub use world::{Nuisance, TICKS, TICKS_PER_MINUTE};

pub use judges::Counters;
pub use oracle::{Delay, delay};
pub use race::{OURS, Place, Race, races};

use judges::{Outcome, outcomes};
use serde::{Deserialize, Serialize};
use world::Run;

/// Chance that a harmless candidate may be rolled back.
pub const ALPHA: f64 = 0.01;
/// Ratio and absolute difference that count as harmless.
pub(crate) const TOLERANCE: f64 = 1.1;
pub(crate) const SLACK: f64 = 0.001;

/// One world.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Requests a minute, of both arms.
    pub per_minute: f64,
    /// The control's share of failures.
    pub base: f64,
    /// How many times as many the candidate has.
    pub ratio: f64,
    /// What disturbs the counts.
    pub nuisance: Nuisance,
}

impl Cell {
    /// Whether the candidate is within what counts as harmless.
    #[must_use]
    pub fn harmless(&self) -> bool {
        self.base * self.ratio <= TOLERANCE * self.base + SLACK + 1e-12
    }
}

/// Which cells are run, and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Runs of a cell whose candidate is harmless.
    pub null_runs: u64,
    /// Runs of the others.
    pub other_runs: u64,
    /// Runs that counters are tuned on.
    pub tuning_runs: u64,
    /// Seed of everything.
    pub seed: u64,
}

/// All cells: traffic, errors, ratios and disturbances in every combination.
#[must_use]
pub fn cells() -> Vec<Cell> {
    let mut all = Vec::new();
    for per_minute in [20.0, 60.0, 600.0, 6_000.0, 60_000.0] {
        for base in [0.0005, 0.005, 0.05] {
            for ratio in [1.0, 1.2, 1.5, 2.0, 5.0, 20.0] {
                for nuisance in Nuisance::ALL {
                    if base * ratio < 1.0 {
                        all.push(Cell { per_minute, base, ratio, nuisance });
                    }
                }
            }
        }
    }
    all
}

/// The cells in which the judge is held against the oracle: harmful, and nothing disturbed.
#[must_use]
pub fn undisturbed(cells: &[Cell]) -> Vec<Cell> {
    cells.iter().copied().filter(|c| c.nuisance == Nuisance::None && !c.harmless()).collect()
}

/// Limits of counters at this traffic and rate of errors: the same for every cell of them.
#[must_use]
pub fn tune(plan: &Plan, per_minute: f64, base: f64) -> Counters {
    let plain = Cell { per_minute, base, ratio: 1.0, nuisance: Nuisance::None };
    Counters::tuned((0..plan.tuning_runs).map(|i| Run::new(plain, seed_of(plan, plain, i, 1))))
}

/// Runs a cell with counters that were tuned for it. The same plan gives the same result, whatever else is run.
#[must_use]
pub fn run_cell(plan: &Plan, counters: Counters, cell: Cell) -> CellResult {
    let runs = if cell.harmless() { plan.null_runs } else { plan.other_runs };
    let mut all: Vec<(String, Vec<Outcome>)> = Vec::new();
    for i in 0..runs {
        let run = Run::new(cell, seed_of(plan, cell, i, 2));
        for (at, (name, outcome)) in outcomes(&run, &counters).into_iter().enumerate() {
            match all.get_mut(at) {
                Some((_, outcomes)) => outcomes.push(outcome),
                None => all.push((name, vec![outcome])),
            }
        }
    }
    CellResult::of(cell, runs, all)
}

fn seed_of(plan: &Plan, cell: Cell, run: u64, purpose: u64) -> u64 {
    use tidegate_stats::rng::mix;
    let parts = [cell.per_minute.to_bits(), cell.base.to_bits(), cell.ratio.to_bits(), cell.nuisance as u64, run, purpose];
    parts.into_iter().fold(plan.seed, |seed, part| mix(seed ^ mix(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(cell: Cell, runs: u64) -> CellResult {
        let plan = Plan { null_runs: runs, other_runs: runs, tuning_runs: 200, seed: 7 };
        run_cell(&plan, tune(&plan, cell.per_minute, cell.base), cell)
    }

    fn of<'r>(result: &'r CellResult, judge: &str) -> &'r JudgeResult {
        result.judges.iter().find(|j| j.judge == judge).unwrap()
    }

    #[test]
    fn ours_finds_what_is_harmful_and_leaves_the_rest() {
        let cell = Cell { per_minute: 600.0, base: 0.005, ratio: 1.0, nuisance: Nuisance::Incident };
        let null = result(cell, 200);
        assert!(of(&null, "tidegate").rolled_back <= 4, "{:?}", of(&null, "tidegate"));
        assert!(of(&null, "argo, absolute, 3").rolled_back > 100, "a shared incident is taken for harm by an absolute threshold");
        let five = result(Cell { ratio: 5.0, nuisance: Nuisance::None, ..cell }, 100);
        let ours = of(&five, "tidegate");
        assert!(ours.rolled_back >= 98 && ours.median_minutes.is_some_and(|m| m < 15.0), "{ours:?}");
        let oracle = of(&five, "oracle");
        assert!(oracle.median_minutes <= ours.median_minutes, "{oracle:?} {ours:?}");
        let slack = Cell { base: 0.0005, ratio: 2.0, ..cell };
        assert!(slack.harmless() && !Cell { ratio: 5.0, ..slack }.harmless());
    }

    #[test]
    fn the_judge_is_at_most_half_as_long_again_as_one_that_knows() {
        for (per_minute, base, ratio) in [(600.0, 0.005, 5.0), (6_000.0, 0.05, 1.5), (600.0, 0.0005, 20.0)] {
            let found = delay(Cell { per_minute, base, ratio, nuisance: Nuisance::None }, 200, 3);
            assert!(found.ratio().is_some_and(|r| (1.0..=picture::DELAY_AIM).contains(&r)), "{found:?}");
            assert!(found.tick_seconds * 15.0 < found.oracle_minutes.unwrap() * 60.0, "ticks are short beside the delay: {found:?}");
            assert!(found.four_minutes > found.one_minutes, "three guardrails that see nothing cost evidence: {found:?}");
        }
        let harmful = undisturbed(&cells());
        assert!(harmful.len() > 30 && harmful.iter().all(|c| !c.harmless()));
    }

    #[test]
    fn a_race_is_among_those_who_keep_to_alpha() {
        let cell = Cell { per_minute: 600.0, base: 0.005, ratio: 5.0, nuisance: Nuisance::None };
        let results = [result(Cell { ratio: 1.0, ..cell }, 200), result(cell, 60)];
        let found = races(&results);
        assert_eq!(found.len(), 1);
        let (best, minutes) = found[0].best.clone().unwrap();
        assert!(best.ends_with("tuned") || best == "kayenta" || best.starts_with("z-test"), "{best}");
        assert_eq!(found[0].place() == Place::First, found[0].ours_minutes.unwrap() < minutes);
        assert!(races(&results[1..]).is_empty(), "without the harmless world nobody is known to keep to alpha");
        let picture = picture::false_rollbacks(&results);
        assert_eq!(picture.matches("<circle").count(), results[0].judges.len() - 1, "a dot a judge, without the oracle");
        assert_eq!(picture::detection(&found).matches("<circle").count(), 1);
    }

    #[test]
    fn lost_traffic_holds_and_the_same_seed_says_the_same() {
        let cell = Cell { per_minute: 6_000.0, base: 0.005, ratio: 5.0, nuisance: Nuisance::Drops };
        let (a, b) = (result(cell, 40), result(cell, 40));
        assert_eq!(a, b);
        assert!(of(&a, "tidegate").held + of(&a, "tidegate").rolled_back >= 38, "{:?}", of(&a, "tidegate"));
        assert_eq!(cells().len(), 5 * 3 * 6 * Nuisance::ALL.len() - 5 * Nuisance::ALL.len());
        assert!(table(&[a]).contains("| tidegate |"));
    }
}
