//! What a state asks for by itself: the moves that follow once nothing is missing, and those of passed deadlines.

use super::decide::{Facts, watch_traffic};
use super::effects::{deadline_of, preview_ends};
use super::event::{Cause, Event, HoldWhy, PageReason, Promoter};
use super::spec::Stage;
use super::state::{Forward, Phase, Role, Rollout, Traffic, WorkerState};

/// More rounds than any chain of moves that follow from one command.
const SETTLE_ROUNDS_MAX: usize = 8;

pub(super) fn settle(facts: &mut Facts) {
    for _ in 0..SETTLE_ROUNDS_MAX {
        let before = facts.events.len();
        match facts.r.phase.clone() {
            Phase::Forward { forward: Forward::Pending { then } } => pending(facts, then),
            Phase::Forward { forward: Forward::Preview } => preview(facts),
            Phase::Forward { forward: Forward::Promoting } => promoting(facts),
            Phase::Finishing => finishing(facts),
            Phase::RollingBack { .. } => rolling_back(facts),
            Phase::Forward { forward: Forward::Shadow | Forward::Step { .. } | Forward::Watching { .. } }
            | Phase::Held { .. }
            | Phase::Done
            | Phase::RolledBack { .. }
            | Phase::Aborted { .. } => {}
        }
        if facts.events.len() == before {
            return;
        }
    }
}

fn pending(facts: &mut Facts, then: Stage) {
    let absent: Vec<Role> = facts.r.needed().filter(|role| facts.r.workers.absent(*role)).collect();
    absent.into_iter().for_each(|role| facts.want_load(role));
    let ready = facts.r.needed().all(|role| facts.r.workers.ready(role));
    if !ready || (facts.r.stands_still() && !gets_its_control_back(&facts.r, then)) {
        return;
    }
    match then {
        Stage::Promote => {
            let by = facts.r.promoted_by.clone().unwrap_or_else(|| Promoter::Policy {
                reason: "first version of the service: there is none to compare it with".to_owned(),
            });
            facts.promote(by);
        }
        Stage::Preview | Stage::Shadow | Stage::Step { .. } => enter(facts, then),
    }
}

/// A preview ends when its time has passed, or when a person says so: who asks for a version is not drawn by lot, and says nothing
/// of what others would meet.
fn preview(facts: &mut Facts) {
    let r = &facts.r;
    if !r.traffic_applied() || r.stands_still() {
        return;
    }
    let let_on = r.let_on.clone().filter(|on| on.stage == Stage::Preview);
    let by = match (r.spec.preview().flatten(), let_on) {
        (None, None) => return facts.hold(HoldWhy::Asked),
        (_, Some(on)) => Promoter::Person { by: on.by, reason: "what they saw in the preview".to_owned() },
        (Some(_), None) if preview_ends(r).is_some_and(|end| facts.at >= end) => {
            Promoter::Policy { reason: "the time of the preview has passed, and nothing else is asked for".to_owned() }
        }
        (Some(_), None) => return,
    };
    match r.spec.next_stage(Some(Stage::Preview)) {
        Stage::Promote => facts.promote(by),
        stage => enter(facts, stage),
    }
}

/// Whether all that a freeze would stop is that a promoted version gives a part of its users back to a control that it had lost:
/// nobody new meets it, and it is compared again.
fn gets_its_control_back(r: &Rollout, then: Stage) -> bool {
    let now = r.traffic.filter(|wanted| wanted.applied.is_some()).map_or(0, |wanted| wanted.traffic.candidate_bp);
    r.paused.is_none() && then == Stage::Promote && watch_traffic(r).candidate_bp <= now
}

/// Enters a preview, a shadow or a canary weight.
pub(super) fn enter(facts: &mut Facts, stage: Stage) {
    let preview = facts.r.spec.preview().is_some();
    let traffic = match stage {
        Stage::Preview => Some(Traffic { preview, ..Traffic::STABLE }),
        Stage::Shadow => facts.r.spec.shadow().map(|(mirror_bp, _)| Traffic { mirror_bp, preview, ..Traffic::STABLE }),
        Stage::Step { index } => facts.r.spec.weight(index).map(|(weight_bp, _)| Traffic {
            stable_bp: 10_000 - 2 * weight_bp,
            candidate_bp: weight_bp,
            control_bp: weight_bp,
            mirror_bp: 0,
            preview,
        }),
        Stage::Promote => None,
    };
    if let Some(traffic) = traffic {
        facts.push(Event::StageEntered { stage, at: facts.at });
        facts.want_traffic(traffic);
    }
}

fn promoting(facts: &mut Facts) {
    if facts.r.traffic_applied() {
        let until = facts.at.plus_ms(facts.r.spec.promote.watch_ms);
        facts.push(Event::WatchBegan { until, at: facts.at });
    }
}

