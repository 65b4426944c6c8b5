//! What the outside must offer, as traits, with in-memory fakes.
//!
//! Not here: any implementation that touches a disk or a network.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod beats;
pub mod blobs;
pub mod contract;
pub mod failure;
pub mod journal;
pub mod memory;

pub use beats::Beats;
pub use blobs::Blobs;
pub use failure::{Failure, FailureKind};
pub use journal::{Appended, Fence, Journal, JournalError, NewEvent, Record};
