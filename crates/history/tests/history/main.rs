//! Repositories with known history, made with the real git: what is mined equals what is known, and what a slow computation says that
//! shares nothing with it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod known;
mod oracle;
mod random;
mod same;
mod states;
mod world;
mod worlds;
