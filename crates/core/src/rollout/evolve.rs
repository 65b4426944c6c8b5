//! State after an event. Decides nothing, refuses nothing.

use super::event::{Cause, Event, HoldWhy};
use super::spec::{Spec, Stage};
use super::state::{Forward, Frozen, Judgement, LetOn, Page, Pause, Phase, Rollout, State, WantedTraffic, Worker, WorkerState, Workers};
use super::waiting;
use crate::id::At;
use crate::judge::{Mode, Verdict};
use std::sync::Arc;

pub(super) fn evolve(state: State, event: &Event) -> State {
    let mut rollout = match (state, event) {
        (State::NotStarted, Event::Started { spec, at }) => Box::new(started(spec, *at)),
        // a journal that does not begin with `Started` is not ours to repair: nothing follows from it
        (State::NotStarted, _) => return State::NotStarted,
        (State::Started(rollout), _) => rollout,
    };
    apply(&mut rollout, event);
    rollout.waiting = waiting::of(&rollout);
    State::Started(rollout)
}

fn started(spec: &Spec, at: At) -> Rollout {
    Rollout {
        phase: Phase::Forward { forward: Forward::Pending { then: spec.next_stage(None) } },
        spec: Arc::new(spec.clone()),
        phase_since: at,
        attempt: 1,
        attempt_since: at,
        generation: 0,
        traffic: None,
        workers: Workers::default(),
        exposed_before: 0,
        exposed_now: 0,
        judged: None,
        failed: None,
        paused: None,
        frozen: None,
        frozen_since: None,
        let_on: None,
        promoted_by: None,
        page: None,
        waiting: None,
    }
}

pub(super) fn apply(r: &mut Rollout, event: &Event) {
    match event {
        Event::Started { .. } => {}
        Event::LoadWanted { .. }
        | Event::WorkerBecameReady { .. }
        | Event::WorkerFailed { .. }
        | Event::UnloadWanted { .. }
        | Event::WorkerUnloaded { .. } => worker(&mut r.workers, &mut r.generation, event),
        Event::TrafficWanted { generation, traffic, at } => {
            r.generation = r.generation.max(*generation);
            r.traffic = Some(WantedTraffic { generation: *generation, traffic: *traffic, since: *at, applied: None });
        }
        Event::TrafficApplied { generation, at } => {
            if let Some(wanted) = r.traffic.as_mut().filter(|t| t.generation == *generation) {
                wanted.applied = Some(*at);
            }
        }
        Event::VerdictReached { mode, step, assessment, evidence, at, .. } => {
            let judgement = Judgement { mode: *mode, step: *step, assessment: (**assessment).clone(), evidence: evidence.clone(), at: *at };
            if *mode == Mode::Canary {
                r.exposed_now = r.exposed_now.max(assessment.candidate_requests);
            }
            if assessment.verdict == Verdict::Rollback {
                r.failed = Some(judgement.clone());
            }
            r.judged = Some(judgement);
        }
        Event::Paged { number, reason, at } => r.page = Some(Page { number: *number, reason: reason.clone(), at: *at, delivered: false }),
        Event::PageDelivered { number, .. } => {
            if let Some(page) = r.page.as_mut().filter(|p| p.number == *number) {
                page.delivered = true;
            }
        }
        Event::Paused { by, reason, at } => r.paused = Some(Pause { by: by.clone(), reason: reason.clone(), at: *at }),
        Event::FreezeBegan { name, until, at } => {
            r.frozen = Some(Frozen { name: name.clone(), until: *until });
            r.frozen_since.get_or_insert(*at);
        }
        Event::FreezeEnded { at } => thawed(r, *at),
        Event::StageEntered { .. }
        | Event::PromotionBegan { .. }
        | Event::WatchBegan { .. }
        | Event::WatchEnded { .. }
        | Event::Completed { .. }
        | Event::HoldBegan { .. }
        | Event::Resumed { .. }
        | Event::RollbackBegan { .. }
        | Event::RollbackCompleted { .. }
        | Event::AttemptOpened { .. } => phase(r, event),
    }
}

fn worker(workers: &mut Workers, newest: &mut u64, event: &Event) {
    match event {
        Event::LoadWanted { role, version, generation, .. } => {
            *newest = (*newest).max(*generation);
            *workers.of_mut(*role) = Worker { version: version.clone(), generation: *generation, state: WorkerState::Loading };
        }
        Event::UnloadWanted { role, generation, .. } => {
            *newest = (*newest).max(*generation);
            let worker = workers.of_mut(*role);
            worker.generation = *generation;
            worker.state = WorkerState::Unloading;
        }
        Event::WorkerBecameReady { role, .. } => workers.of_mut(*role).state = WorkerState::Ready,
        Event::WorkerFailed { role, reason, .. } => workers.of_mut(*role).state = WorkerState::Failed { reason: reason.clone() },
        Event::WorkerUnloaded { role, .. } => workers.of_mut(*role).state = WorkerState::Absent,
        other => unreachable_event(other),
    }
}

