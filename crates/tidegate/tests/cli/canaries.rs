//! Fifty canaries - secrets, names, addresses of mail and others - stand in whole messages of every tool, which are told, forged, told again,
//! out of order, cut off, too long, and with canaries where names should stand: none of them is anywhere afterwards.

#[path = "payloads.rs"]
mod payloads;

use crate::deployments::{post, signature};
use crate::up::{owner, served, up};
use crate::world::{World, has_runtime, list, wait_for};
use payloads::PAYLOADS;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use tidegate_store::{DeliveryFilter, Lake};

const SECRET: &str = "the secret of every webhook";
const EVENTS: &str = "events:\n  github: { tool: github, secret: HOOK }\n  gitlab: { tool: gitlab, secret: HOOK }\n  jenkins: { tool: jenkins, secret: HOOK }\n  \
                      argocd: { tool: argo, secret: HOOK }\n  rollouts: { tool: argo, secret: HOOK }\n  spinnaker: { tool: spinnaker, secret: HOOK }\n  \
                      pager: { tool: pagerduty, secret: HOOK }\n  cdevents: { tool: cdevents, secret: HOOK }\n";
const COUNT: usize = 50;
/// What is kept as it is: where it is found, canaries would be.
const CONTROL: &str = "checkout-of-the-control";

/// Canaries of ten kinds.
fn canaries() -> Vec<String> {
    let one = |n: usize| match n % 10 {
        0 => format!("ghp_{n:02}C7e42F292c6912E7710c838347Ae178B4a"),
        1 => format!("canary{n:02}@people.example"),
        2 => format!("glpat-{n:02}abcdefGHIJklmnopqr"),
        3 => format!("canary-login-{n:02}"),
        4 => format!("AKIA{n:02}IOSFODNN7EXAMPLE"),
        5 => format!("+49 30 5550{n:02}19"),
        6 => format!("eyJhbGciOiJIUzI1NiJ9.{n:02}eyJzdWIi.c2ln"),
        7 => format!("Canary{n:02} Lovelace"),
        8 => format!("{n:02} Analytical Street"),
        _ => format!("hunter{n:02}-swordfish"),
    };
    (0..COUNT).map(one).collect()
}

/// Which of them are in a text.
fn seen<'a>(text: &str, canaries: &'a [String]) -> Vec<&'a String> {
    canaries.iter().filter(|canary| text.contains(canary.as_str())).collect()
}

/// Every text that is left: files as they are, rows of the lake as they are read, and what commands and pages say.
fn left(world: &World, answers: &[String]) -> Vec<(String, String)> {
    let mut texts: Vec<(String, String)> = answers.iter().map(|answer| ("an answer".to_owned(), answer.clone())).collect();
    for args in
        [&["events", "list", "--limit", "1000"][..], &["events", "list", "--json"], &["events", "list", "--aside"], &["events", "measures"]]
    {
        texts.push((args.join(" "), world.run(args).well().out));
    }
    texts.push(("journal".to_owned(), world.run(&["journal", "-n", "1000", "--json"]).well().out));
    for page in ["/", "/journal", "/api/v1/overview"] {
        let text = page_of(world, page);
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        texts.push((page.to_owned(), text));
    }
    let lake = Lake::open_read_only(&world.path(".tidegate/lake")).unwrap();
    let rows = lake.deliveries().read(&DeliveryFilter::default()).unwrap().map(|row| ("a row".to_owned(), format!("{:?}", row.unwrap())));
    texts.extend(rows);
    texts.extend(files(world));
    texts
}

/// A page, as the owner of the workspace sees it.
fn page_of(world: &World, path: &str) -> String {
    let mut stream = UnixStream::connect(world.path(".tidegate/up.sock")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn files(world: &World) -> Vec<(String, String)> {
    let mut files = vec![];
    list(&world.path(".tidegate"), &mut files);
    list(&world.beside("said"), &mut files);
    let text =
        |file: &std::path::PathBuf| std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    files.iter().map(|file| (file.display().to_string(), text(file))).collect()
}

#[test]
fn of_fifty_canaries_none_is_kept_or_said() {
    if !has_runtime() || signature("a", "b").is_none() {
        return;
    }
    let canaries = canaries();
    let everything: String = PAYLOADS.iter().map(|payload| payload.with(&canaries, payload.at)).collect();
    assert_eq!(canaries.iter().collect::<BTreeSet<_>>().len(), COUNT);
    assert_eq!(seen(&everything, &canaries).len(), COUNT, "each is told by some tool");
    let world = served();
    world.write("tidegate.yaml", &format!("{}{EVENTS}", world.read("tidegate.yaml")));
    world.set("HOOK", SECRET);
    let mut process = up(&world);
    let address = owner(&world)["console"].as_str().unwrap().to_owned();
    let mut answers = vec![];
    for payload in PAYLOADS.iter().rev() {
        let body = payload.with(&canaries, payload.at);
        let mut send = |what: &str, body: &str, secret: &str, want: u16| {
            let (status, answer) = payload.send(&address, body, secret);
            assert_eq!(status, want, "{} {}, {what}: {answer}", payload.source, payload.kind);
            answers.push(answer);
        };
        send("forged", &body, "another secret", 401);
        // From the newest to the oldest: all but the first are out of order.
        send("valid", &body, SECRET, 202);
        send("again", &body, SECRET, 202);
        for part in [2, 3, 4] {
            send("cut off", &body[..body.len() * (part - 1) / part], SECRET, 422);
        }
        // Behind it, so that it is not JSON either.
        send("huge", &format!("{body}{}", " ".repeat(5 << 20)), SECRET, 413);
        for canary in [0, 1, 2, 4, 6, 7, 8].map(|n| &canaries[n]) {
            // Where a name of what is known should stand.
            let other = body.replace("\"shop\"", &format!("\"{canary}\"")).replace("acme/shop", canary).replace("job/shop/job/main/", "");
            let other = other
                .replace("\"name\": \"main\"", &format!("\"name\": \"{canary}\""))
                .replace("\"pipelineName\": \"build\"", &format!("\"pipelineName\": \"{canary}\""));
            send("a canary for a name", &other, SECRET, 422);
        }
    }
    let listed = world.run(&["events", "list", "--json"]).well().json();
    assert_eq!(listed.as_array().unwrap().len(), PAYLOADS.len(), "each message is one event, whatever was sent besides: {listed}");
    // A control: what is told where names are kept is found in the same way.
    let control = PAYLOADS[13]
        .with(&canaries, PAYLOADS[13].at)
        .replace("\"id\": \"shop\"", &format!("\"id\": \"{CONTROL}\""))
        .replace("cd-1", "cd-9");
    assert_eq!(PAYLOADS[13].send(&address, &control, SECRET).0, 202);
    let open = left(&world, &answers);
    process.signal("TERM");
    wait_for("its end", || process.status().map(|_| ()));
    world.run(&["audit", "verify"]).well();
    for (place, text) in open.into_iter().chain(files(&world)) {
        assert_eq!(seen(&text, &canaries), Vec::<&String>::new(), "in {place}");
    }
    let found = |open: &[(String, String)]| {
        open.iter().filter(|(_, text)| text.contains(CONTROL)).map(|(place, _)| place.clone()).collect::<Vec<_>>()
    };
    let places = found(&files(&world));
    assert!(places.iter().any(|place| place.ends_with(".parquet")), "sealed, and found where canaries would be: {places:?}");
}
