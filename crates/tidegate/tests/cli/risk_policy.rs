//! Risk with a workspace: what people and deliveries say of changes, what mistakes cost, who has opted out, how evenly changes are held, and the
//! mark beside a commit.

use crate::deployments::{post, signature};
use crate::risk::{commit, git, repository};
use crate::stand_in::StandIn;
use crate::up::{owner, served, up};
use crate::world::{World, has_runtime, in_order, wait_for};
use serde_json::{Value, json};

const SECRET: &str = "it is a secret";
const POLICY: &str = "events:\n  deployer: { tool: argo, secret: DEPLOYER_SECRET }\nrisk:\n  costs: { delay: 1, incident: 2, critical: [{ owner: \"@acme/payments\", times: 4 }] }\n  \
                      opt_out: [\"@acme/private\"]\n";
const OWNERS: &str = "*  @acme/everybody\n/src/module1*.rs @acme/payments\n/src/module5.rs @acme/private\n";

fn synced(phase: &str, at: &str, revision: &str) -> Value {
    json!({ "app": { "metadata": { "name": "shop" }, "spec": { "destination": { "namespace": "production" } },
        "status": { "operationState": { "phase": phase, "finishedAt": at, "syncResult": { "revision": revision } } } } })
}

fn world() -> World {
    let world = served();
    repository(&world.root());
    world.write("tidegate.yaml", &format!("{}{POLICY}", world.read("tidegate.yaml")));
    world.write("CODEOWNERS", OWNERS);
    world.set("DEPLOYER_SECRET", SECRET);
    world
}

/// The label of a commit.
fn label(world: &World, commit: &str) -> Value {
    let told = world.run(&["risk", "labels", "--limit", "10000", "--json"]).well().json();
    let found = told["labels"].as_array().unwrap().iter().find(|label| label["commit"] == commit);
    found.cloned().unwrap_or_else(|| panic!("{commit}: {told}"))
}

#[test]
fn deliveries_and_people_say_what_became_of_a_change() {
    if !has_runtime() || signature("a", "b").is_none() {
        return;
    }
    let world = world();
    let trained = world.run(&["risk", "train", "--json"]).well().json();
    assert!(trained["opted_out"].as_u64().unwrap() > 20, "{trained}");
    assert_eq!(trained["labels"]["people"], 0);
    let all = world.run(&["risk", "labels", "--limit", "10000", "--json"]).well().json();
    let all = all["labels"].as_array().unwrap();
    let commits: Vec<&str> = all.iter().map(|label| label["commit"].as_str().unwrap()).collect();
    // One after another of which none was fixed.
    let clean = (200..1_000).find(|at| all[*at - 1..*at + 4].iter().all(|label| label["ended"] == "clean")).unwrap();
    let (before, alone, last) = (commits[clean - 1], commits[clean], commits[clean + 3]);

    world.run(&["risk", "label", alone, "clean", "--reason", "why"]).fails(3, &["tidegate up"]);
    let mut process = up(&world);
    let address = owner(&world)["console"].as_str().unwrap().to_owned();
    let token = format!("Bearer {SECRET}");
    for (phase, at, revision) in [
        ("Succeeded", "2026-03-01T08:00:00Z", before),
        ("Failed", "2026-03-02T08:00:00Z", alone),
        // Three go out together, and one of them hurts.
        ("Succeeded", "2026-03-04T08:00:00Z", alone),
        ("Failed", "2026-03-06T08:00:00Z", last),
    ] {
        let body = synced(phase, at, revision).to_string();
        assert_eq!(post(&address, "/webhooks/events/deployer", &[("authorization", token.as_str())], &body).0, 202);
    }
    let said = label(&world, alone);
    assert_eq!((&said["ended"], &said["by"], &said["why"]), (&json!("hurt"), &json!("delivery"), &json!("its deployment failed")));
    assert!(said["against"].as_str().unwrap().contains("no fix was traced"), "{said}");
    let together = label(&world, last);
    assert_eq!(together["ended"], "unknown", "{together}");
    assert!(together["why"].as_str().unwrap().contains("one of 3 that went out together"), "{together}");

    world.run(&["risk", "label", alone, "clean", "--reason", " "]).fails(5, &["say who and why"]);
    world.run(&["risk", "label", "HEAD~1..HEAD", "clean", "--reason", "x"]).well();
    let told = world.run(&["risk", "label", alone, "clean", "--reason", "the cluster was down"]).well().out;
    in_order(&told, &[&alone[..12], "is clean", "it was hurt"]);
    let said = label(&world, alone);
    assert_eq!((&said["ended"], &said["by"]), (&json!("clean"), &json!("person")));
    assert!(said["why"].as_str().unwrap().ends_with("says: the cluster was down"), "{said}");
    in_order(
        &world.run(&["risk", "labels", "--conflicts"]).well().out,
        &[&alone[..12], "person", "yet its deployment failed", "by people"],
    );
    let trained = world.run(&["risk", "train", "--json"]).well().json()["labels"].clone();
    assert_eq!((&trained["people"], &trained["deployments"]), (&json!(2), &json!(4)), "{trained}");
    assert_eq!((&trained["noise"]["looked_at"], &trained["noise"]["wrong"]), (&json!(1), &json!(1)), "{trained}");
    process.signal("TERM");
    wait_for("its end", || process.status().map(|_| ()));
    let facts = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    assert!(facts.contains("the cluster was down"), "it is recorded");
}

