//! The messages of the protocol's service `inference.GRPCInferenceService`, as they stand in its definition: names, numbers and types are
//! the protocol's. What is reserved for shared memory, traces and logs is left out: it is answered as not implemented.
//!
//! Where the protocol says the same in JSON, messages are read from that JSON, so that there is one place where it is said.

mod models;

use prost::{Message, Oneof};
use serde::Deserialize;
use std::collections::HashMap;

pub use models::{
    ConfigInput, ConfigOutput, ConfigType, InferBatchStatistics, InferStatistics, ModelConfig, ModelConfigResponse, ModelIndex,
    ModelStatistics, ModelStatisticsResponse, RepositoryIndexRequest, RepositoryIndexResponse, RepositoryModelLoad, RepositoryModelUnload,
    StatisticDuration,
};

/// Asks for something that needs no argument; an answer that says nothing.
#[derive(Clone, PartialEq, Message)]
pub struct Nothing {}

/// Whether the process lives.
#[derive(Clone, PartialEq, Message)]
pub struct ServerLiveResponse {
    /// It does.
    #[prost(bool, tag = "1")]
    pub live: bool,
}

/// Whether requests should be sent.
#[derive(Clone, PartialEq, Message)]
pub struct ReadyResponse {
    /// They should.
    #[prost(bool, tag = "1")]
    pub ready: bool,
}

/// A model, and a version of it where one is meant.
#[derive(Clone, PartialEq, Message)]
pub struct NamedModel {
    /// The model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The version; empty for none in particular.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// The server.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct ServerMetadataResponse {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
    /// What it knows beyond the protocol.
    #[prost(string, repeated, tag = "3")]
    pub extensions: Vec<String>,
}

/// A tensor of a model.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct TensorMetadata {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its datatype, as `FP32`.
    #[prost(string, tag = "2")]
    pub datatype: String,
    /// Its shape; -1 where any length will do.
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
}

/// A model.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct ModelMetadataResponse {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its versions.
    #[prost(string, repeated, tag = "2")]
    pub versions: Vec<String>,
    /// What runs it, as `onnx_onnxv1`.
    #[prost(string, tag = "3")]
    pub platform: String,
    /// What it takes.
    #[prost(message, repeated, tag = "4")]
    pub inputs: Vec<TensorMetadata>,
    /// What it gives.
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<TensorMetadata>,
}

/// A parameter.
#[derive(Clone, PartialEq, Message)]
pub struct InferParameter {
    /// Its value.
    #[prost(oneof = "ParameterChoice", tags = "1, 2, 3, 4, 5")]
    pub choice: Option<ParameterChoice>,
}

/// The value of a parameter.
#[derive(Clone, PartialEq, Oneof)]
pub enum ParameterChoice {
    /// A truth value.
    #[prost(bool, tag = "1")]
    Bool(bool),
    /// A whole number.
    #[prost(int64, tag = "2")]
    Int64(i64),
    /// A text.
    #[prost(string, tag = "3")]
    Text(String),
    /// A number.
    #[prost(double, tag = "4")]
    Double(f64),
    /// A whole number that is not negative.
    #[prost(uint64, tag = "5")]
    Uint64(u64),
}

/// The values of a tensor, in the list that fits its datatype.
#[derive(Clone, PartialEq, Message)]
pub struct Contents {
    /// BOOL.
    #[prost(bool, repeated, tag = "1")]
    pub bools: Vec<bool>,
    /// INT8, INT16, INT32.
    #[prost(int32, repeated, tag = "2")]
    pub ints: Vec<i32>,
    /// INT64.
    #[prost(int64, repeated, tag = "3")]
    pub int64s: Vec<i64>,
    /// UINT8, UINT16, UINT32.
    #[prost(uint32, repeated, tag = "4")]
    pub uints: Vec<u32>,
    /// UINT64.
    #[prost(uint64, repeated, tag = "5")]
    pub uint64s: Vec<u64>,
    /// FP32.
    #[prost(float, repeated, tag = "6")]
    pub fp32s: Vec<f32>,
    /// FP64.
    #[prost(double, repeated, tag = "7")]
    pub fp64s: Vec<f64>,
    /// BYTES.
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub texts: Vec<Vec<u8>>,
}

