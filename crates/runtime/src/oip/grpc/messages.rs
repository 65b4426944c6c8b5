//! The messages of the protocol's service `inference.GRPCInferenceService`, as they stand in its definition: names, numbers and types are
//! the protocol's. What is reserved for shared memory, traces and logs is left out: it is answered as not implemented.
//!
//! Where the protocol says the same in JSON, messages are read from that JSON, so that there is one place where it is said.

use prost::{Enumeration, Message, Oneof};
use serde::{Deserialize, Deserializer};
use std::collections::HashMap;

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

/// Datatypes, as a configuration names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum ConfigType {
    /// None.
    Invalid = 0,
    /// BOOL.
    Bool = 1,
    /// UINT8.
    Uint8 = 2,
    /// UINT16.
    Uint16 = 3,
    /// UINT32.
    Uint32 = 4,
    /// UINT64.
    Uint64 = 5,
    /// INT8.
    Int8 = 6,
    /// INT16.
    Int16 = 7,
    /// INT32.
    Int32 = 8,
    /// INT64.
    Int64 = 9,
    /// FP16.
    Fp16 = 10,
    /// FP32.
    Fp32 = 11,
    /// FP64.
    Fp64 = 12,
    /// BYTES.
    Text = 13,
    /// BF16.
    Bf16 = 14,
}

/// The number of a datatype that is named as in a configuration's JSON, `TYPE_FP32`.
fn config_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = name.strip_prefix("TYPE_").map(|name| match name {
        "BOOL" => ConfigType::Bool,
        "UINT8" => ConfigType::Uint8,
        "UINT16" => ConfigType::Uint16,
        "UINT32" => ConfigType::Uint32,
        "UINT64" => ConfigType::Uint64,
        "INT8" => ConfigType::Int8,
        "INT16" => ConfigType::Int16,
        "INT32" => ConfigType::Int32,
        "INT64" => ConfigType::Int64,
        "FP16" => ConfigType::Fp16,
        "FP32" => ConfigType::Fp32,
        "FP64" => ConfigType::Fp64,
        "STRING" => ConfigType::Text,
        "BF16" => ConfigType::Bf16,
        _ => ConfigType::Invalid,
    });
    Ok(known.unwrap_or(ConfigType::Invalid) as i32)
}

/// An input of a configuration.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct ConfigInput {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its datatype.
    #[serde(deserialize_with = "config_type")]
    #[prost(enumeration = "ConfigType", tag = "2")]
    pub data_type: i32,
    /// Its shape.
    #[prost(int64, repeated, tag = "4")]
    pub dims: Vec<i64>,
}

/// An output of a configuration.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct ConfigOutput {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its datatype.
    #[serde(deserialize_with = "config_type")]
    #[prost(enumeration = "ConfigType", tag = "2")]
    pub data_type: i32,
    /// Its shape.
    #[prost(int64, repeated, tag = "3")]
    pub dims: Vec<i64>,
}

/// A model's configuration.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct ModelConfig {
    /// The model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What runs it.
    #[prost(string, tag = "2")]
    pub platform: String,
    /// Rows that may be asked at once; 0: shapes say it.
    #[prost(int32, tag = "4")]
    pub max_batch_size: i32,
    /// What it takes.
    #[prost(message, repeated, tag = "5")]
    pub input: Vec<ConfigInput>,
    /// What it gives.
    #[prost(message, repeated, tag = "6")]
    pub output: Vec<ConfigOutput>,
    /// What runs it, by another name.
    #[prost(string, tag = "17")]
    pub backend: String,
}

/// The answer to a question for a configuration.
#[derive(Clone, PartialEq, Message)]
pub struct ModelConfigResponse {
    /// The configuration.
    #[prost(message, optional, tag = "1")]
    pub config: Option<ModelConfig>,
}

/// How often, and how long together.
#[derive(Clone, Copy, PartialEq, Eq, Message, Deserialize)]
pub struct StatisticDuration {
    /// How often.
    #[prost(uint64, tag = "1")]
    pub count: u64,
    /// Nanoseconds together.
    #[prost(uint64, tag = "2")]
    pub ns: u64,
}

