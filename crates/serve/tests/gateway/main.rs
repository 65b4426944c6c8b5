//! The gateway with real worker processes, asked over HTTP.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

mod bodies;
mod breaker;
mod cache;
mod children;
mod client;
mod conduct;
mod drain;
mod grpc;
mod hostile_upstream;
mod keys;
mod memory;
mod mirror;
mod onnx;
mod promise;
mod protocol;
mod remote;
mod repository;
mod split;
mod tls;
mod tree_models;
mod tritonclient;
mod upstream;
mod workers;
mod world;
