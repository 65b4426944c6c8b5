//! A train whose versions do not fit each other does not depart, and one stands still when somebody changes what a later service meets.

use crate::retrain::{first_released, stands, trained};
use crate::train::{list, promote, waits_until};
use crate::up::up;
use crate::world::{Started, World, has_runtime, in_order, wait_for};

const TRAINS: &str = "trains:\n  net: { services: { s: {}, t: { after: [s] }, u: { after: [t] } } }\n";
/// What the first version gives; all versions take `a`.
const FIRST: &str = "gives: { rows: { a: int64 } }, takes: { rows: { a: int64 } }, golden";
/// `a` has another name.
const RENAMED: &str = "gives: { rows: { b: int64 } }, takes: { rows: { a: int64 } }, golden";
/// There is more.
const GROWN: &str = "gives: { rows: { a: int64, c: float64 } }, takes: { rows: { a: int64 } }, golden";

/// The next version of the model declares this.
#[track_caller]
fn next(world: &World, up: &mut Started, (was, is): (&str, &str), word: &str, number: u64) -> Started {
    up.kill();
    let config = world.read("tidegate.yaml");
    assert!(config.contains(was), "{config}");
    world.write("tidegate.yaml", &config.replacen(was, is, 1));
    let again = crate::up::up(world);
    world.write("words.csv", &format!("word\n{word}\n"));
    stands(world, number, "waits");
    again
}

#[test]
fn what_does_not_fit_does_not_depart_and_what_somebody_changes_meanwhile_stops_a_train() {
    if !has_runtime() {
        return;
    }
    let world = trained("on: data, cool_down: 0ms", TRAINS);
    let config = world.read("tidegate.yaml").replace("  s: { model: m }\n", "  s: { model: m }\n  t: { model: m }\n  u: { model: m }\n");
    world.write("tidegate.yaml", &config.replacen("golden", FIRST, 1));
    let mut first = up(&world);
    first_released(&world);
    let mut second = next(&world, &mut first, (FIRST, RENAMED), "third", 2);
    world.run(&["retrain", "reject", "m", "--reason", "by train"]).well();

    let depart = ["train", "depart", "net", "s=2", "t=2", "--reason", "summer"];
    let words = ["let a train depart: signatures do not fit", "`a` of `rows`: s version 2 does not give it", "takes int64"];
    world.run(&depart).fails(5, &words);
    in_order(&list(&world), &["net: none has departed"]);
    let _third = next(&world, &mut second, (RENAMED, GROWN), "fifth", 3);
    world.run(&["retrain", "reject", "m", "--reason", "by train"]).well();

    let out = world.run(&["train", "depart", "net", "s=3", "t=3", "--reason", "summer"]).well().out;
    in_order(&out, &["net 1: under way", "signatures fit:", "compared"]);
    waits_until(&world, "s version 3: release 2 is under way");
    in_order(
        &world.run(&["train", "show", "net"]).well().out,
        &["signatures at its departure", "s 3 -> t 1: rows", "signatures before s", "s 3 -> u 1: rows"],
    );
    // Somebody gives one that is left out a version that no longer gives `a`.
    world.run(&["release", "start", "u", "2"]).well();
    promote(&world, "u/2");
    wait_for("the release of u", || world.run(&["release", "status", "u/2"]).out.contains("released").then_some(()));
    promote(&world, "s/2");
    waits_until(&world, "t version 3 (after s): waits: signatures do not fit: `a` of `rows`: u version 2 does not give it, t version 3");
    // It is put right, and the train goes on by itself.
    world.run(&["release", "undo", "u/2", "--reason", "others need a"]).well();
    waits_until(&world, "t version 3 (after s): release 2 is under way");
    let facts = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    in_order(&facts, &["\"departed\"", "\"checked\"", "\"misfits\"", "\"checked\""]);
    let shown = world.run(&["train", "show", "net", "--json"]).well().json();
    assert_eq!(shown["train"]["fits"]["t"]["live"]["u"], "1", "{shown}");
    world.run(&["train", "back", "net", "--reason", "enough seen"]).well();
    waits_until(&world, "net 1: went back");
    world.run(&["audit", "verify"]).well();
}
