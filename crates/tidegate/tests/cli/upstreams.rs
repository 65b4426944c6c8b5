//! Versions that servers elsewhere answer: another Tidegate is the upstream, and is put behind this one in a few commands.

use crate::retrain::{first_released, trained};
use crate::up::{infer, owner, post, tensors, up};
use crate::world::{World, has_runtime, wait_for};
use serde_json::json;

const MODEL: &str = "{\"upstream\": \"other\", \"model\": \"s\", \"version\": \"1\"}\n";

/// A workspace that has nothing but a name for what `behind` serves.
fn before(behind: &World) -> World {
    let gateway = owner(behind)["gateway"].as_str().unwrap().to_owned();
    let config = format!(
        "version: 1\nworkspace: front\nupstreams:\n  other: {{ servers: http://{gateway}, token: OTHER_TOKEN, probe: 50ms, golden: 50ms }}\n\
         models:\n  m: {{ artifact: m.json, golden: golden.json, gates: {{ speed: {{ latency_p99_ms: 60000 }} }} }}\nservices:\n  s: {{ model: m }}\n"
    );
    let golden = json!({ "requests": [{ "id": "one", "inputs": tensors() }] }).to_string();
    let world = World::with(&[("tidegate.yaml", &config), ("m.json", MODEL), ("golden.json", &golden)]);
    world.set("OTHER_TOKEN", behind.read(".tidegate/keys/gateway.token").trim());
    world
}

#[test]
fn what_others_serve_is_registered_released_and_watched() {
    if !has_runtime() {
        return;
    }
    let behind = trained("on: data, cool_down: 0ms", "");
    let mut other = up(&behind);
    first_released(&behind);

    let world = before(&behind);
    // Registered: the signature is the upstream's, the golden answers are recorded, and the gate times them over there.
    let gate = world.run(&["gate", "--json"]).well().json();
    assert_eq!((&gate["version"], &gate["passed"]), (&json!("1"), &json!(true)), "{gate}");
    let shown = world.run(&["model", "show", "m", "1", "--json"]).well().json();
    let inputs: Vec<_> = shown["version"]["signature"]["inputs"].as_array().unwrap().iter().map(|i| i["name"].clone()).collect();
    assert_eq!((inputs, shown["version"]["golden"].is_string()), (vec![json!("INPUT0"), json!("INPUT1")], true), "{shown}");

    let mut front = up(&world);
    world.run(&["release", "start", "s", "1"]).well();
    wait_for("the release", || world.run(&["release", "status", "s/1"]).out.contains("watching").then_some(()));
    assert_eq!(infer(&world, ""), "1");
    let answer = post(&world, "/v2/models/s/infer", "", &json!({ "id": "r", "inputs": tensors() }));
    assert!(answer.contains("\"id\":\"r\"") && answer.contains("\"data\":[3,3,3"), "{answer}");

    // The one behind goes away and comes back elsewhere: nothing is answered meanwhile, and what is restored is what stood.
    other.kill();
    wait_for("nobody to answer", || {
        post(&world, "/v2/models/s/infer", "", &json!({ "inputs": tensors() })).starts_with("HTTP/1.1 503").then_some(())
    });
    wait_for("the news", || front.so_far().1.contains("nobody answers for").then_some(()));
    front.kill();
    let _other = up(&behind);
    let gateway = owner(&behind)["gateway"].as_str().unwrap().to_owned();
    let config = world.read("tidegate.yaml");
    let at = config.find("http://").unwrap();
    let end = at + config[at..].find(',').unwrap();
    world.write("tidegate.yaml", &format!("{}http://{gateway}{}", &config[..at], &config[end..]));
    let _front = up(&world);
    wait_for("the version to be back", || {
        post(&world, "/v2/models/s/infer", "", &json!({ "inputs": tensors() })).starts_with("HTTP/1.1 200").then_some(())
    });
}

