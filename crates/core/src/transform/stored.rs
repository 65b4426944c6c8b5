//! `transform.json`: the form in which a registered version keeps its transform, in a versioned envelope.

use crate::transform::Transform;
use serde::{Deserialize, Serialize};

/// The envelope's version that is written.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Writing<'t> {
    v: u32,
    transform: &'t Transform,
}

#[derive(Deserialize)]
struct Reading {
    v: u32,
    transform: serde_json::Value,
}

/// A stored transform that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// It is not the JSON that it should be.
    #[error("read stored transform: {0}")]
    Json(#[from] serde_json::Error),
    /// A newer program wrote it.
    #[error("read stored transform: it has form {found}, this program reads up to form {VERSION}: upgrade it")]
    Newer {
        /// The form found.
        found: u32,
    },
}

impl Transform {
    /// The stored form; the same transform gives the same bytes.
    ///
    /// # Errors
    /// When a number in it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, StoredError> {
        Ok(serde_json::to_string_pretty(&Writing { v: VERSION, transform: self })? + "\n")
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When it is no JSON of this form, or of a newer one.
    pub fn from_json(bytes: &[u8]) -> Result<Transform, StoredError> {
        let envelope: Reading = serde_json::from_slice(bytes)?;
        if envelope.v > VERSION {
            return Err(StoredError::Newer { found: envelope.v });
        }
        Ok(serde_json::from_value(envelope.transform)?)
    }
}
