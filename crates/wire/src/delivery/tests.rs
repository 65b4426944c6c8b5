//! Messages as the tools send them, with things planted in them that must go nowhere.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_core::delivery::{Outcome, Trigger, What};

/// Planted wherever a tool has room for what people write.
const PLANTED: [&str; 6] =
    ["Ada Lovelace", "ada@example.org", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "hunter2", "+44 20 7946 0958", "ada-login"];
/// 2026-03-01T12:00:00Z.
const NOW_MS: i64 = 1_772_366_400_000;
const SHA: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";
const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

fn told(tool: Tool, kind: Option<&str>, body: &Value) -> Result<Vec<Event>, Unread> {
    let text = body.to_string();
    read(tool, Message { kind, cloud: None, body: text.as_bytes(), now_ms: NOW_MS, services: &[] }, &|login| format!("p{}", login.len()))
}

fn one(tool: Tool, kind: Option<&str>, body: &Value) -> Event {
    let events = told(tool, kind, body).unwrap();
    let text = serde_json::to_string(&events).unwrap();
    for planted in PLANTED {
        assert!(!text.contains(planted), "{planted} in {text}");
    }
    let [event] = <[Event; 1]>::try_from(events).unwrap();
    event
}

fn person() -> Value {
    json!({ "login": "ada-login", "username": "ada-login", "name": "Ada Lovelace", "email": "ada@example.org", "summary": "Ada Lovelace" })
}

fn github(action: &str) -> Value {
    let request = json!({ "number": 42, "title": "Fix hunter2", "body": "call +44 20 7946 0958", "user": person(), "merged": true,
        "merge_commit_sha": SHA, "created_at": "2026-02-27T08:00:00Z", "merged_at": "2026-02-28T09:30:00Z", "closed_at": "2026-02-28T09:30:00Z",
        "head": { "ref": "ada@example.org", "sha": HEAD } });
    json!({ "action": action, "repository": { "full_name": "acme/shop", "description": "ghp_16C7e42F292c6912E7710c838347Ae178B4a" },
        "sender": person(), "pull_request": request,
        "review": { "id": 80, "state": "approved", "body": "hunter2", "submitted_at": "2026-02-28T08:00:00Z", "user": person() } })
}

#[test]
fn github_tells_of_changes_reviews_deployments_and_runs() {
    let kind = Some("pull_request");
    let merged = one(Tool::Github, kind, &github("closed"));
    assert_eq!((merged.what, merged.at_ms), (What::ChangeMerged, 1_772_271_000_000));
    let subject = &merged.subject;
    assert_eq!((subject.repository.as_deref(), subject.change, subject.revision.as_deref()), (Some("acme/shop"), Some(42), Some(SHA)));
    assert_eq!(subject.actor.as_deref(), Some("p9"));
    let opened = one(Tool::Github, kind, &github("opened"));
    assert_eq!((opened.what, opened.subject.revision.as_deref()), (What::ChangeCreated, Some(HEAD)), "the newest commit that is proposed");
    let mut closed = github("closed");
    closed["pull_request"]["merged"] = json!(false);
    let closed = one(Tool::Github, kind, &closed);
    assert_eq!((closed.what, closed.subject.revision), (What::ChangeAbandoned, None), "what was not let in has no commit");
    let review = one(Tool::Github, Some("pull_request_review"), &github("submitted"));
    assert_eq!((review.what, review.subject.revision.as_deref()), (What::ChangeReviewed { approved: true }, Some(HEAD)));
    assert_eq!(told(Tool::Github, kind, &github("labeled")), Ok(vec![]));
    assert_eq!(told(Tool::Github, Some("ping"), &json!({ "zen": "hunter2" })), Ok(vec![]));

    let mut body = github("created");
    body["deployment"] = json!({ "sha": SHA, "environment": "production", "payload": { "token": "hunter2" }, "creator": person() });
    body["deployment_status"] = json!({ "id": 9, "state": "failure", "created_at": "2026-02-28T10:00:00Z", "description": "hunter2",
        "environment": "production", "log_url": "https://ada@example.org/x" });
    let deployed = one(Tool::Github, Some("deployment_status"), &body);
    assert_eq!(deployed.what, What::DeploymentFinished { outcome: Outcome::Failure });
    assert_eq!((deployed.id.as_str(), deployed.subject.environment.as_deref()), ("acme/shop/deployment_status/9", Some("production")));
    body = github("completed");
    body["workflow_run"] = json!({ "id": 7, "run_attempt": 2, "head_sha": SHA, "conclusion": "timed_out", "updated_at": "2026-02-28T10:00:00Z",
        "name": "hunter2", "actor": person(), "head_commit": { "message": "Ada Lovelace", "author": person() } });
    let run = one(Tool::Github, Some("workflow_run"), &body);
    assert_eq!((run.what, run.id.as_str()), (What::PipelineRunFinished { outcome: Outcome::Failure }, "acme/shop/run/7/2"));
}

