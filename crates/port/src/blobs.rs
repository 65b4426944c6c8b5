//! Blobs: bytes by their content.

use crate::Failure;
use tidegate_core::id::Digest;

/// Content-addressed bytes. A stored blob is whole and durable, or absent.
pub trait Blobs: Send + Sync {
    /// Stores `bytes`; doing it twice is harmless.
    ///
    /// # Errors
    /// When the store fails; nothing half-written stays behind.
    fn put(&self, bytes: &[u8]) -> Result<Digest, Failure>;

    /// The bytes of `digest`, checked against it.
    ///
    /// # Errors
    /// [`crate::FailureKind::Gone`] when absent, [`crate::FailureKind::Refused`] when the content does not match.
    fn get(&self, digest: &Digest) -> Result<Vec<u8>, Failure>;

    /// Whether it is there.
    ///
    /// # Errors
    /// When the store fails.
    fn has(&self, digest: &Digest) -> Result<bool, Failure>;
}
