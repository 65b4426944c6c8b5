//! Tree models against the libraries that made them: the same predictions, to the bit, and nothing answered wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod oracle;
