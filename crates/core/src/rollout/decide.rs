//! The facts that follow from a command: first the direct ones, then what the new state itself asks for.

use super::command::{Command, REASON_BYTES_MAX, Refused};
use super::event::{Cause, Event, HoldWhy, PageReason, Promoter};
use super::evolve;
use super::spec::Spec;
use super::state::{Forward, Phase, Role, Rollout, State, Traffic, WorkerState};
use super::{ATTEMPTS_MAX, judged, settle};
use crate::id::At;
use crate::line::line;

/// Events in the making, with the state that they lead to.
pub(super) struct Facts {
    pub(super) r: Rollout,
    pub(super) at: At,
    pub(super) events: Vec<Event>,
}

impl Facts {
    pub(super) fn push(&mut self, event: Event) {
        evolve::apply(&mut self.r, &event);
        self.events.push(event);
    }

    pub(super) fn want_traffic(&mut self, traffic: Traffic) {
        let generation = self.r.generation + 1;
        self.push(Event::TrafficWanted { generation, traffic, at: self.at });
    }

    pub(super) fn want_load(&mut self, role: Role) {
        if let Some(version) = self.r.version_of(role).map(str::to_owned) {
            let generation = self.r.generation + 1;
            self.push(Event::LoadWanted { role, version, generation, at: self.at });
        }
    }

    pub(super) fn want_unload(&mut self, role: Role) {
        let generation = self.r.generation + 1;
        self.push(Event::UnloadWanted { role, generation, at: self.at });
    }

    pub(super) fn page(&mut self, reason: PageReason) {
        let number = self.r.page.as_ref().map_or(0, |p| p.number) + 1;
        self.push(Event::Paged { number, reason, at: self.at });
    }

    pub(super) fn hold(&mut self, why: HoldWhy) {
        self.push(Event::HoldBegan { why: why.clone(), at: self.at });
        self.page(PageReason::Held { hold: why });
    }

    pub(super) fn roll_back(&mut self, cause: Cause) {
        self.push(Event::RollbackBegan { cause, at: self.at });
        // lost before: tried at once, and again with each page
        let lost = matches!(self.r.workers.stable.state, WorkerState::Failed { .. });
        if lost && self.r.traffic.is_some_and(|t| t.traffic != Traffic::STABLE) {
            self.want_load(Role::Stable);
        }
    }

    /// On its last moves with a version that was lost: whichever of the two can be had again decides how it ends.
    pub(super) fn answer_again(&mut self) {
        let lost = |r: &Rollout, role: Role| matches!(r.workers.of(role).state, WorkerState::Failed { .. });
        if lost(&self.r, Role::Candidate) {
            self.want_load(Role::Candidate);
            if lost(&self.r, Role::Stable) || self.r.workers.absent(Role::Stable) {
                self.want_load(Role::Stable);
            }
        }
    }

    pub(super) fn promote(&mut self, by: Promoter) {
        self.push(Event::PromotionBegan { by, at: self.at });
        let traffic = watch_traffic(&self.r);
        self.want_traffic(traffic);
    }
}

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
    match (state, command) {
        (State::NotStarted, Command::Start { spec, at }) => Ok(start(spec, *at)),
        (State::NotStarted, other) => Err(Refused::NotStarted { command: other.name() }),
        (State::Started(rollout), command) => {
            let mut facts = Facts { r: (**rollout).clone(), at: command.at(), events: vec![] };
            direct(&mut facts, command)?;
            settle::settle(&mut facts);
            Ok(facts.events)
        }
    }
}

fn start(spec: &Spec, at: At) -> Vec<Event> {
    let event = Event::Started { spec: Box::new(spec.clone()), at };
    let State::Started(rollout) = evolve::evolve(State::NotStarted, &event) else { return vec![] };
    let mut facts = Facts { r: *rollout, at, events: vec![event] };
    settle::settle(&mut facts);
    facts.events
}

