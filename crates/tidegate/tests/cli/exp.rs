//! Experiments: sweeps beside the workspace, their queue, what is shown of them, and the one that is applied.

use crate::world::{World, in_order, wait_for};
use serde_json::{Value, json};

/// `prep` reads no parameter; `train` writes what it was given, and its score.
const PIPELINE: &str = "stages:
  prep: {cmd: cp in prepared, deps: [in], outs: [prepared]}
  train:
    cmd: echo ran >> ../../../../../count; cat prepared > model; echo lr ${lr} >> model; echo '{\"auc\":' ${lr} '}' > score.json
    deps: [prepared]
    params: [lr, deep.kind]
    outs: [model]
    metrics: [score.json: {cache: false}]
";
const PARAMS: &str = "lr: 0.5\ndeep: {kind: tree}\n";

fn world() -> World {
    let world = World::with(&[("dvc.yaml", PIPELINE), ("params.yaml", PARAMS), ("in", "data\n")]);
    for words in ["init -q", "add -A", "-c user.name=a -c user.email=a@b commit -qm first"] {
        let git = std::process::Command::new("git").args(words.split(' ')).current_dir(world.root()).status().unwrap();
        assert!(git.success(), "git {words}");
    }
    world
}

/// How often `train` ran in experiments: seen from their trees, `count` lies beside the workspace.
fn trained(world: &World) -> usize {
    std::fs::read_to_string(world.beside("count")).map_or(0, |text| text.lines().count())
}

fn by_lr(said: &Value, lr: f64) -> &Value {
    let of = |e: &&Value| e["params"]["params.yaml"]["lr"] == json!(lr);
    said["experiments"].as_array().unwrap().iter().find(of).unwrap_or_else(|| panic!("{lr} in {said}"))
}

#[test]
fn a_sweep_runs_every_combination_beside_the_workspace() {
    let world = world();
    let said = world.run(&["run", "-S", "lr=0.1,0.2", "-S", "deep.kind=tree,linear", "--json"]).well().json();
    let all = said["experiments"].as_array().unwrap();
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|e| e["state"] == "done" && e["run"].is_string()), "{said}");
    assert_eq!(by_lr(&said, 0.2)["metrics"], json!({ "score.json": { "auc": 0.2 } }));
    assert!(!world.exists("model") && world.read("params.yaml") == PARAMS, "the workspace is as it was");
    let events = world.events();
    assert_eq!(events.iter().filter(|e| e.starts_with("run/experiment-exp-") && e.ends_with("-1 finished")).count(), 4);
    // The same again has nothing to do; a change of what all read runs all again.
    world.run(&["run", "-S", "lr=0.1,0.2", "-S", "deep.kind=tree,linear"]).well();
    assert_eq!((world.events().len(), trained(&world)), (events.len(), 4));
    world.write("in", "other\n");
    world.run(&["run", "-S", "lr=0.1,0.2", "-S", "deep.kind=tree,linear"]).well();
    assert_eq!(trained(&world), 8);
    world.run(&["audit", "verify"]).well();
}

