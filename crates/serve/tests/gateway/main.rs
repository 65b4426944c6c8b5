//! The gateway with real worker processes, asked over HTTP.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

mod bodies;
mod breaker;
mod client;
mod drain;
mod grpc;
mod mirror;
mod onnx;
mod protocol;
mod repository;
mod split;
mod tree_models;
mod tritonclient;
mod workers;
mod world;
