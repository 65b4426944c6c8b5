//! Taking a version elsewhere: bundles for places without a network, and container images.
//!
//! A bundle is made of a workspace, and run without one. The written forms are `wire::bundle`, `wire::tar` and `wire::oci`; here
//! the bytes are moved, digested and held against each other.

pub mod archive;
pub mod image;
pub mod layout;
pub mod libraries;
pub mod made;
pub mod opened;
pub mod serve;
pub mod trial;
