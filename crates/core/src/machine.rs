//! What every part that changes over time has in common: facts, and two pure functions over them.

use serde::{Serialize, de::DeserializeOwned};

/// A machine whose state is the fold of its facts.
///
/// `decide` may refuse; `evolve` never does and never decides, so that a corrected `decide` changes
/// the future and not the past.
pub trait Machine {
    /// The kind of its records, and the first part of its streams' names (`rollout/late-arrival/2`).
    const KIND: &'static str;
    /// The fold of the facts.
    type State: Default + Clone;
    /// What somebody wants.
    type Command;
    /// What happened: a past-tense fact.
    type Event: Serialize + DeserializeOwned + Clone + std::fmt::Debug;
    /// Why a command did nothing, in a sentence for the operator.
    type Refused: std::error::Error + Send + Sync + 'static;

    /// The facts that follow from `command` in `state`; none when it is already so.
    ///
    /// # Errors
    /// When the command does not fit the state.
    fn decide(state: &Self::State, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Refused>;

    /// The state after `event`.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;

    /// The fold of `events` from the beginning.
    fn replay<'a>(events: impl IntoIterator<Item = &'a Self::Event>) -> Self::State
    where
        Self::Event: 'a,
    {
        events.into_iter().fold(Self::State::default(), Self::evolve)
    }
}
