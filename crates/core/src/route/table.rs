//! The nouns of routing, as values.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// The whole of a service's traffic, in basis points.
pub const WEIGHT_TOTAL_BP: u32 = 10_000;
/// Targets that one route may name: one of each role, and one to spare.
pub const TARGETS_MAX: usize = 4;

/// Why a version runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It carries the service.
    Stable,
    /// It is under judgement.
    Candidate,
    /// A fresh copy of stable that the candidate is compared with.
    Control,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 3] = [Role::Stable, Role::Candidate, Role::Control];

    /// As it is written in labels and command lines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Stable => "stable",
            Role::Candidate => "candidate",
            Role::Control => "control",
        }
    }

    /// From its written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|r| r.as_str() == text)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One loaded version of one service, in one role: what a worker runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetId {
    /// Service.
    pub service: String,
    /// Version of its model.
    pub version: String,
    /// Why it runs.
    pub role: Role,
}

impl TargetId {
    /// A target by its three names.
    #[must_use]
    pub fn new(service: impl Into<String>, version: impl Into<String>, role: Role) -> TargetId {
        TargetId { service: service.into(), version: version.into(), role }
    }
}

impl std::fmt::Display for TargetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} version {} ({})", self.service, self.version, self.role)
    }
}

/// A target with its share of live requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedTarget {
    /// Who answers.
    pub target: TargetId,
    /// Share in basis points; 0 is never served.
    pub weight_bp: u32,
}

/// Copies of live requests, answered by candidate and control, seen by nobody but the judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// Share of live requests that are copied, in basis points.
    pub percent_bp: u32,
    /// The version under judgement.
    pub candidate: TargetId,
    /// What it is compared with.
    pub control: TargetId,
}

/// Requests that carry a key always reach the same side while weights stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sticky {
    /// Name of the request header that carries the key; requests without it are split exactly.
    pub header: String,
    /// Keeps one service's assignment independent of another's.
    pub salt: String,
}

/// One service's way to its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Service.
    pub service: String,
    /// The model's name in the protocol: `late-arrival` in `/v2/models/late-arrival`.
    pub model: String,
    /// Who answers; weights sum to [`WEIGHT_TOTAL_BP`].
    pub targets: Vec<WeightedTarget>,
    /// Shadow, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
    /// Sticky assignment, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
}

impl Route {
    /// A route that sends everything to one target.
    #[must_use]
    pub fn all_to(model: impl Into<String>, target: TargetId) -> Route {
        Route {
            service: target.service.clone(),
            model: model.into(),
            targets: vec![WeightedTarget { target, weight_bp: WEIGHT_TOTAL_BP }],
            mirror: None,
            sticky: None,
        }
    }

    /// Weights in the order of targets.
    #[must_use]
    pub fn weights_bp(&self) -> Vec<u32> {
        self.targets.iter().map(|t| t.weight_bp).collect()
    }

    /// Every target that must be loaded while this route stands: those with weight, and both sides of a mirror.
    #[must_use]
    pub fn needed(&self) -> Vec<&TargetId> {
        let live = self.targets.iter().filter(|t| t.weight_bp > 0).map(|t| &t.target);
        let mirror = self.mirror.iter().filter(|m| m.percent_bp > 0).flat_map(|m| [&m.candidate, &m.control]);
        let mut all: Vec<&TargetId> = live.chain(mirror).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// All routes at one generation; the gateway swaps it whole and refuses an older one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Rises with each change.
    pub generation: u64,
    /// By service.
    pub routes: IndexMap<String, Route>,
}

impl RouteTable {
    /// A table of `routes`, keyed by their services.
    #[must_use]
    pub fn new(generation: u64, routes: impl IntoIterator<Item = Route>) -> RouteTable {
        RouteTable { generation, routes: routes.into_iter().map(|r| (r.service.clone(), r)).collect() }
    }
}
