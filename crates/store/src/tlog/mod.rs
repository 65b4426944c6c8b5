//! The transparency log: the journal's records as C2SP tlog-tiles, in a directory of static files.
//!
//! [`Log`] is the one sequencer that writes and signs; [`LogDir`] reads what it wrote, and anybody else's copy of it.
//! Leaves are the exact bytes of the records, so leaf `n` is the record at position `n`.
//! Not here: what a verifier concludes ([`crate::audit`]).

pub mod checkpoint;
pub mod edge;
pub mod error;
pub mod hash;
pub mod key;
pub mod log;
pub mod note;
pub mod proof;
pub mod read;
pub mod tile;

pub use checkpoint::Checkpoint;
pub use error::LogError;
pub use hash::Hash;
pub use key::{LogSigner, LogVerifier};
pub use log::{Log, Sealed};
pub use proof::Proof;
pub use read::LogDir;

use tidegate_port::Failure;

/// Where the leaves come from: committed records, in order, as their exact bytes.
pub trait Leaves {
    /// At most `limit` leaves from `from` on; fewer only at the end.
    ///
    /// # Errors
    /// When the store fails.
    fn leaves(&mut self, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure>;

    /// How many there are.
    ///
    /// # Errors
    /// When the store fails.
    fn size(&mut self) -> Result<u64, Failure>;

    /// Holds every row against the record in its bytes, and finds what is missing; how many there are.
    ///
    /// # Errors
    /// On the first damage that is found.
    fn check_whole(&mut self) -> Result<u64, Failure>;
}

impl Leaves for crate::SqliteJournal {
    fn leaves(&mut self, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Failure> {
        crate::SqliteJournal::leaves(self, from, limit)
    }

    fn size(&mut self) -> Result<u64, Failure> {
        crate::SqliteJournal::size(self)
    }

    fn check_whole(&mut self) -> Result<u64, Failure> {
        crate::SqliteJournal::check_whole(self)
    }
}