#[test]
fn experiments_are_shown_compared_and_applied() {
    let world = world();
    world.run(&["run"]).well();
    world.run(&["run", "-n", "try", "-S", "lr=range(0.1,0.4,0.1)"]).well();
    let table = world.run(&["exp", "show", "--csv", "--sort-by", "auc", "--sort-order", "desc"]).well().out;
    assert_eq!(table, "Experiment,State,auc,lr\nworkspace,-,0.5,0.5\ntry-3,done,0.3,0.3\ntry-2,done,0.2,0.2\ntry-1,done,0.1,0.1\n");
    let diff = world.run(&["exp", "diff", "try-1", "try-3", "--json"]).well().json();
    assert_eq!(diff["params"], json!({ "params.yaml": { "lr": { "old": 0.1, "new": 0.3, "diff": 0.3 - 0.1 } } }));
    world.run(&["exp", "apply", "try-2"]).well();
    assert_eq!((world.read("model"), world.read("score.json")), ("data\nlr 0.2\n".into(), "{\"auc\": 0.2 }\n".into()));
    assert!(world.run(&["run"]).well().out.contains("everything is up to date"), "the lock file came with it");
    // From one experiment to the next nothing is in the way; what a person changed is.
    world.run(&["exp", "apply", "try-1"]).well();
    world.write("params.yaml", "lr: 7\ndeep: {kind: tree}\n");
    world.run(&["exp", "apply", "try-3"]).fails(5, &["apply experiment try-3", "params.yaml", "--force"]);
    assert_eq!((world.read("model"), world.read("params.yaml")), ("data\nlr 0.1\n".into(), "lr: 7\ndeep: {kind: tree}\n".into()));
    world.run(&["exp", "apply", "try-3", "--force"]).well();
    assert_eq!(world.read("model"), "data\nlr 0.3\n");
    // An output that nobody saved stops it, and then nothing of it is done.
    std::fs::remove_file(world.path("model")).unwrap();
    world.write("model", "mine");
    world.run(&["exp", "apply", "try-1"]).fails(1, &["not saved", "model"]);
    assert_eq!((world.read("model"), world.read("params.yaml").contains("lr: 0.3")), ("mine".into(), true));
}

#[test]
fn the_queue_waits_and_is_run_and_failures_are_told() {
    let world = world();
    assert_eq!(world.run(&["run", "--queue", "-n", "later", "-S", "lr=1,2"]).well().err.trim(), "`tidegate run --run-all` runs them");
    let states = |world: &World| {
        let listed = world.run(&["exp", "list", "--json"]).well().json();
        let state = |e: &Value| format!("{} {}", e["name"].as_str().unwrap(), e["state"].as_str().unwrap());
        listed["experiments"].as_array().unwrap().iter().map(state).collect::<Vec<_>>()
    };
    assert_eq!(states(&world), ["later-1 queued", "later-2 queued"]);
    world.run(&["exp", "apply", "later-1"]).fails(5, &["apply experiment later-1", "queued", "--run-all"]);
    world.run(&["exp", "remove", "later-2"]).well();
    world.run(&["run", "--run-all"]).well();
    assert_eq!(states(&world), ["later-1 done"]);
    let failed =
        world.run(&["run", "-n", "wrong", "-S", "nothing.there=1"]).fails(1, &["experiment wrong", "params.yaml", "nothing.there"]);
    in_order(&failed.out, &["wrong", "failed"]);
    assert_eq!(states(&world), ["later-1 done", "wrong failed"]);
    world.run(&["exp", "diff", "nobody"]).fails(4, &["find experiment nobody", "exp list"]);
    world.run(&["run", "-n", "../up", "-S", "lr=1"]).fails(2, &["name an experiment", "../up"]);
    world.run(&["run", "-S", "lr=1,,2"]).fails(2, &["lr=1,,2", "empty value"]);
    world.run(&["run", "-S", "a=range(0,99)", "-S", "b=range(0,99)"]).fails(2, &["more than 1000 experiments"]);
    world.run(&["exp", "remove", "--all"]).well();
    assert_eq!(states(&world), Vec::<String>::new());
    assert!(world.run(&["exp", "show"]).well().err.contains("there is no experiment yet"));
}

#[test]
fn a_killed_sweep_goes_on_where_it_was() {
    let world = world();
    let slow = PIPELINE.replace("echo ran", "test ! -e ../../../../../hold || sleep 600; echo ran");
    world.write("dvc.yaml", &slow);
    std::fs::write(world.beside("hold"), "").unwrap();
    let mut sweep = world.start(&["run", "-n", "long", "-S", "lr=range(1,5)", "-j", "1"]);
    wait_for("the first experiment to train", || world.exists(".tidegate/experiments/long-1/tree/prepared").then_some(()));
    sweep.kill();
    std::fs::remove_file(world.beside("hold")).unwrap();
    world.run(&["run", "--run-all"]).well();
    assert_eq!(trained(&world), 4);
    let said = world.run(&["exp", "list", "--json"]).well().json();
    assert!(said["experiments"].as_array().unwrap().iter().all(|e| e["state"] == "done"), "{said}");
    world.run(&["audit", "verify"]).well();
}
