//! What the gates answered.

use serde::{Deserialize, Serialize};

/// A gate's answer; only `Pass` lets a change through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// The condition holds.
    Pass,
    /// It does not.
    Fail,
    /// The evidence does not say.
    CannotTell,
}

/// One gate's answer with its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateOutcome {
    /// Name of the gate.
    pub name: String,
    /// The answer.
    pub verdict: GateVerdict,
    /// The value that was judged.
    pub value: Option<f64>,
    /// Interval of that value, where it was estimated.
    pub interval: Option<(f64, f64)>,
    /// What it was held against.
    pub limit: Option<f64>,
    /// In words: what was seen, and what would change the answer.
    pub why: String,
    /// Slices, for a slice gate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<SliceOutcome>,
}

/// One slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceOutcome {
    /// Value of the slicing column.
    pub value: String,
    /// Rows.
    pub rows: u64,
    /// The metric; none when it could not be computed.
    pub metric: Option<f64>,
    /// Whether it had enough rows to be judged.
    pub judged: bool,
}

/// All gates of a candidate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// In the order of tidegate.yaml.
    pub outcomes: Vec<GateOutcome>,
    /// Share of evaluation rows that candidate and champion decide differently: (rows that differ, rows).
    pub disagreement: Option<(u64, u64)>,
}

impl GateReport {
    /// Whether every gate passed. No gate at all is not a pass.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.outcomes.is_empty() && self.outcomes.iter().all(|o| o.verdict == GateVerdict::Pass)
    }
}
