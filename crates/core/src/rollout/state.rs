//! Where a rollout stands: the fold of its events.

use super::event::{Cause, HoldWhy, PageReason, Promoter};
use super::spec::{Spec, Stage};
use super::waiting::Waiting;
use crate::id::{At, Digest};
use crate::judge::{Assessment, Mode};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A worker's part in a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The version that serves before the rollout.
    Stable,
    /// The version to be released.
    Candidate,
    /// A fresh copy of stable, for comparison.
    Control,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Stable, Role::Candidate, Role::Control];
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Stable => "stable",
            Role::Candidate => "candidate",
            Role::Control => "control",
        })
    }
}

/// How requests are split, in basis points. The first three sum to 10000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// To the version that served before.
    pub stable_bp: u32,
    /// To the version to be released.
    pub candidate_bp: u32,
    /// To the fresh copy of stable.
    pub control_bp: u32,
    /// Share of requests copied to both candidate and control, whose answers nobody sees.
    pub mirror_bp: u32,
    /// Whether requests that ask for the candidate get it, beside all that.
    #[serde(default, skip_serializing_if = "is_false")]
    pub preview: bool,
}

fn is_false(is: &bool) -> bool {
    !is
}

impl Traffic {
    /// Everything to stable, nothing copied.
    pub const STABLE: Traffic = Traffic { stable_bp: 10_000, candidate_bp: 0, control_bp: 0, mirror_bp: 0, preview: false };
    /// Everything to the candidate, nothing copied.
    pub const CANDIDATE: Traffic = Traffic { stable_bp: 0, candidate_bp: 10_000, control_bp: 0, mirror_bp: 0, preview: false };

    /// The share of a role.
    #[must_use]
    pub fn share_bp(&self, role: Role) -> u32 {
        match role {
            Role::Stable => self.stable_bp,
            Role::Candidate => self.candidate_bp,
            Role::Control => self.control_bp,
        }
    }

    /// Whether requests reach a role at all, as users' or as copies.
    #[must_use]
    pub fn reaches(&self, role: Role) -> bool {
        self.share_bp(role) > 0 || (self.mirror_bp > 0 && role != Role::Stable) || (self.preview && role == Role::Candidate)
    }
}

/// A split that is wanted, and whether it was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedTraffic {
    /// Generation: an answer with another one is about another split.
    pub generation: u64,
    /// The split.
    pub traffic: Traffic,
    /// When it was asked for.
    pub since: At,
    /// When it was confirmed.
    pub applied: Option<At>,
}

/// What is known of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum WorkerState {
    /// Not loaded, not wanted.
    #[default]
    Absent,
    /// Wanted; not yet answering its golden requests right.
    Loading,
    /// Answers its golden requests right.
    Ready,
    /// Could not be loaded or kept alive.
    Failed {
        /// Why, in words.
        reason: String,
    },
    /// No longer wanted; not yet gone.
    Unloading,
}

/// One worker of the rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Version that it runs.
    pub version: String,
    /// Generation of the newest wish about it.
    pub generation: u64,
    /// What is known.
    #[serde(flatten)]
    pub state: WorkerState,
}

/// The three workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workers {
    /// The version that serves before the rollout.
    pub stable: Worker,
    /// The version to be released.
    pub candidate: Worker,
    /// A fresh copy of stable.
    pub control: Worker,
}

impl Workers {
    /// The worker of a role.
    #[must_use]
    pub fn of(&self, role: Role) -> &Worker {
        match role {
            Role::Stable => &self.stable,
            Role::Candidate => &self.candidate,
            Role::Control => &self.control,
        }
    }

    pub(super) fn of_mut(&mut self, role: Role) -> &mut Worker {
        match role {
            Role::Stable => &mut self.stable,
            Role::Candidate => &mut self.candidate,
            Role::Control => &mut self.control,
        }
    }

    /// Whether the worker of a role answers its golden requests right.
    #[must_use]
    pub fn ready(&self, role: Role) -> bool {
        self.of(role).state == WorkerState::Ready
    }

    /// Whether the worker of a role is gone.
    #[must_use]
    pub fn absent(&self, role: Role) -> bool {
        self.of(role).state == WorkerState::Absent
    }
}