#[test]
fn gitlab_tells_of_merge_requests_pipelines_and_deployments() {
    let project = json!({ "path_with_namespace": "acme/tools/shop", "description": "hunter2", "ci_config_path": null });
    let attributes = json!({ "id": 99, "iid": 5, "title": "hunter2", "action": "merge", "merge_commit_sha": SHA, "created_at": "2026-02-27 08:00:00 UTC",
        "updated_at": "2026-02-28 09:30:00 UTC", "last_commit": { "id": HEAD, "message": "hunter2", "author": person() } });
    let body = json!({ "object_kind": "merge_request", "user": person(), "project": project, "object_attributes": attributes, "assignees": [person()] });
    let merged = one(Tool::Gitlab, None, &body);
    assert_eq!((merged.what, merged.at_ms, merged.subject.change), (What::ChangeMerged, 1_772_271_000_000, Some(5)));
    assert_eq!((merged.subject.repository.as_deref(), merged.subject.revision.as_deref()), (Some("acme/tools/shop"), Some(SHA)));
    let other = |action: &str, merge: Value| {
        let mut body = body.clone();
        body["object_attributes"]["action"] = json!(action);
        body["object_attributes"]["merge_commit_sha"] = merge;
        one(Tool::Gitlab, None, &body)
    };
    assert_eq!(other("merge", Value::Null).subject.revision.as_deref(), Some(HEAD), "without a commit of its own, it is what was proposed");
    let approved = other("approved", Value::Null);
    assert_eq!((approved.what, approved.subject.revision.as_deref()), (What::ChangeReviewed { approved: true }, Some(HEAD)));
    assert_eq!(other("close", Value::Null).subject.revision, None);

    let body = json!({ "object_kind": "pipeline", "user": person(), "project": project, "commit": { "message": "hunter2", "author": person() },
        "object_attributes": { "id": 31, "status": "failed", "sha": SHA, "finished_at": "2026-02-28 09:30:00 UTC", "variables": [{ "key": "K", "value": "hunter2" }] } });
    assert_eq!(one(Tool::Gitlab, None, &body).what, What::PipelineRunFinished { outcome: Outcome::Failure });

    let body = json!({ "object_kind": "deployment", "status": "success", "status_changed_at": "2026-02-28 11:30:00 +0200", "deployment_id": 15,
        "environment": "staging", "project": project, "short_sha": "279484c0", "user": person(), "commit_title": "hunter2" });
    let deployed = one(Tool::Gitlab, None, &body);
    assert_eq!((deployed.what, deployed.at_ms), (What::DeploymentFinished { outcome: Outcome::Success }, 1_772_271_000_000));
    assert_eq!((deployed.subject.revision.as_deref(), deployed.id.as_str()), (Some("279484c0"), "acme/tools/shop/deployments/15/success"));
    assert_eq!(told(Tool::Gitlab, None, &json!({ "object_kind": "note", "object_attributes": { "note": "hunter2" } })), Ok(vec![]));
    assert_eq!(
        told(Tool::Gitlab, None, &json!({ "object_kind": "build", "environment": { "name": "production" } })),
        Ok(vec![]),
        "of another shape"
    );
}

