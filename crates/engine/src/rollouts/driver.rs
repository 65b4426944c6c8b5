//! The driver itself.

use super::fold::Fold;
use super::hold::Hold;
use super::{Input, Output, RolloutId};
use crate::engine::{Engine, EngineError};
use indexmap::IndexMap;
use std::marker::PhantomData;
use tidegate_core::id::At;
use tidegate_core::judge::Tick;
use tidegate_core::machine::Machine;
use tidegate_core::rollout::{self, Command, Effect, Event, Refused, Rollouts, State};
use tidegate_port::{Blobs, Journal, JournalError};

/// An effect that is not answered is asked for again after this long.
pub const EFFECT_RETRY_MS: u64 = 5_000;
/// A deadline that has passed is looked at again after this long.
const WAKE_AGAIN_MS: u64 = 1_000;

/// Why an input was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// Another rollout of the service is under way.
    #[error("{command} {rollout}: rollout {other} of the same service is under way: wait for its end, or abort it")]
    Busy {
        /// The command.
        command: &'static str,
        /// The rollout.
        rollout: RolloutId,
        /// The one under way.
        other: u64,
    },
    /// A later rollout took its place.
    #[error("{command} {rollout}: rollout {newest} of the same service came after it: command that one")]
    Superseded {
        /// The command.
        command: &'static str,
        /// The rollout.
        rollout: RolloutId,
        /// The newest.
        newest: u64,
    },
    /// The specification has another name than the rollout.
    #[error("start {rollout}: the specification is that of rollout {number} of {service}")]
    OtherName {
        /// The rollout.
        rollout: RolloutId,
        /// The specification's service.
        service: String,
        /// Its number.
        number: u64,
    },
    /// Another replica drives the rollouts of this service, or none does at the moment.
    #[error("{rollout} is not driven by this replica (slice {slice}): see which one drives it, and ask that one, or again in a moment")]
    Elsewhere {
        /// The rollout.
        rollout: RolloutId,
        /// The slice of its service.
        slice: u32,
    },
    /// The machine refused, or the journal failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The journal could not be read.
    #[error("list rollouts: {0}: see whether the journal is reachable")]
    Journal(#[from] JournalError),
}

#[derive(Default)]
pub(super) struct Open {
    fold: Fold,
    /// What was asked for and is still wanted, with when.
    asked: Vec<(Effect, At)>,
    /// A command failed after it may have been written: look again.
    uncertain: bool,
    /// What was last given was carried out to its end, and `asked` and `deadline` are of the state after it.
    settled: bool,
    deadline: Option<At>,
}

impl Open {
    /// Whether an effect was not asked for, or so long ago that it must be asked for again.
    fn must_ask(asked: At, at: At) -> bool {
        // a clock that jumped back must not silence the repetition
        asked > at || at.since_ms(asked) >= EFFECT_RETRY_MS
    }

    /// Whether a wake finds anything to do here.
    fn due(&self, at: At) -> bool {
        let late = self.deadline.is_some_and(|deadline| deadline <= at);
        !self.settled || self.uncertain || late || self.fold.has_news() || self.asked.iter().any(|(_, asked)| Open::must_ask(*asked, at))
    }
}

/// Drives the rollouts of all services, or of those that this replica holds (`hold`).
pub struct RolloutDriver<J, B, M = Rollouts> {
    pub(super) engine: Engine<J>,
    blobs: B,
    pub(super) hold: Hold,
    pub(super) open: IndexMap<RolloutId, Open>,
    /// Evidence of recorded verdicts that the blob store did not take yet.
    unsealed: Vec<(RolloutId, Vec<u8>)>,
    machine: PhantomData<M>,
}

impl<J, B, M> std::fmt::Debug for RolloutDriver<J, B, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RolloutDriver({} open)", self.open.len())
    }
}

