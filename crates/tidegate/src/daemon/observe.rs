//! What the gateway tells of requests, from the configuration, with secrets from the environment.

use crate::exit::{self, failure};
use crate::surroundings;
use anyhow::Result;
use std::path::Path;
use tidegate_serve::remote::Secret;
use tidegate_serve::{LogSettings, TraceEndpoint, TraceSettings, trace_headers};
use tidegate_wire::config::Workspace;

/// Where traces are told, if anywhere; `root` is the workspace's folder.
///
/// # Errors
/// When the receiver has no address, or a variable is not set or not written as it must be.
pub fn traces(config: &Workspace, root: &Path) -> Result<Option<TraceSettings>> {
    let Some(written) = &config.gateway_traces else { return Ok(None) };
    let wrong = |what: &str, why: String| failure(exit::USAGE, format!("read `gateway.traces.{what}`: {why}"));
    let mut headers = match &written.headers {
        None => Vec::new(),
        Some(variable) => {
            let text = surroundings::secret(variable).map_err(|why| wrong("headers", why))?;
            trace_headers(&text).map_err(|why| wrong("headers", format!("{variable}: {why}")))?
        }
    };
    if let Some(variable) = &written.token {
        if headers.iter().any(|(name, _)| name == hyper::header::AUTHORIZATION) {
            return Err(wrong("token", "`headers` hold `authorization` already: take one of them out".to_owned()));
        }
        let token = surroundings::secret(variable).map_err(|why| wrong("token", why))?;
        headers.push((hyper::header::AUTHORIZATION, Secret(format!("Bearer {token}"))));
    }
    Ok(Some(TraceSettings {
        endpoint: TraceEndpoint::parse(&written.endpoint).map_err(|why| wrong("endpoint", why))?,
        ratio: written.ratio,
        service_name: written.service_name.clone(),
        headers,
        ca: written.ca.as_ref().map(|file| root.join(file)),
        timeout_ms: written.timeout_ms,
    }))
}

/// Lines of predictions, if any.
pub fn log(config: &Workspace, root: &Path) -> Option<LogSettings> {
    let written = config.gateway_log.as_ref()?;
    Some(LogSettings { file: written.file.as_ref().map(|file| root.join(file)), ratio: written.ratio, inputs: written.inputs.clone() })
}
