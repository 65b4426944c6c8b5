//! Loads and runs model files; applies transforms. Knows tensors and files, nothing of releases.
//!
//! [`init`] loads the ONNX Runtime library once a process. A [`Model`] is one ONNX file, ready to run; a
//! [`Version`] is a directory with a model, its transform from raw records and its golden requests.
//! [`oip`] reads and writes the bodies of the Open Inference Protocol.
//! Not here: HTTP, routes, who may ask, what is released.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod convert;
mod error;
mod library;
mod model;
pub mod oip;
mod tensor;
mod version;

pub use error::{InferError, InputFault, RuntimeError};
pub use library::{RuntimeInfo, find_library, init};
pub use model::{MODEL_BYTES_MAX, Model, SESSIONS_MAX};
pub use tensor::{ELEMENTS_MAX, RANK_MAX, Tensor, TensorData};
pub use version::{
    Expect, GOLDEN_REQUESTS_MAX, Golden, GoldenMiss, GoldenReport, GoldenRequest, InferRequest, InferResponse, Observed, ROWS_MAX,
    Tolerance, Version,
};
