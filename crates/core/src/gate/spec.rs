//! What a gate asks for.

use serde::{Deserialize, Serialize};

/// A named condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateSpec {
    /// Its name in tidegate.yaml.
    pub name: String,
    /// The condition.
    pub kind: GateKind,
}

/// The conditions there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "gate", rename_all = "snake_case")]
pub enum GateKind {
    /// A metric that the pipeline wrote lies within bounds (inclusive).
    Bounds {
        /// Name of the metric, dotted for nested ones.
        metric: String,
        /// Floor.
        min: Option<f64>,
        /// Ceiling.
        max: Option<f64>,
    },
    /// Paired bootstrap against the version behind an alias, on the same evaluation rows.
    Against {
        /// `auc`, `accuracy`, `recall`, `precision`, `log_loss` or `brier`.
        metric: String,
        /// Alias of the other version, as `champion`.
        alias: String,
        /// The lower bound of the difference must lie above minus this.
        margin: f64,
        /// Confidence of that bound, as 0.95.
        confidence: f64,
    },
    /// The gap between the best and the worst slice of at least `min_rows`.
    Slices {
        /// The metric.
        metric: String,
        /// Column of the evaluation rows.
        by: String,
        /// Largest gap allowed.
        max_gap: f64,
        /// Smaller slices are listed as not judged.
        min_rows: u64,
    },
    /// Latency of single predictions, measured on this machine.
    Latency {
        /// Ceiling of the 99th percentile in milliseconds.
        p99_ms: f64,
    },
}