#[test]
fn jenkins_tells_of_builds_once() {
    let build = |phase: &str, status: &str| {
        json!({ "name": "main", "display_name": "hunter2", "url": "job/shop build/job/main/", "build": { "number": 18, "phase": phase, "status": status,
            "timestamp": 1_772_271_000_000_i64, "duration": 1_000_000, "full_url": "https://ada@example.org/job/shop/18/", "log": "hunter2",
            "scm": { "url": "https://ada:hunter2@git.example.org/acme/shop.git", "branch": "origin/main", "commit": SHA, "culprits": ["Ada Lovelace"] },
            "parameters": { "TOKEN": "hunter2" } } })
    };
    let why = told(Tool::Jenkins, None, &build("COMPLETED", "UNSTABLE")).unwrap_err().to_string();
    assert_eq!(why, "the name of the service has a space and is no name that `services` of its source lists");
    let build = |phase: &str, status: &str| {
        let mut build = build(phase, status);
        build["url"] = json!("job/shop-build/job/main/");
        build
    };
    let ended = one(Tool::Jenkins, None, &build("COMPLETED", "UNSTABLE"));
    assert_eq!((ended.what, ended.at_ms), (What::PipelineRunFinished { outcome: Outcome::Failure }, 1_772_271_000_000));
    assert_eq!((ended.id.as_str(), ended.subject.repository.as_deref()), ("shop-build/main/18", Some("acme/shop")));
    assert_eq!(one(Tool::Jenkins, None, &build("FINALIZED", "UNSTABLE")).id, ended.id);
    assert_eq!(told(Tool::Jenkins, None, &build("STARTED", "")), Ok(vec![]));
}

const FAILED: What = What::DeploymentFinished { outcome: Outcome::Failure };

fn whats(tool: Tool, kind: Option<&str>, body: &Value) -> Vec<What> {
    let events = told(tool, kind, body).unwrap();
    let text = serde_json::to_string(&events).unwrap();
    assert!(PLANTED.iter().all(|planted| !text.contains(planted)), "{text}");
    events.into_iter().map(|event| event.what).collect()
}

fn back(trigger: Option<Trigger>) -> What {
    What::ServiceRolledBack { trigger }
}

#[test]
fn argo_says_what_set_an_abort_off() {
    let aborted = |more: Value, message: &str| {
        let mut status = json!({ "phase": "Degraded", "abort": true, "abortedAt": "2026-02-28T09:30:00Z", "currentPodHash": "c87f5d8cb",
            "conditions": [{ "type": "Progressing", "status": "False", "reason": "RolloutAborted", "lastUpdateTime": "2026-02-28T09:30:00Z", "message": message }] });
        for (name, value) in more.as_object().unwrap() {
            status[name] = value.clone();
        }
        let body = json!({ "rollout": { "metadata": { "name": "checkout", "namespace": "prod" }, "status": status } });
        whats(Tool::Argo, None, &body)
    };
    let plain = |message: &str| aborted(json!({}), message)[1];
    let to = "Rollout aborted update to revision 12";
    assert_eq!(aborted(json!({}), to), [FAILED, back(Some(Trigger::Manual))]);
    for (message, trigger) in [
        (": metric \"hunter2\" assessed Failed due to failed (1) > failureLimit (0)", Some(Trigger::Analysis)),
        (": Step-based analysis phase error/failed: Metric \"web\" assessed Error due to consecutiveErrors (5)", Some(Trigger::Analysis)),
        (": ReplicaSet \"checkout-c87f5d8cb\" has timed out progressing.", Some(Trigger::Health)),
        (": a plugin said hunter2", None),
    ] {
        assert_eq!(plain(&format!("{to}{message}")), back(trigger), "{message}");
    }
    assert_eq!(plain("another sentence"), back(None));
    // Where an analysis has failed the sentence need not say so.
    let run = |status: &str| json!({ "canary": { "currentStepAnalysisRunStatus": { "name": "checkout-1", "status": status, "message": "hunter2" } } });
    assert_eq!(aborted(run("Failed"), to)[1], back(Some(Trigger::Analysis)));
    assert_eq!(aborted(run("Successful"), to)[1], back(Some(Trigger::Manual)));
    assert_eq!(
        aborted(json!({ "blueGreen": { "postPromotionAnalysisRunStatus": { "status": "Error" } } }), to)[1],
        back(Some(Trigger::Analysis))
    );
}

