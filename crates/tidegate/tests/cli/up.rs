//! One process has a workspace: what a second one is told, what clients are told when it has gone, and what is said
//! when it cannot start.

use crate::world::{Started, World, has_runtime, in_order, wait_for};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

const SERVED: &str =
    "version: 1\nworkspace: served\npipeline: dvc.yaml\nmodels:\n  m: { artifact: model.onnx }\nservices:\n  s: { model: m }\n";
/// A pipeline that would write the model: until it has run, nothing can be released.
const TRAIN: &str = "stages:\n  train: {cmd: cat in > model.onnx, deps: [in], outs: [model.onnx]}\n";
const UP: &str = ".tidegate/up.json";

/// A workspace with a service, and nothing that is served yet.
pub fn served() -> World {
    World::with(&[("tidegate.yaml", SERVED), ("dvc.yaml", TRAIN), ("in", "x")])
}

/// Who is up.
pub fn owner(world: &World) -> serde_json::Value {
    serde_json::from_str(&world.read(UP)).unwrap()
}

/// Inputs of the model that adds and subtracts.
pub fn tensors() -> Value {
    let tensor = |name: &str, value: i32| json!({ "name": name, "datatype": "INT32", "shape": [1, 16], "data": vec![value; 16] });
    json!([tensor("INPUT0", 1), tensor("INPUT1", 2)])
}

/// One request to service `s` through the gateway, with these lines of headers; the version that answered.
#[track_caller]
pub fn infer(world: &World, headers: &str) -> String {
    let text = post(world, "/v2/models/s/infer", headers, &json!({ "inputs": tensors() }));
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let version = text.lines().find_map(|line| line.strip_prefix("x-tidegate-version: "));
    version.unwrap_or_else(|| panic!("no version: {text}")).to_owned()
}

/// One request to the gateway; the whole answer.
#[track_caller]
pub fn post(world: &World, path: &str, headers: &str, body: &Value) -> String {
    let address = owner(world)["gateway"].as_str().unwrap().to_owned();
    let (token, body) = (world.read(".tidegate/keys/gateway.token"), body.to_string());
    asked_at(&address, token.trim(), path, headers, &body).unwrap()
}

/// One request to a gateway; the whole answer, where one comes.
pub fn asked_at(address: &str, token: &str, path: &str, headers: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{headers}connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// `up`, once it serves.
#[track_caller]
pub fn up(world: &World) -> Started {
    served_by(world.start(UP_ARGUMENTS))
}

/// How `up` is started.
pub const UP_ARGUMENTS: &[&str] = &["up", "--any-port"];

/// A process that is `up`, once it serves.
#[track_caller]
pub fn served_by(mut process: Started) -> Started {
    wait_for("`tidegate up`", || {
        assert!(process.status().is_none(), "it ended: {:?}", process.so_far());
        // Said last, when everything is there.
        process.so_far().1.contains("no scenario.yaml here").then_some(())
    });
    process
}

#[test]
fn a_second_one_is_refused_and_shown_the_first() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let first = up(&world);
    let owner = owner(&world);
    assert_eq!(owner["pid"], json!(first.pid()));
    let address = |name: &str| format!("http://{}", owner[name].as_str().unwrap());
    let process = format!("process {}", first.pid());
    let words = ["start in", "runs here already", &process, &address("console"), &address("gateway"), "end it first"];
    world.run(&["up", "--any-port"]).fails(5, &words);
    assert_eq!(owner, self::owner(&world), "the first is still the one that is found");
    world.run(&["status"]).well();
}

#[test]
fn clients_are_answered_while_it_is_up() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let _up = up(&world);
    in_order(&world.run(&["status"]).well().out, &["served", "s: 0 requests, 0 failed", "journal: 0 records, sealed to 0"]);
    let status = world.run(&["status", "--json"]).well().json();
    assert_eq!((&status["workspace"], &status["services"][0]["name"]), (&json!("served"), &json!("s")));
    assert!(world.run(&["release", "list"]).well().out.contains("no release yet"));
    assert_eq!(world.run(&["release", "list", "--json"]).well().json(), json!([]));
    world.run(&["release", "status", "s/1"]).fails(4, &["show release s/1", "there is none"]);
    world.run(&["release", "status", "bogus"]).fails(2, &["`bogus` names no release", "SERVICE/NUMBER"]);
    world.run(&["release", "abort", "s/1"]).fails(2, &["abort release s/1", "--reason"]);
    world.run(&["release", "abort", "s/1", "--reason", "test"]).fails(4, &["abort release s/1", "there is none", "release list"]);
    assert_eq!(world.events(), Vec::<String>::new(), "what was refused left no record");
}