/// On the way to promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "snake_case")]
pub enum Forward {
    /// Workers are being loaded.
    Pending {
        /// Where it goes once they are ready.
        then: Stage,
    },
    /// The candidate answers those who ask for it.
    Preview,
    /// Requests are copied to candidate and control.
    Shadow,
    /// Candidate and control answer users.
    Step {
        /// Position among all canary weights, from 0.
        index: u32,
    },
    /// The promoted split was asked for and is not confirmed.
    Promoting,
    /// The candidate serves; stable is warm.
    Watching {
        /// When the watch may end.
        until: At,
    },
}

/// Where a rollout stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// On the way to promotion.
    Forward {
        /// How far.
        forward: Forward,
    },
    /// Waits for a person; still judged, can still roll back.
    Held {
        /// Where it stood.
        forward: Forward,
        /// Why it went no further.
        why: HoldWhy,
    },
    /// The watch has ended well: the last traffic moves, then the old workers go.
    Finishing,
    /// Released.
    Done,
    /// Traffic goes back to stable, then the candidate goes.
    RollingBack {
        /// Why.
        cause: Cause,
    },
    /// Back on stable.
    RolledBack {
        /// Why.
        cause: Cause,
    },
    /// Back on stable because a person said so.
    Aborted {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

impl Phase {
    /// The phase in a word or two, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Phase::Forward { forward } => forward.name(),
            Phase::Held { .. } => "held",
            Phase::Finishing => "finishing",
            Phase::Done => "done",
            Phase::RollingBack { .. } => "rolling back",
            Phase::RolledBack { .. } => "rolled back",
            Phase::Aborted { .. } => "aborted",
        }
    }

    /// Whether nothing moves any more without a person.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match self {
            Phase::Done | Phase::RolledBack { .. } | Phase::Aborted { .. } => true,
            Phase::Forward { .. } | Phase::Held { .. } | Phase::Finishing | Phase::RollingBack { .. } => false,
        }
    }
}

impl Forward {
    /// The phase in a word or two, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Forward::Pending { .. } => "pending",
            Forward::Preview => "preview",
            Forward::Shadow => "shadow",
            Forward::Step { .. } => "canary",
            Forward::Promoting => "promoting",
            Forward::Watching { .. } => "watching",
        }
    }

    /// The evidence that belongs here: how it is gathered, and the canary step.
    #[must_use]
    pub fn evidence(&self) -> Option<(Mode, u32)> {
        match self {
            Forward::Pending { .. } | Forward::Preview | Forward::Promoting => None,
            Forward::Shadow => Some((Mode::Shadow, 0)),
            Forward::Step { index } => Some((Mode::Canary, *index)),
            Forward::Watching { .. } => Some((Mode::Watch, 0)),
        }
    }

    /// The stage that it stands in or goes to.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match self {
            Forward::Pending { then } => *then,
            Forward::Preview => Stage::Preview,
            Forward::Shadow => Stage::Shadow,
            Forward::Step { index } => Stage::Step { index: *index },
            Forward::Promoting | Forward::Watching { .. } => Stage::Promote,
        }
    }
}

/// The newest recorded verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// On which evidence: its mode.
    pub mode: Mode,
    /// Its canary step.
    pub step: u32,
    /// The verdict with its numbers.
    pub assessment: Assessment,
    /// The sealed evidence.
    pub evidence: Digest,
    /// When it was recorded.
    pub at: At,
}

/// A person stopped progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: At,
}

/// Nothing goes forward until a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// The name of the window.
    pub name: String,
    /// When it ends.
    pub until: At,
}

/// A person let a stage end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetOn {
    /// Who.
    pub by: String,
    /// Which stage.
    pub stage: Stage,
    /// When.
    pub at: At,
}

/// The newest call for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Counted from 1 within the rollout.
    pub number: u64,
    /// Why.
    pub reason: PageReason,
    /// When it was asked for.
    pub at: At,
    /// Whether it reached somebody.
    pub delivered: bool,
}

