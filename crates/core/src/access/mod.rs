//! Who may do what: people with roles, approvals of a change by others than who asked for it, and the way around them in an
//! emergency, which ends by itself and has to be answered for.
//!
//! An approval is bound to the digest of what was shown: another version, artefact or strategy needs another one. Not here: how
//! people prove who they are, and what a release does (`rollout`).

mod leave;
mod machine;
mod place;
mod refused;
#[cfg(test)]
mod tests;

pub use leave::{Leave, Withheld, leave, leave_by_itself};
pub use machine::{ASKED_MAX, Access, Asked, Command, Event, GLASS_MS_MAX, Given, Glass, State, Used, VETOES_MAX, Veto};
pub use place::{AT, Held, Person};
pub use refused::Refused;

use crate::id::Digest;
use serde::{Deserialize, Serialize};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See what there is.
    Look,
    /// Ask that a change be released.
    Ask,
    /// Start a release, or let one go forward.
    Release,
    /// Let one stand still or go back.
    Stop,
    /// Approve what others ask for, or veto it.
    Approve,
    /// Go around approvals and freezes in an emergency.
    BreakGlass,
    /// Look at what was done in an emergency.
    Review,
}

impl Action {
    /// In words, behind "may not".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Action::Look => "look",
            Action::Ask => "ask for a release",
            Action::Release => "let a release go forward",
            Action::Stop => "stop a release",
            Action::Approve => "approve or veto a release",
            Action::BreakGlass => "break the glass",
            Action::Review => "review a broken glass",
        }
    }
}

/// What a person is to the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees everything, changes nothing.
    Viewer,
    /// Asks for releases, and stops them.
    Developer,
    /// Approves what others ask for, and reviews emergencies.
    Approver,
    /// Starts releases and lets them go on.
    ReleaseManager,
    /// Stops releases, and breaks the glass.
    Operator,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 5] = [Role::Viewer, Role::Developer, Role::Approver, Role::ReleaseManager, Role::Operator];

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Developer => "developer",
            Role::Approver => "approver",
            Role::ReleaseManager => "release_manager",
            Role::Operator => "operator",
        }
    }

    /// Whether it allows an action.
    #[must_use]
    pub fn allows(self, action: Action) -> bool {
        match action {
            Action::Look => true,
            Action::Ask => matches!(self, Role::Developer | Role::ReleaseManager),
            Action::Release => self == Role::ReleaseManager,
            Action::Stop => matches!(self, Role::Developer | Role::ReleaseManager | Role::Operator),
            Action::Approve | Action::Review => self == Role::Approver,
            Action::BreakGlass => self == Role::Operator,
        }
    }
}

/// What is asked to be released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The version.
    pub version: String,
    /// By which strategy.
    pub strategy: String,
    /// Of everything that an approver was shown: artefacts, strategy, service.
    pub digest: Digest,
}

impl Subject {
    /// Whether it is the same version by the same strategy, whatever became of them since.
    #[must_use]
    pub fn is_like(&self, other: &Subject) -> bool {
        (&self.version, &self.strategy) == (&other.version, &other.strategy)
    }
}
