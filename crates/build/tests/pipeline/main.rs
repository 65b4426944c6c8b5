//! Whole runs in folders of their own: what runs, what does not, and what is left behind when something goes wrong.
#![allow(clippy::unwrap_used, clippy::panic)]

mod dvc;
mod environment;
mod failures;
mod generated;
mod peer;
mod runs;
mod seeded;
mod world;
