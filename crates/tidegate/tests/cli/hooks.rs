//! What other release tools ask and are answered: Argo Rollouts, Flagger, Spinnaker, Kayenta, on counts of a real Prometheus.

use crate::metrics::{Prometheus, prometheus};
use crate::up::owner;
use crate::world::{Started, World, has_runtime, wait_for};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

fn config(url: &str) -> String {
    // Takes connections and never answers.
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", held.local_addr().unwrap());
    std::mem::forget(held);
    format!(
        r#"version: 1
workspace: hooked
judges:
  web:
    prometheus: {url}
    candidate: hits_total{{version="{{{{candidate}}}}"}}
    control: hits_total{{version="{{{{control}}}}"}}
    errors: code=~"5.."
    every: 1s
    deadline: 10m
  mislabelled:
    prometheus: {url}
    candidate: hits_total{{version="{{{{candidate}}}}"}}
    control: hits_total{{version="{{{{control}}}}"}}
    errors: status=~"5.."
    every: 1s
  silent:
    prometheus: {silent}
    candidate: hits_total{{version="2"}}
    control: hits_total{{version="1"}}
    errors: code=~"5.."
    every: 1s
"#
    )
}

/// A workspace that judges and does nothing else, up, with a token of this scope.
fn judging(world: &World, url: &str) -> (Started, Asker) {
    world.write("tidegate.yaml", &config(url));
    let mut process = world.start(&["up", "--any-port"]);
    wait_for("`tidegate up`", || {
        assert!(process.status().is_none(), "it ended: {:?}", process.so_far());
        process.so_far().1.contains("no scenario.yaml here").then_some(())
    });
    let made = world.run(&["token", "create", "--label", "argo", "--scope", "judge", "--json"]).well().json();
    let token = made["token"].as_str().unwrap().to_owned();
    let address = owner(world)["console"].as_str().unwrap().to_owned();
    (process, Asker { address, token, id: made["id"].as_str().unwrap().to_owned() })
}

/// Speaks as those tools do: no header, a token in the path, a host name of its own.
struct Asker {
    address: String,
    token: String,
    id: String,
}

