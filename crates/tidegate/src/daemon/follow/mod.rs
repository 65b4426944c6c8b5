//! Gateways elsewhere that follow this control plane: what they are told, over HTTP, and what they make of it.
//!
//! A follower asks for routes and says which it has applied; the answer waits until there are others. It fetches the files of the versions
//! that the routes need, loads them, and swaps its routes whole when all of them answer their golden requests. What it applied last lies on
//! its disk: it starts from there, and goes on by it while nobody can be reached.

pub mod ask;
pub mod board;
pub mod follower;
mod source;
pub mod store;

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_core::id::Digest;
use tidegate_core::route::{RouteTable, TargetId};
use tidegate_serve::Conduct;

/// Where followers ask.
pub const FOLLOW: &str = "/follow/";
/// How long an answer waits for other routes, in milliseconds.
pub const WAIT_MS: u64 = 20_000;
/// Followers that are remembered; of further ones the one that asked the longest ago is forgotten.
pub const FOLLOWERS_MAX: usize = 256;
/// Characters of a follower's name.
pub const NAME_CHARS_MAX: usize = 64;

/// What a follower is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Which run of the control plane counts the generations.
    pub epoch: u64,
    /// The routes.
    pub table: RouteTable,
    /// What they need.
    pub targets: Vec<Target>,
    /// Services that do not stand here again as they stood at the last end: what a follower has of them it keeps.
    #[serde(default)]
    pub keep: BTreeSet<String>,
    /// Services that cannot be followed, for an upstream answers a version of theirs.
    #[serde(default)]
    pub left_out: BTreeSet<String>,
}

/// A version that is to be loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Service, version, role.
    pub target: TargetId,
    /// The model's name in the protocol.
    pub model: String,
    /// Names and digests of its files.
    pub files: BTreeMap<String, Digest>,
    /// How it answers.
    pub conduct: Conduct,
}

/// Whether a follower's name can stand in a path.
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(fits) && !name.starts_with('.')
}
