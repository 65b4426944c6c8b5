//! What happens to a test, what people and the data plane tell it, and what it asks for.

use super::findings::Findings;
use super::spec::Spec;
use crate::id::{At, Digest};
use serde::{Deserialize, Serialize};

/// Why a variant was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stop", rename_all = "snake_case")]
pub enum Stop {
    /// A guardrail found it harmful.
    Harm {
        /// What was found.
        found: String,
    },
    /// Its worker died for good, or never came up.
    Worker {
        /// Why.
        why: String,
    },
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Harm { found } => write!(f, "harm: {found}"),
            Stop::Worker { why } => write!(f, "its worker: {why}"),
        }
    }
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ended {
    /// Every variant is decided, or the horizon has passed.
    Concluded,
    /// Somebody stopped it, or something that it cannot go on with.
    Stopped {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A test is registered: nothing of it changes from here.
    Started {
        /// Counted from 1.
        number: u64,
        /// What was registered.
        spec: Box<Spec>,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// A variant's worker gives the right golden answers.
    VariantReady {
        /// Which.
        variant: String,
        /// When.
        at: At,
    },
    /// Clients are drawn from here.
    Running {
        /// When.
        at: At,
    },
    /// A variant's clients go back to the version that carries the service, for good.
    VariantStopped {
        /// Which.
        variant: String,
        /// Why.
        why: Stop,
        /// When.
        at: At,
    },
    /// The comparison is over.
    Concluded {
        /// What it found.
        result: Box<Findings>,
        /// The counts that it was made from, sealed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<Digest>,
        /// When.
        at: At,
    },
    /// It ended without a conclusion.
    Stopped {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// A release of a variant's version was started.
    Adopted {
        /// Which.
        variant: String,
        /// Number of the release.
        release: u64,
        /// Who.
        by: String,
        /// When.
        at: At,
    },
}

/// What somebody wants, or what was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Register a test and begin it.
    Start {
        /// What.
        spec: Box<Spec>,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// A variant's worker gives the right golden answers.
    Ready {
        /// Of which test of the name: what comes late is not about the next one.
        test: u64,
        /// Which.
        variant: String,
        /// When.
        at: At,
    },
    /// A variant must go: its worker is lost, or a guardrail speaks.
    StopVariant {
        /// Of which test of the name: what comes late is not about the next one.
        test: u64,
        /// Which.
        variant: String,
        /// Why.
        why: Stop,
        /// When.
        at: At,
    },
    /// Nothing keeps clients from being drawn.
    Begin {
        /// Of which test of the name: what comes late is not about the next one.
        test: u64,
        /// When.
        at: At,
    },
    /// What is found now: it ends the test where there is nothing left to find.
    Look {
        /// Of which test of the name: what comes late is not about the next one.
        test: u64,
        /// What is found.
        result: Box<Findings>,
        /// The counts that it was made from, sealed.
        evidence: Option<Digest>,
        /// When.
        at: At,
    },
    /// End it.
    Stop {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Time has passed.
    Tick {
        /// When.
        at: At,
    },
    /// A release of a variant's version was started.
    Adopt {
        /// Of which test of the name: what comes late is not about the next one.
        test: u64,
        /// Which.
        variant: String,
        /// Number of the release.
        release: u64,
        /// Who.
        by: String,
        /// When.
        at: At,
    },
}

impl Command {
    /// Of which test it tells what was seen; none of what is about whichever is under way.
    pub(super) fn about(&self) -> Option<u64> {
        match self {
            Command::Ready { test, .. }
            | Command::StopVariant { test, .. }
            | Command::Begin { test, .. }
            | Command::Look { test, .. }
            | Command::Adopt { test, .. } => Some(*test),
            Command::Start { .. } | Command::Stop { .. } | Command::Tick { .. } => None,
        }
    }

    pub(super) fn at(&self) -> At {
        match self {
            Command::Start { at, .. }
            | Command::Ready { at, .. }
            | Command::StopVariant { at, .. }
            | Command::Begin { at, .. }
            | Command::Look { at, .. }
            | Command::Stop { at, .. }
            | Command::Tick { at }
            | Command::Adopt { at, .. } => *at,
        }
    }
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Who and why are recorded.
    #[error("{0} an A/B test: say who and why: it is recorded")]
    NoReason(&'static str),
    /// One at a time, and what is registered stays.
    #[error("start an A/B test: number {0} is under way, and what was registered of it cannot change: wait for its end, or stop it")]
    UnderWay(u64),
    /// None is under way.
    #[error("stop an A/B test: none is under way")]
    None,
    /// Another one of the name has begun since.
    #[error("adopt a variant of test {0}: another test of the name has begun since")]
    NotNewest(u64),
    /// Still running.
    #[error("adopt a variant: the test is under way: wait for its end, or stop it")]
    NotEnded,
    /// No such variant.
    #[error("adopt `{0}`: the test has no such variant")]
    Unknown(String),
    /// It harmed.
    #[error("adopt `{variant}`: it was stopped: {why}")]
    WasStopped {
        /// Which.
        variant: String,
        /// Why.
        why: String,
    },
}

/// What is to be done for a test. Doing it twice is harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// Start a variant's worker.
    Load {
        /// Which.
        variant: String,
        /// Its version.
        version: String,
    },
    /// Draw clients as soon as nothing keeps them from it.
    Begin,
    /// Draw clients, by [`super::lot_of`].
    Draw,
    /// End a variant's worker, when no client is drawn to it.
    Unload {
        /// Which.
        variant: String,
        /// Its version.
        version: String,
    },
}
