//! Real DVC as the judge of our files, both ways. Needs a `dvc` 3 executable, named by `TIDEGATE_TEST_DVC`.

use crate::world::World;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

const PIPELINE: &str = r#"
vars: [{words: {greeting: "it's: me", n: 3}}]
stages:
  zulu:
    cmd: >-
      mkdir -p 'tree/sub dir' && cat data/a.txt data/é.bin > 'tree/sub dir/é b.txt' && : > tree/empty && echo a rather long
      command that is folded --epochs ${train.epochs} --rate ${lr} "quoted '${words.greeting}'" > tree/b && chmod +x tree/b
    deps: [data, run.sh]
    params: [lr, train, flag, nothing, list, {other.json: [a.b]}]
    outs: [tree]
  alpha:
    cmd: ['cp -r tree copy', 'echo "{\"auc\": 0.5, \"n\": 1}" > m.json; echo x,y > plot.csv']
    deps: [tree/sub dir, tree]
    outs: [copy]
    metrics: [{m.json: {cache: false}}]
    plots: [plot.csv]
  tool:
    cmd: "cp run.sh tool.sh\necho done"
    deps: [run.sh]
    outs: [tool.sh]
  fetch: {cmd: echo fetched > sub/fetched, outs: [sub/fetched]}
  inside: {cmd: cat fetched ../copy/b > deep, wdir: sub, deps: [fetched, ../copy/b], outs: [deep]}
  each: {foreach: [us, 1.5, true], do: {cmd: 'echo ${item} > each-${item}', params: [lr], outs: ['each-${item}']}}
  grid: {matrix: {m: [a, b], n: [1, 2]}, cmd: 'echo ${key} > grid-${key}', deps: ['each-us'], outs: ['grid-${key}']}
  kept: {cmd: echo k >> kept, deps: [tool.sh], outs: [{kept: {persist: true}}]}
"#;

const PARAMS: &str = "lr: 1e-05\ntrain: {epochs: 3, opt: {eps: 1e-08, name: 'adam: x'}, layers: [1, 2.0, true, null, '2013-12-31', yes]}\n\
    flag: true\nnothing: null\nlist: []\n";

/// The executable, or a line that says that this is skipped.
fn dvc() -> Option<std::ffi::OsString> {
    let found = std::env::var_os("TIDEGATE_TEST_DVC");
    if found.is_none() {
        // Not `eprintln!`, which a passing test does not show.
        let line = "SKIPPED: comparison with DVC: set TIDEGATE_TEST_DVC to a dvc 3 executable to run it\n";
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    found
}

fn call(root: &Path, arguments: &[&str]) -> String {
    let output = Command::new(dvc().unwrap())
        .args(arguments)
        .current_dir(root)
        .env("SHELL", "/bin/sh")
        .env("DVC_NO_ANALYTICS", "1")
        .env("DVC_SITE_CACHE_DIR", root.join(".site"))
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "dvc {arguments:?}: {text}");
    text
}

fn world() -> World {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new(PIPELINE);
    call(world.root(), &["init", "--no-scm", "-q"]);
    world.write("params.yaml", PARAMS);
    world.write("other.json", "{\"a\": {\"b\": [1, {\"c\": 0.1}]}}");
    world.write("data/a.txt", "one\r\ntwo\n");
    world.write("data/é.bin", "\u{0}\u{1}");
    world.write("data/sub/z", "");
    world.write("sub/keep", "");
    world.write("run.sh", "#!/bin/sh\n");
    std::fs::set_permissions(world.path("run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    world
}

fn assert_up_to_date(world: &World) {
    let status = call(world.root(), &["status"]);
    assert!(status.contains("up to date"), "{status}");
    let repro = call(world.root(), &["repro"]);
    assert!(!repro.contains("Running stage") && !repro.contains("is cached"), "{repro}");
}

/// Every file of the run-cache, by path, with its content.
fn run_cache(world: &World) -> std::collections::BTreeMap<String, String> {
    fn walk(directory: &Path, found: &mut std::collections::BTreeMap<String, String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                let name: Vec<_> = path.components().rev().take(2).map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
                found.insert(name.join(" of "), std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = std::collections::BTreeMap::new();
    walk(&world.path(".dvc/cache/runs"), &mut found);
    found
}

#[test]
fn dvc_agrees_with_our_run() {
    if dvc().is_none() {
        return;
    }
    let (ours, theirs) = (world(), world());
    let report = ours.run();
    assert!(report.failure().is_none(), "{}", crate::world::show(&report));
    call(theirs.root(), &["repro"]);
    assert_eq!(ours.read("dvc.lock"), theirs.read("dvc.lock"));
    assert_eq!(run_cache(&ours), run_cache(&theirs));
    let lock = ours.read("dvc.lock");
    assert_up_to_date(&ours);
    assert_eq!(ours.read("dvc.lock"), lock);
    // What DVC did is nothing to do for us.
    assert!(theirs.run().is_no_op());
    assert_eq!(theirs.read("dvc.lock"), lock);
    // Each restores from the other's run-cache and cache.
    for world in [&ours, &theirs] {
        std::fs::remove_file(world.path("dvc.lock")).unwrap();
        std::fs::remove_dir_all(world.path("tree")).unwrap();
        std::fs::remove_file(world.path("tool.sh")).unwrap();
    }
    let repro = call(ours.root(), &["repro", "zulu", "tool"]);
    assert!(repro.contains("'zulu' is cached") && repro.contains("'tool' is cached") && !repro.contains("Running"), "{repro}");
    let report = theirs.run();
    let how = crate::world::show(&report);
    assert!(how.contains("zulu: restored from RunCache") && how.contains("tool: restored from RunCache"), "{how}");
}

#[test]
fn changes_go_back_and_forth() {
    if dvc().is_none() {
        return;
    }
    let (ours, theirs) = (world(), world());
    for (round, params) in [("one", "lr: 0.1\n"), ("two", "lr: 0.30000000000000004\n"), ("three", "lr: 100000000000000000.0\n")] {
        for world in [&ours, &theirs] {
            world.write("params.yaml", &PARAMS.replace("lr: 1e-05\n", params));
            world.write("data/a.txt", round);
        }
        // Odd rounds by us, even ones by DVC, against DVC alone.
        if round == "two" {
            call(ours.root(), &["repro"]);
        } else {
            ours.run();
        }
        call(theirs.root(), &["repro"]);
        assert_eq!(ours.read("dvc.lock"), theirs.read("dvc.lock"), "round {round}");
    }
    assert_up_to_date(&ours);
    assert!(ours.run().is_no_op());
}