/// A rollout that was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// What and how.
    pub spec: Arc<Spec>,
    /// Where it stands.
    pub phase: Phase,
    /// Since when.
    pub phase_since: At,
    /// The attempt, from 1.
    pub attempt: u32,
    /// When the attempt, or its newest resumption by a person, began: the judge's deadline counts from here.
    pub attempt_since: At,
    /// The newest generation given out.
    pub generation: u64,
    /// The wanted split; none before the first.
    pub traffic: Option<WantedTraffic>,
    /// The workers.
    pub workers: Workers,
    /// Requests of users that the candidate answered in canaries of earlier attempts, as recorded verdicts tell.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exposed_before: u64,
    /// The same in this attempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exposed_now: u64,
    /// The newest recorded verdict of this attempt.
    pub judged: Option<Judgement>,
    /// Set by a failed verdict of this attempt, and never unset within it.
    pub failed: Option<Judgement>,
    /// Set while a person has stopped progress.
    pub paused: Option<Pause>,
    /// Set while a freeze is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// Since when, without a break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_since: Option<At>,
    /// A person let this stage end, where the strategy asks one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_on: Option<LetOn>,
    /// On whose word it was promoted.
    pub promoted_by: Option<Promoter>,
    /// The newest call for a person.
    pub page: Option<Page>,
    /// What it waits for; none when nothing is left to do.
    pub waiting: Option<Waiting>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Rollout {
    /// Whether the wanted split is the one in force.
    #[must_use]
    pub fn traffic_applied(&self) -> bool {
        self.traffic.is_none_or(|t| t.applied.is_some())
    }

    /// Whether stages compare the candidate with a control.
    #[must_use]
    pub fn has_control(&self) -> bool {
        self.spec.stable.is_some()
    }

    /// The workers that this rollout needs on its way forward.
    pub fn needed(&self) -> impl Iterator<Item = Role> + '_ {
        Role::ALL.into_iter().filter(|role| *role == Role::Candidate || self.has_control())
    }

    /// The version that a role runs.
    #[must_use]
    pub fn version_of(&self, role: Role) -> Option<&str> {
        match role {
            Role::Candidate => Some(&self.spec.candidate),
            Role::Stable | Role::Control => self.spec.stable.as_deref(),
        }
    }

    /// Whether a person or a freeze stops progress.
    #[must_use]
    pub fn stands_still(&self) -> bool {
        self.paused.is_some() || self.frozen.is_some()
    }

    /// How much of the attempt's time a freeze takes that ends at `end`, or before where it was to end before: what was not
    /// decided then is not decided late because nothing could move.
    pub(super) fn frozen_ms(&self, end: At) -> u64 {
        let span = self.frozen.as_ref().zip(self.frozen_since);
        span.map_or(0, |(frozen, since)| end.min(frozen.until).since_ms(since.max(self.attempt_since)))
    }

    /// Whether the wanted split is one that could not be brought about before the rollout was held, and that is not asked for
    /// again while nothing may move.
    #[must_use]
    pub(super) fn split_waits(&self) -> bool {
        let held = |generation: u64| matches!(&self.phase, Phase::Held { why: HoldWhy::TrafficNotApplied { generation: g }, .. } if *g == generation);
        self.frozen.is_some() && self.traffic.is_some_and(|t| t.applied.is_none() && held(t.generation))
    }

    /// How far it is on its way forward, also while held.
    #[must_use]
    pub fn forward(&self) -> Option<Forward> {
        match &self.phase {
            Phase::Forward { forward } | Phase::Held { forward, .. } => Some(*forward),
            Phase::Finishing | Phase::Done | Phase::RollingBack { .. } | Phase::RolledBack { .. } | Phase::Aborted { .. } => None,
        }
    }

    /// What evidence is gathered now: mode, step. None while nothing can be compared.
    #[must_use]
    pub fn evidence(&self) -> Option<(Mode, u32)> {
        let wanted = self.traffic.filter(|t| t.applied.is_some())?;
        let evidence = self.forward()?.evidence()?;
        (wanted.traffic.reaches(Role::Candidate) && wanted.traffic.reaches(Role::Control)).then_some(evidence)
    }
}

/// A rollout's fold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rollout", rename_all = "snake_case")]
pub enum State {
    /// Nothing happened.
    #[default]
    NotStarted,
    /// It was started.
    Started(Box<Rollout>),
}

impl State {
    /// The rollout, once started.
    #[must_use]
    pub fn rollout(&self) -> Option<&Rollout> {
        match self {
            State::NotStarted => None,
            State::Started(rollout) => Some(rollout),
        }
    }
}
