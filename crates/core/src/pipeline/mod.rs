//! The pipeline: stages, what they read and write, in which order they may run, and why one must run.
//!
//! All pure. Not here: the language that stages are written in (`wire::dvc`), and running them (`build`).

mod change;
mod graph;
mod path;
mod plan;
mod spec;
pub mod sweep;

pub use change::{Change, Identity, Observed, Reason, Recorded, reasons, same_value};
pub use graph::{Graph, GraphError, Link, Scope, UnknownTarget};
pub use path::join_path;
pub use plan::{Plan, Progress, Waiting, plan, ready};
pub use spec::{ArtifactSpec, Command, OutKind, OutSpec, Pipeline, PlotSpec, StageSpec};

#[cfg(test)]
mod tests;