#[test]
fn a_model_of_an_upstream_that_cannot_be_asked_is_refused_by_name() {
    let config = |more: &str| {
        format!(
            "version: 1\nworkspace: front\nupstreams:\n  other: {{ servers: http://127.0.0.1:9{more} }}\n\
             models:\n  m: {{ artifact: m.json, golden: golden.json }}\nservices:\n  s: {{ model: m }}\n"
        )
    };
    let golden = json!({ "requests": [{ "id": "one", "inputs": tensors() }] }).to_string();
    let world = World::with(&[("tidegate.yaml", &config("")), ("m.json", MODEL), ("golden.json", &golden)]);
    let nobody = ["register m", "ask upstream other for model s", "cannot connect to http://127.0.0.1:9", "start it"];
    world.run(&["gate"]).fails(3, &nobody);
    world.write("m.json", "{\"upstream\": \"elsewhere\", \"model\": \"s\"}");
    world.run(&["gate"]).fails(2, &["upstream elsewhere", "write its servers under `upstreams.elsewhere`"]);
    world.write("m.json", "{\"upstream\": \"other\", \"modell\": \"s\"}");
    world.run(&["gate"]).fails(2, &["register m: m.json", "unknown field `modell`"]);
    world.write("m.json", MODEL);
    world.write("tidegate.yaml", &config(", token: NOT_SET_ANYWHERE"));
    world.run(&["gate"]).fails(2, &["upstream other: the environment variable NOT_SET_ANYWHERE is not set"]);
    world.write("tidegate.yaml", &config("/path, standby: [http://127.0.0.1:9/path]"));
    world.run(&["config", "check"]).fails(2, &["it has a path", "named twice"]);
    assert_eq!(world.events(), Vec::<String>::new(), "nothing was recorded");
}

/// A server in Python's standard library, which the workspace has and Tidegate starts.
const SERVER: &str = include_str!("../../../serve/tests/fixtures/children/server.py");

#[test]
fn a_server_of_another_kind_is_started_registered_released_and_ended() {
    let Some(python) = std::env::var_os("TIDEGATE_TEST_PYTHON").and_then(|python| python.into_string().ok()) else {
        eprintln!("skipped: no Python: set TIDEGATE_TEST_PYTHON");
        return;
    };
    let config = format!(
        "version: 1\nworkspace: own\nupstreams:\n  own: {{ command: [{python}, server.py, \"{{port}}\"], environment: MODEL_TOKEN, probe: 50ms, golden: 50ms }}\n\
         models:\n  m: {{ artifact: m.json, golden: golden.json, gates: {{ speed: {{ latency_p99_ms: 60000 }} }} }}\nservices:\n  s: {{ model: m }}\n"
    );
    let inputs = json!([{ "name": "x", "datatype": "FP64", "shape": [2], "data": [1.5, -2.0] }]);
    let golden = json!({ "requests": [{ "id": "one", "inputs": inputs }] }).to_string();
    let model = "{\"upstream\": \"own\", \"model\": \"double\"}";
    let world = World::with(&[("tidegate.yaml", &config), ("m.json", model), ("golden.json", &golden), ("server.py", SERVER)]);
    world.run(&["gate"]).fails(2, &["upstream own: the environment variable MODEL_TOKEN is not set"]);
    world.set("MODEL_TOKEN", "s3cret");
    let gate = world.run(&["gate", "--json"]).well().json();
    assert_eq!((&gate["version"], &gate["passed"]), (&json!("1"), &json!(true)), "{gate}");
    let mut daemon = up(&world);
    world.run(&["release", "start", "s", "1"]).well();
    wait_for("the release", || world.run(&["release", "status", "s/1"]).out.contains("watching").then_some(()));
    let answer = || post(&world, "/v2/models/s/infer", "", &json!({ "id": "r", "inputs": inputs }));
    let first = answer();
    assert!(first.contains("\"data\": [3.0, -4.0]"), "{first}");
    assert!(world.read(".tidegate/servers/own.log").contains("double is served"));
    // The daemon is killed, which says nothing to anybody: what it started ends all the same.
    let of_workspace = |line: &str| line.contains("server.py") && line.contains(python.as_str());
    let here = world.root().canonicalize().unwrap();
    let servers = || {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
        let ours = |path: &std::path::PathBuf| std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == here);
        let line =
            |path: std::path::PathBuf| std::fs::read(path.join("cmdline")).map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
        processes.filter(ours).filter_map(|path| line(path).ok()).filter(|line| of_workspace(line) && !line.contains("--guard")).count()
    };
    assert!(servers() >= 1);
    daemon.kill();
    wait_for("no server to be left", || (servers() == 0).then_some(()));
}
