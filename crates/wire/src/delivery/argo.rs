//! Notifications of Argo CD and of Argo Rollouts. Their bodies are whatever a template makes; ours are `{"app": {{toJson .app}}}` and
//! `{"rollout": {{toJson .rollout}}}`, so that what is read is the object as its API has it
//! (<https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/services/webhook/>).

use super::{Message, Unread, form, instant, missing, named, repository, slug, taken_back};
use serde::Deserialize;
use tidegate_core::delivery::{Event, Outcome, Subject, Trigger, What, revision};

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    #[serde(rename = "repoURL")]
    repo_url: Option<String>,
}

#[derive(Deserialize)]
struct Destination {
    namespace: Option<String>,
}

#[derive(Deserialize)]
struct Spec {
    source: Option<Source>,
    destination: Option<Destination>,
}

#[derive(Deserialize)]
struct Synced {
    revision: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    phase: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    sync_result: Option<Synced>,
    operation: Option<Asked>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    initiated_by: Option<Initiator>,
}

#[derive(Deserialize)]
struct Initiator {
    #[serde(default)]
    automated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppStatus {
    operation_state: Option<Operation>,
    /// What was synchronised before, oldest first, and this.
    #[serde(default)]
    history: Vec<Synced>,
}

#[derive(Deserialize)]
struct App {
    metadata: Metadata,
    spec: Option<Spec>,
    status: Option<AppStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    last_update_time: Option<String>,
    reason: Option<String>,
    message: Option<String>,
}

/// A run of an analysis.
#[derive(Deserialize)]
struct Run {
    status: Option<String>,
}

/// What a strategy has analysed.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Runs {
    current_step_analysis_run_status: Option<Run>,
    current_background_analysis_run_status: Option<Run>,
    pre_promotion_analysis_run_status: Option<Run>,
    post_promotion_analysis_run_status: Option<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RolloutStatus {
    phase: Option<String>,
    #[serde(default)]
    abort: bool,
    aborted_at: Option<String>,
    current_pod_hash: Option<String>,
    #[serde(default)]
    conditions: Vec<Condition>,
    canary: Option<Runs>,
    blue_green: Option<Runs>,
}

#[derive(Deserialize)]
struct Rollout {
    metadata: Metadata,
    status: RolloutStatus,
}

#[derive(Deserialize)]
struct Body {
    app: Option<App>,
    rollout: Option<Rollout>,
}

pub(super) fn read(message: Message<'_>) -> Result<Vec<Event>, Unread> {
    match form("notification of Argo", message.body)? {
        Body { app: Some(app), .. } => Ok(synced(&app)?.into_iter().collect()),
        Body { rollout: Some(rollout), .. } => {
            let event = rolled(&rollout, message.now_ms)?;
            let back = |event| taken_back(event, trigger(&rollout.status));
            Ok(if rollout.status.abort { event.map(back).unwrap_or_default() } else { event.into_iter().collect() })
        }
        Body { .. } => Err(missing("app, or rollout")),
    }
}

/// An application was synchronised, or could not be.
fn synced(app: &App) -> Result<Option<Event>, Unread> {
    let Some(operation) = app.status.as_ref().and_then(|status| status.operation_state.as_ref()) else { return Ok(None) };
    let what = match operation.phase.as_str() {
        "Running" => What::DeploymentStarted,
        "Succeeded" if is_back(app, operation) => What::ServiceRolledBack { trigger: asked_for(operation).then_some(Trigger::Manual) },
        "Succeeded" => What::DeploymentFinished { outcome: Outcome::Success },
        "Failed" | "Error" => What::DeploymentFinished { outcome: Outcome::Failure },
        _ => return Ok(None),
    };
    let (member, at) = match what {
        What::DeploymentStarted => ("app.status.operationState.startedAt", operation.started_at.as_deref()),
        _ => ("app.status.operationState.finishedAt", operation.finished_at.as_deref()),
    };
    let at_ms = instant(member, at.ok_or_else(|| missing(member))?)?;
    let service = named("app.metadata.name", Some(&app.metadata.name))?;
    let spec = app.spec.as_ref();
    let address = spec.and_then(|spec| spec.source.as_ref()?.repo_url.as_deref());
    let namespace = spec.and_then(|spec| spec.destination.as_ref()?.namespace.as_deref());
    // A chart has a version and no commit.
    let commit = operation.sync_result.as_ref().and_then(|result| result.revision.as_deref());
    Ok(Some(Event {
        id: format!("app/{}/{}/{at_ms}", service.as_deref().unwrap_or_default(), operation.phase),
        at_ms,
        what,
        subject: Subject {
            repository: repository("app.spec.source.repoURL", address)?,
            revision: commit.and_then(|commit| revision("app.status.operationState.syncResult.revision", commit).ok()),
            environment: slug("app.spec.destination.namespace", namespace)?,
            service,
            ..Subject::default()
        },
    }))
}

/// Whether it is told that somebody asked for it, by hand or by a script.
fn asked_for(operation: &Operation) -> bool {
    operation.operation.as_ref().and_then(|asked| asked.initiated_by.as_ref()).is_some_and(|by| !by.automated)
}

/// Whether somebody went back to what had been synchronised before what stood there. Argo CD goes back by itself never; what it does by
/// itself follows the repository.
fn is_back(app: &App, operation: &Operation) -> bool {
    let by_itself = operation.operation.as_ref().and_then(|asked| asked.initiated_by.as_ref()).is_some_and(|by| by.automated);
    let history = app.status.as_ref().map_or(&[][..], |status| &status.history);
    let revision = operation.sync_result.as_ref().and_then(|result| result.revision.as_deref());
    let [before @ .., last, this] = history else { return false };
    let is = |synced: &Synced| revision.is_some() && synced.revision.as_deref() == revision;
    // Back is what stood there before the last one first did: who goes back and then forwards again goes forwards.
    let first = before.iter().position(|synced| synced.revision == last.revision).unwrap_or(before.len());
    !by_itself && is(this) && !is(last) && before.iter().take(first).any(is)
}

/// What set an abort off. The controller's own sentence is looked at, and no part of it is kept: behind the number of the revision it says
/// what failed, and nothing where somebody aborted it.
fn trigger(status: &RolloutStatus) -> Option<Trigger> {
    let of = |runs: &Runs| {
        let runs = [
            &runs.current_step_analysis_run_status,
            &runs.current_background_analysis_run_status,
            &runs.pre_promotion_analysis_run_status,
            &runs.post_promotion_analysis_run_status,
        ];
        runs.into_iter().flatten().any(|run| matches!(run.status.as_deref(), Some("Failed" | "Error")))
    };
    if [&status.canary, &status.blue_green].into_iter().flatten().any(of) {
        return Some(Trigger::Analysis);
    }
    let told = status.conditions.iter().find(|condition| condition.reason.as_deref() == Some("RolloutAborted"))?;
    let (_, behind) = told.message.as_deref()?.split_once("aborted update to revision ")?;
    let behind = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    match behind {
        "" => Some(Trigger::Manual),
        why if why.contains(" assessed ") => Some(Trigger::Analysis),
        why if why.ends_with("has timed out progressing.") => Some(Trigger::Health),
        _ => None,
    }
}

/// A rollout is through, was given up - what it rolled out has failed, and what stood before stands - or is degraded.
fn rolled(rollout: &Rollout, now_ms: i64) -> Result<Option<Event>, Unread> {
    let status = &rollout.status;
    let (what, member, at) = if status.abort {
        (What::DeploymentFinished { outcome: Outcome::Failure }, "rollout.status.abortedAt", status.aborted_at.as_deref())
    } else {
        let at = |kind: &str| status.conditions.iter().find(|c| c.kind == kind).and_then(|c| c.last_update_time.as_deref());
        let member = "rollout.status.conditions";
        match status.phase.as_deref() {
            Some("Healthy") => (What::DeploymentFinished { outcome: Outcome::Success }, member, at("Healthy").or(at("Completed"))),
            Some("Degraded") => (What::DeploymentFinished { outcome: Outcome::Failure }, member, at("Progressing")),
            _ => return Ok(None),
        }
    };
    let service = named("rollout.metadata.name", Some(&rollout.metadata.name))?;
    let environment = slug("rollout.metadata.namespace", rollout.metadata.namespace.as_deref())?;
    let hash = slug("rollout.status.currentPodHash", status.current_pod_hash.as_deref())?.unwrap_or_default();
    let word = if status.abort { "aborted" } else { status.phase.as_deref().unwrap_or_default() };
    let place = format!("{}/{}", environment.as_deref().unwrap_or_default(), service.as_deref().unwrap_or_default());
    let told = at.map(|text| instant(member, text)).transpose()?;
    // The same version may be rolled out again, and aborted again.
    let when = told.map_or_else(String::new, |at| format!("/{at}"));
    Ok(Some(Event {
        id: format!("rollout/{place}/{hash}/{word}{when}"),
        at_ms: told.unwrap_or(now_ms),
        what,
        subject: Subject { service, environment, ..Subject::default() },
    }))
}
