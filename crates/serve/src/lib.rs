//! The data plane: workers, Open Inference Protocol, gateway.
//!
//! A [`Gateway`] answers the protocol over HTTP. It holds an immutable route table ([`Gateway::apply`] swaps it
//! whole and keeps the last good one), forwards each request to the worker of the chosen version, and hands
//! prediction records, feedback and shadow pairs to bounded channels ([`Outputs`]) off the request's path.
//! A [`WorkerPool`] keeps one process for each loaded version and role and starts it again when it dies.
//! [`worker::main`] is what such a process runs.
//!
//! It lives on when the control plane is dead. Of the domain it knows routes, the judge's latency buckets and
//! signatures; not here: releases, journals, where telemetry is kept.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]
// An answer is one future made of many, each within the next; what the compiler follows by itself is less.
#![recursion_limit = "256"]

mod allowance;
mod breaker;
mod cache;
mod clock;
mod conduct;
mod counts;
mod exemplars;
mod frame;
#[cfg(fuzzing)]
pub mod fuzz;
mod gateway;
mod language;
pub mod limits;
mod log;
mod mirror;
mod plan;
mod pool;
mod promise;
mod record;
pub mod remote;
mod scan;
mod sequence;
mod task;
mod trace;
mod work;
pub mod worker;

pub use allowance::Allowance;
pub use breaker::BreakerSettings;
pub use conduct::{Batching, Conduct, Fallback, Generating};
pub use counts::{LiveTotals, TargetCounts};
pub use frame::{Answer, Body, Form, Hello, Outcome};
pub use gateway::{
    ApplyError, DrainReport, ENDPOINTS, Endpoint, EndpointRow, Gateway, GatewayError, GatewaySettings, Given, Key, METHODS, Method,
    MethodRow, Outputs, Timings, TlsFiles, Tokens, declared_outputs,
};
pub use language::{Generated, OpenAi, Price, Prompt, Task, TokenCounts};
pub use log::LogSettings;
pub use pool::{EnsureError, PoolEvent, PoolSettings, Priority, TargetSpec, TargetState, UnloadError, WorkerPool};
pub use promise::{Bound, Promise, Promised};
pub use record::{ArmAnswer, Exposure, FeedbackRecord, Pair, PredictionRecord};
pub use sequence::{Carried, Sequencing};
pub use trace::{Endpoint as TraceEndpoint, TraceId, TraceSettings, headers as trace_headers};
pub use work::Work;
