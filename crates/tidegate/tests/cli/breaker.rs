//! A circuit breaker on a real Prometheus: it trips when a signal is abnormal or cannot be told, and nothing starts or goes forward.

use crate::metrics::{Prometheus, prometheus};
use crate::retrain::{looked, stands, trained};
use crate::up::up;
use crate::world::{has_runtime, in_order, wait_for};

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
    // By hand, at once; it takes more than normal signals for a moment, and somebody who says why.
    world.run(&["breaker", "trip", "staging", "--reason", "x"]).fails(4, &["there is no `staging`; known are production"]);
    world.run(&["breaker", "trip", "production", "--reason", " "]).fails(5, &["say who and why"]);
    in_order(
        &world.run(&["breaker", "trip", "production", "--reason", "the region is going down"]).well().out,
        &["tripped by owner", "the region"],
    );
    world.run(&["release", "start", "s", "1"]).fails(5, &["halted by breaker production: the region is going down"]);
    world.run(&["breaker", "close", "production", "--reason", "it stays"]);
    world.run(&["release", "abort", "s/2", "--reason", "enough"]).well();
    let facts = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    in_order(&facts, &["tripped", "freeze_began", "closed", "tripped"]);
    world.run(&["audit", "verify"]).well();
}
