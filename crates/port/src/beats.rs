//! Beats: signs of life of replicas, beside the journal, for they are worth nothing a minute later.
//!
//! Not here: what they mean (`core::lease`).

use crate::Failure;
use tidegate_core::lease::{Beat, Session};

/// One row a session. Reads see every beat that was acknowledged.
pub trait Beats: Send {
    /// Keeps a beat, unless a newer one of its session is there.
    ///
    /// # Errors
    /// When the store fails; the beat may have been kept.
    fn beat(&mut self, beat: &Beat) -> Result<(), Failure>;

    /// The newest beat of each session, sorted by session.
    ///
    /// # Errors
    /// When the store fails.
    fn all(&mut self) -> Result<Vec<Beat>, Failure>;

    /// Forgets a session's beat; doing it twice is harmless.
    ///
    /// # Errors
    /// When the store fails.
    fn forget(&mut self, session: &Session) -> Result<(), Failure>;
}
