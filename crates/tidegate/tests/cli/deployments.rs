//! Deployments that GitHub and GitLab hold: signed webhooks come in, and a stand-in of their APIs, which looks at method, path,
//! headers and body, is told what was found.

use crate::retrain::{looked, stands, trained};
use crate::stand_in::StandIn;
use crate::up::{owner, up};
use crate::world::{Started, World, has_runtime, in_order, wait_for};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

const PEOPLE: &str = "people:\n  ada: { roles: [developer, approver] }\n  grace: { roles: [approver] }\n";
const HOOK: &str = "it is a secret";
const DELIVERY: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

/// The APIs of both; it answers the first request with 503, as a service that is being restarted does.
pub fn apis() -> StandIn {
    StandIn::start(|before, taken| match (before, taken.line.contains("/deployment_protection_rule")) {
        (0, _) => (503, String::new()),
        (_, true) => (204, String::new()),
        (_, false) => (201, String::new()),
    })
}

/// As GitHub signs, by another program; none where it is missing, which is said.
pub fn signature(secret: &str, body: &str) -> Option<String> {
    let args = ["dgst", "-sha256", "-hmac", secret, "-hex"];
    let started = Command::new("openssl").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = started else {
        eprintln!("skipped: no `openssl` to sign with");
        return None;
    };
    child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    Some(said.trim().rsplit(' ').next().unwrap().to_owned())
}

