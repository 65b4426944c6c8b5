//! What somebody wants of a rollout, and why it may be refused.

use super::spec::Spec;
use super::state::Role;
use crate::id::{At, Digest};
use crate::judge::{Assessment, Mode};
use serde::{Deserialize, Serialize};

/// What the judge says of the evidence so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The attempt that the evidence belongs to.
    pub attempt: u32,
    /// How it was gathered.
    pub mode: Mode,
    /// Canary step of its last tick.
    pub step: u32,
    /// Ticks of this mode and step in this attempt, wide ones as many as they took: the time spent there, in a clock that cannot jump.
    pub step_ticks: u64,
    /// Sequence of its last tick.
    pub through: u64,
    /// The verdict with its numbers.
    pub assessment: Assessment,
    /// The sealed evidence.
    pub evidence: Digest,
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Begin.
    Start {
        /// What and how.
        spec: Box<Spec>,
        /// When.
        at: At,
    },
    /// The data plane: a worker answers its golden requests right.
    WorkerReady {
        /// Its part.
        role: Role,
        /// Generation of the effect that this answers.
        generation: u64,
        /// When.
        at: At,
    },
    /// The data plane: a worker could not be loaded, or died and was given up. Nobody asks for the latter, so
    /// the host says it again until the state shows it.
    WorkerFailed {
        /// Its part.
        role: Role,
        /// Generation of the effect that this answers.
        generation: u64,
        /// Why, in words.
        reason: String,
        /// When.
        at: At,
    },
    /// The data plane: a worker is gone.
    Unloaded {
        /// Its part.
        role: Role,
        /// Generation of the effect that this answers.
        generation: u64,
        /// When.
        at: At,
    },
    /// The data plane: a split is in force.
    TrafficApplied {
        /// Generation of the effect that this answers.
        generation: u64,
        /// When.
        at: At,
    },
    /// The judge has an assessment.
    Judged {
        /// It.
        judged: Box<Judged>,
        /// When.
        at: At,
    },
    /// A page reached somebody.
    PageDelivered {
        /// Which.
        number: u64,
        /// When.
        at: At,
    },
    /// A person: stop progress; judging and rolling back go on.
    Pause {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// A person: go on, after a pause or a hold.
    Resume {
        /// Who.
        by: String,
        /// When.
        at: At,
    },
    /// A person: promote without waiting for evidence.
    Promote {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// A person: go back.
    Abort {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// A person: try the same change again, on what is left of its alpha.
    Retry {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// A person: take back a finished release, at once.
    Undo {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// The calendar: nothing goes forward until then. Judging and going back go on.
    Freeze {
        /// The window's name.
        name: String,
        /// When it ends.
        until: At,
        /// When.
        at: At,
    },
    /// The calendar: the freeze was lifted before its end.
    Thaw {
        /// When.
        at: At,
    },
    /// Time passed.
    Tick {
        /// When.
        at: At,
    },
}

impl Command {
    /// When it was given.
    #[must_use]
    pub fn at(&self) -> At {
        match self {
            Command::Start { at, .. }
            | Command::WorkerReady { at, .. }
            | Command::WorkerFailed { at, .. }
            | Command::Unloaded { at, .. }
            | Command::TrafficApplied { at, .. }
            | Command::Judged { at, .. }
            | Command::PageDelivered { at, .. }
            | Command::Pause { at, .. }
            | Command::Resume { at, .. }
            | Command::Promote { at, .. }
            | Command::Abort { at, .. }
            | Command::Retry { at, .. }
            | Command::Undo { at, .. }
            | Command::Freeze { at, .. }
            | Command::Thaw { at }
            | Command::Tick { at } => *at,
        }
    }

    /// The command in a word, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Command::Start { .. } => "start",
            Command::WorkerReady { .. } => "worker ready",
            Command::WorkerFailed { .. } => "worker failed",
            Command::Unloaded { .. } => "worker unloaded",
            Command::TrafficApplied { .. } => "traffic applied",
            Command::Judged { .. } => "judged",
            Command::PageDelivered { .. } => "page delivered",
            Command::Pause { .. } => "pause",
            Command::Resume { .. } => "resume",
            Command::Promote { .. } => "promote",
            Command::Abort { .. } => "abort",
            Command::Retry { .. } => "retry",
            Command::Undo { .. } => "undo",
            Command::Freeze { .. } => "freeze",
            Command::Thaw { .. } => "thaw",
            Command::Tick { .. } => "tick",
        }
    }
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such rollout.
    #[error("{command}: this rollout was never started: `tidegate release list` shows those that were")]
    NotStarted {
        /// The command.
        command: &'static str,
    },
    /// A rollout is started once.
    #[error("start: rollout {number} of {service} was started with another specification: start the next number")]
    AlreadyStarted {
        /// The service.
        service: String,
        /// The number.
        number: u64,
    },
    /// The command does not fit where the rollout stands.
    #[error("{command}: the rollout is {phase}: {advice}")]
    WrongPhase {
        /// The command.
        command: &'static str,
        /// Where it stands.
        phase: &'static str,
        /// What to do instead.
        advice: &'static str,
    },
    /// A failed verdict is absorbing.
    #[error(
        "{command}: attempt {attempt} has a failed verdict, which no word overrides: fix the change, or open a new attempt with `tidegate release retry`"
    )]
    FailedVerdict {
        /// The command.
        command: &'static str,
        /// The attempt.
        attempt: u32,
    },
    /// Too many attempts.
    #[error("retry: {ATTEMPTS_MAX} attempts were made, and what is left of alpha decides nothing: release a new version", ATTEMPTS_MAX = super::ATTEMPTS_MAX)]
    AttemptsExhausted,
    /// As many users have met it as may.
    #[error("retry: {exposed} requests of users have met this change, and {max} may without evidence to promote it: release a new version")]
    Exposed {
        /// Requests so far.
        exposed: u64,
        /// The limit.
        max: u64,
    },
    /// Nothing goes forward in a freeze.
    #[error("{command}: the service is frozen by `{name}` until {until}: wait for its end, or abort and undo, which work at any time")]
    Frozen {
        /// The command.
        command: &'static str,
        /// The window's name.
        name: String,
        /// When it ends.
        until: At,
    },
    /// Nothing to go back to.
    #[error("{command}: this is the service's first version, there is none before it: release another version instead")]
    NothingBefore {
        /// The command.
        command: &'static str,
    },
    /// Ready comes before weight.
    #[error("promote: candidate or stable does not answer its golden requests right yet: wait until both are ready")]
    NotReady,
    /// A person's command needs a name and a reason.
    #[error("{command}: say who and why, in at most {REASON_BYTES_MAX} bytes each")]
    NoReason {
        /// The command.
        command: &'static str,
    },
}

/// Longest reason, in bytes.
pub const REASON_BYTES_MAX: usize = 2_000;
