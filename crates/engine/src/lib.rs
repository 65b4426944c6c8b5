//! The driver: command, decide, append, evolve, effects. Sans-I/O: time is an argument, and what shall be done
//! outside comes back as values.
//!
//! [`Engine`] carries out commands of any machine on a journal. [`rollouts::RolloutDriver`] keeps rollouts going:
//! it folds evidence, tells the machine what the judge says, seals what the verdict rests on, asks for effects
//! until they are answered, and finds its place again after a crash. Several [`replica::Replica`]s share the
//! rollouts of one journal; of several [`standby::Standby`]s one acts and the others wait.
//! Not here: what is decided (`core`), who moves traffic or runs workers (the host).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod engine;
pub mod evidence;
pub mod replica;
pub mod rollouts;
pub mod standby;

pub use engine::{APPEND_RETRIES_MAX, Done, Engine, EngineError};
