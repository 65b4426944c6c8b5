//! What a model of risk is worth: answers that are kept, the lot between the model and people, the ledger reckoned by hand, and reviews
//! after failures.

use crate::deployments::post;
use crate::risk::{git, repository};
use crate::risk_pages::{found, in_a_browser, json_of, token};
use crate::stand_in::{StandIn, Taken};
use crate::up::{owner, served, up};
use crate::world::{Started, World, has_runtime, in_order, wait_for};
use serde_json::{Value, json};
use std::process::Command;

const SECRET: &str = "it is a secret";
const SALT: &str = "spring of 2026";
const RISK: &str = "events:\n  bus: { tool: cdevents, secret: BUS_SECRET }\nrisk:\n  costs: { delay: 1, incident: 2 }\n";
/// A day on which everything before it is old enough.
const LONG_AFTER: &str = "3786912000 +0000";

fn world() -> World {
    let world = served();
    repository(&world.root());
    world.write("tidegate.yaml", &format!("{}{RISK}", world.read("tidegate.yaml")));
    world.set("BUS_SECRET", SECRET);
    world
}

fn with_trial(world: &World, share: &str) {
    world.write("tidegate.yaml", &format!("{}  trial: {{ model_share: {share}, salt: {SALT} }}\n", world.read("tidegate.yaml")));
}

/// A commit with so many lines, which no earlier one has; what it is called.
fn made(world: &World, file: &str, lines: usize, message: &str) -> String {
    crate::risk::commit(world, file, lines, message);
    head(world)
}

