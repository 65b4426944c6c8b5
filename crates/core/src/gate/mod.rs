//! Gates: named conditions on a candidate. Only `pass` lets a change through.

mod spec;
mod verdict;

pub use spec::{GateKind, GateSpec};
pub use verdict::{GateOutcome, GateReport, GateVerdict, SliceOutcome};
