//! Environments: made once, never half.

use crate::world::{World, now};
use tidegate_build::{Event, RunRequest, env, run};

fn make(world: &World, lock: &str) -> (Result<env::Env, String>, Vec<Event>) {
    let mut events = Vec::new();
    let made = env::ensure(&world.path(lock), &world.path("envs"), &mut |e: &Event| events.push(e.clone()));
    (made.map_err(|e| e.to_string()), events)
}

#[test]
fn an_environment_is_made_once_and_stages_run_in_it() {
    let world = World::new("stages:\n  s: {cmd: 'python -c \"import sys; print(sys.prefix)\" > o; echo $VIRTUAL_ENV >> o', outs: [o]}\n");
    world.write("requirements.lock", "# nothing\n");
    let (both, events) = std::thread::scope(|scope| {
        let other = scope.spawn(|| make(&world, "requirements.lock"));
        let own = make(&world, "requirements.lock");
        let other = other.join().unwrap();
        ([own.0.unwrap(), other.0.unwrap()], [own.1, other.1])
    });
    assert_eq!(both[0], both[1]);
    let started = events.iter().flatten().filter(|e| matches!(e, Event::EnvironmentStarted { .. })).count();
    assert_eq!(started, 1, "two that come at once make one environment");
    let home = both[0].bin.parent().unwrap();
    let request = RunRequest { env: Some(&both[0]), ..RunRequest::new(world.root()) };
    let report = run(&request, &now, &mut tidegate_build::Silent).unwrap();
    assert_eq!(report.environment, Some(both[0].digest.clone()));
    assert_eq!(world.read("o"), format!("{0}\n{0}\n", home.display()));
    // Half-made: the marker is not there.
    std::fs::remove_file(home.join(".tidegate-complete")).unwrap();
    std::fs::write(home.join("leftover"), "x").unwrap();
    let (again, events) = make(&world, "requirements.lock");
    assert!(again.is_ok() && events.iter().any(|e| matches!(e, Event::EnvironmentStarted { .. })));
    assert!(!home.join("leftover").exists());
}

#[test]
fn an_environment_that_cannot_be_made_is_not_there() {
    let world = World::new("");
    world.write("bad.lock", "./no-such-package\n");
    let (made, events) = make(&world, "bad.lock");
    let error = made.unwrap_err();
    assert!(error.contains("install the requirements of") && error.contains("no-such-package"), "{error}");
    assert!(events.iter().any(|e| matches!(e, Event::EnvironmentLine { .. })));
    let left: Vec<_> = std::fs::read_dir(world.path("envs")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".lock")), "{left:?}");
}