fn finishing(facts: &mut Facts) {
    if let (WorkerState::Failed { reason }, true) = (facts.r.workers.candidate.state.clone(), facts.r.workers.ready(Role::Stable)) {
        return facts.roll_back(Cause::CandidateFailed { reason });
    }
    match facts.r.traffic {
        Some(wanted) if wanted.traffic == Traffic::CANDIDATE && wanted.applied.is_some() => {}
        Some(wanted) if wanted.traffic == Traffic::CANDIDATE => return,
        Some(_) | None => return facts.want_traffic(Traffic::CANDIDATE),
    }
    unload(facts, Role::Control);
    // the last way back goes only while the new version answers
    if facts.r.workers.ready(Role::Candidate) {
        unload(facts, Role::Stable);
    }
    let alone = facts.r.workers.absent(Role::Control) && facts.r.workers.absent(Role::Stable);
    // One that nobody answers for has not arrived.
    if alone && facts.r.workers.ready(Role::Candidate) {
        facts.push(Event::Completed { at: facts.at });
    }
}

fn rolling_back(facts: &mut Facts) {
    match facts.r.traffic {
        None => {}
        Some(wanted) if wanted.traffic == Traffic::STABLE && wanted.applied.is_some() => {}
        Some(wanted) if wanted.traffic == Traffic::STABLE => return,
        Some(_) => {
            match facts.r.workers.stable.state {
                WorkerState::Ready => facts.want_traffic(Traffic::STABLE),
                WorkerState::Absent | WorkerState::Unloading => facts.want_load(Role::Stable),
                WorkerState::Loading | WorkerState::Failed { .. } => {}
            }
            return;
        }
    }
    unload(facts, Role::Candidate);
    unload(facts, Role::Control);
    if facts.r.workers.absent(Role::Candidate) && facts.r.workers.absent(Role::Control) {
        facts.push(Event::RollbackCompleted { at: facts.at });
    }
}

fn unload(facts: &mut Facts, role: Role) {
    match facts.r.workers.of(role).state {
        WorkerState::Loading | WorkerState::Ready | WorkerState::Failed { .. } => facts.want_unload(role),
        WorkerState::Absent | WorkerState::Unloading => {}
    }
}

/// Time passed: what a passed deadline asks for.
pub(super) fn tick(facts: &mut Facts) {
    if facts.r.frozen.as_ref().is_some_and(|frozen| frozen.until <= facts.at) {
        facts.push(Event::FreezeEnded { at: facts.at });
    }
    if deadline_of(&facts.r).is_none_or(|deadline| facts.at < deadline) {
        return;
    }
    let unapplied = facts.r.traffic.filter(|t| t.applied.is_none());
    match (facts.r.phase.clone(), unapplied) {
        (Phase::Forward { forward: Forward::Pending { .. } }, _) => {
            let roles: Vec<Role> = facts.r.needed().filter(|role| !facts.r.workers.ready(*role)).collect();
            facts.hold(if roles.is_empty() { HoldWhy::InsufficientEvidence } else { HoldWhy::NotReady { roles } });
        }
        (Phase::Forward { .. }, Some(wanted)) => facts.hold(HoldWhy::TrafficNotApplied { generation: wanted.generation }),
        // Its own time is looked at below; past the judge's deadline it stands still, and somebody should know.
        (Phase::Forward { forward: Forward::Preview }, None) if facts.r.stands_still() => facts.hold(HoldWhy::Forgotten),
        (Phase::Forward { forward: Forward::Preview }, None) => {}
        (Phase::Forward { forward: Forward::Shadow | Forward::Step { .. } | Forward::Promoting }, None) => {
            facts.hold(HoldWhy::InsufficientEvidence);
        }
        (Phase::Forward { forward: Forward::Watching { .. } }, None) => {
            if facts.r.evidence().is_none() && !facts.r.stands_still() {
                facts.push(Event::WatchEnded { at: facts.at });
            } else {
                facts.hold(HoldWhy::WatchUndecided);
            }
        }
        (Phase::Held { why, .. }, _) => facts.page(PageReason::Held { hold: why }),
        (Phase::RollingBack { .. }, _) => {
            facts.page(PageReason::RollbackSlow);
            let lost = matches!(facts.r.workers.stable.state, WorkerState::Failed { .. });
            let off_stable = facts.r.traffic.is_some_and(|t| t.traffic != Traffic::STABLE);
            if lost && off_stable {
                facts.want_load(Role::Stable);
            }
        }
        (Phase::Finishing, _) => {
            facts.page(PageReason::FinishSlow);
            facts.answer_again();
        }
        (Phase::Done | Phase::RolledBack { .. } | Phase::Aborted { .. }, _) => {}
    }
}
