//! Other tools tell what happens to changes: what proves its secret is kept once, what cannot be read is kept aside, and what people wrote is
//! nowhere. Then: how delivery goes.

use crate::deployments::{post, signature};
use crate::up::{owner, served, up};
use crate::world::{World, has_runtime, in_order};
use serde_json::{Value, json};
use std::path::Path;

const EVENTS: &str = "events:\n  forge: { tool: github, secret: FORGE_SECRET, service: shop }\n  pager: { tool: pagerduty, secret: PAGER_SECRET, environment: production }\n  \
                      deployer: { tool: argo, secret: DEPLOYER_SECRET }\n  silent: { tool: gitlab, secret: UNSET_SECRET }\n";
const SECRET: &str = "it is a secret";
const SHA: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";
/// Planted in every text of every message.
const PLANTED: [&str; 5] =
    ["Ada Lovelace", "ada@example.org", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "hunter2hunter2", "adas-own-login"];

fn planted() -> String {
    PLANTED.join(" ")
}

fn person() -> Value {
    json!({ "login": "adas-own-login", "name": "Ada Lovelace", "email": "ada@example.org", "summary": planted() })
}

fn merged(number: u64, at: &str) -> Value {
    json!({ "action": "closed", "repository": { "full_name": "acme/shop", "description": planted() }, "sender": person(),
        "pull_request": { "number": number, "title": planted(), "body": planted(), "user": person(), "merged": true, "merge_commit_sha": SHA,
            "created_at": at, "merged_at": at, "closed_at": at } })
}

fn synced(phase: &str, at: &str) -> Value {
    json!({ "app": { "metadata": { "name": "shop", "annotations": { "note": planted() } }, "spec": { "destination": { "namespace": "production" } },
        "status": { "operationState": { "phase": phase, "message": planted(), "finishedAt": at, "syncResult": { "revision": SHA } } } } })
}

fn incident(kind: &str, at: &str) -> Value {
    json!({ "event": { "id": format!("{kind}-{at}"), "event_type": kind, "occurred_at": at, "agent": person(),
        "data": { "id": "Q1MDRCXB7Z", "title": planted(), "service": { "summary": "shop" }, "assignees": [person()] } } })
}

struct Senders {
    address: String,
}

impl Senders {
    fn forge(&self, text: &str, secret: &str) -> u16 {
        let signed = format!("sha256={}", signature(secret, text).unwrap());
        let headers = [("x-github-event", "pull_request"), ("x-github-delivery", "1"), ("x-hub-signature-256", signed.as_str())];
        post(&self.address, "/webhooks/events/forge", &headers, text).0
    }

    fn pager(&self, body: &Value) -> u16 {
        let text = body.to_string();
        let signed = format!("v1={}", signature(SECRET, &text).unwrap());
        post(&self.address, "/webhooks/events/pager", &[("x-pagerduty-signature", signed.as_str())], &text).0
    }

    fn deployer(&self, body: &Value) -> u16 {
        let token = format!("Bearer {SECRET}");
        post(&self.address, "/webhooks/events/deployer", &[("authorization", token.as_str())], &body.to_string()).0
    }
}

/// Whether any file below holds one of the planted texts.
fn found_in(folder: &Path) -> Vec<String> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(found_in(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let text = String::from_utf8_lossy(&bytes);
            found.extend(
                PLANTED.iter().filter(|planted| text.contains(**planted)).map(|planted| format!("{planted} in {}", path.display())),
            );
        }
    }
    found
}

