//! The domain, pure: what is decided and what happened. No clock, no randomness, no I/O.
//!
//! Each part that changes over time is a [`machine::Machine`]: commands come in, `decide` turns them
//! into facts, `evolve` folds facts into state. The journal keeps the facts; state is always their fold.
//! Not here: how facts are stored, where telemetry comes from, who calls whom.

pub mod ab;
pub mod access;
pub mod blame;
pub mod breaker;
pub mod change;
pub mod contract;
pub mod correction;
pub mod delivery;
pub mod deployment;
pub mod drift;
pub mod duty;
pub mod freeze;
pub mod gate;
pub mod gating;
pub mod id;
pub mod judge;
pub mod judgement;
pub mod lease;
mod line;
pub mod machine;
pub mod model;
pub mod notify;
pub mod peers;
pub mod pipeline;
pub mod places;
pub mod retrain;
pub mod risk;
pub mod rollout;
pub mod route;
pub mod run;
pub mod scan;
pub mod tests;
pub mod train;
pub mod transform;
pub mod watch;
pub mod workspace;
pub mod worth;