#[test]
fn costs_hold_a_change_and_owners_opt_out() {
    let world = world();
    world.run(&["risk", "costs"]).fails(4, &["judged.json", "tidegate risk train"]);
    world.run(&["risk", "train"]).well();
    let costs = world.run(&["risk", "costs", "--json"]).well().json();
    let line = |at: usize, name: &str| costs["lines"][at][name].as_f64().unwrap();
    assert!((line(0, "hold_from") - 1.0 / 3.0).abs() < 1e-12 && (line(1, "hold_from") - 1.0 / 9.0).abs() < 1e-12, "{costs}");
    let cheapest = |at: usize, name: &str| costs["lines"][at]["cheapest"][name].as_f64().unwrap();
    assert!(costs["lines"][0]["there"]["mean_cost"].as_f64().unwrap() < cheapest(0, "hold_all"), "{costs}");
    in_order(&world.run(&["risk", "costs"]).well().out, &["all others", "0.333", "@acme/payments", "0.111"]);

    commit(&world, "src/module3.rs", 1, "a word");
    let small = world.run(&["risk", "score", "--fail-at", "costs", "--json"]).well().json();
    assert_ne!(small["changes"][0]["way"], "held", "{small}");
    commit(&world, "src/module4.rs", 110, "a rewrite");
    let large = world.run(&["risk", "score", "--fail-at", "costs"]);
    assert_eq!(large.code, 1, "{}{}", large.out, large.err);
    in_order(&large.out, &["it is held: at 0.33 and above", "touches: `acme/everybody`", "held, since waiting costs less"]);
    marked(&world);
    drilled(&world);
    commit(&world, "src/module5.rs", 110, "a secret rewrite");
    let said = world.run(&["risk", "score", "--fail-at", "costs"]).well().out;
    in_order(&said, &["1 commits are not scored", "opted out", "standard way"]);
    mixed(&world);
    world.write("CODEOWNERS", "");
    std::fs::remove_file(world.path("CODEOWNERS")).unwrap();
    world.run(&["risk", "score"]).fails(2, &["names `@acme/private`", "no CODEOWNERS says what is theirs"]);
    world.write("CODEOWNERS", &OWNERS.replace("private", "privat"));
    world.run(&["risk", "train"]).fails(2, &["names `@acme/private`"]);
    world.run(&["risk", "train", "--repo", "src"]).fails(2, &["is a folder of the repository"]);
    world.write("tidegate.yaml", &world.read("tidegate.yaml").replace("delay: 1", "delay: 0"));
    world.run(&["risk", "score"]).fails(2, &["risk.costs.delay"]);
}

#[test]
fn each_group_is_told_with_how_many_it_is_of() {
    let world = world();
    world.run(&["risk", "fairness"]).fails(4, &["judged.json"]);
    world.run(&["risk", "train"]).well();
    let told = world.run(&["risk", "fairness", "--json"]).well().json();
    assert_eq!((&told["by_costs"], &told["held_from"]), (&json!(true), &json!(null)), "each by its owners' line");
    let names: Vec<&str> = told["attributes"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["team", "component", "tenure", "quarter"]);
    let teams = told["attributes"][0]["groups"].as_array().unwrap();
    let rows: u64 = teams.iter().map(|team| team["counts"]["rows"].as_u64().unwrap()).sum();
    assert_eq!(rows, told["changes"].as_u64().unwrap(), "each change is in one group");
    assert!(
        teams.iter().any(|team| team["name"] == "@acme/payments") && teams.iter().all(|team| team["name"] != "@acme/private"),
        "{told}"
    );
    in_order(
        &world.run(&["risk", "fairness", "--at", "0.5"]).well().out,
        &["held is what has a risk of 0.500", "team", "@acme/everybody", "quarter", "no feature names a person"],
    );
}

