//! Who finds harm first, among judges that leave harmless candidates alone in the same world.

use super::{ALPHA, Cell, CellResult, JudgeResult};
use serde::{Deserialize, Serialize};

/// The judge that this is about, by its name in a [`CellResult`].
pub const OURS: &str = "tidegate";

/// One harmful cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Race {
    /// The world.
    pub cell: Cell,
    /// Our median minutes; none where most runs ended without a rollback.
    pub ours_minutes: Option<f64>,
    /// The soonest of the others that keep to alpha in the same world, and its median minutes.
    pub best: Option<(String, f64)>,
    /// Users a run that met a failure: with ours, with the soonest other.
    pub hurt: (f64, Option<f64>),
}

/// How a race ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Ours is first, or alone.
    First,
    /// Both need the same time.
    Level,
    /// Another is first.
    Behind,
    /// Nobody finds it within the hour in half of the runs.
    Nobody,
}

impl Race {
    /// How it ended.
    #[must_use]
    pub fn place(&self) -> Place {
        match (self.ours_minutes, &self.best) {
            (None, None) => Place::Nobody,
            (Some(_), None) => Place::First,
            (None, Some(_)) => Place::Behind,
            (Some(ours), Some((_, best))) if ours < *best => Place::First,
            (Some(ours), Some((_, best))) if ours <= *best => Place::Level,
            (Some(_), Some(_)) => Place::Behind,
        }
    }
}

/// The others: neither ours in another setting nor the oracle, which knows what nobody can.
fn is_other(judge: &JudgeResult) -> bool {
    !judge.judge.starts_with(OURS) && judge.judge != "oracle"
}

/// The races of all harmful cells whose harmless world was run too. Each other judge takes part where at most alpha of the runs
/// of the same traffic, rate and disturbance without any harm are rolled back by it.
#[must_use]
pub fn races(results: &[CellResult]) -> Vec<Race> {
    let quiet = |cell: Cell| {
        let same = |c: Cell| c.per_minute == cell.per_minute && c.base == cell.base && c.nuisance == cell.nuisance && c.ratio == 1.0;
        results.iter().find(|r| same(r.cell))
    };
    let harmful = results.iter().filter(|r| !r.cell.harmless());
    harmful.filter_map(|r| Some(race(r, quiet(r.cell)?))).collect()
}

fn race(result: &CellResult, quiet: &CellResult) -> Race {
    let keeps = |name: &str| {
        let judge = quiet.judges.iter().find(|j| j.judge == name);
        judge.is_some_and(|j| j.rolled_back as f64 <= ALPHA * quiet.runs as f64)
    };
    let others = result.judges.iter().filter(|j| is_other(j) && keeps(&j.judge));
    let best = others.filter_map(|j| Some((j, j.median_minutes?))).min_by(|a, b| a.1.total_cmp(&b.1));
    let ours = result.judges.iter().find(|j| j.judge == OURS);
    Race {
        cell: result.cell,
        ours_minutes: ours.and_then(|j| j.median_minutes),
        best: best.map(|(judge, minutes)| (judge.judge.clone(), minutes)),
        hurt: (ours.map_or(0.0, |j| j.hurt), best.map(|(judge, _)| judge.hurt)),
    }
}
