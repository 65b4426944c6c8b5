//! The columnar engine on DataFusion: contracts, profiles, drift, and rows as plain vectors.
//!
//! A check makes one scan, with projection, for all expectations that stream; what needs groups (duplicates,
//! distinct counts) is planned apart, under a memory limit, and spills. Results are the same on every
//! machine, however many cores it has. Not here: what a verdict means (`core::contract`), how a contract
//! is written (`wire::contract`), when data is checked.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod check;
mod classes;
mod csv;
mod digest;
mod error;
mod evaluate;
mod frame;
mod groups;
mod lake;
mod like;
mod measure;
mod pass;
mod place;
mod plan;
mod profile;
mod propose;
mod query;
mod references;
mod regex;
mod rows;
mod scan;
mod selected;
mod sets;
mod source;
mod stored;
mod strptime;
mod taken;
mod text;
mod vectors;

pub use check::{CheckOptions, SAMPLES, SAMPLES_MAX, check};
pub use classes::type_names;
pub use digest::digest;
pub use error::DataError;
pub use frame::{Frame, KeyColumn, read_frame};
pub use lake::{LAKE_ANSWER_ROWS_MAX, LAKE_BYTES_MAX, LAKE_QUERY_BYTES_MAX, LAKE_ROWS_MAX, LAKE_WITHIN, Question};
pub use profile::{profile, profile_table};
pub use propose::{Proposal, ProposedColumn, ProposedRule, propose};
pub use rows::{Column, ROWS_MAX, Table, read_rows, write_parquet};
pub use source::{Format, MEMORY_BYTES_MAX, Source};
pub use stored::{COPY_BYTES_MAX, OBJECTS_MAX, Stored, stored_digest};
pub use tidegate_core::contract::{CheckReport, Contract, DriftReport, DriftSettings, Profile, compare};
pub use vectors::{VECTOR_VALUES_MAX, VECTOR_WIDTH_MAX, Vectors};