/// The body of an answer with its status.
pub fn post(address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: tidegate.example\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

/// In the shape of GitHub's documentation.
fn rule(port: u16) -> Value {
    json!({
        "action": "requested", "environment": "production", "event": "push",
        "deployment_callback_url": format!("http://127.0.0.1:{port}/repos/acme/shop/actions/runs/7/deployment_protection_rule"),
        "deployment": { "id": 70, "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "ref": "main", "task": "deploy",
            "environment": "production", "creator": { "login": "octocat", "id": 1 } },
        "pull_requests": [], "repository": { "id": 5, "full_name": "acme/shop" }, "installation": { "id": 9 },
        "sender": { "login": "octocat", "id": 1 },
    })
}

/// As GitLab sends it with an external status check.
fn check() -> Value {
    json!({
        "object_kind": "merge_request", "user": { "id": 1, "username": "octocat" },
        "project": { "id": 6, "path_with_namespace": "acme/shop" },
        "object_attributes": { "iid": 4, "source_branch": "topic", "state": "opened",
            "last_commit": { "id": "141be9714669a4c1ccaa013c6a7f3e462ff2a40f" } },
        "external_approval_rule": { "id": 1, "name": "tidegate", "external_url": "https://example.com/" },
    })
}

fn waiting(apis: &StandIn) -> World {
    let world = trained("on: data, cool_down: 0ms", PEOPLE);
    let port = apis.port;
    let deployments = format!(
        "deployments:\n  shop: {{ github: acme/shop, environment: production, api: 'http://127.0.0.1:{port}', secret: GITHUB_HOOK, \
         token: GITHUB_TOKEN, service: s, statuses: release, logins: {{ octocat: ada }} }}\n  \
         closed: {{ github: acme/closed, environment: production, secret: UNSET_HOOK, token: GITHUB_TOKEN, service: s }}\n  \
         merge: {{ gitlab_check: acme/shop, check: tidegate, api: 'http://127.0.0.1:{port}/api/v4', secret: GITLAB_HOOK, \
         token: GITLAB_TOKEN, service: s, asks: gates }}\n  \
         staging: {{ gitlab: acme/shop, environment: staging, api: 'http://127.0.0.1:{port}/api/v4', secret: GITLAB_HOOK, \
         token: GITLAB_TOKEN, represented_as: ops, service: s, asks: gates }}\n"
    );
    let config = world.read("tidegate.yaml").replace("s: { model: m }", "s: { model: m, approvals: 1 }");
    world.write("tidegate.yaml", &format!("{config}{deployments}"));
    for (name, value) in [("GITHUB_HOOK", HOOK), ("GITHUB_TOKEN", "ghs_x"), ("GITLAB_HOOK", HOOK), ("GITLAB_TOKEN", "glpat_x")] {
        world.set(name, value);
    }
    world
}

fn token(world: &World, args: &[&str]) -> String {
    let said = world.run(&[&["token", "create", "--label", "x"], args].concat()).well();
    said.out.trim().to_owned()
}

/// Both tools, as they send.
struct Tools {
    apis: StandIn,
    address: String,
}

impl Tools {
    fn send(&self, kind: &str, body: &Value, secret: &str) -> (u16, Value) {
        let text = body.to_string();
        let signed = format!("sha256={}", signature(secret, &text).unwrap());
        let headers = [("x-github-event", kind), ("x-github-delivery", DELIVERY), ("x-hub-signature-256", signed.as_str())];
        post(&self.address, "/webhooks/github", &headers, &text)
    }

    fn asks(&self, body: &Value) -> (u16, Value) {
        self.send("deployment_protection_rule", body, HOOK)
    }

    /// A question with another value.
    fn changed(&self, key: &str, value: Value) -> Value {
        let mut body = rule(self.apis.port);
        body[key] = value;
        body
    }

    /// A question that wants to be answered there.
    fn at(&self, url: &str) -> Value {
        self.changed("deployment_callback_url", json!(url))
    }

    /// A question of another repository.
    fn of(&self, repository: &str) -> Value {
        let port = self.apis.port;
        let mut body = self.at(&format!("http://127.0.0.1:{port}/repos/{repository}/actions/runs/7/deployment_protection_rule"));
        body["repository"]["full_name"] = json!(repository);
        body
    }
}

/// What proves nothing is not read, and what does not belong together is refused; neither leaves anything behind.
#[track_caller]
fn refuses_what_is_not_theirs(world: &World, tools: &Tools) {
    let (body, port) = (rule(tools.apis.port), tools.apis.port);
    let forged = [("x-hub-signature-256", "sha256=00")];
    for (path, headers) in [("/webhooks/github", &[][..]), ("/webhooks/github", &forged), ("/webhooks/gitlab", &[])] {
        assert_eq!(post(&tools.address, path, headers, &body.to_string()).0, 401);
    }
    assert_eq!(tools.send("deployment_protection_rule", &body, "another secret").0, 401);
    assert_eq!(tools.asks(&tools.of("acme/closed")).0, 404, "without a secret of its own its door is closed");
    assert_eq!(tools.asks(&tools.of("acme/none")).0, 404, "a repository that nobody configured");
    let elsewhere = tools.asks(&tools.at("https://evil.example/repos/acme/shop/actions/runs/7/deployment_protection_rule"));
    assert!(elsewhere.0 == 400 && elsewhere.1["answer"].as_str().unwrap().contains("nothing else is called"), "{elsewhere:?}");
    let other = tools.asks(&tools.at(&format!("http://127.0.0.1:{port}/repos/acme/other/actions/runs/7/deployment_protection_rule")));
    assert!(other.0 == 400 && other.1["answer"].as_str().unwrap().contains("none of a run of acme/shop"), "{other:?}");
    assert_eq!(tools.asks(&tools.changed("workflow_run", json!({ "id": 8 }))).0, 400, "a run that does not match");
    assert_eq!(tools.send("ping", &json!({ "zen": "x" }), HOOK).0, 200);
    assert!(!world.events().iter().any(|event| event.starts_with("deployment/")));
}

/// Version 1 is registered, its gates passed, and nobody has asked for its release.
fn registered() -> Option<(World, Started, Tools)> {
    signature("a", "b").filter(|_| has_runtime())?;
    let apis = apis();
    let world = waiting(&apis);
    let up = up(&world);
    looked(&world);
    world.write("words.csv", "word\nother\n");
    stands(&world, 1, "waits");
    let address = owner(&world)["console"].as_str().unwrap().to_owned();
    Some((world, up, Tools { apis, address }))
}

const MAY: [&str; 4] = ["release", "may", "s", "1"];

#[test]
fn a_job_of_github_waits_until_the_version_may_be_released() {
    let Some((world, _up, tools)) = registered() else { return };
    refuses_what_is_not_theirs(&world, &tools);
    // It waits for an approval, which is asked for in the name of whoever wants it; the job sees why.
    let (apis, body) = (&tools.apis, rule(tools.apis.port));
    assert_eq!(tools.asks(&body), (202, json!({ "answer": "it is looked at", "deployment": "deployment/shop/run-7-70" })));
    let report = wait_for("the report", || apis.taken().get(1).cloned());
    assert_eq!(report.line, "POST /repos/acme/shop/actions/runs/7/deployment_protection_rule HTTP/1.1");
    assert!(report.headers.iter().any(|h| h.eq_ignore_ascii_case("authorization: Bearer ghs_x")), "{:?}", report.headers);
    assert_eq!((&report.body["environment_name"], report.body.get("state")), (&json!("production"), None));
    in_order(report.body["comment"].as_str().unwrap(), &["Tidegate: version 1 of s: approvals:", "0 of 1 approvals", "others than ada"]);
    assert_eq!(apis.taken()[0].body, report.body, "what was not taken is said again");
    assert_eq!(tools.asks(&body).0, 202, "the same delivery again");
    let waits = world.run(&MAY);
    assert_eq!(waits.code, 5, "{waits:?}");
    in_order(
        &waits.out,
        &["waits: version 1 of s by `default`", "yes gates: all", "waits approvals: 0 of 1", "yes freeze", "yes under_way"],
    );
    world.run(&["release", "may", "s", "9"]).fails(4, &["there is none; known are 1"]);
    in_order(&world.run(&["release", "deployments"]).well().out, &["deployment/shop/run-7-70", "waits", "0 of 1 approvals"]);

    let (ada, grace) = (token(&world, &["--person", "ada"]), token(&world, &["--person", "grace"]));
    let approve = ["release", "approve", "s", "1", "--reason", "seen"];
    world.run_as(&ada, &approve).fails(5, &["ada"]);
    world.run_as(&grace, &approve).well();
    let approved = wait_for("the approval", || apis.taken().into_iter().find(|t| t.body["state"] == "approved"));
    in_order(approved.body["comment"].as_str().unwrap(), &["version 1 of s", "approved by grace"]);
    wait_for("the end", || world.events().iter().filter(|e| *e == "deployment/shop/run-7-70 told").nth(1).cloned());
    let of_it = || world.events().into_iter().filter(|e| e.starts_with("deployment/")).collect::<Vec<_>>();
    assert_eq!(of_it(), ["asked", "found", "told", "found", "told"].map(|word| format!("deployment/shop/run-7-70 {word}")));
    assert_eq!(tools.asks(&body).0, 202, "and again, after its answer");
    assert_eq!((of_it().len(), apis.taken().len()), (5, 3));

    // Jobs elsewhere ask by HTTP: with a header by the command, or with a token in the path.
    world.run(&MAY).well();
    let server = format!("http://{}", tools.address);
    world.run_as(&grace, &[&MAY[..], &["--server", &server]].concat()).well();
    let judge = token(&world, &["--scope", "judge"]);
    let mut stream = TcpStream::connect(&tools.address).unwrap();
    write!(stream, "GET /hooks/{judge}/may/s/1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 ") && text.contains(r#""answer":"yes""#), "{text}");
    // What becomes of it is told at the deployment.
    world.run(&["release", "start", "s", "1"]).well();
    let status = wait_for("the status", || apis.taken().into_iter().find(|t| t.body["state"] == "success"));
    assert_eq!(status.line, "POST /repos/acme/shop/deployments/70/statuses HTTP/1.1");
    assert_eq!(status.body, json!({ "state": "success", "environment": "production", "description": "Tidegate: version 1 of s serves" }));
    wait_for("the record", || of_it().iter().any(|e| e == "deployment/shop/run-7-70 reported").then_some(()));
    let journal = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    assert!(!journal.contains("ghs_x") && !journal.contains(HOOK), "no secret is recorded");
    world.run(&["audit", "verify"]).well();
}

#[test]
fn a_check_of_gitlab_is_signed_without_a_prefix_and_passes_by_the_gates() {
    let Some((world, _up, tools)) = registered() else { return };
    let text = check().to_string();
    let signed = signature(HOOK, &text).unwrap();
    let send = |headers: &[(&str, &str)]| post(&tools.address, "/webhooks/gitlab", headers, &text).0;
    assert_eq!(send(&[("x-gitlab-token", "guessed")]), 401);
    assert_eq!(send(&[("x-gitlab-token", HOOK), ("x-gitlab-signature", "00")]), 401, "a wrong signature is not made good by a token");
    assert_eq!(send(&[("x-gitlab-signature", &signed)]), 202);
    // The first attempt is answered with 503.
    let passed = wait_for("the check", || tools.apis.taken().get(1).cloned());
    assert_eq!(passed.line, "POST /api/v4/projects/6/merge_requests/4/status_check_responses HTTP/1.1");
    assert!(passed.headers.iter().any(|h| h.eq_ignore_ascii_case("private-token: glpat_x")), "{:?}", passed.headers);
    let sha = "141be9714669a4c1ccaa013c6a7f3e462ff2a40f";
    assert_eq!(passed.body, json!({ "sha": sha, "external_status_check_id": 1, "status": "passed" }));
    wait_for("the end", || {
        world.events().iter().any(|e| e.starts_with("deployment/merge/check-6-4-1-") && e.ends_with(" told")).then_some(())
    });

    // A deployment that is blocked is approved; that it was, which GitLab tells by the same hook, asks nothing.
    let deployment = |status: &str| {
        json!({ "object_kind": "deployment", "status": status, "deployment_id": 15, "environment": "staging",
            "project": { "id": 30, "path_with_namespace": "acme/shop" }, "short_sha": "279484c0", "user": { "username": "octocat" },
            "commit_url": "http://gitlab.example/acme/shop/-/commit/279484c09fbe69ededfced8c1bb6e6d24616b468" })
        .to_string()
    };
    let send = |body: &str| post(&tools.address, "/webhooks/gitlab", &[("x-gitlab-token", HOOK)], body).0;
    assert_eq!(send(&deployment("blocked")), 202);
    let approved = wait_for("the approval", || tools.apis.taken().get(2).cloned());
    assert_eq!(approved.line, "POST /api/v4/projects/30/deployments/15/approval HTTP/1.1");
    assert_eq!((&approved.body["status"], &approved.body["represented_as"]), (&json!("approved"), &json!("ops")));
    in_order(approved.body["comment"].as_str().unwrap(), &["Tidegate: version 1 of s: gates: all 1 passed"]);
    assert_eq!(send(&deployment("approved")), 200);
    wait_for("its end", || world.events().contains(&"deployment/staging/deployment-30-15 told".to_owned()).then_some(()));
    assert_eq!(tools.apis.taken().len(), 3);
}
