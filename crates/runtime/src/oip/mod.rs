//! Bodies of the Open Inference Protocol v2 over HTTP, in JSON: read fast, written fast, bounded.
//! Not here: paths, status lines, headers, and the binary extension.

mod data;
mod read;
mod records;
mod write;

#[cfg(test)]
mod tests;

pub use read::{parse_infer_request, parse_infer_response};
pub use records::{record_specs, request_from_records};
pub use write::{write_error, write_infer_request, write_infer_response};

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest body that is read.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Tensors in one request or response.
pub const TENSORS_MAX: usize = 4096;

/// A body that is no inference request or response: its sender's mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OipError {
    /// What is wrong.
    pub message: String,
}

impl OipError {
    fn new(message: impl Into<String>) -> OipError {
        OipError { message: message.into() }
    }
}

/// Who answers, as the protocol names it in a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answering {
    /// Model.
    pub model_name: String,
    /// Version.
    pub model_version: Option<String>,
}

/// The protocol's JSON object of a tensor.
impl Serialize for crate::Tensor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = Vec::new();
        write::tensor(&mut json, self);
        let text = String::from_utf8(json).map_err(S::Error::custom)?;
        serde_json::value::RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for crate::Tensor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<crate::Tensor, D::Error> {
        let raw = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
        read::one_tensor(raw.get()).map_err(|error| D::Error::custom(error.message))
    }
}
