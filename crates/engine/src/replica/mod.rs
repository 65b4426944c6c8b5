//! One of several replicas that share the rollouts of a journal: it beats, looks at the others, takes and gives up slices, and drives
//! the rollouts of those that it holds.
//!
//! The host calls [`Replica::beat`] every [`BEAT_MS`](tidegate_core::lease::BEAT_MS), writes what comes back beside the journal, says
//! [`Replica::beaten`] when that was acknowledged, then reads all beats for [`Replica::round`]. Everything else goes through
//! [`Replica::handle`], as with a driver alone. Before each deed the clock is looked at: past the end of its lease a replica does nothing.
//! What is past that (a process that stood still after it looked) is refused by the journal, for each fact is written under the fence of
//! its slice, and by whoever carries effects out, for they know the generation.
//! Not here: the rules (`core::lease`), who reads clocks and carries outputs out.

#[cfg(test)]
mod tests;

use crate::engine::EngineError;
use crate::rollouts::{DriverError, Input, Output, RolloutDriver};
use tidegate_core::id::At;
use tidegate_core::lease::{Beat, Command, SLICES, Sent, Session, Slice, Slices, Step, Tenure, Uptime, Watch, plan};
use tidegate_core::machine::Machine;
use tidegate_core::rollout::{self, Rollouts};
use tidegate_port::{Blobs, Journal};

/// The two clocks of a replica, read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The date and time, for facts.
    pub at: At,
    /// What never jumps, for leases.
    pub uptime: Uptime,
}

/// What a round did.
#[derive(Debug, Default)]
pub struct Round {
    /// What shall be done for rollouts that were taken up.
    pub outputs: Vec<Output>,
    /// Sessions whose beats may be forgotten.
    pub forget: Vec<Session>,
    /// What failed and is tried again in the next round, in words.
    pub trouble: Vec<String>,
}

/// A replica.
pub struct Replica<J, B, M = Rollouts> {
    driver: RolloutDriver<J, B, M>,
    tenure: Tenure,
    watch: Watch,
}

impl<J, B, M> std::fmt::Debug for Replica<J, B, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Replica({}, {:?})", self.tenure.session(), self.driver)
    }
}

impl<J, B, M> Replica<J, B, M>
where
    J: Journal,
    B: Blobs,
    M: Machine<State = rollout::State, Command = rollout::Command, Event = rollout::Event, Refused = rollout::Refused>,
{
    /// One that holds nothing yet. `session` is one that its name never had before: a higher number than all of those.
    pub fn new(journal: J, blobs: B, session: Session) -> Self {
        Replica { driver: RolloutDriver::shared(journal, blobs), tenure: Tenure::new(session), watch: Watch::default() }
    }

    /// The driver, for reading, and for commands of other machines on the same journal.
    pub fn driver(&mut self) -> &mut RolloutDriver<J, B, M> {
        &mut self.driver
    }

    /// The session now.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.tenure.session()
    }

    /// Whether its lease stands.
    #[must_use]
    pub fn acts(&self, now: Now) -> bool {
        self.tenure.acts(now.uptime)
    }

    /// The next beat, to be written beside the journal.
    pub fn beat(&mut self, now: Now) -> Sent {
        self.stand_still(now);
        self.tenure.beat(now.uptime)
    }

    /// A beat was written.
    pub fn beaten(&mut self, sent: &Sent, now: Now) {
        self.stand_still(now);
        self.tenure.beaten(sent, now.uptime);
    }

    /// Takes an input, if its lease stands and the rollout is its own; what shall be done comes back.
    ///
    /// # Errors
    /// [`DriverError::Elsewhere`] for a command of a rollout that it does not drive now; otherwise as [`RolloutDriver::handle`].
    pub fn handle(&mut self, input: Input, now: Now) -> Result<Vec<Output>, DriverError> {
        self.stand_still(now);
        self.driver.handle(input, now.at)
    }

    /// When `Wake` is due; none when nothing of its own is under way.
    #[must_use]
    pub fn next_wake(&self, now: Now) -> Option<At> {
        self.driver.next_wake(now.at)
    }

    /// Past the end of its lease it holds nothing.
    fn stand_still(&mut self, now: Now) {
        if !self.acts(now) {
            self.driver.let_go_all();
        }
    }

    /// Looks at the others' beats and at who holds what; takes, gives up, and goes on with what is its own. `asked` is the clock before
    /// the beats were read, `now` the clocks after: a process may stand still in between, and must take nobody for gone for that.
    ///
    /// # Errors
    /// When the journal cannot be read: what it held before it holds still.
    pub fn round(&mut self, beats: &[Beat], asked: Uptime, now: Now) -> Result<Round, DriverError> {
        self.stand_still(now);
        let mut slices = (0..SLICES).map(|slice| self.slice(slice)).collect::<Result<Vec<_>, _>>()?;
        let holders: Vec<&Session> = slices.iter().filter_map(|s| s.holder.as_ref()).collect();
        self.watch.look(beats, holders.iter().copied(), now.uptime);
        let forget = self.watch.forgotten(&holders, asked).cloned().collect();
        let mut round = Round { forget, ..Round::default() };
        if self.acts(now) {
            for step in plan(self.tenure.session(), &slices, &self.watch, asked) {
                self.carry_out(step, &mut slices, now.at, &mut round.trouble);
            }
            round.outputs = self.hold_own(&slices, now.at)?;
        }
        Ok(round)
    }

    fn slice(&mut self, slice: u32) -> Result<Slice, EngineError> {
        self.driver.engine().state::<Slices>(&Slices::stream(slice))
    }

    fn carry_out(&mut self, step: Step, slices: &mut [Slice], at: At, trouble: &mut Vec<String>) {
        let by = self.tenure.session().clone();
        let (slice, command) = match step {
            Step::Take { slice, over } => (slice, Command::Take { by, over, at }),
            Step::GiveUp { slice } => {
                // first the hands, then the word
                self.driver.let_go(slice);
                (slice, Command::GiveUp { by, at })
            }
        };
        let state = match self.driver.engine().execute::<Slices>(&Slices::stream(slice), None, &command, at) {
            Ok(done) => done.state,
            // somebody else came first
            Err(EngineError::Refused { .. }) => return,
            Err(error) => {
                trouble.push(error.to_string());
                // it may have been written: whose the slice is, the next round reads
                Slice::default()
            }
        };
        if let Some(known) = slices.get_mut(slice as usize) {
            *known = state;
        }
    }

    /// Holds what the journal says is its own, under the fence that it says, and nothing else.
    fn hold_own(&mut self, slices: &[Slice], at: At) -> Result<Vec<Output>, DriverError> {
        let mut taken = vec![];
        for (slice, state) in (0..).zip(slices) {
            let own = state.holder.as_ref() == Some(self.tenure.session());
            let held = self.driver.held(slice);
            if held.is_some() && (!own || held != Some(state.fence)) {
                self.driver.let_go(slice);
            }
            if own && held != Some(state.fence) {
                taken.push((slice, state.fence));
            }
        }
        if taken.is_empty() { Ok(vec![]) } else { self.driver.hold(&taken, at) }
    }

    /// Gives up everything, before its end: others need not wait, once its beat is forgotten too. What could not be given up is taken
    /// over in time, and comes back in words.
    pub fn leave(&mut self, now: Now) -> Vec<String> {
        let mut trouble = vec![];
        let mut slices = vec![];
        for slice in (0..SLICES).filter(|slice| self.driver.held(*slice).is_some()).collect::<Vec<_>>() {
            self.carry_out(Step::GiveUp { slice }, &mut slices, now.at, &mut trouble);
        }
        trouble
    }
}
