//! Events of Spinnaker, as `echo` sends them to a REST endpoint: an execution of a pipeline is a deployment of its application
//! (<https://spinnaker.io/docs/setup/other_config/features/notifications/#add-a-generic-webhook-to-spinnaker>).

use super::{Message, Unread, form, missing, named, slug, taken_back};
use serde::Deserialize;
use tidegate_core::delivery::{Event, Outcome, Subject, Trigger, What};

#[derive(Deserialize)]
struct Details {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stage {
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<String>,
    /// Of a stage that another one put in by itself.
    parent_stage_id: Option<String>,
}

impl Stage {
    fn is(&self, kinds: &[&str]) -> bool {
        self.kind.as_deref().is_some_and(|kind| kinds.contains(&kind))
    }

    fn has(&self, status: &str) -> bool {
        self.status.as_deref() == Some(status)
    }
}

/// Stages that take back what runs.
const BACK: [&str; 3] = ["rollbackCluster", "rollbackServerGroup", "undoRolloutManifest"];
/// Stages that roll something out.
const OUT: [&str; 3] = ["deploy", "deployManifest", "createServerGroup"];
/// Stages that judge by metrics.
const JUDGES: [&str; 3] = ["kayentaCanary", "runCanary", "canary"];

#[derive(Deserialize)]
struct Begun {
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
    trigger: Option<Begun>,
    #[serde(default)]
    stages: Vec<Stage>,
}

impl Execution {
    /// What set a rollback of this execution off.
    fn trigger(&self) -> Option<Trigger> {
        let back = self.stages.iter().filter(|stage| stage.is(&BACK) && stage.has("SUCCEEDED"));
        let judged = self.stages.iter().any(|stage| stage.is(&JUDGES) && stage.has("TERMINAL"));
        // Put in by the stage that deploys: what it deployed did not come up.
        let inner = back.clone().next().is_some() && back.into_iter().all(|stage| stage.parent_stage_id.is_some());
        match self.trigger.as_ref().and_then(|begun| begun.kind.as_deref()) {
            _ if judged => Some(Trigger::Analysis),
            _ if inner => Some(Trigger::Health),
            // Where it also rolled something out, who began that did not ask for the rollback.
            Some("manual") if !self.stages.iter().any(|stage| stage.is(&OUT)) => Some(Trigger::Manual),
            _ => None,
        }
    }
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

pub(super) fn read(message: Message<'_>) -> Result<Vec<Event>, Unread> {
    let body: Body = form("event of Spinnaker", message.body)?;
    let kind = body.details.kind.unwrap_or_default();
    if !kind.starts_with("orca:pipeline:") {
        return Ok(vec![]);
    }
    let execution = body.content.and_then(|content| content.execution).ok_or_else(|| missing("content.execution"))?;
    let back = execution.stages.iter().any(|stage| stage.is(&BACK) && stage.has("SUCCEEDED"));
    let out = execution.stages.iter().any(|stage| stage.is(&OUT));
    let what = match execution.status.as_str() {
        "RUNNING" if kind == "orca:pipeline:starting" => What::DeploymentStarted,
        "SUCCEEDED" | "TERMINAL" | "FAILED_CONTINUE" if back && !out => What::ServiceRolledBack { trigger: execution.trigger() },
        // What it rolled out it took back again.
        "SUCCEEDED" if back => What::DeploymentFinished { outcome: Outcome::Failure },
        "SUCCEEDED" => What::DeploymentFinished { outcome: Outcome::Success },
        "TERMINAL" | "FAILED_CONTINUE" => What::DeploymentFinished { outcome: Outcome::Failure },
        "CANCELED" | "STOPPED" | "SKIPPED" => What::DeploymentFinished { outcome: Outcome::Cancelled },
        _ => return Ok(vec![]),
    };
    let at = if what == What::DeploymentStarted { execution.start_time } else { execution.end_time };
    let id = slug("content.execution.id", Some(&execution.id))?.unwrap_or_default();
    let word = if what == What::DeploymentStarted { "started" } else { "finished" };
    let event = Event {
        id: format!("{id}/{word}"),
        at_ms: at.unwrap_or(message.now_ms),
        what,
        subject: Subject { service: named("content.execution.application", Some(&execution.application))?, ..Subject::default() },
    };
    let failed = what == What::DeploymentFinished { outcome: Outcome::Failure };
    Ok(if back && failed { taken_back(event, execution.trigger()) } else { vec![event] })
}
