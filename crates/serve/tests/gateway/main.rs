//! The gateway with real worker processes, asked over HTTP.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

mod client;
mod drain;
mod mirror;
mod onnx;
mod protocol;
mod split;
mod workers;
mod world;
