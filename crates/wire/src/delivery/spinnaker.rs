//! Events of Spinnaker, as `echo` sends them to a REST endpoint: an execution of a pipeline is a deployment of its application
//! (<https://spinnaker.io/docs/setup/other_config/features/notifications/#add-a-generic-webhook-to-spinnaker>).

use super::{Message, Unread, form, missing, named, slug};
use serde::Deserialize;
use tidegate_core::delivery::{Event, Outcome, Subject, What};

#[derive(Deserialize)]
struct Details {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Execution {
    id: String,
    application: String,
    status: String,
    start_time: Option<i64>,
    end_time: Option<i64>,
}

#[derive(Deserialize)]
struct Content {
    execution: Option<Execution>,
}

#[derive(Deserialize)]
struct Body {
    details: Details,
    content: Option<Content>,
}

pub(super) fn read(message: Message<'_>) -> Result<Option<Event>, Unread> {
    let body: Body = form("event of Spinnaker", message.body)?;
    let kind = body.details.kind.unwrap_or_default();
    if !kind.starts_with("orca:pipeline:") {
        return Ok(None);
    }
    let execution = body.content.and_then(|content| content.execution).ok_or_else(|| missing("content.execution"))?;
    let what = match execution.status.as_str() {
        "RUNNING" if kind == "orca:pipeline:starting" => What::DeploymentStarted,
        "SUCCEEDED" => What::DeploymentFinished { outcome: Outcome::Success },
        "TERMINAL" | "FAILED_CONTINUE" => What::DeploymentFinished { outcome: Outcome::Failure },
        "CANCELED" | "STOPPED" | "SKIPPED" => What::DeploymentFinished { outcome: Outcome::Cancelled },
        _ => return Ok(None),
    };
    let at = if what == What::DeploymentStarted { execution.start_time } else { execution.end_time };
    let id = slug("content.execution.id", Some(&execution.id))?.unwrap_or_default();
    let word = if what == What::DeploymentStarted { "started" } else { "finished" };
    Ok(Some(Event {
        id: format!("{id}/{word}"),
        at_ms: at.unwrap_or(message.now_ms),
        what,
        subject: Subject { service: named("content.execution.application", Some(&execution.application))?, ..Subject::default() },
    }))
}
