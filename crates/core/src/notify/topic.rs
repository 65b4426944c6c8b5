//! What a fact is about.

use crate::{ab, access, breaker, duty, rollout, train};
use serde::{Deserialize, Serialize};

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A person is called.
    Page,
    /// A release begins, or is tried again.
    Started,
    /// A version is about to carry all traffic.
    Promoted,
    /// It does, and what it replaced is gone.
    Released,
    /// A release waits for a person.
    Held,
    /// A release goes back.
    RollingBack,
    /// It has gone back.
    RolledBack,
    /// A freeze begins for a release that is under way.
    Frozen,
    /// Its end.
    Thawed,
    /// Somebody asks others to approve a change.
    Asked,
    /// Somebody else approved it.
    Approved,
    /// Somebody forbade it.
    Vetoed,
    /// Somebody goes around approvals and freezes.
    Glass,
    /// A circuit breaker halts releases.
    Tripped,
    /// It lets them go on.
    Closed,
    /// A variant of an A/B test was stopped, or the test has ended.
    Concluded,
}

impl Topic {
    /// All of them.
    pub const ALL: [Topic; 16] = [
        Topic::Page,
        Topic::Started,
        Topic::Promoted,
        Topic::Released,
        Topic::Held,
        Topic::RollingBack,
        Topic::RolledBack,
        Topic::Frozen,
        Topic::Thawed,
        Topic::Asked,
        Topic::Approved,
        Topic::Vetoed,
        Topic::Glass,
        Topic::Tripped,
        Topic::Closed,
        Topic::Concluded,
    ];

    /// As it is written in tidegate.yaml.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Topic::Page => "page",
            Topic::Started => "started",
            Topic::Promoted => "promoted",
            Topic::Released => "released",
            Topic::Held => "held",
            Topic::RollingBack => "rolling_back",
            Topic::RolledBack => "rolled_back",
            Topic::Frozen => "frozen",
            Topic::Thawed => "thawed",
            Topic::Asked => "asked",
            Topic::Approved => "approved",
            Topic::Vetoed => "vetoed",
            Topic::Glass => "glass",
            Topic::Tripped => "tripped",
            Topic::Closed => "closed",
            Topic::Concluded => "concluded",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

/// What facts of a machine are about.
pub trait About {
    /// What this one is about; none where nobody is told.
    fn topic(&self) -> Option<Topic>;
}

impl About for rollout::Event {
    fn topic(&self) -> Option<Topic> {
        use rollout::Event;
        match self {
            Event::Paged { .. } => Some(Topic::Page),
            Event::Started { .. } | Event::AttemptOpened { .. } => Some(Topic::Started),
            Event::PromotionBegan { .. } => Some(Topic::Promoted),
            Event::Completed { .. } => Some(Topic::Released),
            Event::HoldBegan { .. } => Some(Topic::Held),
            Event::RollbackBegan { .. } => Some(Topic::RollingBack),
            Event::RollbackCompleted { .. } => Some(Topic::RolledBack),
            Event::FreezeBegan { .. } => Some(Topic::Frozen),
            Event::FreezeEnded { .. } => Some(Topic::Thawed),
            Event::LoadWanted { .. }
            | Event::WorkerBecameReady { .. }
            | Event::WorkerFailed { .. }
            | Event::UnloadWanted { .. }
            | Event::WorkerUnloaded { .. }
            | Event::TrafficWanted { .. }
            | Event::TrafficApplied { .. }
            | Event::StageEntered { .. }
            | Event::VerdictReached { .. }
            | Event::WatchBegan { .. }
            | Event::WatchEnded { .. }
            | Event::PageDelivered { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. } => None,
        }
    }
}

impl About for access::Event {
    fn topic(&self) -> Option<Topic> {
        match self {
            access::Event::Asked { .. } => Some(Topic::Asked),
            access::Event::Approved { .. } => Some(Topic::Approved),
            access::Event::Vetoed { .. } => Some(Topic::Vetoed),
            access::Event::GlassBroken { .. } => Some(Topic::Glass),
            _ => None,
        }
    }
}

impl About for breaker::Event {
    fn topic(&self) -> Option<Topic> {
        match self {
            breaker::Event::Tripped { .. } => Some(Topic::Tripped),
            breaker::Event::Closed { .. } => Some(Topic::Closed),
        }
    }
}

impl About for ab::Event {
    fn topic(&self) -> Option<Topic> {
        match self {
            ab::Event::Started { .. } => Some(Topic::Started),
            ab::Event::VariantStopped { .. } | ab::Event::Concluded { .. } | ab::Event::Stopped { .. } => Some(Topic::Concluded),
            // The release of what is adopted tells of itself.
            ab::Event::VariantReady { .. } | ab::Event::Running { .. } | ab::Event::Adopted { .. } => None,
        }
    }
}

impl About for duty::Event {
    fn topic(&self) -> Option<Topic> {
        match self {
            // The release or the request that a call is about was told already; a decision against the judge was not.
            duty::Event::Called { disagreement, .. } => disagreement.as_ref().map(|_| Topic::Page),
            duty::Event::Escalated { .. } => Some(Topic::Page),
            duty::Event::Answered { .. } => None,
        }
    }
}

impl About for train::Event {
    fn topic(&self) -> Option<Topic> {
        match self {
            train::Event::Departed { .. } => Some(Topic::Started),
            train::Event::TurnedBack { .. } => Some(Topic::RollingBack),
            train::Event::Arrived { approvals, .. } if *approvals > 0 => Some(Topic::Asked),
            train::Event::Approved { .. } => Some(Topic::Approved),
            train::Event::Asked { .. } => Some(Topic::Page),
            train::Event::Checked { fit, .. } if !fit.allows() => Some(Topic::Page),
            // Each release tells the rest itself.
            _ => None,
        }
    }
}

impl About for train::OrderEvent {
    fn topic(&self) -> Option<Topic> {
        match self {
            train::OrderEvent::Proposed { .. } => Some(Topic::Asked),
            train::OrderEvent::Accepted { .. } => Some(Topic::Approved),
        }
    }
}
