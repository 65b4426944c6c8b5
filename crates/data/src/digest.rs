//! The digest of a source's bytes: what a check or a profile was of.

use crate::error::DataError;
use crate::source::{Source, files};
use std::fs::File;
use tidegate_core::id::Digest;

const OPERATION: &str = "digest data";

/// BLAKE3 of the file, or of the names and digests of a folder's data files.
///
/// # Errors
/// When a file cannot be read.
pub fn digest(source: &Source) -> Result<Digest, DataError> {
    let files = files(source, OPERATION)?;
    let of = |path: &std::path::Path| -> Result<blake3::Hash, DataError> {
        let file = File::open(path).map_err(|e| DataError::io(OPERATION, path, e))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).map_err(|e| DataError::io(OPERATION, path, e))?;
        Ok(hasher.finalize())
    };
    match files.paths.as_slice() {
        [only] if *only == source.path => Ok(Digest::from_hash(of(only)?)),
        many => {
            let mut all = blake3::Hasher::new();
            for path in many {
                let name = path.strip_prefix(&source.path).unwrap_or(path).to_string_lossy().into_owned();
                all.update(of(path)?.as_bytes()).update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
            }
            Ok(Digest::from_hash(all.finalize()))
        }
    }
}
