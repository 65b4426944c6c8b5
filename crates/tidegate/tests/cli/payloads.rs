//! Messages of every tool in their whole shape, as their documentation describes them, with places for canaries: `{{NUMBER}}`.
//!
//! The texts are our own. Where a canary stands, a tool has free text, a name of a person, an address or a secret.

use super::post;
use crate::deployments::signature;

/// A message of a tool.
pub struct Payload {
    /// Source of `events`.
    pub source: &'static str,
    /// What its header says that it is.
    pub kind: &'static str,
    /// Its body.
    pub body: &'static str,
    /// When it happened, as it is written in the body.
    pub at: &'static str,
}

/// A commit.
const SHA: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

/// All of them.
pub const PAYLOADS: [Payload; 15] = [
    Payload { source: "github", kind: "pull_request", body: PULL_REQUEST, at: "2026-03-01T08:00:00Z" },
    Payload { source: "github", kind: "pull_request_review", body: REVIEW, at: "2026-03-01T09:00:00Z" },
    Payload { source: "github", kind: "deployment_status", body: DEPLOYMENT_STATUS, at: "2026-03-01T10:00:00Z" },
    Payload { source: "github", kind: "workflow_run", body: WORKFLOW_RUN, at: "2026-03-01T11:00:00Z" },
    Payload { source: "gitlab", kind: "", body: MERGE_REQUEST, at: "2026-03-01 12:00:00 UTC" },
    Payload { source: "gitlab", kind: "", body: PIPELINE, at: "2026-03-01 13:00:00 UTC" },
    Payload { source: "gitlab", kind: "", body: GITLAB_DEPLOYMENT, at: "2026-03-01 14:00:00 +0000" },
    Payload { source: "jenkins", kind: "", body: JENKINS, at: "1772373600000" },
    Payload { source: "argocd", kind: "", body: ARGO_CD, at: "2026-03-01T15:00:00Z" },
    Payload { source: "rollouts", kind: "", body: ARGO_ROLLOUTS, at: "2026-03-01T16:00:00Z" },
    Payload { source: "spinnaker", kind: "", body: SPINNAKER, at: "1772384400000" },
    Payload { source: "pager", kind: "", body: INCIDENT, at: "2026-03-01T18:00:00Z" },
    Payload { source: "pager", kind: "", body: RESOLVED, at: "2026-03-01T19:00:00Z" },
    Payload { source: "cdevents", kind: "", body: CD_DEPLOYED, at: "2026-03-01T20:00:00Z" },
    Payload { source: "cdevents", kind: "", body: CD_PIPELINE, at: "2026-03-01T21:00:00Z" },
];

const PULL_REQUEST: &str = r#"{ "action": "closed", "number": 41,
  "pull_request": { "id": 1, "number": 41, "state": "closed", "locked": false, "title": "{{0}}", "body": "{{1}}", "html_url": "https://github.com/acme/shop/pull/41?token={{2}}",
    "user": { "login": "{{3}}", "id": 7, "type": "User", "avatar_url": "https://avatars.example/{{4}}" },
    "created_at": "2026-02-28T08:00:00Z", "merged_at": "AT", "closed_at": "AT", "merge_commit_sha": "SHA", "merged": true,
    "head": { "ref": "fix", "sha": "SHA", "label": "{{5}}" }, "base": { "ref": "main", "sha": "SHA" },
    "assignees": [ { "login": "{{3}}" } ], "requested_reviewers": [ { "login": "{{6}}", "name": "{{7}}" } ],
    "labels": [ { "name": "{{8}}", "color": "f29513" } ], "milestone": { "title": "{{9}}" }, "comments": 2, "commits": 3 },
  "repository": { "id": 5, "name": "shop", "full_name": "acme/shop", "private": true, "description": "{{10}}", "homepage": "https://u:{{11}}@shop.example" },
  "sender": { "login": "{{3}}", "email": "{{12}}" } }"#;

const REVIEW: &str = r#"{ "action": "submitted",
  "review": { "id": 80, "state": "approved", "submitted_at": "AT", "body": "{{13}}", "commit_id": "SHA", "user": { "login": "{{6}}", "email": "{{14}}" } },
  "pull_request": { "number": 41, "title": "{{0}}", "user": { "login": "{{3}}" }, "head": { "ref": "{{5}}", "sha": "SHA", "user": { "login": "{{3}}" } } },
  "repository": { "full_name": "acme/shop" }, "sender": { "login": "{{6}}" } }"#;

const DEPLOYMENT_STATUS: &str = r#"{ "action": "created",
  "deployment_status": { "id": 90, "state": "success", "environment": "production", "created_at": "AT", "description": "{{15}}",
    "target_url": "https://ci.example/?key={{16}}", "log_url": "https://ci.example/logs/{{16}}", "creator": { "login": "{{3}}" } },
  "deployment": { "id": 70, "sha": "SHA", "ref": "main", "task": "deploy", "environment": "production", "payload": { "password": "{{17}}" } },
  "repository": { "full_name": "acme/shop" } }"#;

