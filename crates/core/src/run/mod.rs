//! A run of a pipeline as a machine; its stream is `run/<id>`.
//!
//! ```text
//! Absent -- Start --> Running -- Finish --> Finished
//!                       |  stages: running -> ran | restored | skipped | failed
//!                       +-- Interrupt --> Interrupted   (the process died; a later run takes over)
//! ```
//! Not here: how stages run, and whether one must (`build`, `core::pipeline`).

mod machine;

pub use machine::{Command, Event, FileFact, Outcome, Phase, Refused, RestoredFrom, Runs, SkippedWhy, StagePhase, Start, State};

#[cfg(test)]
mod tests;
