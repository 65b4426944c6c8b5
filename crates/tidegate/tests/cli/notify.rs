//! Notifications, taken by a server that checks signatures with the standard's own package, and by a server of mail.

use crate::retrain::{looked, stands, trained};
use crate::up::up;
use crate::world::{Started, World, has_runtime, in_order, wait_for};
use serde_json::Value;
use std::process::{Child, Command};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What takes what is told; it ends with this value.
struct Listener {
    child: Child,
    http: u64,
    smtp: u64,
}

impl Listener {
    /// None where its packages are missing, which is said.
    fn start(world: &World) -> Option<Listener> {
        let Some(python) = std::env::var_os("TIDEGATE_TEST_NOTIFY") else {
            eprintln!("skipped: TIDEGATE_TEST_NOTIFY names no Python with the packages of scripts/notify-requirements.lock");
            return None;
        };
        let folder = world.beside("told");
        std::fs::create_dir(&folder).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/listener.py");
        let child = Command::new(python).arg(script).arg(&folder).arg(SECRET).spawn().unwrap();
        let ports = wait_for("the listener", || std::fs::read(folder.join("ports")).ok());
        let ports: Value = serde_json::from_slice(&ports).unwrap();
        Some(Listener { child, http: ports["http"].as_u64().unwrap(), smtp: ports["smtp"].as_u64().unwrap() })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was told so far, by a way or path.
fn told(world: &World, by: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(world.beside("told").join("told.jsonl")).unwrap_or_default();
    // The last line may be half written.
    let all = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    all.filter(|one| one["by"] == by || one["path"] == by).collect()
}

/// Types of the events that a tool took, in their order.
fn types(world: &World) -> Vec<String> {
    let taken = told(world, "/tools?x=1").into_iter().filter(|one| one["status"] == 200);
    taken.map(|one| one["body"]["context"]["type"].as_str().unwrap().to_owned()).collect()
}

fn texts(world: &World, path: &str) -> String {
    told(world, path).iter().map(|one| one["body"]["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A workspace that tells a tool, a chat and a mailbox; its second release will be held.
fn telling() -> Option<(World, Listener)> {
    let world = trained("on: data, cool_down: 0ms, approve: auto", "notify: {}\n");
    let listener = Listener::start(&world)?;
    let (http, smtp) = (listener.http, listener.smtp);
    let notify = format!(
        "notify:\n  tools: {{ webhook: 'http://127.0.0.1:{http}/tools?x=1', secret: HOOK_SECRET }}\n  \
         chat: {{ slack: CHAT_ADDRESS, on: [page, promoted, held, rolling_back] }}\n  \
         mail: {{ smtp: 'smtp://127.0.0.1:{smtp}', from: tidegate@example.org, to: [ops@example.org, night@example.org] }}\n"
    );
    let config = world
        .read("tidegate.yaml")
        .replace("notify: {}\n", &notify)
        .replace("tick: 1s,", "tick: 1s, deadline: 3s,")
        .replace("min_time: 1h", "min_time: 1s");
    world.write("tidegate.yaml", &config);
    world.set("CHAT_ADDRESS", &format!("http://127.0.0.1:{http}/secret/T0/B0/x"));
    world.set("HOOK_SECRET", SECRET);
    Some((world, listener))
}

/// Two releases, the second of which waits for a person.
fn released(world: &World) -> Started {
    let up = up(world);
    looked(world);
    world.write("words.csv", "word\nother\n");
    stands(world, 1, "promoted");
    world.write("words.csv", "word\nthird\n");
    stands(world, 2, "releasing");
    up
}

#[test]
fn what_happens_is_told_to_tools_chats_and_mailboxes() {
    if !has_runtime() {
        return;
    }
    let Some((world, _listener)) = telling() else { return };
    let _up = released(&world);
    wait_for("the mail", || told(&world, "smtp").first().cloned());
    wait_for("the delivery", || world.events().iter().any(|event| event == "rollout/s/2 page_delivered").then_some(()));
    world.run(&["release", "abort", "s/2", "--reason", "enough"]).well();
    wait_for("the end", || types(&world).contains(&"dev.cdevents.service.rolledback.0.3.0".to_owned()).then_some(()));

    assert!(told(&world, "/tools?x=1").iter().all(|one| one["signed"] == true), "each is signed");
    in_order(
        &types(&world).join("\n"),
        &[
            "tidegate-release.started",
            "tidegate-release.promoted",
            "dev.cdevents.service.deployed.0.3.0",
            "tidegate-release.started",
            "tidegate-release.held",
            "dev.cdevents.incident.detected.0.3.0",
            "tidegate-release.rollingback",
            "dev.cdevents.service.rolledback.0.3.0",
        ],
    );
    let back = told(&world, "/tools?x=1").pop().unwrap();
    let (headers, body) = (&back["headers"], &back["body"]);
    assert_eq!((&headers["webhook-id"], &headers["ce-id"]), (&body["context"]["id"], &body["context"]["id"]));
    assert_eq!(headers["ce-type"], body["context"]["type"]);
    assert_eq!(body["subject"]["content"]["artifactId"], "pkg:generic/m@1", "the version that is there again");

    in_order(&texts(&world, "/secret/T0/B0/x"), &["*trained* s/1: promoted by policy", "s/2: a person is called: held", "s/2: held"]);
    let mail = &told(&world, "smtp")[0];
    assert_eq!(mail["to"], serde_json::json!(["ops@example.org", "night@example.org"]));
    in_order(mail["subject"].as_str().unwrap(), &["[trained] s/2: a person is called: held"]);

    // What has arrived is noted as told a moment later.
    let list = wait_for("nothing to wait", || {
        let list = world.run(&["notify", "list"]).well().out;
        (!list.contains("1 waiting")).then_some(list)
    });
    in_order(
        &list,
        &["chat: Slack, by the address in CHAT_ADDRESS", "told at", "mail: mail to ops@", "tools: webhook at 127.0.0.1", "0 waiting"],
    );
    assert!(!list.contains("secret") && !list.contains("whsec"), "{list}");
    world.run(&["notify", "test", "chat"]).well();
    wait_for("the test", || texts(&world, "/secret/T0/B0/x").contains("a test: nothing happened").then_some(()));
    world.run(&["notify", "test", "night"]).fails(4, &["there is no `night`; known are tools, chat, mail"]);
    world.run(&["audit", "verify"]).well();
}

#[test]
fn what_is_not_taken_is_told_again_also_after_a_crash_and_nothing_is_told_twice_as_new() {
    if !has_runtime() {
        return;
    }
    let Some((world, _listener)) = telling() else { return };
    let refuse = world.beside("told").join("refuse");
    std::fs::write(&refuse, "503").unwrap();
    let mut first = released(&world);
    let list = || world.run(&["notify", "list"]).well().out;
    wait_for("the trouble", || list().contains("the service says 503: it is tried again").then_some(()));
    wait_for("the hold", || world.events().iter().any(|event| event == "rollout/s/2 paged").then_some(()));
    assert_eq!(types(&world), Vec::<String>::new());
    in_order(&first.so_far().1, &["trouble:", "tell tools: the service says 503"]);
    let said = first.so_far().1 + &list();
    assert!(!said.contains("/secret/"), "an address of a chat is a secret: {said}");
    world.run(&["notify", "test", "chat"]).fails(3, &["test channel chat: the service says 503"]);
    first.kill();

    std::fs::remove_file(&refuse).unwrap();
    let _second = up(&world);
    wait_for("what was not told", || types(&world).contains(&"dev.cdevents.incident.detected.0.3.0".to_owned()).then_some(()));
    in_order(&types(&world).join("\n"), &["release.started", "release.promoted", "service.deployed", "release.started", "release.held"]);
    wait_for("the delivery", || world.events().iter().any(|event| event == "rollout/s/2 page_delivered").then_some(()));
    let ids: Vec<Value> =
        told(&world, "/tools?x=1").into_iter().filter(|one| one["status"] == 200).map(|one| one["headers"]["webhook-id"].clone()).collect();
    let mut once = ids.clone();
    once.dedup();
    assert_eq!(ids, once, "each was told once");
}

#[test]
fn a_secret_that_is_missing_is_named_and_nothing_is_lost() {
    if !has_runtime() {
        return;
    }
    let Some((world, _listener)) = telling() else { return };
    world.set("CHAT_ADDRESS", "");
    let up = released(&world);
    let why = "tell chat: the environment variable CHAT_ADDRESS is not set: set it, and start `tidegate up` again where that asks for it";
    wait_for("the trouble", || up.so_far().1.contains(why).then_some(()));
    in_order(&world.run(&["notify", "list", "--json"]).well().out, &["\"chat\"", "CHAT_ADDRESS is not set"]);
}
