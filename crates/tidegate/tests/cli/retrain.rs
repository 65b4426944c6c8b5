//! Trainings that start by themselves, from a trigger to the end of the candidate's release; what holds them back and
//! what blocks a release.

use crate::up::up;
use crate::world::{World, has_runtime, in_order, wait_for};
use serde_json::{Value, json};

/// A model whose bytes follow the data: a doc string of five letters is added to it (field 6 of `ModelProto`).
const PIPELINE: &str = "stages:\n  train:\n    cmd: sh train.sh\n    deps: [base.onnx, words.csv, train.sh]\n    outs: [model.onnx]\n";
/// The last word of the data decides; `wrong` fails, and `sleep` takes its time.
const TRAIN: &str = "word=$(tail -n 1 words.csv)\n[ $word != wrong ] || exit 3\n[ $word != sleep ] || sleep 600\n\
    cat base.onnx > model.onnx\nprintf '2\\005%s' $word >> model.onnx\n";
const CONTRACT: &str = "dataset: words\ncolumns:\n  word: { not_null: true, regex: '^[a-z]{5}$' }\n";

fn config(retrain: &str, strategy: &str) -> String {
    format!(
        "version: 1\nworkspace: trained\npipeline: dvc.yaml\ndata:\n  words: {{ path: words.csv, contract: words.yaml }}\n\
         models:\n  m: {{ artifact: model.onnx, golden: golden.json, gates: {{ speed: {{ latency_p99_ms: 60000 }} }} }}\n\
         services:\n  s: {{ model: m }}\nreleases:\n  default:\n    steps: [{{ canary: {{ weights: [5], min_time: 1h }} }}, {{ promote: {{ watch: 0ms }} }}]\n    \
         judge: {{ tick: 1s, warm_up: 0s }}\n{strategy}retrain:\n  m: {{ look: 100ms, {retrain} }}\n"
    )
}

/// A workspace whose model follows its data; `strategy` may go on with other sections.
pub fn trained(retrain: &str, strategy: &str) -> World {
    let tensor = |name: &str, value: i32| json!({ "name": name, "datatype": "INT32", "shape": [1, 16], "data": vec![value; 16] });
    let golden = json!({ "requests": [{ "id": "one", "inputs": [tensor("INPUT0", 1), tensor("INPUT1", 2)] }] });
    let world = World::with(&[
        ("tidegate.yaml", &config(retrain, strategy)),
        ("dvc.yaml", PIPELINE),
        ("train.sh", TRAIN),
        ("words.csv", "word\nfirst\n"),
        ("words.yaml", CONTRACT),
        ("golden.json", &golden.to_string()),
    ]);
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/tests/fixtures/simple.onnx");
    std::fs::copy(fixture, world.path("base.onnx")).unwrap();
    world
}

/// Version 1 is trained and released everywhere.
#[track_caller]
pub fn first_released(world: &World) {
    looked(world);
    world.write("words.csv", "word\nother\n");
    stands(world, 1, "waits");
    world.run(&["retrain", "approve"]).well();
    stands(world, 1, "promoted");
}

/// As [`first_released`], and version 2 is trained and waits for a person.
#[track_caller]
pub fn second_waits(world: &World) {
    first_released(world);
    world.write("words.csv", "word\nthird\n");
    stands(world, 2, "waits");
}

fn state(world: &World) -> Value {
    world.run(&["retrain", "status", "--json"]).well().json()["m"].clone()
}

/// Waits until the newest training is `number` and stands at `phase`, or has ended so.
#[track_caller]
pub fn stands(world: &World, number: u64, phase: &str) -> Value {
    wait_for(&format!("training {number} to be {phase}"), || {
        let newest = state(world)["trainings"].as_array().and_then(|t| t.last().cloned())?;
        let at = &newest["phase"];
        let ended = newest["number"] == number && at["phase"] == "ended";
        assert!(!ended || at["outcome"] == phase, "training {number} is not {phase}: {at}");
        (newest["number"] == number && (at["phase"] == phase || at["outcome"] == phase)).then_some(newest)
    })
}

/// The first look has been taken: from now on other data are a reason.
#[track_caller]
pub fn looked(world: &World) {
    wait_for("the first look", || state(world)["seen"].is_object().then_some(()));
}

