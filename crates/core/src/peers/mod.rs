//! Judges of other tools, deciding exactly as those do: to be compared with ours, and to move over from them.
//!
//! Not here: reading their files, see `wire`; our own judge, see [`crate::judge`].

pub mod argo;
pub mod flagger;
pub mod kayenta;
pub mod metric_sets;
pub mod side_by_side;
