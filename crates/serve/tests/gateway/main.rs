//! The gateway with real worker processes, asked over HTTP.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

mod bodies;
mod breaker;
mod cache;
mod children;
mod client;
mod collector;
mod conduct;
mod drain;
mod fallback;
mod grpc;
mod hostile_upstream;
mod keys;
mod language;
mod log;
mod memory;
mod mirror;
mod onnx;
mod openmetrics;
#[path = "../support/otel.rs"]
mod otel;
mod promise;
mod protocol;
mod remote;
mod repository;
mod sequence;
mod speaker;
mod split;
mod tls;
mod traces;
mod tree_models;
mod tritonclient;
mod upstream;
mod watch;
mod workers;
mod world;
