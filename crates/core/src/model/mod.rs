//! Models: immutable versions, their signature and lineage, and the aliases that point at them.

mod registry;
mod signature;

pub use registry::{Command, Event, Lineage, ModelVersion, Models, Refused, State};
pub use signature::{Datatype, Signature, TensorSpec};
