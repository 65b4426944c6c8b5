//! One of several control planes of which one acts: it beats, looks at the others' beats, and takes the seat when nobody holds it or who
//! held it is gone.
//!
//! The host calls [`Standby::beat`] every [`BEAT_MS`](tidegate_core::lease::BEAT_MS), writes what comes back beside the journal, says
//! [`Standby::beaten`] when that was acknowledged, then reads all beats for [`Standby::round`]. Who holds the seat writes every fact under
//! the fence that comes back, and ends at once when its lease does: what it would still write after that is refused by the journal.
//! Not here: the rules (`core::lease`), who reads clocks.

#[cfg(test)]
mod tests;

use crate::engine::{Engine, EngineError};
use crate::replica::Now;
use tidegate_core::lease::{Beat, Command, SEAT, Sent, Session, Slice, Slices, Tenure, Uptime, Watch, sit};
use tidegate_port::{Fence, Journal};

/// What a round found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// The fence to write under, where this one holds the seat.
    pub fence: Option<Fence>,
    /// Who holds it.
    pub holder: Option<Session>,
    /// Sessions whose beats may be forgotten.
    pub forget: Vec<Session>,
}

/// A control plane that acts or stands by.
#[derive(Debug)]
pub struct Standby<J> {
    engine: Engine<J>,
    tenure: Tenure,
    watch: Watch,
}

impl<J: Journal> Standby<J> {
    /// One that stands by. `session` is one that its name never had before.
    pub fn new(journal: J, session: Session) -> Standby<J> {
        Standby { engine: Engine::new(journal), tenure: Tenure::new(session), watch: Watch::default() }
    }

    /// The session now.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.tenure.session()
    }

    /// Until when what it holds is its own; none before its first beat was acknowledged.
    #[must_use]
    pub fn until(&self) -> Option<Uptime> {
        self.tenure.until()
    }

    /// The next beat, to be written beside the journal.
    pub fn beat(&mut self, now: Now) -> Sent {
        self.tenure.beat(now.uptime)
    }

    /// A beat was written.
    pub fn beaten(&mut self, sent: &Sent, now: Now) {
        self.tenure.beaten(sent, now.uptime);
    }

    /// Looks at the others' beats and at who holds the seat, and takes it if it may. `asked` is the clock before the beats were read,
    /// `now` the clocks after.
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub fn round(&mut self, beats: &[Beat], asked: Uptime, now: Now) -> Result<Round, EngineError> {
        let mut seat = self.engine.state::<Slices>(SEAT)?;
        self.watch.look(beats, seat.holder.iter(), now.uptime);
        let holders: Vec<&Session> = seat.holder.iter().collect();
        let forget = self.watch.forgotten(&holders, asked).cloned().collect();
        let acts = self.tenure.acts(now.uptime);
        if let Some(command) = sit(self.tenure.session(), &seat, &self.watch, asked, now.at).filter(|_| acts) {
            seat = self.execute(&command, now)?;
        }
        let Slice { fence, holder, .. } = seat;
        let own = acts && holder.as_ref() == Some(self.tenure.session());
        Ok(Round { fence: own.then(|| Fence { stream: SEAT.to_owned(), seq: fence }), holder, forget })
    }

    /// The seat after a command; as it was where somebody else came first.
    fn execute(&mut self, command: &Command, now: Now) -> Result<Slice, EngineError> {
        match self.engine.execute::<Slices>(SEAT, None, command, now.at) {
            Ok(done) => Ok(done.state),
            Err(EngineError::Refused { .. }) => self.engine.state::<Slices>(SEAT),
            Err(error) => Err(error),
        }
    }

    /// Gives the seat up before its end, where it holds it: nobody need wait for the end of the lease.
    ///
    /// # Errors
    /// When the journal fails: then it is taken over in time.
    pub fn leave(&mut self, now: Now) -> Result<(), EngineError> {
        let by = self.tenure.session().clone();
        if self.engine.state::<Slices>(SEAT)?.holder.as_ref() == Some(&by) {
            self.execute(&Command::GiveUp { by, at: now.at }, now)?;
        }
        Ok(())
    }
}
