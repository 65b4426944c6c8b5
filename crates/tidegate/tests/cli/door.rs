//! The console's door: who has not signed in gets nothing but the door itself.

use crate::up::{owner, served, up};
use crate::world::{World, has_runtime};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take before the test gives up.
const ANSWER: Duration = Duration::from_secs(60);
/// Every route that asks for a credential, and one that does not exist, which tells a stranger no more.
const CLOSED: [(&str, &str); 53] = [
    ("GET", "/"),
    ("GET", "/journal"),
    ("GET", "/runs/workspace-1"),
    ("GET", "/data/flights"),
    ("GET", "/models/m/1"),
    ("GET", "/releases/s/1"),
    ("GET", "/risk"),
    ("GET", "/risk/0123456"),
    ("GET", "/api/v1/risk"),
    ("GET", "/api/v1/risk/0123456"),
    ("GET", "/api/v1/overview"),
    ("GET", "/api/v1/models/m/1"),
    ("POST", "/api/v1/models/m/candidates"),
    ("GET", "/api/v1/changes/workspace/newest-run"),
    ("GET", "/api/v1/releases"),
    ("POST", "/api/v1/releases"),
    ("GET", "/api/v1/releases/s/1"),
    ("POST", "/api/v1/releases/s/1/pause"),
    ("DELETE", "/api/v1/releases/s/1"),
    ("GET", "/api/v1/approvals"),
    ("POST", "/api/v1/approvals/s/1/approve"),
    ("GET", "/api/v1/breakers"),
    ("POST", "/api/v1/breakers/production/trip"),
    ("GET", "/api/v1/ab"),
    ("GET", "/api/v1/ab/ranking"),
    ("POST", "/api/v1/ab/ranking/start"),
    ("GET", "/api/v1/trains"),
    ("POST", "/api/v1/trains/checkout/depart"),
    ("GET", "/api/v1/notify"),
    ("POST", "/api/v1/notify/ops/test"),
    ("POST", "/api/v1/glass/s"),
    ("POST", "/api/v1/glass/s/review"),
    ("GET", "/api/v1/judgements/argo/web/1"),
    ("GET", "/hooks/tdg_api_000000000000_0000/argo/web/1"),
    ("POST", "/hooks/tdg_api_000000000000_0000/flagger/web/rollback"),
    ("GET", "/hooks/tdg_api_000000000000_0000/spinnaker/web/1"),
    ("POST", "/hooks/tdg_api_000000000000_0000/kayenta/evidence/judge"),
    ("GET", "/hooks/tdg_api_000000000000_0000/canaryConfig"),
    ("GET", "/hooks//canary/1"),
    ("GET", "/hooks/tdg_api_000000000000_0000/may/s/1"),
    ("GET", "/api/v1/may/s/1"),
    ("GET", "/api/v1/deployments"),
    ("GET", "/api/v1/records/s/1"),
    ("GET", "/api/v1/records/s/version/1"),
    ("GET", "/api/v1/duty/calls"),
    ("GET", "/api/v1/gating"),
    ("POST", "/api/v1/gating/s/opt-out"),
    ("POST", "/api/v1/duty/answer"),
    ("POST", "/api/v1/retention"),
    ("GET", "/webhooks/github"),
    ("POST", "/webhooks/github"),
    ("POST", "/webhooks/gitlab"),
    ("GET", "/nowhere"),
];
const OPEN: [&str; 5] = ["/login", "/assets/style.css", "/assets/live.js", "/assets/icon.svg", "/health"];

/// An answer as it came.
struct Answer {
    status: u16,
    text: String,
}

/// Asks the console, by its own name unless `headers` hold another.
fn ask(address: &str, method: &str, path: &str, headers: &str) -> Answer {
    let host = if headers.contains("host:") { String::new() } else { format!("host: {address}\r\n") };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\n{host}{headers}connection: close\r\ncontent-length: 0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, text }
}

fn console(world: &World) -> String {
    owner(world)["console"].as_str().unwrap().to_owned()
}