#[test]
fn what_proves_its_secret_is_kept_once_and_nothing_that_people_wrote() {
    if !has_runtime() || signature("a", "b").is_none() {
        return;
    }
    let world = served();
    world.write("tidegate.yaml", &format!("{}{EVENTS}", world.read("tidegate.yaml")));
    for name in ["FORGE_SECRET", "PAGER_SECRET", "DEPLOYER_SECRET"] {
        world.set(name, SECRET);
    }
    let mut process = up(&world);
    let to = Senders { address: owner(&world)["console"].as_str().unwrap().to_owned() };

    // Valid; told again, also later under another number; out of order.
    let first = merged(1, "2026-03-02T08:00:00Z").to_string();
    assert_eq!((to.forge(&first, SECRET), to.forge(&first, SECRET)), (202, 202));
    assert_eq!(to.forge(&merged(2, "2026-03-01T08:00:00Z").to_string(), SECRET), 202, "late");
    assert_eq!(to.deployer(&synced("Succeeded", "2026-03-02T20:00:00Z")), 202);
    assert_eq!(to.deployer(&synced("Failed", "2026-03-05T20:00:00Z")), 202);
    assert_eq!(to.pager(&incident("incident.triggered", "2026-03-05T20:10:00Z")), 202);
    assert_eq!(to.pager(&incident("incident.resolved", "2026-03-05T22:10:00Z")), 202);
    // Forged, to nobody, and to one whose secret is not there.
    assert_eq!(to.forge(&first, "another secret"), 401);
    for (name, headers) in
        [("forge", &[][..]), ("nobody", &[]), ("silent", &[("x-gitlab-token", "")]), ("deployer", &[("authorization", "Bearer x")])]
    {
        assert_eq!(post(&to.address, &format!("/webhooks/events/{name}"), headers, &first).0, 401, "{name}");
    }
    // Truncated, of a strange shape, and huge.
    assert_eq!(to.forge(&first[..first.len() / 2], SECRET), 422);
    let mut strange = merged(3, "2026-03-02T08:00:00Z");
    strange["repository"]["full_name"] = json!(planted());
    assert_eq!((to.forge(&strange.to_string(), SECRET), to.forge(&strange.to_string(), SECRET)), (422, 422));
    assert_eq!(to.forge(&merged(4, "2326-03-02T08:00:00Z").to_string(), SECRET), 422, "of the future");
    assert_eq!(to.forge(&" ".repeat(5 * 1024 * 1024 + 1), SECRET), 413);

    let listed = world.run(&["events", "list", "--json"]).well().json();
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|row| row["event"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 6, "{ids:?}");
    assert_eq!(ids[0], "acme/shop/pull/1/merged/1772438400000");
    let actor = listed[0]["event"]["actor"].as_str().unwrap();
    assert!(actor.len() == 32 && listed[1]["event"]["actor"] == actor, "the same person, and nobody knows who");
    in_order(&world.run(&["events", "list"]).well().out, &["forge", "change merged", "shop acme/shop #1", "deployment finished: failure"]);
    let aside = world.run(&["events", "list", "--aside"]).well().out;
    assert_eq!(aside.matches("forge").count(), 3, "each once: {aside}");
    in_order(&aside, &["the body is no event of GitHub", "repository.full_name is no name", "its time is no time of the past"]);

    let environments: Vec<&str> = listed.as_array().unwrap().iter().filter_map(|row| row["event"]["environment"].as_str()).collect();
    assert_eq!(environments, ["production"; 4], "of two deployments and of both words of the pager, which names none; a change is for all");

    measured(&world);
    rolled_back(&world);
    assert_eq!(imported(&world), 1);
    process.signal("TERM");
    crate::world::wait_for("its end", || process.status().map(|_| ()));
    world.run(&["audit", "verify"]).well();
    let found = [found_in(&world.path(".tidegate")), found_in(&world.beside("said"))].concat();
    assert!(found.is_empty(), "{found:?}");
}

fn measured(world: &World) {
    let span = ["events", "measures", "--from", "2026-03-01", "--until", "2026-03-10"];
    let all = world.run(&[&span[..], &["--json"]].concat()).well().json();
    let of = &all[0]["services"]["shop"];
    let values = |name: &str| (of[name]["value"].as_f64().unwrap(), of[name]["n"].as_u64().unwrap());
    // Of nine days and sixteen hours: from the first event on.
    assert!((values("deployments_a_day").0 - 24.0 / 232.0).abs() < 1e-9 && values("deployments_a_day").1 == 1, "{of}");
    assert_eq!((values("lead_time_hours"), values("change_failure_rate")), ((24.0, 2), (0.5, 2)));
    assert_eq!(values("time_to_restore_hours"), (2.0, 1));
    let two = world.run(&[&span[..], &["--since", "2026-03-04", "--json"]].concat()).well().json();
    let failed = |at: usize| two[at]["services"]["shop"]["change_failure_rate"]["value"].clone();
    assert_eq!((failed(0), failed(1)), (json!(0.0), json!(1.0)), "before a policy and from then on");
    in_order(&world.run(&span).well().out, &["2026-03-01", "shop", "deployments a day", "0.10", "change failure rate", "0.50"]);
    // A team of one service measures as the service does.
    let team = world.run(&[&span[..], &["--team", "tills=shop,shop", "--json"]].concat()).well().json();
    assert_eq!((&team[0]["teams"]["tills"], team[0]["teams"].as_object().unwrap().len()), (of, 1));
    in_order(
        &world.run(&[&span[..], &["--team", "tills=shop"]].concat()).well().out,
        &["shop", "team tills", "change failure rate", "0.50"],
    );
    world.run(&[&span[..], &["--team", "tills=nothing"]].concat()).fails(4, &["--team tills", "`nothing`"]);
    world.run(&[&span[..], &["--team", "tills"]].concat()).fails(2, &["TEAM=SERVICE"]);
    world.run(&["events", "measures", "--from", "2026-03-10", "--until", "2026-03-01"]).fails(2, &["follow one another"]);
}

