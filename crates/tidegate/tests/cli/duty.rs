//! Who is on duty, calls that nobody answers, and the record of the change that they were about.

use crate::deployments::apis;
use crate::retrain::{looked, stands, trained};
use crate::up::up;
use crate::world::{has_runtime, in_order, wait_for};

const DUTY: &str = "people:\n  ada: { roles: [developer] }\n  grace: { roles: [approver] }\nduty:\n  \
                    first: { people: [ada], from: 2026-01-01, after: 500ms, escalate: [second] }\n  \
                    second: { people: [grace], from: 2026-01-01, every: 1d, zone: Europe/Berlin }\n";

#[test]
fn an_approval_that_nobody_gives_goes_to_the_next_and_stands_in_the_record() {
    if !has_runtime() {
        return;
    }
    let world = trained("on: data, cool_down: 0ms, approve: auto", DUTY);
    let config = world.read("tidegate.yaml").replace("s: { model: m }", "s: { model: m, approvals: 1 }");
    world.write("tidegate.yaml", &config);
    let who = world.run(&["duty", "who", "--at", "2026-07-01T12:00:00Z"]).well().out;
    in_order(&who, &["first (all services): ada until 2026-07-02T09:00:00", "then second", "second", "grace until 2026-07-02T07:00:00"]);
    let _up = up(&world);
    looked(&world);
    world.write("words.csv", "word\nother\n");
    stands(&world, 1, "releasing");
    wait_for("the second call", || world.events().iter().any(|e| e.starts_with("duty/") && e.ends_with(" escalated")).then_some(()));
    in_order(
        &world.run(&["duty", "calls"]).well().out,
        &["approval/s/1/", "0 of 1 approvals", "called ada (first), then grace (second)", "not answered"],
    );
    let before = world.run(&["release", "record", "s", "--version", "1"]).well().out;
    in_order(
        &before,
        &[
            "# Change record: s version 1",
            "it has not begun",
            "| approvals | **waits** |",
            "| training | asked |",
            "## Gates",
            "All passed",
            "alpha = 0.01",
        ],
    );
    world.run(&["duty", "answer", "approval/s/1/x", "--finding", "x"]).fails(5, &["may not review"]);

    let grace = world.run(&["token", "create", "--label", "x", "--person", "grace"]).well().out.trim().to_owned();
    world.run_as(&grace, &["duty", "answer", "approval/s/1/x", "--finding", "x"]).fails(2, &["pass by themselves"]);
    world.run_as(&grace, &["release", "approve", "s", "1", "--reason", "seen the numbers"]).well();
    stands(&world, 1, "promoted");
    wait_for("the answer", || world.run(&["duty", "calls"]).well().out.contains("answered 20").then_some(()));
    let duty: Vec<String> = world.events().into_iter().filter(|e| e.starts_with("duty/")).collect();
    let words: Vec<&str> = duty.iter().map(|e| e.rsplit_once(' ').unwrap().1).collect();
    assert_eq!(words, ["called", "escalated", "answered"], "each once");

    let record = || world.run(&["release", "record", "s/1"]).well().out;
    let first = record();
    in_order(
        &first,
        &[
            "# Change record: s/1",
            "| Outcome | released |",
            "blake3:",
            "| training | asked |",
            "| grace | approved | seen the numbers |",
            "It is the first version",
        ],
    );
    let json = world.run(&["release", "record", "s/1", "--json"]).well().json();
    assert_eq!((&json["record"]["release"], &json["record"]["people"][1]["by"]), (&"s/1".into(), &"grace".into()));
    world.write("words.csv", "word\nthird\n");
    stands(&world, 2, "releasing");
    assert_eq!(record(), first, "the same bytes, whatever came after");
    world.run(&["release", "record", "s/9"]).fails(4, &["no such release"]);
    world.run(&["release", "record", "s"]).fails(2, &["names no release"]);
    world.run(&["audit", "verify"]).well();
}

#[test]
fn who_is_on_duty_is_named_and_each_is_told_what_they_are_called_for() {
    if !has_runtime() {
        return;
    }
    let chats = apis();
    let world = trained("on: data, cool_down: 0ms, approve: auto", DUTY);
    let channels = "notify:\n  ada: { slack: ADA_CHAT, person: ada, on: [page, asked] }\n  \
                    grace: { slack: GRACE_CHAT, person: grace, on: [page, asked] }\n";
    let config = world.read("tidegate.yaml").replace("s: { model: m }", "s: { model: m, approvals: 1 }");
    world.write("tidegate.yaml", &format!("{config}{channels}"));
    for (name, path) in [("ADA_CHAT", "ada"), ("GRACE_CHAT", "grace")] {
        world.set(name, &format!("http://127.0.0.1:{}/{path}", chats.port));
    }
    let _up = up(&world);
    looked(&world);
    world.write("words.csv", "word\nother\n");
    let told = |path: &str| {
        let all = chats.taken().into_iter().filter(|taken| taken.line.starts_with(&format!("POST /{path} ")));
        all.map(|taken| taken.body["text"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>().join("\n")
    };
    wait_for("grace's page", || told("grace").contains("(on duty: grace)").then_some(()));
    in_order(&told("grace"), &["nobody answered, second is called: s version 1", "0 of 1 approvals", "(on duty: grace)"]);
    wait_for("ada's request", || told("ada").contains("(on duty: ada)").then_some(()));
    in_order(&told("ada"), &["training asks to release version 1", "(on duty: ada)"]);
    assert!(!told("grace").contains("asks to release") && !told("ada").contains("nobody answered"), "each their own");
}
