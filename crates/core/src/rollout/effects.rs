//! What a state wants of the outside, named as end states with a generation, and when it wants to be woken.

use super::command::Command;
use super::event::PageReason;
use super::state::{Forward, Phase, Role, Rollout, State, Traffic, WorkerState};
use crate::id::At;
use crate::judge::Mode;
use serde::{Deserialize, Serialize};

/// Something wanted of the outside. Doing it twice is harmless.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Have a worker that answers its golden requests right. Answer: `WorkerReady` or `WorkerFailed`.
    Load {
        /// Its part.
        role: Role,
        /// What it runs.
        version: String,
        /// To be repeated in the answer.
        generation: u64,
    },
    /// Have no such worker. Answer: `Unloaded`.
    Unload {
        /// Its part.
        role: Role,
        /// To be repeated in the answer.
        generation: u64,
    },
    /// Split requests so. A lower generation than one seen before is to be ignored. Answer: `TrafficApplied`.
    SetTraffic {
        /// To be repeated in the answer.
        generation: u64,
        /// The split.
        traffic: Traffic,
    },
    /// Count ticks of this kind and hand them in, as long as the split of this generation is in force: a tick
    /// during which the split changed is not counted.
    CollectEvidence {
        /// Of the split.
        generation: u64,
        /// How they are gathered.
        mode: Mode,
        /// The canary step.
        step: u32,
        /// The attempt.
        attempt: u32,
        /// Candidate's part of candidate and control together, in basis points.
        candidate_share_bp: u32,
    },
    /// Call a person. Answer: `PageDelivered`.
    Page {
        /// To be repeated in the answer.
        number: u64,
        /// Why.
        reason: PageReason,
    },
}

impl Effect {
    /// What a data plane says that has done it at once; none where nothing is answered. For benches and worlds on virtual time.
    #[must_use]
    pub fn carried_out(&self, at: At) -> Option<Command> {
        match self {
            Effect::Load { role, generation, .. } => Some(Command::WorkerReady { role: *role, generation: *generation, at }),
            Effect::Unload { role, generation } => Some(Command::Unloaded { role: *role, generation: *generation, at }),
            Effect::SetTraffic { generation, .. } => Some(Command::TrafficApplied { generation: *generation, at }),
            Effect::Page { number, .. } => Some(Command::PageDelivered { number: *number, at }),
            Effect::CollectEvidence { .. } => None,
        }
    }
}

/// What `state` wants, in the order in which it should be tried.
#[must_use]
pub fn effects(state: &State) -> Vec<Effect> {
    let Some(r) = state.rollout() else { return vec![] };
    let mut wanted = vec![];
    if let Some(t) = r.traffic.filter(|t| t.applied.is_none() && !r.split_waits()) {
        wanted.push(Effect::SetTraffic { generation: t.generation, traffic: t.traffic });
    }
    for role in Role::ALL {
        let worker = r.workers.of(role);
        match worker.state {
            WorkerState::Loading => wanted.push(Effect::Load { role, version: worker.version.clone(), generation: worker.generation }),
            WorkerState::Unloading => wanted.push(Effect::Unload { role, generation: worker.generation }),
            WorkerState::Absent | WorkerState::Ready | WorkerState::Failed { .. } => {}
        }
    }
    if let Some((t, (mode, step))) = r.traffic.zip(r.evidence()) {
        let candidate_share_bp = candidate_share_bp(t.traffic);
        wanted.push(Effect::CollectEvidence { generation: t.generation, mode, step, attempt: r.attempt, candidate_share_bp });
    }
    if let Some(page) = r.page.as_ref().filter(|p| !p.delivered) {
        wanted.push(Effect::Page { number: page.number, reason: page.reason.clone() });
    }
    wanted
}

fn candidate_share_bp(t: Traffic) -> u32 {
    let both = t.candidate_bp + t.control_bp;
    if t.mirror_bp > 0 || both == 0 { 5_000 } else { t.candidate_bp * 10_000 / both }
}

/// When `state` wants a `Tick`; none when nothing is left to do.
#[must_use]
pub fn deadline(state: &State) -> Option<At> {
    state.rollout().and_then(deadline_of)
}

pub(super) fn deadline_of(r: &Rollout) -> Option<At> {
    let thaw = r.frozen.as_ref().filter(|_| r.forward().is_some()).map(|frozen| frozen.until);
    // the data plane's own deadlines hold in a freeze too
    [own_deadline(r), thaw].into_iter().flatten().min()
}

/// When the time of a preview has passed; none where a person ends it, or where it stands still.
pub(super) fn preview_ends(r: &Rollout) -> Option<At> {
    let since = r.traffic.and_then(|wanted| wanted.applied)?;
    let for_ms = r.spec.preview()??;
    // A pause begins it anew: whoever lifts one moves the attempt on.
    (!r.stands_still()).then(|| since.max(r.attempt_since).plus_ms(for_ms))
}

/// The deadline of what it waits for, whatever ends a freeze.
pub(super) fn own_deadline(r: &Rollout) -> Option<At> {
    let wait = r.spec.deadlines;
    let unapplied = r.traffic.filter(|t| t.applied.is_none()).map(|t| t.since.max(r.attempt_since).plus_ms(wait.apply_ms));
    let frozen_until = r.frozen.as_ref().map(|frozen| frozen.until);
    let judged_since = frozen_until.map_or(r.attempt_since, |end| r.attempt_since.plus_ms(r.frozen_ms(end)));
    let undecided = judged_since.plus_ms(r.spec.judge.deadline_ms);
    let paged = r.page.as_ref().filter(|p| p.at >= r.phase_since).map(|p| p.at.plus_ms(wait.remind_ms));
    match &r.phase {
        Phase::Forward { forward } => match forward {
            Forward::Pending { .. } if r.needed().all(|role| r.workers.ready(role)) => Some(undecided),
            Forward::Pending { .. } => Some(r.phase_since.plus_ms(wait.load_ms)),
            Forward::Preview => Some(unapplied.unwrap_or(preview_ends(r).unwrap_or(undecided))),
            Forward::Shadow | Forward::Step { .. } => Some(unapplied.unwrap_or(undecided)),
            Forward::Promoting => Some(unapplied.unwrap_or(r.phase_since.plus_ms(wait.apply_ms))),
            Forward::Watching { .. } if unapplied.is_some() => unapplied,
            Forward::Watching { until } if r.evidence().is_none() && r.paused.is_none() && r.frozen.is_none() => Some(*until),
            Forward::Watching { until } => {
                Some((*until).max(judged_since).max(frozen_until.unwrap_or(*until)).plus_ms(r.spec.judge.deadline_ms))
            }
        },
        Phase::Held { .. } => Some(paged.unwrap_or(r.phase_since.plus_ms(wait.remind_ms))),
        Phase::Finishing | Phase::RollingBack { .. } => Some(paged.unwrap_or(r.phase_since.plus_ms(wait.finish_ms))),
        Phase::Done | Phase::RolledBack { .. } | Phase::Aborted { .. } => None,
    }
}
