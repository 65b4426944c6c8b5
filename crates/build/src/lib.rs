//! Runs pipelines: what must run and why, a cache and lock file that DVC shares, environments, processes.
//!
//! [`run`] brings a workspace up to date, [`status`] says what it would do, [`snapshot`] copies a workspace to run it beside
//! itself, [`env::ensure`] makes a Python environment. What decides (graph, readiness, change test) is `core::pipeline`;
//! the foreign formats are `wire::dvc`. Not here: the journal of runs (the caller records the report).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod atomic;
mod cache;
mod code;
mod collect;
pub mod data;
mod dvclock;
pub mod env;
mod error;
mod guard;
mod hash;
mod index;
mod legacy;
mod lock;
mod lockfiles;
mod md5_lanes;
mod metrics;
mod observe;
mod overrides;
mod process;
pub mod remote;
mod report;
pub mod reproduce;
mod restore;
mod runcache;
mod runner;
mod snapshot;
mod stage;
mod status;
mod tree;
mod walk;
mod workspace;

pub use cache::Link;
pub use code::{CodeState, code_state, revision};
pub use error::{BuildError, StageError};
pub use hash::{FileHash, hash_file};
pub use observe::{Event, Observer, Silent, Stream};
pub use report::{RunReport, StageOutcome, StageReport};
pub use runner::{Cancel, RunRequest, run};
pub use snapshot::snapshot;
pub use status::{StageStatus, StatusRequest, dvc_status, status, status_of};
pub use tidegate_core::pipeline::Scope;
pub use workspace::{Beside, Workspace, load};
