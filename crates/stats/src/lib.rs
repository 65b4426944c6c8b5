//! Numbers only: e-processes, intervals, distances, resampling. No domain noun, no I/O.
//!
//! Every floating-point function goes through `libm`, so that a result is the same bits on every machine.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod betting;
pub mod bootstrap;
pub mod calibration;
pub mod compare;
pub mod confidence;
pub mod dispersion;
pub mod distance;
pub mod eprocess;
pub mod exact;
pub mod fairness;
pub mod folds;
pub mod frequent;
pub mod groups;
pub mod metric;
pub mod multiple;
pub mod paired;
pub mod quantile;
pub mod rng;
pub mod scoring;
pub mod special;
pub mod tails;
pub mod threshold;
pub mod zero;