impl<J, B, M> RolloutDriver<J, B, M>
where
    J: Journal,
    B: Blobs,
    M: Machine<State = State, Command = Command, Event = Event, Refused = Refused>,
{
    /// Finds its place in `journal`. The outputs ask for the kept evidence and for what is still wanted.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn recover(journal: J, blobs: B, at: At) -> Result<(Self, Vec<Output>), DriverError> {
        let mut driver = RolloutDriver::new(journal, blobs, Hold::All);
        let mut outputs = vec![];
        for id in driver.rollouts()? {
            driver.find(&id, at, &mut outputs)?;
        }
        Ok((driver, outputs))
    }

    pub(super) fn new(journal: J, blobs: B, hold: Hold) -> RolloutDriver<J, B, M> {
        RolloutDriver { engine: Engine::new(journal), blobs, hold, open: IndexMap::new(), unsealed: vec![], machine: PhantomData }
    }

    /// Goes on with a rollout where it stands, if anything is left to do for it.
    pub(super) fn find(&mut self, id: &RolloutId, at: At, outputs: &mut Vec<Output>) -> Result<(), DriverError> {
        let state = self.state(id)?;
        if is_open(&state) {
            self.open.insert(id.clone(), Open::default());
            outputs.push(Output::ResendEvidence { rollout: id.clone(), from_seq: 0 });
            self.settle(id, &state, at, outputs);
        }
        Ok(())
    }

    /// All rollouts ever started, by service and number.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn rollouts(&mut self) -> Result<Vec<RolloutId>, DriverError> {
        self.listed("rollout/")
    }

    /// The rollouts of a service, by number.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn rollouts_of(&mut self, service: &str) -> Result<Vec<RolloutId>, DriverError> {
        self.listed(&format!("rollout/{service}/"))
    }

    fn listed(&mut self, prefix: &str) -> Result<Vec<RolloutId>, DriverError> {
        let streams = self.engine.journal().streams(prefix)?;
        let mut ids: Vec<RolloutId> = streams.iter().filter_map(|s| RolloutId::of_stream(s)).collect();
        ids.sort();
        Ok(ids)
    }

    /// The state of a rollout.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn state(&mut self, id: &RolloutId) -> Result<State, DriverError> {
        Ok(self.engine.state::<M>(&id.stream())?)
    }

    /// What the judges say of a rollout now, on evidence that may be newer than the newest recorded verdict.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn assessments(&mut self, id: &RolloutId) -> Result<Vec<rollout::Judged>, DriverError> {
        let state = self.state(id)?;
        let judged = self.open.get(id).zip(state.rollout()).map(|(open, r)| open.fold.judged(r));
        Ok(judged.unwrap_or_default())
    }

    /// The engine, for commands of other machines on the same journal.
    pub fn engine(&mut self) -> &mut Engine<J> {
        &mut self.engine
    }

    /// When `Wake` is due; none when nothing is under way.
    #[must_use]
    pub fn next_wake(&self, now: At) -> Option<At> {
        let mut next = None;
        for open in self.open.values() {
            // a deadline that has passed and changed nothing is no reason to wake without end
            let deadline = open.deadline.map(|d| if d <= now { now.plus_ms(WAKE_AGAIN_MS) } else { d });
            let retry = open.asked.iter().map(|(_, asked)| asked.plus_ms(EFFECT_RETRY_MS)).min();
            let again = !open.settled || open.uncertain || open.fold.has_news();
            next = [next, deadline, retry, again.then(|| now.plus_ms(EFFECT_RETRY_MS))].into_iter().flatten().min();
        }
        let seal = (!self.unsealed.is_empty()).then(|| now.plus_ms(EFFECT_RETRY_MS));
        next.into_iter().chain(seal).min()
    }

    /// Takes an input; what shall be done comes back.
    ///
    /// # Errors
    /// When a command is refused or the journal fails. Failures of other rollouts come back as `Trouble`.
    pub fn handle(&mut self, input: Input, at: At) -> Result<Vec<Output>, DriverError> {
        let mut outputs = vec![];
        match input {
            Input::Command { rollout, key, command } => self.command(&rollout, key.as_deref(), &command, at, &mut outputs)?,
            Input::Evidence { rollout, ticks } => self.evidence(&rollout, ticks, at, &mut outputs)?,
            Input::Wake => self.wake(at, &mut outputs),
        }
        Ok(outputs)
    }

    fn command(
        &mut self,
        id: &RolloutId,
        key: Option<&str>,
        command: &Command,
        at: At,
        outputs: &mut Vec<Output>,
    ) -> Result<(), DriverError> {
        self.fence(id)?;
        self.fits(id, command)?;
        let state = match self.execute(id, key, command, at, outputs) {
            Ok(state) => state,
            Err(error) => {
                if let DriverError::Engine(EngineError::Journal { .. }) = error {
                    self.open.entry(id.clone()).or_default().uncertain = true;
                }
                return Err(error);
            }
        };
        if !self.open.contains_key(id) && is_open(&state) {
            // started, or a finished one woken by retry or undo: then its evidence is needed again
            self.open.insert(id.clone(), Open::default());
            outputs.push(Output::ResendEvidence { rollout: id.clone(), from_seq: 0 });
        }
        self.settle(id, &state, at, outputs);
        Ok(())
    }

    /// One rollout a service at a time, and only the newest can be woken again.
    fn fits(&mut self, id: &RolloutId, command: &Command) -> Result<(), DriverError> {
        let name = command.name();
        let wakes = match command {
            Command::Start { spec, .. } => {
                if spec.service != id.service || spec.number != id.number {
                    return Err(DriverError::OtherName { rollout: id.clone(), service: spec.service.clone(), number: spec.number });
                }
                true
            }
            Command::Retry { .. } | Command::Undo { .. } => true,
            Command::WorkerReady { .. }
            | Command::WorkerFailed { .. }
            | Command::Unloaded { .. }
            | Command::TrafficApplied { .. }
            | Command::Judged { .. }
            | Command::PageDelivered { .. }
            | Command::Pause { .. }
            | Command::Resume { .. }
            | Command::Promote { .. }
            | Command::Abort { .. }
            | Command::Freeze { .. }
            | Command::Thaw { .. }
            | Command::Tick { .. } => false,
        };
        if !wakes {
            return Ok(());
        }
        for other in self.rollouts_of(&id.service)?.into_iter().filter(|other| other.number != id.number) {
            if self.state(&other)?.rollout().is_some_and(|r| !r.phase.is_terminal()) {
                return Err(DriverError::Busy { command: name, rollout: id.clone(), other: other.number });
            }
            if other.number > id.number {
                return Err(DriverError::Superseded { command: name, rollout: id.clone(), newest: other.number });
            }
        }
        Ok(())
    }

    fn execute(
        &mut self,
        id: &RolloutId,
        key: Option<&str>,
        command: &Command,
        at: At,
        outputs: &mut Vec<Output>,
    ) -> Result<State, DriverError> {
        let fence = self.fence(id)?;
        let done = match self.engine.execute_under::<M>(fence.as_ref(), &id.stream(), key, command, at) {
            Err(error @ EngineError::Fenced { .. }) => {
                self.step_down(id);
                return Err(error.into());
            }
            other => other?,
        };
        if !done.events.is_empty() && !done.repeated {
            outputs.push(Output::Happened { rollout: id.clone(), events: done.events });
        }
        Ok(done.state)
    }

    fn evidence(&mut self, id: &RolloutId, ticks: Vec<Tick>, at: At, outputs: &mut Vec<Output>) -> Result<(), DriverError> {
        let state = self.state(id)?;
        let (Some(open), Some(r)) = (self.open.get_mut(id), state.rollout()) else { return Ok(()) };
        if !open.fold.observe(r, ticks) {
            outputs.push(Output::ResendEvidence { rollout: id.clone(), from_seq: open.fold.next_seq });
        }
        open.settled = false;
        // the ticks are folded: what fails now is tried again at the next wake
        match self.judge(id, state, at, outputs) {
            Ok(state) => self.settle(id, &state, at, outputs),
            Err(error) => outputs.push(Output::Trouble { rollout: id.clone(), detail: error.to_string() }),
        }
        Ok(())
    }

    /// Tells the machine what the judges say, when it makes a difference; its state after that. The evidence is sealed before.
    fn judge(&mut self, id: &RolloutId, mut state: State, at: At, outputs: &mut Vec<Output>) -> Result<State, DriverError> {
        let news = self.open.get(id).zip(state.rollout()).map(|(open, r)| open.fold.news(r));
        for gauged in news.unwrap_or_default() {
            let mode = gauged.mode;
            // asked without consequences first: most ticks change nothing, and nothing need be said or sealed for them
            if M::decide(&state, &Command::Judged { judged: Box::new(gauged), at }).is_ok_and(|events| events.is_empty()) {
                continue;
            }
            let sealed = self.open.get(id).zip(state.rollout()).and_then(|(open, r)| open.fold.sealed(r, mode));
            let Some((judged, bytes)) = sealed else { continue };
            // a way back never waits for the blob store: the digest is known, and the bytes follow when it works again
            self.unsealed.push((id.clone(), bytes));
            self.seal(outputs);
            state = self.execute(id, None, &Command::Judged { judged: Box::new(judged), at }, at, outputs)?;
        }
        if let Some(open) = self.open.get_mut(id) {
            open.fold.told();
        }
        Ok(state)
    }

    fn seal(&mut self, outputs: &mut Vec<Output>) {
        let mut left = vec![];
        for (id, bytes) in std::mem::take(&mut self.unsealed) {
            if let Err(failure) = self.blobs.put(&bytes) {
                outputs.push(Output::Trouble { rollout: id.clone(), detail: failure.to_string() });
                left.push((id, bytes));
            }
        }
        self.unsealed = left;
    }

    fn wake(&mut self, at: At, outputs: &mut Vec<Output>) {
        self.seal(outputs);
        let ids: Vec<RolloutId> = self.open.keys().cloned().collect();
        for id in ids {
            if let Err(error) = self.wake_one(&id, at, outputs) {
                outputs.push(Output::Trouble { rollout: id, detail: error.to_string() });
            }
        }
    }

    fn wake_one(&mut self, id: &RolloutId, at: At, outputs: &mut Vec<Output>) -> Result<(), DriverError> {
        let Some(open) = self.open.get_mut(id).filter(|open| open.due(at)) else { return Ok(()) };
        open.settled = false;
        if std::mem::take(&mut open.uncertain) {
            outputs.push(Output::ResendEvidence { rollout: id.clone(), from_seq: 0 });
        }
        let state = self.state(id)?;
        let mut state = self.judge(id, state, at, outputs)?;
        if rollout::deadline(&state).is_some_and(|deadline| deadline <= at) {
            state = self.execute(id, None, &Command::Tick { at }, at, outputs)?;
        }
        self.settle(id, &state, at, outputs);
        Ok(())
    }

    /// Asks for what is wanted now, and lets go of what is finished.
    fn settle(&mut self, id: &RolloutId, state: &State, at: At, outputs: &mut Vec<Output>) {
        let Some(open) = self.open.get_mut(id) else { return };
        let before = std::mem::take(&mut open.asked);
        for effect in rollout::effects(state) {
            let asked = before.iter().find(|(e, _)| *e == effect).map(|(_, asked)| *asked);
            let waits = asked.filter(|asked| !Open::must_ask(*asked, at));
            if waits.is_none() {
                outputs.push(Output::Do { rollout: id.clone(), effect: effect.clone() });
            }
            open.asked.push((effect, waits.unwrap_or(at)));
        }
        (open.settled, open.deadline) = (true, rollout::deadline(state));
        if !is_open(state) {
            self.open.shift_remove(id);
        }
    }
}

/// Whether anything is left to do for a rollout.
fn is_open(state: &State) -> bool {
    state.rollout().is_some_and(|r| !r.phase.is_terminal()) || !rollout::effects(state).is_empty()
}
