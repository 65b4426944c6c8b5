//! Faults planted on purpose: each must be found by the checker, or the checker is blind.
//!
//! Faults of deciding wrap the real machine; the others sit in the world's own data plane, journal and loop. The
//! product's code knows nothing of them.

use std::cell::Cell;
use tidegate_core::id::At;
use tidegate_core::judge::Verdict;
use tidegate_core::machine::Machine;
use tidegate_core::rollout::{
    Cause, Command, Effect, Event, Forward, HoldWhy, Judged, LetOn, Phase, Promoter, Refused, Role, Rollout, Rollouts, Stage, State,
    Traffic, effects,
};

/// A mistake that somebody could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The gateway takes a split of an older generation.
    GatewayDropsFencing,
    /// The machine takes an answer of an older generation for the newest.
    MachineTrustsStaleAnswers,
    /// The first canary weight is followed by promotion.
    SkipsStages,
    /// An effect that got lost is never asked for again.
    ForgetsRetry,
    /// A failed verdict promotes.
    PromotesAfterFailure,
    /// Stable goes when the watch begins.
    UnloadsStableEarly,
    /// The first stage does not wait for ready workers.
    WeightBeforeReady,
    /// Deadlines pass unheard.
    ForgetsDeadlines,
    /// Events are acknowledged and not written.
    AcknowledgesBeforeAppend,
    /// A retry spends the first attempt's alpha again.
    ReusesAlpha,
    /// A verdict without telemetry counts as one that goes on.
    IgnoresStaleTelemetry,
    /// Applying a split adds to the weights that are there.
    AddsWeight,
    /// A rollback unloads the candidate before traffic is off it.
    UnloadsBeforeTraffic,
    /// A pause stops the judge too.
    PauseStopsJudging,
    /// A loaded worker is served now and then whatever its weight.
    ServesWeightZero,
    /// A hold calls nobody.
    ForgetsPageAndHolds,
    /// A stage that asks a person ends without one.
    SkipsPerson,
    /// More users meet the candidate than may.
    IgnoresExposure,
    /// A held rollout goes on by itself.
    GoesOnWhileHeld,
    /// A paused rollout goes on.
    GoesOnWhilePaused,
    /// A frozen rollout goes on.
    GoesOnWhileFrozen,
    /// The calendar is not heard.
    DeafToFreezes,
    /// A freeze ends as soon as it has begun.
    ThawsEarly,
    /// A watch keeps no share back as its control.
    ForgetsHoldBack,
    /// A rollback counts as carried out when it has begun.
    CompletesRollbackEarly,
    /// A person's abort promotes.
    AbortPromotes,
    /// A watch ends as soon as it has begun.
    EndsWatchEarly,
    /// A split is given out under a generation that was given out before.
    ReusesGenerations,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 28] = [
        Fault::GatewayDropsFencing,
        Fault::MachineTrustsStaleAnswers,
        Fault::SkipsStages,
        Fault::ForgetsRetry,
        Fault::PromotesAfterFailure,
        Fault::UnloadsStableEarly,
        Fault::WeightBeforeReady,
        Fault::ForgetsDeadlines,
        Fault::AcknowledgesBeforeAppend,
        Fault::ReusesAlpha,
        Fault::IgnoresStaleTelemetry,
        Fault::AddsWeight,
        Fault::UnloadsBeforeTraffic,
        Fault::PauseStopsJudging,
        Fault::ServesWeightZero,
        Fault::ForgetsPageAndHolds,
        Fault::SkipsPerson,
        Fault::IgnoresExposure,
        Fault::GoesOnWhileHeld,
        Fault::GoesOnWhilePaused,
        Fault::GoesOnWhileFrozen,
        Fault::DeafToFreezes,
        Fault::ThawsEarly,
        Fault::ForgetsHoldBack,
        Fault::CompletesRollbackEarly,
        Fault::AbortPromotes,
        Fault::EndsWatchEarly,
        Fault::ReusesGenerations,
    ];
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Fault::GatewayDropsFencing => "the gateway takes a split of an older generation",
            Fault::MachineTrustsStaleAnswers => "the machine takes an answer of an older generation for the newest",
            Fault::SkipsStages => "the first canary weight is followed by promotion",
            Fault::ForgetsRetry => "an effect that got lost is never asked for again",
            Fault::PromotesAfterFailure => "a failed verdict promotes",
            Fault::UnloadsStableEarly => "stable goes when the watch begins",
            Fault::WeightBeforeReady => "the first stage does not wait for ready workers",
            Fault::ForgetsDeadlines => "deadlines pass unheard",
            Fault::AcknowledgesBeforeAppend => "events are acknowledged and not written",
            Fault::ReusesAlpha => "a retry spends the first attempt's alpha again",
            Fault::IgnoresStaleTelemetry => "a verdict without telemetry counts as one that goes on",
            Fault::AddsWeight => "applying a split adds to the weights that are there",
            Fault::UnloadsBeforeTraffic => "a rollback unloads the candidate before traffic is off it",
            Fault::PauseStopsJudging => "a pause stops the judge too",
            Fault::ServesWeightZero => "a loaded worker is served now and then whatever its weight",
            Fault::ForgetsPageAndHolds => "a hold calls nobody",
            Fault::SkipsPerson => "a stage that asks a person ends without one",
            Fault::IgnoresExposure => "more users meet the candidate than may",
            Fault::GoesOnWhileHeld => "a held rollout goes on by itself",
            Fault::GoesOnWhilePaused => "a paused rollout goes on",
            Fault::GoesOnWhileFrozen => "a frozen rollout goes on",
            Fault::DeafToFreezes => "the calendar is not heard",
            Fault::ThawsEarly => "a freeze ends as soon as it has begun",
            Fault::ForgetsHoldBack => "a watch keeps no share back as its control",
            Fault::CompletesRollbackEarly => "a rollback counts as carried out when it has begun",
            Fault::AbortPromotes => "a person's abort promotes",
            Fault::EndsWatchEarly => "a watch ends as soon as it has begun",
            Fault::ReusesGenerations => "a split is given out under a generation that was given out before",
        })
    }
}

