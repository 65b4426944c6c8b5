//! What is told of requests, and to whom, as values.

use super::read::View;
use std::path::PathBuf;

/// Where traces are told.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayTraces {
    /// Address of the receiver.
    pub endpoint: String,
    /// Share of traces begun here that are recorded.
    pub ratio: f64,
    /// The spans' `service.name`.
    pub service_name: String,
    /// Name of the environment variable with headers for the receiver.
    pub headers: Option<String>,
    /// Name of the environment variable with a bearer token for it.
    pub token: Option<String>,
    /// File with the certificates of authorities.
    pub ca: Option<PathBuf>,
    /// Time for its answer, in milliseconds.
    pub timeout_ms: u64,
}

/// Lines of predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayLog {
    /// Where they are added; none: to the standard error stream.
    pub file: Option<PathBuf>,
    /// Share of predictions that are told.
    pub ratio: f64,
    /// Inputs whose values may be told.
    pub inputs: Vec<String>,
}

pub(super) fn gateway_traces(view: View<'_>) -> GatewayTraces {
    GatewayTraces {
        endpoint: view.owned("endpoint"),
        ratio: view.at("ratio").number().unwrap_or_default(),
        service_name: view.owned("service_name"),
        headers: view.at("headers").text(),
        token: view.at("token").text(),
        ca: view.at("ca").text().map(PathBuf::from),
        timeout_ms: view.at("timeout").ms().unwrap_or_default(),
    }
}

pub(super) fn gateway_log(view: View<'_>) -> GatewayLog {
    GatewayLog {
        file: view.at("file").text().map(PathBuf::from),
        ratio: view.at("ratio").number().unwrap_or_default(),
        inputs: view.at("inputs").texts(),
    }
}
