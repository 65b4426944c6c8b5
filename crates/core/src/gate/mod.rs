//! Gates: named conditions on a candidate. Only `pass` lets a change through.
//!
//! [`evaluate`] is a pure function from evidence to a report. Not here: reading metrics, scoring rows, timing.

mod evaluate;
mod spec;
mod verdict;

pub use evaluate::{Baseline, EvaluationRows, Evidence, LATENCIES_MIN, RESAMPLES, evaluate};
pub use spec::{GateKind, GateSpec};
pub use verdict::{GateOutcome, GateReport, GateVerdict, SliceOutcome};
