//! DVC's files: `dvc.yaml` with interpolation, parameter files, and `dvc.lock` and run-cache entries byte for byte.
//!
//! Not here: files and hashes themselves (`build`), and what a pipeline is (`core::pipeline`).
//! What DVC reads and this does not is refused by name, so that nothing is silently dropped.

pub mod config;
mod context;
mod emit;
mod error;
mod expand;
mod interpolate;
mod lock;
mod number;
mod params;
mod pipeline;
mod python;
mod scalar;
mod stage;
pub mod tracked;

pub use emit::dump;
pub use error::{DvcError, Problem};
pub use lock::{LockFile, recorded_from_value, recorded_to_value, run_cache_key, run_cache_value};
pub use params::{Format, parse_params, select, set_param};
pub use pipeline::parse_pipeline;
pub use python::{float_repr, json_dumps};
pub use scalar::value_of;

#[cfg(test)]
mod tests;
