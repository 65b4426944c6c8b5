//! Blue-green: who asks for the new version sees it, a person lets everybody move at once, and everybody is back at a word. Clients
//! with a cookie stay with their version in a canary.

use crate::retrain::{second_waits, trained};
use crate::up::{infer, up};
use crate::world::{World, has_runtime, in_order, wait_for};
use std::collections::BTreeSet;

const CANARY: &str = "canary: { weights: [5], min_time: 1h } }, { promote: { watch: 0ms } }";

/// Releases go by other steps from the next start of `up` on.
fn steps(world: &World, steps: &str) {
    let config = world.read("tidegate.yaml");
    assert!(config.contains(CANARY), "{config}");
    world.write("tidegate.yaml", &config.replace(CANARY, steps));
}

fn status(world: &World) -> String {
    world.run(&["release", "status", "s/2"]).out
}

#[test]
fn who_asks_sees_it_a_person_moves_everybody_and_a_word_brings_them_back() {
    if !has_runtime() {
        return;
    }
    let world = trained("on: data, cool_down: 0ms", "");
    let mut before = up(&world);
    second_waits(&world);
    before.kill();
    steps(&world, "preview: {} }, { promote: { watch: 1h, hold_back: 0 } }");
    let mut first = up(&world);
    world.run(&["release", "start", "s", "2"]).well();
    wait_for("the question", || status(&world).contains("the strategy asks a person").then_some(()));
    let asked = "x-tidegate-preview: me\r\n";
    assert_eq!((infer(&world, ""), infer(&world, asked)), ("1".to_owned(), "2".to_owned()));

    // The preview is there again after a crash, and still nobody else sees it.
    first.kill();
    let _second = up(&world);
    assert_eq!((infer(&world, ""), infer(&world, asked)), ("1".to_owned(), "2".to_owned()));
    in_order(&world.run(&["release", "resume", "s/2"]).well().out, &["s/2"]);
    wait_for("the move", || (infer(&world, "") == "2").then_some(()));
    in_order(&status(&world), &["watched until"]);

    world.run(&["release", "abort", "s/2", "--reason", "the pages are slow"]).well();
    wait_for("the way back", || (infer(&world, "") == "1").then_some(()));
    wait_for("the end", || status(&world).contains("aborted by owner: the pages are slow").then_some(()));
    assert_eq!(infer(&world, asked), "1", "a preview ends with its release");
    let facts = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    in_order(&facts, &["\"preview\"", "\"resumed\"", "\"promotion_began\"", "what they saw in the preview", "\"rollback_began\""]);
    world.run(&["audit", "verify"]).well();
}

#[test]
fn a_client_stays_with_its_version_by_a_cookie() {
    if !has_runtime() {
        return;
    }
    let world = trained("on: data, cool_down: 0ms", "");
    steps(&world, "canary: { weights: [50], min_time: 1h } }, { promote: { watch: 0ms } }");
    let config = world.read("tidegate.yaml").replace("s: { model: m }", "s: { model: m, affinity: { cookie: session } }");
    world.write("tidegate.yaml", &config);
    let _up = up(&world);
    second_waits(&world);
    world.run(&["release", "start", "s", "2"]).well();
    let ask = |user: u32| infer(&world, &format!("cookie: theme=dark; session={user}\r\n"));
    // Fewer than one in a thousand worlds has all twenty on one side.
    wait_for("the canary", || ((0..20).map(ask).collect::<BTreeSet<_>>().len() == 2).then_some(()));
    let first: Vec<String> = (0..20).map(ask).collect();
    for _ in 0..3 {
        assert_eq!((0..20).map(ask).collect::<Vec<_>>(), first);
    }
    let evidence = world.run(&["release", "status", "s/2", "--json"]).well().json();
    assert!(!evidence.to_string().contains("sample_ratio"), "requests of a client come together: {evidence}");
}
