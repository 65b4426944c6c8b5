//! Runs that go well.

use crate::world::{World, now, show};
use expect_test::expect;
use tidegate_build::{Event, RunRequest, StageOutcome, run, snapshot, status};
use tidegate_core::machine::Machine as _;
use tidegate_core::run::{Command, Phase, Runs, Start, State};

const CHAIN: &str = r#"
stages:
  prepare:
    cmd: echo prepare >> ran.log; mkdir -p prepared/sub && tr a-z A-Z < raw.txt > prepared/sub/all.txt && echo x > prepared/x
    deps: [raw.txt]
    outs: [prepared]
  train:
    cmd: echo train >> ran.log; cat prepared/sub/all.txt > model && echo ${lr} >> model && echo '{"auc":0.75}' > m.json
    deps: [prepared]
    params: [lr]
    outs: [model]
    metrics: [{m.json: {cache: false}}]
  report:
    cmd: wc -c < model > report.txt; echo report >> ran.log
    deps: [model, m.json]
    outs: [report.txt]
"#;

fn chain() -> World {
    let world = World::new(CHAIN);
    world.write("raw.txt", "hello\n");
    world.write("params.yaml", "lr: 0.1\n");
    world
}

#[test]
fn only_what_changed_runs_again() {
    let world = chain();
    expect![[r#"
        Succeeded
        prepare: ran (no run of it is recorded)
        train: ran (no run of it is recorded)
        report: ran (no run of it is recorded)
    "#]]
    .assert_eq(&show(&world.run()));
    assert_eq!(world.ran(), "prepare train report");
    let lock = world.read("dvc.lock");
    let again = world.run();
    assert!(again.is_no_op() && again.code.is_none());
    assert_eq!((world.ran().as_str(), world.read("dvc.lock")), ("", lock.clone()));
    // A change that comes to the same result goes no further.
    world.write("raw.txt", "HELLO\n");
    expect![[r#"
        Succeeded
        prepare: ran (dependency raw.txt changed)
        train: skipped, Unchanged
        report: skipped, Unchanged
    "#]]
    .assert_eq(&show(&world.run()));
    world.write("params.yaml", "lr: 0.2\nunused: 1\n");
    expect![[r#"
        Succeeded
        prepare: skipped, Unchanged
        train: ran (its command changed; parameter lr of params.yaml changed)
        report: ran (dependency model changed)
    "#]]
    .assert_eq(&show(&world.run()));
    world.ran();
    // Back to what was: from the run-cache, nothing runs.
    world.write("params.yaml", "lr: 0.1\n");
    world.write("raw.txt", "hello\n");
    let back = world.run();
    assert!(back.stages.iter().all(|s| matches!(s.outcome, StageOutcome::Restored(_))), "{}", show(&back));
    assert_eq!((world.ran().as_str(), world.read("dvc.lock")), ("", lock));
    assert_eq!(world.read("model"), "HELLO\n0.1\n");
}

#[test]
fn outputs_come_back_from_the_cache_and_a_damaged_cache_is_noticed() {
    let world = chain();
    world.run();
    world.ran();
    std::fs::remove_dir_all(world.path("prepared")).unwrap();
    world.write("model", "somebody wrote here");
    expect![[r#"
        Succeeded
        prepare: restored from Lock (output prepared is missing)
        train: restored from Lock (output model changed)
        report: skipped, Unchanged
    "#]]
    .assert_eq(&show(&world.run()));
    assert_eq!((world.ran().as_str(), world.read("prepared/sub/all.txt").as_str()), ("", "HELLO\n"));
    // Damage the object of the model, then ask for it.
    let report = world.run();
    let md5 = report.outputs()["model"].md5.clone();
    let object = world.path(&format!(".dvc/cache/files/md5/{}/{}", &md5[..2], &md5[2..]));
    std::fs::remove_file(&object).unwrap();
    std::fs::write(&object, "garbage").unwrap();
    std::fs::remove_file(world.path("model")).unwrap();
    let report = world.run();
    assert!(matches!(report.stages[1].outcome, StageOutcome::Ran { .. }), "{}", show(&report));
    assert_eq!(world.read("model"), "HELLO\n0.1\n");
    assert_eq!(std::fs::read_to_string(&object).unwrap(), "HELLO\n0.1\n");
}

#[test]
fn the_report_has_what_the_record_needs() {
    let world = chain();
    let mut started: Option<Start> = None;
    let request = RunRequest { change: "c1", ..RunRequest::new(world.root()) };
    let report = run(&request, &now, &mut |event: &Event| {
        if let Event::RunStarted { start } = event {
            started = Some((**start).clone());
        }
    })
    .unwrap();
    let start = started.unwrap();
    assert_eq!((start.code.as_str(), start.change.as_str()), ("none", "c1"));
    assert_eq!(start.params.to_string(), r#"{"params.yaml":{"lr":0.1}}"#);
    assert_eq!(report.metrics["m.json"].to_string(), r#"{"auc":0.75}"#);
    assert_eq!(report.inputs().keys().collect::<Vec<_>>(), ["raw.txt"]);
    assert_eq!(report.inputs()["raw.txt"].digest, tidegate_core::id::Digest::of(b"hello\n"));
    assert_eq!(report.outputs().keys().collect::<Vec<_>>(), ["prepared", "model", "m.json", "report.txt"]);
    // The machine takes the facts as they are.
    let mut state = State::default();
    let started = Runs::decide(&state, &Command::Start(Box::new(start), report.started)).unwrap();
    state = started.iter().fold(state, Runs::evolve);
    for fact in report.facts() {
        let events = Runs::decide(&state, &Command::Record(fact)).unwrap();
        state = events.iter().fold(state, Runs::evolve);
    }
    assert!(matches!(state.phase, Phase::Finished(_)));
    assert_eq!(state.outs.len(), 4);
}

/// Each of two stages ends only when it has seen the other: one after the other they would never end.
#[test]
fn stages_that_do_not_need_each_other_run_at_once() {
    let meet = |own: &str, other: &str| {
        format!(
            "  {own}:\n    cmd: touch {own}.here; while [ ! -e {other}.here ]; do sleep 0.01; done; echo {own} > {own}.out\n    outs: [{own}.out]\n"
        )
    };
    let world = World::new(&format!("stages:\n{}{}", meet("left", "right"), meet("right", "left")));
    let report = world.run_with(&RunRequest { jobs: 2, ..RunRequest::new(world.root()) }).unwrap();
    assert_eq!(report.stages.iter().filter(|s| matches!(s.outcome, StageOutcome::Ran { .. })).count(), 2);
    // The lock file does not tell who ended first.
    let lock = world.read("dvc.lock");
    assert!(lock.find("left:").unwrap() < lock.find("right:").unwrap());
}

#[test]
fn a_copy_with_changes_runs_only_what_they_touch() {
    let world = chain();
    world.run();
    world.ran();
    world.write(".git-is-not-here/keep", "1");
    world.write("overlay/params.yaml", "lr: 0.5\n");
    let copy = tempfile::tempdir().unwrap();
    let cache = world.path(".dvc/cache");
    for round in 0..2 {
        snapshot(world.root(), None, Some(&world.path("overlay")), copy.path()).unwrap();
        assert!(!copy.path().join("model").exists() && copy.path().join(".tidegate").exists() == (round > 0));
        let request = RunRequest { cache_dir: Some(&cache), ..RunRequest::new(copy.path()) };
        let report = world.run_with(&request).unwrap();
        assert!(matches!(report.stages[0].outcome, StageOutcome::Restored(_)), "{}", show(&report));
        assert_eq!(std::fs::read_to_string(copy.path().join("model")).unwrap(), "HELLO\n0.5\n");
    }
    // The second time nothing ran in the copy: what the first wrote there was removed, and came from the run-cache.
    assert!(!copy.path().join("ran.log").exists());
    assert_eq!(world.ran(), "");
    assert_eq!(world.read("model"), "HELLO\n0.1\n");
}

#[test]
fn parameters_set_from_outside_stand_in_the_file() {
    let world = chain();
    world.write("params.yaml", "# rates\nlr: 0.1 # learning\n");
    let request = RunRequest { params_overrides: vec!["lr=0.7".to_owned()], ..RunRequest::new(world.root()) };
    world.run_with(&request).unwrap();
    assert_eq!(world.read("params.yaml"), "# rates\nlr: 0.7 # learning\n");
    assert_eq!(world.read("model"), "HELLO\n0.7\n");
    let wrong = RunRequest { params_overrides: vec!["lr=0.8".to_owned(), "nope=1".to_owned()], ..RunRequest::new(world.root()) };
    let error = world.run_with(&wrong).unwrap_err().to_string();
    assert!(error.contains("set `nope`"), "{error}");
    assert_eq!(world.read("params.yaml"), "# rates\nlr: 0.7 # learning\n");
}

#[test]
fn targets_flags_and_status() {
    let world = World::new(
        "stages:\n  a: {cmd: echo a > a, outs: [a]}\n  b: {cmd: echo b >> b, deps: [a], outs: [{b: {persist: true}}]}\n  \
         c: {cmd: echo c > c, outs: [c], frozen: true}\n  d: {cmd: echo d > d, deps: [a], outs: [d], always_changed: true}\n  \
         e: {cmd: ['echo 1 > e', 'echo 2 >> e'], wdir: sub, outs: [e]}\n  f: {cmd: \"V=1\\necho \\\"[$V]\\\" > f\", outs: [f]}\n",
    );
    std::fs::create_dir(world.path("sub")).unwrap();
    let request = RunRequest { targets: vec!["b".to_owned()], ..RunRequest::new(world.root()) };
    assert_eq!(
        show(&world.run_with(&request).unwrap()),
        "Succeeded\na: ran (no run of it is recorded)\nb: ran (no run of it is recorded)\n"
    );
    let text: Vec<String> = status(world.root(), None, &now)
        .unwrap()
        .into_iter()
        .map(|s| {
            format!(
                "{}{}: {}",
                s.stage,
                if s.frozen { " (frozen)" } else { "" },
                s.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            )
        })
        .collect();
    assert_eq!(
        text,
        [
            "a: ",
            "b: ",
            "c (frozen): no run of it is recorded",
            "d: always runs; no run of it is recorded",
            "e: no run of it is recorded",
            "f: no run of it is recorded"
        ]
    );
    // A frozen stage never runs: what it names must be there.
    let missing = world.run().failure().unwrap().to_string();
    assert_eq!(missing, "`c` of `c` is neither in the workspace nor in the cache: fetch it with `tidegate pull c`");
    world.write("c", "mine\n");
    world.run();
    assert!(world.read("dvc.lock").contains("  c:\n    cmd: echo c > c\n"));
    std::fs::remove_file(world.path("c")).unwrap();
    assert!(show(&world.run()).contains("c: restored from Lock"));
    // Each line of a text is a command of its own, as in DVC: the second does not see the first's variable.
    assert_eq!((world.read("sub/e").as_str(), world.read("f").as_str()), ("1\n2\n", "[]\n"));
    assert_eq!(world.read("c"), "mine\n");
    let request = RunRequest { targets: vec!["b".to_owned()], force: true, ..RunRequest::new(world.root()) };
    world.run_with(&request).unwrap();
    assert_eq!(world.read("b"), "b\nb\n");
    assert!(show(&world.run()).contains("d: ran (always runs)"));
}

#[test]
fn executable_outputs_stay_executable() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new("stages:\n  a: {cmd: echo hi > x && chmod +x x, deps: [in], outs: [x]}\n");
    world.write("in", "1");
    world.run();
    assert!(world.read("dvc.lock").contains("isexec: true"));
    std::fs::remove_file(world.path("x")).unwrap();
    assert!(show(&world.run()).contains("restored from Lock"));
    assert_eq!(world.path("x").metadata().unwrap().permissions().mode() & 0o111, 0o111);
}

/// A repository of Git and DVC: the code's state does not depend on what stages write, and Git ignores what the cache owns.
#[test]
fn git_sees_the_code_and_not_what_stages_write() {
    let git = |world: &World, arguments: &[&str]| {
        let done = std::process::Command::new("git").arg("-C").arg(world.root()).args(arguments).output().unwrap();
        assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let world = chain();
    world.write(".dvc/config", "");
    world.write(".gitignore", ".tidegate\n.dvc/cache\nran.log");
    git(&world, &["init", "-q"]);
    git(&world, &["add", "."]);
    git(&world, &["-c", "user.name=n", "-c", "user.email=e@x", "commit", "-qm", "m"]);
    let first = world.run().code.unwrap();
    assert_eq!((first.revision.as_str(), first.dirty.is_some()), (git(&world, &["rev-parse", "HEAD"]).trim(), false));
    assert_eq!(world.read(".gitignore"), ".tidegate\n.dvc/cache\nran.log\n/prepared\n/model\n/report.txt\n");
    assert_eq!(git(&world, &["status", "--porcelain"]), " M .gitignore\n?? dvc.lock\n?? m.json\n");
    git(&world, &["checkout", "-q", ".gitignore"]);
    world.write("params.yaml", "lr: 0.9\n");
    let second = world.run().code.unwrap();
    assert!(second.dirty.is_some() && second.revision == first.revision);
    assert!(second.to_string().starts_with(&format!("{}+dirty:", first.revision)));
}
