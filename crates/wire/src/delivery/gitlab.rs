//! GitLab's webhooks (<https://docs.gitlab.com/user/project/integrations/webhook_events/>).

use super::{Message, Unread, form, instant, missing, named, slug};
use serde::Deserialize;
use tidegate_core::delivery::{Event, Outcome, Subject, What, revision};

#[derive(Deserialize)]
struct Project {
    path_with_namespace: Option<String>,
}

#[derive(Deserialize)]
struct User {
    username: Option<String>,
}

#[derive(Deserialize)]
struct Commit {
    id: Option<String>,
}

/// Of a merge request, or of a pipeline.
#[derive(Deserialize, Default)]
struct Attributes {
    id: Option<u64>,
    iid: Option<u64>,
    action: Option<String>,
    status: Option<String>,
    sha: Option<String>,
    merge_commit_sha: Option<String>,
    squash_commit_sha: Option<String>,
    last_commit: Option<Commit>,
    created_at: Option<String>,
    updated_at: Option<String>,
    finished_at: Option<String>,
}

#[derive(Deserialize)]
struct Kind {
    object_kind: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    project: Option<Project>,
    user: Option<User>,
    #[serde(default)]
    object_attributes: Attributes,
    // Of a deployment.
    status: Option<String>,
    status_changed_at: Option<String>,
    deployment_id: Option<u64>,
    environment: Option<String>,
    short_sha: Option<String>,
}

pub(super) fn read(message: Message<'_>, pseudonym: &dyn Fn(&str) -> String) -> Result<Option<Event>, Unread> {
    // Other kinds have members of these names, of other shapes.
    let kind: Kind = form("event of GitLab", message.body)?;
    let Some(kind @ ("merge_request" | "pipeline" | "deployment")) = kind.object_kind.as_deref() else { return Ok(None) };
    let body: Body = form("event of GitLab", message.body)?;
    let path = body.project.as_ref().and_then(|project| project.path_with_namespace.as_deref());
    let repository = slug("project.path_with_namespace", path)?;
    let Some(place) = repository.clone() else { return Err(missing("project.path_with_namespace")) };
    let actor = body.user.as_ref().and_then(|user| user.username.as_deref()).map(pseudonym);
    let subject = Subject { repository, actor, ..Subject::default() };
    match kind {
        "merge_request" => change(&body.object_attributes, &place, subject),
        "pipeline" => pipeline(&body.object_attributes, &place, subject),
        _ => deployment(&body, &place, subject),
    }
}

fn change(of: &Attributes, place: &str, subject: Subject) -> Result<Option<Event>, Unread> {
    let what = match of.action.as_deref() {
        Some("open") => What::ChangeCreated,
        Some("merge") => What::ChangeMerged,
        Some("close") => What::ChangeAbandoned,
        Some("approved" | "approval") => What::ChangeReviewed { approved: true },
        Some("unapproved" | "unapproval") => What::ChangeReviewed { approved: false },
        _ => return Ok(None),
    };
    let number = of.iid.ok_or_else(|| missing("object_attributes.iid"))?;
    let (member, text) = match what {
        What::ChangeCreated => ("object_attributes.created_at", of.created_at.as_deref()),
        _ => ("object_attributes.updated_at", of.updated_at.as_deref()),
    };
    let at_ms = instant(member, text.ok_or_else(|| missing(member))?)?;
    // Without a commit of the merge itself, what was proposed is what was let in.
    let merged = of.merge_commit_sha.as_deref().or(of.squash_commit_sha.as_deref()).filter(|_| what == What::ChangeMerged);
    let newest = of.last_commit.as_ref().and_then(|commit| commit.id.as_deref()).filter(|_| what != What::ChangeAbandoned);
    let revision = merged.or(newest).map(|sha| revision("the commit of object_attributes", sha)).transpose()?;
    let id = format!("{place}/merge_requests/{number}/{}/{at_ms}", of.action.as_deref().unwrap_or_default());
    Ok(Some(Event { id, at_ms, what, subject: Subject { change: Some(number), revision, ..subject } }))
}

fn ended(status: Option<&str>) -> Option<Outcome> {
    match status {
        Some("success") => Some(Outcome::Success),
        Some("failed") => Some(Outcome::Failure),
        Some("canceled" | "skipped") => Some(Outcome::Cancelled),
        _ => None,
    }
}

fn pipeline(of: &Attributes, place: &str, subject: Subject) -> Result<Option<Event>, Unread> {
    let Some(outcome) = ended(of.status.as_deref()) else { return Ok(None) };
    let number = of.id.ok_or_else(|| missing("object_attributes.id"))?;
    let at = of.finished_at.as_deref().ok_or_else(|| missing("object_attributes.finished_at"))?;
    let at_ms = instant("object_attributes.finished_at", at)?;
    let sha = of.sha.as_deref().ok_or_else(|| missing("object_attributes.sha"))?;
    let revision = Some(revision("object_attributes.sha", sha)?);
    // One that is retried ends again.
    let id = format!("{place}/pipelines/{number}/{at_ms}");
    Ok(Some(Event { id, at_ms, what: What::PipelineRunFinished { outcome }, subject: Subject { revision, ..subject } }))
}

fn deployment(of: &Body, place: &str, subject: Subject) -> Result<Option<Event>, Unread> {
    let what = match (of.status.as_deref(), ended(of.status.as_deref())) {
        (Some("running"), _) => What::DeploymentStarted,
        (_, Some(outcome)) => What::DeploymentFinished { outcome },
        _ => return Ok(None),
    };
    let number = of.deployment_id.ok_or_else(|| missing("deployment_id"))?;
    let at = of.status_changed_at.as_deref().ok_or_else(|| missing("status_changed_at"))?;
    let at_ms = instant("status_changed_at", at)?;
    let revision = of.short_sha.as_deref().map(|sha| revision("short_sha", sha)).transpose()?;
    let environment = named("environment", of.environment.as_deref())?;
    let id = format!("{place}/deployments/{number}/{}", of.status.as_deref().unwrap_or_default());
    Ok(Some(Event { id, at_ms, what, subject: Subject { revision, environment, ..subject } }))
}