/// A tensor of a request or an answer.
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its datatype, as `FP32`.
    #[prost(string, tag = "2")]
    pub datatype: String,
    /// Its shape.
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
    /// Parameters of it.
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, InferParameter>,
    /// Its values, where they do not stand in the raw contents.
    #[prost(message, optional, tag = "5")]
    pub contents: Option<Contents>,
}

/// An output that is wanted.
#[derive(Clone, PartialEq, Message)]
pub struct WantedOutput {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Parameters of it.
    #[prost(map = "string, message", tag = "2")]
    pub parameters: HashMap<String, InferParameter>,
}

/// A request.
#[derive(Clone, PartialEq, Message)]
pub struct ModelInferRequest {
    /// The model.
    #[prost(string, tag = "1")]
    pub model_name: String,
    /// The version; empty for none in particular.
    #[prost(string, tag = "2")]
    pub model_version: String,
    /// The sender's name for it; empty for none.
    #[prost(string, tag = "3")]
    pub id: String,
    /// Parameters.
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, InferParameter>,
    /// Inputs.
    #[prost(message, repeated, tag = "5")]
    pub inputs: Vec<Tensor>,
    /// Outputs that are wanted; empty for all.
    #[prost(message, repeated, tag = "6")]
    pub outputs: Vec<WantedOutput>,
    /// Values of all inputs as bytes, in their order; empty where they stand in the inputs.
    #[prost(bytes = "vec", repeated, tag = "7")]
    pub raw_input_contents: Vec<Vec<u8>>,
}

/// What a gateway needs of a [`ModelInferRequest`] to pass it on: whatever else is in it is not looked at.
#[derive(Clone, PartialEq, Message)]
pub struct Addressed {
    /// The model.
    #[prost(string, tag = "1")]
    pub model_name: String,
    /// The version; empty for none in particular.
    #[prost(string, tag = "2")]
    pub model_version: String,
}

/// An answer.
#[derive(Clone, PartialEq, Message)]
pub struct ModelInferResponse {
    /// The model.
    #[prost(string, tag = "1")]
    pub model_name: String,
    /// The version.
    #[prost(string, tag = "2")]
    pub model_version: String,
    /// The id of the request.
    #[prost(string, tag = "3")]
    pub id: String,
    /// Parameters.
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, InferParameter>,
    /// Outputs.
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<Tensor>,
    /// Values of all outputs as bytes, in their order.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub raw_output_contents: Vec<Vec<u8>>,
}

/// One answer of a stream.
#[derive(Clone, PartialEq, Message)]
pub struct ModelStreamInferResponse {
    /// Why there is none; empty where there is one.
    #[prost(string, tag = "1")]
    pub error_message: String,
    /// The answer.
    #[prost(message, optional, tag = "2")]
    pub infer_response: Option<ModelInferResponse>,
}

/// As [`ModelStreamInferResponse`], whose answer is written already.
#[derive(Clone, PartialEq, Message)]
pub struct WrittenStreamResponse {
    /// Why there is none; empty where there is one.
    #[prost(string, tag = "1")]
    pub error_message: String,
    /// The answer's bytes: on the wire a message and its bytes are the same.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub infer_response: Option<prost::bytes::Bytes>,
}

/// Asks whether a service is well (`grpc.health.v1.Health`).
#[derive(Clone, PartialEq, Message)]
pub struct HealthCheckRequest {
    /// The service; empty for the whole server.
    #[prost(string, tag = "1")]
    pub service: String,
}

/// Whether it is.
#[derive(Clone, PartialEq, Message)]
pub struct HealthCheckResponse {
    /// 1 when it serves, 2 when it does not.
    #[prost(int32, tag = "1")]
    pub status: i32,
}
