//! Which rollouts a driver drives: all, or those of the slices that its replica holds, each under a fencing number.
//!
//! A driver that holds slices writes every fact under their fence, so the journal refuses it when somebody else has taken one, and it
//! steps down. Effects need no fence of their own: they follow from facts, and a later holder's have a higher generation.
//! Not here: who may hold what, and how long (`core::lease`, [`crate::replica`]).

use super::driver::DriverError;
use super::{Output, RolloutDriver, RolloutId};
use std::collections::BTreeMap;
use tidegate_core::id::At;
use tidegate_core::lease::{Slices, slice_of};
use tidegate_core::machine::Machine;
use tidegate_core::rollout::{Command, Event, Refused, State};
use tidegate_port::{Blobs, Fence, Journal};

pub(super) enum Hold {
    /// This process alone drives everything.
    All,
    /// Slices, each with its fencing number.
    Slices(BTreeMap<u32, u64>),
}

impl<J, B, M> RolloutDriver<J, B, M>
where
    J: Journal,
    B: Blobs,
    M: Machine<State = State, Command = Command, Event = Event, Refused = Refused>,
{
    /// A driver that holds nothing yet, of a replica that shares its rollouts with others.
    pub fn shared(journal: J, blobs: B) -> Self {
        RolloutDriver::new(journal, blobs, Hold::Slices(BTreeMap::new()))
    }

    /// The fencing number under which a slice is held.
    #[must_use]
    pub fn held(&self, slice: u32) -> Option<u64> {
        match &self.hold {
            Hold::All => None,
            Hold::Slices(held) => held.get(&slice).copied(),
        }
    }

    /// How many slices are held.
    #[must_use]
    pub fn holds(&self) -> usize {
        match &self.hold {
            Hold::All => 0,
            Hold::Slices(held) => held.len(),
        }
    }

    /// Holds slices from now on, each under its fencing number, and goes on with their rollouts. The outputs ask for the kept evidence
    /// and for what is still wanted.
    ///
    /// # Errors
    /// When the journal cannot be read: then none of them is held.
    pub fn hold(&mut self, slices: &[(u32, u64)], at: At) -> Result<Vec<Output>, DriverError> {
        let mut outputs = vec![];
        let found = self.take_up(slices, at, &mut outputs);
        if let Err(error) = found {
            slices.iter().for_each(|(slice, _)| self.let_go(*slice));
            return Err(error);
        }
        Ok(outputs)
    }

    fn take_up(&mut self, slices: &[(u32, u64)], at: At, outputs: &mut Vec<Output>) -> Result<(), DriverError> {
        let Hold::Slices(held) = &mut self.hold else { return Ok(()) };
        held.extend(slices.iter().copied());
        for id in self.rollouts()? {
            let slice = slice_of(&id.service);
            if slices.iter().any(|(taken, _)| *taken == slice) {
                self.find(&id, at, outputs)?;
            }
        }
        Ok(())
    }

    /// Does nothing for a slice's rollouts any more.
    pub fn let_go(&mut self, slice: u32) {
        if let Hold::Slices(held) = &mut self.hold {
            held.remove(&slice);
            self.open.retain(|id, _| slice_of(&id.service) != slice);
        }
    }

    /// Does nothing for any rollout any more.
    pub fn let_go_all(&mut self) {
        if let Hold::Slices(held) = &mut self.hold {
            held.clear();
            self.open.clear();
        }
    }

    /// Fenced off: somebody else drives it.
    pub(super) fn step_down(&mut self, id: &RolloutId) {
        self.let_go(slice_of(&id.service));
    }

    /// What facts of a rollout are written under.
    pub(super) fn fence(&self, id: &RolloutId) -> Result<Option<Fence>, DriverError> {
        let Hold::Slices(held) = &self.hold else { return Ok(None) };
        let slice = slice_of(&id.service);
        match held.get(&slice) {
            Some(fence) => Ok(Some(Fence { stream: Slices::stream(slice), seq: *fence })),
            None => Err(DriverError::Elsewhere { rollout: id.clone(), slice }),
        }
    }
}
