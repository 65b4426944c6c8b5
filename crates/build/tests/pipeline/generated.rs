//! Generated repositories, run by us and by real DVC: the same names, statuses, lock files, digests and run-cache, and each
//! finds nothing to do after the other. `TIDEGATE_DVC_REPOS` sets how many.

use crate::peer::Peer;
use crate::seeded::{pipeline, repository};
use crate::world::{World, now, show};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_build::{RunReport, RunRequest, StageOutcome, StatusRequest, dvc_status, load, status_of};
use tidegate_core::pipeline::Command;
use tidegate_wire::dvc::{Options, parse_pipeline};

/// Repositories where nothing is set.
const REPOSITORIES: u64 = 50;

fn wanted() -> u64 {
    std::env::var_os("TIDEGATE_DVC_REPOS").and_then(|n| n.into_string().ok()?.parse().ok()).unwrap_or(REPOSITORIES)
}

fn world(peer: &mut Peer, number: u64) -> World {
    let world = World::new("");
    peer.dvc(world.root(), &["init", "--no-scm", "-q"]);
    repository(&world, number);
    world
}

fn run_all(world: &World) -> RunReport {
    let request = RunRequest { all_pipelines: true, ..RunRequest::new(world.root()) };
    world.run_with(&request).unwrap()
}

fn our_status(world: &World) -> Value {
    let request = StatusRequest { all_pipelines: true, ..StatusRequest::default() };
    dvc_status(&status_of(world.root(), &request, &now).unwrap())
}

fn their_status(peer: &mut Peer, world: &World) -> Value {
    serde_json::from_str(&peer.dvc(world.root(), &["status", "--json"])).unwrap()
}

fn our_names(world: &World) -> Vec<String> {
    let loaded = load(world.root(), None, None).unwrap_or_else(|e| panic!("{e}\n{}", world.read("dvc.yaml")));
    let mut names: Vec<_> = loaded.graph.stages().iter().map(|s| s.name.clone()).collect();
    names.sort();
    names
}