thread_local! {
    // a machine is a set of functions without a place for settings: the fault of this thread's world lies here
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Plants a fault for the machines of this thread.
pub(crate) fn plant(fault: Option<Fault>) {
    PLANTED.set(fault);
}

/// The real machine, with the planted fault in its deciding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planted;

impl Machine for Planted {
    const KIND: &'static str = Rollouts::KIND;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        let Some(fault) = PLANTED.get() else { return Rollouts::decide(state, command) };
        let command = distorted_command(fault, state, command);
        let Some(command) = command else { return Ok(vec![]) };
        let events = Rollouts::decide(&distorted_state(fault, state), &command)?;
        Ok(distorted_events(fault, state, events, command.at()))
    }

    fn evolve(state: State, event: &Event) -> State {
        Rollouts::evolve(state, event)
    }
}

/// What a faulty machine takes itself for.
fn distorted_state(fault: Fault, state: &State) -> State {
    let mut state = state.clone();
    if let State::Started(r) = &mut state {
        match (fault, r.phase.clone()) {
            (Fault::GoesOnWhilePaused, _) => r.paused = None,
            (Fault::GoesOnWhileFrozen, _) => r.frozen = None,
            (Fault::GoesOnWhileHeld, Phase::Held { forward, .. }) => {
                if forward == Forward::Preview {
                    r.let_on = Some(LetOn { by: "nobody".to_owned(), stage: Stage::Preview, at: r.phase_since });
                }
                r.phase = Phase::Forward { forward };
            }
            _ => {}
        }
    }
    state
}

/// What a faulty machine hears; none when it does not hear it.
fn distorted_command(fault: Fault, state: &State, command: &Command) -> Option<Command> {
    let rollout = state.rollout();
    match (fault, command) {
        (Fault::ForgetsDeadlines, Command::Tick { .. }) | (Fault::DeafToFreezes, Command::Freeze { .. }) => None,
        (Fault::PauseStopsJudging, Command::Judged { .. }) if rollout.is_some_and(|r| r.paused.is_some()) => None,
        (Fault::MachineTrustsStaleAnswers, Command::TrafficApplied { at, .. }) => {
            let generation = rollout.and_then(|r| r.traffic).map_or(0, |t| t.generation);
            Some(Command::TrafficApplied { generation, at: *at })
        }
        (Fault::IgnoresStaleTelemetry, Command::Judged { judged, at }) => {
            let mut judged: Box<Judged> = judged.clone();
            if matches!(judged.assessment.verdict, Verdict::NoTelemetry | Verdict::Hold { .. }) {
                let good = judged.assessment.e_promote >= judged.assessment.needs_promote;
                judged.assessment.verdict = if good { Verdict::Promote } else { Verdict::Continue };
                judged.assessment.suspicion = false;
            }
            Some(Command::Judged { judged, at: *at })
        }
        _ => Some(command.clone()),
    }
}

