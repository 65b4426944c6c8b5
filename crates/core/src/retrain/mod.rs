//! Training anew by itself: what starts a training, what holds it back, and what became of it.
//!
//! [`due`] is pure: triggers against what was seen before. The machine keeps each training from its start to the release
//! of its candidate (stream `retrain/<model>`). Not here: how a training is carried out, what gates and releases decide.

mod machine;
mod rule;
#[cfg(test)]
mod tests;

pub use machine::{Command, Event, HISTORY_MAX, Outcome, Phase, Refused, Retraining, State, Training};
pub use rule::{Budget, Held, Observed, Performance, PerformanceFinding, PerformanceVerdict, Rule, Seen, Source, Trigger, due, held};
