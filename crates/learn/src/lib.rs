//! Models of risk that Tidegate trains itself: pure functions of a table whose rows are ordered by time, settings and a seed.
//!
//! [`Table`] is what is learnt from; [`boost`], [`forest`] and [`logistic`] are the trainers; [`recipe`] is how they become one
//! model with a calibrated probability; [`evaluate`] says how good it is, on rows that come later than those it was trained
//! on; [`leakage`] looks for what would make that figure a lie, [`ends`] knows what was believed when; [`RiskModel`] is the file. [`lime`] and [`counterfactual`] explain
//! any model and [`reasons`] says how far that can be relied on, [`similar`] finds the rows that are like one; trees are explained exactly by `tidegate-runtime`, which also serves them.
//! Not here: where rows come from, files, clocks, and what is done with a score.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod artefact;
pub mod balance;
pub mod boost;
pub mod counterfactual;
pub mod derive;
pub mod ends;
pub mod ensemble;
pub mod evaluate;
pub mod federated;
pub mod fitted;
pub mod forest;
pub mod history;
pub mod leakage;
pub mod lime;
pub mod logistic;
pub mod monotone;
pub mod reasons;
pub mod recalibrate;
pub mod recipe;
pub mod scenario;
pub mod similar;
pub mod split;
mod table;
pub mod words;

pub use artefact::{NotAModel, risk_model};
pub use table::{Feature, NotATable, ROWS_MAX, Row, SYNTHETIC_MAX, Synthetic, Table};
pub use tidegate_runtime::risk::{
    BadModel, Contribution, FEATURES_MAX, FORMAT, MODEL_BYTES_MAX, Pairs, RiskModel, Score, Threshold, Together, Training, WrongRow,
};
