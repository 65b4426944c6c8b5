//! A circuit breaker on a real Prometheus: it trips when a signal is abnormal or cannot be told, and nothing starts or goes forward.

use crate::metrics::{Prometheus, prometheus};
use crate::retrain::{looked, second_waits, stands, trained};
use crate::up::up;
use crate::world::{free_port, has_runtime, in_order, wait_for};

#[test]
fn nothing_goes_forward_while_a_breaker_is_open() {
    let Some(program) = prometheus() else { return };
    if !has_runtime() {
        return;
    }
    let world = trained("on: data, cool_down: 0ms, approve: auto", "breakers: {}\n");
    let server = Prometheus::start(&world, &program);
    let (port, url) = (server.port(), server.url());
    let breakers = format!(
        "breakers:\n  production: {{ prometheus: '{url}', every: 1s, after: 2, resets_after: 2s, signals: {{ slow: {{ query: 'max(p99)', above: 400 }} }} }}\n"
    );
    world.write("tidegate.yaml", &world.read("tidegate.yaml").replace("breakers: {}\n", &breakers));
    let _up = up(&world);
    looked(&world);
    let list = || world.run(&["breaker", "list"]).out;
    wait_for("a normal signal", || list().contains("production: closed; normal at").then_some(()));
    world.write("words.csv", "word\nother\n");
    stands(&world, 1, "promoted");
    world.write("words.csv", "word\nthird\n");
    stands(&world, 2, "releasing");
    wait_for("the canary", || world.run(&["release", "status", "s/2"]).out.contains("canary").then_some(()));

    drop(server);
    wait_for("the trip", || list().contains("production: tripped by watch").then_some(()));
    in_order(&list(), &["slow cannot be told", "abnormal at"]);
    wait_for("the freeze", || {
        world.run(&["release", "status", "s/2"]).out.contains("frozen by breaker production: slow cannot be told").then_some(())
    });
    world.run(&["release", "promote", "s/2", "--reason", "now"]).fails(5, &["frozen by `breaker production"]);
    world.run(&["release", "start", "s", "1"]).fails(5, &["s is halted by breaker production", "tidegate breaker list"]);

    let _server = Prometheus::again(&world, &program, port);
    wait_for("the closing", || list().contains("production: closed; normal at").then_some(()));
    wait_for("the thaw", || (!world.run(&["release", "status", "s/2"]).out.contains("frozen by")).then_some(()));
    // By hand, at once, by somebody who says why; signals that have long been normal do not close it.
    world.run(&["breaker", "trip", "staging", "--reason", "x"]).fails(4, &["there is no `staging`; known are production"]);
    world.run(&["breaker", "trip", "production", "--reason", " "]).fails(5, &["say who and why"]);
    in_order(
        &world.run(&["breaker", "trip", "production", "--reason", "the region is going down"]).well().out,
        &["tripped by owner", "the region"],
    );
    let looked = || world.run(&["breaker", "list", "--json"]).json()["production"]["looked"].clone();
    for _ in 0..3 {
        let last = looked();
        wait_for("another look", || (looked() != last).then_some(()));
    }
    world.run(&["release", "start", "s", "1"]).fails(5, &["halted by breaker production: the region is going down"]);
    world.run(&["breaker", "close", "production", "--reason", "it stays"]);
    world.run(&["release", "abort", "s/2", "--reason", "enough"]).well();
    let facts = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    in_order(&facts, &["tripped", "freeze_began", "closed", "tripped"]);
    world.run(&["audit", "verify"]).well();
}

#[test]
fn of_two_releases_the_guilty_one_is_aborted_and_the_other_is_left_alone() {
    let Some(program) = prometheus() else { return };
    if !has_runtime() {
        return;
    }
    let world = trained("on: data, cool_down: 0ms", "breakers: {}\n");
    // A target that is in the file or not: while it is, `up` of it is there.
    let targets = world.beside("targets.json");
    let files = targets.display();
    std::fs::write(&targets, "[]").unwrap();
    let scrape = format!(
        "scrape_configs:\n- job_name: flag\n  scrape_interval: 1s\n  file_sd_configs: [{{ files: ['{files}'], refresh_interval: 1s }}]\n"
    );
    std::fs::write(world.beside("prometheus.yml"), scrape).unwrap();
    let port = free_port();
    let server = Prometheus::again(&world, &program, port);
    let breakers = format!(
        "breakers:\n  production:\n    prometheus: '{}'\n    every: 1s\n    after: 2\n    resets_after: 2s\n    blame: abort\n    \
         signals: {{ pages: {{ query: 'count(up) or vector(0)', above: 0, service: s }} }}\n",
        server.url()
    );
    let services = "  s: { model: m }\n  t: { model: m, calls: [s] }\n";
    let config = world.read("tidegate.yaml").replace("breakers: {}\n", &breakers).replace("  s: { model: m }\n", services);
    world.write("tidegate.yaml", &config);
    let _up = up(&world);
    second_waits(&world);
    for service in ["t", "s"] {
        world.run(&["release", "start", service, "2"]).well();
        let release = format!("{service}/2");
        wait_for("the canary", || world.run(&["release", "status", &release]).out.contains("canary").then_some(()));
    }

    std::fs::write(&targets, r#"[{"targets": ["127.0.0.1:1"]}]"#).unwrap();
    let status = |release: &str| world.run(&["release", "status", release]).out;
    wait_for("the abort", || status("s/2").contains("aborted by breaker production: it is to blame for what tripped it").then_some(()));
    let list = world.run(&["breaker", "list"]).out;
    in_order(&list, &["tripped by watch", "pages is 1, above 0", "release s/2 is to blame by", "it was seen there"]);
    assert!(!list.contains("release t/2 is to blame"), "{list}");
    wait_for("the halt of the other", || status("t/2").contains("frozen by breaker production").then_some(()));

    std::fs::write(&targets, "[]").unwrap();
    wait_for("the closing", || world.run(&["breaker", "list"]).out.contains("production: closed; normal at").then_some(()));
    wait_for("the thaw", || (!status("t/2").contains("frozen by")).then_some(()));
    world.run(&["release", "promote", "t/2", "--reason", "it did nothing"]).well();
    wait_for("its end", || status("t/2").contains("released").then_some(()));
    world.run(&["audit", "verify"]).well();
}
