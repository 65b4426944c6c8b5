//! What is told of models beside their predictions: configuration, counts and times, the repository.

use super::Nothing;
use prost::{Enumeration, Message};
use serde::{Deserialize, Deserializer};
use std::collections::HashMap;

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
