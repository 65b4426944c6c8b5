//! `events` of tidegate.yaml: other tools that tell what happens.

use super::read::View;
use crate::delivery::Tool;

/// A tool that tells what happens to changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    /// What it speaks.
    pub tool: Tool,
    /// Name of the environment variable with the webhook's secret.
    pub secret: String,
    /// The service that its events are of which name none.
    pub service: Option<String>,
}

pub(super) fn event_source(view: View<'_>) -> EventSource {
    // The table lets known tools through alone.
    let tool = view.at("tool").text().and_then(|name| Tool::parse(&name)).unwrap_or(Tool::Cdevents);
    EventSource { tool, secret: view.owned("secret"), service: view.at("service").text() }
}
