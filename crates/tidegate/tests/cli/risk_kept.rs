//! A model of risk over time: probabilities that follow what became of changes, and changes that went to different environments.

use crate::risk::repository;
use crate::risk_reviews::{import, said_by_git};
use crate::risk_worth::told;
use crate::up::{served, up};
use crate::world::{World, has_runtime, in_order, wait_for};
use serde_json::{Value, json};

#[test]
fn probabilities_follow_what_became_of_changes_and_ranks_stay() {
    let world = World::with(&[]);
    repository(&world.root());
    world.run(&["risk", "recalibrate"]).fails(4, &["recalibrate the model", "model.json", "tidegate risk train"]);
    let then = said_by_git(&world, &["rev-parse", "HEAD~500"]);
    world.run(&["risk", "train", "--tip", &then]).well();
    let asked = "HEAD~3";
    let score = || world.run(&["risk", "score", asked, "--json"]).well().json();
    let (was, trained) = (score(), world.read(".tidegate/risk/model.json"));

    // Nothing has come since: the model is not touched.
    let nothing = world.run(&["risk", "recalibrate", "--tip", &then, "--json"]).well().json();
    assert_eq!((&nothing["outcomes"], &nothing["said"]), (&json!(0), &Value::Null));
    in_order(&world.run(&["risk", "recalibrate", "--tip", &then]).well().out, &["no change since the training", "is as it was trained"]);
    assert_eq!(world.read(".tidegate/risk/model.json"), trained);
    world.run(&["risk", "recalibrate", "--tip", &then, "--out", "offered"]).fails(1, &["recalibrate the model", "nothing to hand over"]);

    let line = || world.run(&["risk", "drill", "--json"]).json()["planted"][0]["hold_from"].as_f64().unwrap();
    let (line_before, odds) = (line(), |p: f64| (p / (1.0 - p)).ln());
    assert_eq!(world.run(&["risk", "fairness", "--json"]).json()["moved_since"], 0.0);

    let done = world.run(&["risk", "recalibrate", "--out", "offered", "--json"]).well().json();
    let outcomes = done["outcomes"].as_u64().unwrap();
    assert!((300..=500).contains(&outcomes) && done["calibrated_on"].as_u64().unwrap() > outcomes, "{done}");
    let said = &done["said"];
    assert_eq!((&said["kept_up"]["rows"], &said["left_alone"]["rows"]), (&json!(outcomes), &json!(outcomes)));
    assert!(said["kept_up_covered"].as_u64().unwrap() > outcomes * 8 / 10, "{done}");
    let recalibrated = world.read(".tidegate/risk/model.json");
    assert!(recalibrated != trained && recalibrated == world.read("offered/model.json"));
    let metrics: Value = serde_json::from_str(&world.read("offered/metrics.json")).unwrap();
    assert_eq!((&metrics["rows"], &metrics["calibration_error"]), (&json!(outcomes), &said["kept_up"]["calibration_error"]));
    assert_eq!(metrics["leaks"], 0);
    let golden: Value = serde_json::from_str(&world.read("offered/golden.json")).unwrap();
    assert_eq!(golden["requests"].as_array().unwrap().len(), 16, "of all of the history: {golden}");
    let is = score();
    let (before, after) = (&was["changes"][0], &is["changes"][0]);
    assert_eq!((&before["margin"], &before["rank"]), (&after["margin"], &after["rank"]), "{was} {is}");
    assert_ne!(before["probability"], after["probability"]);

    // What is decided by figures of the training says so, or moves along.
    let moved = done["moved"].as_f64().unwrap();
    assert!(moved != 0.0 && (odds(line()) - odds(line_before) - moved).abs() < 1e-9, "{moved}");
    let fairness = world.run(&["risk", "fairness", "--json"]);
    assert_eq!(fairness.json()["moved_since"], moved);
    in_order(&fairness.err, &["as it was trained", "moved by"]);

    // Once more, from what is kept now: the same bytes, and the card tells of it once.
    world.run(&["risk", "recalibrate"]).well();
    assert_eq!(world.read(".tidegate/risk/model.json"), recalibrated);
    assert_eq!(world.run(&["risk", "card"]).well().out.matches("## Recalibrated").count(), 1);
    // What came of it is not seen from where the training ended: all is as it was then.
    world.run(&["risk", "recalibrate", "--tip", &then]).well();
    assert_eq!(world.read(".tidegate/risk/model.json"), trained);
    assert!(!world.run(&["risk", "card"]).well().out.contains("## Recalibrated"));
    world.run(&["risk", "recalibrate"]).well();
    let lock = std::fs::File::create(world.path(".tidegate/risk/model.lock")).unwrap();
    lock.lock().unwrap();
    world.run(&["risk", "train"]).fails(3, &["train a model of risk", "model.lock", "another process holds it"]);
    lock.unlock().unwrap();
    world.write(".tidegate/risk/held.json", "{}");
    world.run(&["risk", "recalibrate"]).fails(2, &["recalibrate the model", "held.json", "tidegate risk train"]);
    assert_eq!(world.read(".tidegate/risk/model.json"), recalibrated);
}