#[test]
fn argo_cd_goes_back_where_somebody_takes_what_stood_there_before() {
    let synced = |revisions: &[&str], automated: bool| {
        let history: Vec<Value> = revisions.iter().enumerate().map(|(id, revision)| json!({ "id": id, "revision": revision })).collect();
        let by = if automated { json!({ "automated": true }) } else { json!({ "username": "ada-login" }) };
        let operation = json!({ "phase": "Succeeded", "startedAt": "2026-02-28T09:00:00Z", "finishedAt": "2026-02-28T09:30:00Z",
            "syncResult": { "revision": revisions.last() }, "operation": { "sync": { "prune": true }, "initiatedBy": by } });
        let body = json!({ "app": { "metadata": { "name": "checkout" }, "status": { "operationState": operation, "history": history } } });
        whats(Tool::Argo, None, &body)
    };
    let fine = What::DeploymentFinished { outcome: Outcome::Success };
    assert_eq!(synced(&[SHA, HEAD, SHA], false), [back(Some(Trigger::Manual))]);
    assert_eq!(synced(&[SHA, HEAD, SHA], true), [fine], "it follows the repository");
    for forward in [&[SHA, HEAD][..], &[SHA, HEAD, HEAD], &[HEAD, HEAD], &[SHA]] {
        assert_eq!(synced(forward, false), [fine], "{forward:?}");
    }
}

#[test]
fn others_say_what_they_took_back_and_why() {
    let spinnaker = |status: &str, begun: &str, stages: &[(&str, &str, bool)]| {
        let stage = |(kind, status, inner): &(&str, &str, bool)| {
            json!({ "type": kind, "status": status, "context": { "reason": "hunter2" },
            "parentStageId": inner.then_some("01HX") })
        };
        let execution = json!({ "id": "01HX9K", "application": "checkout", "status": status, "endTime": 1_772_271_000_000_i64,
            "trigger": { "type": begun, "user": "ada@example.org" }, "stages": stages.iter().map(stage).collect::<Vec<_>>() });
        whats(Tool::Spinnaker, None, &json!({ "details": { "type": "orca:pipeline:complete" }, "content": { "execution": execution } }))
    };
    let (good, bad) = ("SUCCEEDED", "TERMINAL");
    let fine = What::DeploymentFinished { outcome: Outcome::Success };
    let undone = ("undoRolloutManifest", good, false);
    assert_eq!(spinnaker(good, "manual", &[("deployManifest", good, false)]), [fine]);
    assert_eq!(spinnaker(good, "manual", &[undone]), [back(Some(Trigger::Manual))]);
    assert_eq!(spinnaker(good, "pipeline", &[undone]), [back(None)]);
    assert_eq!(spinnaker(bad, "manual", &[undone, ("wait", bad, false)]), [back(Some(Trigger::Manual))]);
    let cluster = [("deploy", bad, false), ("rollbackCluster", good, true), ("rollbackServerGroup", good, true)];
    assert_eq!(spinnaker(bad, "git", &cluster), [FAILED, back(Some(Trigger::Health))]);
    let judged = [("deployManifest", good, false), ("kayentaCanary", bad, false), undone];
    assert_eq!(
        spinnaker(good, "manual", &judged),
        [FAILED, back(Some(Trigger::Analysis))],
        "it ended well, and what it rolled out is gone"
    );
    let after = [("deployManifest", good, false), ("runJob", bad, false), undone];
    assert_eq!(spinnaker(bad, "manual", &after), [FAILED, back(None)], "who began it asked for no rollback");
    assert_eq!(spinnaker(bad, "git", &[("deploy", bad, false), ("rollbackCluster", bad, true)]), [FAILED], "it could not go back");

    let github = |task: &str, state: &str, payload: Value| {
        let mut body = github("created");
        body["deployment"] = json!({ "sha": SHA, "environment": "production", "task": task, "payload": payload, "creator": person() });
        body["deployment_status"] = json!({ "id": 9, "state": state, "created_at": "2026-02-28T10:00:00Z", "description": "hunter2" });
        whats(Tool::Github, Some("deployment_status"), &body)
    };
    assert_eq!(github("deploy", "success", json!("")), [fine]);
    assert_eq!(github("rollback", "success", json!("hunter2")), [back(None)]);
    assert_eq!(github("rollback:web", "success", json!({ "trigger": "alert", "by": "hunter2" })), [back(Some(Trigger::Alert))]);
    assert_eq!(github("rollback", "failure", json!({})), [FAILED]);

    let cdevent = |custom: Value| {
        let context =
            json!({ "id": "e1", "source": "/ci", "type": "dev.cdevents.service.rolledback.0.3.0", "timestamp": "2026-02-28T09:30:00Z" });
        let event = json!({ "context": context, "subject": { "id": "checkout", "content": { "environment": { "id": "prod" } } }, "customData": custom });
        [whats(Tool::Cdevents, None, &event), whats(Tool::Cdevents, None, &json!({ "specversion": "1.0", "data": event }))]
    };
    for (custom, trigger) in [
        (json!({ "trigger": "analysis", "text": "hunter2" }), Some(Trigger::Analysis)),
        (json!({ "trigger": "hunter2" }), None),
        (json!({ "trigger": ["manual"] }), None),
        (json!("manual"), None),
        (Value::Null, None),
    ] {
        assert_eq!(cdevent(custom.clone()), [[back(trigger)], [back(trigger)]], "{custom}");
    }
}

