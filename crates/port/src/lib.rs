//! What the outside must offer, as traits, with in-memory fakes.
//!
//! Not here: any implementation that touches a disk or a network.

pub mod blobs;
pub mod failure;
pub mod journal;
pub mod memory;

pub use blobs::Blobs;
pub use failure::{Failure, FailureKind};
pub use journal::{Appended, Journal, JournalError, NewEvent, Record};
