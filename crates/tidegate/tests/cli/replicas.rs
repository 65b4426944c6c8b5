//! Several control planes on one journal in a real PostgreSQL: one acts, the others stand by, and go on when it dies, stands still or
//! leaves.

use crate::cluster::{Cluster, route};
use crate::drivers::{gateway_api, served_elsewhere, status};
use crate::postgres::Postgres;
use crate::retrain::second_waits;
use crate::up::up;
use crate::world::{Started, World, has_runtime, in_order, wait_for};
use serde_json::json;
use std::process::Command;

/// `up --replica NAME`, once it has said `word`.
#[track_caller]
fn replica(world: &World, name: &str, word: &str) -> Started {
    let mut process = world.start(&["up", "--any-port", "--replica", name]);
    wait_for(&format!("replica {name}: {word}"), || {
        assert!(process.status().is_none(), "it ended: {:?}", process.so_far());
        process.so_far().1.contains(word).then_some(())
    });
    process
}

#[track_caller]
fn acts(process: &Started) {
    wait_for(&format!("the replica to act: {:?}", process.so_far()), || process.so_far().1.contains("no scenario.yaml here").then_some(()));
}

fn signal(process: &Started, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &process.pid().to_string()]).status().unwrap().success());
}

fn on(postgres: &Postgres, world: &World) {
    world.set("DATABASE", &postgres.url());
    world.set("SSL_CERT_FILE", &postgres.certificate().to_string_lossy());
}

/// Events of the seat, by the replica that they are of.
fn seat(world: &World) -> Vec<String> {
    let said = world.run(&["journal", "--json", "-n", "1000", "--stream", "lease/seat"]).well();
    let one = |line: &str| {
        let body = serde_json::from_str::<serde_json::Value>(line).unwrap()["body"].clone();
        format!("{} {}", body["holder"]["replica"].as_str().unwrap(), body["event"].as_str().unwrap())
    };
    said.out.lines().map(one).collect()
}

#[test]
fn one_alone_keeps_its_journal_in_a_database() {
    let (Some(postgres), true) = (Postgres::start(), has_runtime()) else { return };
    let world = crate::up::served();
    let config = world.read("tidegate.yaml");
    world.write("tidegate.yaml", &format!("{config}journal: {{ postgres: DATABASE }}\n"));
    world.run(&["journal"]).fails(2, &["open the journal", "`journal.postgres`", "DATABASE is not set"]);
    on(&postgres, &world);
    world.run(&["journal"]).fails(4, &["there is no journal here", "tidegate up"]);
    let mut first = up(&world);
    world.run(&["run"]).well();
    let before = world.events();
    assert!(before.iter().any(|event| event.starts_with("run/")), "{before:?}");
    first.kill();
    let _second = up(&world);
    assert_eq!(world.events(), before, "what was recorded is there");
    assert!(!world.exists(".tidegate/journal.sqlite"));
    world.run(&["audit", "verify"]).well();
}

#[test]
fn another_goes_on_where_one_stood_still_died_or_left() {
    let (Some(postgres), true) = (Postgres::start(), has_runtime()) else { return };
    let cluster = Cluster::with_route();
    let a = served_elsewhere(&gateway_api(&cluster), "http://127.0.0.1:9");
    let shared = a.beside("shared");
    std::fs::create_dir(&shared).unwrap();
    let config = a.read("tidegate.yaml");
    a.write("tidegate.yaml", &format!("{config}journal: {{ postgres: DATABASE }}\nreplicas: {{ shared: '{}' }}\n", shared.display()));
    let b = a.copied();
    [&a, &b].into_iter().for_each(|world| on(&postgres, world));
    b.set("CLUSTER_TOKEN", crate::cluster::TOKEN);

    let mut of_a = replica(&a, "a", "replica a acts");
    acts(&of_a);
    second_waits(&a);
    b.write("words.csv", &a.read("words.csv"));
    let of_b = replica(&b, "b", "standing by as b");
    in_order(&of_b.so_far().1, &["standing by as b", "a (session ", ") acts"]);
    a.run(&["release", "start", "s", "2"]).well();
    wait_for("the canary", || (cluster.weights() == [9_500, 500]).then_some(()));
    b.run(&["release", "status", "s/2"]).fails(3, &["no `tidegate up` acts in", "replica a acts", "console at http://127.0.0.1:"]);

    // It stands still with its lease: the other one acts, and it ends when it wakes.
    signal(&of_a, "STOP");
    acts(&of_b);
    assert_eq!(seat(&b), ["a taken", "b taken"]);
    cluster.edit(&route(), |route| route["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(9_000));
    wait_for("the split of the release", || (cluster.weights() == [9_500, 500]).then_some(()));
    signal(&of_a, "CONT");
    let ended = wait_for("the end of the one that was taken over", || of_a.status());
    assert_eq!(ended.code(), Some(3), "{:?}", of_a.so_far());
    in_order(&of_a.so_far().1, &["this replica acts no more and ends"]);
    b.run(&["release", "abort", "s/2", "--reason", "nothing is seen"]).well();
    wait_for("the way back", || status(&b, "s/2").contains("aborted by owner").then_some(()));
    assert_eq!(cluster.weights(), [10_000, 0]);

    // It dies, and the other one goes on with what was under way.
    let again = replica(&a, "a", "standing by as a");
    b.run(&["release", "start", "s", "2"]).well();
    wait_for("the canary", || (cluster.weights() == [9_500, 500]).then_some(()));
    let mut of_b = of_b;
    of_b.kill();
    acts(&again);
    a.run(&["release", "abort", "s/3", "--reason", "nothing is seen"]).well();
    wait_for("the way back", || (cluster.weights() == [10_000, 0]).then_some(()));

    // It leaves, and nobody waits for the end of a lease.
    let of_b = replica(&b, "b", "standing by as b");
    again.interrupt();
    let said = again.ended();
    assert_eq!(said.code, 0, "{said:?}");
    acts(&of_b);
    assert_eq!(seat(&b), ["a taken", "b taken", "a taken", "a given_up", "b taken"]);
    wait_for("everything to be sealed", || {
        let said = b.run(&["audit", "verify", "--json"]).well().json();
        (said["database"]["unsealed"] == json!(0)).then_some(())
    });
}
