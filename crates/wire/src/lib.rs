//! Serialised twins: journal records, tidegate.yaml, foreign formats, HTTP bodies.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod batches;
pub mod change;
pub mod ci;
pub mod comment;
pub mod config;
pub mod contract;
pub mod dvc;
pub mod foreign;
pub mod freeze;
pub mod ical;
pub mod junit;
pub mod notify;
pub mod prometheus;
pub mod record;
pub mod report;
pub mod requests;
pub mod samples;
pub mod sarif;
pub mod scenario;
pub mod sources;
pub mod transform;
pub mod yaml;