/// A rollout that was aborted, and why.
fn rolled_back(world: &World) {
    let message = "Rollout aborted update to revision 4: ReplicaSet \"shop-5f8c9\" has timed out progressing.";
    let status = json!({ "phase": "Degraded", "abort": true, "abortedAt": "2026-03-06T20:00:00Z", "message": planted(),
        "conditions": [{ "type": "Progressing", "reason": "RolloutAborted", "message": message }] });
    let body = json!({ "rollout": { "metadata": { "name": "shop", "namespace": "production" }, "status": status } });
    world.write("aborted.jsonl", &body.to_string());
    let said = world.run(&["events", "import", "deployer", "aborted.jsonl", "--json"]).well().json();
    assert_eq!((&said["taken"], &said["aside"]), (&json!(1), &json!([])));
    std::fs::remove_file(world.path("aborted.jsonl")).unwrap();
    in_order(
        &world.run(&["events", "list"]).well().out,
        &["deployment finished: failure", "service rolled back: health", "shop production"],
    );
    let listed = world.run(&["events", "list", "--limit", "1", "--json"]).well().json();
    assert_eq!((&listed[0]["event"]["what"], &listed[0]["event"]["trigger"]), (&json!("service_rolled_back"), &json!("health")));
    let span = ["events", "measures", "--from", "2026-03-01", "--until", "2026-03-10", "--environment", "production"];
    let measures = world.run(&[&span[..], &["--json"]].concat()).well().json();
    assert_eq!(measures[0]["services"]["shop"]["rollbacks"], json!({ "manual": 0, "analysis": 0, "health": 1, "alert": 0, "unsaid": 0 }));
    in_order(&world.run(&span).well().out, &["shop", "rollbacks: 1 by health"]);
}

/// Messages of a file: two new ones, one that is known, and one that cannot be read.
fn imported(world: &World) -> usize {
    let lines = [merged(1, "2026-03-02T08:00:00Z"), merged(8, "2026-03-06T08:00:00Z"), json!({ "action": "closed" })];
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    world.write("told.jsonl", &format!("{}\n\n", text.join("\n")));
    let said = world.run(&["events", "import", "forge", "told.jsonl", "--kind", "pull_request", "--json"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let said = said.json();
    assert_eq!((&said["taken"], &said["known"], &said["aside"][0]["line"]), (&json!(1), &json!(1), &json!(3)));
    std::fs::remove_file(world.path("told.jsonl")).unwrap();
    world.run(&["events", "import", "nobody", "tidegate.yaml"]).fails(2, &["no JSON"]);
    said["aside"].as_array().unwrap().len()
}

#[test]
fn what_a_policy_lets_go_is_gone_and_the_journal_says_so() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let sources = "events:\n  old: { tool: github, secret: FORGE_SECRET, keep: 1ms }\n  kept: { tool: github, secret: FORGE_SECRET }\n";
    world.write("tidegate.yaml", &format!("{}{sources}", world.read("tidegate.yaml")));
    world.set("FORGE_SECRET", SECRET);
    let mut process = up(&world);
    let lines = [merged(1, "2026-03-02T08:00:00Z"), merged(2, "2026-03-03T08:00:00Z"), json!({ "action": "closed" })];
    world.write("told.jsonl", &lines.map(|line| line.to_string()).join("\n"));
    for source in ["old", "kept"] {
        let said = world.run(&["events", "import", source, "told.jsonl", "--kind", "pull_request", "--json"]);
        assert_eq!(said.code, 1, "one is kept aside: {}{}", said.out, said.err);
    }
    let due = world.run(&["events", "prune", "--dry-run", "--json"]).well().json();
    assert_eq!((&due[0]["source"], &due[0]["rows"], &due[1]), (&json!("old"), &json!(3), &Value::Null), "{due}");
    let listed = |source: &str| world.run(&["events", "list", "--source", source, "--json"]).well().json().as_array().unwrap().len();
    assert_eq!((listed("old"), listed("kept")), (2, 2), "nothing was removed yet");
    in_order(&world.run(&["events", "prune"]).well().out, &["old: 3 from before", "were removed"]);
    assert_eq!((listed("old"), listed("kept")), (0, 2));
    let aside = world.run(&["events", "list", "--aside", "--json"]).well().json();
    assert!(aside.as_array().unwrap().iter().all(|row| row["source"] == "kept"), "{aside}");
    assert_eq!(world.events().iter().filter(|event| *event == "events/old expired").count(), 1);
    let record = world.run(&["journal", "--stream", "events/", "--json"]).well().out;
    assert!(record.contains("\"rows\":3") && record.contains("\"keep_ms\":1"), "{record}");
    in_order(&world.run(&["events", "prune"]).well().out, &["old: 0 from before"]);
    assert_eq!(world.events().iter().filter(|event| *event == "events/old expired").count(), 1, "of nothing there is no record");
    process.signal("TERM");
    crate::world::wait_for("its end", || process.status().map(|_| ()));
    world.run(&["audit", "verify"]).well();
}
