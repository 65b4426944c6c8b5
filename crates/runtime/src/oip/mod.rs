//! Bodies of the Open Inference Protocol v2 over HTTP, in JSON and as bytes, and over gRPC: read fast, written fast, bounded.
//! Not here: paths, status lines, headers, compression.

mod binary;
mod data;
pub mod grpc;
mod object;
mod raw;
mod read;
mod records;
mod write;

#[cfg(test)]
mod tests;

pub use read::{parse_infer_request, parse_infer_response, read_infer_request, read_infer_response};
pub use records::{record_specs, request_from_records};
pub use write::{answer, write_error, write_infer_request, write_infer_request_as_bytes, write_infer_response};

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

/// A body as it came: JSON, and tensors as bytes behind it where `json_bytes` says how long the JSON is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body<'b> {
    /// All of it.
    pub bytes: &'b [u8],
    /// Length of the JSON; none when all of it is JSON, 0 when nothing is: then it is one tensor's bytes.
    pub json_bytes: Option<usize>,
}

impl<'b> Body<'b> {
    /// A body that is JSON alone.
    #[must_use]
    pub fn json(bytes: &'b [u8]) -> Body<'b> {
        Body { bytes, json_bytes: None }
    }
}

/// A body that was written, with the length of its JSON where tensors follow as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Length of the JSON; none when all of it is JSON.
    pub json_bytes: Option<usize>,
}

impl Written {
    /// As it is read.
    #[must_use]
    pub fn body(&self) -> Body<'_> {
        Body { bytes: &self.bytes, json_bytes: self.json_bytes }
    }
}

/// Which outputs a request wants as bytes and not as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What the request says of all.
    all: bool,
    /// What it says of each that it asks for, in their order.
    each: Vec<Option<bool>>,
}

impl Wanted {
    /// All of them as bytes, or all as JSON.
    #[must_use]
    pub fn binary(all: bool) -> Wanted {
        Wanted { all, each: Vec::new() }
    }

    /// Whether the output of that place is wanted as bytes.
    #[must_use]
    pub fn is_binary(&self, index: usize) -> bool {
        self.each.get(index).copied().flatten().unwrap_or(self.all)
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