#[test]
fn argo_tells_of_applications_and_rollouts() {
    let app = json!({ "app": { "metadata": { "name": "checkout", "annotations": { "note": "hunter2" } },
        "spec": { "source": { "repoURL": "git@github.com:acme/deploy.git", "helm": { "values": "hunter2" } }, "destination": { "namespace": "shop-prod" } },
        "status": { "operationState": { "phase": "Failed", "message": "hunter2", "startedAt": "2026-02-28T09:00:00Z", "finishedAt": "2026-02-28T09:30:00Z",
            "syncResult": { "revision": SHA }, "operation": { "initiatedBy": { "username": "ada-login" } } } } } });
    let synced = one(Tool::Argo, None, &app);
    assert_eq!(synced.what, What::DeploymentFinished { outcome: Outcome::Failure });
    let of = synced.subject;
    assert_eq!(
        (of.service.as_deref(), of.repository.as_deref(), of.environment.as_deref()),
        (Some("checkout"), Some("acme/deploy"), Some("shop-prod"))
    );

    let rollout = |status: Value| json!({ "rollout": { "metadata": { "name": "checkout", "namespace": "prod", "managedFields": "hunter2" }, "status": status } });
    let conditions = json!([{ "type": "Healthy", "lastUpdateTime": "2026-02-28T09:30:00Z", "message": "hunter2" }]);
    let healthy = one(Tool::Argo, None, &rollout(json!({ "phase": "Healthy", "currentPodHash": "5f8c9", "conditions": conditions })));
    assert_eq!((healthy.what, healthy.at_ms), (What::DeploymentFinished { outcome: Outcome::Success }, 1_772_271_000_000));
    let status = json!({ "phase": "Degraded", "abort": true, "abortedAt": "2026-02-28T09:30:00Z", "message": "hunter2" });
    let aborted = told(Tool::Argo, None, &rollout(status)).unwrap();
    let [failed, back] = &aborted[..] else { panic!("{aborted:?}") };
    assert_eq!((failed.what, back.what), (FAILED, What::ServiceRolledBack { trigger: None }));
    assert_eq!(
        (failed.id.as_str(), failed.at_ms, &failed.subject),
        ("rollout/prod/checkout//aborted/1772271000000", back.at_ms, &back.subject)
    );
    assert_eq!(back.id, format!("{}/rolled-back", failed.id));
    assert_eq!(told(Tool::Argo, None, &rollout(json!({ "phase": "Progressing" }))), Ok(vec![]));
}

#[test]
fn spinnaker_pagerduty_and_cdevents_tell_theirs() {
    let body = json!({ "details": { "source": "orca", "type": "orca:pipeline:failed", "application": "hunter2" }, "content": { "execution": {
        "id": "01HX9K", "application": "checkout", "status": "TERMINAL", "startTime": 1_772_270_000_000_i64, "endTime": 1_772_271_000_000_i64,
        "trigger": { "user": "ada@example.org", "parameters": { "t": "hunter2" } }, "stages": [{ "context": "hunter2" }] } } });
    let ended = one(Tool::Spinnaker, None, &body);
    assert_eq!((ended.what, ended.at_ms), (What::DeploymentFinished { outcome: Outcome::Failure }, 1_772_271_000_000));

    let incident = |kind: &str| {
        json!({ "event": { "id": format!("01{kind}"), "event_type": kind, "occurred_at": "2026-02-28T09:30:00.123Z", "agent": person(),
            "data": { "id": "Q1MDRCXB7Z", "type": "incident", "title": "hunter2 is down", "service": { "id": "PF9", "summary": "checkout" }, "assignees": [person()] } } })
    };
    let detected = one(Tool::Pagerduty, None, &incident("incident.triggered"));
    assert_eq!((detected.what, detected.subject.incident.as_deref()), (What::IncidentDetected, Some("Q1MDRCXB7Z")));
    assert_eq!(one(Tool::Pagerduty, None, &incident("incident.resolved")).what, What::IncidentResolved);
    assert_eq!(told(Tool::Pagerduty, None, &incident("incident.annotated")), Ok(vec![]));

    let event = json!({ "context": { "specversion": "0.5.1", "id": "e1", "source": "/ci/tool", "type": "dev.cdevents.pipelinerun.finished.0.3.0",
        "timestamp": "2026-02-28T09:30:00Z" }, "subject": { "id": "checkout", "content": { "outcome": "failure", "errors": "hunter2", "uri": "ada@example.org" } },
        "customData": { "who": "Ada Lovelace" } });
    let plain = one(Tool::Cdevents, None, &event);
    assert_eq!((plain.what, plain.id.as_str()), (What::PipelineRunFinished { outcome: Outcome::Failure }, "ci/tool/e1"));
    let wrapped = json!({ "specversion": "1.0", "id": "x", "source": "/b", "type": "t", "subject": "/runs/7", "data": event });
    assert_eq!(one(Tool::Cdevents, None, &wrapped), plain);
    assert_eq!(plain.subject.service, None, "a run's identifier is no service");
}