fn direct(facts: &mut Facts, command: &Command) -> Result<(), Refused> {
    match command {
        Command::Start { spec, .. } => already_started(&facts.r, spec),
        Command::WorkerReady { role, generation, at } => {
            let worker = facts.r.workers.of(*role);
            let fits = matches!(worker.state, WorkerState::Loading | WorkerState::Failed { .. });
            if worker.generation == *generation && fits {
                facts.push(Event::WorkerBecameReady { role: *role, generation: *generation, at: *at });
            }
            Ok(())
        }
        Command::WorkerFailed { role, generation, reason, .. } => {
            worker_failed(facts, *role, *generation, reason);
            Ok(())
        }
        Command::Unloaded { role, generation, at } => {
            let worker = facts.r.workers.of(*role);
            if worker.generation == *generation && worker.state == WorkerState::Unloading {
                facts.push(Event::WorkerUnloaded { role: *role, generation: *generation, at: *at });
            }
            Ok(())
        }
        Command::TrafficApplied { generation, at } => {
            if facts.r.traffic.is_some_and(|t| t.generation == *generation && t.applied.is_none()) {
                facts.push(Event::TrafficApplied { generation: *generation, at: *at });
            }
            Ok(())
        }
        Command::Judged { judged, .. } => {
            judged::judged(facts, judged);
            Ok(())
        }
        Command::PageDelivered { number, at } => {
            if facts.r.page.as_ref().is_some_and(|p| p.number == *number && !p.delivered) {
                facts.push(Event::PageDelivered { number: *number, at: *at });
            }
            Ok(())
        }
        Command::Pause { by, reason, .. } => said(command, by, reason).and_then(|()| pause(facts, by, reason)),
        Command::Resume { by, .. } => said(command, by, "resume").and_then(|()| resume(facts, by)),
        Command::Promote { by, reason, .. } => said(command, by, reason).and_then(|()| promote(facts, by, reason)),
        Command::Abort { by, reason, .. } => said(command, by, reason).and_then(|()| abort(facts, by, reason)),
        Command::Retry { by, reason, .. } => said(command, by, reason).and_then(|()| retry(facts, by, reason)),
        Command::Undo { by, reason, .. } => said(command, by, reason).and_then(|()| undo(facts, by, reason)),
        Command::Freeze { name, until, .. } => {
            freeze(facts, name, *until);
            Ok(())
        }
        Command::Thaw { .. } => {
            if facts.r.frozen.is_some() {
                facts.push(Event::FreezeEnded { at: facts.at });
            }
            Ok(())
        }
        Command::Tick { .. } => {
            settle::tick(facts);
            Ok(())
        }
    }
}

/// A freeze that is over already, or of a rollout that is on its last moves or has ended, is none.
fn freeze(facts: &mut Facts, name: &str, until: At) {
    let known = facts.r.frozen.as_ref().is_some_and(|frozen| frozen.name == name && frozen.until == until);
    if !known && until > facts.at && facts.r.forward().is_some() {
        facts.push(Event::FreezeBegan { name: name.to_owned(), until, at: facts.at });
    }
}

fn already_started(r: &Rollout, spec: &Spec) -> Result<(), Refused> {
    if *r.spec == *spec { Ok(()) } else { Err(Refused::AlreadyStarted { service: r.spec.service.clone(), number: r.spec.number }) }
}

/// Whether a person said who and why.
fn said(command: &Command, by: &str, reason: &str) -> Result<(), Refused> {
    let good = |text: &str| !text.trim().is_empty() && text.len() <= REASON_BYTES_MAX;
    if good(by) && good(reason) { Ok(()) } else { Err(Refused::NoReason { command: command.name() }) }
}

fn wrong(r: &Rollout, command: &'static str, advice: &'static str) -> Refused {
    Refused::WrongPhase { command, phase: r.phase.name(), advice }
}

/// Whether traffic can go back: to stable, or because none has moved yet.
fn can_go_back(r: &Rollout) -> bool {
    r.spec.stable.is_some() || r.traffic.is_none()
}

