//! A train of three services: each is released after the one that it needs, one turns out harmful, and all go back in reverse, past
//! one that cannot be undone; a crash in between changes nothing.

use crate::retrain::{second_waits, trained};
use crate::up::up;
use crate::world::{Started, World, has_runtime, in_order, wait_for};

const TRAINS: &str = "trains:\n  net: { services: { s: {}, t: { after: [s], irreversible: true }, u: { after: [t] } } }\n";

/// For changes of low risk.
const QUICK: &str = "  quick: { steps: [{ canary: { weights: [50], min_time: 1h } }, { promote: { watch: 0ms } }] }\n";

/// Version 1 serves everywhere, and version 2 is registered.
#[track_caller]
fn two_versions() -> (World, Started) {
    let world = trained("on: data, cool_down: 0ms", &format!("{QUICK}{TRAINS}"));
    let config = world.read("tidegate.yaml").replace("  s: { model: m }\n", "  s: { model: m }\n  t: { model: m }\n  u: { model: m }\n");
    let config = config.replace("  default:\n", "  default:\n    by_risk: [{ below: 0.1, release: quick }]\n");
    world.write("tidegate.yaml", &config);
    let up = up(&world);
    second_waits(&world);
    (world, up)
}

pub fn list(world: &World) -> String {
    world.run(&["train", "list"]).well().out
}

#[track_caller]
pub fn waits_until(world: &World, words: &str) {
    wait_for(words, || list(world).contains(words).then_some(()));
}

/// Lets a release go on, once users meet it.
#[track_caller]
pub fn promote(world: &World, release: &str) {
    wait_for("the canary", || world.run(&["release", "status", release]).out.contains("canary").then_some(()));
    wait_for("the promotion", || (world.run(&["release", "promote", release, "--reason", "good"]).code == 0).then_some(()));
}

#[test]
fn a_train_goes_on_in_order_and_back_in_reverse() {
    if !has_runtime() {
        return;
    }
    let (world, mut first) = two_versions();
    in_order(&list(&world), &["net: none has departed"]);
    let depart = ["train", "depart", "net", "s=2", "t=2", "u=2", "--reason", "the summer's features"];
    world.run(&["train", "depart", "net", "s=2", "x=1", "--reason", "x"]).fails(4, &["`x` is not in it; its services are s, t, u"]);
    world.run(&["train", "depart", "net", "s", "--reason", "x"]).fails(2, &["`s` is not SERVICE=VERSION"]);
    world.run(&["train", "back", "net", "--reason", "x"]).fails(5, &["let go back a train: none is under way"]);
    in_order(&world.run(&depart).well().out, &["net 1: under way", "s version 2", "t version 2 (after s)", "u version 2 (after t): waits"]);
    world.run(&["train", "depart", "net", "s=2", "--reason", "x"]).fails(5, &["number 1 is under way"]);
    waits_until(&world, "s version 2: release 2 is under way");
    in_order(&list(&world), &["t version 2 (after s): waits"]);
    promote(&world, "s/2");
    waits_until(&world, "t version 2 (after s): release 2 is under way");

    first.kill();
    let _second = up(&world);
    promote(&world, "t/2");
    waits_until(&world, "u version 2 (after t): release 2 is under way");
    world.run(&["release", "abort", "u/2", "--reason", "its pages are empty"]).well();
    waits_until(&world, "goes back: u: its release 2: aborted by owner: its pages are empty");
    waits_until(&world, "it is irreversible: see to what it did");
    in_order(&list(&world), &["s version 2: released by release 2", "tidegate train leave net t --reason"]);
    world.run(&["train", "leave", "net", "s", "--reason", "x"]).fails(5, &["leave `s` as it is: nobody was asked about it"]);
    world.run(&["train", "leave", "net", "t", "--reason", "old readers read the new rows"]).well();
    waits_until(&world, "net 1: went back, a part of it left as it was");
    in_order(&list(&world), &["s version 2: undone", "t version 2 (after s): left as it is by owner", "u version 2 (after t): went back"]);
    in_order(&world.run(&["release", "status", "s/2"]).well().out, &["undone by train net 1: the train goes back"]);
    let facts = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    in_order(&facts, &["\"departed\"", "\"turned_back\"", "\"left\"", "\"undone\"", "\"ended\""]);
    world.run(&["audit", "verify"]).well();
}

#[test]
fn a_version_that_is_not_there_is_named_before_anything_moves_and_a_train_turns_at_a_word() {
    if !has_runtime() {
        return;
    }
    let (world, _up) = two_versions();
    world.run(&["train", "depart", "net", "s=2", "u=9", "--reason", "x"]).fails(4, &["u: model m has no version 9"]);
    // A person's word while the first is under way: it goes back, and nothing after it ever began.
    let depart = ["train", "depart", "net", "s=2", "u=2", "--reason", "summer"];
    let risky = |risk: &str| world.run(&[&depart[..], &["--risk-by", "model 12", "--risk", risk]].concat());
    risky("s").fails(2, &["`s` is not SERVICE=CHANCE, as ranker=0.03"]);
    risky("s=high").fails(2, &["`s=high` is not SERVICE=CHANCE"]);
    risky("s=3").fails(2, &["the risk of `s`: a risk is a chance"]);
    risky("t=0.03").fails(2, &["the risk of `t`: no version of it is named: it is left out"]);
    in_order(&risky("s=0.03").well().out, &["s version 2, risk 0.03 by model 12", "u version 2 (after s): waits"]);
    waits_until(&world, "s version 2, risk 0.03 by model 12: release 2 is under way");
    in_order(&world.run(&["release", "record", "s/2"]).well().out, &["By the strategy `quick`, with a risk of 0.03 by model 12:"]);
    world.run(&["train", "back", "net", "--reason", "not today"]).well();
    waits_until(&world, "net 1: went back");
    in_order(
        &list(&world),
        &["s version 2, risk 0.03 by model 12: went back: its release 2: aborted by train net 1", "u version 2 (after s): waits"],
    );
}
