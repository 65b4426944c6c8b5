//! GitHub's webhooks (<https://docs.github.com/en/webhooks/webhook-events-and-payloads>).

use super::{Message, Unread, form, instant, missing, named, slug};
use serde::Deserialize;
use serde_json::Value;
use tidegate_core::delivery::{Event, Outcome, Subject, Trigger, What, revision};

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Head {
    sha: Option<String>,
}

#[derive(Deserialize)]
struct PullRequest {
    number: u64,
    head: Option<Head>,
    #[serde(default)]
    merged: bool,
    merge_commit_sha: Option<String>,
    created_at: Option<String>,
    merged_at: Option<String>,
    closed_at: Option<String>,
    user: Option<User>,
}

#[derive(Deserialize)]
struct Review {
    id: u64,
    state: String,
    submitted_at: Option<String>,
    user: Option<User>,
}

#[derive(Deserialize)]
struct Status {
    id: u64,
    state: String,
    created_at: String,
    environment: Option<String>,
}

#[derive(Deserialize)]
struct Deployment {
    sha: String,
    environment: Option<String>,
    /// What is carried out, in words of who made it: `deploy` where nothing is said.
    task: Option<String>,
    /// Whatever who made it likes.
    #[serde(default)]
    payload: Value,
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    #[serde(default)]
    run_attempt: u64,
    head_sha: String,
    conclusion: Option<String>,
    updated_at: String,
}

#[derive(Deserialize)]
struct Body {
    action: Option<String>,
    repository: Option<Repository>,
    pull_request: Option<PullRequest>,
    review: Option<Review>,
    deployment_status: Option<Status>,
    deployment: Option<Deployment>,
    workflow_run: Option<Run>,
}

impl PullRequest {
    /// The newest commit of what is proposed.
    fn head(&self) -> Result<Option<String>, Unread> {
        let sha = self.head.as_ref().and_then(|head| head.sha.as_deref());
        Ok(sha.map(|sha| revision("pull_request.head.sha", sha)).transpose()?)
    }
}

pub(super) fn read(message: Message<'_>, pseudonym: &dyn Fn(&str) -> String) -> Result<Option<Event>, Unread> {
    let Some(kind) = message.kind else { return Err(missing("the header X-GitHub-Event")) };
    if !["pull_request", "pull_request_review", "deployment_status", "workflow_run"].contains(&kind) {
        return Ok(None);
    }
    let body: Body = form("event of GitHub", message.body)?;
    let repository = slug("repository.full_name", body.repository.as_ref().map(|r| r.full_name.as_str()))?;
    let Some(place) = repository.clone() else { return Err(missing("repository")) };
    let subject = Subject { repository, ..Subject::default() };
    match kind {
        "pull_request" => change(&body, &place, subject, pseudonym),
        "pull_request_review" => review(&body, &place, subject, pseudonym),
        "deployment_status" => deployment(&body, &place, subject),
        _ => run(&body, &place, subject),
    }
}

fn change(body: &Body, place: &str, subject: Subject, pseudonym: &dyn Fn(&str) -> String) -> Result<Option<Event>, Unread> {
    let of = body.pull_request.as_ref().ok_or_else(|| missing("pull_request"))?;
    let actor = of.user.as_ref().map(|user| pseudonym(&user.login));
    let (what, at, word) = match body.action.as_deref() {
        Some("opened") => (What::ChangeCreated, ("pull_request.created_at", &of.created_at), "opened"),
        Some("closed") if of.merged => (What::ChangeMerged, ("pull_request.merged_at", &of.merged_at), "merged"),
        Some("closed") => (What::ChangeAbandoned, ("pull_request.closed_at", &of.closed_at), "closed"),
        _ => return Ok(None),
    };
    let at = at.1.as_deref().ok_or_else(|| missing(at.0)).and_then(|text| instant(at.0, text))?;
    let revision = match what {
        What::ChangeMerged => of.merge_commit_sha.as_deref().map(|sha| revision("pull_request.merge_commit_sha", sha)).transpose()?,
        What::ChangeCreated => of.head()?,
        // What was not let in has no commit.
        _ => None,
    };
    // A change that was closed can be opened and closed once more.
    let id = format!("{place}/pull/{}/{word}/{at}", of.number);
    Ok(Some(Event { id, at_ms: at, what, subject: Subject { change: Some(of.number), revision, actor, ..subject } }))
}

fn review(body: &Body, place: &str, subject: Subject, pseudonym: &dyn Fn(&str) -> String) -> Result<Option<Event>, Unread> {
    if body.action.as_deref() != Some("submitted") {
        return Ok(None);
    }
    let of = body.review.as_ref().ok_or_else(|| missing("review"))?;
    let approved = match of.state.to_ascii_lowercase().as_str() {
        "approved" => true,
        "changes_requested" => false,
        _ => return Ok(None),
    };
    let at = of.submitted_at.as_deref().ok_or_else(|| missing("review.submitted_at"))?;
    let actor = of.user.as_ref().map(|user| pseudonym(&user.login));
    let change = body.pull_request.as_ref().map(|request| request.number);
    let revision = body.pull_request.as_ref().map(PullRequest::head).transpose()?.flatten();
    Ok(Some(Event {
        id: format!("{place}/review/{}", of.id),
        at_ms: instant("review.submitted_at", at)?,
        what: What::ChangeReviewed { approved },
        subject: Subject { change, revision, actor, ..subject },
    }))
}

fn deployment(body: &Body, place: &str, subject: Subject) -> Result<Option<Event>, Unread> {
    let of = body.deployment_status.as_ref().ok_or_else(|| missing("deployment_status"))?;
    let deployed = body.deployment.as_ref().ok_or_else(|| missing("deployment"))?;
    let what = match of.state.as_str() {
        "in_progress" => What::DeploymentStarted,
        "success" if deployed.task.as_deref().and_then(|task| task.split(':').next()) == Some("rollback") => {
            What::ServiceRolledBack { trigger: deployed.payload["trigger"].as_str().and_then(Trigger::named) }
        }
        "success" => What::DeploymentFinished { outcome: Outcome::Success },
        "failure" | "error" => What::DeploymentFinished { outcome: Outcome::Failure },
        _ => return Ok(None),
    };
    let environment = of.environment.as_deref().or(deployed.environment.as_deref());
    Ok(Some(Event {
        id: format!("{place}/deployment_status/{}", of.id),
        at_ms: instant("deployment_status.created_at", &of.created_at)?,
        what,
        subject: Subject {
            revision: Some(revision("deployment.sha", &deployed.sha)?),
            environment: named("deployment_status.environment", environment)?,
            ..subject
        },
    }))
}

fn run(body: &Body, place: &str, subject: Subject) -> Result<Option<Event>, Unread> {
    if body.action.as_deref() != Some("completed") {
        return Ok(None);
    }
    let of = body.workflow_run.as_ref().ok_or_else(|| missing("workflow_run"))?;
    let outcome = match of.conclusion.as_deref() {
        Some("success") => Outcome::Success,
        Some("failure" | "timed_out" | "startup_failure") => Outcome::Failure,
        Some("cancelled" | "stale") => Outcome::Cancelled,
        _ => return Ok(None),
    };
    Ok(Some(Event {
        id: format!("{place}/run/{}/{}", of.id, of.run_attempt),
        at_ms: instant("workflow_run.updated_at", &of.updated_at)?,
        what: What::PipelineRunFinished { outcome },
        subject: Subject { revision: Some(revision("workflow_run.head_sha", &of.head_sha)?), ..subject },
    }))
}