/// What requests took.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct InferStatistics {
    /// Answered ones, whole.
    #[prost(message, optional, tag = "1")]
    pub success: Option<StatisticDuration>,
    /// Failed ones, whole.
    #[prost(message, optional, tag = "2")]
    pub fail: Option<StatisticDuration>,
    /// Waiting.
    #[prost(message, optional, tag = "3")]
    pub queue: Option<StatisticDuration>,
    /// Reading requests.
    #[prost(message, optional, tag = "4")]
    pub compute_input: Option<StatisticDuration>,
    /// The model.
    #[prost(message, optional, tag = "5")]
    pub compute_infer: Option<StatisticDuration>,
    /// Writing answers.
    #[prost(message, optional, tag = "6")]
    pub compute_output: Option<StatisticDuration>,
}

/// What requests of so many rows took.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct InferBatchStatistics {
    /// Rows.
    #[prost(uint64, tag = "1")]
    pub batch_size: u64,
    /// Reading requests.
    #[prost(message, optional, tag = "2")]
    pub compute_input: Option<StatisticDuration>,
    /// The model.
    #[prost(message, optional, tag = "3")]
    pub compute_infer: Option<StatisticDuration>,
    /// Writing answers.
    #[prost(message, optional, tag = "4")]
    pub compute_output: Option<StatisticDuration>,
}

/// Counts of a version.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct ModelStatistics {
    /// The model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The version.
    #[prost(string, tag = "2")]
    pub version: String,
    /// When the last request was answered, in milliseconds UTC.
    #[prost(uint64, tag = "3")]
    pub last_inference: u64,
    /// Rows answered.
    #[prost(uint64, tag = "4")]
    pub inference_count: u64,
    /// Runs of the model.
    #[prost(uint64, tag = "5")]
    pub execution_count: u64,
    /// What requests took.
    #[prost(message, optional, tag = "6")]
    pub inference_stats: Option<InferStatistics>,
    /// The same by rows.
    #[prost(message, repeated, tag = "7")]
    pub batch_stats: Vec<InferBatchStatistics>,
}

/// Counts of versions.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct ModelStatisticsResponse {
    /// Each version.
    #[prost(message, repeated, tag = "1")]
    pub model_stats: Vec<ModelStatistics>,
}

/// Asks which models there are.
#[derive(Clone, PartialEq, Message)]
pub struct RepositoryIndexRequest {
    /// Of which repository; empty for all.
    #[prost(string, tag = "1")]
    pub repository_name: String,
    /// Only those that answer.
    #[prost(bool, tag = "2")]
    pub ready: bool,
}

/// A model of the index.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct ModelIndex {
    /// The model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The version.
    #[prost(string, tag = "2")]
    pub version: String,
    /// `READY` or `UNAVAILABLE`.
    #[prost(string, tag = "3")]
    pub state: String,
    /// Why it is so.
    #[prost(string, tag = "4")]
    pub reason: String,
}

/// Which models there are.
#[derive(Clone, PartialEq, Message)]
pub struct RepositoryIndexResponse {
    /// Each version.
    #[prost(message, repeated, tag = "1")]
    pub models: Vec<ModelIndex>,
}

/// Wants a model loaded.
#[derive(Clone, PartialEq, Message)]
pub struct RepositoryModelLoad {
    /// Of which repository; empty for any.
    #[prost(string, tag = "1")]
    pub repository_name: String,
    /// The model.
    #[prost(string, tag = "2")]
    pub model_name: String,
    /// How.
    #[prost(map = "string, message", tag = "3")]
    pub parameters: HashMap<String, Nothing>,
}

/// Wants a model unloaded.
#[derive(Clone, PartialEq, Message)]
pub struct RepositoryModelUnload {
    /// Of which repository; empty for any.
    #[prost(string, tag = "1")]
    pub repository_name: String,
    /// The model.
    #[prost(string, tag = "2")]
    pub model_name: String,
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
