//! The seeded world: drives the real rollout machine, judge and driver on fakes and virtual time.
//!
//! A seed draws a scenario (a good, a harmful or a broken candidate; weights; an operator) and a time of chaos:
//! messages between driver and data plane are lost, repeated, delayed and reordered, the driver crashes, its clock
//! jumps, workers die, telemetry breaks off, the journal and the blob store fail. Then everything heals, so that an
//! end can be asked for. A checker with its own model of what is allowed watches the data plane and the journal;
//! it knows the scenario and never asks the machine what it may do. [`Fault`]s planted on purpose show that the
//! checker sees.
//! Not here: real time, threads, files, network.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod ab;
mod checker;
pub mod contest;
pub mod corpus;
pub mod explore;
mod fault;
pub mod fleet;
mod guilty;
mod halted;
mod network;
mod operator;
mod people;
mod plane;
mod regions;
mod scenario;
mod script;
mod signatures;
mod story;
mod train;
mod world;

#[cfg(test)]
mod tests;

pub use fault::Fault;
pub use scenario::{Scenario, Truth};
pub use script::{Script, play};
pub use story::{Story, Violation};

/// Runs the world of `seed`, with a fault planted or without, and tells what happened.
#[must_use]
pub fn run(seed: u64, fault: Option<Fault>) -> Story {
    world::World::run(seed, fault)
}
