//! Models: immutable versions, their signature and lineage, what they give and take, and the aliases that point at them.

mod interface;
mod registry;
mod signature;

pub use interface::{Declared, FIELDS_MAX, Face, Field, INTERFACES_MAX, Interface};
pub use registry::{Command, Event, Lineage, ModelVersion, Models, Refused, State};
pub use signature::{Datatype, Signature, TensorSpec};
