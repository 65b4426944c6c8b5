//! Tree models against the libraries that made them: the same predictions, to the bit, and nothing answered wrong. No ONNX
//! Runtime is loaded here: none of this needs it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod files;
mod hostile;
mod oracle;
mod versions;

use std::path::{Path, PathBuf};
use tidegate_runtime::{Model, RuntimeError};

/// A file of `tests/fixtures/trees`.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/trees").join(name)
}

/// A model of some bytes.
fn model(bytes: &[u8]) -> Result<Model, RuntimeError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    Model::load(file.path())
}

/// Why some bytes are no model that is served.
fn refusal(bytes: &[u8]) -> String {
    let error = model(bytes).unwrap_err();
    assert!(matches!(error, RuntimeError::ModelUnsupported { .. }), "{error:?}");
    error.to_string().split_once("`: ").unwrap().1.to_owned()
}
