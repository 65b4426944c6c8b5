//! `kill -9` at random points of add, push and gc: nothing is ever wrong under its name, and the next command goes on.

use crate::world::{Dice, World, open, strings, wrong_objects};
use serde_json::json;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tidegate_build::data::{AddOptions, GcOptions, SyncOptions};
use tidegate_build::remote::NoProgress;

const CHILD: &str = "TIDEGATE_TEST_KILLED";
/// Files of the repository that is worked on.
const FILES: usize = 300;

/// Kills a command; more by `TIDEGATE_TEST_KILLS`.
fn kills() -> u64 {
    std::env::var_os("TIDEGATE_TEST_KILLS").and_then(|n| n.into_string().ok()?.parse().ok()).unwrap_or(20)
}

#[test]
#[ignore = "the process that the tests below kill"]
fn child() {
    let word = std::env::var_os(CHILD).unwrap().into_string().unwrap();
    let (command, root) = word.split_once(' ').unwrap();
    let repo = open(&PathBuf::from(root)).unwrap();
    match command {
        "add" => drop(repo.add(&strings(&["d"]), &AddOptions::default(), &|_| {}).unwrap()),
        "push" => drop(repo.push(&[], &SyncOptions::default(), &NoProgress).unwrap()),
        "gc" => drop(repo.gc(&GcOptions { workspace: true, ..GcOptions::default() }, &NoProgress).unwrap()),
        other => panic!("{other}"),
    }
}

/// Starts a command in a process of its own and kills it after `wait`; whether it was still running.
fn kill(command: &str, world: &World, wait: Duration) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "killed::child"])
        .env(CHILD, format!("{command} {}", world.root().display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(wait);
    let running = child.try_wait().unwrap().is_none();
    let _ = child.kill();
    let _ = child.wait();
    running
}

/// How long the command takes when nobody kills it, about.
fn duration(command: &str, world: &World) -> Duration {
    let began = crate::world::now();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "killed::child"])
        .env(CHILD, format!("{command} {}", world.root().display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(child.wait().unwrap().success());
    Duration::from_millis(crate::world::now().since_ms(began).max(10))
}

fn world(dice: &mut Dice) -> World {
    let world = World::new();
    for n in 0..FILES {
        let length = if n == 0 { 9 << 20 } else { dice.roll(9000) };
        let byte = u8::try_from(dice.roll(256)).unwrap();
        let mut bytes = vec![byte; length];
        bytes.extend_from_slice(&n.to_le_bytes());
        world.write(&format!("d/{}/{n}", n % 7), &bytes);
    }
    world
}

fn left_over(world: &World) -> usize {
    let folder = world.path(".dvc/cache/files/md5");
    let names = std::fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().file_name());
    names.filter(|n| n.to_string_lossy().starts_with(".tidegate-tmp-")).count()
}

#[test]
fn add_is_killed() {
    let mut dice = Dice::new(1);
    let whole = duration("add", &world(&mut dice));
    let mut hit = 0;
    for _ in 0..kills() {
        let world = world(&mut dice);
        hit += u64::from(kill("add", &world, whole.mul_f64(dice.roll(100) as f64 / 100.0)));
        assert_eq!(world.wrong_objects(), Vec::<String>::new());
        world.add(&["d"]);
        assert_eq!(world.status(), json!({}));
        assert_eq!(world.wrong_objects(), Vec::<String>::new());
        assert_eq!(left_over(&world), 0);
    }
    assert!(hit > 0, "every command was over before it was killed");
}

#[test]
fn push_is_killed() {
    let mut dice = Dice::new(2);
    let make = |dice: &mut Dice| {
        let world = world(dice);
        world.add(&["d"]);
        let store = tempfile::tempdir().unwrap();
        world.remote(&store.path().display().to_string());
        (world, store)
    };
    let whole = {
        let (world, _store) = make(&mut dice);
        duration("push", &world)
    };
    let mut hit = 0;
    for _ in 0..kills() {
        let (world, store) = make(&mut dice);
        hit += u64::from(kill("push", &world, whole.mul_f64(dice.roll(100) as f64 / 100.0)));
        let objects = store.path().join("files/md5");
        // No listing is there before its files.
        assert_eq!(wrong_objects(&objects), Vec::<String>::new());
        world.push().unwrap();
        assert_eq!(wrong_objects(&objects), Vec::<String>::new());
        assert!(world.repo().cloud_status(&[], &SyncOptions::default()).unwrap().is_empty());
    }
    assert!(hit > 0, "every command was over before it was killed");
}

#[test]
fn gc_is_killed() {
    let mut dice = Dice::new(3);
    let make = |dice: &mut Dice| {
        let world = world(dice);
        world.add(&["d"]);
        world.write("keep/a", b"a");
        world.add(&["keep"]);
        world.remove("d.dvc");
        world
    };
    let whole = {
        let world = make(&mut dice);
        duration("gc", &world)
    };
    let mut hit = 0;
    for _ in 0..kills() {
        let world = make(&mut dice);
        hit += u64::from(kill("gc", &world, whole.mul_f64(dice.roll(100) as f64 / 100.0)));
        // No listing outlives its files.
        assert_eq!(world.wrong_objects(), Vec::<String>::new());
        assert_eq!(world.status(), json!({}));
        world.repo().gc(&GcOptions { workspace: true, ..GcOptions::default() }, &NoProgress).unwrap();
        let left: usize = std::fs::read_dir(world.path(".dvc/cache/files/md5"))
            .unwrap()
            .map(|head| std::fs::read_dir(head.unwrap().path()).unwrap().count())
            .sum();
        assert_eq!(left, 2, "the listing of `keep` and its file");
    }
    assert!(hit > 0, "every command was over before it was killed");
}
