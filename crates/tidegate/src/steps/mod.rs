//! The steps that take a change round the loop, each usable alone: build, check, register, gate, offline scores, drift.
//!
//! A step measures and records; what it means is decided in `core`.

pub mod build;
pub mod candidate;
pub mod check;
pub mod checkpoint;
pub mod deliveries;
pub mod drift;
#[cfg(feature = "data")]
pub mod drift_parts;
pub mod experiment;
pub mod features;
pub mod freeze;
pub mod gate;
pub mod offline;
pub mod performance;
pub mod reactivate;
pub mod register;
pub mod release;
pub mod report;
pub mod reproduce;
pub mod risk;
pub mod sweep;
#[cfg(feature = "data")]
pub mod tables;
