//! The runtime on real models and the real library; answers are scikit-learn's.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod bodies;
mod explain;
mod golden;
mod models;
mod networks;
mod providers;
mod quantised;
