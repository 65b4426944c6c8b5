//! What the gateway tells the control plane, off the request's path.

use crate::trace::TraceId;
use std::sync::Arc;
use tidegate_core::route::Role;
use tidegate_core::scan::Findings;

/// One answered request, live or mirrored.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionRecord {
    /// When the answer was given.
    pub at_ms: i64,
    /// When the recorded event happened, if the request says.
    pub event_time_ms: Option<i64>,
    /// The request's identifier; labels come back by it.
    pub request_id: Arc<str>,
    /// The request's own `id` in the protocol; empty when it has none.
    pub record_id: String,
    /// Service.
    pub service: Arc<str>,
    /// The model's name in the protocol.
    pub model: Arc<str>,
    /// Version that answered.
    pub version: Arc<str>,
    /// Why it ran.
    pub role: Role,
    /// Whether this was a copy that no user saw.
    pub mirrored: bool,
    /// Whether the split chose the version, and first: neither a retry nor one that the caller named.
    pub compared: bool,
    /// Generation of the route table that chose the version.
    pub generation: u64,
    /// HTTP status of the answer (for a mirrored one, what it would have been).
    pub status: u16,
    /// Time from the choice to the answer.
    pub latency_us: f64,
    /// The first row's score.
    pub score: Option<f64>,
    /// The first row of the model's inputs.
    pub inputs: Vec<f32>,
    /// The client's place in an A/B test, if it has one.
    pub exposure: Option<Exposure>,
    /// The trace that it was recorded in, if it was.
    pub trace: Option<TraceId>,
    /// What was found in the answer's texts.
    pub found: Findings,
}

/// What a client was drawn for in an A/B test, whoever answered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The test.
    pub test: Arc<str>,
    /// The variant.
    pub variant: Arc<str>,
    /// The client's pseudonym.
    pub unit: String,
}

/// A label that came later.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedbackRecord {
    /// When it came.
    pub at_ms: i64,
    /// Service.
    pub service: Arc<str>,
    /// The model's name in the protocol.
    pub model: Arc<str>,
    /// The request that it belongs to.
    pub request_id: String,
    /// A number, text, true or false.
    pub label: serde_json::Value,
}

/// How one arm answered.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmAnswer {
    /// Version.
    pub version: Arc<str>,
    /// Whether it answered.
    pub ok: bool,
    /// The first row's score.
    pub score: Option<f64>,
    /// Time to the answer, or until it was given up.
    pub latency_us: f64,
    /// The first row of the model's inputs.
    pub inputs: Vec<f32>,
}

/// One mirrored request with the answers of both arms and the one that the user got.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// When both had answered.
    pub at_ms: i64,
    /// Service.
    pub service: Arc<str>,
    /// The request.
    pub request_id: Arc<str>,
    /// The request's own `id`; empty when it has none. Offline scores are found by it.
    pub record_id: String,
    /// When the recorded event happened, if the request says.
    pub event_time_ms: Option<i64>,
    /// The version under judgement.
    pub candidate: ArmAnswer,
    /// What it is compared with.
    pub control: ArmAnswer,
    /// What the user got.
    pub live: ArmAnswer,
}