const WORKFLOW_RUN: &str = r#"{ "action": "completed",
  "workflow_run": { "id": 30, "run_attempt": 1, "name": "{{18}}", "display_title": "{{0}}", "head_sha": "SHA", "head_branch": "main", "status": "completed",
    "conclusion": "failure", "created_at": "AT", "updated_at": "AT", "actor": { "login": "{{3}}" },
    "head_commit": { "id": "SHA", "message": "{{19}}", "author": { "name": "{{7}}", "email": "{{12}}" } } },
  "repository": { "full_name": "acme/shop" } }"#;

const MERGE_REQUEST: &str = r#"{ "object_kind": "merge_request", "event_type": "merge_request",
  "user": { "id": 1, "name": "{{20}}", "username": "{{21}}", "email": "{{22}}" },
  "project": { "id": 1, "name": "shop", "path_with_namespace": "acme/shop", "description": "{{10}}", "git_http_url": "https://oauth2:{{23}}@gitlab.example/acme/shop.git" },
  "object_attributes": { "id": 99, "iid": 12, "title": "{{24}}", "description": "{{25}}", "action": "merge", "state": "merged", "merge_commit_sha": "SHA",
    "created_at": "2026-02-28 08:00:00 UTC", "updated_at": "AT", "last_commit": { "id": "SHA", "message": "{{19}}", "author": { "name": "{{20}}", "email": "{{22}}" } } },
  "labels": [ { "title": "{{8}}" } ], "assignees": [ { "name": "{{20}}", "username": "{{21}}" } ] }"#;

const PIPELINE: &str = r#"{ "object_kind": "pipeline",
  "object_attributes": { "id": 31, "iid": 3, "ref": "main", "sha": "SHA", "status": "success", "created_at": "AT", "finished_at": "AT", "duration": 63,
    "variables": [ { "key": "DEPLOY_TOKEN", "value": "{{26}}" } ], "url": "https://gitlab.example/?private_token={{26}}" },
  "user": { "name": "{{20}}", "username": "{{21}}", "email": "{{22}}" }, "project": { "path_with_namespace": "acme/shop" },
  "commit": { "id": "SHA", "message": "{{27}}", "author": { "name": "{{20}}", "email": "{{22}}" } },
  "builds": [ { "id": 380, "stage": "deploy", "name": "{{28}}", "status": "success", "runner": { "description": "{{29}}" } } ] }"#;

const GITLAB_DEPLOYMENT: &str = r#"{ "object_kind": "deployment", "status": "success", "status_changed_at": "AT", "deployment_id": 15, "deployable_id": 796,
  "deployable_url": "https://gitlab.example/-/jobs/796?t={{26}}", "environment": "staging", "environment_external_url": "https://{{30}}@staging.example",
  "project": { "path_with_namespace": "acme/shop" }, "short_sha": "279484c0", "user": { "name": "{{20}}", "username": "{{21}}" },
  "user_url": "https://gitlab.example/{{21}}", "commit_url": "https://gitlab.example", "commit_title": "{{27}}" }"#;

const JENKINS: &str = r#"{ "name": "main", "display_name": "{{31}}", "url": "job/shop/job/main/",
  "build": { "full_url": "https://{{32}}@ci.example/job/shop/7", "number": 7, "queue_id": 1, "timestamp": AT, "duration": 5, "phase": "COMPLETED", "status": "SUCCESS",
    "parameters": { "AWS_SECRET_ACCESS_KEY": "{{33}}", "NOTIFY": "{{34}}" }, "log": "{{35}}", "notes": "{{36}}",
    "scm": { "url": "https://ci:{{37}}@git.example/acme/shop.git", "branch": "origin/main", "commit": "SHA", "culprits": [ "{{38}}" ], "changes": [ "{{36}}" ] },
    "artifacts": { "a.jar": { "archive": "https://ci.example/?sig={{32}}" } } } }"#;

const ARGO_CD: &str = r#"{ "app": { "metadata": { "name": "shop", "namespace": "argocd", "annotations": { "mail": "{{39}}", "kubectl": "{{40}}" }, "labels": { "owner": "{{41}}" } },
  "spec": { "project": "default", "source": { "repoURL": "https://bot:{{42}}@git.example/acme/shop.git", "path": "deploy", "helm": { "parameters": [ { "name": "db.password", "value": "{{43}}" } ] } },
    "destination": { "server": "https://cluster.example", "namespace": "production" } },
  "status": { "operationState": { "phase": "Succeeded", "message": "{{44}}", "startedAt": "AT", "finishedAt": "AT", "operation": { "initiatedBy": { "username": "{{41}}" } },
    "syncResult": { "revision": "SHA" } }, "health": { "status": "Healthy", "message": "{{44}}" } } } }"#;