/// The promoted split: the candidate, and the held-back share where a control can answer it.
pub(super) fn watch_traffic(r: &Rollout) -> Traffic {
    let control_bp = if r.has_control() && r.workers.ready(Role::Control) { r.spec.promote.hold_back_bp } else { 0 };
    Traffic { control_bp, candidate_bp: 10_000 - control_bp, ..Traffic::CANDIDATE }
}

/// The split of a stage after its control was lost: nothing is compared, so no user is exposed for it.
fn traffic_without_control(r: &Rollout, wanted: Traffic) -> Traffic {
    match r.forward() {
        Some(Forward::Pending { .. } | Forward::Preview | Forward::Shadow | Forward::Step { .. }) | None
            if wanted.candidate_bp <= 5_000 =>
        {
            Traffic::STABLE
        }
        Some(_) | None => {
            let to_stable = if r.workers.ready(Role::Stable) { wanted.control_bp } else { 0 };
            let stable_bp = wanted.stable_bp + to_stable;
            Traffic { stable_bp, candidate_bp: 10_000 - stable_bp, ..Traffic::CANDIDATE }
        }
    }
}

fn worker_failed(facts: &mut Facts, role: Role, generation: u64, reason: &str) {
    let worker = facts.r.workers.of(role);
    if worker.generation != generation || !matches!(worker.state, WorkerState::Loading | WorkerState::Ready) || facts.r.phase.is_terminal()
    {
        return;
    }
    let reason = line(reason, REASON_BYTES_MAX);
    let answered = worker.state == WorkerState::Ready;
    facts.push(Event::WorkerFailed { role, generation, reason: reason.clone(), at: facts.at });
    match (facts.r.phase.clone(), role) {
        (Phase::Forward { .. } | Phase::Held { .. }, Role::Candidate) if can_go_back(&facts.r) => {
            facts.roll_back(Cause::CandidateFailed { reason });
        }
        (Phase::Finishing, Role::Candidate) if facts.r.workers.ready(Role::Stable) => facts.roll_back(Cause::CandidateFailed { reason }),
        // lost: tried at once, and again with each page
        (Phase::Finishing, Role::Candidate) if answered => {
            facts.page(PageReason::WorkerLost { role, reason });
            facts.answer_again();
        }
        (Phase::Forward { .. }, Role::Candidate | Role::Stable) => facts.hold(HoldWhy::WorkerLost { role, reason }),
        (Phase::Forward { .. }, Role::Control) => {
            control_off(facts);
            facts.hold(HoldWhy::WorkerLost { role, reason });
        }
        (Phase::Held { .. }, Role::Control) => control_off(facts),
        (Phase::Held { .. } | Phase::Finishing, Role::Candidate | Role::Stable) | (Phase::RollingBack { .. }, Role::Stable) => {
            facts.page(PageReason::WorkerLost { role, reason });
        }
        // about to be unloaded, or nobody's concern any more: the fact alone is kept
        (Phase::RollingBack { .. }, Role::Candidate | Role::Control)
        | (Phase::Finishing, Role::Control)
        | (Phase::Done | Phase::RolledBack { .. } | Phase::Aborted { .. }, _) => {}
    }
}

fn control_off(facts: &mut Facts) {
    if let Some(wanted) = facts.r.traffic.filter(|t| t.traffic.reaches(Role::Control)) {
        let traffic = traffic_without_control(&facts.r, wanted.traffic);
        facts.want_traffic(traffic);
    }
}

fn pause(facts: &mut Facts, by: &str, reason: &str) -> Result<(), Refused> {
    match &facts.r.phase {
        Phase::Forward { .. } if facts.r.paused.is_some() => Ok(()),
        Phase::Forward { .. } => {
            facts.push(Event::Paused { by: by.to_owned(), reason: reason.to_owned(), at: facts.at });
            Ok(())
        }
        Phase::Held { .. } => Err(wrong(&facts.r, "pause", "it goes nowhere until a person says so")),
        Phase::RollingBack { .. } => Err(wrong(&facts.r, "pause", "a rollback is never stopped half-way")),
        Phase::Finishing => Err(wrong(&facts.r, "pause", "its last moves follow from a verdict already given: undo it once it is done")),
        Phase::Done | Phase::RolledBack { .. } | Phase::Aborted { .. } => Err(wrong(&facts.r, "pause", "nothing is left to pause")),
    }
}

