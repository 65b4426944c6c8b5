//! Trains: releases of several services in the order in which they need each other, and back in the reverse order when one of them
//! turns out harmful.
//!
//! A car is one service's release, which its own machine judges, promotes and rolls back (`rollout`). The train says when each may
//! start and which must be undone. Not here: who starts, aborts and undoes them.

mod fact;
mod machine;
#[cfg(test)]
mod passages;
mod spec;
#[cfg(test)]
mod tests;

pub use fact::{Cause, Command, End, Event, Refused, Want};
pub use machine::{CarState, PASSED_MAX, Phase, State, Train, Trains, wants};
pub use spec::{CARS_MAX, Car, Problem, Spec, Verify};