#[test]
fn other_data_are_trained_gated_and_released_when_a_person_says_so() {
    if !has_runtime() {
        return;
    }
    let world = trained("on: [data, code], cool_down: 0ms", "");
    let up = up(&world);
    looked(&world);
    world.write("words.csv", "word\nother\n");
    let waits = stands(&world, 1, "waits");
    assert_eq!((&waits["phase"]["version"], &waits["triggers"][0]["trigger"]), (&json!("1"), &json!("data")));
    assert!(!world.exists("model.onnx"), "it trains in a work tree of its own");
    in_order(&world.run(&["retrain", "status"]).well().out, &["m 1 (data)", "version 1 waits for a person", "tidegate retrain approve m"]);
    world.run(&["retrain", "approve"]).well();
    let ended = stands(&world, 1, "promoted");
    assert_eq!((&ended["approved"], &ended["phase"]["summary"]), (&json!("owner"), &json!("version 1: s live")));
    // The next one has a release that is judged: a person ends it here, and the training sees how.
    world.write("words.csv", "word\nthird\n");
    stands(&world, 2, "waits");
    world.run(&["retrain", "approve", "m", "--number", "2"]).well();
    stands(&world, 2, "releasing");
    world.run(&["retrain", "cancel", "--reason", "late"]).fails(5, &["cancel training 2", "abort that release"]);
    wait_for("the release", || (world.run(&["release", "status", "s/2"]).code == 0).then_some(()));
    world.run(&["release", "abort", "s/2", "--reason", "test"]).well();
    in_order(stands(&world, 2, "rolled_back")["phase"]["summary"].as_str().unwrap(), &["version 2", "s rolled back"]);
    world.write("words.csv", "word\nfifth\n");
    stands(&world, 3, "waits");
    world.run(&["retrain", "reject", "m"]).fails(2, &["reject training of m", "--reason"]);
    world.run(&["retrain", "reject", "m", "--reason", "not today"]).well();
    in_order(stands(&world, 3, "rejected")["phase"]["summary"].as_str().unwrap(), &["version 3 rejected by owner", "not today"]);
    in_order(&up.so_far().1, &["training 1 of m starts: data: `words` is", "waits for you: `tidegate retrain approve m`"]);
    drop(up);
    in_order(&world.run(&["retrain", "status"]).well().out, &["m 3", "rejected", "m 2", "rolled back", "m 1", "promoted"]);
    world.run(&["audit", "verify"]).well();
}

#[test]
fn what_fails_is_refused_and_what_is_the_same_is_nothing_new() {
    if !has_runtime() {
        return;
    }
    let world = trained("on: data, cool_down: 0ms, approve: auto", "");
    let _up = up(&world);
    looked(&world);
    world.write("words.csv", "word\nwrong\n");
    in_order(stands(&world, 1, "refused")["phase"]["summary"].as_str().unwrap(), &["the pipeline failed", "train"]);
    world.write("words.csv", "word\nNone\n");
    in_order(stands(&world, 2, "refused")["phase"]["summary"].as_str().unwrap(), &["contract of words failed"]);
    world.write("words.csv", "word\nother\n");
    stands(&world, 3, "promoted");
    // Other bytes, and the same model.
    world.write("words.csv", "word\nfirst\nother\n");
    in_order(stands(&world, 4, "unchanged")["phase"]["summary"].as_str().unwrap(), &["it wrote version 1 again"]);
    assert_eq!(world.run(&["model", "list", "--json"]).well().json().as_array().unwrap().len(), 1);
}

#[test]
fn limits_hold_for_triggers_and_for_people() {
    if !has_runtime() {
        return;
    }
    let world = trained("on: data, cool_down: 0ms, budget: { runs: 1, within: 1d, time: 1s }", "");
    let up = up(&world);
    looked(&world);
    world.write("words.csv", "word\nsleep\n");
    in_order(stands(&world, 1, "over_time")["phase"]["summary"].as_str().unwrap(), &["longer than the 1 s", "budget.time"]);
    world.write("words.csv", "word\nother\n");
    wait_for("what holds the next one", || (state(&world)["withheld"]["held_by"] == "budget").then_some(()));
    world.run(&["retrain", "start", "m", "--reason", "now"]).fails(5, &["the budget of 1 trainings is used up until", "raise `budget`"]);
    world.run(&["retrain", "start", "m"]).fails(2, &["start training of m", "--reason"]);
    world.run(&["retrain", "start", "other", "--reason", "now"]).fails(4, &["start training of other", "known are m"]);
    world.run(&["retrain", "cancel", "--reason", "now"]).fails(5, &["cancel training of m", "none is under way"]);
    in_order(&up.so_far().1, &["training of m is due and waits: the budget of 1 trainings"]);
    in_order(&world.run(&["retrain", "status"]).well().out, &["m 1 (data)", "over time", "one is due and waits: the budget lasts until"]);
}