fn resume(facts: &mut Facts, by: &str) -> Result<(), Refused> {
    match facts.r.phase.clone() {
        Phase::Forward { forward } if facts.r.paused.is_some() => {
            facts.push(Event::Resumed { by: by.to_owned(), to: forward, at: facts.at });
            Ok(())
        }
        Phase::Forward { .. } => Err(wrong(&facts.r, "resume", "it is not paused")),
        Phase::Held { forward, .. } => {
            if let (Some(frozen), false) = (&facts.r.frozen, facts.r.traffic_applied()) {
                return Err(Refused::Frozen { command: "resume", name: frozen.name.clone(), until: frozen.until });
            }
            let to = if intact(&facts.r, forward) { forward } else { Forward::Pending { then: forward.stage() } };
            facts.push(Event::Resumed { by: by.to_owned(), to, at: facts.at });
            let missing: Vec<Role> = facts.r.needed().filter(|role| !facts.r.workers.ready(*role)).collect();
            missing.into_iter().for_each(|role| facts.want_load(role));
            if let Some(wanted) = facts.r.traffic.filter(|t| t.applied.is_none()) {
                facts.want_traffic(wanted.traffic);
            }
            Ok(())
        }
        Phase::RollingBack { .. } => Err(wrong(&facts.r, "resume", "a rollback is never stopped half-way")),
        Phase::Finishing => Err(wrong(&facts.r, "resume", "it is on its last moves")),
        Phase::Done => Err(wrong(&facts.r, "resume", "it is released")),
        Phase::RolledBack { .. } | Phase::Aborted { .. } => {
            Err(wrong(&facts.r, "resume", "open a new attempt with `tidegate release retry`"))
        }
    }
}

/// Whether a held stage can go on as it stands: its workers are ready and its split still has both arms, or those who ask.
fn intact(r: &Rollout, forward: Forward) -> bool {
    let ready = r.needed().all(|role| r.workers.ready(role));
    let reaches = |role: Role| r.traffic.is_some_and(|t| t.traffic.reaches(role));
    ready
        && match forward {
            Forward::Pending { .. } => true,
            Forward::Preview => reaches(Role::Candidate),
            Forward::Shadow | Forward::Step { .. } | Forward::Promoting | Forward::Watching { .. } => {
                reaches(Role::Candidate) && reaches(Role::Control)
            }
        }
}

fn promote(facts: &mut Facts, by: &str, reason: &str) -> Result<(), Refused> {
    if facts.r.failed.is_some() {
        return Err(Refused::FailedVerdict { command: "promote", attempt: facts.r.attempt });
    }
    if let Some(frozen) = &facts.r.frozen {
        return Err(Refused::Frozen { command: "promote", name: frozen.name.clone(), until: frozen.until });
    }
    match &facts.r.phase {
        Phase::Forward { forward: Forward::Pending { .. } | Forward::Preview | Forward::Shadow | Forward::Step { .. } }
        | Phase::Held { .. } => {
            // a lost stable is a reason to promote, one that is still coming up is a reason to wait
            let stable_settled =
                facts.r.spec.stable.is_none() || matches!(facts.r.workers.stable.state, WorkerState::Ready | WorkerState::Failed { .. });
            if !facts.r.workers.ready(Role::Candidate) || !stable_settled {
                return Err(Refused::NotReady);
            }
            facts.promote(Promoter::Person { by: by.to_owned(), reason: reason.to_owned() });
            Ok(())
        }
        Phase::Forward { forward: Forward::Promoting | Forward::Watching { .. } } => {
            Err(wrong(&facts.r, "promote", "it is promoted already"))
        }
        Phase::Finishing | Phase::Done => Err(wrong(&facts.r, "promote", "it is released already")),
        Phase::RollingBack { .. } => Err(wrong(&facts.r, "promote", "wait for the end of the rollback, then retry")),
        Phase::RolledBack { .. } | Phase::Aborted { .. } => {
            Err(wrong(&facts.r, "promote", "open a new attempt with `tidegate release retry`"))
        }
    }
}

