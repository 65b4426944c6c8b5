//! What a forge tells of reviews is learnt from and asked for, as it was known when a change was let in; what came later changes nothing.

use crate::risk::{commit, git, repository};
use crate::up::{served, up};
use crate::world::{World, has_runtime, in_order, wait_for};
use serde_json::{Value, json};
use std::process::Command;

const EVENTS: &str = "events:\n  forge: { tool: github, secret: HOOK }\n";
/// Changes of the history that went through the forge, the newest.
const REQUESTS_FROM: usize = 1_000;
/// When an open request is made and reviewed, before the history ends.
const OPEN_AT: &str = "2026-03-04T08:00:00Z";

/// An hour of the history, as the forge writes it.
fn at(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

fn request(number: usize, action: &str, head: &str, created: &str, merged: Option<(&str, &str)>) -> Value {
    let (sha, when) = merged.unzip();
    json!({ "action": action, "repository": { "full_name": "acme/shop" }, "sender": { "login": "ada-login" },
        "pull_request": { "number": number, "title": "Ada Lovelace's", "user": { "login": "ada-login" }, "merged": merged.is_some(), "merge_commit_sha": sha,
            "created_at": created, "merged_at": when, "closed_at": when, "head": { "ref": "topic", "sha": head } } })
}

fn review(number: usize, id: usize, state: &str, who: &str, head: &str, when: &str) -> Value {
    json!({ "action": "submitted", "repository": { "full_name": "acme/shop" }, "sender": { "login": who },
        "review": { "id": id, "state": state, "body": "to Ada Lovelace", "submitted_at": when, "user": { "login": who } },
        "pull_request": { "number": number, "user": { "login": "ada-login" }, "head": { "ref": "topic", "sha": head } } })
}

/// Imports messages of a tool, as one that is configured under a name; how many were taken.
pub fn import(world: &World, (source, kind): (&str, &str), messages: &[Value]) -> u64 {
    world.write("told.jsonl", &messages.iter().map(|message| format!("{message}\n")).collect::<String>());
    let told = world.run(&["events", "import", source, "told.jsonl", "--kind", kind, "--json"]).well().json();
    std::fs::remove_file(world.path("told.jsonl")).unwrap();
    told["taken"].as_u64().unwrap()
}

pub fn said_by_git(world: &World, args: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(world.root()).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Requests of the newest changes: who hurts was mostly looked at by nobody.
fn told(world: &World) -> (Vec<Value>, Vec<Value>, Vec<Value>) {
    let labels = world.run(&["risk", "labels", "--limit", "10000", "--json"]).well().json()["labels"].clone();
    let times = said_by_git(world, &["log", "--format=%H %ct"]);
    let times: std::collections::HashMap<&str, i64> =
        times.lines().filter_map(|line| line.split_once(' ')).map(|(id, at)| (id, at.parse().unwrap())).collect();
    let (mut requests, mut reviews, mut late) = (vec![], vec![], vec![]);
    for (number, label) in labels.as_array().unwrap().iter().enumerate().skip(REQUESTS_FROM) {
        let id = label["commit"].as_str().unwrap();
        let merged = times[id];
        let created = at(merged - 3 * 3_600 - 600 * i64::try_from(number % 7).unwrap());
        requests.push(request(number, "opened", id, &created, None));
        requests.push(request(number, "closed", id, &created, Some((id, &at(merged)))));
        let reviewers = if (label["ended"] == "hurt") != (number % 6 == 0) { 0 } else { 2 };
        for reviewer in 0..reviewers {
            let who = format!("login-{}", (number + reviewer) % 5);
            reviews.push(review(number, 10 * number + reviewer, "approved", &who, id, &at(merged - 3_600)));
        }
        late.push(review(number, 10 * number + 9, "changes_requested", "login-late", id, &at(merged + 60)));
    }
    (requests, reviews, late)
}

fn value(scored: &Value, feature: &str) -> Option<f64> {
    let all = scored["changes"][0]["contributions"].as_array().unwrap();
    let one = all.iter().find(|one| one["feature"] == feature)?;
    (one["assumed"] != true).then(|| one["value"].as_f64()).flatten()
}

#[test]
fn reviews_are_learnt_from_as_they_were_known_when_a_change_was_let_in() {
    if !has_runtime() {
        return;
    }
    let world = served();
    repository(&world.root());
    world.write("tidegate.yaml", &format!("{}{EVENTS}", world.read("tidegate.yaml")));
    world.set("HOOK", "secret");
    let train = || world.run(&["risk", "train", "--json"]).well().json();
    let digest = || serde_json::from_str::<Value>(&world.read(".tidegate/risk/model.json")).unwrap()["model"]["training"]["digest"].clone();
    let without = train();
    assert_eq!(without["reviewed"], 0);
    assert_eq!(
        without["left_out"],
        json!(["reviewers", "coauthors", "forge_reviewers", "forge_approvals", "forge_objections", "forge_hours"])
    );
    let alone = world.run(&["risk", "score", "HEAD", "--json"]).well().json();
    assert_eq!(alone["changes"][0]["missing"], json!([]), "{alone}");
    let before = digest();

    let mut process = up(&world);
    let (requests, reviews, late) = told(&world);
    assert_eq!(import(&world, ("forge", "pull_request"), &requests), requests.len() as u64);
    assert_eq!(import(&world, ("forge", "pull_request_review"), &reviews), reviews.len() as u64);
    // A model that was made before knows nothing of them, and says the same.
    assert_eq!(world.run(&["risk", "score", "HEAD", "--json"]).well().json()["changes"], alone["changes"]);
    let trained = train();
    assert!(trained["reviewed"].as_u64().unwrap() > 300, "{trained}");
    assert_eq!(trained["left_out"], json!(["reviewers", "coauthors"]), "{trained}");
    let auc = |of: &Value| of["model"]["auc"]["estimate"].as_f64().unwrap();
    assert!(auc(&trained) > auc(&without), "{trained}");
    in_order(&world.run(&["risk", "card"]).well().out, &["`forge_reviewers`: People other than who proposed it", "`forge_hours`: Hours"]);
    let with = digest();
    assert_ne!(with, before);
    // Reviews after the merge are no part of what was known.
    assert_eq!(import(&world, ("forge", "pull_request_review"), &late), late.len() as u64);
    train();
    assert_eq!(digest(), with, "the table is the same, byte for byte");

    open(&world);
    process.signal("TERM");
    wait_for("its end", || process.status().map(|_| ()));
}

/// A request that is not merged: what is known of it so far.
fn open(world: &World) {
    git(&world.root(), &["checkout", "-q", "-b", "topic"], "");
    commit(world, "src/module4.rs", 40, "a piece of work");
    let score = |what: &str| world.run(&["risk", "score", what, "--below", "0.001", "--json"]).well().json();
    let probability = |of: &Value| of["changes"][0]["probability"].as_f64().unwrap();
    let unknown = score("topic");
    let missing = unknown["changes"][0]["missing"].as_array().unwrap();
    assert!(missing.contains(&json!("forge_reviewers")) && missing.contains(&json!("forge_hours")), "{unknown}");
    let head = said_by_git(world, &["rev-parse", "topic"]);
    import(world, ("forge", "pull_request"), &[request(9_000, "opened", &head, OPEN_AT, None)]);
    let nobody = score("topic");
    assert_eq!((value(&nobody, "forge_reviewers"), value(&nobody, "forge_approvals")), (Some(0.0), Some(0.0)), "{nobody}");
    let column = |of: &Value| of["changes"][0]["lower"]["changes"].as_array().map(|all| all.iter().any(|one| one["to"] == 3.0));
    assert_eq!(column(&nobody), Some(true), "more people could look at it: {nobody}");
    let told = ["login-1", "login-2", "ada-login"]
        .map(|who| review(9_000, 90_000 + who.len() + usize::from(who == "login-2"), "approved", who, &head, OPEN_AT));
    import(world, ("forge", "pull_request_review"), &told);
    let two = score("topic");
    assert_eq!((value(&two, "forge_reviewers"), value(&two, "forge_approvals")), (Some(2.0), Some(2.0)), "one's own says nothing: {two}");
    assert!(probability(&two) < probability(&nobody), "{two} {nobody}");
    assert!(probability(&unknown) >= probability(&two), "what is missing never lowers a risk");
    // What is pushed later belongs to the same request, of which a range knows by its earlier commit.
    commit(world, "src/module5.rs", 3, "and more");
    let range = score("main..topic");
    assert!(range["changes"].as_array().unwrap().iter().all(|one| one["missing"] == json!([])), "{range}");
    let of_whole = range["whole"]["contributions"].as_array().unwrap().iter().find(|one| one["feature"] == "forge_reviewers").unwrap();
    assert_eq!(of_whole["value"], 2.0, "{range}");
}
