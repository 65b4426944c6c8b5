//! Why nothing moves, as a value: stored with the state, shown everywhere.

use super::effects::{own_deadline, preview_ends};
use super::event::HoldWhy;
use super::state::{Forward, Phase, Role, Rollout, State, WorkerState};
use crate::id::At;
use crate::judge::{HoldReason, Verdict};
use serde::{Deserialize, Serialize};

/// What a rollout waits for, and until when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "waiting", rename_all = "snake_case")]
pub enum Waiting {
    /// Workers that do not yet answer their golden requests right.
    Ready {
        /// Which.
        roles: Vec<Role>,
        /// Then it holds and pages.
        until: Option<At>,
    },
    /// A split that the data plane has not confirmed.
    Traffic {
        /// Its generation.
        generation: u64,
        /// Then it holds and pages.
        until: Option<At>,
    },
    /// Evidence for either bar. The numbers are those of the newest recorded verdict.
    Evidence {
        /// Promotion evidence so far; none before the first verdict.
        have: Option<f64>,
        /// What it needs.
        need: f64,
        /// Milliseconds to a decision, as far as could be told.
        eta_ms: Option<u64>,
        /// Then it holds and pages.
        until: Option<At>,
    },
    /// The judge holds.
    Judge {
        /// Why.
        hold: HoldReason,
        /// Then it holds and pages.
        until: Option<At>,
    },
    /// No counts arrive.
    Telemetry {
        /// Then it holds and pages.
        until: Option<At>,
    },
    /// The end of the preview.
    Preview {
        /// When it goes on by itself; none where a person lets it.
        until: Option<At>,
    },
    /// The end of the watch.
    Watch {
        /// When it may end.
        until: At,
    },
    /// Workers that are not gone yet.
    Unload {
        /// Which.
        roles: Vec<Role>,
        /// Then it pages and keeps trying.
        until: Option<At>,
    },
    /// A person who let it pause.
    Pause {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// Then it holds and pages.
        until: Option<At>,
    },
    /// The end of a freeze.
    Freeze {
        /// The window's name.
        name: String,
        /// When it ends.
        until: At,
    },
    /// A person who decides.
    Person {
        /// Why.
        hold: HoldWhy,
        /// Then it pages again.
        until: Option<At>,
    },
}

/// What `state` waits for; none when nothing is left to do.
#[must_use]
pub fn waiting(state: &State) -> Option<Waiting> {
    state.rollout().and_then(of)
}

pub(super) fn of(r: &Rollout) -> Option<Waiting> {
    let until = own_deadline(r);
    match &r.phase {
        Phase::Done | Phase::RolledBack { .. } | Phase::Aborted { .. } => None,
        Phase::Held { why, .. } => Some(Waiting::Person { hold: why.clone(), until }),
        Phase::Forward { forward } => Some(going_forward(r, *forward, until)),
        Phase::Finishing | Phase::RollingBack { .. } => Some(clearing(r, until)),
    }
}

fn going_forward(r: &Rollout, forward: Forward, until: Option<At>) -> Waiting {
    let unready: Vec<Role> = r.needed().filter(|role| !r.workers.ready(*role)).collect();
    if let (Forward::Pending { .. }, false) = (forward, unready.is_empty()) {
        return Waiting::Ready { roles: unready, until };
    }
    if let Some(wanted) = r.traffic.filter(|t| t.applied.is_none()) {
        return Waiting::Traffic { generation: wanted.generation, until };
    }
    if let Some(frozen) = &r.frozen {
        return Waiting::Freeze { name: frozen.name.clone(), until: frozen.until };
    }
    if let Some(pause) = &r.paused {
        return Waiting::Pause { by: pause.by.clone(), reason: pause.reason.clone(), until };
    }
    if forward == Forward::Preview {
        return Waiting::Preview { until: preview_ends(r) };
    }
    let here = r.judged.as_ref().filter(|j| Some((j.mode, j.step)) == forward.evidence());
    match here.map(|j| &j.assessment.verdict) {
        Some(Verdict::Hold { why }) => return Waiting::Judge { hold: *why, until },
        Some(Verdict::NoTelemetry) => return Waiting::Telemetry { until },
        Some(Verdict::Promote | Verdict::Continue | Verdict::Rollback | Verdict::InsufficientEvidence { .. }) | None => {}
    }
    if let Forward::Watching { until } = forward {
        return Waiting::Watch { until };
    }
    let pauses = r.spec.pauses(forward.stage());
    if pauses.for_ms > 0 && here.is_some_and(|j| j.assessment.verdict == Verdict::Promote) {
        let reason = "the pause after this stage is not over".to_owned();
        return Waiting::Pause { by: "the strategy".to_owned(), reason, until };
    }
    let eta_ms = here.and_then(|j| if let Verdict::InsufficientEvidence { eta_ms } = j.assessment.verdict { eta_ms } else { None });
    Waiting::Evidence { have: here.map(|j| j.assessment.e_promote), need: 1.0 / r.spec.judge.beta, eta_ms, until }
}

fn clearing(r: &Rollout, until: Option<At>) -> Waiting {
    let going: Vec<Role> = Role::ALL.into_iter().filter(|role| r.workers.of(*role).state == WorkerState::Unloading).collect();
    match r.traffic.filter(|t| t.applied.is_none()) {
        Some(wanted) => Waiting::Traffic { generation: wanted.generation, until },
        None if going.is_empty() => Waiting::Ready { roles: vec![Role::Stable], until },
        None => Waiting::Unload { roles: going, until },
    }
}