#[test]
fn addresses_of_repositories_lose_what_stands_before_the_path() {
    let of = |address: &str| repository("r", Some(address));
    for address in [
        "https://ci:hunter2@git.example.org/acme/shop.git",
        "git@github.com:acme/shop.git",
        "https://github.com/acme/shop/",
        "acme/shop",
        "ci:acme/shop",
    ] {
        assert_eq!(of(address), Ok(Some("acme/shop".to_owned())), "{address}");
    }
    for address in ["https://ci:hunter2@gitserver", "https://hunter2@gitserver/"] {
        assert_eq!(of(address), Ok(None), "{address}");
    }
    for address in ["u:hunter2@gitserver:acme/shop", "ssh://git/hunter2@x"] {
        let said = format!("{:?}", of(address));
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// Every message of these tests, for what is done to all of them.
fn all() -> Vec<(Tool, Option<&'static str>, Value)> {
    let commit = json!({ "context": { "id": "1", "source": "s", "type": "dev.cdevents.change.merged.0.3.0", "timestamp": "2026-02-28T09:30:00Z" },
        "subject": { "id": "acme/shop/42", "content": { "repository": { "id": "acme/shop" } } } });
    let incident =
        json!({ "event": { "id": "1", "event_type": "incident.triggered", "occurred_at": "2026-02-28T09:30:00Z", "data": { "id": "Q" } } });
    vec![(Tool::Github, Some("pull_request"), github("closed")), (Tool::Cdevents, None, commit), (Tool::Pagerduty, None, incident)]
}

#[test]
fn what_is_cut_too_long_or_of_the_future_is_kept_aside_and_not_repeated() {
    for (tool, kind, body) in all() {
        let text = body.to_string();
        for cut in [0, 1, text.len() / 2, text.len() - 1] {
            let read =
                read(tool, Message { kind, cloud: None, body: &text.as_bytes()[..cut], now_ms: NOW_MS, services: &[] }, &|_| String::new());
            let why = read.unwrap_err().to_string();
            assert!(PLANTED.iter().all(|planted| !why.contains(planted)) && why.starts_with("the body is no "), "{why}");
        }
        let early = Message { kind, cloud: None, body: text.as_bytes(), now_ms: 1_000, services: &[] };
        let why = read(tool, early, &|_| String::new()).unwrap_err();
        assert_eq!(why.to_string(), "its time is no time of the past");
    }
    let long = vec![b' '; BODY_BYTES_MAX + 1];
    let why = read(Tool::Gitlab, Message { kind: None, cloud: None, body: &long, now_ms: NOW_MS, services: &[] }, &|_| String::new())
        .unwrap_err();
    assert_eq!(why, Unread::Long { bytes: BODY_BYTES_MAX + 1 });
}

#[test]
fn what_stands_where_a_name_should_is_refused_and_not_repeated() {
    for planted in PLANTED.into_iter().filter(|planted| !["hunter2", "ada-login"].contains(planted)) {
        let mut body = github("closed");
        body["repository"]["full_name"] = json!(planted);
        let why = told(Tool::Github, Some("pull_request"), &body).unwrap_err().to_string();
        assert!(["repository.full_name is no name", "repository.full_name is no name without a space"].contains(&why.as_str()), "{why}");
    }
    let mut body = github("closed");
    body["pull_request"]["merged_at"] = json!("hunter2");
    assert_eq!(told(Tool::Github, Some("pull_request"), &body).unwrap_err().to_string(), "pull_request.merged_at is no time of the past");
}

#[test]
fn a_name_with_a_space_is_a_service_where_the_workspace_says_so() {
    let incident = |service: &str| {
        json!({ "event": { "id": "1", "event_type": "incident.triggered", "occurred_at": "2026-02-28T09:30:00Z",
            "data": { "id": "Q", "service": { "summary": service } } } })
    };
    let services = ["Checkout API".to_owned()];
    let told = |service: &str| {
        let body = incident(service).to_string();
        read(Tool::Pagerduty, Message { kind: None, cloud: None, body: body.as_bytes(), now_ms: NOW_MS, services: &services }, &|_| {
            String::new()
        })
    };
    assert_eq!(told("Checkout API").unwrap()[0].subject.service.as_deref(), Some("Checkout API"));
    assert_eq!(told("checkout").unwrap()[0].subject.service.as_deref(), Some("checkout"));
    for name in ["Ada Lovelace", "Checkout  API", "Checkout API two"] {
        let why = told(name).unwrap_err().to_string();
        assert!(why.contains("`services` of its source") && !why.contains("Ada"), "{why}");
    }
}

#[test]
fn attributes_in_headers_are_those_of_a_context_that_is_not_there() {
    let headers = |marks: char| {
        let of = [("id", "e1"), ("source", "/ci"), ("type", "dev.cdevents.service.deployed.0.3.0"), ("time", "2026-02-28T09:30:00Z")];
        of.map(|(name, value)| (format!("{}{marks}{name}", if marks == '_' { "ce" } else { "CE" }), value.to_owned())).to_vec()
    };
    let body = json!({ "subject": { "id": "shop", "content": {} } }).to_string();
    let with = |cloud, body: &str| {
        read(Tool::Cdevents, Message { kind: None, cloud, body: body.as_bytes(), now_ms: NOW_MS, services: &[] }, &|_| String::new())
    };
    let kafka = headers('_');
    let event = with(Attributes::of(&kafka), &body).unwrap().remove(0);
    assert_eq!((event.id.as_str(), event.subject.service.as_deref()), ("ci/e1", Some("shop")));
    let nats = headers('-');
    assert_eq!(with(Attributes::of(&nats), &body), Ok(vec![event.clone()]));
    assert!(with(None, &body).is_err() && Attributes::of(&kafka[1..]).is_none(), "all of them");
    // What the body says of itself goes before.
    let own = json!({ "context": { "id": "own", "source": "s", "type": "dev.cdevents.service.deployed.0.3.0", "timestamp": "2026-02-28T09:30:00Z" },
        "subject": { "id": "shop" } });
    assert_eq!(with(Attributes::of(&kafka), &own.to_string()).unwrap()[0].id, "s/own");
}

#[test]
fn tools_are_known_by_their_names() {
    assert!(Tool::ALL.into_iter().all(|tool| Tool::parse(tool.as_str()) == Some(tool)));
    assert_eq!(Tool::parse("svn"), None);
}

proptest! {
    #[test]
    fn no_body_is_too_strange(tool in 0..Tool::ALL.len(), kind in prop::option::of("[a-z_]{0,20}"), body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(Tool::ALL[tool], Message { kind: kind.as_deref(), cloud: None, body: &body, now_ms: NOW_MS, services: &[] }, &|_| String::new());
    }

    #[test]
    fn a_member_of_any_kind_is_refused_or_left_out(at in 0..3_usize, number in any::<i64>(), text in ".{0,30}") {
        let (tool, kind, body) = all().swap_remove(at);
        for value in [json!(number), json!(text), json!(null), json!([text]), json!({ "a": number })] {
            let whole = body.to_string();
            // Every string of the body in its turn is something else.
            for (from, _) in whole.match_indices("\"2026") {
                let mut changed = whole.clone();
                let end = changed[from + 1..].find('"').unwrap_or(0) + from + 2;
                changed.replace_range(from..end, &value.to_string());
                let _ = read(tool, Message { kind, cloud: None, body: changed.as_bytes(), now_ms: NOW_MS, services: &[] }, &|_| String::new());
            }
        }
    }
}