/// With one file of owners who have opted out and one of others it is not scored, and no gate lets it pass for that.
fn mixed(world: &World) {
    world.write("src/module5.rs", "a secret\n");
    world.write("src/module3.rs", "and what is not\n");
    git(&world.root(), &["commit", "-a", "-m", "both"], "");
    for limit in ["costs", "1"] {
        let said = world.run(&["risk", "score", "--fail-at", limit]);
        assert_eq!(said.code, 1, "{}{}", said.out, said.err);
        in_order(&said.out, &["not decided: ", "files of owners who have opted out beside those of others", "standard way"]);
    }
    let said = world.run(&["risk", "score", "--fail-at", "costs", "--json"]);
    let (code, said) = (said.code, said.json());
    assert_eq!((code, &said["passed"], &said["opted_out"], &said["changes"]), (1, &json!(false), &json!([]), &json!([])), "{said}");
    assert_eq!(said["undecided"].as_array().unwrap().len(), 1, "{said}");
    let said = world.run(&["risk", "score"]).well().out;
    assert!(said.contains("standard way") && !said.contains("not decided"), "nothing was asked: {said}");
    // As one change it is mixed, though one commit of it is all theirs and the other all of others.
    commit(world, "src/module5.rs", 2, "theirs");
    commit(world, "src/module3.rs", 2, "of others");
    let said = world.run(&["risk", "score", "HEAD~2..HEAD", "--fail-at", "1", "--json"]);
    let (code, said) = (said.code, said.json());
    let counts = ["changes", "opted_out", "undecided"].map(|name| said[name].as_array().unwrap().len());
    assert_eq!((code, counts, &said["whole"]), (1, [1, 1, 1], &Value::Null), "{said}");
}

fn drilled(world: &World) {
    let drill = world.run(&["risk", "drill", "--json"]).well().json();
    let planted = drill["planted"].as_array().unwrap();
    assert_eq!(
        (planted.len(), &planted[0]["bad"], &planted[1]["bad"], &drill["passed"]),
        (2, &json!(true), &json!(false), &json!(true)),
        "{drill}"
    );
    assert!(planted[0]["probability"].as_f64().unwrap() > planted[1]["probability"].as_f64().unwrap(), "{drill}");
    in_order(&world.run(&["risk", "drill"]).well().out, &["faulty most often", "held, as it should be", "let through, as it should be"]);
    assert!(!world.exists("tidegate-drill.txt"), "the repository itself is left alone");
    let card = world.run(&["risk", "card"]).well().out;
    in_order(
        &card,
        &[
            "What it was made from",
            "labels: 0 by people",
            "whose owners have opted out",
            "What is assumed",
            "is clean after",
            "How good it was",
            "AUC 0.",
            "No feature names a person",
            "`la`",
        ],
    );
}

fn marked(world: &World) {
    let commit = |rev: &str| {
        let told = std::process::Command::new("git").arg("-C").arg(world.root()).args(["rev-parse", rev]).output().unwrap();
        String::from_utf8(told.stdout).unwrap().trim().to_owned()
    };
    let ends = json!({ "base": { "sha": commit("HEAD~2") }, "head": { "sha": commit("HEAD") } });
    let forge = StandIn::start(move |_, _| (201, ends.to_string()));
    world.set("GITHUB_API_URL", &forge.url());
    world.set("GITHUB_REPOSITORY", "acme/shop");
    world.set("GITHUB_TOKEN", "token");
    requested(world, &forge);
    let before = forge.taken().len();
    world.run(&["risk", "score", "--mark", "github"]).fails(2, &["--fail-at"]);
    assert_eq!(world.run(&["risk", "score", "--fail-at", "costs", "--mark", "github"]).code, 1);
    world.run(&["risk", "score", "HEAD~1", "--fail-at", "costs", "--mark", "github"]).well();
    let kept = forge.taken().split_off(before);
    let states: Vec<(&str, &str)> =
        kept.iter().map(|taken| (taken.body["state"].as_str().unwrap(), taken.body["context"].as_str().unwrap())).collect();
    assert_eq!(states, [("failure", "tidegate/risk"), ("success", "tidegate/risk")]);
    assert!(
        kept[0].line.starts_with("POST /repos/acme/shop/statuses/")
            && kept[0].body["description"].as_str().unwrap().contains("the highest risk is"),
        "{kept:?}"
    );
}