const ARGO_ROLLOUTS: &str = r#"{ "rollout": { "metadata": { "name": "shop", "namespace": "production", "annotations": { "mail": "{{39}}" } },
  "spec": { "template": { "spec": { "containers": [ { "name": "c", "image": "shop:1", "env": [ { "name": "API_KEY", "value": "{{45}}" } ] } ] } } },
  "status": { "phase": "Healthy", "message": "{{44}}", "currentPodHash": "6c9f7d4b5d",
    "conditions": [ { "type": "Healthy", "status": "True", "lastUpdateTime": "AT", "message": "{{44}}" } ] } } }"#;

const SPINNAKER: &str = r#"{ "details": { "source": "orca", "type": "orca:pipeline:complete", "created": "AT", "application": "shop", "requestHeaders": { "authorization": [ "Bearer {{46}}" ] } },
  "content": { "execution": { "id": "01HV", "application": "shop", "name": "{{28}}", "status": "SUCCEEDED", "startTime": AT, "endTime": AT,
    "authentication": { "user": "{{12}}" }, "trigger": { "user": "{{12}}", "parameters": { "pin": "{{47}}" } }, "stages": [ { "context": { "secret": "{{46}}" } } ] } } }"#;

const INCIDENT: &str = r#"{ "event": { "id": "01BO", "event_type": "incident.triggered", "resource_type": "incident", "occurred_at": "AT",
  "agent": { "id": "PT", "type": "user_reference", "summary": "{{7}}", "html_url": "https://acme.pagerduty.example/users/{{48}}" }, "client": { "name": "{{29}}" },
  "data": { "id": "Q1MD", "type": "incident", "self": "https://api.pagerduty.example/incidents/Q1MD", "number": 3, "status": "triggered", "incident_key": "{{49}}", "title": "{{44}}",
    "service": { "id": "PF", "summary": "shop" }, "assignees": [ { "id": "PT", "summary": "{{7}}" } ], "conference_bridge": { "conference_number": "{{48}}" } } } }"#;

const RESOLVED: &str = r#"{ "event": { "id": "01BP", "event_type": "incident.resolved", "resource_type": "incident", "occurred_at": "AT", "agent": { "summary": "{{7}}" },
  "data": { "id": "Q1MD", "type": "incident", "title": "{{44}}", "resolve_reason": "{{1}}", "service": { "id": "PF", "summary": "shop" } } } }"#;

const CD_DEPLOYED: &str = r#"{ "specversion": "1.0", "id": "cd-1", "source": "/ci", "type": "dev.cdevents.service.deployed.0.3.0", "subject": "shop", "traceparent": "{{49}}",
  "data": { "context": { "version": "0.5.1", "id": "cd-1", "source": "/ci", "type": "dev.cdevents.service.deployed.0.3.0", "timestamp": "AT", "chainId": "{{49}}" },
    "subject": { "id": "shop", "source": "/ci", "type": "service", "content": { "environment": { "id": "production", "name": "{{29}}" }, "artifactId": "pkg:oci/shop?token={{46}}" } },
    "customData": { "by": "{{12}}", "note": "{{35}}", "card": "{{47}}" }, "customDataContentType": "application/json" } }"#;

const CD_PIPELINE: &str = r#"{ "context": { "version": "0.5.1", "id": "cd-2", "source": "/ci", "type": "dev.cdevents.pipelinerun.finished.0.2.0", "timestamp": "AT", "links": [ { "url": "https://ci.example/{{16}}" } ] },
  "subject": { "id": "/runs/7", "source": "/ci", "type": "pipelineRun", "content": { "pipelineName": "build", "url": "https://{{30}}@ci.example", "outcome": "fail", "errors": "{{35}}" } }, "customData": "{{33}}" }"#;

impl Payload {
    /// The message with these canaries, of a time.
    pub fn with(&self, canaries: &[String], at: &str) -> String {
        let text = self
            .body
            .replace("SHA", SHA)
            .replace("AT\"", &format!("{at}\""))
            .replace("AT,", &format!("{at},"))
            .replace("AT }", &format!("{at} }}"));
        canaries.iter().enumerate().fold(text, |text, (n, canary)| text.replace(&format!("{{{{{n}}}}}"), canary))
    }

    /// Sends it; the status and the answer.
    pub fn send(&self, address: &str, body: &str, secret: &str) -> (u16, String) {
        let signed = signature(secret, body).unwrap();
        let headers = match self.source {
            "github" => vec![("x-github-event", self.kind.to_owned()), ("x-hub-signature-256", format!("sha256={signed}"))],
            "gitlab" => vec![("x-gitlab-token", secret.to_owned())],
            "pager" => vec![("x-pagerduty-signature", format!("v1={signed}"))],
            _ => vec![("authorization", format!("Bearer {secret}"))],
        };
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (status, answer) = post(address, &format!("/webhooks/events/{}", self.source), &headers, body);
        (status, answer.to_string())
    }
}
