//! What happened: facts in the past tense, stored for ever.

use super::spec::{Spec, Stage};
use super::state::{Forward, Role, Traffic};
use crate::delivery::Trigger;
use crate::id::{At, Digest};
use crate::judge::{Assessment, Mode};
use serde::{Deserialize, Serialize};

/// On whose word a version was promoted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "promoter", rename_all = "snake_case")]
pub enum Promoter {
    /// The judge's evidence.
    Evidence,
    /// A rule; the evidence was not asked.
    Policy {
        /// Which, in words.
        reason: String,
    },
    /// A person; the evidence was overridden.
    Person {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// Why traffic went back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// The judge's evidence of harm.
    Verdict {
        /// On which evidence.
        mode: Mode,
        /// Its canary step.
        step: u32,
    },
    /// As many requests of users met the candidate as may without evidence to promote it.
    Exposed {
        /// How many.
        requests: u64,
    },
    /// The candidate could not be loaded or kept alive.
    CandidateFailed {
        /// Why, in words.
        reason: String,
    },
    /// A person aborted the rollout.
    Aborted {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// A person took back a finished release.
    Undone {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

impl Cause {
    /// What set the rollback off, in the words of deliveries; none where it went back for the sake of others.
    #[must_use]
    pub fn trigger(&self) -> Option<Trigger> {
        match self {
            Cause::Verdict { .. } | Cause::Exposed { .. } => Some(Trigger::Analysis),
            Cause::CandidateFailed { .. } => Some(Trigger::Health),
            Cause::Aborted { by, .. } | Cause::Undone { by, .. } => ended_by(by),
        }
    }
}

/// What set the end of a rollout off that somebody ended: a breaker is an alarm, and a train that goes back says nothing of its cars.
#[must_use]
pub fn ended_by(by: &str) -> Option<Trigger> {
    match by.split_once(' ') {
        Some(("breaker", _)) => Some(Trigger::Alert),
        Some(("train", _)) => None,
        _ => Some(Trigger::Manual),
    }
}

/// Why a rollout waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum HoldWhy {
    /// Workers were not ready in time.
    NotReady {
        /// Which.
        roles: Vec<Role>,
    },
    /// The data plane did not confirm a split in time.
    TrafficNotApplied {
        /// Its generation.
        generation: u64,
    },
    /// Neither bar was reached by the judge's deadline.
    InsufficientEvidence,
    /// The strategy asks a person here.
    Asked,
    /// It was paused for longer than it may take.
    Forgotten,
    /// The watch could not end: suspicion, or no telemetry.
    WatchUndecided,
    /// A worker that the comparison or the way back needs was lost.
    WorkerLost {
        /// Which.
        role: Role,
        /// Why, in words.
        reason: String,
    },
}

impl std::fmt::Display for HoldWhy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HoldWhy::NotReady { roles } => {
                let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
                write!(f, "not ready in time: {}", roles.join(", "))
            }
            HoldWhy::TrafficNotApplied { generation } => {
                write!(f, "the data plane did not confirm the split of generation {generation} in time")
            }
            HoldWhy::Asked => f.write_str("the strategy asks a person before it goes on"),
            HoldWhy::Forgotten => f.write_str("it was paused past its deadline"),
            HoldWhy::InsufficientEvidence => f.write_str("the judge's deadline passed with evidence for neither bar"),
            HoldWhy::WatchUndecided => f.write_str("the watch could not end in time: suspicion, or no telemetry"),
            HoldWhy::WorkerLost { role, reason } => write!(f, "the {role} worker was lost: {reason}"),
        }
    }
}

/// Why a person is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "page", rename_all = "snake_case")]
pub enum PageReason {
    /// The rollout waits for a person.
    Held {
        /// Why.
        hold: HoldWhy,
    },
    /// A rollback is not carried out in time; it is still being tried.
    RollbackSlow,
    /// The end of a release is not carried out in time; it is still being tried.
    FinishSlow,
    /// A worker was lost where nothing can take its place.
    WorkerLost {
        /// Which.
        role: Role,
        /// Why, in words.
        reason: String,
    },
}

impl std::fmt::Display for PageReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PageReason::Held { hold } => write!(f, "held: {hold}: look at the evidence, then resume, promote or abort"),
            PageReason::RollbackSlow => f.write_str("the rollback is not carried out yet: see whether gateway and workers answer"),
            PageReason::FinishSlow => {
                f.write_str("the release is judged good and its last moves are not carried out yet: see whether gateway and workers answer")
            }
            PageReason::WorkerLost { role, reason } => write!(f, "the {role} worker was lost and nothing can take its place: {reason}"),
        }
    }
}

