//! Loads and runs model files; applies transforms. Knows tensors and files, nothing of releases.
//!
//! A [`Model`] is one file, ready to run: ONNX by the ONNX Runtime library, which [`init`] loads once a process; trees of
//! XGBoost and LightGBM, and models of risk ([`risk`]), by ourselves. [`Format`] tells them apart. A [`Version`] is a directory with a model, its transform
//! from raw records and its golden requests.
//! [`oip`] reads and writes the bodies of the Open Inference Protocol.
//! Not here: HTTP, routes, who may ask, what is released.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod convert;
mod error;
mod format;
#[cfg(fuzzing)]
pub mod fuzz;
mod library;
mod model;
pub mod oip;
mod onnx;
mod provider;
pub mod quantise;
pub mod risk;
mod tensor;
mod trees;
mod version;

pub use error::{InferError, InputFault, RuntimeError};
pub use format::Format;
pub use library::{RuntimeInfo, find_library, init};
pub use model::{MODEL_BYTES_MAX, Model, SESSIONS_MAX};
pub use provider::{Execution, Provider, THREADS_MAX};
pub use tensor::{ELEMENTS_MAX, RANK_MAX, Tensor, TensorData};
pub use trees::{TreeFault, TreeModel};
pub use version::{
    Comparison, EXPLAINED_FEATURES_MAX, EXPLAINED_OUTPUTS_MAX, EXPLAINED_ROWS_MAX, Expect, Explanation, GOLDEN_REQUESTS_MAX, Golden,
    GoldenMiss, GoldenReport, GoldenRequest, InferRequest, InferResponse, Method, Observed, REMOTE_FILE, ROWS_MAX, Tolerance, Version,
};
