//! Webhooks of GitHub and GitLab that ask whether something may be deployed, and the bodies of our answers.
//!
//! Not here: whether a message is theirs (its signature is looked at before it is read), and where answers are carried.

use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_core::deployment::{Answer, Finding, Outcome, Source, Target, is_commit};

/// Longest comment that GitHub takes, in characters.
pub const GITHUB_COMMENT_CHARS_MAX: usize = 1_024;
/// Longest description of a status, as GitHub limits it.
const GITHUB_DESCRIPTION_CHARS_MAX: usize = 140;
/// Longest comment for GitLab.
pub const GITLAB_COMMENT_CHARS_MAX: usize = 1_024;

/// A question, as far as the message says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asks {
    /// Repository or project.
    pub path: String,
    /// Environment, or name of the check.
    pub of: String,
    /// What is held.
    pub target: Target,
    /// What the tool says of it.
    pub source: Source,
    /// The address that GitHub wants to be answered at.
    pub callback: Option<String>,
}

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A question.
    Asks(Box<Asks>),
    /// Something that needs no answer, in a word.
    Other(String),
}

/// A message that asks, and not in the form that is documented.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

fn unreadable(why: impl Into<String>) -> Unreadable {
    Unreadable(why.into())
}

#[derive(Deserialize)]
struct GithubBody {
    action: String,
    environment: String,
    deployment_callback_url: String,
    deployment: GithubDeployment,
    repository: GithubRepository,
    #[serde(default)]
    sender: Option<Login>,
    #[serde(default)]
    workflow_run: Option<Identified>,
}

#[derive(Deserialize)]
struct GithubDeployment {
    id: u64,
    #[serde(default)]
    sha: Option<String>,
    #[serde(default, rename = "ref")]
    git_ref: Option<String>,
    #[serde(default)]
    environment: Option<String>,
    #[serde(default)]
    creator: Option<Login>,
}