#[test]
fn a_training_is_cancelled_and_one_that_was_killed_goes_on() {
    if !has_runtime() {
        return;
    }
    let world = trained("on: schedule, every: 10d, cool_down: 0ms, approve: auto", "");
    let mut first = up(&world);
    looked(&world);
    world.write("words.csv", "word\nsleep\n");
    world.run(&["retrain", "start", "m", "--reason", "to be stopped"]).well();
    wait_for("the stage", || first.so_far().1.contains("training 1 of m starts").then_some(()).or(Some(())));
    world.run(&["retrain", "start", "m", "--reason", "again"]).fails(5, &["training 1 is training", "cancel it"]);
    world.run(&["retrain", "cancel", "m", "--reason", "too slow"]).well();
    in_order(stands(&world, 1, "cancelled")["phase"]["summary"].as_str().unwrap(), &["cancelled by owner: too slow"]);
    world.run(&["retrain", "start", "m", "--reason", "to be killed"]).well();
    wait_for("the stage", || world.exists(".tidegate/changes/retrain-m-2/words.csv").then_some(()));
    first.kill();
    assert_eq!(state(&world)["trainings"][1]["phase"]["phase"], "training", "the journal tells while nobody is up");
    // The data are mended meanwhile, and the copy is made anew.
    world.write("words.csv", "word\nother\n");
    let mut again = up(&world);
    stands(&world, 2, "promoted");
    again.interrupt();
    wait_for("the end", || again.status().map(drop));
    world.run(&["audit", "verify"]).well();
}

#[test]
fn a_failed_check_blocks_a_release_and_an_old_version_meets_todays_data() {
    if !has_runtime() {
        return;
    }
    let strategy =
        "  careful:\n    steps: [{ canary: { weights: [5], min_time: 1h } }, { promote: { watch: 0ms } }]\n    blocked_by: [data]\n";
    let world = trained("on: data, cool_down: 0ms, approve: auto, release: careful", strategy);
    let _up = up(&world);
    looked(&world);
    for (number, word) in [(1, "other"), (2, "third")] {
        world.write("words.csv", &format!("word\n{word}\n"));
        if number > 1 {
            stands(&world, number, "releasing");
            let release = format!("s/{number}");
            wait_for("the release", || {
                let said = world.run(&["release", "promote", &release, "--reason", "test"]);
                (said.code == 0).then_some(())
            });
        }
        stands(&world, number, "promoted");
    }
    // The contract of today lets everything through; that of the version's time does not.
    world.write("words.yaml", "dataset: words\ncolumns:\n  word: { not_null: true }\n");
    world.write("words.csv", "word\nUPPER\n");
    stands(&world, 3, "releasing");
    wait_for("the release", || (world.run(&["release", "abort", "s/3", "--reason", "test"]).code == 0).then_some(()));
    stands(&world, 3, "rolled_back");
    world
        .run(&["release", "start", "s", "1"])
        .fails(5, &["release version 1 of m again", "today's data do not fit it", "its contract of `words`", "--despite"]);
    world.run(&["release", "start", "s", "3"]).well();
    world.run(&["release", "abort", "s/4", "--reason", "test"]).well();
    wait_for("the end of it", || (world.run(&["release", "watch", "s/4"]).code == 1).then_some(()));
    world.run(&["release", "start", "s", "1", "--despite", "the words are only logged"]).well();
    let change = world.run(&["release", "status", "s/5", "--json"]).well().json()["change"].as_str().unwrap().to_owned();
    in_order(&change, &["whatever today's data say", "the words are only logged"]);
    world.run(&["release", "abort", "s/5", "--reason", "test"]).well();
    wait_for("the end of it", || (world.run(&["release", "watch", "s/5"]).code == 1).then_some(()));
    // A check that fails blocks what is released by a strategy that asks for it, and nothing else.
    world.write("words.yaml", CONTRACT);
    assert_eq!(world.run(&["check", "--record"]).code, 1, "checked and recorded by the one that is up");
    world
        .run(&["release", "start", "s", "3", "--strategy", "careful"])
        .fails(5, &["start a release of version 3", "the newest check of `words`", "failed"]);
    world.run(&["release", "start", "s", "3"]).well();
}