fn abort(facts: &mut Facts, by: &str, reason: &str) -> Result<(), Refused> {
    match &facts.r.phase {
        Phase::Forward { .. } | Phase::Held { .. } if can_go_back(&facts.r) => {
            facts.roll_back(Cause::Aborted { by: by.to_owned(), reason: reason.to_owned() });
            Ok(())
        }
        Phase::Forward { .. } | Phase::Held { .. } => Err(Refused::NothingBefore { command: "abort" }),
        Phase::Finishing => Err(wrong(&facts.r, "abort", "it is on its last moves: undo it once it is done")),
        Phase::Done => Err(wrong(&facts.r, "abort", "it is released: `tidegate release undo` takes it back")),
        Phase::RollingBack { .. } | Phase::RolledBack { .. } => Err(wrong(&facts.r, "abort", "traffic goes or went back already")),
        Phase::Aborted { .. } => Ok(()),
    }
}

/// Requests that have met the change and the limit of them, where it is reached.
fn used_up(r: &Rollout) -> Option<(u64, u64)> {
    let exposed = r.exposed_before.saturating_add(r.exposed_now);
    r.spec.exposure_max.filter(|max| exposed >= *max).map(|max| (exposed, max))
}

fn retry(facts: &mut Facts, by: &str, reason: &str) -> Result<(), Refused> {
    match &facts.r.phase {
        Phase::RolledBack { .. } | Phase::Aborted { .. } if facts.r.attempt >= ATTEMPTS_MAX => Err(Refused::AttemptsExhausted),
        Phase::RolledBack { .. } | Phase::Aborted { .. } if used_up(&facts.r).is_some() => {
            let (exposed, max) = used_up(&facts.r).unwrap_or_default();
            Err(Refused::Exposed { exposed, max })
        }
        Phase::RolledBack { .. } | Phase::Aborted { .. } => {
            let attempt = facts.r.attempt + 1;
            facts.push(Event::AttemptOpened { attempt, by: by.to_owned(), reason: reason.to_owned(), at: facts.at });
            Ok(())
        }
        Phase::Forward { .. } => Err(wrong(&facts.r, "retry", "this attempt still runs: abort it first")),
        Phase::Held { .. } => Err(wrong(&facts.r, "retry", "resume this attempt, or abort it first")),
        Phase::RollingBack { .. } => Err(wrong(&facts.r, "retry", "wait for the end of the rollback")),
        Phase::Finishing | Phase::Done => Err(wrong(&facts.r, "retry", "it succeeded: there is nothing to try again")),
    }
}

fn undo(facts: &mut Facts, by: &str, reason: &str) -> Result<(), Refused> {
    match &facts.r.phase {
        Phase::Done if facts.r.spec.stable.is_none() => Err(Refused::NothingBefore { command: "undo" }),
        Phase::Done => {
            facts.roll_back(Cause::Undone { by: by.to_owned(), reason: reason.to_owned() });
            Ok(())
        }
        Phase::Forward { .. } | Phase::Held { .. } => Err(wrong(&facts.r, "undo", "it is not finished: abort it, stable is warm")),
        Phase::Finishing => Err(wrong(&facts.r, "undo", "wait a moment until it is done")),
        Phase::RollingBack { .. } | Phase::RolledBack { .. } | Phase::Aborted { .. } => {
            Err(wrong(&facts.r, "undo", "traffic goes or went back already"))
        }
    }
}