/// The caller's match names the events that reach the leaf; anything else changes nothing.
fn unreachable_event(event: &Event) {
    debug_assert!(false, "event {event:?} was sent to the wrong leaf of evolve");
}

fn phase(r: &mut Rollout, event: &Event) {
    let at = event.at();
    match event {
        Event::StageEntered { stage: Stage::Preview, .. } => enter(r, at, Phase::Forward { forward: Forward::Preview }),
        Event::StageEntered { stage: Stage::Shadow, .. } => enter(r, at, Phase::Forward { forward: Forward::Shadow }),
        Event::StageEntered { stage: Stage::Step { index }, .. } => {
            enter(r, at, Phase::Forward { forward: Forward::Step { index: *index } })
        }
        Event::StageEntered { stage: Stage::Promote, .. } => enter(r, at, Phase::Forward { forward: Forward::Promoting }),
        Event::PromotionBegan { by, .. } => {
            r.promoted_by = Some(by.clone());
            r.paused = None;
            enter(r, at, Phase::Forward { forward: Forward::Promoting });
        }
        Event::WatchBegan { until, .. } => enter(r, at, Phase::Forward { forward: Forward::Watching { until: *until } }),
        Event::WatchEnded { .. } => enter(r, at, Phase::Finishing),
        Event::Completed { .. } => enter(r, at, Phase::Done),
        Event::HoldBegan { why, .. } => {
            if let Some(forward) = r.forward() {
                enter(r, at, Phase::Held { forward, why: why.clone() });
            }
        }
        Event::Resumed { by, to, .. } => {
            if let Phase::Held { forward, why: HoldWhy::Asked } = &r.phase {
                r.let_on = Some(LetOn { by: by.clone(), stage: forward.stage(), at });
            }
            resumed(r, *to, at);
        }
        Event::RollbackBegan { cause, .. } => {
            // going back, nothing stands still
            (r.paused, r.frozen, r.frozen_since) = (None, None, None);
            enter(r, at, Phase::RollingBack { cause: cause.clone() });
        }
        Event::RollbackCompleted { .. } => completed(r, at),
        Event::AttemptOpened { attempt, .. } => {
            r.attempt = *attempt;
            r.attempt_since = at;
            r.exposed_before = r.exposed_before.saturating_add(r.exposed_now);
            r.exposed_now = 0;
            r.judged = None;
            r.failed = None;
            r.paused = None;
            r.let_on = None;
            r.promoted_by = None;
            let then = r.spec.next_stage(None);
            enter(r, at, Phase::Forward { forward: Forward::Pending { then } });
        }
        other => unreachable_event(other),
    }
}

fn thawed(r: &mut Rollout, at: At) {
    // The time of a preview stood still: it was seen so much later.
    let stood = r.frozen.as_ref().zip(r.frozen_since).map(|(frozen, since)| (at.min(frozen.until), since));
    if let (Some(Forward::Preview), Some((end, since)), Some(wanted)) = (r.forward(), stood, r.traffic.as_mut()) {
        wanted.applied = wanted.applied.map(|applied| applied.plus_ms(end.since_ms(since.max(applied))));
    }
    r.attempt_since = r.attempt_since.plus_ms(r.frozen_ms(at));
    if let (
        Phase::Forward { forward: Forward::Watching { until } } | Phase::Held { forward: Forward::Watching { until }, .. },
        Some(frozen),
    ) = (&mut r.phase, &r.frozen)
    {
        *until = (*until).max(at.min(frozen.until));
    }
    (r.frozen, r.frozen_since) = (None, None);
}

fn enter(r: &mut Rollout, at: At, phase: Phase) {
    r.phase = phase;
    r.phase_since = at;
}

fn resumed(r: &mut Rollout, to: Forward, at: At) {
    r.paused = None;
    r.attempt_since = at;
    // after a mere pause the phase goes on as old as it is
    let phase = Phase::Forward { forward: to };
    if r.phase != phase {
        enter(r, at, phase);
    }
}

fn completed(r: &mut Rollout, at: At) {
    if let Phase::RollingBack { cause } = &r.phase {
        let phase = match cause.clone() {
            Cause::Aborted { by, reason } => Phase::Aborted { by, reason },
            cause @ (Cause::Verdict { .. } | Cause::Exposed { .. } | Cause::CandidateFailed { .. } | Cause::Undone { .. }) => {
                Phase::RolledBack { cause }
            }
        };
        enter(r, at, phase);
    }
}
