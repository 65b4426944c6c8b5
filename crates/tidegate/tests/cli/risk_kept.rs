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
    world.run(&["risk", "recalibrate"]).fails(4, &["model.json", "tidegate risk train"]);
    let then = said_by_git(&world, &["rev-parse", "HEAD~500"]);
    world.run(&["risk", "train", "--tip", &then]).well();
    let asked = "HEAD~3";
    let score = || world.run(&["risk", "score", asked, "--json"]).well().json();
    let (was, trained) = (score(), world.read(".tidegate/risk/model.json"));

    // Nothing has come since: the model is not touched.
    let nothing = world.run(&["risk", "recalibrate", "--tip", &then, "--json"]).well().json();
    assert_eq!((&nothing["outcomes"], &nothing["said"]), (&json!(0), &Value::Null));
    in_order(&world.run(&["risk", "recalibrate", "--tip", &then]).well().out, &["no change since the training", "stays as it is"]);
    assert_eq!(world.read(".tidegate/risk/model.json"), trained);

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
    assert!(metrics.get("leaks").is_none() && world.exists("offered/golden.json"), "nobody looked for leaks: {metrics}");
    let is = score();
    let (before, after) = (&was["changes"][0], &is["changes"][0]);
    assert_eq!((&before["margin"], &before["rank"]), (&after["margin"], &after["rank"]), "{was} {is}");
    assert_ne!(before["probability"], after["probability"]);

    // Once more, from what is kept now: the same bytes, and the card tells of it once.
    world.run(&["risk", "recalibrate"]).well();
    assert_eq!(world.read(".tidegate/risk/model.json"), recalibrated);
    assert_eq!(world.run(&["risk", "card"]).well().out.matches("## Recalibrated").count(), 1);
    world.write(".tidegate/risk/held.json", "{}");
    world.run(&["risk", "recalibrate"]).fails(2, &["held.json", "tidegate risk train"]);
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
    // The earlier half went to staging, and no further; the later half to production.
    let deployed = |(at, commit): (usize, &String)| {
        let environment = if at < commits.len() / 2 { "staging" } else { "prod-eu" };
        let subject = json!({ "id": "till", "type": "service", "content": { "environment": { "id": environment }, "revision": commit } });
        serde_json::from_str(&told("service.deployed.0.3.0", &format!("d{at}"), &day(at), &subject)).unwrap()
    };
    let messages: Vec<Value> = commits.iter().enumerate().step_by(2).map(deployed).collect();
    assert_eq!(import(&world, ("bus", "cdevents"), &messages), messages.len() as u64);
    process.signal("TERM");
    wait_for("its end", || process.status().map(|_| ()));
    let trained = world.run(&["risk", "train", "--json"]).well().json();
    let pair = &trained["environments"]["pairs"][0];
    assert_eq!((&pair["one"], &pair["other"], &pair["base_rates_differ"]), (&json!("staging"), &json!("prod"), &json!(false)), "{trained}");
    let rows: Vec<u64> = pair["rows"].as_array().unwrap().iter().map(|rows| rows.as_u64().unwrap()).collect();
    assert!(rows[0] > 600 && rows[1] > 400, "{rows:?}");
    // Later changes lie on more of a past: that alone tells where they went.
    let tells = |leak: &&Value| leak["leak"] == "tells-environment" && leak["one"] == "staging" && leak["other"] == "prod";
    let features: Vec<&str> =
        trained["leaks"].as_array().unwrap().iter().filter(tells).map(|leak| leak["feature"].as_str().unwrap()).collect();
    assert!(!features.is_empty() && !features.contains(&"la"), "{}", trained["leaks"]);
    in_order(
        &world.run(&["risk", "train"]).well().out,
        &["that went to staging at most beside", "of prod", "no sure difference", "tells the environment of a row"],
    );
}

/// A day for each.
fn day(at: usize) -> String {
    let start: jiff::Timestamp = "2024-01-02T00:00:00Z".parse().unwrap();
    (start + jiff::SignedDuration::from_hours(12 * at as i64)).to_string()
}
