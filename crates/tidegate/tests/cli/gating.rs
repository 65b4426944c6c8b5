//! Two paths of a service's releases: which one is drawn, who opts out, and both side by side.

use crate::retrain::{looked, stands, trained};
use crate::up::up;
use crate::world::{has_runtime, in_order};

#[test]
fn a_release_takes_the_path_that_is_drawn_and_the_standard_one_after_an_opt_out() {
    if !has_runtime() {
        return;
    }
    let world = trained("on: data, cool_down: 0ms, approve: auto", "");
    let config = world
        .read("tidegate.yaml")
        .replace("s: { model: m }", "s: { model: m, paths: { learned: brisk, standard: default, share: 100 } }")
        .replace(
            "releases:\n",
            "releases:\n  brisk:\n    by_risk: [{ below: 0.1, release: quick }]\n    steps: [{ canary: { weights: [5], min_time: 2h } }, { promote: { watch: 0ms } }]\n  quick:\n    steps: [{ canary: { weights: [50], min_time: 1h } }, { promote: { watch: 0ms } }]\n",
        );
    world.write("tidegate.yaml", &config);
    let _up = up(&world);
    looked(&world);
    world.write("words.csv", "word\nother\n");
    stands(&world, 1, "promoted");
    let strategy = |release: &str| {
        world.run(&["release", "record", release, "--json"]).well().json()["record"]["plan"]["strategy"].as_str().unwrap().to_owned()
    };
    assert_eq!(strategy("s/1"), "brisk");
    in_order(
        &world.run(&["gating", "list"]).well().out,
        &["s: the next release takes learned, `brisk`, by chance", "learned", "1", "1", "standard", "0"],
    );
    world.run(&["gating", "opt-out", "s", "--reason", "an audit", "--for", "400d"]).fails(5, &["up to 366 days"]);
    world.run(&["gating", "opt-out", "t", "--reason", "x", "--for", "1d"]).fails(4, &["there is no `t`; known are s"]);
    let out = world.run(&["gating", "opt-out", "s", "--reason", "an audit", "--for", "30d"]).well().out;
    in_order(&out, &["s: the next release takes standard, `default`, owner opted out", "out by owner from 20", "an audit"]);
    world.write("words.csv", "word\nthird\n");
    stands(&world, 2, "releasing");
    assert_eq!(strategy("s/2"), "default");
    let json = world.run(&["gating", "list", "--json"]).well().json();
    assert_eq!((&json["s"]["became"]["learned"]["released"], &json["s"]["became"]["standard"]["under_way"]), (&1.into(), &1.into()));
    in_order(&world.run(&["gating", "opt-in", "s", "--reason", "done"]).well().out, &["takes learned", "was out by owner"]);
    let events: Vec<String> = world.events().into_iter().filter(|e| e.starts_with("gating/")).collect();
    assert_eq!(events, ["gating/s taken", "gating/s opted_out", "gating/s taken", "gating/s opted_in"]);

    // The path on trial asks for the risk of a change: a low one is faster, and none is not.
    let version = world.run(&["release", "record", "s/2", "--json"]).well().json()["record"]["version"].as_str().unwrap().to_owned();
    let ended = |release: &str| {
        world.run(&["release", "abort", release, "--reason", "another one"]).well();
        world.run(&["release", "watch", release]);
    };
    ended("s/2");
    let start = ["release", "start", "s", &version, "--risk-by", "model 7", "--risk"];
    world.run(&[&start[..], &["1.2"]].concat()).fails(2, &["a risk is a chance: give a number from 0 to 1"]);
    world.run(&[&start[..], &["0.05"]].concat()).well();
    assert_eq!(strategy("s/3"), "quick");
    in_order(&world.run(&["release", "record", "s/3"]).well().out, &["By the strategy `quick`, with a risk of 0.05 by model 7:"]);
    ended("s/3");
    world.run(&[&start[..], &["0.1"]].concat()).well();
    assert_eq!(strategy("s/4"), "brisk");
    ended("s/4");
    world.run(&start[..4]).well();
    assert_eq!(strategy("s/5"), "brisk");
}