/// Path and query of the link that `up` printed.
fn link(process: &crate::world::Started, address: &str) -> String {
    let said = process.so_far().1;
    let start = format!("http://{address}/login?token=");
    let at = said.find(&start).unwrap_or_else(|| panic!("no link in {said}"));
    said[at..].split_whitespace().next().unwrap().trim_start_matches(&format!("http://{address}")).to_owned()
}

#[test]
fn nothing_is_answered_without_a_credential() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let _up = up(&world);
    let address = console(&world);
    let forged = "cookie: tidegate_session=000000\r\n";
    let bearer = "authorization: Bearer tdg_login_000000000000_0000\r\n";
    for (method, path) in CLOSED {
        for headers in ["", forged, bearer] {
            let answer = ask(&address, method, path, headers);
            assert_eq!(answer.status, 401, "{method} {path} with `{}`: {}", headers.trim(), answer.text);
            assert!(!answer.text.contains("served"), "{method} {path} tells the workspace's name");
        }
    }
    for path in OPEN {
        assert_eq!(ask(&address, "GET", path, "").status, 200, "{path}");
    }
}

#[test]
fn a_request_that_names_another_host_or_comes_from_another_site_is_refused() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let _up = up(&world);
    let address = console(&world);
    for path in OPEN.iter().chain(["/", "/api/v1/overview"].iter()) {
        assert_eq!(ask(&address, "GET", path, "host: rebound.example\r\n").status, 403, "{path}");
    }
    assert_eq!(ask(&address, "POST", "/login", "origin: http://elsewhere.example\r\n").status, 403);
    let port = address.rsplit_once(':').unwrap().1;
    assert_eq!(ask(&address, "GET", "/health", &format!("host: localhost:{port}\r\n")).status, 200);
}

#[test]
fn the_printed_link_signs_in_once() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let process = up(&world);
    let address = console(&world);
    let link = link(&process, &address);
    let first = ask(&address, "GET", &link, "");
    assert_eq!(first.status, 303, "{}", first.text);
    let cookie = first.text.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let session = format!("cookie: {}\r\n", cookie.split(';').next().unwrap());
    for path in ["/", "/journal", "/api/v1/overview"] {
        assert_eq!(ask(&address, "GET", path, &session).status, 200, "{path}");
    }
    for path in ["/runs/nope", "/data/nope", "/models/m/9", "/releases/s/9", "/api/v1/releases/s/9", "/nowhere"] {
        assert_eq!(ask(&address, "GET", path, &session).status, 404, "{path}");
    }
    let second = ask(&address, "GET", &link, "");
    assert!(second.status == 401 && !second.text.contains("set-cookie"), "{}", second.text);
    assert_eq!(ask(&address, "GET", "/journal", &session).status, 200, "who is in stays in");
}

#[test]
fn a_login_token_is_no_credential_for_the_api() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let process = up(&world);
    let address = console(&world);
    let token = link(&process, &address).split_once('=').unwrap().1.to_owned();
    let bearer = format!("authorization: Bearer {token}\r\n");
    assert_eq!(ask(&address, "GET", "/api/v1/overview", &bearer).status, 401);
}

#[test]
fn a_token_that_was_made_opens_the_api_until_it_is_revoked() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let _up = up(&world);
    let address = console(&world);
    let made = world.run(&["token", "create", "--label", "ci", "--expires", "1d", "--json"]).well().json();
    let bearer = format!("authorization: Bearer {}\r\n", made["token"].as_str().unwrap());
    assert_eq!(ask(&address, "GET", "/api/v1/overview", &bearer).status, 200);
    assert_eq!(ask(&address, "GET", "/api/v1/overview", &bearer).status, 200, "again");
    let id = made["id"].as_str().unwrap();
    let listed = world.run(&["token", "list"]).well().out;
    assert!(listed.contains(id) && !listed.contains(made["token"].as_str().unwrap()), "{listed}");
    world.run(&["token", "revoke", id]).well();
    assert_eq!(ask(&address, "GET", "/api/v1/overview", &bearer).status, 401);
    world.run(&["token", "revoke", id]).fails(4, &["revoke token", "there is none", "token list"]);
    world.run(&["token", "create", "--label", "ci", "--expires", "soon"]).fails(2, &["make a token", "--expires"]);
}
