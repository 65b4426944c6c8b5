//! Tests of the columnar engine, in one binary so that DataFusion is linked once.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "data/bad_input.rs"]
mod bad_input;
#[path = "data/check.rs"]
mod check;
#[path = "data/formats.rs"]
mod formats;
#[path = "data/oracle.rs"]
mod oracle;
#[path = "data/pandera.rs"]
mod pandera;
#[path = "data/profile.rs"]
mod profile;
#[path = "data/queries.rs"]
mod queries;
#[path = "data/rules.rs"]
mod rules;
#[path = "data/world.rs"]
mod world;
