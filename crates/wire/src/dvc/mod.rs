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
mod pyfile;
mod pyliteral;
mod python;
mod scalar;
mod sharing;
mod stage;
mod toml;
pub mod tracked;

pub use emit::{dump, dump_recorded};
pub use error::{DvcError, Problem};
pub use interpolate::Options;
pub use lock::{LockFile, recorded_from_value, recorded_to_value, run_cache_key, run_cache_value};
pub use params::{Format, parse_params, parse_params_as_written, select, set_param};
pub use pipeline::parse_pipeline;
pub use python::{float_repr, json_dumps, write_json_text};
pub use scalar::{value_of, with_plain_keys};

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;
