//! Gateways that follow: routes and versions of a control plane, and their own when it is gone.

use crate::retrain::{first_released, stands, trained};
use crate::up::tensors;
use crate::world::{Started, World, free_port, has_runtime, wait_for};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// A follower that is up, where it listens, and the token of its clients.
struct Follower {
    process: Started,
    address: String,
    token: String,
}

fn follow(world: &World, console: u16) -> Follower {
    let url = format!("http://127.0.0.1:{console}");
    let args = ["gateway", "follow", &url, "--token-file", "edge.token", "--name", "edge-1", "--state", "edge", "--listen", "127.0.0.1:0"];
    let mut process = world.start(&args);
    let address = wait_for("the follower", || {
        assert!(process.status().is_none(), "it ended: {:?}", process.so_far());
        let (out, _) = process.so_far();
        out.split_once("listens on http://").map(|(_, rest)| rest.split(';').next().unwrap().to_owned())
    });
    Follower { process, address, token: world.read("edge/gateway.token").trim().to_owned() }
}

/// The status of one prediction and the version that gave it; none where nobody accepted the connection or it broke.
fn ask(address: &str, token: &str) -> Option<(String, String)> {
    let body = json!({ "inputs": tensors() }).to_string();
    let mut stream = TcpStream::connect(address).ok()?;
    let head = format!("POST /v2/models/s/infer HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n");
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let version = text.lines().find_map(|line| line.strip_prefix("x-tidegate-version: ")).unwrap_or_default();
    Some((text.get(9..12)?.to_owned(), version.to_owned()))
}

impl Follower {
    fn answers(&self, version: &str) {
        wait_for(&format!("version {version} from the follower"), || {
            ask(&self.address, &self.token).filter(|got| *got == ("200".to_owned(), version.to_owned()))
        });
    }

    /// Asks until it is told to end: how many were sent, and what did not come out well.
    fn load(&self) -> (Arc<AtomicBool>, Arc<AtomicU64>, JoinHandle<Vec<String>>) {
        let (ends, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (address, token, end, count) = (self.address.clone(), self.token.clone(), Arc::clone(&ends), Arc::clone(&sent));
        let asking = std::thread::spawn(move || {
            let mut bad = Vec::new();
            while !end.load(Ordering::SeqCst) {
                count.fetch_add(1, Ordering::SeqCst);
                match ask(&address, &token) {
                    Some((status, _)) if status == "200" => {}
                    other => bad.push(format!("{other:?}")),
                }
            }
            bad
        });
        (ends, sent, asking)
    }
}

/// `up` at the addresses of the configuration.
fn up(world: &World) -> Started {
    let mut process = world.start(&["up"]);
    wait_for("`tidegate up`", || {
        assert!(process.status().is_none(), "it ended: {:?}", process.so_far());
        process.so_far().1.contains("no scenario.yaml here").then_some(())
    });
    process
}

#[test]
fn a_follower_takes_each_release_and_loses_no_request_when_the_control_plane_is_killed() {
    if !has_runtime() {
        return;
    }
    let (console, gateway) = (free_port(), free_port());
    let listen = format!("console: {{ listen: 127.0.0.1:{console} }}\ngateway: {{ listen: 127.0.0.1:{gateway} }}\n");
    let world = trained("on: data, cool_down: 0ms", &listen);
    let mut control = up(&world);
    first_released(&world);

    world.run(&["gateway", "list"]).well();
    world.write("edge.token", "tdg_not_a_token");
    let wrong = follow(&world, console);
    wait_for("the refusal", || wrong.process.so_far().0.contains("a token of the scope `gateway` is needed").then_some(()));
    assert_eq!(ask(&wrong.address, &wrong.token).unwrap().0, "404", "it has no routes");
    drop(wrong);
    // A token for people is none for gateways, nor the other way round.
    let made = world.run(&["token", "create", "--scope", "gateway", "--label", "edge", "--json"]).well().json();
    let token = made["token"].as_str().unwrap().to_owned();
    world.write("edge.token", &token);
    world.run_as(&token, &["release", "list"]).fails(5, &["the token of TIDEGATE_TOKEN is not known"]);

    let edge = follow(&world, console);
    edge.answers("1");
    let listed = || world.run(&["gateway", "list", "--json"]).well().json();
    let follows = || listed()["gateways"][0]["applied"] == listed()["generation"];
    wait_for("the follower to be up to date", || follows().then_some(()));
    let (end, sent, asking) = edge.load();

    world.write("words.csv", "word\nthird\n");
    stands(&world, 2, "waits");
    world.run(&["retrain", "approve"]).well();
    wait_for("the canary", || world.run(&["release", "status", "s/2"]).out.contains("canary").then_some(()));
    // The follower has it too, and is the one whose clients meet it.
    edge.answers("2");
    edge.answers("1");
    world.run(&["release", "promote", "s/2", "--reason", "it is right"]).well();
    stands(&world, 2, "promoted");
    edge.answers("2");
    wait_for("the follower to be up to date", || follows().then_some(()));
    let told = listed()["gateways"][0].clone();
    assert!(told["name"] == "edge-1" && told["converged_ms"].is_u64() && told["trouble"].is_null(), "{told}");

    control.kill();
    wait_for("the news", || edge.process.so_far().0.contains("does not answer, the routes stand as they are").then_some(()));
    let before = sent.load(Ordering::SeqCst);
    wait_for("requests without a control plane", || (sent.load(Ordering::SeqCst) > before + 100).then_some(()));
    end.store(true, Ordering::SeqCst);
    assert_eq!(asking.join().unwrap(), Vec::<String>::new(), "of {} requests", sent.load(Ordering::SeqCst));

    // From its disk alone.
    let Follower { mut process, .. } = edge;
    process.kill();
    let edge = follow(&world, console);
    edge.answers("2");
    assert!(edge.process.so_far().0.contains("serves by the routes on its disk"));
    // And the control plane comes back: nothing is taken away while it restores what stood.
    let (end, sent, asking) = edge.load();
    let _control = up(&world);
    wait_for("the follower to be up to date", || follows().then_some(()));
    end.store(true, Ordering::SeqCst);
    assert_eq!(asking.join().unwrap(), Vec::<String>::new(), "of {} requests", sent.load(Ordering::SeqCst));
    edge.answers("2");
}

#[test]
fn whom_nobody_can_follow_is_refused_by_name() {
    let world = World::with(&[("t", "token")]);
    let follow = |url: &str, name: &str| world.run(&["gateway", "follow", url, "--token-file", "t", "--name", name, "--state", "edge"]);
    follow("http://127.0.0.1:1", "a/b").fails(2, &["follow as a/b", "letters, digits"]);
    for url in ["https://127.0.0.1:1", "http://127.0.0.1:1/x", "127.0.0.1:1"] {
        follow(url, "edge").fails(2, &["follow", "give the console's address alone"]);
    }
    assert!(!world.exists("edge"));
}