/// What happened to a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// It was started.
    Started {
        /// What and how.
        spec: Box<Spec>,
        /// When.
        at: At,
    },
    /// A worker was asked for.
    LoadWanted {
        /// Its part.
        role: Role,
        /// What it shall run.
        version: String,
        /// Generation of the wish.
        generation: u64,
        /// When.
        at: At,
    },
    /// A worker answered its golden requests right.
    WorkerBecameReady {
        /// Its part.
        role: Role,
        /// Generation of the wish that this answers.
        generation: u64,
        /// When.
        at: At,
    },
    /// A worker was lost, or never came up.
    WorkerFailed {
        /// Its part.
        role: Role,
        /// Generation of the wish that this answers.
        generation: u64,
        /// Why, in words.
        reason: String,
        /// When.
        at: At,
    },
    /// A worker is no longer wanted.
    UnloadWanted {
        /// Its part.
        role: Role,
        /// Generation of the wish.
        generation: u64,
        /// When.
        at: At,
    },
    /// A worker is gone.
    WorkerUnloaded {
        /// Its part.
        role: Role,
        /// Generation of the wish that this answers.
        generation: u64,
        /// When.
        at: At,
    },
    /// A split was asked for.
    TrafficWanted {
        /// Generation of the wish.
        generation: u64,
        /// The split.
        traffic: Traffic,
        /// When.
        at: At,
    },
    /// A split is in force.
    TrafficApplied {
        /// Generation of the wish that this answers.
        generation: u64,
        /// When.
        at: At,
    },
    /// A shadow or a canary weight was entered.
    StageEntered {
        /// Which.
        stage: Stage,
        /// When.
        at: At,
    },
    /// The verdict changed, or decided something.
    VerdictReached {
        /// The attempt.
        attempt: u32,
        /// On which evidence.
        mode: Mode,
        /// Its canary step.
        step: u32,
        /// The verdict with its numbers.
        assessment: Box<Assessment>,
        /// The sealed evidence: ticks up to `through`.
        evidence: Digest,
        /// Sequence of the last tick in it.
        through: u64,
        /// When.
        at: At,
    },
    /// Promotion was decided.
    PromotionBegan {
        /// On whose word.
        by: Promoter,
        /// When.
        at: At,
    },
    /// The promoted split is in force and watched.
    WatchBegan {
        /// When it may end.
        until: At,
        /// When.
        at: At,
    },
    /// The watch ended well.
    WatchEnded {
        /// When.
        at: At,
    },
    /// Released; the old workers are gone.
    Completed {
        /// When.
        at: At,
    },
    /// A deadline passed or a worker was lost: a person must look.
    HoldBegan {
        /// Why.
        why: HoldWhy,
        /// When.
        at: At,
    },
    /// A person was called.
    Paged {
        /// Counted from 1 within the rollout.
        number: u64,
        /// Why.
        reason: PageReason,
        /// When.
        at: At,
    },
    /// The call reached somebody.
    PageDelivered {
        /// Which.
        number: u64,
        /// When.
        at: At,
    },
    /// A person stopped progress.
    Paused {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// A person let it go on, after a pause or a hold.
    Resumed {
        /// Who.
        by: String,
        /// Where it goes on.
        to: Forward,
        /// When.
        at: At,
    },
    /// A freeze began, or ends at another time: nothing goes forward until then.
    FreezeBegan {
        /// The window's name.
        name: String,
        /// When it ends.
        until: At,
        /// When.
        at: At,
    },
    /// The freeze is over.
    FreezeEnded {
        /// When.
        at: At,
    },
    /// Traffic goes back.
    RollbackBegan {
        /// Why.
        cause: Cause,
        /// When.
        at: At,
    },
    /// Traffic is back, the candidate is gone.
    RollbackCompleted {
        /// When.
        at: At,
    },
    /// A person opened another attempt of the same change.
    AttemptOpened {
        /// Its number.
        attempt: u32,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
}

impl Event {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> At {
        match self {
            Event::Started { at, .. }
            | Event::LoadWanted { at, .. }
            | Event::WorkerBecameReady { at, .. }
            | Event::WorkerFailed { at, .. }
            | Event::UnloadWanted { at, .. }
            | Event::WorkerUnloaded { at, .. }
            | Event::TrafficWanted { at, .. }
            | Event::TrafficApplied { at, .. }
            | Event::StageEntered { at, .. }
            | Event::VerdictReached { at, .. }
            | Event::PromotionBegan { at, .. }
            | Event::WatchBegan { at, .. }
            | Event::WatchEnded { at }
            | Event::Completed { at }
            | Event::HoldBegan { at, .. }
            | Event::Paged { at, .. }
            | Event::PageDelivered { at, .. }
            | Event::Paused { at, .. }
            | Event::Resumed { at, .. }
            | Event::FreezeBegan { at, .. }
            | Event::FreezeEnded { at }
            | Event::RollbackBegan { at, .. }
            | Event::RollbackCompleted { at }
            | Event::AttemptOpened { at, .. } => *at,
        }
    }
}