#[test]
fn changes_of_environments_are_held_against_one_another() {
    if !has_runtime() {
        return;
    }
    let world = served();
    repository(&world.root());
    world.write("tidegate.yaml", &format!("{}events:\n  bus: {{ tool: cdevents, secret: BUS_SECRET }}\n", world.read("tidegate.yaml")));
    world.set("BUS_SECRET", "it is a secret");
    let mut process = up(&world);
    let commits: Vec<String> = said_by_git(&world, &["rev-list", "--reverse", "HEAD"]).lines().map(str::to_owned).collect();
    // Each commit goes to staging, where an incident follows large ones, and on to production, where few are followed by one.
    let deployed = |at: usize, commit: &str, (environment, hours): (&str, usize)| -> Value {
        let content = json!({ "environment": { "id": environment }, "revision": commit });
        let subject = json!({ "id": "till", "type": "service", "content": content });
        serde_json::from_str(&told("service.deployed.0.3.0", &format!("{environment}{at}"), &hour(12 * at + hours), &subject)).unwrap()
    };
    let large = |commit: &str| {
        let added = said_by_git(&world, &["show", "--numstat", "--format=", commit]);
        added.split_whitespace().next().is_some_and(|lines| lines.parse::<u64>().unwrap() > 40)
    };
    let incident = |environment: &str, at: usize, hours: usize| -> Value {
        let content = json!({ "environment": { "id": environment }, "service": { "id": "till" }, "description": "-" });
        let subject = json!({ "id": format!("INC-{environment}-{at}"), "type": "incident", "content": content });
        serde_json::from_str(&told("incident.detected.0.3.0", &format!("i-{environment}{at}"), &hour(12 * at + hours), &subject)).unwrap()
    };
    let mut messages: Vec<Value> = vec![];
    for (at, commit) in commits.iter().enumerate().skip(1_000) {
        messages.push(deployed(at, commit, ("staging", 1)));
        if large(commit) {
            messages.push(incident("staging", at, 2));
        }
        messages.push(deployed(at, commit, ("prod-eu", 3)));
        if at % 50 == 0 {
            messages.push(incident("prod-eu", at, 4));
        }
    }
    assert_eq!(import(&world, ("bus", "cdevents"), &messages), messages.len() as u64);
    process.signal("TERM");
    wait_for("its end", || process.status().map(|_| ()));
    let trained = world.run(&["risk", "train", "--json"]).well().json();
    let compared = &trained["environments"];
    let pair = &compared["pairs"][0];
    assert_eq!((&pair["one"], &pair["other"], &pair["base_rates_differ"]), (&json!("staging"), &json!("prod"), &json!(true)), "{trained}");
    assert_eq!((&compared["leaks"], &trained["leaks"]), (&json!([]), &json!([])), "{trained}");
    let rates: Vec<f64> = pair["base_rates"].as_array().unwrap().iter().map(|rate| rate.as_f64().unwrap()).collect();
    assert!((0.2..0.5).contains(&rates[0]) && (0.01..0.04).contains(&rates[1]), "each hurt where its incident was: {rates:?}");
    in_order(
        &world.run(&["risk", "train"]).well().out,
        &["changes with a known end in staging", "in prod", "2 % hurt there (they differ)"],
    );
}

/// An hour after the first commit.
fn hour(hours: usize) -> String {
    let start: jiff::Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_hours(hours as i64)).to_string()
}