impl Asker {
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "{method} /hooks/{}/{path} HTTP/1.1\r\nhost: tidegate.ops.svc\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// A `web` metric of Argo Rollouts: status 200, whatever is found.
    fn argo(&self, subject: &str, candidate: &str) -> Value {
        let (status, answer) = self.ask("GET", &format!("argo/web/{subject}?candidate={candidate}&control=1"), "");
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

#[test]
fn tools_that_move_traffic_ask_and_are_told() {
    let (Some(program), true) = (prometheus(), has_runtime()) else { return };
    let world = World::new();
    let server = Prometheus::start(&world, &program);
    let (_up, asker) = judging(&world, &server.url());
    let first = asker.argo("bad-1", "2");
    assert!(["insufficient_evidence", "no_telemetry"].contains(&first["verdict"].as_str().unwrap()), "{first}");
    assert_eq!(first["decision_id"], "judgement/web/bad-1");
    // All begin before one is waited for.
    asker.argo("good-1", "3");
    let flagger = |hook: &str, name: &str, candidate: &str| {
        let body = json!({"name": name, "namespace": "prod", "phase": "Progressing", "checksum": "85d5",
            "metadata": {"candidate": candidate, "control": "1"}});
        asker.ask("POST", &format!("flagger/web/{hook}"), &body.to_string())
    };
    assert_eq!(flagger("confirm-rollout", "bad", "2").0, 200);
    assert_eq!(flagger("confirm-promotion", "bad", "2").0, 403, "nothing is known yet: no promotion");
    // Before the first share nothing can have been seen: it is let in, once.
    let grows = || flagger("confirm-traffic-increase", "idle", "9").0;
    assert_eq!([grows(), grows(), grows()], [200, 403, 403]);
    assert_eq!(flagger("event", "told", "2").0, 200);
    let spinnaker = || asker.ask("GET", "spinnaker/web/bad-2?candidate=2&control=1", "");
    assert_eq!(spinnaker().1["status"], "RUNNING");

    let rolled_back = wait_for("a rollback", || Some(asker.argo("bad-1", "2")).filter(|a| a["verdict"] == "rollback"));
    assert!(rolled_back["e"].as_f64().unwrap() >= 100.0 && rolled_back["ratio"].as_f64().unwrap() > 10.0, "{rolled_back}");
    assert!(rolled_back["reason"].as_str().unwrap().contains("Evidence of harm"), "{rolled_back}");
    let status = wait_for("Spinnaker's end", || Some(spinnaker().1).filter(|a| a["status"] != "RUNNING"));
    assert_eq!(status["status"], "ROLLBACK");
    wait_for("Flagger's rollback", || (flagger("rollback", "bad", "2").0 == 200).then_some(()));
    for (hook, wanted) in [("rollout", 403), ("confirm-traffic-increase", 403), ("confirm-rollout", 403), ("event", 200)] {
        let (status, answer) = flagger(hook, "bad", "2");
        assert_eq!(status, wanted, "{hook}: {answer}");
    }
    assert_eq!(flagger("nonsense", "bad", "2").0, 404);
    let promoted = wait_for("a promotion", || Some(asker.argo("good-1", "3")).filter(|a| a["verdict"] == "promote"));
    assert!(promoted["e_promote"].as_f64() >= promoted["e_promote_needed"].as_f64(), "{promoted}");
    // Changes of a verdict are in the journal, and nothing else is.
    let events = world.events();
    assert!(!events.iter().any(|e| e.contains("told")), "an event begins no judgement: {events:?}");
    let of = |subject: &str| events.iter().filter(|e| e.contains(subject)).count();
    assert!((2..=4).contains(&of("judgement/web/bad-1")), "{events:?}");
    world.run(&["audit", "verify"]).well();
}

#[test]
fn what_cannot_be_judged_is_never_a_pass_and_never_an_error_of_argos() {
    let (Some(program), true) = (prometheus(), has_runtime()) else { return };
    let world = World::new();
    let server = Prometheus::start(&world, &program);
    let (_up, asker) = judging(&world, &server.url());
    wait_for("counts", || asker.argo("good", "3")["requests"]["candidate"].as_u64().filter(|n| *n > 0));
    let (status, unknown) = asker.ask("GET", "argo/nope/x", "");
    assert_eq!((status, unknown["verdict"].as_str()), (200, Some("no_telemetry")));
    assert!(unknown["reason"].as_str().unwrap().contains("`judges` of tidegate.yaml has web"), "{unknown}");
    let (_, missing) = asker.ask("POST", "argo/web/x", r#"{"candidate": "2"}"#);
    assert!(missing["reason"].as_str().unwrap().contains("needs `control`"), "{missing}");
    let (_, injected) = asker.ask("POST", "argo/web/x", r#"{"candidate": "2\"} or up{a=\"", "control": "1"}"#);
    assert!(injected["reason"].as_str().unwrap().contains("letters, digits"), "{injected}");
    assert_eq!(asker.ask("GET", "spinnaker/nope/x", "").0, 404);
    let itself = asker.argo("itself", "1");
    assert!(itself["reason"].as_str().unwrap().contains("held against itself"), "{itself}");
    let (_, label) = asker.ask("GET", "argo/mislabelled/x?candidate=2&control=1", "");
    let label = wait_for("a label that is missing", || {
        let (_, again) = asker.ask("GET", "argo/mislabelled/x?candidate=2&control=1", "");
        again["reason"]
            .as_str()
            .unwrap()
            .contains("has the label `status`")
            .then_some(again)
            .or_else(|| label["x"].as_str().map(|_| label.clone()))
    });
    assert_eq!(label["verdict"], "no_telemetry");
    let (_, other) = asker.ask("GET", "argo/web/good?candidate=2&control=1", "");
    assert!(other["reason"].as_str().unwrap().contains("is asked about with"), "{other}");
    // Who asks gives up after ten seconds: by then there is an answer, however long the other side is silent.
    std::thread::sleep(Duration::from_millis(2_100));
    asker.ask("GET", "argo/silent/x", "");
    std::thread::sleep(Duration::from_millis(1_100));
    let (status, silent) = asker.ask("GET", "argo/silent/x", "");
    assert_eq!((status, silent["verdict"].as_str()), (200, Some("no_telemetry")), "{silent}");
    // Gone midway it holds, and its return resumes.
    let port = server.port();
    drop(server);
    let gone = wait_for("no telemetry", || Some(asker.argo("good", "3")).filter(|a| a["verdict"] == "no_telemetry"));
    assert!(gone["reason"].as_str().unwrap().contains("ask Prometheus"), "{gone}");
    let _back = Prometheus::again(&world, &program, port);
    wait_for("its return", || Some(asker.argo("good", "3")).filter(|a| a["requests"]["candidate"].as_u64() > Some(0)));
    // A token of the console has the same verdict by a header, under any name of this host, and none of the hooks; nor has this
    // one anything else.
    let console = world.run(&["token", "create", "--label", "ci", "--json"]).well().json()["token"].as_str().unwrap().to_owned();
    let by_header = |host: &str, token: &str, path: &str| {
        let mut stream = TcpStream::connect(&asker.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        (text.split(' ').nth(1).unwrap().parse::<u16>().unwrap(), text)
    };
    let (status, text) = by_header("tidegate.ops.svc", &console, "/api/v1/judgements/jenkins/web/by-header?candidate=3&control=1");
    assert!(status == 200 && text.contains("judgement/web/by-header"), "{text}");
    assert_eq!(by_header(&asker.address, &asker.token, "/api/v1/overview").0, 401);
    assert_eq!(Asker { address: asker.address.clone(), token: console, id: String::new() }.ask("GET", "argo/web/good", "").0, 401);
    world.run(&["token", "revoke", &asker.id]).well();
    assert_eq!(asker.ask("GET", "argo/web/good", "").0, 401);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a client names the times of its window")]
fn clients_of_kayenta_are_answered_in_its_protocol() {
    let (Some(program), true) = (prometheus(), has_runtime()) else { return };
    let world = World::new();
    let server = Prometheus::start(&world, &program);
    let (_up, asker) = judging(&world, &server.url());
    let (status, configs) = asker.ask("GET", "canaryConfig?application=shop&configurationAccountName=c", "");
    assert_eq!((status, configs[0]["id"].as_str(), configs[0]["name"].as_str()), (200, Some("web"), Some("web")));
    wait_for("counts", || asker.argo("warm", "3")["requests"]["candidate"].as_u64().filter(|n| *n > 0));
    // As Argo's provider does: the configuration, an execution, then its score, until it is complete.
    let scope = |version: &str| json!({"scope": version, "location": "eu", "step": 60, "start": "2026-01-01T00:00:00Z", "end": "2036-01-01T00:00:00Z"});
    let now = |seconds: i64| {
        let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64 + seconds;
        tidegate_core::id::At(at * 1_000).to_string()
    };
    let begin = |version: &str| {
        let (mut control, mut experiment) = (scope("1"), scope(version));
        for scope in [&mut control, &mut experiment] {
            scope["start"] = json!(now(-20));
            scope["end"] = json!(now(500));
        }
        let body = json!({"scopes": {"default": {"controlScope": control, "experimentScope": experiment}}, "thresholds": {"pass": 90, "marginal": 75}});
        let (status, begun) = asker.ask("POST", "canary/web?application=shop&metricsAccountName=m", &body.to_string());
        assert_eq!(status, 200, "{begun}");
        begun["canaryExecutionId"].as_str().unwrap().to_owned()
    };
    let (bad, good) = (begin("2"), begin("3"));
    let complete = |id: &str| {
        wait_for("a complete execution", || {
            let (status, answer) = asker.ask("GET", &format!("canary/{id}"), "");
            assert_eq!(status, 200, "{answer}");
            Some(answer).filter(|a| a["complete"] == true)
        })
    };
    assert_eq!(complete(&bad)["result"]["judgeResult"]["score"]["score"], 0.0);
    assert_eq!(complete(&good)["result"]["judgeResult"]["score"]["score"], 100.0);
    assert_eq!(asker.ask("GET", "canary/web~other~90~75~shop", "").0, 404);
    std::thread::sleep(Duration::from_millis(1_100));
    assert_ne!(begin("2"), bad, "another window is another execution");
    let list = |x: f64| (0..40).map(|i| x + f64::from(i * 7 % 5) / 50.0).collect::<Vec<_>>();
    let question = json!({
        "canaryConfig": {"metrics": [{"name": "p99", "groups": ["g"], "analysisConfigurations": {"canary": {"direction": "increase"}}}]},
        "scoreThresholds": {"pass": 95, "marginal": 75},
        "metricSetPairList": [{"name": "p99", "id": "1", "tags": {}, "values": {"control": list(1e-5), "experiment": list(3.0)}, "scopes": {}, "attributes": {}}],
    });
    for by in ["evidence", "rules"] {
        let (status, answer) = asker.ask("POST", &format!("kayenta/{by}/judge"), &question.to_string());
        assert_eq!((status, answer["results"][0]["classification"].as_str()), (200, Some("High")), "{by}: {answer}");
        assert_eq!(answer["score"]["classification"], "Fail");
    }
    assert_eq!(asker.ask("POST", "kayenta/evidence/judge", "{}").0, 400);
}

#[test]
fn strategies_of_argo_and_flagger_are_imported_field_by_field() {
    let rollout = "kind: Rollout\nmetadata: {name: web}\nspec:\n  strategy:\n    canary:\n      steps:\n      - setWeight: 10\n      - pause: {duration: 5m}\n      - experiment: {}\n";
    let world = World::with(&[("rollout.yaml", rollout), ("other.yaml", "kind: Service\n")]);
    let said = world.run(&["release", "import", "rollout.yaml"]).well();
    assert!(said.out.starts_with("releases:\n  web:\n    steps:\n      - canary: { weights: [10], min_time: 5m }\n"), "{}", said.out);
    assert!(said.err.contains("spec.strategy.canary.steps[2].experiment") && said.err.contains("1 fields were refused"), "{}", said.err);
    assert_eq!(world.run(&["release", "import", "rollout.yaml", "--strict"]).code, 1);
    let json = world.run(&["release", "import", "rollout.yaml", "--json"]).well().json();
    assert_eq!(json[0]["fields"][2]["fate"], "refused");
    world.run(&["release", "import", "other.yaml"]).fails(2, &["other.yaml:1", "`Service` has no strategy"]);
}
