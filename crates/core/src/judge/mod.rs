//! The judge: a pure function of logged counts to a verdict that explains itself.
//!
//! Evidence is a sequence of [`Tick`]s. [`JudgeState`] folds them; [`JudgeState::assess`] says what follows.
//! Not here: where counts come from, what is done with a verdict (see `rollout`).

mod evidence;
mod settings;
mod verdict;

pub use evidence::{ArmCounts, LatencyHistogram, Mode, OneSample, PairCounts, Tick};
pub use settings::{Guardrail, GuardrailKind, JudgeSettings};
pub use verdict::{Assessment, GuardrailAssessment, HoldReason, Verdict};