fn head(world: &World) -> String {
    let said = Command::new("git").arg("-C").arg(world.root()).args(["rev-parse", "HEAD"]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// Time goes by: a commit long after all others.
fn long_after(world: &World) {
    let root = world.root();
    let mut command = Command::new("git");
    command.arg("-C").arg(&root).args([
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@example.org",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "later",
    ]);
    command.env("GIT_AUTHOR_DATE", LONG_AFTER).env("GIT_COMMITTER_DATE", LONG_AFTER);
    assert!(command.status().unwrap().success());
}

fn answers(world: &World) -> Vec<Value> {
    let said = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    let records = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["stream"] == "worth/changes").map(|record| record["body"].clone()).collect()
}

#[test]
fn what_was_said_is_kept_and_reckoned_when_it_is_old_enough() {
    if !has_runtime() {
        return;
    }
    let world = world();
    world.run(&["risk", "train"]).well();
    in_order(&world.run(&["risk", "worth"]).well().out, &["0 changes of which something was said", "nothing was recorded"]);
    let early = made(&world, "src/module0.rs", 1, "before anybody was up");
    world.run(&["risk", "score", "--record"]).fails(3, &["record what was said of HEAD", "tidegate up"]);
    assert_eq!(world.run(&["risk", "score", "--json"]).well().json()["recorded"], json!(false));
    let mut process = up(&world);
    let (mut held, mut passed) = (vec![], vec![]);
    for n in 0..6 {
        let large = n % 2 == 0;
        let commit = made(&world, &format!("src/module{n}.rs"), if large { 110 } else { 1 }, &format!("work {n}"));
        let said = world.run(&["risk", "score", "--json"]).well().json();
        assert_eq!((&said["recorded"], &said["told"], &said["decides"]), (&json!(true), &json!(true), &Value::Null), "{said}");
        let one = &said["changes"][0];
        assert_eq!(one["way"] == "held", large, "{said}");
        if large { &mut held } else { &mut passed }.push((commit, one["probability"].as_f64().unwrap()));
        world.run(&["risk", "score"]).well();
    }
    let kept = answers(&world);
    assert_eq!(kept.len(), 6, "what is said twice is kept once: {kept:?}");
    let (first, trained) = (&kept[0], serde_json::from_str::<Value>(&world.read(".tidegate/risk/model.json")).unwrap());
    assert_eq!(first["probability"].as_f64().unwrap(), held[0].1);
    assert_eq!((&first["hold_from"], &first["costs"]), (&json!(1.0 / 3.0), &json!({ "delay": 1.0, "incident": 2.0 })));
    assert!(trained.to_string().contains(first["training"].as_str().unwrap()), "the lineage leads to the training: {first}");
    assert!(first["model"].as_str().unwrap().starts_with("blake3:") && first["policy"].as_str().unwrap().starts_with("blake3:"));
    assert!(first.get("by").is_none(), "nobody is named: {first}");
    let young = world.run(&["risk", "worth", "--json"]).well().json();
    assert_eq!(
        (&young["changes"], &young["left"]["young"], &young["verdict"]),
        (&json!(0), &json!(6), &json!("nothing_recorded")),
        "{young}"
    );

    // Somebody judged afterwards: that is not held against the model, and nobody judges what has ended.
    let told = world.run(&["risk", "judge", &held[0].0, "--risk", "0.4", "--reason", "many lines"]).well().out;
    assert!(told.contains("after the model's answer was told"), "{told}");
    for (commit, word) in
        [(&held[0].0, "hurt"), (&held[1].0, "clean"), (&held[2].0, "clean"), (&passed[0].0, "hurt"), (&passed[1].0, "clean")]
    {
        world.run(&["risk", "label", commit, word, "--reason", "as it was planted"]).well();
    }
    world.run(&["risk", "judge", &held[1].0, "--hold", "--reason", "too late"]).fails(5, &["known already", "risk label"]);
    world.run(&["risk", "judge", &passed[2].0, "--reason", "nothing"]).fails(2, &["--risk"]);
    world.run(&["risk", "judge", &passed[2].0, "--hold", "--pass", "--reason", "both"]).fails(2, &["--pass"]);
    long_after(&world);
    let of = reckoned(&world, &held);
    on_the_page(&world, &process, &of);
    let later = world.run(&["risk", "worth", "--since", "2100-01-01", "--json"]).well().json();
    assert_eq!((&later["spoken"], &later["verdict"]), (&json!(0), &json!("nothing_recorded")));
    world.run(&["risk", "worth", "--since", "soon"]).fails(2, &["--since"]);
    assert!(!of.to_string().contains(&early), "what nobody kept is not there");
    process.signal("TERM");
    wait_for("its end", || process.status().map(|_| ()));
}

/// The ledger of what was said and became of it, by hand.
fn reckoned(world: &World, held: &[(String, f64)]) -> Value {
    let of = world.run(&["risk", "worth", "--json"]).well().json();
    // Three were held, one of which hurt; of three that were not one did, and nobody fixed the other two.
    assert_eq!((&of["changes"], &of["models"], &of["verdict"]), (&json!(6), &json!(1), &json!("not_drawn")), "{of}");
    let all = &of["lines"][0];
    assert_eq!(
        (&all["changes"], &all["hurt"]["hits"], &all["held"], &all["in_vain"], &all["delay_cost"]),
        (&json!(6), &json!(2), &json!(3), &json!(2), &json!(2.0)),
        "{of}"
    );
    assert_eq!(
        (&all["through"], &all["through_cost"], &all["held_and_hurt"], &all["held_and_hurt_cost"]),
        (&json!(1), &json!(2.0), &json!(1), &json!(2.0)),
        "{of}"
    );
    // Wilson's interval of 2 in 6.
    let end = |name: &str| all["hurt"][name].as_f64().unwrap();
    assert!((end("low") - 0.0968).abs() < 1e-3 && (end("high") - 0.7000).abs() < 1e-3, "{of}");
    let sum: f64 = held.iter().map(|(_, probability)| probability).sum();
    let net: f64 = held.iter().map(|(_, probability)| probability * 2.0 - (1.0 - probability)).sum();
    let value = |name: &str| of["estimated"][name]["value"].as_f64().unwrap();
    assert!((value("failures") - sum).abs() < 1e-9 && (value("net") - net).abs() < 1e-9, "{of}");
    assert_eq!((&of["people"]["both"], &of["people"]["late"]), (&json!(0), &json!(1)), "{of}");
    let text = world.run(&["risk", "worth"]).well().out;
    in_order(
        &text,
        &[
            "6 changes of which something was said",
            "2 of 6: 33.3 % (9.7 to 70.0)",
            "an estimate by the model's own probabilities",
            "cannot be told, only estimated",
        ],
    );
    of
}

/// Once the history was read the console tells the same, in words and as JSON.
fn on_the_page(world: &World, process: &Started, of: &Value) {
    let token = token(world);
    let unread = json_of(world, &token, "/api/v1/risk");
    assert_eq!((&unread["worth"]["spoken"], &unread["worth"]["left"]["never_in"]), (&json!(6), &json!(6)), "{}", unread["worth"]);
    world.run(&["risk", "train"]).well();
    assert_eq!(json_of(world, &token, "/api/v1/risk")["worth"], *of);
    in_order(
        &found(world, &token, "/risk"),
        &[
            "What it was worth",
            "Something was said of 6 changes; 6 of them are old enough",
            "failures avoided cannot be told, only estimated",
            "<svg",
            "2 of 6: 33.3 % (9.7 to 70.0)",
            "How many failures holding avoids",
            "an estimate",
        ],
    );
    in_a_browser(world, process, &[("/risk", 4)]);
}

/// A forge: a list for whoever looks for an earlier comment, an object for whoever posts.
fn forge() -> StandIn {
    let object = "{\"html_url\": \"http://forge/1\", \"id\": 1}";
    StandIn::start(move |_, taken| (200, if taken.line.starts_with("GET") { "[]" } else { object }.to_owned()))
}

/// Ways to write what a model says of a change: what is looked for in all that is told.
fn numbers(change: &Value) -> Vec<String> {
    let probability = change["probability"].as_f64().unwrap();
    let whole = [&change["probability"], &change["interval"][0], &change["interval"][1], &change["rank"]].map(Value::to_string);
    // Short ones are anything's.
    whole.into_iter().filter(|text| text.len() > 6).map(|text| text[..6].to_owned()).chain([format!("{probability:.2}")]).collect()
}

#[test]
fn where_people_decide_nobody_is_told_before_they_have() {
    if !has_runtime() {
        return;
    }
    let world = world();
    world.run(&["risk", "train"]).well();
    let commit = made(&world, "src/module4.rs", 110, "a rewrite");
    let open = world.run(&["risk", "score", "--json"]).well().json();
    assert_eq!(open["changes"][0]["way"], "held", "{open}");
    let numbers = numbers(&open["changes"][0]);
    assert!(numbers.len() > 2, "{numbers:?}");
    with_trial(&world, "0.000001");
    let forge = forge();
    for (name, value) in [("GITHUB_API_URL", forge.url().as_str()), ("GITHUB_REPOSITORY", "acme/shop"), ("GITHUB_TOKEN", "token")] {
        world.set(name, value);
    }
    let mut process = up(&world);
    let asked: [&[&str]; 5] = [
        &["risk", "score"],
        &["risk", "score", "--json"],
        &["risk", "score", "--fail-at", "costs"],
        &["risk", "score", "HEAD~2..HEAD", "--fail-at", "0.01", "--json"],
        &["risk", "score", "--fail-at", "costs", "--mark", "github", "--comment", "github", "--target", "pr/12", "--json"],
    ];
    let mut all = String::new();
    for args in asked {
        // The whole of two commits has its own number: none of them is told.
        let said = world.run(args).well();
        all += &format!("{}{}", said.out, said.err);
    }
    all += &forge.taken().iter().map(Taken::text).collect::<String>();
    assert!(all.contains("people decide about this change, by lot") && all.contains("success"), "{all}");
    for number in &numbers {
        assert!(!all.contains(number.as_str()), "{number} is told in:\n{all}");
    }
    for word in ["probability", "log_odds", "raises the odds", "\"rank\"", "held"] {
        assert!(!all.contains(word), "`{word}` is told in:\n{all}");
    }
    let json = world.run(&["risk", "score", "--json"]).well().json();
    assert_eq!(
        (&json["highest"], &json["changes"], &json["whole"], &json["decides"]),
        (&Value::Null, &json!([]), &Value::Null, &json!("people"))
    );
    let kept = answers(&world);
    let of_it = kept.iter().find(|answer| answer["commits"] == json!([commit])).unwrap();
    assert_eq!((&of_it["arm"], &of_it["probability"]), (&json!("people"), &open["highest"]), "it is recorded all the same");

    // Who has judged is told; what they say is what holds it.
    let told = world.run(&["risk", "judge", "HEAD", "--risk", "0.4", "--reason", "many lines"]).well().out;
    assert!(told.contains("before the model's answer was told"), "{told}");
    let said = world.run(&["risk", "score", "--fail-at", "costs"]);
    assert_eq!(said.code, 1, "{said:?}");
    in_order(&said.out, &[numbers.last().unwrap(), "people decide about this change, by lot, and they hold it"]);
    world.run(&["risk", "judge", "HEAD", "--pass", "--reason", "looked at it"]).well();
    in_order(&world.run(&["risk", "score", "--fail-at", "costs"]).well().out, &["they let it pass"]);
    // Another one does not come in, and nobody judges it.
    let topic = not_in(&world);
    long_after(&world);
    let of = world.run(&["risk", "worth", "--json"]).well().json();
    open_is_not_counted(&world, &of, &topic);
    assert_eq!((&of["people"]["both"], &of["people"]["with_risk"], &of["verdict"]), (&json!(1), &json!(1), &json!("too_few")), "{of}");
    assert_eq!(
        (&of["people"]["model_right"], &of["people"]["people_right"], &of["people"]["agree"]["hits"]),
        (&json!(0), &json!(0), &json!(1)),
        "both would have held it: {of}"
    );
    process.signal("TERM");
    wait_for("its end", || process.status().map(|_| ()));
}

/// A change that people decide about, on a branch of its own; what the model says of it.
fn not_in(world: &World) -> Value {
    let root = world.root();
    git(&root, &["checkout", "-q", "-b", "topic"], "");
    let commit = made(world, "src/module2.rs", 110, "another rewrite");
    in_order(&world.run(&["risk", "score"]).well().out, &["people decide about this change, by lot"]);
    git(&root, &["checkout", "-q", "-"], "");
    answers(world).into_iter().find(|answer| answer["commits"] == json!([commit])).unwrap()
}

/// As long as people can decide about it soon, it is in no count of the terminal or the console.
fn open_is_not_counted(world: &World, of: &Value, topic: &Value) {
    assert_eq!((&topic["arm"], &topic["way"]), (&json!("people"), &json!("held")));
    assert_eq!(
        (&of["spoken"], &of["changes"], &of["left"]["young"], &of["kept_back"]),
        (&json!(2), &json!(1), &json!(1), &json!(0)),
        "{of}"
    );
    let token = token(world);
    world.run(&["risk", "train"]).well();
    assert_eq!(json_of(world, &token, "/api/v1/risk")["worth"], *of);
    in_order(&found(world, &token, "/risk"), &["What it was worth", "Not counted: 1 too young to tell", "people: all", "0 of 1: 0.0 %"]);
}

/// An event in CDEvents' form.
pub fn told(kind: &str, id: &str, at: &str, subject: &Value) -> String {
    json!({
        "context": { "specversion": "0.5.0", "id": id, "source": "/bus", "type": format!("dev.cdevents.{kind}"), "timestamp": at },
        "subject": subject,
    })
    .to_string()
}

#[test]
fn a_review_after_a_failure_names_its_cause_and_feeds_labels() {
    if !has_runtime() {
        return;
    }
    let world = world();
    world.run(&["risk", "train"]).well();
    let before = head(&world);
    let out: Vec<String> = (0..3).map(|n| made(&world, &format!("src/module{n}.rs"), 30, &format!("work {n}"))).collect();
    let mut process = up(&world);
    let (address, token) = (owner(&world)["console"].as_str().unwrap().to_owned(), format!("Bearer {SECRET}"));
    let service =
        |commit: &str| json!({ "id": "till", "type": "service", "content": { "environment": { "id": "production" }, "revision": commit } });
    let incident = json!({ "id": "INC-7", "type": "incident", "content": { "environment": { "id": "production" }, "service": { "id": "till" }, "description": "-" } });
    for message in [
        told("service.deployed.0.3.0", "1", "2026-03-12T12:00:00Z", &service(&before)),
        told("service.deployed.0.3.0", "2", "2026-03-13T12:00:00Z", &service(&out[2])),
        told("incident.detected.0.3.0", "3", "2026-03-13T14:00:00Z", &incident),
    ] {
        let answer = post(&address, "/webhooks/events/bus", &[("authorization", token.as_str())], &message);
        assert_eq!(answer.0, 202, "{answer:?}");
    }
    let open = world.run(&["risk", "review", "--open", "--json"]).well().json();
    let failure = &open["failures"][0];
    assert_eq!(
        (&failure["name"], &failure["fate"], &failure["incidents"]),
        (&json!("INC-7"), &json!("incident"), &json!(["INC-7"])),
        "{open}"
    );
    let mut changes: Vec<&str> = failure["changes"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    changes.sort_unstable();
    let mut wanted: Vec<&str> = out.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    assert_eq!(changes, wanted);
    in_order(&world.run(&["risk", "review", "--open"]).well().out, &["INC-7", "an incident followed", "--cause"]);

    let said = ["--cause", &out[1], "--clears", &out[0], "--reason", "the log says so", "--finding", "a lock was never let go"];
    let review = |name: &str| world.run(&[&["risk", "review", name], said.as_slice()].concat());
    review("INC-8").fails(4, &["INC-8", "INC-7"]);
    in_order(&review("INC-7").well().out, &["INC-7 is reviewed", &out[1][..12], "hurt", &out[0][..12], "nothing to do with it"]);
    let labels = world.run(&["risk", "labels", "--limit", "10", "--json"]).well().json();
    let label = |commit: &str| labels["labels"].as_array().unwrap().iter().find(|one| one["commit"] == *commit).unwrap().clone();
    assert_eq!((&label(&out[1])["ended"], &label(&out[1])["by"]), (&json!("hurt"), &json!("person")));
    assert!(label(&out[1])["why"].as_str().unwrap().contains("the review of INC-7"), "{labels}");
    assert_eq!(label(&out[0])["ended"], "clean");
    let third = label(&out[2]);
    assert_eq!(
        (&third["ended"], &third["by"]),
        (&json!("unknown"), &json!("history")),
        "it is left to the history, and no longer one of three: {third}"
    );
    in_order(&world.run(&["risk", "review", "--open"]).well().out, &["every failure"]);
    world.run(&["risk", "review", "a page of paper", "--cause", &out[2], "--reason", "x", "--elsewhere"]).well();
    world.run(&["risk", "review", "INC-7", "--cause", &out[1], "--clears", &out[1], "--reason", "x"]).fails(5, &["cannot have caused it"]);
    let events: Vec<String> = world.events().into_iter().filter(|event| event.starts_with("correction/")).collect();
    assert_eq!(events, ["correction/changes reviewed", "correction/changes reviewed"], "a review is one fact");
    process.signal("TERM");
    wait_for("its end", || process.status().map(|_| ()));
    git(&world.root(), &["status"], "");
}