#[test]
fn the_gateway_calls_itself_as_tidegate_yaml_says() {
    if !has_runtime() {
        return;
    }
    let world = served();
    world.write("tidegate.yaml", &format!("{SERVED}gateway: {{ server_name: triton }}\n"));
    let _up = up(&world);
    let mut stream = TcpStream::connect(owner(&world)["gateway"].as_str().unwrap()).unwrap();
    write!(stream, "GET /v2 HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains(r#""name":"triton""#), "{text}");
}

#[test]
fn the_gateway_takes_the_token_of_a_variable() {
    if !has_runtime() {
        return;
    }
    let world = served();
    world.write("tidegate.yaml", &format!("{SERVED}gateway: {{ token: GATEWAY_TOKEN }}\n"));
    world.run(&["up", "--any-port"]).fails(2, &["`gateway.token`", "GATEWAY_TOKEN is not set"]);
    world.set("GATEWAY_TOKEN", "from-a-secret");
    let _up = up(&world);
    assert!(!world.exists(".tidegate/keys/gateway.token"), "none is made beside it");
    let status = |token: &str| {
        let mut stream = TcpStream::connect(owner(&world)["gateway"].as_str().unwrap()).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!((status("from-a-secret").as_str(), status("another").as_str()), ("HTTP/1.1 200 OK", "HTTP/1.1 401 Unauthorized"));
}

#[test]
fn a_release_of_an_unknown_version_is_refused() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let _up = up(&world);
    world.run(&["release", "start", "s", "7"]).fails(4, &["start a release of version 7", "model m has no such version"]);
    world.run(&["release", "start", "nope", "7"]).fails(4, &["start a release of service `nope`", "known are s"]);
    assert_eq!(world.run(&["release", "list", "--json"]).well().json(), json!([]));
    assert_eq!(world.events(), Vec::<String>::new());
}

#[test]
fn a_run_beside_it_leaves_no_work_without_a_record() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let _up = up(&world);
    let said = world.run(&["run"]);
    // Carried out and recorded, or refused before a stage has run: nothing in between.
    let recorded = world.events().iter().any(|event| event == "run/workspace-1 finished");
    assert_eq!((said.code == 0, world.exists("model.onnx"), world.exists("dvc.lock")), (recorded, recorded, recorded), "{said:?}");
}

#[test]
fn a_gate_beside_it_is_judged_and_recorded_by_it() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let _up = up(&world);
    // The pipeline runs, and what it wrote is no model: the answer is the one that `gate` alone gives.
    world.run(&["gate"]).fails(2, &["register", "model.onnx", "not an ONNX model"]);
    world.run(&["gate"]).fails(2, &["not an ONNX model"]);
    let recorded = world.events();
    assert!(recorded.contains(&"run/workspace-1 finished".to_owned()), "{recorded:?}");
    assert!(recorded.iter().all(|event| event.starts_with("run/workspace-1 ")), "one run, and nothing registered: {recorded:?}");
}

#[test]
fn what_it_offers_from_another_terminal_is_possible() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let process = up(&world);
    let said = process.so_far().1;
    let line = said.lines().find(|line| line.contains("no scenario.yaml here")).unwrap();
    if line.contains("`tidegate run`") {
        world.run(&["run"]).well();
    }
}

#[test]
fn a_client_says_that_it_has_died_and_what_to_do() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let mut process = up(&world);
    let died = format!("process {}) has died", process.pid());
    process.kill();
    for (command, operation) in
        [(&["status"][..], "show the status"), (&["release", "list"], "list releases"), (&["release", "watch", "s/1"], "watch a release")]
    {
        world.run(command).fails(3, &[operation, &died, "start it with `tidegate up`"]);
    }
    let json = world.run(&["status", "--json"]).fails(3, &[&died]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json.err).unwrap()["exit_code"], 3);
    // The advice works: what the dead one left does not stand in the way.
    let _again = up(&world);
    world.run(&["status"]).well();
    world.run(&["audit", "verify"]).well();
}

#[test]
fn an_interrupt_ends_it_well() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let process = up(&world);
    process.interrupt();
    process.ended().well();
    assert!(!world.exists(UP) && !world.exists(".tidegate/up.sock"), "nobody is up, and nothing says so");
    world.run(&["status"]).fails(3, &["no `tidegate up` runs in"]);
    world.is_clean();
}

/// Starts with a port that another program has, and looks at what is left.
#[track_caller]
fn taken(part: &str) {
    if !has_runtime() {
        return;
    }
    let world = served();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    // The other part takes a free one, so that only one can be the trouble.
    let other = if part == "gateway" { "console" } else { "gateway" };
    world.write("tidegate.yaml", &format!("{SERVED}{part}: {{ listen: '{address}' }}\n{other}: {{ listen: '127.0.0.1:0' }}\n"));
    world.run(&["up"]).fails(3, &[part, &address, &format!("{part}: {{ listen: ... }}")]);
    assert!(!world.exists(UP) && !world.exists(".tidegate/up.sock"), "nobody is up, and nothing says so");
    world.run(&["status"]).fails(3, &["no `tidegate up` runs in"]);
    let _up = up(&world);
    world.run(&["status"]).well();
}

#[test]
fn a_gateway_port_that_is_taken_is_named() {
    taken("gateway");
}

#[test]
fn a_console_port_that_is_taken_is_named() {
    taken("console");
}

#[test]
fn without_onnx_runtime_it_does_not_start_and_says_where_it_looked() {
    let world = served();
    world.run_without_runtime(&["up", "--any-port"]).fails(3, &["ONNX Runtime"]);
    assert!(!world.exists(UP));
}