/// The commits of a request are those that the forge tells of it.
fn requested(world: &World, forge: &StandIn) {
    let of = |what: &str| world.run(&["risk", "score", what, "--json"]).well().json();
    let (request, range) = (of("pr/12"), of("HEAD~2..HEAD"));
    assert_eq!((&request["changes"], &request["whole"]), (&range["changes"], &range["whole"]));
    assert_eq!(request["changes"].as_array().unwrap().len() + request["opted_out"].as_array().unwrap().len(), 2);
    let asked = forge.taken();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].line.starts_with("GET /repos/acme/shop/pulls/12 "), "{asked:?}");
}

const MODEL: &str = "version: 1\nworkspace: risk\npipeline: dvc.yaml\nmodels:\n  change-risk:\n    artifact: risk/model.json\n    golden: risk/golden.json\n    \
    gates: { ranks: { metric: auc, min: 0.7 }, leaks: { metric: leaks, max: 0 }, speed: { latency_p99_ms: 60000 } }\nservices:\n  change-risk: { model: change-risk }\n\
    releases:\n  default:\n    steps: [{ shadow: { percent: 100, until: 1h } }, { canary: { weights: [5], min_time: 1h } }, { promote: { watch: 1s } }]\n    \
    judge: { tick: 1s, warm_up: 0s, guardrails: { latency_p50: none, latency_p95: none, latency_p99: none } }\n";

/// The model of risk is gated, released and asked as any other, and a challenger answers the same requests in shadow.
#[test]
fn the_model_itself_is_released_as_any_other() {
    let world = World::with(&[("tidegate.yaml", MODEL)]);
    world.set("TIDEGATE_ONNXRUNTIME", "none");
    repository(&world.root());
    let stage = |tip: &str| {
        let program = env!("CARGO_BIN_EXE_tidegate");
        format!(
            "stages:\n  risk: {{cmd: {program} risk train --tip {tip} --out risk, outs: [risk/model.json, risk/golden.json], metrics: [risk/metrics.json]}}\n"
        )
    };
    world.write("dvc.yaml", &stage("HEAD~200"));
    let mut process = up(&world);
    world.run(&["gate"]).well();
    world.run(&["release", "start", "change-risk", "1"]).well();
    let golden: Value = serde_json::from_str(&world.read("risk/golden.json")).unwrap();
    let body = json!({ "inputs": golden["requests"][3]["inputs"] });
    let ask = || {
        wait_for("an answer", || {
            let text = crate::up::post(&world, "/v2/models/change-risk/infer", "", &body);
            text.starts_with("HTTP/1.1 200").then(|| text.split_once("\r\n\r\n").unwrap().1.to_owned())
        })
    };
    let answer: Value = serde_json::from_str(&ask()).unwrap();
    let names: Vec<&str> = answer["outputs"].as_array().unwrap().iter().map(|output| output["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["probability", "low", "high", "rank"], "{answer}");
    let value = |output: usize| answer["outputs"][output]["data"][0].as_f64().unwrap();
    assert!(value(1) <= value(0) && value(0) <= value(2) && (0.0..=1.0).contains(&value(0)), "{answer}");

    // A challenger that has learnt from all of it.
    world.write("dvc.yaml", &stage("HEAD"));
    world.run(&["gate"]).well();
    world.run(&["release", "start", "change-risk", "2"]).well();
    wait_for("a judged tick of the shadow", || {
        ask();
        let status = world.run(&["release", "status", "change-risk/2", "--json"]).well().json();
        let shadow = status["row"]["phase"].as_str().is_some_and(|phase| phase.contains("shadow"));
        (shadow && status["points"].as_array().is_some_and(|points| points.len() >= 2)).then_some(())
    });
    process.signal("TERM");
    wait_for("its end", || process.status().map(|_| ()));
}