/// What a faulty machine makes of it.
fn distorted_events(fault: Fault, state: &State, mut events: Vec<Event>, at: At) -> Vec<Event> {
    let after = |events: &[Event]| events.iter().fold(state.clone(), Rollouts::evolve);
    let generation = |state: &State| state.rollout().map_or(0, |r| r.generation) + 1;
    match fault {
        Fault::SkipsStages if events.iter().any(|e| matches!(e, Event::StageEntered { stage: Stage::Step { index: 1 }, .. })) => {
            events.retain(|e| matches!(e, Event::VerdictReached { .. }));
            promote(&mut events, generation(state), at);
        }
        Fault::PromotesAfterFailure if events.iter().any(|e| matches!(e, Event::RollbackBegan { cause: Cause::Verdict { .. }, .. })) => {
            events.retain(|e| matches!(e, Event::VerdictReached { .. }));
            promote(&mut events, generation(state), at);
        }
        Fault::UnloadsStableEarly if events.iter().any(|e| matches!(e, Event::WatchBegan { .. })) => {
            let state = after(&events);
            if state.rollout().is_some_and(|r| r.workers.ready(Role::Stable)) {
                events.push(Event::UnloadWanted { role: Role::Stable, generation: generation(&state), at });
            }
        }
        Fault::WeightBeforeReady if events.iter().any(|e| matches!(e, Event::Started { .. })) => {
            let state = after(&events);
            let traffic = Traffic { stable_bp: 9_000, candidate_bp: 500, control_bp: 500, mirror_bp: 0, preview: false };
            if state.rollout().is_some_and(Rollout::has_control) {
                events.push(Event::StageEntered { stage: Stage::Step { index: 0 }, at });
                events.push(Event::TrafficWanted { generation: generation(&state), traffic, at });
            }
        }
        Fault::ReusesAlpha => {
            for event in &mut events {
                if let Event::AttemptOpened { attempt, .. } = event {
                    *attempt = 1;
                }
            }
        }
        Fault::UnloadsBeforeTraffic if rolls_back_from_traffic(&after(&events)) && !rolls_back_from_traffic(state) => {
            let state = after(&events);
            events.push(Event::UnloadWanted { role: Role::Candidate, generation: generation(&state), at });
        }
        Fault::SkipsPerson if events.iter().any(|e| matches!(e, Event::HoldBegan { why: HoldWhy::Asked, .. })) => {
            events.retain(|e| matches!(e, Event::VerdictReached { .. }));
            promote(&mut events, generation(state), at);
        }
        Fault::IgnoresExposure if events.iter().any(|e| matches!(e, Event::RollbackBegan { cause: Cause::Exposed { .. }, .. })) => {
            events.retain(|e| matches!(e, Event::VerdictReached { .. }));
        }
        Fault::AbortPromotes if events.iter().any(|e| matches!(e, Event::RollbackBegan { cause: Cause::Aborted { .. }, .. })) => {
            events.retain(|e| matches!(e, Event::VerdictReached { .. }));
            promote(&mut events, generation(state), at);
        }
        Fault::CompletesRollbackEarly if events.iter().any(|e| matches!(e, Event::RollbackBegan { .. })) => {
            events.push(Event::RollbackCompleted { at });
        }
        Fault::ThawsEarly if events.iter().any(|e| matches!(e, Event::FreezeBegan { .. })) => events.push(Event::FreezeEnded { at }),
        Fault::EndsWatchEarly if events.iter().any(|e| matches!(e, Event::WatchBegan { .. })) => events.push(Event::WatchEnded { at }),
        Fault::ForgetsHoldBack | Fault::ReusesGenerations => {
            events.iter_mut().for_each(|event| distorted_split(fault, state, event));
        }
        Fault::ForgetsPageAndHolds => events.retain(|e| !matches!(e, Event::Paged { .. })),
        _ => {}
    }
    events
}

fn distorted_split(fault: Fault, state: &State, event: &mut Event) {
    let Event::TrafficWanted { generation, traffic, .. } = event else { return };
    let before = state.rollout().map_or(0, |r| r.generation);
    match fault {
        Fault::ForgetsHoldBack if traffic.candidate_bp > 5_000 => *traffic = Traffic::CANDIDATE,
        Fault::ReusesGenerations if before > 3 => *generation = before,
        _ => {}
    }
}

fn promote(events: &mut Vec<Event>, generation: u64, at: At) {
    let traffic = Traffic { stable_bp: 0, candidate_bp: 9_500, control_bp: 500, mirror_bp: 0, preview: false };
    events.push(Event::PromotionBegan { by: Promoter::Evidence, at });
    events.push(Event::TrafficWanted { generation, traffic, at });
}

fn rolls_back_from_traffic(state: &State) -> bool {
    let waits = effects(state).iter().any(|e| matches!(e, Effect::SetTraffic { .. }));
    waits && state.rollout().is_some_and(|r| matches!(r.phase, Phase::RollingBack { .. }))
}