#[derive(Deserialize)]
struct GithubRepository {
    full_name: String,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

#[derive(Deserialize)]
struct Identified {
    id: u64,
}

/// A webhook of GitHub, of the kind that its header says.
///
/// # Errors
/// When it asks and is not as documented, or its parts are not of the same run.
pub fn github(kind: &str, body: &[u8]) -> Result<Message, Unreadable> {
    if kind != "deployment_protection_rule" {
        return Ok(Message::Other(kind.chars().take(100).collect()));
    }
    let body: GithubBody = serde_json::from_slice(body).map_err(|e| unreadable(format!("read a deployment_protection_rule: {e}")))?;
    if body.action != "requested" {
        return Ok(Message::Other(format!("deployment_protection_rule {}", body.action.chars().take(100).collect::<String>())));
    }
    if let Some(other) = body.deployment.environment.as_ref().filter(|e| **e != body.environment) {
        return Err(unreadable(format!("it is about environment {}, and its deployment about {other}", body.environment)));
    }
    let run = run_of(&body.deployment_callback_url, &body.repository.full_name)?;
    if let Some(other) = body.workflow_run.filter(|w| w.id != run) {
        return Err(unreadable(format!("it is about run {}, and wants to be answered at run {run}", other.id)));
    }
    let login = body.deployment.creator.or(body.sender).map(|who| who.login);
    Ok(Message::Asks(Box::new(Asks {
        target: Target::GithubRule {
            repository: body.repository.full_name.clone(),
            run,
            environment: body.environment.clone(),
            deployment: body.deployment.id,
        },
        path: body.repository.full_name,
        of: body.environment,
        source: Source { git_ref: body.deployment.git_ref, sha: body.deployment.sha, login },
        callback: Some(body.deployment_callback_url),
    })))
}

/// The run of a callback's address, which must be one of this repository.
fn run_of(callback: &str, repository: &str) -> Result<u64, Unreadable> {
    let wrong = || unreadable(format!("the address {callback} is none of a run of {repository}"));
    let rest = callback.strip_suffix("/deployment_protection_rule").ok_or_else(wrong)?;
    let (before, run) = rest.rsplit_once("/actions/runs/").ok_or_else(wrong)?;
    let of = before.rsplit_once("/repos/").map(|(_, of)| of).ok_or_else(wrong)?;
    let digits = !run.is_empty() && run.bytes().all(|b| b.is_ascii_digit());
    let run = run.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
    if of.eq_ignore_ascii_case(repository) { Ok(run) } else { Err(wrong()) }
}

/// Where a rule is answered, under this address of the API.
#[must_use]
pub fn github_callback(api: &str, repository: &str, run: u64) -> String {
    format!("{api}/repos/{repository}/actions/runs/{run}/deployment_protection_rule")
}

/// Where the statuses of a deployment are, under this address of the API.
#[must_use]
pub fn github_statuses(api: &str, repository: &str, deployment: u64) -> String {
    format!("{api}/repos/{repository}/deployments/{deployment}/statuses")
}

/// A status of a deployment; `what` is released.
#[must_use]
pub fn github_status(environment: &str, outcome: Outcome, what: &str) -> Value {
    let said = match outcome {
        Outcome::InProgress => "is being released",
        Outcome::Success => "serves",
        Outcome::Failure => "went back",
        Outcome::Inactive => "serves no more",
    };
    let description: String = format!("Tidegate: {what} {said}").chars().take(GITHUB_DESCRIPTION_CHARS_MAX).collect();
    json!({ "state": outcome, "environment": environment, "description": description })
}

/// What GitHub is told; without a state it is a report, and the job goes on waiting.
#[must_use]
pub fn github_answer(environment: &str, finding: &Finding) -> Value {
    let comment: String = format!("Tidegate: {}", finding.why).chars().take(GITHUB_COMMENT_CHARS_MAX).collect();
    match finding.answer {
        Answer::Yes => json!({ "environment_name": environment, "state": "approved", "comment": comment }),
        Answer::No => json!({ "environment_name": environment, "state": "rejected", "comment": comment }),
        Answer::Waits => json!({ "environment_name": environment, "comment": comment }),
    }
}

#[derive(Deserialize)]
struct GitlabDeploymentBody {
    status: String,
    deployment_id: u64,
    environment: String,
    project: GitlabProject,
    #[serde(default)]
    user: Option<GitlabUser>,
    #[serde(default)]
    commit_url: Option<String>,
    #[serde(default, rename = "ref")]
    git_ref: Option<String>,
}

#[derive(Deserialize)]
struct GitlabProject {
    id: u64,
    path_with_namespace: String,
}

#[derive(Deserialize)]
struct GitlabUser {
    username: String,
}

#[derive(Deserialize)]
struct GitlabCheckBody {
    project: GitlabProject,
    object_attributes: GitlabRequest,
    external_approval_rule: GitlabRule,
    #[serde(default)]
    user: Option<GitlabUser>,
}

#[derive(Deserialize)]
struct GitlabRequest {
    iid: u64,
    last_commit: Identity,
    #[serde(default)]
    source_branch: Option<String>,
    #[serde(default)]
    state: Option<String>,
}

#[derive(Deserialize)]
struct Identity {
    id: String,
}

#[derive(Deserialize)]
struct GitlabRule {
    id: u64,
    name: String,
}

/// A webhook of GitLab: a deployment that is blocked, or an external status check. Which it is stands in its body.
///
/// # Errors
/// When it asks and is not as documented.
pub fn gitlab(body: &[u8]) -> Result<Message, Unreadable> {
    let value: Value = serde_json::from_slice(body).map_err(|e| unreadable(format!("read a webhook of GitLab: {e}")))?;
    let kind = value["object_kind"].as_str().unwrap_or_default().to_owned();
    if kind == "deployment" {
        let body: GitlabDeploymentBody =
            serde_json::from_value(value).map_err(|e| unreadable(format!("read a deployment of GitLab: {e}")))?;
        return Ok(deployment(body));
    }
    if value.get("external_approval_rule").is_some() {
        let body: GitlabCheckBody =
            serde_json::from_value(value).map_err(|e| unreadable(format!("read an external status check of GitLab: {e}")))?;
        return check(body);
    }
    Ok(Message::Other(kind.chars().take(100).collect()))
}

fn deployment(body: GitlabDeploymentBody) -> Message {
    // That it was approved, by us too, is told by the same hook: it asks nothing.
    if body.status != "blocked" {
        return Message::Other(format!("deployment {}", body.status.chars().take(100).collect::<String>()));
    }
    let commit = body.commit_url.as_deref().and_then(|url| url.rsplit_once('/')).map(|(_, sha)| sha.to_owned());
    Message::Asks(Box::new(Asks {
        path: body.project.path_with_namespace,
        of: body.environment,
        target: Target::GitlabDeployment { project: body.project.id, deployment: body.deployment_id },
        source: Source { git_ref: body.git_ref, sha: commit.filter(|sha| is_commit(sha)), login: body.user.map(|u| u.username) },
        callback: None,
    }))
}

fn check(body: GitlabCheckBody) -> Result<Message, Unreadable> {
    if let Some(state) = body.object_attributes.state.as_deref().filter(|state| *state != "opened") {
        return Ok(Message::Other(format!("merge request {}", state.chars().take(100).collect::<String>())));
    }
    let sha = body.object_attributes.last_commit.id;
    if !is_commit(&sha) {
        return Err(unreadable("read an external status check of GitLab: its last commit has no whole id"));
    }
    Ok(Message::Asks(Box::new(Asks {
        path: body.project.path_with_namespace,
        of: body.external_approval_rule.name,
        target: Target::GitlabCheck {
            project: body.project.id,
            request: body.object_attributes.iid,
            check: body.external_approval_rule.id,
            sha: sha.clone(),
        },
        source: Source { git_ref: body.object_attributes.source_branch, sha: Some(sha), login: body.user.map(|u| u.username) },
        callback: None,
    })))
}

/// What GitLab is told of a deployment; none while it waits, for it has no word for that.
#[must_use]
pub fn gitlab_approval(finding: &Finding, represented_as: Option<&str>) -> Option<Value> {
    let status = match finding.answer {
        Answer::Yes => "approved",
        Answer::No => "rejected",
        Answer::Waits => return None,
    };
    let comment: String = format!("Tidegate: {}", finding.why).chars().take(GITLAB_COMMENT_CHARS_MAX).collect();
    let mut body = json!({ "status": status, "comment": comment });
    if let Some(name) = represented_as {
        body["represented_as"] = json!(name);
    }
    Some(body)
}

/// What GitLab is told of a check.
#[must_use]
pub fn gitlab_check(sha: &str, check: u64, finding: &Finding) -> Value {
    let status = match finding.answer {
        Answer::Yes => "passed",
        Answer::No => "failed",
        Answer::Waits => "pending",
    };
    json!({ "sha": sha, "external_status_check_id": check, "status": status })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the shape of GitHub's documentation, without what is not read.
    fn rule() -> Value {
        json!({
            "action": "requested", "environment": "production", "event": "push",
            "deployment_callback_url": "https://api.github.com/repos/acme/shop/actions/runs/1234/deployment_protection_rule",
            "deployment": { "url": "https://api.github.com/repos/acme/shop/deployments/77", "id": 77, "node_id": "x",
                "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "ref": "refs/tags/v3", "task": "deploy", "payload": {},
                "environment": "production", "creator": { "login": "octocat", "id": 1 } },
            "pull_requests": [], "repository": { "id": 5, "full_name": "acme/shop", "name": "shop" },
            "installation": { "id": 9, "node_id": "y" }, "sender": { "login": "hubot", "id": 2 },
        })
    }

    fn read(value: &Value) -> Result<Message, Unreadable> {
        github("deployment_protection_rule", value.to_string().as_bytes())
    }

    #[test]
    fn a_rule_of_github_is_read() {
        let Message::Asks(asks) = read(&rule()).unwrap() else { panic!() };
        let target =
            Target::GithubRule { repository: "acme/shop".to_owned(), run: 1234, environment: "production".to_owned(), deployment: 77 };
        assert_eq!((asks.path.as_str(), asks.of.as_str(), &asks.target), ("acme/shop", "production", &target));
        assert_eq!((asks.source.login.as_deref(), asks.source.git_ref.as_deref()), (Some("octocat"), Some("refs/tags/v3")));
        assert_eq!(asks.callback.as_deref(), Some(github_callback("https://api.github.com", "acme/shop", 1234).as_str()));
        assert_eq!(github("ping", b"{}").unwrap(), Message::Other("ping".to_owned()));
        let mut other = rule();
        other["action"] = json!("completed");
        assert!(matches!(read(&other).unwrap(), Message::Other(_)));
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let url = |path: &str| json!(format!("https://api.github.com{path}"));
        for (key, value, why) in [
            (
                "deployment_callback_url",
                url("/repos/acme/other/actions/runs/1234/deployment_protection_rule"),
                "none of a run of acme/shop",
            ),
            ("deployment_callback_url", url("/repos/acme/shop/actions/runs/12x/deployment_protection_rule"), "none of a run"),
            ("deployment_callback_url", url("/repos/acme/shop/actions/runs/+12/deployment_protection_rule"), "none of a run"),
            ("deployment_callback_url", url("/repos/acme/shop/actions/runs/1/deployment_protection_rule?x"), "none of a run"),
            ("deployment_callback_url", json!("http://evil.example/"), "none of a run"),
            ("workflow_run", json!({ "id": 99 }), "about run 99, and wants to be answered at run 1234"),
            ("environment", json!("staging"), "about environment staging, and its deployment about production"),
            ("deployment", json!({}), "missing field `id`"),
        ] {
            let mut body = rule();
            body[key] = value;
            let found = read(&body).unwrap_err().to_string();
            assert!(found.contains(why), "{key}: {found}");
        }
        assert!(github("deployment_protection_rule", b"[").is_err());
    }

    #[test]
    fn github_is_told_what_became_of_it() {
        assert_eq!(
            github_statuses("https://api.github.com", "acme/shop", 42),
            "https://api.github.com/repos/acme/shop/deployments/42/statuses"
        );
        let status = github_status("production", Outcome::InProgress, "version 3 of checkout");
        let description = "Tidegate: version 3 of checkout is being released";
        assert_eq!(status, json!({ "state": "in_progress", "environment": "production", "description": description }));
        let states =
            [Outcome::Success, Outcome::Failure, Outcome::Inactive].map(|outcome| github_status("p", outcome, "x")["state"].clone());
        assert_eq!(states, ["success", "failure", "inactive"]);
        let long = github_status("p", Outcome::Success, &"é".repeat(900));
        assert_eq!(long["description"].as_str().unwrap().chars().count(), GITHUB_DESCRIPTION_CHARS_MAX);
    }

    #[test]
    fn github_is_answered_in_its_words() {
        let finding = |answer, why: &str| Finding { answer, why: why.to_owned() };
        let yes = github_answer("production", &finding(Answer::Yes, "all is well"));
        assert_eq!(yes, json!({ "environment_name": "production", "state": "approved", "comment": "Tidegate: all is well" }));
        assert_eq!(github_answer("p", &finding(Answer::No, "x"))["state"], "rejected");
        let waits = github_answer("p", &finding(Answer::Waits, &"é".repeat(3_000)));
        assert!(waits.get("state").is_none());
        assert_eq!(waits["comment"].as_str().unwrap().chars().count(), GITHUB_COMMENT_CHARS_MAX);
    }

    /// As GitLab's documentation has it.
    fn blocked() -> Value {
        json!({
            "object_kind": "deployment", "status": "blocked", "status_changed_at": "2021-04-28 21:50:00 +0200", "deployment_id": 15,
            "deployable_id": 796, "deployable_url": "http://gitlab.example/acme/shop/-/jobs/796", "environment": "production",
            "environment_tier": "production", "project": { "id": 30, "name": "shop", "path_with_namespace": "acme/shop" },
            "short_sha": "279484c0", "user": { "id": 1, "name": "Ada", "username": "ada" },
            "commit_url": "http://gitlab.example/acme/shop/-/commit/279484c09fbe69ededfced8c1bb6e6d24616b468", "commit_title": "Add",
        })
    }

    fn merge_request() -> Value {
        json!({
            "object_kind": "merge_request", "event_type": "merge_request", "user": { "id": 1, "username": "ada" },
            "project": { "id": 6, "path_with_namespace": "acme/shop" },
            "object_attributes": { "id": 144, "iid": 4, "source_branch": "v3", "target_branch": "main", "state": "opened",
                "last_commit": { "id": "141be9714669a4c1ccaa013c6a7f3e462ff2a40f" } },
            "external_approval_rule": { "id": 1, "name": "tidegate", "external_url": "https://example.com/" },
        })
    }

    #[test]
    fn webhooks_of_gitlab_are_read_and_answered() {
        let read = |value: &Value| gitlab(value.to_string().as_bytes());
        let Message::Asks(asks) = read(&blocked()).unwrap() else { panic!() };
        assert_eq!((asks.path.as_str(), asks.of.as_str()), ("acme/shop", "production"));
        assert_eq!(asks.target, Target::GitlabDeployment { project: 30, deployment: 15 });
        assert_eq!(asks.source.sha.as_deref(), Some("279484c09fbe69ededfced8c1bb6e6d24616b468"));
        for status in ["approved", "rejected", "running", "success", "failed"] {
            let mut body = blocked();
            body["status"] = json!(status);
            assert_eq!(read(&body).unwrap(), Message::Other(format!("deployment {status}")), "our own approval asks nothing");
        }
        let Message::Asks(asks) = read(&merge_request()).unwrap() else { panic!() };
        let sha = "141be9714669a4c1ccaa013c6a7f3e462ff2a40f".to_owned();
        assert_eq!(asks.target, Target::GitlabCheck { project: 6, request: 4, check: 1, sha: sha.clone() });
        assert_eq!((asks.of.as_str(), asks.source.sha.as_deref()), ("tidegate", Some(sha.as_str())));
        let mut closed = merge_request();
        closed["object_attributes"]["state"] = json!("merged");
        assert!(matches!(read(&closed).unwrap(), Message::Other(_)));
        let mut short = merge_request();
        short["object_attributes"]["last_commit"]["id"] = json!("141be9");
        assert!(read(&short).is_err());
        assert_eq!(read(&json!({ "object_kind": "push" })).unwrap(), Message::Other("push".to_owned()));
        let finding = |answer| Finding { answer, why: "w".to_owned() };
        let approved = gitlab_approval(&finding(Answer::Yes), Some("ops"));
        assert_eq!(approved, Some(json!({ "status": "approved", "comment": "Tidegate: w", "represented_as": "ops" })));
        assert_eq!(gitlab_approval(&finding(Answer::No), None), Some(json!({ "status": "rejected", "comment": "Tidegate: w" })));
        assert_eq!(gitlab_approval(&finding(Answer::Waits), None), None);
        for (answer, status) in [(Answer::Yes, "passed"), (Answer::No, "failed"), (Answer::Waits, "pending")] {
            let wanted = json!({ "sha": sha, "external_status_check_id": 1, "status": status });
            assert_eq!(gitlab_check(&sha, 1, &finding(answer)), wanted);
        }
    }
}