/// Lock files and entries of the run-cache, by path.
fn written(world: &World) -> BTreeMap<String, String> {
    fn walk(directory: &Path, root: &Path, found: &mut BTreeMap<String, String>) {
        let Ok(entries) = std::fs::read_dir(directory) else { return };
        for path in entries.map(|e| e.unwrap().path()) {
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&world.path(".dvc/cache/runs"), world.root(), &mut found);
    for lock in ["dvc.lock", "part/dvc.lock"].into_iter().filter(|l| world.path(l).exists()) {
        found.insert(lock.to_owned(), world.read(lock));
    }
    found
}

#[test]
fn dvc_and_we_agree_on_generated_repositories() {
    // So many as take long are shared out, each part with a DVC of its own.
    let parts = if wanted() > REPOSITORIES { std::thread::available_parallelism().map_or(1, |n| n.get() as u64) } else { 1 };
    std::thread::scope(|scope| {
        for part in 0..parts {
            scope.spawn(move || {
                let Some(mut peer) = Peer::start() else { return };
                (part..wanted()).step_by(parts as usize).for_each(|number| agree(&mut peer, number));
            });
        }
    });
}

fn agree(peer: &mut Peer, number: u64) {
    let (ours, theirs) = (world(peer, number), world(peer, number));
    let yaml = ours.read("dvc.yaml");
    let mut names: Vec<String> = peer.dvc(ours.root(), &["stage", "list", "--all", "--name-only"]).lines().map(str::to_owned).collect();
    names.sort();
    assert_eq!(our_names(&ours), names, "names, seed {number}\n{yaml}");
    assert_eq!(our_status(&ours), their_status(peer, &ours), "status before, seed {number}\n{yaml}");
    let report = run_all(&ours);
    assert!(report.failure().is_none(), "seed {number}: {}\n{yaml}", show(&report));
    let said = peer.said(theirs.root(), &["repro", "-P"]);
    assert!(said.contains("Running stage"), "seed {number}: {said}");
    assert_eq!(written(&ours), written(&theirs), "what is written, seed {number}\n{yaml}");
    // Each finds nothing to do after the other.
    let before = written(&ours);
    let said = peer.said(ours.root(), &["repro", "-P"]);
    assert!(!said.contains("Running stage") && !said.contains("is cached"), "seed {number}: {said}\n{yaml}");
    assert_eq!(their_status(peer, &ours), serde_json::json!({}), "seed {number}");
    assert_eq!(written(&ours), before, "seed {number}");
    assert!(run_all(&theirs).is_no_op(), "seed {number}: {}\n{yaml}", show(&run_all(&theirs)));
    assert_eq!(our_status(&theirs), serde_json::json!({}), "seed {number}");
    changed(peer, &ours, number);
    restored(peer, &ours, &theirs, number);
}

/// A change is seen alike by both.
fn changed(peer: &mut Peer, world: &World, number: u64) {
    let params = world.read("params.yaml");
    world.write("params.yaml", &params.replace("1e-05", "0.5").replace("big: 123456789012\n", "").replace("cat", "CAT"));
    world.write("raw0/new", "new\n");
    assert_eq!(our_status(world), their_status(peer, world), "status after a change, seed {number}\n{}", world.read("dvc.yaml"));
    world.write("params.yaml", &params);
    std::fs::remove_file(world.path("raw0/new")).unwrap();
}

/// Without lock files each restores from the run-cache that the other wrote, and runs the same rest: what persists or is not
/// cached, and what needs that.
fn restored(peer: &mut Peer, ours: &World, theirs: &World, number: u64) {
    for world in [ours, theirs] {
        for lock in ["dvc.lock", "part/dvc.lock"] {
            let _ = std::fs::remove_file(world.path(lock));
        }
    }
    let report = run_all(theirs);
    assert!(report.failure().is_none(), "seed {number}: {}", show(&report));
    let ran = report.stages.iter().filter(|s| matches!(s.outcome, StageOutcome::Ran { .. }));
    let mut ran: Vec<String> = ran.map(|s| s.stage.clone()).collect();
    let said = peer.said(ours.root(), &["repro", "-P"]);
    let mut their_ran: Vec<String> =
        said.lines().filter_map(|line| line.strip_prefix("Running stage '")?.strip_suffix("':").map(str::to_owned)).collect();
    ran.sort();
    their_ran.sort();
    assert_eq!(ran, their_ran, "stages that run though the other ran them, seed {number}\n{}", ours.read("dvc.yaml"));
    assert_eq!(written(ours).get("dvc.lock"), written(theirs).get("dvc.lock"), "seed {number}");
    assert!(run_all(ours).is_no_op(), "seed {number}");
}

#[test]
fn expansion_is_dvcs() {
    let Some(mut peer) = Peer::start() else { return };
    let world = World::new("");
    peer.dvc(world.root(), &["init", "--no-scm", "-q"]);
    let mut agreed = 0;
    for number in 0..wanted() * 10 {
        let data = pipeline(number);
        let theirs = peer.expand(world.root(), &data);
        // JSON is YAML.
        let ours = parse_pipeline("dvc.yaml", &data.to_string(), Options::default(), &mut |_| Ok(None));
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                agreed += 1;
                let ours: Vec<(String, Vec<String>, Vec<String>)> = ours
                    .stages
                    .iter()
                    .map(|s| {
                        (s.name.clone(), commands(s.cmd.as_ref()), s.deps.iter().chain(s.outs.iter().map(|o| &o.path)).cloned().collect())
                    })
                    .collect();
                let theirs: Vec<_> = theirs.iter().map(|(name, stage)| (name.clone(), texts(&stage["cmd"]), paths(stage))).collect();
                assert_eq!(ours, theirs, "seed {number}\n{data:#}");
            }
            (Err(_), Err(_)) => {}
            (ours, theirs) => panic!("seed {number}: ours {ours:?}, DVC's {theirs:?}\n{data:#}"),
        }
    }
    assert!(agreed > wanted(), "most refused: nothing was compared");
}

fn commands(cmd: Option<&Command>) -> Vec<String> {
    match cmd {
        Some(Command::One(text)) => vec![text.clone()],
        Some(Command::Many(texts)) => texts.clone(),
        None => Vec::new(),
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

fn paths(stage: &Value) -> Vec<String> {
    ["deps", "outs"].into_iter().flat_map(|key| texts(&stage[key])).collect()
}
