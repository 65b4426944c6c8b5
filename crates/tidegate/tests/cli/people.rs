//! People: who may do what, approvals by others than who asked, and the glass that is broken in an emergency.

use crate::retrain::{looked, stands, trained};
use crate::up::up;
use crate::world::{Started, World, has_runtime, in_order, wait_for};

const PEOPLE: &str = "people:\n  ada: { roles: [developer, approver] }\n  grace: { roles: [approver] }\n  joan: { roles: [approver] }\n  \
                      mary: { roles: [operator, release_manager] }\n  eve: { roles: [viewer] }\n";

/// A workspace whose releases two others must approve, with the first version waiting for them.
#[track_caller]
fn waiting() -> (World, Started) {
    let world = trained("on: data, cool_down: 0ms, approve: auto", PEOPLE);
    let config = world.read("tidegate.yaml").replace("s: { model: m }", "s: { model: m, approvals: 2 }");
    world.write("tidegate.yaml", &config);
    let up = up(&world);
    looked(&world);
    world.write("words.csv", "word\nother\n");
    stands(&world, 1, "releasing");
    wait_for("the question", || world.run(&["release", "approvals"]).out.contains("s version 1 by `default`").then_some(()));
    (world, up)
}

fn token(world: &World, person: &str) -> String {
    let said = world.run(&["token", "create", "--label", "laptop", "--person", person]).well();
    said.out.trim().to_owned()
}

const APPROVE: [&str; 6] = ["release", "approve", "s", "1", "--reason", "seen the numbers"];

#[test]
fn a_release_starts_when_two_others_approved_it() {
    if !has_runtime() {
        return;
    }
    let (world, _up) = waiting();
    world.run(&APPROVE).fails(5, &["owner may not approve", "tidegate token create --person NAME"]);
    world.run(&["token", "create", "--label", "x", "--person", "eva"]).fails(4, &["make a token of eva", "known: ada, grace"]);
    world.run_as("tdg_api_000000000000_0000", &["release", "list"]).fails(5, &["TIDEGATE_TOKEN is not known"]);
    let eve = token(&world, "eve");
    world.run_as(&eve, &["release", "list"]).well();
    world.run_as(&eve, &APPROVE).fails(5, &["eve may not approve or veto a release"]);
    world.run_as(&eve, &["release", "start", "s", "1"]).fails(5, &["eve may not ask for a release"]);
    let (ada, grace) = (token(&world, "ada"), token(&world, "grace"));
    world.run_as(&ada, &["release", "start", "s", "1"]).fails(5, &["0 of 2 approvals", "others than training"]);
    world.run_as(&grace, &["release", "approve", "s", "9", "--reason", "x"]).fails(4, &["nobody asked for it"]);
    in_order(&world.run_as(&grace, &APPROVE).well().out, &["s version 1", "asked for by training, until 20", "1 of 2 approvals, by grace"]);
    world.run_as(&grace, &APPROVE).well();
    assert!(world.run(&["release", "status", "s/1"]).code != 0, "one person is one approval");
    world.run_as(&ada, &APPROVE).well();
    stands(&world, 1, "promoted");
    let facts = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    in_order(&facts, &["asked", "approved", "approved", "promotion_began"]);
    world.run(&["audit", "verify"]).well();
}

#[test]
fn a_veto_ends_a_training_and_nobody_approves_what_they_asked_for() {
    if !has_runtime() {
        return;
    }
    let (world, _up) = waiting();
    let (ada, joan) = (token(&world, "ada"), token(&world, "joan"));
    let veto = ["release", "veto", "s", "1", "--reason", "worse for short words"];
    in_order(&world.run_as(&joan, &veto).well().out, &["s version 1", "vetoed by joan: worse for short words"]);
    let ended = stands(&world, 1, "refused");
    assert!(ended["phase"]["summary"].as_str().unwrap().contains("joan vetoed it"), "{ended}");
    world.run_as(&ada, &APPROVE).fails(5, &["joan vetoed it", "a veto is final"]);
    // By another strategy it is another change: asked for by ada, who cannot approve it herself.
    let config = world.read("tidegate.yaml").replace(
        "releases:\n",
        "releases:\n  slow:\n    steps: [{ canary: { weights: [1], min_time: 2h } }, { promote: { watch: 0ms } }]\n",
    );
    world.write("tidegate.yaml", &config);
    world.run_as(&ada, &APPROVE).fails(5, &["approve version 1"]);
}

#[test]
fn a_broken_glass_lets_a_release_start_ends_by_itself_and_is_answered_for() {
    if !has_runtime() {
        return;
    }
    let (world, _up) = waiting();
    let (ada, grace, mary) = (token(&world, "ada"), token(&world, "grace"), token(&world, "mary"));
    let broken = ["break-glass", "s", "--reason", "no answers at all", "--for", "4s"];
    world.run(&broken).fails(5, &["owner may not break the glass"]);
    world.run_as(&ada, &broken).fails(5, &["ada may not break the glass"]);
    world.run_as(&mary, &["break-glass", "s", "--reason", "x", "--for", "25h"]).fails(5, &["to 24 hours"]);
    in_order(&world.run_as(&mary, &broken).well().out, &["s: glass broken by mary until 20", "no answers at all", "not reviewed"]);
    world.run_as(&mary, &["release", "start", "s", "1"]).well();
    in_order(&world.run(&["release", "approvals"]).well().out, &["glass broken by mary", "a release of version 1, by mary"]);
    let review = |token: &str| world.run_as(token, &["break-glass", "s", "--review", "it was needed"]);
    review(&grace).fails(5, &["it is broken until"]);
    wait_for("the end of the glass", || {
        world.run_as(&mary, &["release", "start", "s", "1"]).err.contains("was not reviewed").then_some(())
    });
    world.run_as(&mary, &broken).fails(5, &["was not reviewed"]);
    review(&mary).fails(5, &["mary may not review a broken glass"]);
    in_order(&review(&grace).well().out, &["reviewed by grace: it was needed"]);
    let facts = world.run(&["journal", "-n", "1000", "--json"]).well().out;
    in_order(&facts, &["glass_broken", "glass_used", "glass_reviewed"]);
}
