//! Pages of the risk of changes in the console: what they say of a model, of a change and of what is not there, with a credential and without.

use crate::browser::{by_keyboard, link, looks};
use crate::chromium::{Page, browser};
use crate::risk::{commit, repository};
use crate::up::{owner, served, up};
use crate::world::{Started, World, has_runtime, in_order};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// What sums may be off by.
const CLOSE: f64 = 1e-9;
const COSTS: &str = "risk:\n  costs: { delay: 1, incident: 2 }\n";

/// Status and body of what the console answers.
fn get(world: &World, path: &str, token: Option<&str>) -> (u16, String) {
    let address = owner(world)["console"].as_str().unwrap().to_owned();
    let credential = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {address}\r\n{credential}connection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// A page, or an answer of the API, that is there.
pub fn found(world: &World, token: &str, path: &str) -> String {
    let (status, body) = get(world, path, Some(token));
    assert_eq!(status, 200, "{path}: {body}");
    body
}

pub fn json_of(world: &World, token: &str, path: &str) -> Value {
    serde_json::from_str(&found(world, token, path)).unwrap()
}

/// A token for the console's API.
pub fn token(world: &World) -> String {
    world.run(&["token", "create", "--label", "x"]).well().out.trim().to_owned()
}

fn numbers(of: &Value, member: &str) -> f64 {
    of[member].as_f64().unwrap_or_else(|| panic!("{member}: {of}"))
}

#[test]
fn a_release_engineer_reads_why_a_change_is_risky() {
    if !has_runtime() {
        return;
    }
    let world = served();
    repository(&world.root());
    world.write("tidegate.yaml", &format!("{}{COSTS}", world.read("tidegate.yaml")));
    let process = up(&world);
    let token = token(&world);
    nothing_yet(&world, &token);
    let trained = world.run(&["risk", "train", "--json"]).well().json();
    a_model(&world, &token, &trained);
    let id = a_change(&world, &token);
    in_a_browser(&world, &process, &[("/risk", 3), (&format!("/risk/{id}"), 1)]);
    unread(&world, &token);
    damaged(&world, &token);
}

fn nothing_yet(world: &World, token: &str) {
    for path in ["/risk", "/risk/0123456", "/api/v1/risk", "/api/v1/risk/0123456"] {
        assert_eq!(get(world, path, None).0, 401, "{path}");
    }
    in_order(&found(world, token, "/risk"), &["no model yet", "model.json", "tidegate risk train"]);
    assert_eq!(json_of(world, token, "/api/v1/risk")["stand"], "no_model");
    let (status, body) = get(world, "/risk/0123456", Some(token));
    assert!(status == 404 && body.contains("no model yet"), "{body}");
    let (status, body) = get(world, "/api/v1/risk/0123456", Some(token));
    assert!(status == 404 && body.contains("tidegate risk train"), "{body}");
}

fn a_model(world: &World, token: &str, trained: &Value) {
    let told = json_of(world, token, "/api/v1/risk");
    assert_eq!((&told["stand"], &told["unread"], &told["notes"]), (&json!("ready"), &Value::Null, &json!([])), "{told}");
    let judged = &told["judged"];
    for (ours, theirs) in
        [(&judged["auc"]["estimate"], &trained["model"]["auc"]["estimate"]), (&judged["brier"], &trained["model"]["brier"])]
    {
        assert!((ours.as_f64().unwrap() - theirs.as_f64().unwrap()).abs() < CLOSE, "{judged} {trained}");
    }
    assert_eq!(judged["rows"], trained["model"]["rows"]);
    let rows = |of: &Value| of.as_array().unwrap().iter().map(|one| one["rows"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(
        (rows(&judged["reliability"]), rows(&judged["periods"])),
        (judged["rows"].as_u64().unwrap(), judged["rows"].as_u64().unwrap())
    );
    assert_eq!((judged["reliability"].as_array().unwrap().len(), &told["importance_of"]), (10, &json!(200)));
    // What tells them apart in this history is how much a change adds.
    let first: Vec<&str> = told["importance"].as_array().unwrap().iter().take(4).map(|one| one["feature"].as_str().unwrap()).collect();
    assert!(first.iter().any(|feature| ["la", "churn", "la_per_nf", "la_per_lt"].contains(feature)), "{first:?}");
    // The history is made alike from its beginning to its end.
    let reasons = &told["reasons"];
    assert!(numbers(reasons, "agreement") > 0.9 && numbers(reasons, "agreement") <= 1.0, "{reasons}");
    assert_eq!((&reasons["drifted"], &reasons["changes"][1]), (&json!(false), &json!(200)));
    let changes = told["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 50);
    let held = changes.iter().filter(|one| one["risk"]["way"] == "held").count();
    assert!(held > 0 && held < changes.len(), "some are and some are not: {changes:?}");
    let page = found(world, token, "/risk");
    in_order(
        &page,
        &[
            "aria-current=\"page\">Risk",
            "Newest changes",
            "held",
            "The model",
            "How good it is",
            "<svg",
            "Drift",
            "<svg",
            "What it was worth",
            "nothing yet",
            "What moves it",
            "<svg",
            "Lines added",
        ],
    );
    assert!(!page.contains("author1@example.org") && !page.contains("Author 1"), "nobody is named");
}

/// The page of a change that is held; which one.
fn a_change(world: &World, token: &str) -> String {
    let changes = json_of(world, token, "/api/v1/risk")["changes"].clone();
    let held = changes.as_array().unwrap().iter().find(|one| one["risk"]["way"] == "held").unwrap();
    let id = held["commit"].as_str().unwrap();
    let told = json_of(world, token, &format!("/api/v1/risk/{id}"));
    let waterfall = &told["waterfall"];
    let steps: f64 = waterfall["steps"].as_array().unwrap().iter().map(|step| numbers(step, "log_odds")).sum();
    let sum = numbers(waterfall, "base") + steps + numbers(waterfall, "rest");
    assert!((sum - numbers(waterfall, "margin")).abs() < CLOSE, "{waterfall}");
    assert_eq!(told["probability"], held["risk"]["probability"], "the list and the page say the same");
    assert_eq!(told["probability"], waterfall["probability"]);
    assert_eq!(told["way"], "held");
    let scored = world.run(&["risk", "score", id, "--json"]).well().json()["changes"][0].clone();
    assert!((numbers(&scored, "probability") - numbers(&told, "probability")).abs() < CLOSE, "the terminal says the same: {scored}");

    let similar = told["similar"].as_array().unwrap();
    assert_eq!(similar.len(), 10);
    assert!(similar.windows(2).all(|two| numbers(&two[0], "distance") <= numbers(&two[1], "distance")), "nearest first: {similar:?}");
    for one in similar {
        assert!(one["at"].as_i64().unwrap() < told["at"].as_i64().unwrap(), "it lies before: {one}");
        assert!(["hurt", "clean"].contains(&one["label"]["ended"].as_str().unwrap()), "it has ended: {one}");
        assert!(one["label"]["by"] == "history" && one["commit"] != told["commit"], "{one}");
    }
    // Large changes are like large ones, which hurt four times in five here.
    assert!(similar.iter().filter(|one| one["label"]["ended"] == "hurt").count() >= 4, "{similar:?}");
    let file = &told["files"][0];
    assert!(file["path"].as_str().unwrap().starts_with("src/module"), "{file}");
    assert!(file["earlier"].as_u64() > file["hurt"].as_u64() && file["hurt"].as_u64() >= Some(1), "{file}");
    let line = &told["line"];
    assert!(line["seed"] == 0 && numbers(line, "r_squared") > 0.0 && numbers(line, "r_squared") <= 1.0, "{line}");
    assert!(numbers(line, "stability") > 0.4 && numbers(line, "stability") <= 1.0, "{line}");
    assert!(!told["together"].as_array().unwrap().is_empty());

    let page = found(world, token, &format!("/risk/{}", &id[..12]));
    let words = [
        "Risk",
        "held",
        "by what is left open",
        "What would lower it",
        "Why",
        "<svg",
        "this change",
        "Similar past changes",
        "src/module",
        "A line near it",
        "R²",
    ];
    in_order(&page, &words);
    assert_eq!(found(world, token, &format!("/risk/{id}")), page, "told twice, it is the same");
    for path in ["/risk/0000000000", "/risk/nonsense", "/api/v1/risk/0000000000"] {
        let (status, body) = get(world, path, Some(token));
        assert!(status == 404 && body.contains("no such change among those that were read"), "{path}: {body}");
    }
    id.to_owned()
}

/// Pages with so many pictures: in light and dark, on a narrow screen, by keyboard, and without a request to any other host.
pub fn in_a_browser(world: &World, process: &Started, pages: &[(&str, usize)]) {
    let Some(browser) = browser() else { return };
    let host = format!("http://{}", owner(world)["console"].as_str().unwrap());
    let mut page = Page::open(&browser);
    page.go(&link(process));
    let _ = page.asked_and_failed();
    for (path, pictures) in pages {
        page.go(&format!("{host}{path}"));
        looks(&mut page, path);
        by_keyboard(&mut page, path);
        let drawn = page.eval("[...document.querySelectorAll('figure svg')].filter((s) => s.getBoundingClientRect().height > 50).length");
        assert_eq!(drawn, json!(pictures), "{path}");
        let (asked, failed) = page.asked_and_failed();
        assert!(asked.iter().all(|url| url.starts_with(&host)), "{path} asks elsewhere: {asked:?}");
        assert_eq!(failed, Vec::<String>::new(), "{path}");
    }
}

/// What came since is said to be unread, and is read by training again.
fn unread(world: &World, token: &str) {
    commit(world, "src/module3.rs", 1, "a word");
    commit(world, "src/module4.rs", 90, "a rewrite");
    let told = json_of(world, token, "/api/v1/risk");
    assert_eq!((&told["unread"]["commits"], &told["unread"]["command"]), (&json!(2), &json!("tidegate risk train")), "{}", told["unread"]);
    let head = told["unread"]["head"].as_str().unwrap();
    assert_eq!(get(world, &format!("/risk/{head}"), Some(token)).0, 404);
    assert!(found(world, token, "/risk").contains("2 commits are not read yet"));
    world.run(&["risk", "train"]).well();
    let told = json_of(world, token, "/api/v1/risk");
    assert_eq!((&told["unread"], &told["changes"][0]["commit"]), (&Value::Null, &json!(head)));
    found(world, token, &format!("/risk/{head}"));
}

fn damaged(world: &World, token: &str) {
    let (state, model) = (".tidegate/risk/history.state", ".tidegate/risk/model.json");
    std::fs::write(world.path(state), "no state").unwrap();
    in_order(&found(world, token, "/risk"), &["the history cannot be read", "history.state", "tidegate risk train"]);
    assert_eq!(json_of(world, token, "/api/v1/risk")["stand"], "history_unreadable");
    world.write(model, "{}");
    in_order(&found(world, token, "/risk"), &["the model cannot be read", "model.json", "tidegate risk train"]);
    assert_eq!(json_of(world, token, "/api/v1/risk")["stand"], "model_damaged");
}
