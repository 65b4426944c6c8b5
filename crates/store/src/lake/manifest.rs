//! Which sealed segments a table has.

use crate::disk;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tidegate_core::id::{At, Digest};
use tidegate_port::{Failure, FailureKind};

/// Largest manifest in bytes.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;
/// The version that is written.
const VERSION: u32 = 1;

/// A segment that no longer changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedSegment {
    /// Its number within the table.
    pub number: u64,
    /// Its file within the table's directory.
    pub file: String,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The earliest `at` of its rows.
    pub at_min: At,
    /// The latest `at` of its rows.
    pub at_max: At,
    /// Digest of the file.
    pub digest: Digest,
}

/// The sealed segments of a table, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    v: u32,
    /// The table.
    pub table: String,
    /// The segments.
    pub segments: Vec<SealedSegment>,
}

impl Manifest {
    /// The manifest of the table in `dir`; an empty one when there is none yet.
    pub(super) fn load(dir: &Path, table: &str) -> Result<Manifest, Failure> {
        let path = path(dir);
        let Some(bytes) = disk::read_if_there(&path, MANIFEST_BYTES_MAX)? else {
            return Ok(Manifest { v: VERSION, table: table.to_owned(), segments: Vec::new() });
        };
        let refused =
            |detail: String| Failure { kind: FailureKind::Refused, operation: "read manifest", object: path.display().to_string(), detail };
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|e| refused(format!("{e}: it was damaged; restore it from a copy")))?;
        if manifest.v != VERSION || manifest.table != table {
            return Err(refused(format!(
                "it is version {} of table `{}`, expected version {VERSION} of `{table}`",
                manifest.v, manifest.table
            )));
        }
        Ok(manifest)
    }

    pub(super) fn store(&self, dir: &Path) -> Result<(), Failure> {
        let path = path(dir);
        let bytes = serde_json::to_vec_pretty(self).map_err(|e| super::broken("write manifest", &path, &e))?;
        disk::replace_file(&path, &bytes)
    }

    pub(super) fn holds(&self, number: u64) -> bool {
        self.segments.iter().any(|segment| segment.number == number)
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("manifest.json")
}
